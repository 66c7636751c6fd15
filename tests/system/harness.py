"""What the system tests are made of, under one name; and Site, one test's world. Each part has its own file:
process.py (programs and waiting), bridge.py, gateway.py, workers.py."""

import json
import subprocess
from pathlib import Path

import zmq

from bridge import Bridge, check_exactly_once, count_replies, is_query, replies_in
from gateway import Gateway
from process import (BUILD, HERE, LONG, PYTHON, TAILGATE, TAILGATE_WORK, WAIT, Lines, Program,
                     answer_of, assert_no_sanitizer_report, environment, find_member, free_port, one_line, tailgate,
                     wait_for)
from workers import (DISCONNECT, FINAL, HEARTBEAT, MDP, PARTIAL, READY, REQUEST, Answerer, MdpWorker, Query,
                     RepWorker, ReqWorker, echo)

__all__ = [
    "BUILD", "HERE", "LONG", "PYTHON", "TAILGATE", "TAILGATE_WORK", "WAIT",
    "MDP", "READY", "REQUEST", "PARTIAL", "FINAL", "HEARTBEAT", "DISCONNECT",
    "Answerer", "Bridge", "Gateway", "Lines", "MdpWorker", "Program", "Query", "RepWorker", "ReqWorker", "Site",
    "answer_of", "assert_no_sanitizer_report", "check_exactly_once", "count_replies", "echo", "endpoint_of",
    "environment", "find_member", "finished", "free_port", "is_query", "one_line", "replies_in", "tailgate", "wait_for",
]


class Site:
    """A folder with a short name, and everything started in it: ended in order, with the gateways' promises
    checked, when the test is over."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.context = zmq.Context()
        self.gateways = []
        self.workers = []
        self.answerers = []
        self.processes = []

    def bridge(self, name="bridge.db", **keywords):
        return Bridge(self.folder / name, **keywords)

    def serve(self, bridge, *options, **keywords):
        """A gateway on BRIDGE (a Bridge or a path)."""
        db = bridge.path if isinstance(bridge, Bridge) else bridge
        wait = keywords.pop("wait", True)
        # A test may end with a query at a worker that never answers: do not wait 30 s for it.
        settings = {"drain.timeout": "3s", **keywords.pop("settings", {})}
        gateway = Gateway(db, *options, wait=False, settings=settings, **keywords)
        self.gateways.append(gateway)
        if wait:
            gateway.wait_serving()
        return gateway

    def mdp(self, where, service="*", **keywords):
        """An MDP worker in the test's own thread; WHERE is a Bridge or an endpoint."""
        return self._worker(MdpWorker(self.context, endpoint_of(where), service, **keywords))

    def req(self, where, service=None, **keywords):
        return self._worker(ReqWorker(self.context, endpoint_of(where), service, **keywords))

    def rep(self, endpoint=None):
        """A REP worker that is bound at ENDPOINT, by default rep_endpoint(), for a gateway to dial."""
        return self._worker(RepWorker(self.context, endpoint or self.rep_endpoint()))

    def rep_endpoint(self, name="rep"):
        return f"ipc://{self.folder}/{name}"

    def _worker(self, worker):
        self.workers.append(worker)
        return worker

    def answerer(self, where, service="*", **keywords):
        answerer = Answerer(self.context, endpoint_of(where), service, **keywords)
        self.answerers.append(answerer)
        return answerer

    def dealer(self, where):
        """A bare DEALER socket to the gate, for frames that no worker would send."""
        socket = self.context.socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(endpoint_of(where))
        self.workers.append(socket)
        return socket

    def spawn(self, *words, **keywords):
        """Another process, killed at the end of the test if it still runs."""
        keywords.setdefault("stdin", subprocess.DEVNULL)
        keywords.setdefault("stdout", subprocess.PIPE)
        process = subprocess.Popen([str(word) for word in words], text=True, env=environment(), **keywords)
        self.processes.append(process)
        return process

    def writer(self, bridge, **task):
        """A separate Python process that writes questions as the bridge does (writer.py)."""
        task.setdefault("conversation", bridge.conversation)
        task.setdefault("journal", bridge.journal)
        return self.spawn(PYTHON, HERE / "writer.py", json.dumps({"db": str(bridge.path), **task}))

    def program(self, *words, **keywords):
        """`tailgate WORDS` as a process with its stderr read."""
        program = Program([TAILGATE, *words], **keywords)
        self.processes.append(program.process)
        return program

    def close(self):
        """Ends everything; raises the first broken promise after all has ended."""
        failures = []

        def attempt(action):
            try:
                action()
            except (AssertionError, OSError, subprocess.SubprocessError, zmq.ZMQError) as failure:
                failures.append(failure)

        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    attempt(stream.close)
        for worker in self.workers:
            worker.close()
        for gateway in self.gateways:
            if not gateway.ended:  # one that ended by itself fails here too
                attempt(gateway.stop)
            if gateway.running():
                gateway.process.kill()
                gateway.process.wait()
        for answerer in self.answerers:
            attempt(answerer.stop)
        self.context.destroy(linger=0)
        if failures:
            raise failures[0]


def endpoint_of(where):
    return where.gate if isinstance(where, Bridge) else where


def finished(process, timeout=WAIT):
    """Waits for a spawned process's end and demands exit 0."""
    out, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, f"exit code {process.returncode}: {out}"
    return out
