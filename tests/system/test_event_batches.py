"""Who takes events in batches has the same as who takes them one by one, and changes nothing for these.
The observers are made of proto/WIRE.md's words alone (observer.py)."""

import os

import pytest

from harness import one_line, tailgate, wait_for
from observer import Feed, Recorder, batches_of, unpacked
from relays import Relay

BOUND = 32768


class Taker(Feed):
    """Keeps the messages as they came, too."""

    def __init__(self, site, where, *topics):
        super().__init__(site.context, where, *topics)
        site.workers.append(self)

    def raw(self, upto):
        """The messages up to the event that has UPTO in its JSON, but the welcome."""
        messages = []
        while not messages or upto not in messages[-1][-1]:
            assert self.socket.poll(60000), messages[-3:]
            message = self.socket.recv_multipart()
            messages += [message] if len(message) > 1 else []
        return messages


def given(site, *options):
    bridge = site.bridge()
    return bridge, site.serve(bridge, *options)


def events_in(messages):
    return [event for message in messages for event in unpacked(message[1])]


def from_seq(events, seq):
    return [event for event in events if int(event[1]) >= seq]


def test_batches_are_the_events_of_everybody_byte_by_byte(site):
    bridge, _ = given(site)
    plain, prefix = Taker(site, bridge, b"").joined(), Taker(site, bridge, b"b", b"query/")
    taker, twice = Taker(site, batches_of(bridge), b"").joined(), Taker(site, batches_of(bridge), b"batch/", b"").joined()
    site.answerer(bridge)
    ids = [bridge.ask(f"{n}?") for n in range(20)] + bridge.ask_many(f"{n}!" for n in range(300))
    for row in ids:
        bridge.reply(row)
    bridge.send("the last")
    singles = plain.raw(b"the last")
    assert all(len(event) == 3 and not event[0].startswith(b"batch/") for event in singles)
    seqs = [int(event[1]) for event in singles]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    for batches in (taker.raw(b"the last"), twice.raw(b"the last")):
        assert all(len(message) == 2 and message[0] == b"batch/" for message in batches)
        events = events_in(batches)
        first = int(events[0][1])
        assert [event for event in events if int(event[1]) <= seqs[-1]] == from_seq(singles, first)
        assert len(batches) < len(events)
    some = prefix.raw(b"299!")
    queries = [event for event in from_seq(singles, int(some[0][1])) if event[0].startswith(b"query/")]
    assert some == queries and len(some) > 300


def test_batch_is_bounded_and_a_large_event_is_one_by_itself(site):
    bridge, _ = given(site)
    taker = Taker(site, batches_of(bridge), b"").joined()
    bridge.ask_many(f"{n} {'x' * 1000}" for n in range(500))
    bridge.ask("y" * 45000)
    bridge.send("the last")
    batches = taker.raw(b"the last")
    assert max(len(unpacked(message[1])) for message in batches) > 10
    for message in batches:
        assert len(message[1]) <= BOUND or len(unpacked(message[1])) == 1
    assert any(len(message[1]) > BOUND for message in batches)


def test_who_comes_late_goes_on_behind_its_welcome(site):
    bridge, _ = given(site)
    Taker(site, batches_of(bridge), b"").joined()  # somebody for whom batches are made
    for n in range(5):
        bridge.ask_many(f"{n}.{m}" for m in range(100))
        late = Taker(site, batches_of(bridge), b"batch/", b"gateway/")
        topic, welcome = late.next()
        assert topic == "gateway/welcome"
        bridge.ask_many(f"{n}:{m}" for m in range(100))
        seqs = [event["seq"] for event in late.until(lambda event: "99" in event.get("text", "")
                                                     and f"{n}:99" in event["text"])]
        assert seqs == list(range(seqs[0], seqs[-1] + 1)) and seqs[0] > welcome["seq"]


def test_nothing_is_lost_over_a_restart(site):
    bridge, gateway = given(site)
    recorder = Recorder(site.context, batches_of(bridge), gate=bridge.gate, everything=True, after=0)
    site.workers.append(recorder)
    ids = bridge.ask_many(f"{n}?" for n in range(200))
    while recorder.upto["query"] < ids[-1]:
        assert recorder.step()
    gateway.stop()
    ids += bridge.ask_many(f"{n}!" for n in range(200))
    site.serve(bridge)
    while recorder.upto["query"] < ids[-1] or recorder.epochs < 2:
        assert recorder.step()
    assert recorder.rows["query"] == ids


def test_who_leaves_batches_wants_nothing_any_more(site):
    bridge, gateway = given(site)
    taker = Taker(site, batches_of(bridge), b"", b"batch/").joined()
    assert gateway.status()["events"]["subscriptions"] == 2
    taker.socket.unsubscribe(b"")
    wait_for(lambda: gateway.status()["events"]["subscriptions"] == 1, "the end of one subscription")
    bridge.send("still")
    assert taker.named("message")["text"] == "still"
    taker.socket.unsubscribe(b"batch/")
    wait_for(lambda: gateway.status()["events"]["subscriptions"] == 0, "the end of the other one")
    before = gateway.status()["events"]["published"]
    row = bridge.send("unheard")
    wait_for(lambda: gateway.status()["tail"]["cursor"] >= row, "the tail")
    assert gateway.status()["events"]["published"] == before


def test_relay_has_single_events_only(site):
    bridge, _ = given(site)
    taker = Taker(site, batches_of(bridge), b"").joined()
    relay = Relay(site, "below", bridge)
    below = Taker(site, relay.events_at, b"").joined()
    bridge.send("the last")
    singles, batches = below.raw(b"the last"), taker.raw(b"the last")
    assert all(len(event) == 3 for event in singles)
    assert singles[-1] in events_in(batches)
    done = tailgate("relay", "--from", bridge.gate, "--from-events", bridge.gate.replace("-gate/gate", "-gate/events"),
                    "--gate", f"ipc://{site.folder}/g", "--events", f"ipc://{site.folder}/e,batches")
    assert done.returncode == 2 and "one by one" in one_line(done)


def test_endpoints_of_batches_are_named(site):
    more = f"ipc://{site.folder}/more"
    bridge, gateway = given(site, "--events", "tcp://127.0.0.1:*,batches", "--events", more)
    first = f"ipc://{os.path.realpath(bridge.path)}-gate/batches"
    with open(f"{bridge.path}-gate/lock", encoding="utf-8") as lock:
        assert f"batches {first}\n" in lock.readlines()
    status = gateway.status()["events"]
    assert status["batches"][0] == first and status["batches"][1].startswith("tcp://127.0.0.1:")
    assert len(status["batches"]) == 2 and status["endpoints"][1:] == [more]
    taker = Taker(site, status["batches"][1], b"batch/", b"gateway/").joined()
    bridge.send("over tcp")
    assert taker.named("message")["text"] == "over tcp"


@pytest.mark.parametrize("word", ["ipc:///tmp/x,batches", "tcp://127.0.0.1:*,plain,batches"])
def test_gate_has_no_batches(site, word):
    done = tailgate("serve", "--db", site.bridge().path, "--gate", word)
    assert done.returncode == 2 and "batches" in one_line(done)
