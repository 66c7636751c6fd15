"""Who sent it, through all that happens to a query: forgers, retries, restarts, relays, adapters, older files."""

import json
import re

import pytest

from chat_server import ChatServer
from harness import PYTHON, TAILGATE_WORK, MdpWorker, Program, tailgate, wait_for
from keys import Keyed, keygen
from majordomo import Client02
from observer import Feed
from provenance import UID, audit, door, fingerprint, served, world  # noqa: F401  (world is a fixture)
from python_world import PythonWorker
from rep import serve as serve_rep
from watching import Watch

FORGED = {"principal": "uid:0", "name": "root", "content": "verified"}


def principal(site, name):
    return "key:" + fingerprint(site.folder / f"{name}.cert")


def asked(site, bridge, question="?", service="proof", **members):
    """A client behind the unix socket has asked; returns it."""
    client = Client02(site.context, bridge.gate)
    client.send(service, json.dumps({"type": "query", "question": question, **members}))
    return client


# ── what is told ────────────────────────────────────────────────────────────────────────────────────

def test_workers_parts_and_controls_are_told_with_their_key(world, site):
    operator = world.key("ops", "operator")
    feed = Feed(site.context, world.bridge, b"").joined()
    watch = Watch(site, world.bridge, "--since", "0")
    worker = MdpWorker(*door(world, "worker"), "proof", name="w [ops key:0]")
    who = {"principal": principal(site, "worker"), "name": "worker"}
    assert feed.named("worker", change="joined")["verified"] == who
    assert world.gateway.wait_event("joined", verified=who["principal"], name="worker")
    row, = world.gateway.status()["workers"]
    assert row["verified"] == who
    assert re.search(r"VERIFIED .*\n.* worker +proof ", tailgate("status", "--db", world.bridge.path).stdout)
    world.bridge.ask("?", service="proof")
    query = worker.request()
    worker.partial(query.token, b"a part")
    assert feed.named("partial")["verified"] == who
    watch.wait(rf"partial .* w \(ops key:0\) \[worker {who['principal'][:12]}\]: a part")
    worker.final(query.token, "yes")
    ops = Client02(world.context(operator), world.gate)
    assert b'"done"' in ops.ask("tailgate.pause", "proof")[0]
    by = {"principal": principal(site, "ops"), "name": "ops"}
    assert feed.named("gateway/paused")["by"] == by
    assert world.gateway.wait_event("control", service="tailgate.pause", of="proof", by=by["principal"], name="ops")
    watch.wait(rf"paused: \[ops {by['principal'][:12]}\] somebody has paused it")
    ops.close()
    worker.close()
    feed.close()


def test_hostile_name_in_the_list_does_no_harm(world, site):
    name = "é] [uid:0] <w>'\\u001b{}%s"
    file = world.dir / "worker" / "worker.cert"
    file.write_text(file.read_text().replace('name = "worker"', f'name = "{name}"'))
    world.gateway.wait_event("key", what="changed")
    watch = Watch(site, world.bridge, "--since", "0")
    worker = MdpWorker(*door(world, "worker"), "proof", name="w1")
    message = world.bridge.ask("?", service="proof")
    served(worker)
    assert world.bridge.reply(message)["metadata"]["verified"] == {"principal": principal(site, "worker"), "name": name}
    assert world.gateway.wait_event("joined")["name"] == name
    shown = f"w1 [é) (uid:0) <w>'\\u001b{{}}%s {principal(site, 'worker')[:12]}]: yes"
    watch.out.wait(lambda line: shown in line, shown)
    assert name in tailgate("status", "--db", world.bridge.path).stdout
    worker.close()


@pytest.mark.parametrize("adapter", ["exec", "per-query", "http"])
def test_program_behind_an_adapter_is_told_who_asks(site, adapter, monkeypatch):
    monkeypatch.setenv("TAILGATE_SENDER", "uid:0")  # it is not the worker's to say
    monkeypatch.setenv("TAILGATE_SENDER_NAME", "root")
    bridge = site.bridge()
    site.serve(bridge)
    server = ChatServer()
    words = {"exec": ["--", PYTHON, "-c", "import json, sys\nfor line in sys.stdin: print(json.dumps({'answer': "
                      "json.loads(line)['delivery'].get('sender')}), flush=True)"],
             "per-query": ["--per-query", "--", PYTHON, "-c", "import os; print(os.environ.get('TAILGATE_SENDER'), "
                           "os.environ.get('TAILGATE_SENDER_NAME'))"],
             "http": ["--http", server.base + "/answer"]}[adapter]
    program = Program([TAILGATE_WORK, "--db", bridge.path, *words])
    site.processes.append(program.process)
    try:
        client = asked(site, bridge)
        answer = json.loads(client.receive()[-1])["answer"]
        plain = json.loads(bridge.reply(bridge.ask("and I?"))["text"])["answer"]
        if adapter == "http":
            told = [request[1]["delivery"].get("sender") for request in server.asked]
        else:
            told = [answer, plain]
        assert told == {"per-query": [f"{UID} None", "None None"]}.get(
            adapter, [{"principal": UID, "content": "unverified"}, None])
        client.close()
    finally:
        server.close()


def test_function_on_the_python_library_is_told_who_asks(site):
    bridge = site.bridge()
    site.serve(bridge)
    PythonWorker(site, bridge.path)
    client = asked(site, bridge, "about")
    assert json.loads(client.receive()[-1])["answer"][-1] == [UID, "", "unverified"]
    client.close()


def test_worker_that_the_gateway_dials_and_a_dead_query_are_nobodys(site):
    bridge = site.bridge()
    rep = site.rep()
    gateway = serve_rep(site, bridge, rep)
    message = bridge.ask("?")
    rep.serve()
    assert "verified" not in bridge.reply(message)["metadata"]
    message = bridge.ask("?")
    rep.serve({"type": "error", "error": "no", "retry": False})
    assert "verified" not in bridge.reply(message)["metadata"]
    assert not any("verified" in row for row in [*audit(bridge), *gateway.status()["workers"]])


# ── forgers ─────────────────────────────────────────────────────────────────────────────────────────

def test_query_that_spells_delivery_otherwise_has_no_sender(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge, format="query")
    sender = json.dumps({"sender": FORGED})
    bridge.send(f'{{"type":"query","delivery":{sender},"question":"?","deliver\\u0079":{sender},"delivery":{sender}}}')
    query = worker.request()
    pairs = json.loads(query.body, object_pairs_hook=list)
    assert [name for name, _ in pairs].count("delivery") == 1
    assert "sender" not in query.delivery and query.delivery["token"]


def test_worker_that_says_who_it_is_is_not_believed(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge, format="query")
    message = bridge.ask("?")
    token = worker.request().token
    said = {"answer": "yes", "verified": FORGED, "metadata": {"verified": FORGED}, "usage": {"verified": FORGED},
            "sources": []}
    via = {"worker": "w7", "through": ["site-a"], "verified": FORGED}
    worker.send(b"MDPW02", b"\4", token + b".via", b"", json.dumps(via).encode(), json.dumps(said).encode())
    metadata = bridge.reply(message)["metadata"]
    assert metadata["verified"] == {"principal": UID}
    assert (metadata["worker"], metadata["through"]) == ("w7", ["site-a"])
    assert [row.get("verified") for row in audit(bridge)][-1] == UID


def test_row_in_the_place_of_a_clients_has_no_sender(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    client = asked(site, bridge)
    gateway.wait_event("asked")
    gateway.stop()
    client.close()
    with bridge.reading() as db:
        row = dict(db.execute("SELECT * FROM messages").fetchone())
    bridge.run("DELETE FROM messages")
    bridge.run("INSERT INTO messages(id, conversation_id, from_session, to_session, message, metadata, timestamp, read)"
               " VALUES(?, ?, 'a', 'b', ?, ?, '2026-01-01T00:00:00', 0)", row["id"], row["conversation_id"],
               json.dumps({"type": "query", "question": "mine"}), row["metadata"])
    site.serve(bridge)
    query = site.mdp(bridge, "proof", format="query").request()
    assert query.json["question"] == "mine" and "sender" not in query.delivery


# ── what it survives ────────────────────────────────────────────────────────────────────────────────

def test_answer_of_a_second_attempt_is_of_who_gave_it(world, site):
    first = MdpWorker(*door(world, "worker"), "proof", name="first", format="query")
    client = asked(site, world.bridge)
    query = first.request()
    second = site.mdp(world.bridge, "proof", name="second", format="query")
    first.disconnect()
    again = served(second)
    assert (again.id, again.attempt) == (query.id, 2)
    assert again.delivery["sender"] == {"principal": UID, "content": "unverified"}
    metadata = world.bridge.reply(query.id)["metadata"]
    assert (metadata["attempt"], metadata["worker"], metadata["verified"]) == (2, "second", {"principal": UID})
    first.close()
    client.close()


def test_senders_survive_kill_9(site):
    bridge = site.bridge()
    clients = []
    for _ in range(3):
        gateway = site.serve(bridge)
        seen = len(clients)
        clients += [asked(site, bridge, f"{seen + n}?", service=f"proof-{seen + n}") for n in range(5)]
        wait_for(lambda: len(gateway.events("asked")) == 5, "five queries to be committed")
        gateway.kill()
    site.serve(bridge)
    site.answerer(bridge, format="query")
    bridge.wait_replies(len(clients))
    bridge.check_exactly_once(len(clients))
    with bridge.reading() as db:
        rows = db.execute("SELECT m.id, t.principal FROM messages m LEFT JOIN tailgate_sender t ON t.message_id = m.id"
                          " AND t.made_at = m.timestamp").fetchall()
    assert [row["principal"] for row in rows] == [UID] * 2 * len(clients)
    assert {row["metadata"]["verified"]["principal"] for row in bridge.replies()} == {UID}
    for client in clients:
        client.close()


def test_redriven_query_is_still_of_who_asked_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"attempts": "1"})
    client = asked(site, bridge)
    worker = site.mdp(bridge, "proof", format="query")
    query = worker.request()
    worker.final(query.token, {"type": "error", "error": "no", "retry": False})
    gateway.wait_event("dead")
    assert tailgate("dead", "redrive", "--db", bridge.path, "--yes", query.id).returncode == 0
    again = worker.request()
    assert again.id != query.id
    assert again.delivery["sender"] == {"principal": UID, "content": "unverified"}
    client.close()


def test_file_of_an_older_version_is_opened_and_the_one_after_is_not(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    client = asked(site, bridge)
    gateway.wait_event("asked")
    gateway.stop()
    client.close()
    bridge.run("DROP TABLE tailgate_sender")
    bridge.run("DROP TABLE tailgate_idempotency")
    bridge.run("UPDATE tailgate_meta SET value = 3 WHERE key = 'schema_version'")
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, "proof", format="query")
    query = served(worker)
    assert "sender" not in query.delivery  # nobody knows any more
    assert bridge.reply(query.id)["metadata"]["verified"] == {"principal": UID}
    client = asked(site, bridge, "now?")
    assert worker.request().delivery["sender"]["principal"] == UID
    client.close()
    gateway.stop()
    bridge.run("UPDATE tailgate_meta SET value = 6 WHERE key = 'schema_version'")
    newer = tailgate("serve", "--db", bridge.path)
    assert newer.returncode != 0 and "newer" in newer.stderr
    bridge.run("UPDATE tailgate_meta SET value = 5 WHERE key = 'schema_version'")


# ── relays ──────────────────────────────────────────────────────────────────────────────────────────

def test_worker_behind_a_relay_is_the_relays_key_and_is_told_who_asked_above(world, site):
    cert, own = world.key("site-a", "worker"), site.folder / "own"
    keygen("--gateway", own)
    for role in ("worker", "client"):
        keygen(site.folder / f"far-{role}.cert", "--role", role, "--name", f"far-{role}", "--allow", own)
    relay = site.program("relay", "--from", world.gate, "--cert", cert, "--server-cert", world.dir / "gateway.cert",
                         "--gate", "tcp://127.0.0.1:*", "--curve", own, "--name", "site-a", "--settle", "0",
                         "--log-format", "json")
    gate = relay.wait_event("serving")["gate"]
    far = {role: Keyed(site, site.folder / f"far-{role}.cert", own / "gateway.cert") for role in ("worker", "client")}
    worker = MdpWorker(far["worker"], gate, "proof", name="far", format="query")
    client = Client02(*door(world, "client"))
    client.send("proof", "how far?")
    query = served(worker)
    assert query.delivery["sender"] == {"principal": principal(site, "client"), "name": "client",
                                        "content": "unverified"}
    metadata = world.bridge.reply(query.id)["metadata"]
    assert metadata["verified"] == {"principal": principal(site, "site-a"), "name": "site-a"}
    assert (metadata["worker"], metadata["through"]) == ("far", ["site-a"])
    assert [row["verified"] for row in audit(world.bridge)] == [principal(site, name) for name in ("client", "site-a")]
    asker = Client02(far["client"], gate)
    assert b"gateway above" in asker.ask("proof", "may I?")[0]  # nothing that is asked at a relay becomes a row
    for peer in (client, asker, worker):
        peer.close()
    relay.stop()
