"""`tailgate relay`: a gateway whose source is another gateway (proto/WIRE.md, Relays)."""

import json

import pytest

from harness import HERE, LONG, PYTHON, TAILGATE_WORK, MdpWorker, Program, answer_of, count_replies, tailgate, wait_for
from keys import Keyed, World, keygen
from majordomo import WORKER_01, WORKER_02, Client02, Worker
from observer import Feed, Replayer
from relays import Relay, keyed


@pytest.fixture
def served(site):
    bridge = site.bridge()
    bridge.gateway = site.serve(bridge)
    return bridge


def chain(site, bridge, length, *options):
    """LENGTH relays in a row, the one that is nearest to the workers last."""
    relays = [bridge]
    for number in range(length):
        relays.append(Relay(site, f"site-{'abcdefgh'[number]}", relays[-1], *options))
    return relays[1:]


def work(site, relay, *words):
    program = Program([TAILGATE_WORK, "--gate", relay.gate, "--log-format", "json", *words])
    site.processes.append(program.process)
    return program


@pytest.mark.parametrize("length", [1, 3])
def test_answers_come_through_relays_and_say_which_way(site, served, length):
    relays = chain(site, served, length)
    work(site, relays[-1], "--name", "far", "--slots", "4", "--echo")
    asked = [served.ask(f"what is {n}?") for n in range(20)] + [served.ask_text("and in plain text?")]
    replies = [served.reply(row) for row in asked]
    for reply in replies:
        assert reply["metadata"]["worker"] == "far"
        assert reply["metadata"]["through"] == [relay.name for relay in reversed(relays)]
        assert reply["metadata"]["attempt"] == 1
    served.check_exactly_once(expect=len(asked))
    for relay in reversed(relays):
        relay.stop()


def test_all_of_many_failures_at_once_reach_the_gateway(site):
    """More than a socket takes without a word."""
    bridge = site.bridge()
    site.serve(bridge, settings={"backoff.first": "1ms"})
    relay = Relay(site, "site-a", bridge)
    worker = site.mdp(relay.gate, slots=700, heartbeats=True, name="short")
    bridge.ask_many(f"{n}?" for n in range(700))
    assert len([worker.request() for _ in range(700)]) == 700
    worker.disconnect()
    site.answerer(relay.gate, slots=700, heartbeats=True, name="long")
    with bridge.reading() as db:
        wait_for(lambda: count_replies(db) == 700, "all replies")
    bridge.check_exactly_once(expect=700)


def test_a_stock_majordomo_worker_and_its_client_see_bytes_only(site, served):
    relays = chain(site, served, 2)
    for version in (WORKER_02, WORKER_01):
        worker = Worker(site.context, relays[-1].gate, "bytes", version=version)
        client = Client02(site.context, served.gate)
        client.send("bytes", b"one", b"\xff\x00two", b"")
        address, body = worker.request()
        assert body == [b"one", b"\xff\x00two", b""]
        worker.final(address, b"\xfe", b"", b"answer")
        assert client.receive() == [b"\xfe", b"", b"answer"]
        worker.close()
        client.close()


def test_a_req_worker_answers_through_a_relay(site, served):
    relay, = chain(site, served, 1)
    worker = site.req(relay.gate)
    asked = served.ask("who?")
    query = worker.request()
    worker.final(None, {"answer": "a REQ socket", "delivery": query.delivery})
    assert answer_of(served.reply(asked)) == "a REQ socket"


def test_parts_pass_and_are_published(site, served):
    relay, = chain(site, served, 1)
    feed = Feed(site.context, served, "partial/", "gateway/").joined()
    worker = site.mdp(relay.gate, heartbeats=True, name="streams")
    asked = served.ask("tell me")
    query = worker.request()
    worker.partial(query.token, b"so far")
    event = feed.named("partial")
    assert (event["message_id"], event["worker"], event["text"]) == (asked, "streams", "so far")
    worker.final(query.token, {"answer": "so far and no further"})
    assert answer_of(served.reply(asked)) == "so far and no further"
    feed.close()


def slots_above(served):
    return sum(worker["slots"] for worker in served.gateway.status()["workers"])


def test_slots_follow_the_workers(site, served):
    relay, = chain(site, served, 1)
    first = site.mdp(relay.gate, slots=3, heartbeats=True)
    wait_for(lambda: slots_above(served) == 3, "3 slots")
    second = site.mdp(relay.gate, slots=2, heartbeats=True)
    wait_for(lambda: slots_above(served) == 5, "5 slots")
    first.close()
    wait_for(lambda: slots_above(served) == 2, "2 slots")
    second.disconnect()
    wait_for(lambda: slots_above(served) == 0, "no slots")


def test_a_relay_that_nobody_works_for_leaves_and_comes_again(site, served):
    relay, = chain(site, served, 1, "--heartbeat", "100ms")
    first = site.mdp(relay.gate, "law", heartbeats=True, interval=60000)
    wait_for(lambda: served.gateway.status()["workers"], "the relay to register")
    first.disconnect()
    wait_for(lambda: not served.gateway.status()["workers"], "the relay to leave")
    site.mdp(relay.gate, "law", heartbeats=True, interval=60000)
    wait_for(lambda: served.gateway.status()["workers"], "the relay to register again")
    assert not relay.events("lost")


def test_a_dead_worker_is_another_attempt(site, served):
    relay, = chain(site, served, 1)
    worker = site.mdp(relay.gate, heartbeats=True)
    asked = served.ask("who dies?")
    assert worker.request().attempt == 1
    worker.close()
    site.answerer(relay.gate)
    assert served.reply(asked)["metadata"]["attempt"] == 2
    served.check_exactly_once(expect=1)


def test_a_relay_that_is_killed_while_a_worker_works_costs_nothing(site, served):
    relay, = chain(site, served, 1)
    child = [PYTHON, HERE / "slow_child.py", site.folder]
    work(site, relay, "--name", "slow", "--", *child)
    asked = served.ask("slowly")
    wait_for(lambda: (site.folder / "began").exists(), "the work to begin")
    relay.kill()
    relay = relay.again()
    relay.wait_status(lambda status: status["in_flight"] == 1 and status["source"]["up"],
                      "the worker to say what it has")
    (site.folder / "go").touch()
    assert answer_of(served.reply(asked)) == "done"
    assert (site.folder / "began").read_text().count("\n") == 1, "it was worked on twice"
    served.check_exactly_once(expect=1)


def test_an_answer_is_kept_while_the_gateway_is_away(site, served):
    relay, = chain(site, served, 1)
    worker = site.mdp(relay.gate, heartbeats=True)
    asked = served.ask("meanwhile?")
    query = worker.request()
    served.gateway.kill()
    relay.wait_event("lost")
    worker.final(query.token, {"answer": "kept"})
    relay.wait_status(lambda status: status["source"]["kept"] == 1, "the answer to be kept")
    served.gateway = site.serve(served)
    assert answer_of(served.reply(asked)) == "kept"
    served.check_exactly_once(expect=1)


def test_many_answers_that_are_kept_are_bounded(site, served):
    relay, = chain(site, served, 1)
    worker = site.mdp(relay.gate, heartbeats=True)
    asked = served.ask("how much?")
    query = worker.request()
    served.gateway.kill()
    relay.wait_event("lost")
    body = b'{"answer":"' + b"x" * (1 << 20) + b'"}'
    forged = 100 if LONG else 80
    for number in range(forged):
        worker.final(b"%d.1." % (number + 1000) + b"A" * 22, body)
    worker.final(query.token, {"answer": "the last"})
    status = relay.wait_status(lambda status: status["counters"]["answered"] == forged + 1 and
                               status["counters"]["dropped"] >= forged - 64, "all to be heard")
    assert status["source"]["kept"] <= 64
    relay.wait_event("dropped")
    served.gateway = site.serve(served)
    assert answer_of(served.reply(asked)) == "the last"


def test_a_relay_that_says_it_is_above_this_one_or_above_too_many_is_refused(site, served):
    """A READY by hand; rings of real relays: test_relay_refused.py."""
    relay, = chain(site, served, 1)
    for ids, why in ((["0123456789abcdef", relay.status()["relay"]["id"]], "a loop"),
                     ([f"{n:016x}" for n in range(16)], "a relay has at most 15 others below it")):
        before = relay.mark()
        site.mdp(relay.gate, format="relay", heartbeats=True, relay=ids).wait_disconnect()
        assert relay.wait_event("refused", since=before)["say"].startswith(why)
    assert relay.status()["counters"]["refused_loops"] == 2


def test_a_lower_relay_may_serve_many_services(site, served):
    """It registers for each, and names itself each time."""
    lower = chain(site, served, 2)[-1]
    services = [f"service-{n}" for n in range(20)]
    workers = [site.mdp(lower.gate, service, heartbeats=True, name=service, interval=60000,
                        format="query") for service in services]
    wait_for(lambda: {row["service"] for row in served.gateway.status()["workers"]} >= set(services), "all of them")
    client = Client02(site.context, served.gate)
    for service, worker in zip(services[::7], workers[::7]):
        client.send(service, b"?")
        worker.final(worker.request().token, {"answer": service})
        assert service.encode() in client.receive()[0]
    client.close()
    assert not lower.events("lost") and not lower.events("refused-there")


def test_more_services_than_the_way_up_has_room_for_are_refused(site, served):
    relay, = chain(site, served, 1)
    for n in range(63):
        site.mdp(relay.gate, f"service-{n}", heartbeats=True, interval=60000)
    relay.wait_status(lambda status: len(status["workers"]) == 63, "63 workers")
    site.mdp(relay.gate, "one-too-many", heartbeats=True).wait_disconnect()
    assert relay.wait_event("refused", service="one-too-many")["say"] == "the way up has no room for another service"
    site.mdp(relay.gate, "service-1", heartbeats=True, interval=60000)
    site.mdp(relay.gate, heartbeats=True, interval=60000)
    relay.wait_status(lambda status: len(status["workers"]) == 65, "others for what there is")


def test_status_mmi_and_what_is_no_business_of_a_relay(site, served):
    relay, = chain(site, served, 1)
    assert relay.ask("mmi.service", b"law") == b"404"
    site.mdp(relay.gate, "law", name="w1", heartbeats=True, slots=2)
    wait_for(lambda: relay.ask("mmi.service", b"law") == b"200", "the worker")
    status = relay.status()
    assert status["relay"]["name"] == "site-a" and status["source"]["from"] == served.gate
    worker, = status["workers"]
    del worker["since"], worker["last_seen_seconds"]
    assert worker == {"name": "w1", "service": "law", "protocol": "MDP/0.2", "slots": 2, "in_flight": 0, "served": 0,
                      "relay": False}
    shown = tailgate("status", "--gate", relay.gate)
    assert shown.returncode == 0 and "site-a" in shown.stdout and served.gate in shown.stdout, shown.stdout
    assert json.loads(tailgate("status", "--gate", relay.gate, "--json").stdout)["relay"]["name"] == "site-a"
    assert relay.ask("mmi.nothing", b"") == b"501"
    assert "gateway above" in json.loads(relay.ask("law", b"a question"))["error"]


def test_an_observer_behind_a_relay_misses_nothing(site, served):
    relays = chain(site, served, 2)
    feed = Feed(site.context, relays[-1].events_at, "query/", "gateway/").joined()
    work(site, relays[-1], "--echo")
    first = [served.ask(f"{n}?") for n in range(5)]
    seen = [event["id"] for event in feed.until(lambda event: event.get("id") == first[-1] and
                                                event["event"] == "query") if event["event"] == "query"]
    assert seen == first
    relays[-1].kill()
    missed = [served.ask(f"{n}, unseen?") for n in range(5)]
    relay = relays[-1].again()
    mark = feed.until(lambda event: event["event"] in ("gateway/mark", "gateway/welcome") and
                      event["last"]["query"] >= missed[-1])[-1]
    relay.wait_up()
    asker = Replayer(site.context, relay.gate)
    asker.send(after=first[-1], upto=mark["last"]["query"], kinds=["query"])
    events, _ = asker.receive()
    assert [event["id"] for event in events if event["event"] == "query"] == missed
    for row in first + missed:
        served.reply(row)
    asker.close()
    feed.close()


def test_a_replay_is_refused_while_the_gateway_is_away(site, served):
    relay, = chain(site, served, 1)
    served.gateway.kill()
    relay.wait_event("events-lost")
    reply = json.loads(wait_for(lambda: relay.ask("tailgate.replay", b"{}"), "a reply"))
    assert "away" in reply["error"] or "lost" in reply["error"]


def test_a_clean_stop_waits_for_what_is_here(site, served):
    relay, = chain(site, served, 1)
    worker = site.mdp(relay.gate, heartbeats=True)
    asked = served.ask("one more?")
    query = worker.request()
    relay.signal(15)
    relay.wait_event("stopping")
    worker.final(query.token, {"answer": "yes"})
    assert relay.wait() == 0
    assert answer_of(served.reply(asked)) == "yes"
    assert served.reply(asked)["metadata"]["attempt"] == 1


def test_wrong_words_are_one_line(site):
    for words in ([], ["--from", "ipc:///x"], ["--from", "nonsense", "--gate", "ipc:///x"],
                  ["--from", "ipc:///x", "--gate", "ipc:///y", "--events", "ipc:///z"],
                  ["--from", "ipc:///x", "--gate", "tcp://0.0.0.0:*"]):
        done = tailgate("relay", *words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "Usage" in tailgate("relay", "--help").stdout


def keyed_relay(site, world):
    """A relay whose doors have keys, below a gateway whose doors have keys."""
    cert = world.key("site-a", "worker")
    world.serve()
    keygen("--gateway", site.folder / "own")
    for role in ("worker", "observer"):
        keygen(site.folder / f"{role}.cert", "--role", role, "--name", role, "--allow", site.folder / "own")
    return keyed(site, "site-a", world, cert, "--curve", site.folder / "own", gate="tcp://127.0.0.1:*")


def test_keys_and_roles_hold_on_both_sides_of_a_relay(site):
    world = World(site)
    relay = keyed_relay(site, world)
    gate = relay.gate
    contexts = {role: Keyed(site, site.folder / f"{role}.cert", site.folder / "own" / "gateway.cert")
                for role in ("worker", "observer")}
    stranger = site.mdp(gate)
    worker = site._worker(MdpWorker(contexts["worker"], gate, heartbeats=True, name="keyed"))
    asked = world.bridge.ask("with keys?")
    worker.final(worker.request().token, {"answer": "yes"})
    metadata = world.bridge.reply(asked)["metadata"]
    assert (metadata["worker"], metadata["through"]) == ("keyed", ["site-a"])
    for role, service, allowed in (("worker", "tailgate.status", False), ("worker", "tailgate.replay", False),
                                   ("observer", "tailgate.status", True)):
        client = Client02(contexts[role], gate)
        reply = json.loads(client.ask(service, b"{}")[0])
        assert (not str(reply.get("error")).startswith("this key may not")) == allowed, reply
        client.close()
    observer = site._worker(MdpWorker(contexts["observer"], gate))
    observer.wait_disconnect()
    assert stranger.receive(0) is None
    relay.stop()
