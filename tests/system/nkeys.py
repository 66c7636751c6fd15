"""NATS keys and JWTs (github.com/nats-io/nkeys and jwt, version 2) by hand, as `nsc` would make them: an operator, an
account with JetStream, and a user's .creds file. Signed with libsodium, which is there anyway."""

import base64
import ctypes
import ctypes.util
import json
import os
import time

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))
PREFIX_SEED = 18 << 3
OPERATOR, ACCOUNT, USER = 14 << 3, 0, 20 << 3


def crc16(data):
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc


def text_of(raw):
    return base64.b32encode(raw + crc16(raw).to_bytes(2, "little")).decode().rstrip("=")


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, kind):
        seed = os.urandom(32)
        public, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        SODIUM.crypto_sign_seed_keypair(public, self.secret, seed)
        self.public = text_of(bytes([kind]) + public.raw)
        self.seed = text_of(bytes([PREFIX_SEED | kind >> 5, (kind & 31) << 3]) + seed)

    def sign(self, data):
        signature = ctypes.create_string_buffer(64)
        SODIUM.crypto_sign_detached(signature, None, data, ctypes.c_ulonglong(len(data)), self.secret)
        return signature.raw

    def jwt(self, subject, name, nats):
        """What this key says about SUBJECT."""
        claims = {"jti": os.urandom(16).hex(), "iat": int(time.time()), "iss": self.public, "name": name,
                  "sub": subject.public, "nats": {**nats, "version": 2}}
        said = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode())
                        for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims))
        return f"{said}.{base64url(self.sign(said.encode()))}"


LIMITS = {name: -1 for name in ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage",
                                "disk_storage", "streams", "consumer")} | {"wildcards": True}
NO_STREAMS = {name: 0 for name in ("mem_storage", "disk_storage", "streams", "consumer")}
USER_LIMITS = {"subs": -1, "data": -1, "payload": -1, "type": "user"}


class Authority:
    """An operator and an account: what a server is told, and credentials for users."""

    def __init__(self):
        self.operator, self.account, self.system = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT)

    def config(self):
        operator = self.operator.jwt(self.operator, "operator",
                                     {"type": "operator", "system_account": self.system.public})
        described = {"type": "account", "limits": LIMITS, "default_permissions": {"pub": {}, "sub": {}}}
        account = self.operator.jwt(self.account, "account", described)
        system = self.operator.jwt(self.system, "system", {**described, "limits": {**LIMITS, **NO_STREAMS}})
        return (f"operator: {operator}\nsystem_account: {self.system.public}\nresolver: MEMORY\n"
                f"resolver_preload {{ {self.account.public}: {account}, {self.system.public}: {system} }}\n")

    def creds(self, path, deny=()):
        """A .creds file; DENY: subjects the user may not publish to."""
        user = Key(USER)
        jwt = self.account.jwt(user, "user", {**USER_LIMITS, "pub": {"deny": list(deny)} if deny else {}, "sub": {}})
        path.write_text(f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
                        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")
        path.chmod(0o600)
        return path
