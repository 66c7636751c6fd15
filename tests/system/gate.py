"""tailgate-work alone: the test is the gateway, a raw ROUTER socket that speaks proto/WIRE.md by hand."""

import json
import os
import time
from pathlib import Path

import pytest
import zmq

from harness import (FINAL, HEARTBEAT, HERE, MDP, PYTHON, READY, REQUEST, TAILGATE_WORK, WAIT,
                     Program, wait_for)


class Gate:
    """The gateway's side of the wire. It beats whenever the worker does, unless told not to."""

    def __init__(self, context, endpoint, beats=True):
        self.context = context
        self.endpoint = endpoint
        self.beats = beats
        self.socket = None
        self.heartbeats = 0
        self.asked = 0
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 1000
        self.socket.bind(self.endpoint)
        self.endpoint = self.socket.last_endpoint.decode()  # tcp: the port, to come back to

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def send(self, peer, *frames):
        self.socket.send_multipart([peer, MDP, *frames])

    def hear(self, timeout=WAIT):
        """The next message: (peer, command, frames behind it)."""
        assert self.socket.poll(timeout * 1000), f"waited {timeout:.0f} s for a frame of a worker"
        peer, header, command, *rest = self.socket.recv_multipart()
        assert header == MDP, "a DEALER worker puts no empty frame in front"
        if command == HEARTBEAT:
            self.heartbeats += 1
            if self.beats:
                self.send(peer, HEARTBEAT)
        return peer, command, rest

    def expect(self, command, timeout=WAIT):
        """The next message that is no heartbeat must be COMMAND; returns (peer, frames)."""
        end = time.monotonic() + timeout
        while True:
            peer, got, rest = self.hear(max(0.1, end - time.monotonic()))
            if got != HEARTBEAT:
                assert got == command, f"expected {command!r}, got {got!r} {rest!r}"
                return peer, rest

    def ready(self, timeout=WAIT):
        """Waits for READY; returns (peer, service, options)."""
        peer, (service, options) = self.expect(READY, timeout)
        return peer, service.decode(), json.loads(options)

    def ask(self, peer, question, token=None, **delivery):
        """Sends a query; returns its token."""
        self.asked += 1
        token = token or b"%d.1." % self.asked + b"A" * 22  # a token by its form
        delivery = {"message_id": self.asked, "token": token.decode(), **delivery}
        body = {"type": "query", "query_id": "q1", "question": question, "delivery": delivery}
        self.send(peer, REQUEST, token, b"", json.dumps(body, ensure_ascii=False).encode())
        return token

    def answer(self, token=None, timeout=WAIT):
        """Waits for a FINAL, for TOKEN when given; returns its body."""
        _, (got, empty, body) = self.expect(FINAL, timeout)
        assert empty == b""
        assert token in (None, got), f"an answer to {got!r}, expected one to {token!r}"
        return body

    def error(self, token=None, timeout=WAIT):
        value = json.loads(self.answer(token, timeout))
        assert (value["type"], value["retry"]) == ("error", True)
        return value["error"]

    def returned(self, token=None, timeout=WAIT):
        """Waits for a query to be given back; returns why."""
        value = json.loads(self.answer(token, timeout))
        assert set(value) == {"type", "error"} and value["type"] == "return"
        return value["error"]


class World:
    """A gate in the site's folder, and workers on it that are ended with the test."""

    def __init__(self, site):
        self.site = site
        self.folder = site.folder
        self.programs = []
        self.gate = Gate(site.context, f"ipc://{site.folder}/gate")
        self.child = [PYTHON, HERE / "work_child.py", site.folder]

    def work(self, *words, where=None, **keywords):
        where = where or ("--gate", self.gate.endpoint)
        program = Program([TAILGATE_WORK, *where, "--log-format", "json", *words], **keywords)
        self.programs.append(program)
        return program

    def work_child(self, *words):
        return self.work(*words, "--", *self.child)

    def touch(self, name):
        (self.folder / name).touch()

    def note(self, name):
        """Waits for the child's note NAME and takes it away; returns its numbers."""
        path = self.folder / name
        wait_for(path.exists, f"the child's note {name}")
        numbers = [int(word) for word in path.read_text().split()]
        path.unlink()
        return numbers

    def close(self):
        for program in self.programs:
            if not program.ended:
                program.kill()
        self.gate.close()


@pytest.fixture
def world(site):
    made = World(site)
    try:
        yield made
    finally:
        made.close()


def alive(pid):
    """Whether PID is a process that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid):
    """The children of PID, zombies included."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def stamp(seconds):
    """The instant that lies SECONDS ahead, as deliveries name it."""
    instant = time.time() + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(instant)) + f".{int(instant % 1 * 1e6):06d}"


def pid_of(body):
    return int(json.loads(body)["answer"].partition(":")[0])
