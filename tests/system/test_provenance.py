"""Who asked and who answered, as the gateway has verified it, in every place where it is told."""

import json

from harness import MdpWorker
from majordomo import Client02
from observer import Feed
from provenance import UID, audit, door, fingerprint, query_row, served, world  # noqa: F401  (world is a fixture)
from watching import Watch


def test_keys_of_client_and_worker_are_told_everywhere(world, site):
    who = {name: {"principal": "key:" + fingerprint(site.folder / f"{name}.cert"), "name": name}
           for name in ("worker", "client")}
    feed = Feed(site.context, world.bridge, b"").joined()
    worker = MdpWorker(*door(world, "worker"), "proof", name="called-otherwise", format="query")
    client = Client02(*door(world, "client"))
    client.send("proof", "who am I?")
    query = served(worker)
    assert query.delivery["sender"] == {**who["client"], "content": "unverified"}
    client.receive()
    reply = world.bridge.reply(query.id)
    assert reply["metadata"]["verified"] == who["worker"] and reply["metadata"]["worker"] == "called-otherwise"
    gate = query_row(world.bridge, query.id)
    assert {"principal": gate["from"], "name": gate["name"]} == who["client"]
    details = audit(world.bridge)
    assert [row["verified"] for row in details] == [who["client"]["principal"], who["worker"]["principal"]]
    assert [list(row)[:3] for row in details] == [["to", "message_length", "redacted"]] * 2
    assert feed.named("query")["sender"] == who["client"]
    assert feed.named("response")["verified"] == who["worker"]
    feed.close()
    watch = Watch(site, world.bridge, "--since", "0")
    watch.wait(rf"query .* \[client {who['client']['principal'][:12]}\] who am I")
    watch.wait(rf"response .* called-otherwise \[worker {who['worker']['principal'][:12]}\]: yes")
    worker.close()
    client.close()


def test_users_behind_the_unix_socket_are_told(world, site):
    client = Client02(site.context, world.bridge.gate)
    worker = site.mdp(world.bridge, "proof", format="query")
    client.send("proof", "?")
    query = served(worker)
    client.receive()
    assert query.delivery["sender"] == {"principal": UID, "content": "unverified"}
    assert world.bridge.reply(query.id)["metadata"]["verified"] == {"principal": UID}
    assert [row["verified"] for row in audit(world.bridge)] == [UID, UID]
    client.close()


def test_plain_tcp_proves_nobody(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:*")
    plain = next(row["endpoint"] for row in gateway.status()["gateway"]["doors"] if row["endpoint"].startswith("tcp:"))
    client = Client02(site.context, plain)
    worker = site._worker(MdpWorker(site.context, plain, "proof", format="query"))
    client.send("proof", "?")
    query = served(worker)
    client.receive()
    assert "sender" not in query.delivery
    assert "verified" not in bridge.reply(query.id)["metadata"]
    assert all("verified" not in row for row in audit(bridge))
    client.close()


def test_writer_of_the_bridge_that_forges_metadata_has_no_sender(world, site):
    feed = Feed(site.context, world.bridge, b"").joined()
    forged = {"principal": UID, "name": "root", "content": "verified"}
    world.bridge.ask("?", {"service": "proof", "sender": forged, "verified": forged, "gate": {
        "protocol": "MDP/0.2", "body": "text", "from": UID, "name": "root"}}, delivery={"sender": forged})
    query = served(site.mdp(world.bridge, "proof", format="query"))
    assert "sender" not in query.delivery
    assert "sender" not in feed.named("query")
    world.bridge.reply(query.id)
    world.bridge.run("INSERT INTO messages(conversation_id, from_session, to_session, message, metadata, timestamp)"
                     " VALUES(?, 'b', 'a', 'x', ?, '2026-01-01T00:00:00')", world.bridge.conversation,
                     json.dumps({"in_reply_to": query.id, "verified": forged}))
    feed.named("response", verified={"principal": UID})
    assert "verified" not in feed.named("response")
    feed.close()


def test_answer_through_another_door_counts_for_who_sent_it(world, site):
    holder = site.mdp(world.bridge, "proof")
    message = world.bridge.ask("?", service="proof")
    token = holder.request().token
    other = MdpWorker(*door(world, "worker"), ready=False)
    other.final(token, "by a key")
    reply = world.bridge.reply(message)
    assert reply["metadata"]["verified"]["name"] == "worker"
    other.close()


def test_sender_is_known_after_a_restart(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    client = Client02(site.context, bridge.gate)
    client.send("proof", json.dumps({"type": "query", "question": "?"}))
    gateway.wait_event("asked")
    gateway.kill()
    site.serve(bridge)
    query = served(site.mdp(bridge, "proof", format="query"))
    assert query.delivery["sender"]["principal"] == UID
    assert bridge.reply(query.id)["metadata"]["verified"] == {"principal": UID}
    client.close()
