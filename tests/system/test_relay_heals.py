"""Relays and cuts: what is under way while a way is cut, a gateway or a relay ends or stands still, is answered once,
and what was finished meanwhile counts (proto/WIRE.md, Relays)."""

import pytest

from gate import Gate
from harness import DISCONNECT, HERE, PARTIAL, PYTHON, TAILGATE_WORK, Program, answer_of, wait_for
from observer import Feed, Replayer
from proxy import Proxy
from relays import Relay

BEAT = ("--heartbeat", "200ms")


class Way:
    """A gateway's two doors behind a proxy that can cut them."""

    def __init__(self, gateway):
        doors = [row["endpoint"] for row in gateway.status()["gateway"]["doors"] if row["endpoint"].startswith("tcp")]
        self.proxy = Proxy("127.0.0.1", *(door.removeprefix("tcp://") for door in doors))
        self.gate, self.events_at = self.proxy.endpoint(0), self.proxy.endpoint(1)


@pytest.fixture
def served(site):
    bridge = site.bridge()
    bridge.gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:*", "--events", "tcp://127.0.0.1:*",
                                settings={"backoff.first": "200ms"})
    return bridge


@pytest.fixture
def way(served):
    made = Way(served.gateway)
    yield made
    made.proxy.close()


def counter(served, name):
    return served.gateway.status()["counters"][name]


def answers(worker, query, answer):
    worker.final(query.token, {"answer": answer})


@pytest.mark.parametrize("mode", ["stall", "reset"])
def test_answers_finished_during_a_cut_count_when_it_heals(site, served, way, mode):
    relay = Relay(site, "site-a", way, *BEAT)
    worker = site.mdp(relay.gate, slots=8, heartbeats=True, name="far", interval=60000)
    asked = [served.ask(f"{n}?") for n in range(6)]
    queries = [worker.request() for _ in asked]
    way.proxy.set(mode)
    relay.wait_event("lost")
    wait_for(lambda: served.gateway.events("left"), "the gateway to notice")
    for query in queries[:3]:
        answers(worker, query, "during")
    relay.wait_status(lambda status: status["source"]["kept"] == 3, "the answers to be kept")
    way.proxy.set("pass")
    relay.wait_up()
    for query in queries[3:]:
        answers(worker, query, "after")
    replies = [served.reply(row) for row in asked]
    assert [answer_of(reply) for reply in replies] == ["during"] * 3 + ["after"] * 3
    assert all(reply["metadata"]["worker"] == "far" and reply["metadata"]["attempt"] == 1 for reply in replies)
    served.check_exactly_once(expect=6)


def test_an_answer_that_comes_too_late_is_not_counted_twice(site, served, way):
    relay = Relay(site, "site-a", way, *BEAT)
    worker = site.mdp(relay.gate, heartbeats=True, name="far", interval=60000)
    asked = served.ask("who is first?")
    query = worker.request()
    way.proxy.set("stall")
    relay.wait_event("lost")
    answers(worker, query, "late")
    relay.wait_status(lambda status: status["source"]["kept"] == 1, "the answer to be kept")
    near = site.mdp(served, heartbeats=True, name="near")
    answers(near, near.request(), "in time")
    assert answer_of(served.reply(asked)) == "in time"
    before = counter(served, "refused_duplicate")
    way.proxy.set("pass")
    wait_for(lambda: counter(served, "refused_duplicate") > before, "the late answer to be refused")
    assert answer_of(served.reply(asked)) == "in time"
    served.check_exactly_once(expect=1)


def test_a_relay_that_stands_still_is_passed_over_and_its_answer_counts_if_it_is_the_first(site, served):
    relay = Relay(site, "site-a", served, *BEAT)
    worker = site.mdp(relay.gate, heartbeats=True, name="far", interval=60000)
    asked = served.ask("one?")
    query = worker.request()
    relay.freeze()
    answers(worker, query, "first")
    wait_for(lambda: served.gateway.events("left"), "the gateway to give the relay up")
    near = site.mdp(served, heartbeats=True, name="near")
    second = near.request()
    relay.thaw()
    assert answer_of(served.reply(asked)) == "first"
    answers(near, second, "second")
    wait_for(lambda: counter(served, "refused_duplicate") > 0, "the second answer to be refused")
    served.check_exactly_once(expect=1)


def test_the_gateway_is_killed_while_a_worker_works_and_nothing_is_done_twice(site, served):
    relay = Relay(site, "site-a", served, *BEAT)
    work = Program([TAILGATE_WORK, "--gate", relay.gate, "--", PYTHON, HERE / "slow_child.py", site.folder])
    site.processes.append(work.process)
    asked = served.ask("slowly")
    wait_for(lambda: (site.folder / "began").exists(), "the work to begin")
    served.gateway.kill()
    relay.wait_event("lost")
    served.gateway = site.serve(served)
    relay.wait_up()
    (site.folder / "go").touch()
    assert answer_of(served.reply(asked)) == "done"
    assert served.reply(asked)["metadata"]["attempt"] == 1
    assert (site.folder / "began").read_text().count("\n") == 1, "it was worked on twice"


def test_a_relay_that_is_killed_loses_nothing_and_the_others_go_on(site, served):
    relays = [Relay(site, name, served, *BEAT) for name in ("site-a", "site-b")]
    for relay in relays:
        work = Program([TAILGATE_WORK, "--gate", relay.gate, "--slots", "4", "--echo"])
        site.processes.append(work.process)
    wait_for(lambda: len(served.gateway.status()["workers"]) == 2, "both")
    asked = served.ask_many([f"{n}?" for n in range(100)])
    served.wait_replies(10)
    relays[0].kill()
    wait_for(lambda: len(served.gateway.status()["workers"]) == 1, "the gateway to notice")
    for row in served.ask_many([f"{n}, later?" for n in range(100)]):
        assert served.reply(row)["metadata"]["through"] == ["site-b"]
    for row in asked:
        served.reply(row)
    served.check_exactly_once(expect=200)


def says_ready_again(worker, *tokens):
    worker.options["holding"] = [token.decode() for token in tokens]
    worker.ready()


@pytest.mark.parametrize("hops", [0, 1])
def test_ready_again_keeps_what_it_names_and_fails_only_the_rest(site, served, hops):
    gate = Relay(site, "site-a", served).gate if hops else served
    worker = site.mdp(gate, slots=2, heartbeats=True, name="again", interval=60000)
    asked = [served.ask("kept?"), served.ask("lost?")]
    queries = {query.id: query for query in (worker.request(), worker.request())}
    says_ready_again(worker, queries[asked[0]].token)
    again = worker.request()
    assert (again.id, again.attempt) == (asked[1], 2)
    answers(worker, queries[asked[0]], "kept")
    answers(worker, again, "again")
    assert [answer_of(served.reply(row)) for row in asked] == ["kept", "again"]
    assert [served.reply(row)["metadata"]["attempt"] for row in asked] == [1, 2]
    assert len(served.gateway.events("retry")) == 1


def test_a_worker_that_connects_afresh_takes_its_work_from_its_earlier_connection(site, served):
    """The gateway and the relay believe for long that the first connection lives: it beats on."""
    relay = Relay(site, "site-a", served)
    for number, (gate, named) in enumerate(((served, lambda: served.gateway.status()["workers"]),
                                            (relay.gate, lambda: relay.status()["workers"]))):
        first = site.mdp(gate, heartbeats=True, name=f"w{number}")
        asked = served.ask("still there?")
        query = first.request()
        second = site.mdp(gate, heartbeats=True, name=f"w{number}", holding=[query.token.decode()])
        wait_for(lambda: len([row for row in named() if row["name"] == f"w{number}"]) == 2, "both connections")
        first.disconnect()
        answers(second, query, "yes")
        assert answer_of(served.reply(asked)) == "yes"
        assert served.reply(asked)["metadata"]["attempt"] == 1
        second.disconnect()
    assert not served.gateway.events("retry")


def test_a_worker_that_comes_late_with_its_work_costs_the_others_nothing(site, served):
    """The relay says READY again, for it has to name what that worker has."""
    relay = Relay(site, "site-a", served)
    late = site.mdp(relay.gate, heartbeats=True, name="late", interval=60000)
    asked = [served.ask("late?")]
    first = late.request()
    relay.kill()
    relay = relay.again()
    prompt = site.mdp(relay.gate, slots=2, heartbeats=True, name="prompt", interval=60000)
    asked.append(served.ask("prompt?"))
    queries = {query.id: query for query in (prompt.request(), prompt.request())}
    again = site.mdp(relay.gate, heartbeats=True, name="late", interval=60000, holding=[first.token.decode()])
    relay.wait_status(lambda status: status["in_flight"] == 3, "all three")
    answers(again, first, "late")
    assert answer_of(served.reply(asked[0])) == "late"
    answers(prompt, queries[asked[0]], "not needed")
    answers(prompt, queries[asked[1]], "prompt")
    assert answer_of(served.reply(asked[1])) == "prompt"
    assert [served.reply(row)["metadata"]["attempt"] for row in asked] == [1, 1]
    assert len(served.gateway.events("retry")) == 1
    served.check_exactly_once(expect=2)


def test_a_relay_that_joins_or_leaves_below_costs_no_attempt(site, served):
    upper = Relay(site, "site-a", served)
    worker = site.mdp(upper.gate, slots=4, heartbeats=True, name="busy", interval=60000)
    asked = [served.ask(f"{n}?") for n in range(4)]
    queries = [worker.request() for _ in asked]
    lower = Relay(site, "site-b", upper)
    lowest = site.mdp(lower.gate, slots=2, heartbeats=True, name="below")
    wait_for(lambda: sum(row["slots"] for row in served.gateway.status()["workers"]) == 6, "six slots")
    lowest.close()
    lower.stop()
    wait_for(lambda: not any(row["relay"] for row in upper.status()["workers"]), "the lower one to leave")
    for query in queries:
        answers(worker, query, "first")
    replies = [served.reply(row) for row in asked]
    assert [reply["metadata"]["attempt"] for reply in replies] == [1] * 4


def test_events_are_repaired_through_a_relay_after_a_cut(site, served, way):
    relay = Relay(site, "site-a", way, *BEAT)
    feeds = [Feed(site.context, relay.events_at, "query/", "gateway/") for _ in range(3)]
    for feed in feeds:
        feed.joined()
    first = served.ask("before?")
    for feed in feeds:
        feed.named("query", id=first)
    assert served.gateway.status()["events"]["observers"] == 1, "one link, however many observers"
    way.proxy.set("stall")
    relay.wait_event("events-lost")
    missed = [served.ask(f"{n}, unseen?") for n in range(20)]
    way.proxy.set("pass")
    relay.wait_replays()
    for feed in feeds:
        feed.until(lambda event: event["event"] in ("gateway/mark", "gateway/welcome") and
                   event["last"]["query"] >= missed[-1])
        feed.close()
    asker = Replayer(site.context, relay.gate)
    asker.send(after=first, upto=missed[-1], kinds=["query"])
    events, _ = asker.receive()
    assert [event["id"] for event in events if event["event"] == "query"] == missed
    asker.close()


def test_a_raw_answer_is_kept_too(site, served, way):
    from majordomo import Client02, Worker
    relay = Relay(site, "site-a", way, *BEAT)
    worker = Worker(site.context, relay.gate, "bytes")
    client = Client02(site.context, served.gate)
    client.send("bytes", b"\xff?")
    address, _ = worker.request()
    way.proxy.set("stall")
    relay.wait_event("lost")
    worker.final(address, b"\x00", b"kept")
    relay.wait_status(lambda status: status["source"]["kept"] == 1, "the answer to be kept")
    way.proxy.set("pass")
    assert client.receive() == [b"\x00", b"kept"]
    worker.close()
    client.close()


def test_an_attempt_that_has_ended_is_not_held_any_more(site):
    """Or the gateway would keep the query for it, and count that as one more failure."""
    gate = Gate(site.context, f"ipc://{site.folder}/hand.gate")
    gate.gate = gate.endpoint
    try:
        relay = Relay(site, "site-a", gate)
        worker = site.mdp(relay.gate, heartbeats=True, name="slow")
        peer, _, _ = gate.ready()
        token = gate.ask(peer, "?", attempt=1)
        assert worker.request().token == token
        worker.partial(token, b"it may be prolonged: from now on only the gateway knows when it ends")
        gate.expect(PARTIAL)
        gate.send(peer, DISCONNECT)
        gate.expect(DISCONNECT)
        worker.wait_disconnect()
        worker.ready()
        _, _, options = gate.ready()
        assert "holding" not in options
    finally:
        gate.close()
