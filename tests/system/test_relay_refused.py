"""Relays that are not let in, form a ring, have workers of another key, or end (proto/WIRE.md, Relays)."""

import contextlib
import re
import shutil

import pytest
import zmq

from harness import TAILGATE, MdpWorker, Program, answer_of, free_port, tailgate, wait_for
from keys import Keyed, World, keygen
from relays import Relay, keyed
from workers import BATCH, FINAL, MDP, PARTIAL, batch


class Somewhere:
    """A gate that a relay is to connect to, and that may not be there yet."""

    def __init__(self, gate):
        self.gate, self.events_at = gate, gate.replace(".gate", ".events")


@pytest.fixture
def served(site):
    bridge = site.bridge()
    bridge.gateway = site.serve(bridge, settings={"backoff.first": "100ms"})
    return bridge


@pytest.mark.parametrize("length", [2, 3])
def test_a_ring_of_relays_is_refused_and_both_sides_say_so(site, length):
    names = [f"ring-{number}" for number in range(length)]
    above = [Somewhere(f"ipc://{site.folder}/{names[number - 1]}.gate") for number in range(length)]
    ring = [Relay(site, name, where) for name, where in zip(names, above)]
    site.mdp(ring[0].gate, heartbeats=True, name="somebody", interval=60000)
    refused = wait_for(lambda: [event for relay in ring for event in relay.events("refused")], "a refusal")
    assert refused[0]["say"].startswith("a loop"), refused
    told = wait_for(lambda: [event for relay in ring for event in relay.events("refused-there")], "its other side")
    assert "a loop of relays" in told[0]["why"], told
    assert sum(relay.status()["counters"]["refused_loops"] for relay in ring) > 0


def test_a_refused_key_is_one_line_and_tried_again_until_it_is_let_in(site):
    world = World(site)
    cert = world.key("site-a", "worker", allow=False)
    world.serve()
    relay = keyed(site, "site-a", world, cert)
    site.answerer(relay.gate, heartbeats=True)
    why = relay.wait_event("refused-there")["why"]
    assert re.search("does not let our key in.*allow-list", why) and "\n" not in why, why
    (world.dir / "worker" / "site-a.cert").write_bytes(cert.read_bytes())
    relay.wait_event("up")
    assert world.bridge.reply(world.bridge.ask("let in?"))["metadata"]["through"] == ["site-a"]
    assert len({event["why"] for event in relay.events("refused-there")}) == 1


def test_a_key_of_another_role_is_refused_and_said(site):
    world = World(site)
    cert = world.key("site-a", "observer")
    world.serve()
    relay = keyed(site, "site-a", world, cert)
    site.answerer(relay.gate, heartbeats=True)
    assert "what our key may not do" in relay.wait_event("refused-there")["why"]
    (world.dir / "worker" / "site-a.cert").write_bytes(cert.read_bytes())
    relay.wait_event("up", since=relay.mark())
    assert world.bridge.reply(world.bridge.ask("let in?"))["metadata"]["through"] == ["site-a"]
    assert len(relay.events("refused-there")) == 1


def test_a_wrong_server_key_is_one_line_and_tried_again_until_it_is_the_right_one(site):
    world, other = World(site), site.folder / "other"
    cert = world.key("site-a", "worker")
    keygen("--gateway", other)
    shutil.copy(cert, other / "worker")
    world.gate = f"tcp://127.0.0.1:{free_port()}"
    gateway = site.serve(world.bridge, "--curve", world.dir, "--gate", world.gate)
    relay = keyed(site, "site-a", world, cert, server=other / "gateway.cert")
    site.answerer(relay.gate, heartbeats=True)
    why = relay.wait_event("refused-there")["why"]
    assert re.search("closes before we are known.*another", why) and "\n" not in why, why
    gateway.stop()
    site.serve(world.bridge, "--curve", other, "--gate", world.gate)
    relay.wait_event("up")
    assert world.bridge.reply(world.bridge.ask("let in?"))["metadata"]["through"] == ["site-a"]
    assert len({event["why"] for event in relay.events("refused-there")}) == 1


def test_nobody_there_is_one_line_and_tried_again(site):
    gate = f"ipc://{site.folder}/later.gate"
    relay = Relay(site, "site-a", Somewhere(gate))
    site.answerer(relay.gate, heartbeats=True)
    relay.wait_event("waiting")
    bridge = site.bridge()
    site.serve(bridge, "--gate", gate)
    relay.wait_event("up")
    assert bridge.reply(bridge.ask("now?"))["metadata"]["through"] == ["site-a"]
    assert len(relay.events("waiting")) == 1


def test_a_worker_of_a_revoked_key_is_none_any_more_at_a_relays_own_door(site, served):
    own = site.folder / "own"
    keygen("--gateway", own)
    for role, name in (("worker", "w1"), ("worker", "w2"), ("client", "c1")):
        keygen(site.folder / f"{name}.cert", "--role", role, "--name", name, "--allow", own)
    relay = Relay(site, "site-a", served, "--gate", "tcp://127.0.0.1:*", "--curve", own)
    door = next(row["endpoint"] for row in relay.status()["relay"]["doors"] if row["security"] == "curve")
    worker = {name: site._worker(MdpWorker(Keyed(site, site.folder / f"{name}.cert", own / "gateway.cert"), door,
                                           heartbeats=True, name=name)) for name in ("w1", "c1")}
    worker["c1"].wait_disconnect()
    assert "not work here" in relay.wait_event("refused-role")["say"]
    asked = served.ask("revoked?")
    query = worker["w1"].request()
    (own / "worker" / "w1.cert").unlink()
    relay.wait_event("left", worker="w1")
    second = site._worker(MdpWorker(Keyed(site, site.folder / "w2.cert", own / "gateway.cert"), door,
                                    heartbeats=True, name="w2"))
    again = second.request()
    with contextlib.suppress(zmq.Again):  # ZeroMQ may have given the connection up by now
        worker["w1"].final(query.token, {"answer": "from a stranger"})
    second.final(again.token, {"answer": "from a friend"})
    assert answer_of(served.reply(asked)) == "from a friend"


def test_an_answer_that_is_too_large_costs_its_worker_only(site, served):
    relay = Relay(site, "site-a", served)
    bad = site.mdp(relay.gate, heartbeats=True, name="bad", interval=60000)
    asked = served.ask("how much?")
    query = bad.request()
    bad.send(b"MDPW02", b"\x04", query.token, b"", *[b"x" * (1 << 20)] * 17)
    bad.wait_disconnect()
    site.answerer(relay.gate, heartbeats=True, name="good")
    assert served.reply(asked)["metadata"]["worker"] == "good"
    assert not relay.events("lost") and relay.status()["counters"]["bad_frames"] == 1


def test_a_batch_ends_the_registration_at_a_relay_and_nothing_in_it_counts(site, served):
    """A relay sends none, so nobody may send it one."""
    relay = Relay(site, "site-a", served)
    bad = site.mdp(relay.gate, heartbeats=True, name="bad", interval=60000, slots=2, batches=True)
    asked = served.ask("both?")
    query = bad.request()
    bad.send(MDP, BATCH, batch([PARTIAL, query.token, b"", b"a part"], [FINAL, query.token, b"", b"in a batch"]))
    bad.wait_disconnect()
    site.answerer(relay.gate, heartbeats=True, name="good")
    assert served.reply(asked)["metadata"]["worker"] == "good"
    counters = relay.status()["counters"]
    assert counters["bad_frames"] == 1 and not relay.events("lost")
    served.check_exactly_once(1)


def test_a_clean_stop_gives_back_what_is_not_finished_and_that_costs_no_attempt(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backoff.first": "100ms", "attempts": "1"})
    relay = Relay(site, "site-a", bridge, "--drain", "200ms")
    worker = site.mdp(relay.gate, heartbeats=True, name="slow", interval=60000)
    asked = bridge.ask("unfinished?")
    query = worker.request()
    relay.signal(15)
    assert relay.wait() == 0
    assert relay.events("stopped")[0]["in_flight"] == 1
    assert gateway.wait_event("returned")["why"] == "the relay stops"
    other = site.mdp(bridge, heartbeats=True, name="near")
    again = other.request()
    assert again.id == query.id
    other.final(again.token, {"answer": "by another"})
    assert answer_of(bridge.reply(asked)) == "by another"


def test_a_second_signal_ends_it_at_once(site, served):
    relay = Relay(site, "site-a", served, "--drain", "1h")
    worker = site.mdp(relay.gate, heartbeats=True, interval=60000)
    served.ask("never?")
    worker.request()
    relay.signal(15)
    relay.wait_event("stopping")
    relay.signal(15)
    assert relay.wait() == 0


def test_a_door_without_keys_beyond_this_host_is_refused_or_shouted(site, served):
    gate = "tcp://0.0.0.0:*"
    refused = Program([TAILGATE, "relay", "--from", served.gate, "--gate", gate])
    assert refused.wait() == 2 and "--insecure" in refused.stderr.text()
    relay = Relay(site, "site-a", served, "--gate", gate, "--insecure")
    assert relay.events("insecure")
    door, = [row for row in relay.status()["relay"]["doors"] if row["insecure"]]
    assert f"INSECURE   gate {door['endpoint']}" in tailgate("status", "--gate", relay.gate).stdout
