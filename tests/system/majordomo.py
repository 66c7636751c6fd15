"""Majordomo peers whose frames are written by hand from the RFC texts (7/MDP, 18/MDP, 8/MMI, 9/TSP), so that no
code of ours is on both sides."""

import json
import time

import zmq

from process import WAIT

CLIENT_01, CLIENT_02, WORKER_01, WORKER_02 = b"MDPC01", b"MDPC02", b"MDPW01", b"MDPW02"


class Client01:
    """RFC 7: a REQ socket, or a DEALER that puts the empty frame there itself."""

    version = "MDP/0.1"

    def __init__(self, context, endpoint, kind=zmq.REQ, identity=None, correlate=False):
        self.socket = context.socket(kind)
        self.socket.linger = 0
        if identity is not None:
            self.socket.identity = identity
        if correlate:
            self.socket.setsockopt(zmq.REQ_CORRELATE, 1)
        self.lead = [b""] if kind == zmq.DEALER else []
        self.socket.connect(endpoint)

    def send(self, service, *body):
        self.socket.send_multipart([*self.lead, CLIENT_01, _bytes(service), *map(_bytes, body)])

    def receive(self, timeout=WAIT):
        """The body of the next reply; None when there is none in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        frames = self.socket.recv_multipart()
        assert frames[:len(self.lead)] == self.lead, frames
        frames = frames[len(self.lead):]
        assert frames[0] == CLIENT_01 and len(frames) >= 3, frames
        self.service = frames[1]
        return frames[2:]

    def ask(self, service, *body, timeout=WAIT):
        self.send(service, *body)
        reply = self.receive(timeout)
        assert reply is not None, f"no reply within {timeout} s"
        assert self.service == _bytes(service)
        return reply

    def close(self):
        self.socket.close(0)


class Client02:
    """RFC 18: a DEALER, and no empty frame."""

    version = "MDP/0.2"

    def __init__(self, context, endpoint, identity=None, lead=()):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        if identity is not None:
            self.socket.identity = identity
        self.lead = list(lead)
        self.socket.connect(endpoint)
        self.partials = []

    def send(self, service, *body):
        self.socket.send_multipart([*self.lead, CLIENT_02, b"\1", _bytes(service), *map(_bytes, body)])

    def frames(self, timeout=WAIT):
        """(command, service, body) of the next message; None when there is none in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        frames = self.socket.recv_multipart()
        assert frames[:len(self.lead)] == self.lead, frames
        frames = frames[len(self.lead):]
        assert frames[0] == CLIENT_02 and frames[1] in (b"\2", b"\3") and len(frames) >= 4, frames
        return frames[1], frames[2], frames[3:]

    def receive(self, timeout=WAIT):
        """The body of the next FINAL; the PARTIALs before it are in self.partials."""
        self.partials = []
        while True:
            got = self.frames(timeout)
            if got is None:
                return None
            self.service = got[1]
            if got[0] == b"\3":
                return got[2]
            self.partials.append((time.monotonic(), got[2]))

    def ask(self, service, *body, timeout=WAIT):
        self.send(service, *body)
        reply = self.receive(timeout)
        assert reply is not None, f"no reply within {timeout} s"
        assert self.service == _bytes(service)
        return reply

    def close(self):
        self.socket.close(0)


class Worker:
    """A stock worker: a DEALER that knows nothing of tokens, options or JSON. It says nothing while it works."""

    def __init__(self, context, endpoint, service, version=WORKER_02, identity=None, lead=None, ready=True):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 500
        if identity is not None:
            self.socket.identity = identity
        self.version = version
        self.lead = [b""] if (lead is None and version == WORKER_01) or lead else []
        self.commands = {"READY": 1, "REQUEST": 2, "FINAL": 3, "HEARTBEAT": 4, "DISCONNECT": 5} \
            if version == WORKER_01 else \
            {"READY": 1, "REQUEST": 2, "PARTIAL": 3, "FINAL": 4, "HEARTBEAT": 5, "DISCONNECT": 6}
        self.socket.connect(endpoint)
        self.service = service
        self.served = []
        if ready:
            self.send("READY", service)

    def send(self, command, *frames):
        self.socket.send_multipart([*self.lead, self.version, bytes([self.commands[command]]),
                                    *map(_bytes, frames)])

    def receive(self, timeout=WAIT):
        """(command's name, frames behind it); None when there is none in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        frames = self.socket.recv_multipart()
        assert frames[:len(self.lead)] == self.lead, frames
        frames = frames[len(self.lead):]
        assert frames[0] == self.version, frames
        name = next(name for name, byte in self.commands.items() if frames[1] == bytes([byte]))
        return name, frames[2:]

    def request(self, timeout=WAIT, beat=0.5):
        """(client address, body) of the next REQUEST, beating meanwhile; None when none came in time."""
        end = time.monotonic() + timeout
        while True:
            got = self.receive(max(0.0, min(beat, end - time.monotonic())))
            if got is None:
                if time.monotonic() >= end:
                    return None
                self.send("HEARTBEAT")
            elif got[0] == "REQUEST":
                address, empty, *body = got[1]
                assert empty == b"" and body, got
                return address, body
            else:
                assert got == ("HEARTBEAT", []), got

    def final(self, address, *body):
        self.send("FINAL", address, b"", *body)

    def partial(self, address, *body):
        self.send("PARTIAL", address, b"", *body)

    def wait(self, command, timeout=WAIT):
        """The frames of the next COMMAND, past heartbeats; it beats meanwhile."""
        end = time.monotonic() + timeout
        while True:
            got = self.receive(0.1)
            if got and got[0] == command:
                return got[1]
            assert got is None or got[0] == "HEARTBEAT", f"waiting for {command}: {got}"
            assert time.monotonic() < end, f"no {command} within {timeout} s"

    def close(self):
        self.socket.close()


class Rep:
    """A plain REP socket that binds: it gets one frame of JSON, and answers with one."""

    def __init__(self, context, endpoint):
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(endpoint)

    def request(self, timeout=WAIT):
        return json.loads(self.socket.recv()) if self.socket.poll(timeout * 1000) else None

    def answer(self, answer):
        self.socket.send_json(answer)

    def close(self):
        self.socket.close(0)


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode()
