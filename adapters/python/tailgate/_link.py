"""A worker's way to the gateway: the worker side of MDP/0.2 (proto/WIRE.md) over one connection after another.

Invariants
  1. READY is said at once whenever the connection is up and the worker wants to be registered, before anything
     else. It names what the worker holds, so that a gateway that does not know of it gives it to nobody else.
  2. A FINAL is handed to ZeroMQ only while the connection is up and, if the worker wants that, registered; else it
     is kept. Nothing tells a worker that its answer was committed: for DOUBT seconds after it was handed over it
     is sent again on the next connection; the gateway refuses what it has already. An error or a return is not:
     the end of the connection had the same effect, and twice it would count twice.
  3. PARTIALs go before the FINAL of their query, and are lost with the connection: the FINAL has the whole.
  4. Beats are sent and awaited only while registered. READY states the interval of ours, and the gateway beats at
     least as often: three of them without a word mean that it is gone."""

from __future__ import annotations

import collections
import enum
import json
import math
from dataclasses import dataclass
from typing import Any, Callable, Deque, Iterable

from ._connection import Connection, Event, Frames

MDP = b"MDPW02"
READY, REQUEST, PARTIAL, FINAL, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 7))

BEATS_MISSED = 3
DOUBT = 10.0
TURN = 100             # messages read in one call at most
TOKEN_MAX = 255        # bytes of a client address
HOLDING_MAX = 1000     # tokens named in READY
KEPT_BYTES = 256 << 20  # of all answers kept, unless a single one is larger


class Kind(enum.Enum):
    READY = 1      # READY was said
    QUERY = 2      # token and body
    ODD = 3        # not MDP/0.2; nothing changed
    LOST = 4       # not registered any more
    DISMISSED = 5  # the same, by the gateway's word
    WAITING = 6    # cannot connect for now
    REFUSED = 7    # the other side is no gateway, or does not let us in


@dataclass
class News:
    kind: Kind
    text: str = ""
    token: bytes = b""
    body: bytes = b""


@dataclass
class Letter:
    token: bytes
    body: bytes
    command: bytes
    again: bool                # to be sent again when the connection ends soon afterwards
    done: Callable[[], None]   # called when it was handed over or dropped (PARTIAL)
    handed: float = 0.0


class Link:
    def __init__(self, connection: Connection, service: bytes, options: dict[str, Any], keep: int,
                 holding: Callable[[], Iterable[bytes]]) -> None:
        """OPTIONS are those of READY, with `interval` in milliseconds; KEEP answers are kept at most while the
        gateway is away; HOLDING tells the tokens of what is worked on."""
        self.connection = connection
        self.registered = False  # READY was said on this connection, and nothing ended it since
        self.wanted = False      # the worker wants that
        self._service = service
        self._options = options
        self._keep = keep
        self._holding = holding
        self._interval = options["interval"] / 1000
        self._beat = self._silence = math.inf
        self._waiting: Deque[Letter] = collections.deque()   # still to be sent, oldest first
        self._doubtful: Deque[Letter] = collections.deque()  # FINALs that may be lost, oldest first

    def due(self) -> float:
        return min(self._beat, self._silence) if self.registered else math.inf

    def kept(self) -> int:
        """How many FINALs are still to be sent."""
        return sum(letter.command == FINAL for letter in self._waiting)

    def owed(self) -> int:
        """How many of them are answers."""
        return sum(letter.again for letter in self._waiting)

    def blocked(self) -> bool:
        return bool(self._waiting)

    def leave(self, now: float) -> None:
        """Sends what is kept, then says DISCONNECT when registered; stays connected."""
        self.wanted = False
        self._flush(now)
        if self.registered:
            self.connection.send([MDP, DISCONNECT])
        self.registered = False

    def partial(self, token: bytes, body: bytes, done: Callable[[], None]) -> None:
        if not self.registered:
            done()
            return
        self._waiting.append(Letter(token, body, PARTIAL, False, done))

    def final(self, token: bytes, body: bytes, again: bool) -> int:
        """Takes a FINAL to be sent by the next call of next(). Returns how many answers that were kept had to be
        thrown away for it."""
        self._waiting.append(Letter(token, body, FINAL, again, _nothing))
        lost = 0
        while len(self._doubtful) + self.kept() > self._keep or self._bytes() > KEPT_BYTES:
            if self._doubtful:
                self._doubtful.popleft()
            elif self.kept() > 1:
                self._waiting.remove(next(one for one in self._waiting if one.command == FINAL))
                lost += 1
            else:
                break
        return lost

    def next(self, now: float) -> News | None:
        """Does what is due and takes the next news; call it until there is none."""
        event = self.connection.step(now)
        if event is not None and event is not Event.UP:
            return self._ended(event)
        if not self.connection.up:
            return None
        if self.wanted and not self.registered:
            return self._say_ready(now)
        self._flush(now)
        self._say_beat(now)
        for _ in range(TURN):
            frames = self.connection.receive()
            if frames is None:
                # Only what was not waiting to be read counts as silence: we may have been stopped.
                return self._lose(now, Kind.LOST, "the gateway gives no sign of life") \
                    if self.registered and now >= self._silence else None
            news = self._hear(frames, now)
            if news is not None:
                return news
        return None

    def _ended(self, event: Event) -> News:
        self._recall()
        if event is Event.LOST:
            return News(Kind.LOST, event.value)
        return News(Kind.WAITING if event is Event.WAITING else Kind.REFUSED, self.connection.reason or event.value)

    def _lose(self, now: float, kind: Kind, reason: str) -> News:
        if self.registered:
            self.connection.send([MDP, DISCONNECT])  # so that it does not hold us for a second worker
        self.connection.back_off(now)
        self._recall()
        return News(kind, reason)

    def _recall(self) -> None:
        self.registered = False
        for letter in self._waiting:
            letter.done()
        again = [letter for letter in self._doubtful if letter.again]
        self._waiting = collections.deque(
            again + [letter for letter in self._waiting if letter.command == FINAL])
        self._doubtful.clear()

    def _say_ready(self, now: float) -> News:
        held = list(self._holding())
        # The newest first: what was never handed over comes before what the gateway may have already.
        held += [letter.token for letter in reversed(self._waiting) if letter.command == FINAL]
        options = dict(self._options)
        if held:
            options["holding"] = [token.decode("ascii", "replace") for token in held[:HOLDING_MAX]]
        if not self.connection.send([MDP, READY, self._service, json.dumps(options).encode()]):
            return self._lose(now, Kind.LOST, "the gateway takes no READY")
        self.registered = True
        self._beat = now + self._interval
        self._silence = now + BEATS_MISSED * self._interval
        return News(Kind.READY, f"holding {len(held)}" if held else "")

    def _flush(self, now: float) -> None:
        while self._doubtful and self._doubtful[0].handed <= now - DOUBT:
            self._doubtful.popleft()
        while self._waiting:
            letter = self._waiting[0]
            if not self.connection.send([MDP, letter.command, letter.token, b"", letter.body]):
                return
            self._waiting.popleft()
            letter.done()
            if letter.command == FINAL:
                letter.handed = now
                self._doubtful.append(letter)

    def _say_beat(self, now: float) -> None:
        if self.registered and now >= self._beat:
            self.connection.send([MDP, HEARTBEAT])
            self._beat = now + self._interval

    def _hear(self, frames: Frames, now: float) -> News | None:
        if len(frames) < 2 or frames[0] != MDP or frames[1] not in (REQUEST, HEARTBEAT, DISCONNECT):
            return News(Kind.ODD, "frames that no MDP/0.2 gateway sends")
        command = frames[1]
        if command == DISCONNECT and self.registered:
            self.registered = False  # it knows that we are not
            return self._lose(now, Kind.DISMISSED, "the gateway said DISCONNECT")
        self._silence = now + BEATS_MISSED * self._interval
        self.connection.trust()
        if command != REQUEST:
            return None
        if not self.registered:
            return News(Kind.ODD, "a query although this worker is not registered")
        if len(frames) != 5 or frames[3] != b"" or not 0 < len(frames[2]) <= TOKEN_MAX:
            return News(Kind.ODD, "a query of several frames, or with a strange address")
        return News(Kind.QUERY, token=frames[2], body=frames[4])

    def _bytes(self) -> int:
        return sum(len(letter.body) for box in (self._doubtful, self._waiting) for letter in box)


def _nothing() -> None:
    pass
