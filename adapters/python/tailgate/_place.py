"""Where a gateway's gate and its events are (proto/WIRE.md, "Endpoints")."""

from __future__ import annotations

import os
from typing import Callable, Union

Path = Union[str, "os.PathLike[str]"]
SOCKET_PATH_MAX = 107  # bytes of a unix socket's path
LOCK_SIZE_MAX = 8192


def gate_of(db: Path) -> str:
    """The gate of the gateway that serves the database DB, running or not: beside its canonical path. Where
    that is too long for a socket, what the running gateway wrote into its lock file; ValueError without one."""
    return _door_of(db, "gate")


def _door_of(db: Path, door: str) -> str:
    real = os.path.realpath(os.fspath(db))
    path = f"{real}-gate/{door}"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return "ipc://" + path
    try:
        with open(real + "-gate/lock", encoding="utf-8", errors="surrogateescape") as lock:
            for line in lock.read(LOCK_SIZE_MAX).split("\n"):
                if line.startswith(door + " "):
                    return line[len(door) + 1:]
    except OSError:
        pass
    raise ValueError(f"{path}: a socket path may have {SOCKET_PATH_MAX} bytes and this one has more; "
                     "name the gateway's endpoint")


def finder(endpoint: str | None, db: Path | None, door: str = "gate") -> Callable[[], str]:
    """What is called before each connection to learn where to connect. Exactly one of ENDPOINT and DB is given;
    raises ValueError for words that cannot be right. DOOR of a database's gateway: `gate` or `events`."""
    if endpoint is not None and db is None:
        if not endpoint.startswith(("ipc://", "tcp://")) or len(endpoint) <= len("ipc://"):
            raise ValueError(f"{endpoint}: an endpoint begins with ipc:// or tcp://")
        given = endpoint
        return lambda: given
    if db is None or endpoint is not None:
        raise ValueError("give either an endpoint or db=, the path of the database")
    path = os.path.abspath(os.fspath(db))
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise ValueError(f"{folder}: no such folder")
    _door_of(path, door)
    return lambda: _door_of(path, door)
