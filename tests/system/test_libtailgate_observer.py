"""Observers that are built on libtailgate, beside the real gateway: every row once and in order, whatever is lost on
the way. What no gateway would say is said by an XPUB and a ROUTER socket of the test."""

import json
import struct
import subprocess
import time

import pytest
import zmq

from harness import LONG, WAIT, Lines, Program, wait_for
from library import library  # noqa: F401  (a fixture)
from observer import packed
from test_libtailgate import EXAMPLES

INVALID = -2


def events_of(bridge):
    return bridge.gate.replace("-gate/gate", "-gate/events")


class Observer:
    """library/observer.c as a process."""

    def __init__(self, library, *words):
        self.program = library.run("observer", *words, stdout=subprocess.PIPE, pipe=True)
        self.lines = Lines(self.program.process.stdout)

    def say(self, word):
        self.program.process.stdin.write(word.encode() + b"\n")
        self.program.process.stdin.flush()

    @property
    def told(self):
        """All until now."""
        return [json.loads(line) for line in self.lines.lines]

    def rows(self):
        return [item["id"] for item in self.told if item["what"] == "event" and item["id"]]

    def of(self, what):
        return [item for item in self.told if item["what"] == what]

    def wait(self, what, count=1, **members):
        """Waits for COUNT things of that kind with those members; returns the last of them."""
        def found():
            fit = [item for item in self.of(what) if all(item.get(name) == value for name, value in members.items())]
            return fit[count - 1] if len(fit) >= count else None
        try:
            return wait_for(found, f"{count} {what} with {members}")
        except AssertionError as failure:
            raise AssertionError(f"{failure}, after:\n{self.lines.text()[-3000:]}") from failure

    def wait_rows(self, ids):
        """Waits until the last of IDS came; then it was these, in this order, each once."""
        wait_for(lambda: ids[-1] in self.rows(), f"row {ids[-1]}")
        assert self.rows() == list(ids)

    def position(self):
        count = len(self.of("position"))
        self.say("position")
        return self.wait("position", count + 1)["id"]

    def end(self):
        self.program.process.stdin.close()
        assert self.program.wait() == 0


@pytest.fixture
def observe(library):
    """Starts observers; they are ended with the test."""
    made = []

    def start(where, *words, gate=True, up=True):
        endpoints = [f"events={where}"] if isinstance(where, str) else [f"events={events_of(where)}"]
        if gate:
            endpoints.append(f"gate={gate if isinstance(gate, str) else where.gate}")
        made.append(Observer(library, *endpoints, *words))
        if up:
            made[-1].wait("up")
        return made[-1]

    yield start
    for observer in made:
        if not observer.program.ended:
            observer.end()


def test_rows_come_from_now_on_whoever_wrote_them(site, observe):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(bridge.ask("before"))
    observer = observe(bridge)
    ids = [bridge.ask("a"), bridge.send("b")]
    reply = bridge.reply(ids[0])["id"]
    wait_for(lambda: {*ids, reply} <= set(observer.rows()), "the rows")  # the reply may be older than "b"
    assert sorted(observer.rows()) == sorted([*ids, reply])
    events = {item["id"]: item for item in observer.of("event") if item["id"]}
    assert events[ids[0]]["topic"] == f"query/{bridge.conversation}"
    assert events[ids[1]]["topic"] == f"message/{bridge.conversation}"
    assert events[reply]["topic"] == f"response/{bridge.conversation}"
    assert events[reply]["json"]["in_reply_to"] == ids[0] and not events[reply]["replayed"]
    assert not [item for item in observer.of("event") if item["topic"] in ("gateway/mark", "gateway/welcome")]


def test_whole_file_is_replayed_then_followed(site, observe):
    bridge = site.bridge()
    old = bridge.ask_many([f"q{n}" for n in range(2500)])
    site.serve(bridge)
    observer = observe(bridge, "after=0")
    new = [bridge.ask("new")]
    observer.wait_rows(old + new)
    assert not observer.of("lost")
    event = observer.of("event")[0]
    assert event["replayed"] and event["topic"] == f"query/{old[0]}"
    wait_for(lambda: observer.position() == new[-1], "the position to be the last row's")
    observer.end()
    later = [bridge.ask("later")]
    again = observe(bridge, f"after={new[-1]}")
    again.wait_rows(later)


def test_since_begins_with_the_first_row_that_is_not_older(site, observe):
    bridge = site.bridge()
    ids = [bridge.ask(f"q{n}") for n in range(6)]
    for n, row in enumerate(ids):
        bridge.run("UPDATE messages SET timestamp = ? WHERE id = ?", f"2026-11-21T0{n}:00:00", row)
    site.serve(bridge)
    observer = observe(bridge, "since=2026-11-21T02:30:00")
    observer.wait_rows(ids[3:])
    wait_for(lambda: observer.position() == ids[-1], "the position to be the last row's")


def test_gateway_that_is_killed_and_started_again_costs_no_row(site, observe):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    observer = observe(bridge)
    rest = observe(bridge, "kind=query")
    ids = [bridge.ask(f"first {n}") for n in range(20)]
    observer.wait_rows(ids)
    for run in range(3):
        gateway.kill()
        observer.wait("away", run + 1)
        ids += [bridge.ask(f"while it was away {n}") for n in range(10)]
        gateway = site.serve(bridge)
        ids += [bridge.ask(f"run {run}, {n}") for n in range(10)]
        observer.wait("up", run + 1, text="a new run of the gateway")
        observer.wait_rows(ids)
        rest.wait_rows(ids)
    assert not observer.of("reset") and not rest.of("reset")


def test_file_that_is_put_back_is_told(site, observe):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    observer = observe(bridge)
    ids = [bridge.ask(f"q{n}") for n in range(10)]
    observer.wait_rows(ids)
    gateway.kill()
    bridge.run("DELETE FROM messages WHERE id > ?", ids[4])
    bridge.run("UPDATE sqlite_sequence SET seq = ? WHERE name = 'messages'", ids[4])
    site.serve(bridge)
    observer.wait("reset")
    again = bridge.ask("written after that")
    assert again == ids[5]
    wait_for(lambda: observer.rows().count(again) == 2, "the row that has an old id")


def test_observer_that_does_not_read_loses_no_row(site, observe):
    bridge = site.bridge()
    site.serve(bridge)
    observer = observe(bridge, "hold", up=False)
    bridge.ask("first")
    time.sleep(1)  # it is up by now; if it is not, it has more to replay
    count = 20000 if LONG else 6000
    ids = []
    for start in range(0, count, 500):
        ids += bridge.ask_many([f"{start + n}" for n in range(500)])
        wait_for(lambda: site.gateways[0].status()["events"]["published"] > len(ids), "the gateway to tell them")
    observer.say("go")
    last = bridge.ask("last")
    wait_for(lambda: last in observer.rows(), "the last row")
    rows = observer.rows()
    assert rows[-len(ids) - 1:] == [*ids, last] and len(rows) <= len(ids) + 2
    wait_for(lambda: observer.position() == last, "the position to be the last row's")
    assert sum(item["count"] for item in observer.of("repaired")) > 1000
    assert sum(item["count"] for item in observer.of("lost")) < 100  # marks


def test_rows_of_another_process_come_in_order(site, observe):
    bridge = site.bridge()
    site.serve(bridge)
    observer = observe(bridge, "kind=query", "kind=message")
    writers = [site.writer(bridge, count=200, name=f"w{n}") for n in range(2)]
    for writer in writers:
        assert writer.wait(WAIT) == 0
    with bridge.reading() as db:
        ids = [row[0] for row in db.execute("SELECT id FROM messages ORDER BY id")]
    assert len(ids) == 400
    observer.wait_rows(ids)


def test_one_conversation_is_that_one(site, observe):
    bridge = site.bridge()
    names = ["c", "c1", "50%\tfish"]
    for name in names:
        bridge.converse(conversation=name)
    site.serve(bridge)
    old = [bridge.ask("old", conversation=name) for name in names for _ in range(3)]
    observers = {name: observe(bridge, f"conversation={name}", "after=0") for name in names}
    ids = {name: old[3 * n:3 * n + 3] for n, name in enumerate(names)}
    for n in range(30):
        name = names[n % 3]
        ids[name].append(bridge.ask(f"new {n}", conversation=name))
    for name, observer in observers.items():
        observer.wait_rows(ids[name])
        assert not observer.of("lost")
        last = max(row for rows in ids.values() for row in rows)
        wait_for(lambda: observer.position() == last, "the position to be the last row's")


def test_one_service_is_that_one(site, observe):
    bridge = site.bridge()
    site.serve(bridge)
    old = [bridge.ask("old", service=service) for service in ("law", "tax", "law")]
    observer = observe(bridge, "service=law", "after=0")
    site.answerer(bridge, "law")
    new = [bridge.ask("new", service=service) for service in ("law", "tax", "law")]
    queries = [old[0], old[2], new[0], new[2]]
    for query in queries:
        bridge.reply(query)
    wait_for(lambda: [row for row in observer.rows() if row in old + new] == queries, "the queries")
    services = {item["json"]["service"] for item in observer.of("event")}
    assert services == {"law"}


def test_what_is_no_row_is_passed_through(site, observe):
    bridge = site.bridge()
    site.serve(bridge)
    everything = observe(bridge)
    partials = observe(bridge, "kind=partial", "kind=worker")
    worker = site.mdp(bridge, "law", name="w1", heartbeats=True, interval=30000)
    bridge.ask("?", service="law")
    query = worker.request()
    worker.partial(query.token, b"It is a matter of taste. ")
    topic = f"partial/{bridge.conversation}"
    for observer in (everything, partials):
        assert observer.wait("event", topic="worker/w1")["json"]["change"] == "joined"
        assert observer.wait("event", topic=topic)["json"]["text"].startswith("It is")
    assert partials.rows() == [] and everything.rows() == [query.id]
    worker.final(query.token, "done")


def test_without_a_gate_what_was_missed_is_told(site, observe):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    observer = observe(bridge, "kind=query", gate=False)
    ids = [bridge.ask("first")]
    observer.wait_rows(ids)
    wait_for(lambda: observer.position() == ids[0], "a mark")
    observer.program.freeze()
    count = 12000
    for start in range(0, count, 1000):
        ids += bridge.ask_many([f"{start + n} " + "x" * 2000 for n in range(1000)])
    wait_for(lambda: gateway.status()["events"]["published"] >= count, "the gateway to tell them")
    time.sleep(1)
    observer.program.thaw()
    observer.wait("lost")
    last = bridge.ask("last")
    wait_for(lambda: last in observer.rows(), "the last row")
    rows = observer.rows()
    assert rows == sorted(set(rows)) and len(rows) < count


@pytest.mark.parametrize("words", [[], ["loop"]])
def test_observer_ends_in_the_middle_of_a_replay(site, observe, words):
    bridge = site.bridge()
    bridge.ask_many([f"q{n}" for n in range(5000)])
    site.serve(bridge)
    for pause in (0, 0.05, 0.3):
        observer = observe(bridge, "after=0", "hold", *words, up=False)
        time.sleep(pause)
        observer.end()


def test_example_prints_a_line_for_each_event(library, site):
    bridge = site.bridge()
    ids = [bridge.ask(f"question {n}") for n in range(3)]
    site.serve(bridge)
    program = Program([library.build(EXAMPLES / "observer.c"), events_of(bridge), bridge.gate, "0"],
                      env=library.environment(), stdout=subprocess.PIPE)
    site.processes.append(program.process)
    lines = Lines(program.process.stdout)
    lines.wait(lambda line: line.startswith(f"query/{ids[-1]}  {{") and "question 2" in line, "the last row")
    assert lines.lines[0] == "-- connected  "
    assert Program([library.build(EXAMPLES / "observer.c")], env=library.environment()).wait() == 2


@pytest.mark.parametrize("words", [
    [], ["events=inproc://x"], ["events=ipc://x", "gate=nonsense"], ["events=ipc://x", "kind=nonsense"],
    ["events=ipc://x", "kind=query", "kind="], ["events=ipc://x", "after=0"], ["events=ipc://x", "after=-2"],
    ["events=ipc://x", "since=2026-11-21T01:00:00"], ["events=ipc://x", "gate=ipc://y", "since=yesterday"],
    ["events=ipc://x", "gate=ipc://y", "since=2026-11-21T01:00:00", "after=7"],
    ["events=ipc://x", "conversation="], ["events=ipc://x", "conversation=" + "c" * 201],
    ["events=ipc://x", "service="], ["events=ipc://x", "service=" + "s" * 101],
])
def test_what_cannot_be_is_refused(library, words):
    observer = Observer(library, *words)
    assert observer.wait("failed")["code"] == INVALID
    assert observer.program.wait() == 1


# --- a gateway of the test ---


class Broker:
    """The gateway's side of both wires, by hand."""

    def __init__(self, site):
        self.context = site.context
        self.events = f"ipc://{site.folder}/events"
        self.gate = f"ipc://{site.folder}/gate"
        self.socket = self.listen(zmq.XPUB, self.events)
        self.router = self.listen(zmq.ROUTER, self.gate)

    def listen(self, kind, endpoint):
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.bind(endpoint)
        return socket

    def subscribed(self, topic):
        assert self.socket.poll(WAIT * 1000)
        assert self.socket.recv() == b"\x01" + topic

    def mark(self, seq, **members):
        mark = {"event": "gateway/mark", "seq": seq, "epoch": "e", "since": 0, "id": 0, "last": {}, **members}
        self.socket.send_multipart([b"gateway/mark", b"%d" % seq, json.dumps(mark).encode()])

    def welcome(self, seq, **members):
        mark = {"event": "gateway/welcome", "seq": seq, "epoch": "e", "since": 0, "id": 0, "last": {}, **members}
        self.socket.send(b"gateway/welcome " + json.dumps(mark).encode())

    def row(self, seq, row, prev):
        event = {"event": "query", "seq": seq, "id": row, "prev": prev, "conversation_id": "c", "service": None}
        self.socket.send_multipart([b"query/c", b"%d" % seq, json.dumps(event).encode()])

    def request(self):
        assert self.router.poll(WAIT * 1000), "nothing was asked"
        peer, header, command, service, body = self.router.recv_multipart()
        assert (header, command, service) == (b"MDPC02", b"\x01", b"tailgate.replay")
        return peer, json.loads(body)

    def part(self, peer, *ids):
        frames = [json.dumps({"event": "query", "id": row, "conversation_id": "c"}).encode() for row in ids]
        self.router.send_multipart([peer, b"MDPC02", b"\x02", b"tailgate.replay", *frames])

    def final(self, peer, **members):
        self.router.send_multipart([peer, b"MDPC02", b"\x03", b"tailgate.replay", json.dumps(members).encode()])

    def replayed(self, peer, after, upto, events, more=False):
        self.final(peer, type="replayed", after=after, upto=upto, last=upto, events=events, more=more)

    def close(self):
        self.socket.close()
        self.router.close()


@pytest.fixture
def broker(site):
    made = Broker(site)
    yield made
    made.close()


def test_page_is_asked_for_again_when_its_connection_ends(broker, observe):
    observer = observe(broker.events, "kind=query", gate=broker.gate, up=False)
    for topic in (b"batch/", b"gateway/", b"query/"):
        broker.subscribed(topic)
    broker.welcome(1, id=5, last={"query": 5})
    observer.wait("up")
    broker.row(2, 9, 8)
    peer, asked = broker.request()
    assert asked == {"after": 5, "upto": 8, "kinds": ["query"], "limit": 1000}
    broker.part(peer, 6, 7)
    wait_for(lambda: observer.rows() == [6, 7], "the first part")
    broker.router.close()
    observer.wait("away")
    broker.router = broker.listen(zmq.ROUTER, broker.gate)
    peer, again = broker.request()
    assert again == asked
    broker.part(peer, 6, 7, 8)
    broker.replayed(peer, 5, 8, 3)
    observer.wait_rows([6, 7, 8, 9])
    assert observer.of("repaired")[0]["count"] == 3
    observer.wait("up", 2)


def test_gateway_that_knows_no_replay_is_told_and_tried_again(broker, observe):
    observer = observe(broker.events, "after=3", gate=broker.gate, up=False)
    broker.subscribed(b"")
    observer.wait("up")  # without a welcome
    peer, asked = broker.request()
    assert asked == {"after": 3, "limit": 1000}
    broker.final(peer, type="error", error="there is no such service")
    assert observer.wait("away")["text"] == "cannot replay: there is no such service"
    peer, _ = broker.request()
    broker.part(peer, 4)
    broker.replayed(peer, 3, 4, 1)
    observer.wait_rows([4])
    observer.wait("up", 2)


def test_what_is_no_event_changes_nothing(broker, observe):
    observer = observe(broker.events, gate=broker.gate, up=False)
    broker.subscribed(b"")
    broker.welcome(0, id=5, last={"query": 5})
    for frames in ([b""], [b"query/c", b"1"], [b"query/c", b"1", b"{"], [b"query/c", b"1", b"{}"],
                   [b"query/c", b"x", b'{"id":6,"prev":5}'], [b"x"] * 70, [b"gateway/welcome {]"],
                   [b"gateway/mark", b"1", b"{}"], [b"", b"", b""]):
        broker.socket.send_multipart(frames)
    broker.row(1, 6, 5)
    observer.wait_rows([6])
    assert {item["what"] for item in observer.told} == {"up", "event"}


def row_of(seq, row, prev):
    event = {"event": "query", "seq": seq, "id": row, "prev": prev, "conversation_id": "c", "service": None}
    return packed(b"query/c", b"%d" % seq, json.dumps(event).encode())


def test_batch_is_its_events_up_to_what_is_none(broker, observe):
    observer = observe(broker.events, gate=broker.gate, up=False)
    broker.subscribed(b"")
    broker.welcome(0, id=5, last={"query": 5})
    for batch in (b"", b"x", packed(b"query/c", b"1"), struct.pack("<I", 0xFFFFFFFF), packed(b"", b"", b""),
                  struct.pack("<4I", 3, 0xFFFFFFFF, 1, 1), packed(b"a/", b"1", b"{", b"}")):
        broker.socket.send_multipart([b"batch/", batch])
    broker.socket.send_multipart([b"batch/", row_of(1, 6, 5) + row_of(2, 7, 6) + row_of(3, 8, 7)[:-1]])
    broker.socket.send_multipart([b"batch/", row_of(3, 8, 7), b""])
    broker.socket.send_multipart([b"batch/c", row_of(3, 8, 7)])
    observer.wait_rows([6, 7])
    broker.socket.send_multipart([b"batch/", row_of(3, 8, 7)])
    broker.row(4, 9, 8)
    observer.wait_rows([6, 7, 8, 9])
    assert {item["what"] for item in observer.told} == {"up", "event"}


def test_gap_within_a_batch_is_repaired_before_the_rest_of_it(broker, observe):
    observer = observe(broker.events, "kind=query", gate=broker.gate, up=False)
    for topic in (b"batch/", b"gateway/", b"query/"):
        broker.subscribed(topic)
    broker.welcome(0, id=5, last={"query": 5})
    observer.wait("up")
    broker.socket.send_multipart([b"batch/", row_of(1, 6, 5) + row_of(3, 8, 7) + row_of(4, 9, 8)])
    broker.row(5, 10, 9)
    peer, asked = broker.request()
    assert asked == {"after": 6, "upto": 7, "kinds": ["query"], "limit": 1000}
    broker.part(peer, 7)
    broker.replayed(peer, 6, 7, 1)
    observer.wait_rows([6, 7, 8, 9, 10])


def test_rows_come_once_in_batches_across_a_restart(site, observe):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    observer = observe(events_of(bridge).replace("-gate/events", "-gate/batches"), gate=bridge.gate)
    filtered = observe(events_of(bridge).replace("-gate/events", "-gate/batches"), "kind=message", gate=bridge.gate)
    ids = bridge.ask_many(f"{n}?" for n in range(300)) + [bridge.send("note")]
    observer.wait_rows(ids)
    gateway.stop()
    ids += bridge.ask_many(f"{n}!" for n in range(300)) + [bridge.send("another")]
    site.serve(bridge)
    ids += bridge.ask_many(f"{n}." for n in range(300)) + [bridge.send("the last")]
    observer.wait_rows(ids)
    filtered.wait_rows([ids[300], ids[601], ids[902]])


def test_nobody_there_is_told(observe, site):
    observer = observe(f"ipc://{site.folder}/nobody", gate=False, up=False)
    assert "no gateway there" in observer.wait("away")["text"]
