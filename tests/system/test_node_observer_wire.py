"""adapters/node: its observer, and a gateway whose frames the test writes by hand from proto/WIRE.md."""

import json

import pytest
import zmq

from harness import WAIT, wait_for
from node import workshop  # noqa: F401  (workshop is a fixture)
from observer import packed
from test_node_asking import Broker
from test_node_observer import ROWS, Watch


class Door:
    """The gateway's events."""

    def __init__(self, context, endpoint, epoch="e1", **mark):
        self.endpoint = endpoint
        self.epoch = epoch
        self.seq = 0
        self.socket = context.socket(zmq.XPUB)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.XPUB_WELCOME_MSG, b"gateway/welcome " + json.dumps(self.facts(**mark)).encode())
        self.socket.bind(endpoint)
        self.topics = set()

    def close(self):
        self.socket.close()

    def subscribed(self, *topics):
        """Waits until just TOPICS are subscribed to."""
        while self.topics != set(topics):
            self.hear()
        return self

    def hear(self):
        """Waits for an observer's subscription. (ZeroMQ takes nobody in while nothing is read.)"""
        assert self.socket.poll(WAIT * 1000), self.topics
        frame = self.socket.recv()
        (self.topics.add if frame[0] else self.topics.discard)(frame[1:])

    def facts(self, number=0, **last):
        """What a mark says: all rows up to NUMBER were published, and those are the last by kind."""
        rows = {kind: last.get(kind, number) for kind in ROWS}
        return {"event": "gateway/mark", "seq": self.seq, "epoch": self.epoch, "since": 0, "id": number, "last": rows,
                "counters": {}}

    def tell(self, topic, skip=0, **event):
        """Publishes an event; the SKIP events before it are lost."""
        self.seq += 1 + skip
        event = {"event": topic.partition("/")[0], "seq": self.seq, "time": "2026-11-21T01:00:00", **event}
        self.socket.send_multipart([topic.encode(), b"%d" % self.seq, json.dumps(event).encode()])

    def row(self, number, prev, kind="message", skip=0, **members):
        self.tell(f"{kind}/c", skip, **{**row(number, kind), "prev": prev, **members})

    def mark(self, number, skip=0, **last):
        self.tell("gateway/mark", skip, **{**self.facts(number, **last), "seq": self.seq + 1 + skip})


def row(number, kind="message", **members):
    return {"event": kind, "id": number, "conversation_id": "c", "service": None, "text": f"t{number}", **members}


class Wire:
    def __init__(self, site, workshop):
        self.site = site
        self.workshop = workshop
        self.broker = Broker(site.context, f"ipc://{site.folder}/gate")
        self.doors = []

    def door(self, **keywords):
        self.doors.append(Door(self.site.context, f"ipc://{self.site.folder}/events", **keywords))
        return self.doors[-1]

    def watch(self, **options):
        made = Watch(self.workshop, {"endpoint": f"ipc://{self.site.folder}/events", "gate": self.broker.endpoint},
                     **options)
        if self.doors:
            self.doors[-1].hear()
        return made

    def asked(self, **wanted):
        """The next replay that is asked for; returns who asks."""
        peer, service, (body,) = self.broker.request()
        request = json.loads(body)
        assert service == "tailgate.replay" and {key: request.get(key) for key in wanted} == wanted, request
        return peer

    def replay(self, peer, *rows, after=0, upto=0, more=False, last=None):
        if rows:
            self.broker.partial(peer, "tailgate.replay", *(json.dumps(row).encode() for row in rows))
        self.broker.reply(peer, "tailgate.replay", json.dumps(
            {"type": "replayed", "after": after, "upto": upto, "last": last or upto, "events": len(rows),
             "more": more}).encode())

    def close(self):
        self.broker.close()
        for door in self.doors:
            door.close()


@pytest.fixture
def wire(site, workshop):
    made = Wire(site, workshop)
    try:
        yield made
    finally:
        made.close()


def test_only_what_is_asked_for_is_subscribed_to(wire):
    door = wire.door()
    for options, topics in (({}, [b""]), ({"kinds": ["query", "worker"]}, [b"query/", b"worker/", b"gateway/"]),
                            ({"kinds": ["query"], "conversation": "50%\n"}, [b"query/50%25%0A", b"gateway/"])):
        watch = wire.watch(**options)
        door.subscribed(*topics)
        watch.stop()
        door.subscribed()


def test_gap_is_replayed_before_what_came_after_it(wire):
    door = wire.door(number=10)
    watch = wire.watch(kinds=["query", "message"], service="law").here()
    door.subscribed(b"query/", b"message/", b"gateway/")
    door.row(11, 10, service="law")
    door.row(15, 14, service="law")
    door.row(16, 10, kind="query", service="law")
    peer = wire.asked(after=11, upto=14, kinds=["message"], service="law", conversation=None)
    wire.replay(peer, row(12, service="law"), row(13, service="tax"), row(14, "query", service="law"), upto=14)
    watch.until(16)
    assert [event[:3] for event in watch.events] == [["message", 11, False], ["message", 12, True],
                                                     ["message", 15, False], ["query", 16, False]]
    assert json.loads(watch.said("repaired ")) == {"after": 11, "upto": 14, "rows": 1}
    end = watch.stop()
    assert (end["positions"], end["repaired"]) == ({"query": 16, "message": 15}, 1)


def test_batch_is_its_events_up_to_what_is_none(wire):
    door = wire.door(number=10)
    watch = wire.watch().here()
    door.subscribed(b"")
    events = [packed(b"query/c", b"%d" % number, json.dumps({"seq": number, "prev": number + 9,
                                                             **row(number + 10, "query")}).encode())
              for number in (1, 2, 3)]
    for batch in (b"", b"x", packed(b"query/c", b"1"), b"\xff" * 40, packed(b"", b"", b""), events[0] + events[1][:-1],
                  events[1] + packed(b"a/", b"1", b"{", b"}") + events[2], events[2]):
        door.socket.send_multipart([b"batch/", batch])
    watch.until(13)
    assert [event[:3] for event in watch.events] == [["query", 11, False], ["query", 12, False], ["query", 13, False]]


def test_mark_shows_that_the_last_row_was_lost(wire):
    door = wire.door(number=10)
    watch = wire.watch().here()
    door.subscribed(b"")
    door.mark(12, query=10, response=10)
    wire.replay(wire.asked(after=10, upto=12, kinds=["message"]), row(12), upto=12)
    watch.until(12).said("at 12")
    assert watch.stop()["position"] == 12


def test_pages_are_asked_for_one_after_the_other(wire):
    wire.door(number=30)
    watch = wire.watch(after=5)
    wire.replay(wire.asked(after=5, upto=30, kinds=list(ROWS)), row(7), row(8, "query"), upto=9, more=True, last=30)
    wire.replay(wire.asked(after=9, upto=30), row(20, "response"), upto=30)
    watch.said("at 30")
    assert watch.ids() == [7, 8, 20]
    assert watch.stop()["repaired"] == 0  # it had not been there


def test_replay_that_is_cut_off_is_asked_for_again_and_nothing_is_told_twice(wire):
    wire.door(number=30)
    watch = wire.watch(after=5)
    peer = wire.asked(after=5)
    wire.broker.partial(peer, "tailgate.replay", *(json.dumps(row(n)).encode() for n in (6, 7)))
    watch.until(7)
    wire.broker.close()
    wire.broker.open()
    wire.replay(wire.asked(after=5), row(6), row(7), row(8), upto=30)
    watch.said("at 30")
    assert watch.ids() == [6, 7, 8]
    watch.stop()


def test_replay_that_is_refused_is_asked_for_again(wire):
    wire.door(number=30)
    watch = wire.watch(after=5)
    for answer in (b'{"type":"error","error":"too many replays at once"}', b"?", b'{"type":"replayed"}',
                   b'{"type":"replayed","after":5,"upto":5,"last":30,"more":true}'):
        since = len(watch.program.stdout.lines)
        wire.broker.reply(wire.asked(after=5, upto=30), "tailgate.replay", answer)
        watch.program.said("refused no replay", since=since)
    wire.replay(wire.asked(after=5), row(6), upto=30)
    watch.said("at 30")
    watch.stop()


def test_time_becomes_a_row_first(wire):
    wire.door(number=30)
    watch = wire.watch(since="2026-11-21T01:00:00.5", kinds=["message"])
    wire.replay(wire.asked(since="2026-11-21T01:00:00.5", limit=1, after=None), row(22), after=21, upto=22, more=True)
    wire.replay(wire.asked(since=None, after=21, upto=30), row(22), upto=30)
    watch.said("at 30")
    assert watch.ids() == [22]
    watch.stop()


def test_what_nothing_brings_back_is_counted_as_lost(wire):
    door = wire.door(number=10)
    watch = wire.watch().here()
    door.subscribed(b"")
    door.row(11, 10)
    door.row(13, 12, skip=3)  # a row, and two others
    wire.replay(wire.asked(after=11, upto=12), row(12), upto=12)
    door.mark(13, query=10, response=10)
    assert watch.said("lost ") == "2"
    door.row(14, 13)
    door.mark(14, query=10, response=10)
    watch.said("at 14")
    assert watch.stop()["lost"] == 2


@pytest.mark.parametrize("last, back", [(50, False), (12, True)], ids=["same file", "older file"])
def test_run_that_begins_behind_us_is_an_older_file_only_if_that_ends_there(wire, last, back):
    """A run begins with the rows that were not settled in the one before."""
    watch = wire.watch(after=50)
    wire.door(number=50).subscribed(b"")
    watch.here().said("up ")
    wire.doors[-1].row(51, 50)
    watch.until(51)
    wire.doors[-1].close()
    watch.said("away ")
    door = wire.door(epoch="e2", number=10).subscribed(b"")
    peer = wire.asked(after=51, limit=1)
    for number in (11, 12):
        door.row(number, number - 1)
    wire.replay(peer, after=51, upto=51, last=last + 1 if not back else last)
    if back:
        watch.until(12)
        assert json.loads(watch.said("reset ")) == {"query": 10, "response": 10, "message": 10}
    door.row(52, 51 if not back else 12)
    watch.until(52)
    assert watch.ids() == ([51, 11, 12, 52] if back else [51, 52])
    watch.stop()


def test_what_is_no_event_is_passed_over(wire):
    door = wire.door(number=10)
    watch = wire.watch().here()
    door.subscribed(b"")
    good = json.dumps({**row(11), "prev": 10}).encode()
    for frames in ([b""], [b"message/c"], [b"message/c", b"1"], [b"message/c", b"1", good, b""],
                   [b"message/c", b"x", good], [b"message/c", b"-1", good], [b"message/c", b"1", b"{"],
                   [b"message/c", b"1", b"null"], [b"query/c", b"1", good], [b"message", b"1", good],
                   [b"message/c", b"1", json.dumps({**row("11"), "prev": 10}).encode()],
                   [b"message/c", b"1", json.dumps({**row(11), "prev": 11}).encode()],
                   [b"message/c", b"1", json.dumps({**row(11), "prev": None}).encode()],
                   [b"message/c", b"1", json.dumps({**row(2 ** 60), "prev": 0}).encode()],
                   [b"message/c", b"1", b"[" * 100000], [b"\xff/\xfe", b"1", b"{}"], [b"gateway/welcome {}"],
                   [b"gateway/welcome " + b"\0" * 100], [b"gateway/mark", b"1", b'{"event":"gateway/mark"}'],
                   [b"gateway/mark", b"1", json.dumps({**door.facts(99), "last": {"query": 99}}).encode()]):
        door.socket.send_multipart(frames)
    door.row(11, 10, **{"__proto__": {"id": 99}})
    watch.until(11)
    assert watch.ids() == [11]
    watch.stop()


def test_lines_of_the_lock_say_where_both_doors_are(site, workshop, wire):
    (site.folder / "x.db-gate").mkdir()
    (site.folder / "x.db-gate" / "lock").write_text(f"pid 1\ngate {wire.broker.endpoint}\n"
                                                    f"events ipc://{site.folder}/events\n")
    wire.door(number=30)
    watch = Watch(workshop, {"db": str(site.folder / "x.db")}, after=29)
    wire.doors[-1].hear()
    wire.replay(wire.asked(after=29), row(30), upto=30)
    watch.until(30)
    assert watch.said("up ") == f"ipc://{site.folder}/events"
    watch.stop()


def test_live_rows_that_do_not_fit_beside_a_replay_are_replayed(wire):
    door = wire.door(number=10)
    watch = wire.watch(kinds=["message"]).here()
    door.subscribed(b"message/", b"gateway/")
    door.row(12, 11)
    peer = wire.asked(after=10, upto=11)
    for number in range(13, 700):
        door.row(number, number - 1)
    door.tell("gateway/refused", message_id=1)
    door.mark(699)
    wire.replay(peer, row(11), upto=11)
    while watch.ids()[-1:] != [699]:
        peer, _, (body,) = wire.broker.request() if wire.broker.socket.poll(20) else (None, None, (b"{}",))
        request = json.loads(body)
        if peer:
            wire.replay(peer, *(row(n) for n in range(request["after"] + 1, request["upto"] + 1)),
                        upto=request["upto"])
        assert watch.program.running()
    assert watch.ids() == list(range(11, 700))
    wait_for(lambda: f"at {699}" in watch.program.stdout.lines, "the position")
    watch.stop()
