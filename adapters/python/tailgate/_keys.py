"""Certificates for a gateway that wants a key (CURVE): ours, and the gateway's (proto/WIRE.md, "With a key")."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple, Optional, Tuple

import zmq.auth

from ._place import Path

FILE_MAX = 65536


class Keys(NamedTuple):
    public: bytes  # all Z85
    secret: bytes
    server: bytes


def keys_of(cert: Path | None, server_cert: Path | None) -> Keys | None:
    """Reads both, CERT with its secret half beside it (CERT_secret); None without them. ValueError says why they cannot
    be used."""
    if cert is None and server_cert is None:
        return None
    if cert is None or server_cert is None:
        raise ValueError(f"cert and server_cert go together: {'cert' if cert is None else 'server_cert'} is missing")
    server, _ = _load(os.fspath(server_cert))
    path = f"{os.fspath(cert)}_secret"
    public, secret = _load(path)
    if secret is None:
        raise ValueError(f"{path}: has no secret key")
    if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
        raise ValueError(f"{path}: others than its owner can read it: chmod 600")
    return Keys(public, secret, server)


def _load(path: str) -> Tuple[bytes, Optional[bytes]]:
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > FILE_MAX:
            raise ValueError(f"{path}: is no certificate")
        keys = zmq.auth.load_certificate(path)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if any(key is not None and len(key) != 40 for key in keys):
        raise ValueError(f"{path}: holds no key of 40 characters")
    return keys
