"""A thread that owns a connection, so that nothing that a program does with its own threads, however long it
takes, keeps the gateway waiting. Others talk to it by posting what it is to do."""

from __future__ import annotations

import collections
import logging
import math
import socket
import threading
import time
from typing import Callable

import zmq

from ._connection import Connection, Context

log = logging.getLogger("tailgate")


class Reactor:
    """A daemon thread: poll, do what was posted, turn(); until `ended`, then end(). Subclasses have a turn()."""

    def __init__(self, context: Context, connection: Connection, name: str) -> None:
        self.name = name
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.context = context
        self.connection = connection
        self.ended = False
        self.failure: BaseException | None = None
        self._posted: collections.deque[Callable[[], None]] = collections.deque()
        self._closing = threading.RLock()  # between post(), which a signal handler may call, and the end
        self._closed = False
        # A pair of sockets and not a ZeroMQ one: any thread may write to it, a signal handler too.
        self._wake, self.alarm = socket.socketpair()
        for end in (self._wake, self.alarm):
            end.setblocking(False)

    # What a subclass says of itself; all of it on this thread.

    def turn(self, now: float) -> None:
        """Does all that can be done without waiting."""
        raise NotImplementedError

    def wanted(self) -> bool:
        """Whether there is anything to connect for."""
        return True

    def due(self) -> float:
        """When turn() is to be called although nothing is ready."""
        return math.inf

    def blocked(self) -> bool:
        """True when it waits for ZeroMQ to take more."""
        return False

    def reading(self) -> bool:
        """False while it takes nothing from the connection."""
        return True

    def signalled(self, number: int) -> None:
        """A signal has come (`alarm` may be the process's wake-up descriptor)."""

    def end(self) -> None:
        """The thread's last act, whatever ended it."""

    # From any thread.

    def start(self) -> None:
        self.thread.start()

    def join(self) -> None:
        if self.thread.ident is not None:  # it was started
            self.thread.join()

    def post(self, action: Callable[[], None]) -> bool:
        """Has ACTION done on this thread, soon. False when the thread has ended, or is about to."""
        with self._closing:
            if self._closed:
                return False
            self._posted.append(action)
            self._poke()
            return True

    def _poke(self) -> None:
        try:
            self.alarm.send(b"\0")
        except BlockingIOError:  # it is full: the thread will wake up in any case
            pass

    def _run(self) -> None:
        try:
            while not self.ended:
                self._wait()
                while self._posted:
                    self._posted.popleft()()
                self.turn(time.monotonic())
        except Exception as failure:  # a mistake of ours must not look like a gateway that is silent
            self.failure = failure
            log.exception("%s: the thread that talks to the gateway has failed", self.name)
        finally:
            with self._closing:
                self._closed = True
            while self._posted:  # nobody who posted waits for ever
                self._posted.popleft()()
            self.end()
            self.connection.close()

    def close_alarm(self) -> None:
        """When no signal can come any more."""
        self._wake.close()
        self.alarm.close()

    def _wait(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake, zmq.POLLIN)
        for number, item in enumerate(self.connection.sockets()):
            ways = zmq.POLLIN if number == 0 or self.reading() else 0  # the monitor is always heard
            poller.register(item, ways | (zmq.POLLOUT if number == 1 and self.blocked() else 0))
        due = min(self.due(), self.connection.due() if self.wanted() else math.inf)
        poller.poll(None if due == math.inf else max(0, math.ceil((due - time.monotonic()) * 1000)))
        try:
            for number in self._wake.recv(4096):
                if number:
                    self.signalled(number)
        except BlockingIOError:
            pass

