"""The thread of an observer: a SUB socket to the gateway's events, and a line to its gate for what was missed.

Nothing here grows with the application's slowness: with HELD events waiting the socket is not read, so that ZeroMQ
drops what comes beyond, which a replay brings later; and a replay is asked for in pages of PAGE, the next one when
there is room for it."""

from __future__ import annotations

import json
import math
import time
from typing import Callable, Optional

import zmq

from . import _connection
from ._answer import AskError, text_in
from ._box import Box
from ._client import Lines
from ._connection import Connection, Frames
from ._event import Choice, lives_in, object_in, told_in
from ._follow import Follow
from ._keys import Keys
from ._line import Kind
from ._reactor import Reactor, log

HELD = 500   # events that wait, those behind a replay among them: with more, nothing is read or asked for
PAGE = 500   # rows of one replay; together that is what waits at most
TURN = 100   # messages read in one turn at most
AGAIN_FIRST, AGAIN_MAX = 0.2, 5.0  # seconds before what the gateway could not do just now is asked again; doubles


class Feed(Reactor):
    def __init__(self, find: Callable[[], str], lines: Lines | None, choice: Choice, follow: Follow, box: Box,
                 notice: Callable[[str], None] | None, keys: Keys | None = None) -> None:
        """NOTICE is called in this thread."""
        context = zmq.Context.instance()
        super().__init__(context, Connection(context, find, probe=True, subscriptions=choice.subscriptions(),
                                             keys=keys),
                         "tailgate observer")
        self._lines = lines
        self._choice = choice
        self._follow = follow
        self._box = box
        self._notice = notice
        self._asking = False
        self._again = 0.0             # not to be asked before
        self._pause = AGAIN_FIRST
        self._trouble = ""            # that was told of already
        self._refused: Optional[AskError] = None
        box.low = self._wake_up

    # From any thread.

    def stop(self) -> None:
        self.post(self._stop)

    def _wake_up(self) -> None:
        self.post(_nothing)

    # On its own thread.

    def turn(self, now: float) -> None:
        self._hand_over()  # so that what was posted counts
        self._read()
        while (event := self.connection.step(now)) is not None:
            self._hear_of(event)
        self._ask(now)

    def reading(self) -> bool:
        def has_room() -> bool:
            return len(self._box) + len(self._follow.backlog) < HELD
        return has_room() or (self._box.is_low(HELD // 2) and has_room())

    def due(self) -> float:
        return self._again if self._again > 0 else math.inf

    def end(self) -> None:
        self._hand_over()
        failure: Optional[Exception] = self._refused
        if self.failure is not None:
            failure = RuntimeError("the thread that listens to the gateway has failed: see the log")
            failure.__cause__ = self.failure
        self._box.close(failure)

    def _stop(self) -> None:
        self.ended = True

    def _read(self) -> None:
        for _ in range(TURN):
            frames = self.connection.receive() if self.reading() else None
            if frames is None:
                return
            for live in lives_in(frames):
                self.connection.trust()
                self._follow.hear(live)
                self._hand_over()

    def _hear_of(self, event: _connection.Event) -> None:
        where, reason = self.connection.endpoint, self.connection.reason or event.value
        if event is _connection.Event.WAITING:
            self._tell(f"no gateway at {where} yet ({reason}); observing as soon as it is there", log.warning)
        elif event is _connection.Event.REFUSED:
            self._tell(f"{where}: {reason}", log.error)
        elif event is _connection.Event.LOST:
            self._tell(f"{where}: {reason}", log.info)

    # ── what was missed ─────────────────────────────────────────────────────────────────────────────

    def _ask(self, now: float) -> None:
        if self._lines is None or self._asking or now < self._again:
            return
        self._again = 0.0
        if not self._box.is_low(HELD - len(self._follow.backlog)):
            return
        replay = self._follow.ask()
        if replay is None:
            return
        body = json.dumps(replay.members(self._choice, PAGE)).encode()
        try:
            self._lines.send("tailgate.replay", [body], self._report)
        except AskError:  # it is being closed
            return
        self._asking = True

    def _report(self, kind: Kind, frames: Frames) -> None:
        """In the line's thread."""
        self.post(lambda: self._hear_replay(kind, frames))

    def _hear_replay(self, kind: Kind, frames: Frames) -> None:
        if kind is Kind.PARTIAL:
            for frame in frames:
                self._follow.told(told_in(frame))
            return
        self._asking = False
        final = object_in(frames[0]) if kind is Kind.FINAL and frames else {}
        if self._follow.ended(final):
            self._pause, self._trouble = AGAIN_FIRST, ""
            return
        self._follow.failed()
        reason = text_in(frames) if kind is Kind.CLOSED else str(final.get("error") or "what came is no replay")
        if kind is Kind.CLOSED or (final.get("type") == "error" and "again" not in reason):
            self._refused = AskError(f"the gateway gives no replay: {reason}", final)
            self.ended = True
            return
        self._again = time.monotonic() + self._pause
        self._pause = min(AGAIN_MAX, self._pause * 2)
        if reason != self._trouble:
            self._tell(f"what was missed cannot be had just now, and is asked for again: {reason}", log.warning)
        self._trouble = reason

    # ── what the application hears ──────────────────────────────────────────────────────────────────

    def _hand_over(self) -> None:
        follow = self._follow
        while follow.news:  # of what comes before the events
            self._tell(follow.news.popleft(), log.info)
        if follow.given:
            self._box.put(follow.given)
            follow.given.clear()

    def _tell(self, text: str, level: Callable[..., None]) -> None:
        level("%s: %s", self.name, text)
        if self._notice is not None:
            try:
                self._notice(text)
            except Exception:  # whatever it is, it is the application's, and no reason to stop listening
                log.exception("%s: its notice failed", self.name)


def _nothing() -> None:
    pass
