"""What has become of a query, told by the gate to who has a token: tailgate.query."""

import json

import pytest

import ledger
import writer
from gate_services import Services


@pytest.fixture
def gate(site):
    return Services(site)


def answered(gate, talk, question="?"):
    """A query that has its answer; its id."""
    message = gate.submit(talk, question)["message_id"]
    gate.wait_state(talk, message, "answered")
    return message


# query

def test_query_is_pending_then_working_then_answered_with_its_reply(gate):
    talk = gate.converse()
    told = gate.submit(talk, "What is X?")
    message = told["message_id"]
    assert gate.query(talk, message) == {
        "type": "query", "message_id": message, "query_id": told["query_id"],
        "conversation_id": talk["conversation_id"], "state": "pending", "timestamp": told["timestamp"], "reply": None}
    worker = gate.site.mdp(gate.bridge)
    request = worker.request()
    gate.wait_state(talk, message, "working")
    worker.final(request.token, "X is\n\u202e7")
    reply = gate.wait_state(talk, message, "answered")["reply"]
    row = gate.bridge.reply(message)
    assert reply == {"message_id": row["id"], "message": row["text"], "metadata": row["metadata"],
                     "timestamp": gate.bridge.row(row["id"])["timestamp"]}
    assert json.loads(reply["message"])["answer"] == "X is\n\u202e7"
    assert gate.query(talk, message, session="b")["reply"] == reply, "either session may know"


def test_dead_query_is_dead_with_its_error_reply(gate):
    talk = gate.converse()
    worker = gate.site.mdp(gate.bridge)
    message = gate.submit(talk)["message_id"]
    worker.final(worker.request().token, json.dumps({"type": "error", "error": "boom", "retry": False}))
    reply = gate.wait_state(talk, message, "dead")["reply"]
    assert json.loads(reply["message"])["error"] == "boom" and reply["metadata"]["dead"] is True


def test_query_that_somebody_else_has_taken_is_superseded(gate):
    talk = gate.converse()
    message = gate.submit(talk)["message_id"]
    gate.bridge.run("UPDATE messages SET read = 1 WHERE id = ?", message)
    told = gate.query(talk, message)
    assert (told["state"], told["reply"], told["looked_at_all"]) == ("superseded", None, True)


def test_query_whose_conversation_is_over_is_expired_and_still_told_of(gate):
    talk = gate.converse()
    message = gate.submit(talk)["message_id"]
    gate.bridge.run("UPDATE conversations SET expires_at = ?", writer.now(-1))
    assert gate.query(talk, message)["state"] == "expired"


def test_answer_is_found_again_after_a_restart(gate):
    gate.site.answerer(gate.bridge)
    talk = gate.converse()
    message = answered(gate, talk)
    known = gate.query(talk, message)
    gate.restart()
    told = gate.query(talk, message)
    assert (told["state"], told["reply"]) == ("answered", known["reply"])
    assert told["looked_to"] >= told["reply"]["message_id"]


def test_answer_that_somebody_has_removed_was_given_all_the_same(gate):
    gate.site.answerer(gate.bridge)
    talk = gate.converse()
    message = answered(gate, talk)
    gate.bridge.run("DELETE FROM messages WHERE from_session = 'b'")
    told = gate.query(talk, message)
    assert (told["state"], told["reply"]) == ("answered", None)


@pytest.mark.parametrize("claim", ["dispatch", "reply"])
def test_query_that_a_worker_has_is_working_before_and_after_a_restart(site, claim):
    gate = Services(site, **{"claim": claim, "lease.persist_after": "0ms", "restart.grace": "60s"})
    talk = gate.converse()
    message = gate.submit(talk)["message_id"]
    worker = site.mdp(gate.bridge, name="lasting", heartbeats=True, interval=200)
    query = worker.request()
    ledger.wait_delivery(gate.bridge, message, state="leased")
    assert gate.query(talk, message)["state"] == "working"
    gate.restart()
    assert gate.query(talk, message)["state"] == "working"
    assert gate.story(message)["delivery"]["worker"] == "lasting"
    worker.final(query.token, "done")
    assert gate.wait_state(talk, message, "answered")["reply"]


def fill(gate, count, conversation):
    """COUNT rows that are not ours, in one transaction."""
    gate.bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)"
                    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                    " SELECT ?, 'a', 'b', 'prose', NULL, '2026-01-01T00:00:00', 1 FROM n", count, conversation)


def test_search_for_a_reply_goes_in_slices_finds_it_and_ends(gate):
    talk = gate.converse()
    gate.gateway.kill()
    message = gate.bridge.ask("?", conversation=talk["conversation_id"])
    gate.bridge.run("UPDATE messages SET read = 1 WHERE id = ?", message)
    fill(gate, 30000, talk["conversation_id"])
    metadata = json.dumps({"in_reply_to": message, "worker": "w"}, separators=(",", ":"))
    writer.send(str(gate.bridge.path), talk["conversation_id"], "the reply", json.loads(metadata), session="b")
    with gate.bridge.reading() as db:
        reply = db.execute("SELECT max(id) FROM messages").fetchone()[0]
    gate.bridge.run("UPDATE messages SET metadata = ? WHERE id = ?", metadata, reply)
    gate.gateway = gate.site.serve(gate.bridge)
    gate.client = gate.connect()
    told = gate.query(talk, message)
    assert (told["state"], told["reply"]["message_id"], told["looked_to"]) == ("answered", reply, reply)
    gate.bridge.run("DELETE FROM messages WHERE id = ?", reply)
    fill(gate, 200000, talk["conversation_id"])
    told = gate.query(talk, message)
    assert (told["reply"], told["looked_at_all"]) == (None, False)
    assert told["looked_to"] < reply + 200000


def test_row_that_only_says_so_is_not_taken_for_the_reply(gate):
    """Of another conversation, from the session that asked, or with something else in its metadata."""
    talk, other = gate.converse(), gate.converse()
    message = gate.submit(talk)["message_id"]
    gate.bridge.run("UPDATE messages SET read = 1 WHERE id = ?", message)
    says = json.dumps({"in_reply_to": message}, separators=(",", ":"))
    for conversation, session, metadata in ((other, "b", says), (talk, "a", says), (talk, "b", says.replace("}", "0}")),
                                            (talk, "b", says + "x"), (talk, "b", f'{{"x":{says}}}')):
        row = writer.send(str(gate.bridge.path), conversation["conversation_id"], "no", session=session)
        gate.bridge.run("UPDATE messages SET metadata = ? WHERE id = ?", metadata, row)
    assert gate.query(talk, message)["reply"] is None


def test_only_queries_of_that_conversation_are_told_of_and_only_with_its_token(gate):
    talk, other = gate.converse(), gate.converse()
    message = gate.submit(talk)["message_id"]
    prose = gate.bridge.send("prose", conversation=talk["conversation_id"])
    for told in (gate.query(other, message), gate.query(talk, prose), gate.query(talk, message + 100)):
        assert (told["type"], told["code"]) == ("error", "not_found")
    body = {"conversation_id": talk["conversation_id"], "session_token": other["session_a_token"],
            "message_id": message}
    gate.refused("unauthorized", "query", body)
    gate.refused("not_found", "query", {**body, "conversation_id": "conv_x"})
    for members in ({"message_id": 0}, {"message_id": "1"}, {"message_id": 1.5}, {"message_id": 10 ** 30},
                    {"message_id": None}, {"session_token": 1}, {"conversation_id": ""}):
        gate.refused("invalid", "query", {**body, **members})
    for wrong in (b"", b"[]", b"\xff", b'{"message_id":1}', b"x" * (1 << 20) + b"x"):
        assert gate.ask("query", wrong)["type"] == "error"


# session

def test_session_tells_whose_token_it_is_and_until_when(gate):
    talk = gate.converse(ttl_seconds=600)
    for name in "ab":
        body = {"conversation_id": talk["conversation_id"], "session_token": talk[f"session_{name}_token"]}
        told = gate.ask("session", body)
        left = told.pop("seconds_left")
        assert 0 < left <= 600 and told == {"type": "session", "conversation_id": talk["conversation_id"],
                                            "session": name, "live": True, "expires_at": talk["expires_at"],
                                            "last": 0}
    gate.refused("unauthorized", "session", {**body, "session_token": "x"})
    gate.refused("not_found", "session", {**body, "conversation_id": "conv_x"})
    gate.refused("invalid", "session", {"conversation_id": "conv_x"})
    gate.bridge.run("UPDATE conversations SET expires_at = ?", writer.now(-1))
    told = gate.ask("session", body)
    assert (told["live"], told["seconds_left"]) == (False, 0)
