"""What a worker has taken on, and how it comes off the desk again: as exactly one FINAL. The thread that owns the
link to the gateway decides it; functions run elsewhere (_hands.py).

Invariants
  1. At most `slots` queries are with the functions. A gateway that came back may send more (it may not know what we
     still hold); as many again wait, and what is beyond is given back.
  2. The loss of the gateway ends nothing: functions work on, READY says on what, and their answers are kept.
  3. An attempt that is over (its deadline passed by our own clock, or the gateway said DISCONNECT after it) is
     *abandoned*: `cancelled` is set, and its answer, should it come, is still sent, since it was paid for. Nobody
     can end a function from outside, so it occupies what runs it (*stuck*): the worker is registered only while it
     has somebody left to work.
  4. A worker that is told to stop starts nothing more, waits up to `grace` seconds for what it works on, gives the
     rest back and says DISCONNECT."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

from ._connection import FRAME_MAX, Connection, Context
from ._link import Kind, Link, News
from ._query import Outcome, Query, failed, given_back
from ._reactor import Reactor, log

SLACK = 1.0             # clocks differ, and so do the moments at which two ends see the same instant
UNKNOWN = 1800.0        # what an attempt may last by default, of one that does not say
PARTIALS = 256          # that wait to be sent, at most, before a function that streams has to wait


@dataclass(eq=False)
class Flight:
    """A query that was taken and not yet answered."""

    token: bytes
    query: Query
    over: float             # when its attempt ends (monotonic)
    judged: bool            # … but that is for the gateway to say: its deadline is not known, or was moved
    begun: bool = False     # a function has it
    abandoned: bool = False  # nobody waits for it any more; a function still has it


class Hands(Protocol):
    """Who runs the functions. Called on the desk's thread; nothing here waits."""

    slots: int
    spare: int     # how many stuck functions it can work beside
    patient: bool  # a function may be made to wait

    def begin(self, flight: Flight) -> None:
        """Has the function called, and finished() with what comes of it."""

    def abandon(self, flight: Flight) -> None:
        """Nobody waits for FLIGHT any more: ends its function where that can be done."""

    def finish(self) -> None:
        """There is nothing more to do."""


class Desk(Reactor):
    def __init__(self, context: Context, connection: Connection, service: bytes, options: dict[str, Any],
                 grace: float) -> None:
        super().__init__(context, connection, options["name"])
        slots = options["slots"]
        self.hands: Hands
        self._link = Link(connection, service, options, max(64, 4 * slots), self._holding)
        self._service = service.decode()
        self._flights: list[Flight] = []  # oldest first, without the abandoned ones
        self._stuck = 0                   # abandoned ones whose function has not returned
        self._grace = grace
        self._stop: float | None = None   # told to stop: when to wait no longer
        self._unsent = threading.Semaphore(PARTIALS)

    # ── from any thread ──

    def stop(self) -> None:
        """Ends the worker in peace; called again: without waiting."""
        self.post(self._begin_stop)

    def finished(self, flight: Flight, outcome: Outcome) -> None:
        self.post(lambda: self._finish(flight, outcome))

    def take_partial(self, flight: Flight, text: str) -> None:
        body = text.encode("utf-8", "replace")
        if len(body) > FRAME_MAX:
            raise ValueError(f"a partial of {len(body)} bytes; a gateway takes {FRAME_MAX}")
        while not self._unsent.acquire(timeout=0.5 if self.hands.patient else 0):
            if self.ended or not self.hands.patient:
                return  # the gateway does not keep up; the answer has it all
        self.post(lambda: self._partial(flight, body))

    def crowded(self) -> bool:
        """True while a partial would have to wait."""
        if self._unsent.acquire(blocking=False):
            self._unsent.release()
            return False
        return not self.ended

    # ── on its own thread ──

    def turn(self, now: float) -> None:
        self._link.wanted = self._stuck <= self.hands.spare
        while (news := self._link.next(now)) is not None:
            self._hear(news, now)
        self._look_at_time(now)
        self._begin_waiting()
        self._settle(now)

    def due(self) -> float:
        ends = [flight.over + SLACK for flight in self._flights if not flight.judged]
        return min([self._link.due(), *ends, *([] if self._stop is None else [self._stop])])

    def blocked(self) -> bool:
        return self._link.blocked()

    def signalled(self, number: int) -> None:
        if number in (signal.SIGINT, signal.SIGTERM):
            self._begin_stop()

    def end(self) -> None:
        self.ended = True
        for flight in self._flights:  # only after a failure of this thread
            flight.query.cancelled.set()
        if self._link.owed():
            log.warning("%s: %d answers, finished while the gateway was away, are lost: it has not come back",
                        self.name, self._link.owed())
        self.hands.finish()

    def _holding(self) -> list[bytes]:
        return [flight.token for flight in self._flights]

    def _hear(self, news: News, now: float) -> None:
        where = self.connection.endpoint
        if news.kind is Kind.QUERY:
            self._take(news.token, news.body, now)
        elif news.kind is Kind.READY:
            log.info("%s: ready for %s at %s%s", self.name, self._service, where, news.text and ", " + news.text)
        elif news.kind is Kind.WAITING:
            log.warning("%s: no gateway at %s yet (%s); connecting as soon as it is there", self.name, where, news.text)
        elif news.kind is Kind.REFUSED:
            log.error("%s: %s: %s", self.name, where, news.text)
        elif news.kind is Kind.ODD:
            log.warning("%s: ignored %s", self.name, news.text)
        else:
            log.warning("%s: disconnected: %s; %d queries in work", self.name, news.text, len(self._flights))
            if news.kind is Kind.DISMISSED:
                for flight in [one for one in self._flights if one.begun and one.over <= now + SLACK]:
                    self._abandon(flight)
                self._leave_if_stuck(now)

    def _take(self, token: bytes, body: bytes, now: float) -> None:
        if any(flight.token == token for flight in self._flights):
            log.warning("%s: ignored a query that it has already", self.name)
            return
        if len(self._flights) >= 2 * self.hands.slots:
            self._final(token, given_back("no free slot"))
            return
        query = Query(token, body, lambda text: self.take_partial(flight, text))
        left = query.time_left or 0.0
        flight = Flight(token, query, now + (left if left > 0 else UNKNOWN), judged=left <= 0)
        self._flights.append(flight)

    def _begin_waiting(self) -> None:
        """Starts what waits, unless we are stopping: then it is given back when we leave. To give it back at once
        would make room for the next one, and so turn over everything that waits at the gateway for nothing."""
        if self._stop is not None or self._stuck > self.hands.spare:
            return
        for flight in self._flights[:self.hands.slots]:
            if not flight.begun:
                flight.begun = True
                self.hands.begin(flight)

    def _finish(self, flight: Flight, outcome: Outcome) -> None:
        if flight in self._flights:
            self._flights.remove(flight)
            self._final(flight.token, outcome)
        elif flight.abandoned:
            self._stuck -= 1
            if outcome.again:
                self._final(flight.token, outcome)

    def _partial(self, flight: Flight, body: bytes) -> None:
        if flight.abandoned or flight not in self._flights:
            self._unsent.release()
            return
        flight.judged = True
        self._link.partial(flight.token, body, self._unsent.release)

    def _final(self, token: bytes, outcome: Outcome) -> None:
        if self._link.final(token, outcome.body, outcome.again) > 0:
            log.warning("%s: the gateway is away for long: the oldest answer kept is lost", self.name)

    # ── time ──

    def _abandon(self, flight: Flight) -> None:
        log.warning("%s: query %d: its attempt is over, and its function still runs", self.name,
                    flight.query.message_id)
        self._flights.remove(flight)
        self._stuck += 1
        flight.abandoned = True
        flight.query.cancelled.set()
        self.hands.abandon(flight)

    def _look_at_time(self, now: float) -> None:
        for flight in [one for one in self._flights if not one.judged and one.over + SLACK <= now]:
            if not flight.begun:
                self._flights.remove(flight)
                self._final(flight.token, failed("the query ran out of time while it waited for a free slot"))
                continue
            self._abandon(flight)
            if self._stuck <= self.hands.spare:
                self._final(flight.token, failed("the query ran out of time"))
        self._leave_if_stuck(now)

    def _leave_if_stuck(self, now: float) -> None:
        """Without anybody left to work, DISCONNECT: what is in flight has failed with it, what waits is given back.
        (To report the failure first would bring the next query, and fail that, too.)"""
        if self._stuck <= self.hands.spare:
            return
        for flight in [one for one in self._flights if not one.begun]:
            self._flights.remove(flight)
            self._final(flight.token, given_back("the worker is stuck"))
        self._link.leave(now)

    # ── leaving ──

    def _begin_stop(self) -> None:
        now = time.monotonic()
        self._stop = now if self._stop is not None else now + self._grace

    def _settle(self, now: float) -> None:
        if self._stop is None:
            return
        busy = any(flight.begun for flight in self._flights) or self._link.kept() > 0
        if busy and now < self._stop:
            return
        for flight in self._flights:
            self._final(flight.token, given_back("the worker is stopping"))
            if flight.begun:
                flight.query.cancelled.set()
                self.hands.abandon(flight)
        self._flights.clear()
        self._link.leave(now)
        self.ended = True
