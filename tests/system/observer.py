"""Observers that are made of proto/WIRE.md's words alone, so that no code of ours is on both sides."""

import json
import struct
import time

import zmq

from majordomo import Client02
from process import WAIT

ROWS = ("query", "response", "message")


def events_of(where):
    return where if isinstance(where, str) else where.gate.replace("-gate/gate", "-gate/events")


def batches_of(where):
    return events_of(where).replace("-gate/events", "-gate/batches")


def unpacked(events):
    """The events of a batch, each as its three frames."""
    found = []
    while events:
        count, *sizes = struct.unpack_from("<4I", events)
        assert count == 3 and 16 + sum(sizes) <= len(events), events[:16]
        frames, events = [], events[16:]
        for size in sizes:
            frames.append(events[:size])
            events = events[size:]
        found.append(frames)
    return found


def packed(*frames):
    """The frames of an event as they stand in a batch."""
    return struct.pack(f"<{1 + len(frames)}I", len(frames), *map(len, frames)) + b"".join(frames)


class Feed:
    """A SUB socket: events as (topic, JSON), each checked for its form; a welcome has its topic, too."""

    def __init__(self, context, where, *topics, hwm=0):
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = hwm
        for topic in topics:
            self.socket.subscribe(topic)
        self.socket.connect(events_of(where))
        self.batch = []     # events of the last one that were not given yet

    def next(self, timeout=WAIT):
        """The next event, or None."""
        if not self.batch and not self.socket.poll(timeout * 1000):
            return None
        frames = self.batch.pop(0) if self.batch else self.socket.recv_multipart()
        if len(frames) == 2:
            assert frames[0] == b"batch/" and len(frames[1]) > 16, frames
            self.batch = unpacked(frames[1])
            frames = self.batch.pop(0)
        if len(frames) == 1:
            topic, _, body = frames[0].partition(b" ")
            assert topic == b"gateway/welcome", frames
            return "gateway/welcome", json.loads(body)
        topic, seq, body = frames
        event = json.loads(body)
        assert event["seq"] == int(seq) and seq == b"%d" % int(seq), frames
        assert topic.decode(errors="replace").startswith(event["event"].split("/")[0] + "/"), frames
        return topic.decode(errors="replace"), event

    def until(self, matches, timeout=WAIT):
        """All events up to the first that MATCHES, that one last."""
        end, seen = time.monotonic() + timeout, []
        while True:
            event = self.next(max(0.0, end - time.monotonic()))
            assert event is not None, f"the event did not come; these did: {seen[-20:]}"
            seen.append(event[1])
            if matches(event[1]):
                return seen

    def named(self, name, timeout=WAIT, **members):
        """The next event of that name that has MEMBERS."""
        return self.until(lambda event: event["event"] == name and
                          all(event.get(key) == value for key, value in members.items()), timeout)[-1]

    def all_of(self, *names, timeout=WAIT):
        """The next event of each of NAMES, in whatever order they come."""
        found = {}
        while len(found) < len(names):
            event = self.until(lambda event: event["event"] in set(names) - set(found), timeout)[-1]
            found[event["event"]] = event
        return found

    def joined(self):
        """Waits until the gateway has this observer's subscriptions: a mark follows them."""
        self.named("gateway/mark")
        return self

    def close(self):
        self.socket.close(0)


class Replayer:
    """Asks tailgate.replay, by hand."""

    def __init__(self, context, endpoint, patience=WAIT):
        """PATIENCE: seconds after which a request is taken for lost, with its gateway, and sent afresh."""
        self.context, self.endpoint, self.patience = context, endpoint, patience
        self.client = Client02(context, endpoint)

    def send(self, **request):
        self.client.send("tailgate.replay", json.dumps(request))

    def receive(self, timeout=WAIT):
        """The events, and what the FINAL says."""
        final = self.client.receive(timeout)
        assert final is not None, "no FINAL"
        events = [json.loads(frame) for _, frames in self.client.partials for frame in frames]
        return events, json.loads(final[0])

    def surely(self, **request):
        """The same, whatever becomes of gateways meanwhile."""
        end = time.monotonic() + WAIT
        while True:
            try:
                return self.ask(self.patience, **request)
            except AssertionError:
                if time.monotonic() > end:
                    raise
                self.client.close()
                self.client = Client02(self.context, self.endpoint)

    def ask(self, timeout=WAIT, **request):
        self.send(**request)
        return self.receive(timeout)

    def range(self, after, upto=None, **request):
        """All events above AFTER up to UPTO, page by page."""
        events = []
        while True:
            page, end = self.surely(after=after, **({"upto": upto} if upto is not None else {}), **request)
            assert end["type"] == "replayed", end
            assert end["after"] == after and end["events"] == len(page), end
            events += page
            if not end["more"]:
                return events, end
            after = end["upto"]

    def close(self):
        self.client.close()


class Recorder:
    """The ten lines of WIRE.md, "What was missed"."""

    def __init__(self, context, where, gate=None, kinds=ROWS, everything=False, after=None, lose=lambda event: False,
                 patience=WAIT):
        topics = [b""] if everything else [b"gateway/", *(f"{kind}/".encode() for kind in kinds)]
        self.feed = Feed(context, where, *topics, hwm=1000)
        self.replayer = Replayer(context, gate or where.gate, patience)
        self.kinds = kinds
        self.lose = lose
        self.upto = {kind: after for kind in kinds}
        self.epoch = None
        self.rows = {kind: [] for kind in kinds}  # the ids, as they were given
        self.live = self.repaired = self.seen_twice = self.epochs = 0

    def give(self, event, live):
        kind = event["event"]
        if event["id"] <= self.upto[kind]:
            self.seen_twice += 1
            return
        self.rows[kind].append(event["id"])
        self.upto[kind] = event["id"]
        if live:
            self.live += 1
        else:
            self.repaired += 1

    def repair(self, kind, upto):
        for event in self.replayer.range(self.upto[kind], upto, kinds=[kind])[0]:
            self.give(event, live=False)
        self.upto[kind] = max(self.upto[kind], upto)

    def repair_all(self, upto):
        for kind in self.kinds:
            self.repair(kind, upto)

    def mark(self, event):
        back = self.epoch not in (None, event["epoch"])
        self.epochs += self.epoch != event["epoch"]
        self.epoch = event["epoch"]
        for kind in self.kinds:
            if self.upto[kind] is None or (back and event["highest"] < self.upto[kind]):
                self.upto[kind] = event["last"][kind]
            elif self.upto[kind] < event["last"][kind]:
                self.repair(kind, event["last"][kind])

    def step(self, timeout=WAIT):
        """Takes one event; False when there is none."""
        event = self.feed.next(timeout)
        if event is None:
            return False
        event = event[1]
        if event["event"] in ("gateway/mark", "gateway/welcome"):
            if not self.lose(event):
                self.mark(event)
        elif event["event"] in self.kinds and not self.lose(event) and self.upto[event["event"]] is not None:
            if self.upto[event["event"]] < event["prev"]:
                self.repair(event["event"], event["id"] - 1)
            self.give(event, live=True)
        return True

    def close(self):
        self.feed.close()
        self.replayer.close()
