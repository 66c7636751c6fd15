"""A gateway with keys: certificates made by `tailgate keygen`, sockets of pyzmq that carry them."""

import zmq
import zmq.auth

from harness import tailgate
from workers import MdpWorker


def keygen(*words):
    done = tailgate("keygen", *words)
    assert done.returncode == 0, done.stderr


class Keyed:
    """A context whose sockets of peers carry a key; stands in for a zmq.Context. CERT None: no CURVE at all."""

    def __init__(self, site, cert, server):
        self.context, self.cert, self.server = site.context, cert, server

    def socket(self, kind):
        socket = self.context.socket(kind)
        socket.linger = 0
        if self.cert:
            public, secret = zmq.auth.load_certificate(f"{self.cert}_secret")
            socket.curve_publickey, socket.curve_secretkey = public, secret
            socket.curve_serverkey = zmq.auth.load_certificate(self.server)[0]
        return socket


class World:
    def __init__(self, site):
        self.site, self.dir = site, site.folder / "keys"
        keygen("--gateway", self.dir)
        self.bridge = site.bridge()
        self.gateway = None

    def serve(self):
        self.gateway = self.site.serve(self.bridge, "--curve", self.dir, "--gate", "tcp://127.0.0.1:*",
                                       "--events", "tcp://127.0.0.1:*")
        doors = [row for row in self.gateway.status()["gateway"]["doors"] if row["security"] == "curve"]
        self.gate, self.events = (row["endpoint"] for row in doors)
        return self

    def key(self, name, role, allow=True, services=()):
        cert = self.site.folder / f"{name}.cert"
        words = [word for service in services for word in ("--service", service)]
        keygen(cert, "--role", role, "--name", name, *words, *(["--allow", self.dir] if allow else []))
        return cert

    def context(self, cert, server=None):
        return Keyed(self.site, cert, server or self.dir / "gateway.cert")

    def worker(self, cert, **keywords):
        return self.site._worker(MdpWorker(self.context(cert, **keywords), self.gate, "*"))

    def stranger(self, cert, **keywords):
        """A worker that is not to get in, and the monitor of its socket."""
        worker = self.site._worker(MdpWorker(self.context(cert, **keywords), self.gate, "*", ready=False))
        monitor = worker.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        worker.ready()
        return monitor

    def serves(self):
        """An allowed worker gets in, and answers."""
        worker = self.worker(self.dir.parent / "w1.cert")
        message = self.bridge.ask("?")
        worker.final(worker.request().token, "yes")
        assert "yes" in self.bridge.reply(message)["text"]
        return worker

    def refused(self):
        return self.gateway.status()["counters"]["refused_keys"]

    def workers(self):
        return len(self.gateway.status()["workers"])
