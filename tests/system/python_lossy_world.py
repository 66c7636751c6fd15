"""A file with rows, a gateway that publishes them, and an observer (the Python library's Follow and Box) to whom things
get lost on the way: in one thread, and without sockets, clocks and chance that cannot be had again."""

import sys

from python_world import LIBRARY

sys.path.insert(0, str(LIBRARY))

from tailgate._event import Live  # noqa: E402  (the line above makes it findable)

KINDS = ("query", "response", "message")


def row(kind, number, prev=0, seq=1, conversation="c", service="s"):
    data = {"event": kind, "id": number, "prev": prev, "conversation_id": conversation, "service": service}
    return Live(f"{kind}/{conversation}", kind, seq, data)


def mark(number, last, epoch="e", seq=1, welcome=False):
    kind = "gateway/welcome" if welcome else "gateway/mark"
    return Live(kind, kind, seq, {"epoch": epoch, "id": number, "last": dict(zip(KINDS, last))})


def told(kind, number, conversation="c", service="s"):
    return {"event": kind, "id": number, "conversation_id": conversation, "service": service}


def final(upto, last=None, more=False):
    return {"type": "replayed", "after": 0, "upto": upto, "last": upto if last is None else last, "more": more}


class World:
    """A file, a gateway that publishes its rows, and a way to an observer on which things get lost."""

    def __init__(self, dice, follow, box, choice, quiet):
        self.dice, self.follow, self.box, self.choice, self.quiet = dice, follow, box, choice, quiet
        self.rows = []       # (kind, conversation, service); the id is the place, from 1
        self.taken = []      # events that the application took
        self.lost = 0        # events that are no rows
        self.unsure = 0      # of these, those since the last mark that arrived
        self.seq, self.told = 0, 0
        self.last = dict.fromkeys(KINDS, 0)
        self.epoch, self.connected, self.page = 1, True, []

    def write(self):
        self.rows.append((self.dice.choice(KINDS), self.dice.choice("cd"), self.dice.choice("st")))

    def arrives(self, live, losable=True):
        if self.connected and not (losable and self.dice.random() < 0.3):
            self.follow.hear(live)
            if live.is_mark:
                self.lost, self.unsure = self.lost + self.unsure, 0
        elif live.kind not in KINDS:
            self.unsure += 1

    def publish(self):
        if self.told < len(self.rows):
            self.told += 1
            kind, conversation, service = self.rows[self.told - 1]
            prev, self.last[kind] = self.last[kind], self.told
            self.seq += 1
            self.arrives(row(kind, self.told, prev, self.seq, conversation, service))

    def other(self):
        self.seq += 1
        self.arrives(Live("worker/w", "worker", self.seq, {"service": "*"}))

    def mark(self, losable=True):
        self.seq += 1
        self.arrives(mark(self.told, self.last.values(), f"e{self.epoch}", self.seq), losable)

    def welcome(self):
        self.connected = True
        self.arrives(mark(self.told, self.last.values(), f"e{self.epoch}", self.seq, welcome=True), losable=False)

    def cut(self):
        self.connected = False

    def restart(self):
        self.epoch += 1
        self.connected, self.seq = False, 0
        self.told = self.dice.randint(max(0, self.told - 5), self.told)  # what was not settled is told again
        self.last = dict.fromkeys(KINDS, self.told)
        self.page = []

    def replay(self):
        """One frame of the replay that is under way, or its beginning, or its end."""
        want = self.follow.ask()
        if want is None:
            return
        if not self.page or self.dice.random() < 0.1:  # or it is sent again after a lost connection
            limit, upto = self.dice.randint(1, 8), min(want.upto, len(self.rows))
            found, at = [], want.after
            while at < upto and len(found) < limit:
                at += 1
                kind, conversation, service = self.rows[at - 1]
                if kind in want.kinds and conversation in (self.choice.conversation or "cd") \
                        and service in (self.choice.service or "st"):
                    found.append(told(kind, at, conversation, service))
            self.page = [*found, final(at, len(self.rows), at < upto)]
        frame = self.page.pop(0)
        if "event" in frame:
            self.follow.told(frame)
        else:
            assert self.follow.ended(frame)

    def take(self):
        self.box.put(self.follow.given)
        self.follow.given.clear()
        event = self.box.take_now()
        if event is not None:
            self.taken.append(event)

    def settle(self):
        """Everything gets through, and the application takes it."""
        while self.told < len(self.rows):
            self.publish()
        if not self.connected:
            self.welcome()
        self.mark(losable=False)
        while self.follow.ask() is not None:
            self.replay()
        while self.follow.given or len(self.box):
            self.take()

    def run(self, steps):
        acts = [self.write] * 6 + [self.publish] * 6 + [self.other] * 2 + [self.mark, self.replay, self.replay]
        acts += [self.take] * 8 + ([] if self.quiet else [self.cut, self.welcome, self.restart])
        for _ in range(steps):
            self.dice.choice(acts)()
