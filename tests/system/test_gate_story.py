"""All that is known of a query, and dead letters, told and changed by the gate: tailgate.story, .dead, .redrive, .drop."""

import json

import pytest

import ledger
import writer
from gate_services import Services
from harness import wait_for

QUICK = {"attempts": 2, "backoff.first": "5ms", "backoff.max": "10ms"}


@pytest.fixture
def gate(site):
    return Services(site)


# story

def test_story_of_a_query_from_pending_over_a_failure_to_its_answer(site):
    gate = Services(site, **QUICK)
    talk = gate.converse(responder="law")
    told = gate.submit(talk, "What is X?")
    message = told["message_id"]
    story = gate.story(message)
    row = {"message_id": message, "from": "a", "to": "b", "message": gate.bridge.row(message)["message"],
           "metadata": None, "timestamp": told["timestamp"], "read": False}
    assert story == {"type": "story", "message_id": message, "conversation_id": talk["conversation_id"],
                     "service": "law", "state": "pending", "query": row, "reply": None, "delivery": None, "live": None,
                     "failures": [], "timings": None, "sender": story["sender"], "kept": [], "redriven": None}
    assert story["sender"]["principal"].startswith("uid:")
    worker = site.mdp(gate.bridge, name="w1")
    worker.final(worker.request().token, json.dumps({"type": "error", "error": "boom " + "x" * 500}))
    query = worker.request()
    worker.partial(query.token, b"so far")
    story = wait_for(lambda: (lambda told: told if told["live"] and told["live"]["partials"] else None)(
        gate.story(message)), "the partial in the story")
    assert story["state"] == "working"
    assert {key: story["live"][key] for key in ("worker", "attempt", "partials")} == \
        {"worker": "w1", "attempt": 2, "partials": 1}
    assert story["live"]["since"] < writer.now() < story["live"]["deadline"]
    assert story["delivery"]["history"] == story["failures"]
    assert (story["delivery"]["attempt"], story["delivery"]["failed"]) == (2, 1) or \
        story["delivery"]["state"] == "waiting"
    (failure,) = story["failures"]
    assert (failure["attempt"], failure["worker"]) == (1, "w1") and failure["reason"].startswith("boom x")
    worker.final(query.token, "X is 7")
    gate.wait_state(talk, message, "answered")
    story = gate.story(message)
    reply = gate.bridge.reply(message)
    assert (story["state"], story["reply"]["message_id"]) == ("answered", reply["id"])
    assert story["reply"]["message"] == reply["text"] and story["query"]["read"] is True
    assert story["delivery"] is None and story["live"] is None
    assert set(story["timings"]) == {"waited", "worked", "committed"} and min(story["timings"].values()) > 0
    assert story["failures"] == [failure] == story["reply"]["metadata"]["failed"]


def test_error_reply_carries_the_last_ten_failures_redacted_and_cut(site):
    gate = Services(site, **{**QUICK, "attempts": 12})
    talk = gate.converse()
    error = "AKIAABCDEFGHIJKLMNOP " + "\u00e9" * 300
    site.answerer(gate.bridge, answer=lambda query: {"type": "error", "error": error}, name="secret=w")
    message = gate.submit(talk)["message_id"]
    reply = gate.wait_state(talk, message, "dead")["reply"]
    failed = reply["metadata"]["failed"]
    assert [item["attempt"] for item in failed] == list(range(3, 13))
    for item in failed:
        assert set(item) == {"attempt", "worker", "reason", "at"}
        assert item["worker"] == "SECRET_REDACTED" and item["at"] <= reply["timestamp"]
        assert item["reason"].startswith("AWS_KEY_REDACTED \u00e9") and 190 < len(item["reason"].encode()) <= 200
    assert [item["attempt"] for item in ledger.history(gate.bridge, message)] == list(range(1, 13))


def test_answer_at_the_first_attempt_carries_none(gate):
    gate.site.answerer(gate.bridge)
    talk = gate.converse()
    message = gate.submit(talk)["message_id"]
    gate.wait_state(talk, message, "answered")
    assert "failed" not in gate.query(talk, message)["reply"]["metadata"]


def bury(gate, talk, question="?", error="boom", **members):
    """A query that is dead; its id."""
    worker = gate.site.mdp(gate.bridge, name="bad")
    message = gate.submit(talk, question, **members)["message_id"]
    worker.final(worker.request().token, json.dumps({"type": "error", "error": error, "retry": False}))
    gate.wait_state(talk, message, "dead")
    worker.close()
    wait_for(lambda: not gate.ask("status")["workers"], "its worker to be gone, who is not to have the next one")
    return message


def test_story_of_a_dead_query_has_its_reason_and_what_became_of_it(gate):
    talk = gate.converse()
    message = bury(gate, talk)
    story = gate.story(message)
    assert (story["state"], story["delivery"]["state"], story["delivery"]["reason"]) == ("dead", "dead", "boom")
    assert [item["reason"] for item in story["failures"]] == ["boom"] and story["redriven"] is None
    new = gate.ask("redrive", {"message_id": message})["new_message_id"]
    assert gate.story(message)["redriven"] == new
    assert gate.story(new)["query"]["metadata"] == {"redrive_of": message}


def test_story_of_a_query_that_is_gone_is_told_from_what_is_left(gate):
    talk = gate.converse()
    message = bury(gate, talk)
    gate.bridge.run("DELETE FROM messages WHERE id = ?", message)
    for _ in range(2):
        story = gate.story(message)
        assert (story["state"], story["query"], story["conversation_id"]) == ("deleted", None, talk["conversation_id"])
        assert story["delivery"]["reason"] == "boom"
        gate.restart()


def test_story_tells_of_answers_that_were_kept(gate):
    talk = gate.converse()
    worker = gate.site.mdp(gate.bridge, name="late")
    message = gate.submit(talk)["message_id"]
    query = worker.request()
    gate.bridge.run("UPDATE messages SET read = 1 WHERE id = ?", message)
    worker.final(query.token, "paid for")
    ledger.wait_audit(gate.bridge, message, "query_superseded")
    story = wait_for(lambda: (lambda told: told if told["kept"] else None)(gate.story(message)), "the kept answer")
    assert story["state"] == "superseded"
    (kept,) = story["kept"]
    assert (kept["why"], kept["worker"], kept["attempt"]) == ("superseded", "late", 1) and kept["kept_at"]


def test_texts_of_a_story_are_redacted_and_escaped(gate):
    secret = "AKIAABCDEFGHIJKLMNOP"
    talk = gate.converse()
    message = gate.bridge.send(json.dumps({"type": "query", "question": f"{secret} \u202e\x1b[2J"}),
                               {"service": "x", "note": secret}, conversation=talk["conversation_id"])
    gate.client.send("tailgate.story", json.dumps({"message_id": message}))
    (frame,) = gate.client.receive()
    assert secret.encode() not in frame and frame.isascii() and b"\x1b" not in frame
    assert json.loads(frame)["query"]["metadata"]["note"] == "AWS_KEY_REDACTED"


def test_without_bodies_observers_see_no_texts_and_who_has_the_token_does(site):
    gate = Services(site, **{"events.bodies": "off"})
    talk = gate.converse()
    message = bury(gate, talk, "between us")
    gate.client.send("tailgate.story", json.dumps({"message_id": message}))
    (story,) = gate.client.receive()
    assert b"between us" not in story and json.loads(story)["query"]["message"] is None
    assert gate.ask("dead")["dead"][0]["question"] is None
    assert json.loads(gate.query(talk, message)["reply"]["message"])["error"] == "boom"


def test_history_that_somebody_has_edited_does_no_harm(gate):
    talk = gate.converse()
    message = bury(gate, talk)
    deep = "[" * 60 + "]" * 60
    for history in ("", "x", "{}", "[", "[1,null,[]]", '[{"attempt":"x"}]', '[{"attempt":1,"reason":7,"at":null}]',
                    f'[{{"attempt":1,"reason":{deep}}}]', "[" + '{"attempt":1},' * 30000 + '{"attempt":2}]'):
        gate.bridge.run("UPDATE tailgate_delivery SET history = ?", history)
        assert gate.story(message)["failures"] in ([], [{"attempt": 1, "worker": "", "reason": "", "at": ""}])


def test_what_is_no_query_has_no_story(gate):
    prose = gate.bridge.send("prose", conversation=gate.converse()["conversation_id"])
    for message in (prose, prose + 1, 2 ** 63 - 1):
        gate.refused("not_found", "story", {"message_id": message})
    for wrong in ({}, {"message_id": -1}, {"message_id": "x"}, {"message_id": 2 ** 63}):
        gate.refused("invalid", "story", wrong)


# dead, redrive, drop

def test_dead_queries_are_listed_newest_first_in_pages(gate):
    talk = gate.converse(responder="law")
    dead = [bury(gate, talk, f"{n} " + "\u00e9" * 300, error=f"boom {n}") for n in range(3)]
    told = gate.ask("dead", {})
    assert (told["type"], told["more"]) == ("dead", False)
    assert [item["message_id"] for item in told["dead"]] == dead[::-1]
    newest = told["dead"][0]
    assert newest == {"message_id": dead[2], "conversation_id": talk["conversation_id"], "service": "law",
                      "attempts": 1, "reason": "boom 2", "at": newest["at"], "question": "2 " + "\u00e9" * 198,
                      "redriven": None, "expired": False}
    assert writer.now(-100) < newest["at"] < writer.now()
    page = gate.ask("dead", {"limit": 2})
    assert ([item["message_id"] for item in page["dead"]], page["more"]) == ([dead[2], dead[1]], True)
    page = gate.ask("dead", {"limit": 2, "before": dead[1]})
    assert ([item["message_id"] for item in page["dead"]], page["more"]) == ([dead[0]], False)
    assert gate.ask("dead", b"")["dead"] == told["dead"]
    gate.bridge.run("UPDATE messages SET message = ?", "x" * (1 << 20) + "x")
    page = gate.ask("dead")
    assert ([item["message_id"] for item in page["dead"]], page["more"]) == (dead[2:], True), "too long to show is read, too"


def test_questions_of_dead_queries_are_redacted_before_they_are_cut(gate):
    bury(gate, gate.converse())
    key = "-----BEGIN X PRIVATE KEY-----" + "k" * 300 + "-----END X PRIVATE KEY-----"
    for text, shown in ((key, "PRIVATE_KEY_REDACTED"), ("plain", "plain"), ("x" * (1 << 20) + "x", None),
                        (json.dumps({"question": key}), "PRIVATE_KEY_REDACTED")):
        gate.bridge.run("UPDATE messages SET message = ?", text)
        assert gate.ask("dead")["dead"][0]["question"] == shown
    gate.bridge.run("UPDATE messages SET message = CAST(x'ff41' AS TEXT)")
    assert gate.ask("dead")["dead"][0]["question"] == "\ufffdA"
    gate.bridge.run("DELETE FROM conversations")
    (told,) = gate.ask("dead")["dead"]
    assert told["expired"] is True


def test_redriven_query_is_answered_and_is_redriven_once(gate):
    talk = gate.converse()
    message = bury(gate, talk, "What is X?")
    told = gate.ask("redrive", {"message_id": message})
    new = told["new_message_id"]
    assert told == {"type": "done", "done": "redrive", "message_id": message, "new_message_id": new}
    gate.site.answerer(gate.bridge)
    assert "What is X?" in json.loads(gate.bridge.reply(new)["text"])["answer"]
    gate.refused("conflict", "redrive", {"message_id": message})
    (audit,) = gate.rows("SELECT * FROM audit_log WHERE action = 'dead_redriven'")
    assert json.loads(audit["details"]) == {"message_id": message, "redriven_as": new}
    assert gate.ask("dead")["dead"][0]["redriven"] == new


def test_what_cannot_be_redriven_is_refused(gate):
    talk = gate.converse()
    message = bury(gate, talk)
    gate.refused("not_found", "redrive", {"message_id": message + 1})
    gate.bridge.run("UPDATE conversations SET expires_at = ?", writer.now(-1))
    gate.refused("expired", "redrive", {"message_id": message})
    gate.bridge.run("DELETE FROM messages WHERE id = ?", message)
    gate.refused("not_found", "redrive", {"message_id": message})
    for word in ("redrive", "drop"):
        gate.refused("invalid", word, {"message_id": "x"})
        gate.refused("invalid", word, b"")


def test_dropped_dead_query_is_forgotten_and_its_error_reply_stays(gate):
    talk = gate.converse()
    message = bury(gate, talk)
    assert gate.ask("drop", {"message_id": message}) == {"type": "done", "done": "drop", "message_id": message}
    assert gate.ask("dead")["dead"] == [] and gate.query(talk, message)["state"] == "dead"
    gate.refused("not_found", "drop", {"message_id": message})
    gate.refused("not_found", "redrive", {"message_id": message})
    (audit,) = gate.rows("SELECT * FROM audit_log WHERE action = 'dead_dropped'")
    assert json.loads(audit["details"]) == {"message_id": message}


def test_limits_of_a_page_are_checked(gate):
    for wrong in ({"limit": 0}, {"limit": 201}, {"limit": "x"}, {"before": 0}, {"before": -1}, {"before": []}, b"[]"):
        gate.refused("invalid", "dead", wrong)


# Who may, over tcp without a key

def test_over_plain_tcp_queries_are_for_tokens_rows_are_not_told_and_nothing_is_steered(site):
    gate = Services(site, "--gate", "tcp://127.0.0.1:*")
    talk = gate.converse()
    message = bury(gate, talk)
    gate.client = gate.connect(next(door for door in gate.gateway.status()["gateway"]["gates"] if "tcp" in door))
    talk = gate.converse()
    assert gate.query(talk, gate.submit(talk)["message_id"])["state"] == "pending"
    for service in ("story", "dead", "redrive", "drop"):
        gate.refused("forbidden", service, {"message_id": message})
    assert len(gate.rows("SELECT * FROM tailgate_delivery")) == 1
