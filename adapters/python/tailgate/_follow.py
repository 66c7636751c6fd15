"""The rows that an observer has, and what it has to ask for again (proto/WIRE.md, "What was missed"). Pure: published
events and replayed ones go in, events to give come out; no socket, no clock.

Invariants
  1. have[kind] is the row up to which all rows of a kind were given, each once, in the order of their ids. None: from
     the first row on that `since` lets through, or that comes.
  2. What was published is looked at in its order. The first that shows that rows are missing waits, with all behind
     it, until a replay has brought them.
  3. A replay takes all kinds up to the same row: what is published in a run is in the order of ids, so that rows of
     other kinds may be missing there too, and the order among kinds stays as it was.
  4. A run that begins tells again what was not settled: its marks may lie below have[kind] although the file is the
     same. So a mark alone does not show that the file was put back; its last row, of which a replay tells, does."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Any, Deque, Dict, Mapping, Optional, Tuple

from ._event import Choice, Event, Live, number_in, replayed

#: An event to give, or None; and have[] of the kinds for which that changes it.
Given = Tuple[Optional[Event], Dict[str, int]]


@dataclass(frozen=True)
class Replay:
    """What to ask the gate for: rows above `after` up to `upto`."""

    kinds: Tuple[str, ...]
    after: int
    upto: int
    since: Optional[str] = None  # instead of `after`

    def members(self, choice: Choice, limit: int) -> Dict[str, Any]:
        members: Dict[str, Any] = {"after": None if self.since else self.after, "since": self.since, "upto": self.upto,
                                   "kinds": self.kinds, "conversation": choice.conversation,
                                   "service": choice.service, "limit": limit}
        return {name: value for name, value in members.items() if value is not None}


class Follow:
    def __init__(self, choice: Choice, after: Mapping[str, int], since: str | None, can_replay: bool) -> None:
        self.have: Dict[str, Optional[int]] = {kind: after.get(kind) for kind in choice.durable()}
        self.backlog: Deque[Live] = collections.deque()
        self.given: Deque[Given] = collections.deque()  # for whoever asks to take away, as is
        self.news: Deque[str] = collections.deque()     # this
        self.repaired = 0
        self.lost = 0
        self._choice = choice
        self._since = since
        self._can_replay = can_replay
        self._epoch: Optional[str] = None
        self._known_epoch: Optional[str] = None  # of which it is known whether the file was put back
        self._old: Optional[int] = None          # rows up to here were there when it began
        self._target: Optional[int] = None       # a repair goes up to here
        self._doubt: Optional[int] = None        # is the file's last row below this one?
        self._asked: Optional[Replay] = None
        self._brought = 0                        # rows, by the repair that is under way
        self._seq: Optional[int] = None          # of the last event, when everything is taken
        self._missing = 0                        # numbers of events that did not come, since the last mark,
        self._found = 0                          # and the rows among them

    # ── what comes ──────────────────────────────────────────────────────────────────────────────────

    def hear(self, live: Live) -> None:
        self.backlog.append(live)
        self._work()

    def ask(self) -> Optional[Replay]:
        """What to ask for, until it ended() or failed()."""
        if self._asked is None and self._doubt is not None:
            self._asked = Replay(tuple(self.have), self._doubt, self._doubt)
        elif self._asked is None and self._target is not None:
            begun = [row for row in self.have.values() if row is not None and row < self._target]
            kinds = self._unknown() or self._below(self._target)
            self._asked = Replay(kinds, 0, self._target, self._since) if self._unknown() else \
                Replay(kinds, min(begun), self._target)
        return self._asked

    def told(self, data: Dict[str, Any]) -> None:
        """A replay brought this (told_in()). After a lost connection it is sent anew, and may bring it again."""
        asked = self._asked
        if asked is None or self._doubt is not None or not data:
            return
        kind, row = data["event"], data["id"]
        have = self.have.get(kind) or asked.after
        if kind not in asked.kinds or not have < row <= asked.upto or not self._choice.is_about(data):
            return
        self._brought += 1
        if asked.since:  # they come in the order of ids: it begins here for all of these kinds
            self._move({one: row - 1 for one in asked.kinds if self.have[one] is None})
        if self._old is not None and row > self._old:
            self.repaired += 1
            self._found += 1
        self._give(kind, row, replayed(data))

    def ended(self, final: Mapping[str, Any]) -> bool:
        """The replay's FINAL. False when it says nothing that helps: ask again, after a pause."""
        asked, self._asked = self._asked, None
        upto, last = number_in(final, "upto"), number_in(final, "last")
        if asked is None or final.get("type") != "replayed" or upto is None or last is None:
            return False
        if self._doubt is not None:
            mark = self.backlog[0].data
            if last < self._doubt:
                self._put_back(mark)
            self._known_epoch, self._doubt = mark["epoch"], None
        else:
            if final.get("more") is True and upto < asked.upto:
                if upto <= asked.after:
                    return False
                self._move({kind: upto for kind in asked.kinds})
            else:  # where it ended before, so does the file
                self._move({kind: asked.upto for kind in asked.kinds})
            if asked.since:  # rows that a run tells a second time may be older, and above its end
                self._move({kind: min(number_in(final, "after") or 0, last) for kind in asked.kinds})
            if self._target is not None and not self._unknown() and not self._below(self._target):
                self._repaired()
        self._work()
        return True

    def failed(self) -> None:
        """It has to be asked for once more."""
        self._asked = None

    # ── what that means ─────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        while self.backlog and self._target is None and self._doubt is None:
            if not self._lacks(self.backlog[0]):
                self._accept(self.backlog.popleft())

    def _unknown(self) -> Tuple[str, ...]:
        return tuple(kind for kind, row in self.have.items() if row is None) if self._since else ()

    def _below(self, row: int) -> Tuple[str, ...]:
        return tuple(kind for kind, have in self.have.items() if have is not None and have < row)

    def _lacks(self, live: Live) -> bool:
        """Whether rows are missing before LIVE can be accepted; then it is known what to ask for."""
        data, target = live.data, 0
        if live.is_mark:
            if self._is_doubtful(data):
                return True
            last = {kind: data["last"][kind] for kind in self.have}
            if self._old is None:
                self._old = max(data["id"], *data["last"].values())
            self._move({kind: row for kind, row in last.items() if self.have[kind] is None and not self._since})
            target = max((row for kind, row in last.items() if (self.have[kind] or 0) < row), default=0)
            if self._unknown():  # where `since` begins is asked for even when nothing was told yet
                target = max(1, target)
        elif live.kind in self.have and self._choice.is_about(data):
            have = self.have[live.kind]
            if have is None and self._since is not None:
                target = max(1, data["id"] - 1)
            elif have is not None and data["prev"] > have:
                target = data["id"] - 1
        if target == 0:
            return False
        if self._can_replay:
            self._target = target
            return True
        self.news.append(f"rows up to {target} may be missing: there is no gate to ask for them")
        self._move({kind: target for kind in self._below(target)})
        return False

    def _is_doubtful(self, mark: Mapping[str, Any]) -> bool:
        """Whether the file has to be looked at before MARK is believed; deals with it where nobody can be asked."""
        top = max((row for row in self.have.values() if row is not None), default=0)
        if mark["epoch"] in (self._epoch, self._known_epoch) or mark["id"] >= top:
            return False
        if self._can_replay:
            self._doubt = top
        else:
            self._put_back(mark)
        return self._can_replay

    def _put_back(self, mark: Mapping[str, Any]) -> None:
        row = mark["id"]
        self.news.append(f"the file was put back to an older one, whose last row is {row}")
        for kind, have in self.have.items():
            if have is not None and have > row:
                self.have[kind] = mark["last"][kind]
        self._old = min(row, self._old or 0)
        self.given.append((None, self._known()))

    def _accept(self, live: Live) -> None:
        data, kind = live.data, live.kind
        self._count(live)
        if live.is_mark:
            if self._epoch is None:
                self.news.append(f"observing, from row {data['id']} on")
            elif self._epoch != data["epoch"]:
                self.news.append("the gateway was started anew")
            self._epoch = data["epoch"]
            self._move({one: max(data["id"], data["last"][one]) for one in self.have})
            self._settle()
        elif kind in self.have:
            if self._choice.is_about(data) and data["id"] > (self.have[kind] or 0):
                self._give(kind, data["id"], Event(live.topic, kind, data["id"], data))
        elif self._choice.wants(kind, data):
            self.given.append((Event(live.topic, kind, 0, data), {}))

    def _give(self, kind: str, row: int, event: Event) -> None:
        self.have[kind] = row
        self.given.append((event if self._choice.wants(kind, event.data) else None, {kind: row}))

    def _move(self, rows: Mapping[str, int]) -> None:
        """All rows up to these were given."""
        moved = {kind: row for kind, row in rows.items() if row > (-1 if (have := self.have[kind]) is None else have)}
        self.have.update(moved)
        if moved:
            self.given.append((None, moved))

    def _known(self) -> Dict[str, int]:
        return {kind: row for kind, row in self.have.items() if row is not None}

    def _repaired(self) -> None:
        if self._brought:
            self.news.append(f"a replay brought {self._brought} rows, up to row {self._target}")
        self._target, self._brought = None, 0

    # ── events that are no rows ─────────────────────────────────────────────────────────────────────

    def _count(self, live: Live) -> None:
        """Counts the numbers that are missing before LIVE, where everything is taken."""
        if not self._choice.everything:
            return
        welcome = live.kind == "gateway/welcome"
        if live.is_mark and live.data["epoch"] != self._epoch:
            self._seq = None if self._epoch is None else 0
        if self._seq is not None and live.seq > self._seq:
            self._missing += live.seq - self._seq - (0 if welcome else 1)
        self._seq = max(self._seq or 0, live.seq)

    def _settle(self) -> None:
        """At a mark all rows have come that were among what is missing; the rest will not."""
        lost = max(0, self._missing - self._found)
        self._missing = self._found = 0
        self.lost += lost
        if lost:
            self.news.append(f"{lost} events were lost that are no rows")
