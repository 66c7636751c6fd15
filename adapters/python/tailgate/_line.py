"""A client's way to the gateway: the client side of MDP/0.2 over one connection after another.

Invariants
  1. MDP has no correlation id: replies of one connection come in the order of its requests. So the requests on a
     connection are a queue, and what comes belongs to its head; PARTIALs before its FINAL.
  2. Nothing may be matched to the wrong request. Where that order cannot be relied on any more (a request was
     abandoned that had been sent; what came is not for the head) the connection is given up, and the requests
     that are still open are sent on a fresh one.
  3. Sending again is safe: an identical request whose asker is gone attaches to the row that is not answered yet."""

from __future__ import annotations

import enum
import time
from typing import Callable, List

from ._connection import Connection, Context, Event, Frames
from ._reactor import Reactor, log

MDP = b"MDPC02"
REQUEST, PARTIAL, FINAL = (bytes([n]) for n in range(1, 4))

WINDOW = 64   # requests under way on one connection; the others wait here
TURN = 100    # messages read in one turn at most
PAUSE = 0.1   # seconds before the fresh connection: the gateway is to see the end of the old one first


class Kind(enum.Enum):
    PARTIAL = 1
    FINAL = 2
    CLOSED = 3  # there will be no reply; the one frame says why


Report = Callable[[Kind, Frames], None]


class Request:
    def __init__(self, service: bytes, body: Frames, report: Report) -> None:
        """REPORT is called on the line's thread, and must not wait."""
        self.service = service
        self.body = body
        self.report = report


class Line(Reactor):
    def __init__(self, context: Context, connection: Connection) -> None:
        super().__init__(context, connection, "tailgate client")
        self._open: List[Request] = []  # in the order in which they are, or will be, sent
        self._sent = 0                  # how many of them were, on this connection

    # From any thread.

    def ask(self, request: Request) -> None:
        if not self.post(lambda: self._open.append(request)):
            request.report(Kind.CLOSED, [b"the client is closed"])

    def abandon(self, request: Request) -> None:
        """Nobody waits for its reply any more."""
        self.post(lambda: self._abandon(request))

    def stop(self) -> None:
        self.post(self._stop)

    # On its own thread.

    def turn(self, now: float) -> None:
        if not self.wanted() and not self.connection.sockets():
            return
        while (event := self.connection.step(now)) is not None:
            self._hear_of(event)
        self._send()
        for _ in range(TURN):
            frames = self.connection.receive()
            if frames is None:
                break
            if not self._take(frames):
                log.warning("%s: a reply that belongs to no request; asking again on a fresh connection", self.name)
                self.connection.back_off(now)
                self._sent = 0
        self._send()

    def wanted(self) -> bool:
        return bool(self._open)

    def blocked(self) -> bool:
        return self._sent < min(len(self._open), WINDOW)

    def end(self) -> None:
        reason = b"the client is closed" if self.failure is None else b"the client has failed: see its log"
        for request in self._open:
            request.report(Kind.CLOSED, [reason])
        self._open.clear()

    def _stop(self) -> None:
        self.ended = True

    def _hear_of(self, event: Event) -> None:
        if event is Event.UP:
            return
        self._sent = 0
        where, reason = self.connection.endpoint, self.connection.reason or event.value
        if event is Event.LOST:
            log.info("%s: %s; %d requests are sent again", self.name, reason, len(self._open))
        elif event is Event.WAITING:
            log.warning("%s: no gateway at %s yet (%s); asking as soon as it is there", self.name, where, reason)
        else:
            log.error("%s: %s: %s", self.name, where, reason)

    def _send(self) -> None:
        while self._sent < min(len(self._open), WINDOW):
            request = self._open[self._sent]
            if not self.connection.send([MDP, REQUEST, request.service, *request.body]):
                return
            self._sent += 1

    def _take(self, frames: Frames) -> bool:
        """False when it cannot be told whose FRAMES are."""
        if self._sent == 0 or len(frames) < 3 or frames[0] != MDP or frames[1] not in (PARTIAL, FINAL) \
                or frames[2] != self._open[0].service:
            return False
        self.connection.trust()
        if frames[1] == PARTIAL:
            self._open[0].report(Kind.PARTIAL, frames[3:])
            return True
        self._sent -= 1
        self._open.pop(0).report(Kind.FINAL, frames[3:])
        return True

    def _abandon(self, request: Request) -> None:
        if request not in self._open:
            return
        at = self._open.index(request)
        del self._open[at]
        if at < self._sent:
            self.connection.drop(time.monotonic(), PAUSE, flush=False)
            self._sent = 0
