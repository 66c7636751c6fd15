"""Several queries, or answers, in one message: BATCH of proto/WIRE.md."""

import json
import signal
import sqlite3
import time

import pytest
import zmq

from gate import world  # noqa: F401  (world is a fixture)
from harness import BUILD, environment, wait_for
from observer import Feed
from workers import BATCH, DISCONNECT, FINAL, HEARTBEAT, MDP, PARTIAL, READY, REQUEST, Query, batch, unbatch

BUSY_ROW = BUILD / "tests" / "system" / "busy_row" / "tailgate_busy_row"


def requests(worker, count):
    """The next COUNT queries, and in how many messages they came."""
    queries, messages = [], 0
    while len(queries) < count:
        frames = worker.receive()
        assert frames is not None, f"{len(queries)} of {count} queries came"
        if frames[1] == HEARTBEAT:
            continue
        messages += 1
        found = unbatch(frames[2]) if frames[1] == BATCH else [frames[1:]]
        assert frames[1] in (BATCH, REQUEST) and (frames[1] == REQUEST or len(found) > 1)
        for command, token, empty, body in found:
            assert command == REQUEST and empty == b""
            queries.append(Query(token, body))
    return queries, messages


def final(query, answer):
    return [FINAL, query.token, b"", json.dumps({"answer": answer}).encode()]


def text(reply):
    return json.loads(reply["text"])["answer"]


def test_queries_and_answers_go_together_for_who_says_so(site):
    bridge = site.bridge()
    asked = bridge.ask_many(str(n) for n in range(50))
    site.serve(bridge)
    worker = site.mdp(bridge, slots=50, batches=True)
    queries, messages = requests(worker, 50)
    assert [query.id for query in queries] == asked
    assert messages <= 10
    worker.send(MDP, BATCH, batch(*(final(query, f"to {query.json['question']}") for query in queries)))
    bridge.wait_replies(50)
    assert sorted(text(reply) for reply in bridge.replies()) == sorted(f"to {n}" for n in range(50))
    bridge.check_exactly_once(50)


def test_each_goes_by_itself_to_who_does_not(site):
    bridge = site.bridge()
    bridge.ask_many(str(n) for n in range(20))
    site.serve(bridge)
    worker = site.mdp(bridge, slots=20)
    _, messages = requests(worker, 20)
    assert messages == 20


def test_one_alone_is_an_ordinary_request(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge, slots=20, batches=True)
    bridge.ask("?")
    assert worker.receive()[1] == REQUEST


def test_client_frames_in_a_batch_are_the_client_frames(site):
    """A worker that asked for no JSON gets in a batch, too, what a Majordomo client sent."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    client = site.context.socket(zmq.DEALER)
    client.connect(bridge.gate)
    for n in range(2):
        client.send_multipart([b"MDPC02", b"\1", b"default", b"one", b"\xff%d" % n])
    wait_for(lambda: gateway.status()["counters"]["queries"] == 2, "both to wait")
    worker = site.mdp(bridge, slots=2, batches=True)
    frames = worker.receive()
    assert frames[1] == BATCH
    found = unbatch(frames[2])
    assert [message[3:] for message in found] == [[b"one", b"\xff0"], [b"one", b"\xff1"]]
    worker.send(MDP, BATCH, batch(*([FINAL, message[1], b"", b"raw", message[4]] for message in found)))
    for n in range(2):
        assert client.poll(10000)
        assert client.recv_multipart()[3:] == [b"raw", b"\xff%d" % n]
    client.close(0)


def test_empty_batch_ends_the_registration(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge, slots=2, batches=True)
    worker.send(MDP, BATCH, b"")
    worker.wait_disconnect()


@pytest.mark.parametrize("bad", [
    b"\0", b"\xff\xff\xff\xff", batch([HEARTBEAT]), batch([DISCONNECT]), batch([BATCH, b""]),
    batch([REQUEST, b"1.1.AAAAAAAAAAAAAAAAAAAAAA", b"", b"?"]), batch([FINAL])], ids=repr)
def test_malformed_batch_ends_the_registration_and_what_stood_before_it_counts(site, bad):
    bridge = site.bridge()
    first, second = bridge.ask_many("ab")
    gateway = site.serve(bridge, settings={"backoff.first": "20ms"})
    worker = site.mdp(bridge, slots=2, batches=True)
    queries, _ = requests(worker, 2)
    worker.send(MDP, BATCH, batch(final(queries[0], "good")) + bad)
    worker.wait_disconnect()
    assert text(bridge.reply(first)) == "good"
    assert gateway.status()["counters"]["bad_frames"] == 1
    other = site.mdp(bridge, slots=2)
    assert other.request().id == second


def test_large_query_goes_by_itself(site):
    """17 MB, more than a frame that the gate reads may have; and what comes before and behind it."""
    bridge = site.bridge()
    asked = bridge.ask_many(["a", "b", "x" * 17_000_000, "c", "d"])
    site.serve(bridge)
    worker = site.mdp(bridge, slots=5, batches=True)
    queries, messages = requests(worker, 5)
    assert [query.id for query in queries] == asked and messages == 3
    worker.send(MDP, BATCH, batch(*(final(query, "short") for query in queries)))
    bridge.wait_replies(5)
    bridge.check_exactly_once(5)


def test_worker_that_closes_with_a_batch_loses_all_of_it_to_another(site):
    bridge = site.bridge()
    asked = bridge.ask_many(str(n) for n in range(20))
    site.serve(bridge, settings={"backoff.first": "20ms"})
    worker = site.mdp(bridge, slots=20, batches=True)
    requests(worker, 20)
    worker.close()
    other = site.mdp(bridge, slots=20, batches=True)
    queries, _ = requests(other, 20)
    assert sorted(query.id for query in queries) == asked and {query.attempt for query in queries} == {2}
    other.send(MDP, BATCH, batch(*(final(query, "late") for query in queries)))
    bridge.wait_replies(20)
    bridge.check_exactly_once(20)


def test_batch_of_a_connection_that_is_not_registered_counts_and_is_told_once(site):
    bridge = site.bridge()
    bridge.ask_many("abc")
    site.serve(bridge)
    worker = site.mdp(bridge, slots=3, batches=True)
    queries, _ = requests(worker, 3)
    stranger = site.mdp(bridge, ready=False)
    stranger.send(MDP, BATCH, batch(*(final(query, "from elsewhere") for query in queries)))
    stranger.wait_disconnect()
    bridge.wait_replies(3)
    assert {text(reply) for reply in bridge.replies()} == {"from elsewhere"}
    assert stranger.receive(timeout=0.3) is None
    bridge.check_exactly_once(3)


def test_no_more_than_a_thousand_are_heard_at_once(site):
    bridge = site.bridge()
    bridge.ask("?")
    site.serve(bridge)
    worker = site.mdp(bridge, slots=2, batches=True)
    token = worker.receive()[2]
    worker.send(MDP, BATCH, batch(*([PARTIAL, token, b"", b"more"] for _ in range(1000))))
    worker.heartbeat()
    with pytest.raises(AssertionError, match="no DISCONNECT"):
        worker.wait_disconnect(timeout=1)
    worker.send(MDP, BATCH, batch(*([PARTIAL, token, b"", b"more"] for _ in range(1001))))
    worker.wait_disconnect()


def test_what_cannot_be_judged_yet_waits_and_nothing_is_heard_twice(site):
    """A rollback journal whose file is locked: the part is judged by what is known, the answer waits for the row."""
    bridge = site.bridge(journal="DELETE")
    gateway = site.serve(bridge, settings={"lease": "20s"})
    worker = site.mdp(bridge, slots=2, heartbeats=True, batches=True)
    message = bridge.ask("?")
    token = worker.receive()[2]
    observer = Feed(site.context, bridge, "partial/")
    lock = sqlite3.connect(bridge.path, isolation_level=None, timeout=30)

    while not observer.socket.poll(100):  # it may be slow to join
        worker.partial(token, b"one ")
    worker.partial(token, b"two ")
    observer.until(lambda event: "two" in event["text"])
    lock.execute("BEGIN EXCLUSIVE")
    worker.send(MDP, BATCH, batch([PARTIAL, token, b"", b"three "], [FINAL, token, b"", b"all of it"]))
    observer.until(lambda event: "three" in event["text"])
    time.sleep(0.3)  # the answer is tried again and again
    lock.execute("COMMIT")
    lock.close()
    assert text(bridge.reply(message)) == "all of it"
    assert not observer.socket.poll(200), "the part was told twice"
    bridge.check_exactly_once(1)


def test_each_message_behind_one_that_waits_is_judged_once_and_in_its_order(site):
    """What was judged before the one that waits for its row is not judged with it again."""
    bridge = site.bridge()
    busy = site.folder / "busy"
    busy.mkdir()
    gateway = site.serve(bridge, program=BUSY_ROW, env=environment(TAILGATE_BUSY=busy))
    asked = [bridge.ask(question, query_id="q" * 400) for question in "abcd"]  # too long to be remembered with its row
    worker = site.mdp(bridge, slots=4, batches=True, heartbeats=True)
    observer = Feed(site.context, bridge, "partial/")
    queries, _ = requests(worker, 4)
    while not observer.socket.poll(100):  # it may be slow to join
        worker.partial(queries[3].token, b"joined ")
    waits = busy / str(asked[1])
    waits.touch()
    said = [[PARTIAL, query.token, b"", b"part-of-%s " % query.json["question"].encode()] for query in queries]
    worker.send(MDP, BATCH, batch(*(message for n, query in enumerate(queries)
                                    for message in (said[n], final(query, f"to {query.json['question']}")))))
    assert text(bridge.reply(asked[0])) == "to a"
    time.sleep(0.3)  # the next one is tried again and again
    assert len(bridge.replies()) == 1
    waits.unlink()
    bridge.wait_replies(4)
    assert [reply["reply_to"] for reply in bridge.replies()] == asked
    seen = observer.until(lambda event: "part-of-d" in event["text"])
    assert [event["text"] for event in seen if "part-of" in event["text"]] == [f"part-of-{c} " for c in "abcd"]
    assert not observer.socket.poll(200), "a part was told twice"
    counters = gateway.status()["counters"]
    assert counters["answered"] == 4 and counters["bad_frames"] == 0
    assert [counters[name] for name in counters if name.startswith("refused_")] == \
        [0 for name in counters if name.startswith("refused_")]
    bridge.check_exactly_once(4)


def test_worker_that_comes_back_with_half_of_a_batch_gets_the_other_half_again(site):
    """It had read two of four when its connection was lost."""
    bridge = site.bridge()
    asked = bridge.ask_many("abcd")
    site.serve(bridge, settings={"backoff.first": "20ms"})
    options = {"slots": 4, "batches": True, "heartbeats": True, "name": "it"}
    worker = site.mdp(bridge, **options)
    queries, messages = requests(worker, 4)
    assert messages == 1
    worker.close()
    again = site.mdp(bridge, **options, holding=[query.token.decode() for query in queries[:2]])
    more, _ = requests(again, 2)
    assert sorted((query.id, query.attempt) for query in more) == [(id_, 2) for id_ in asked[2:]]
    again.send(MDP, BATCH, batch(*(final(query, "late") for query in queries[:2] + more)))
    bridge.wait_replies(4)
    assert again.receive(timeout=0.3) in (None, [MDP, HEARTBEAT])
    bridge.check_exactly_once(4)


def test_worker_that_has_gone_when_its_batch_is_sent_gets_nothing_and_loses_nothing(site):
    """What is in the batch, and what is too large for it and comes behind it: workers that close as they register."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backoff.first": "20ms"})
    for number in range(5):
        asked = bridge.ask_many(["a", "b", "x" * 20000, "c"] * 10)
        wait_for(lambda: gateway.status()["counters"]["queries"] == 40 * (number + 1), "all to wait")
        workers = [site.mdp(bridge, ready=False) for _ in range(10)]
        for worker in workers:
            worker.heartbeat()
            worker.wait_disconnect()
        gateway.signal(signal.SIGSTOP)
        for worker in workers:
            worker.socket.linger = 5000
            worker.send(MDP, READY, b"*", json.dumps({"slots": 4, "batches": True}).encode())
            worker.socket.close()
        gateway.signal(signal.SIGCONT)
        wait_for(lambda: gateway.status()["counters"]["workers_left"] == 11 * number + 10, "all to be gone")
        other = site.mdp(bridge, slots=40, batches=True)
        queries, _ = requests(other, 40)
        assert sorted(query.id for query in queries) == asked
        for query in queries:
            other.final(query.token, "at last")
        bridge.wait_replies(40 * (number + 1))
        other.disconnect()
        wait_for(lambda: gateway.status()["counters"]["workers_left"] == 11 * (number + 1), "the last one to be gone")
    bridge.check_exactly_once(200)


def test_full_worker_gives_back_all_of_its_batch_and_no_attempt_counts(site):
    """It reads nothing, and its pipe is full of what a stranger is told when it registers: all that it was to
    get goes to another worker, or to itself when it is heard again."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    full = site.mdp(bridge, ready=False, rcvhwm=1)

    def count(name):
        return gateway.status()["counters"][name]

    while count("peers_full") == 0:
        for _ in range(5000):
            full.socket.send_multipart([MDP, HEARTBEAT])
    first = bridge.ask_many(str(n) for n in range(30))
    unsent = count("peers_full")
    full.send(MDP, READY, b"*", json.dumps({"slots": 50, "batches": True, "name": "full"}).encode())
    gateway.wait_event("joined", worker="full")
    wait_for(lambda: count("peers_full") > unsent, "a batch that is not sent")
    assert count("dispatched") == 0
    other = site.mdp(bridge, slots=30, batches=True)
    queries, _ = requests(other, 30)
    assert sorted((query.id, query.attempt) for query in queries) == [(id_, 1) for id_ in first]
    second = bridge.ask_many(str(n) for n in range(20))
    while full.receive(timeout=1) is not None:
        pass
    full.heartbeat()
    more, _ = requests(full, 20)
    assert sorted((query.id, query.attempt) for query in more) == [(id_, 1) for id_ in second]
    other.send(MDP, BATCH, batch(*(final(query, "by the other") for query in queries)))
    full.send(MDP, BATCH, batch(*(final(query, "by itself") for query in more)))
    bridge.wait_replies(50)
    assert [count(name) for name in ("dispatched", "answered", "retried", "returned")] == [50, 50, 0, 0]
    bridge.check_exactly_once(50)


# ── tailgate work ───────────────────────────────────────────────────────────────────────────────────

def query(token):
    body = {"type": "query", "query_id": "q1", "question": f"{token}?",
            "delivery": {"message_id": token, "token": "x"}}
    return [REQUEST, b"%d.1." % token + b"A" * 22, b"", json.dumps(body).encode()]


def answers(gate, count):
    """The next COUNT answers, and in how many messages they came."""
    got, messages = [], 0
    while len(got) < count:
        _, command, rest = gate.hear()
        if command != HEARTBEAT:
            assert command in (FINAL, BATCH)
            messages += 1
            got += [found[3] for found in unbatch(rest[0])] if command == BATCH else [rest[2]]
    return got, messages


def test_worker_sends_no_batch_before_it_got_one(world):
    world.work("--echo", "--slots", "100")
    peer, _, options = world.gate.ready()
    assert options["batches"] is True
    for n in range(1, 101):
        world.gate.send(peer, *query(n))
    got, messages = answers(world.gate, 100)
    assert messages == 100 and len({*got}) == 100


def test_worker_answers_a_batch_in_fewer_messages_than_there_are_queries(world):
    world.work("--echo", "--slots", "100")
    peer, _, _ = world.gate.ready()
    world.gate.send(peer, BATCH, batch(*(query(n) for n in range(1, 101))))
    got, messages = answers(world.gate, 100)
    assert messages < 100 and len({*got}) == 100


def test_worker_of_one_slot_asks_for_no_batches(world):
    world.work("--echo")
    _, _, options = world.gate.ready()
    assert "batches" not in options


def test_worker_calls_a_malformed_batch_odd_and_goes_on(world):
    world.work("--echo", "--slots", "2")
    peer, _, _ = world.gate.ready()
    world.gate.send(peer, BATCH, batch(query(1)) + b"\1")
    got, _ = answers(world.gate, 1)
    world.gate.send(peer, *query(2))
    more, _ = answers(world.gate, 1)
    assert b"1?" in got[0] and b"2?" in more[0]


def test_worker_sends_a_large_answer_by_itself(world):
    world.work("--echo", "--slots", "100")
    peer, _, _ = world.gate.ready()
    body = {"type": "query", "query_id": "q1", "question": "x" * 16_700_000,
            "delivery": {"message_id": 50, "token": "x"}}
    large = [REQUEST, b"50.1." + b"A" * 22, b"", json.dumps(body).encode()]
    world.gate.send(peer, BATCH, batch(query(1), query(2)))
    world.gate.send(peer, *large)
    world.gate.send(peer, BATCH, batch(query(3), query(4)))
    got = []
    while len(got) < 5:
        _, command, rest = world.gate.hear()
        assert command in (FINAL, BATCH, HEARTBEAT)
        if command != HEARTBEAT:
            assert command == FINAL or len(rest[0]) < 100_000
            got += [found[3] for found in unbatch(rest[0])] if command == BATCH else [rest[2]]
    assert max(map(len, got)) > 16_000_000
