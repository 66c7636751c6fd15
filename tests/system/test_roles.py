"""What a key may do at which door: the whole table, each cell by a real attempt; and keys that change."""

import json

import pytest

import roles_table
from harness import tailgate, wait_for
from keys import World
from majordomo import Client02
from workers import MdpWorker


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from harness import Site
    site = Site(tmp_path_factory.mktemp("r"))
    world = World(site)
    world.contexts = roles_table.prepare(world)
    yield world
    site.close()


@pytest.mark.parametrize("role", roles_table.ROLES)
@pytest.mark.parametrize("door, action", roles_table.TABLE)
def test_table(served, door, action, role):
    want = roles_table.expected(door, action, role)
    got = roles_table.attempt(served, served.contexts[role], door, action, want != roles_table.OUT)
    assert got == want


@pytest.mark.parametrize("role", [role for role in roles_table.ROLES if role not in ("operator", "unlisted key")])
def test_drain_is_refused_to_all_but_operators(served, role):
    """That an operator's is taken is another test's: the table's gateway goes on."""
    assert roles_table.attempt(served, served.contexts[role], "gate", "tailgate.drain") == roles_table.REFUSED
    assert served.gateway.running()


@pytest.fixture
def world(site):
    return World(site)


def test_revoked_workers_query_goes_to_another_and_its_late_answer_does_not_count(world):
    first, second = world.key("w1", "worker"), world.key("w2", "worker")
    world.serve()
    revoked = world.worker(first)
    message = world.bridge.ask("?")
    query = revoked.request()
    (world.dir / "worker" / "w1.cert").unlink()
    wait_for(lambda: world.workers() == 0, "the revoked worker to be cut")
    revoked.final(query.token, "too late")
    other = world.worker(second)
    other.final(other.request().token, "in time")
    assert "in time" in world.bridge.reply(message)["text"]
    world.bridge.check_exactly_once(1)


def test_key_that_loses_one_of_its_roles_keeps_the_other(world):
    cert = world.key("both", "worker")
    (world.dir / "client" / "both.cert").write_text(cert.read_text())
    world.serve()
    client = Client02(world.context(cert), world.gate)
    assert client.ask("mmi.service", "law") == [b"404"]
    idle = world.worker(cert)
    wait_for(lambda: world.workers() == 1, "the worker to be there")
    (world.dir / "worker" / "both.cert").unlink()
    world.gateway.wait_event("key", what="changed")
    wait_for(lambda: world.workers() == 0, "the idle worker to be gone before it has said anything")
    idle.ready()
    idle.wait_disconnect()
    assert world.gateway.wait_event("refused-role")["address"] == "127.0.0.1"
    assert world.workers() == 0
    world.site.answerer(world.bridge, "law", format="query")
    client.close()
    client = Client02(world.context(cert), world.gate)
    assert client.ask("law", "still?")
    client.close()


def test_worker_whose_services_are_narrowed_is_given_no_other_ones(world):
    cert = world.key("w1", "worker")
    world.serve()
    worker = world.worker(cert)
    wait_for(lambda: world.workers() == 1, "the worker to be there")
    file = world.dir / "worker" / "w1.cert"
    file.write_text(file.read_text().replace("curve\n", '    services = "law"\ncurve\n'))
    wait_for(lambda: world.workers() == 0, "the worker for all services to be gone")
    worker.ready()
    worker.wait_disconnect()
    law = MdpWorker(world.context(cert), world.gate, "law")
    wait_for(lambda: world.workers() == 1, "the worker for law to be there")
    law.close()


def test_conversation_made_for_a_key_is_open_to_that_key_alone(world):
    alice, bob = world.key("alice", "client"), world.key("bob", "client")
    world.serve()
    world.site.answerer(world.bridge, "law", format="query")
    first = Client02(world.context(alice), world.gate)
    first.ask("law", "mine")
    with world.bridge.reading() as db:
        conversation = db.execute("SELECT conversation_id FROM messages ORDER BY id DESC LIMIT 1").fetchone()[0]
    query = json.dumps({"type": "query", "question": "again", "conversation_id": conversation})
    assert b"error" not in first.ask("law", query)[0]
    second = Client02(world.context(bob), world.gate)
    assert b'"type":"error"' in second.ask("law", query)[0]
    first.close()
    second.close()


def test_operator_controls_a_gateway_elsewhere_with_its_key_and_drains_it(world):
    cert, worker = world.key("op", "operator"), world.key("w1", "worker")
    world.serve()
    busy = world.worker(worker)
    message = world.bridge.ask("?")
    query = busy.request()

    where = ("--gate", world.gate, "--cert", cert, "--server-cert", world.dir / "gateway.cert")
    for command in ("pause", "status", "resume"):
        done = tailgate(command, *where)
        assert done.returncode == 0, (command, done.stderr)
    drain = world.site.program("drain", *where)
    world.gateway.wait_event("draining")
    assert drain.running()
    busy.final(query.token, "the last one")
    assert "the last one" in world.bridge.reply(message)["text"]
    assert drain.wait() == 0
    wait_for(lambda: not world.gateway.running(), "the gateway to end")
