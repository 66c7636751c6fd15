"""Conversations and queries through the gate: tailgate.converse and tailgate.submit."""

import json
import signal

import pytest

import writer
from gate_services import Services, submission
from harness import LONG, Program, environment, tailgate, wait_for
from locker import lock, release
from storm_world import CRASHING


@pytest.fixture
def gate(site):
    return Services(site)


# converse

def test_conversation_is_made_as_the_bridges_own_programs_make_it(gate):
    told = gate.converse(asker="web", responder="law", ttl_seconds=60)
    assert set(told) == {"type", "conversation_id", "session_a_token", "session_b_token", "expires_at"}
    (row,) = gate.rows("SELECT * FROM conversations")
    assert row["id"] == told["conversation_id"] and row["id"].startswith("conv_") and len(row["id"]) == 21
    assert (row["session_a_role"], row["session_b_role"]) == ("web", "law")
    assert row["session_a_token"] == told["session_a_token"] != told["session_b_token"] == row["session_b_token"]
    assert row["expires_at"] == told["expires_at"] < writer.now(61)
    (audit,) = gate.rows("SELECT * FROM audit_log")
    assert (audit["action"], audit["conversation_id"]) == ("create_conversation", row["id"])


def test_conversation_has_the_bridges_defaults_and_is_cleaned_up_as_ours(gate):
    told = gate.converse()
    (row,) = gate.rows("SELECT * FROM conversations")
    assert (row["session_a_role"], row["session_b_role"]) == ("api", "default")
    assert writer.now(10700) < told["expires_at"] < writer.now(10801)
    assert [row["conversation_id"] for row in gate.rows("SELECT * FROM tailgate_made")] == [told["conversation_id"]]


def test_conversation_that_cannot_be_is_refused(gate):
    for body in ({"asker": ""}, {"asker": 7}, {"responder": "x" * 101}, {"responder": "a\nb"}, {"asker": "\0"},
                 {"ttl_seconds": 59}, {"ttl_seconds": 2592001}, {"ttl_seconds": 1.5}, {"ttl_seconds": "60"},
                 {"ttl_seconds": -1}, {"ttl_seconds": 10 ** 30}):
        gate.refused("invalid", "converse", body)
    assert gate.rows("SELECT * FROM conversations") == []
    gate.converse(asker=None, responder=None, ttl_seconds=None)


# submit

def test_submitted_query_is_a_row_as_the_bridges_own_send_makes_it_and_is_answered(gate):
    gate.site.answerer(gate.bridge)
    talk = gate.converse()
    told = gate.submit(talk, "What is X?", context_file="notes.md")
    (row,) = gate.rows("SELECT * FROM messages WHERE from_session = 'a'")
    assert told == {"type": "submitted", "message_id": row["id"], "query_id": told["query_id"],
                    "conversation_id": talk["conversation_id"], "timestamp": row["timestamp"], "duplicate": False}
    assert json.loads(row["message"]) == {"type": "query", "query_id": told["query_id"], "question": "What is X?",
                                          "context_file": "notes.md"}
    assert (row["conversation_id"], row["to_session"], row["metadata"]) == (talk["conversation_id"], "b", None)
    audit = gate.rows("SELECT * FROM audit_log WHERE action = 'send_message' AND session_id = 'a'")
    details = json.loads(audit[0]["details"])
    assert (details["to"], details["message_length"], details["redacted"]) == ("b", len(row["message"]), False)
    reply = gate.bridge.reply(row["id"])
    assert json.loads(reply["text"])["query_id"] == told["query_id"]


def test_query_id_of_the_asker_is_kept(gate):
    talk = gate.converse()
    told = gate.submit(talk, query_id="q_\u00e9 7", type="query")
    assert told["query_id"] == "q_\u00e9 7"
    assert json.loads(gate.rows()[0]["message"])["query_id"] == "q_\u00e9 7"


def test_either_session_asks_the_other_one(gate):
    talk = gate.converse()
    told = gate.submit(talk, session="b")
    row = gate.bridge.row(told["message_id"])
    assert (row["from_session"], row["to_session"]) == ("b", "a")


def test_secrets_are_taken_out_and_what_is_committed_is_json(gate):
    talk = gate.converse()
    gate.submit(talk, 'my password: hunter2hunter2 and "AKIAABCDEFGHIJKLMNOP"', password="hunter2", n=[{"api_key": "x"}])
    text = gate.rows()[0]["message"]
    assert "hunter2" not in text and "AKIA" not in text and "PASSWORD_REDACTED" in text
    assert json.loads(text)["type"] == "query"
    audit = gate.rows("SELECT * FROM audit_log WHERE action = 'send_message'")
    assert json.loads(audit[0]["details"])["redacted"] is True


def test_conversation_must_be_there_and_the_token_right(gate):
    talk, other = gate.converse(), gate.converse()
    gate.refused("not_found", "submit", submission({**talk, "conversation_id": "conv_0000000000000000"}))
    for token in ("x", other["session_a_token"], talk["session_a_token"][:-1], talk["session_a_token"] + "0"):
        gate.refused("unauthorized", "submit", submission({**talk, "session_a_token": token}))
    gate.bridge.run("UPDATE conversations SET expires_at = ? WHERE id = ?", writer.now(-1), talk["conversation_id"])
    gate.refused("expired", "submit", submission(talk))
    gate.refused("unauthorized", "submit", submission({**talk, "session_a_token": "x"}))
    assert gate.rows() == []


def test_conversation_of_somebody_else_takes_queries_by_its_token(gate):
    made = gate.bridge.converse()
    (row,) = gate.rows("SELECT * FROM conversations")
    talk = {"conversation_id": made, "session_a_token": row["session_a_token"]}
    assert gate.submit(talk)["type"] == "submitted"
    gate.bridge.run("UPDATE conversations SET session_a_token = ''")
    for token in ("", row["session_a_token"]):
        assert gate.submit({**talk, "session_a_token": token})["type"] == "error"


WRONG_MEMBERS = [
    {"conversation_id": 7}, {"conversation_id": ""}, {"conversation_id": "x" * 201}, {"conversation_id": None},
    {"session_token": ["x"]}, {"session_token": ""}, {"session_token": "x" * 201},
    {"query": "?"}, {"query": None}, {"query": {}}, {"query": []}, {"query": {"question": ""}},
    {"query": {"question": None}}, {"query": {"question": 7}}, {"query": {"question": "?", "type": "response"}},
    {"query": {"question": "?", "type": None}}, {"query": {"question": "?", "query_id": 7}},
    {"query": {"question": "?", "query_id": ""}}, {"query": {"question": "?", "query_id": "x" * 201}},
    {"query": {"question": "?", "query_id": "a\u0000b\n"}},
    {"idempotency_key": ""}, {"idempotency_key": "x" * 256}, {"idempotency_key": "a b"}, {"idempotency_key": "\u00e9"},
    {"idempotency_key": 7}, {"idempotency_key": "a\u0000"},
]


def test_wrong_members_are_refused(gate):
    talk = gate.converse()
    for members in WRONG_MEMBERS:
        gate.refused("invalid", "submit", {**submission(talk), **members})
    assert gate.rows() == []


NO_OBJECTS = [b"", b"\0", b"\xff\xfe", b"{", b"[]", b"7", b'{"a":"\xff"}', b'{"a":"\n"}', b"{}{}",
              b"[" * 100 + b"]" * 100]


def test_what_is_no_object_is_refused_and_the_gateway_goes_on(gate):
    for service in ("converse", "submit"):
        for body in NO_OBJECTS:
            gate.refused("invalid", service, body)
        gate.refused("too_large", service, json.dumps({"x": "x" * (1 << 20)}).encode())
        for frames in ((), (b"{}", b"{}")):
            told = json.loads(gate.client.ask("tailgate." + service, *(frames or (b"",)))[0])
            assert told["code"] == "invalid"
    gate.converse()


def test_question_has_at_most_50000_characters(gate):
    talk = gate.converse()
    assert gate.submit(talk, "\U0001d54f" * 50000)["type"] == "submitted"
    gate.refused("too_large", "submit", submission(talk, "\u00e9" * 50001))
    assert len(json.loads(gate.rows()[0]["message"])["question"]) == 50000


def test_who_submitted_is_known_as_the_door_has_verified_it(gate):
    worker = gate.site.mdp(gate.bridge, slots=1)
    gate.submit(gate.converse(), metadata={"sender": {"principal": "key:x"}})
    assert json.loads(worker.request().body)["delivery"]["sender"]["principal"].startswith("uid:")


# Keys

def test_same_key_and_query_is_one_row_and_the_same_answer(gate):
    talk = gate.converse()
    first = gate.submit(talk, "?", "k-1")
    again = gate.submit(talk, "?", "k-1")
    assert again == {**first, "duplicate": True}
    assert len(gate.rows()) == 1
    assert len(gate.rows("SELECT * FROM audit_log WHERE action = 'send_message'")) == 1


def test_same_key_with_another_query_is_a_conflict(gate):
    talk = gate.converse()
    gate.submit(talk, "?", "k")
    for members in ({"question": "!"}, {"question": "?", "query_id": "q_1"}):
        gate.refused("conflict", "submit", {**submission(talk, key="k"), "query": members})
    assert len(gate.rows()) == 1


def test_only_again_writes_nothing(gate):
    talk = gate.converse()
    body = {**submission(talk, "?", "k"), "only_again": True}
    gate.refused("not_again", "submit", body)
    gate.refused("not_again", "submit", submission(talk) | {"only_again": True})
    assert gate.rows() == []
    first = gate.submit(talk, "?", "k")
    assert gate.ask("submit", body) == {**first, "duplicate": True} and len(gate.rows()) == 1


def test_keys_of_other_sessions_and_conversations_are_others(gate):
    talk, other = gate.converse(), gate.converse()
    told = [gate.submit(talk, "?", "k"), gate.submit(talk, "?", "k", session="b"), gate.submit(other, "?", "k"),
            gate.submit(talk, "?", "K"), gate.submit(talk, "?"), gate.submit(talk, "?")]
    assert len({answer["message_id"] for answer in told}) == 6 and not any(answer["duplicate"] for answer in told)


def test_duplicate_is_told_of_after_the_conversations_time_too(gate):
    talk = gate.converse()
    first = gate.submit(talk, "?", "k")
    gate.bridge.run("UPDATE conversations SET expires_at = ?", writer.now(-1))
    assert gate.submit(talk, "?", "k") == {**first, "duplicate": True}
    gate.refused("expired", "submit", submission(talk, key="k2"))


def test_key_is_free_again_after_a_day_and_retention_removes_it(gate):
    talk = gate.converse()
    old = gate.submit(talk, "?", "k")
    gate.submit(talk, "?", "young")
    gate.bridge.run("UPDATE tailgate_idempotency SET made_at = ? WHERE key = 'k'", writer.now(-86401))
    new = gate.submit(talk, "!", "k")
    assert new["message_id"] > old["message_id"] and new["duplicate"] is False
    gate.bridge.run("UPDATE tailgate_idempotency SET made_at = ? WHERE key = 'k'", writer.now(-86401))
    gate.restart()  # retention begins with the run
    wait_for(lambda: [row["key"] for row in gate.rows("SELECT key FROM tailgate_idempotency")] == ["young"],
             "the key to be removed")


def test_kill_9_between_never_makes_two_rows_of_one_key(gate):
    """Submitted in a stream, killed somewhere within it, submitted again: each key has one row, and it is told."""
    talk = gate.converse()
    count = 40
    for turn in range(10 if LONG else 2):
        keys = [f"{turn}-{n}" for n in range(count)]
        for key in keys:
            gate.client.send("tailgate.submit", json.dumps(submission(talk, key, key)))
        told = {}
        for key in keys[:5 + 10 * turn % count]:
            told[key] = json.loads(gate.client.receive()[0])["message_id"]
        gate.restart()
        for key in keys:
            answer = gate.submit(talk, key, key)
            assert answer["type"] == "submitted"
            assert told.setdefault(key, answer["message_id"]) == answer["message_id"]
            assert json.loads(gate.bridge.row(answer["message_id"])["message"])["question"] == key
        assert len(gate.rows()) == (turn + 1) * count


def doomed(gate, plan, body):
    """A gateway that dies where PLAN says, or has answered BODY, and is killed then; whether it has answered."""
    gateway = Program([CRASHING, "serve", "--db", gate.bridge.path], env=environment(TAILGATE_CRASH=plan))
    client = gate.connect()
    client.send("tailgate.submit", body)
    reply = wait_for(lambda: client.receive(timeout=0.02) or not gateway.running(), f"an answer, or the end at {plan}")
    if gateway.running():
        gateway.kill()
    else:
        assert gateway.wait() == -signal.SIGKILL
    client.close()
    return reply is not True


@pytest.mark.parametrize("point", ["before-begin", "between", "before-commit", "after-commit", "before-report",
                                   "after-report", "statement"])
def test_killed_at_each_point_of_its_transaction_a_key_has_one_row(gate, point):
    """Whatever else is committed at a start, the N-th time is within the transaction of the query sooner or later."""
    talk = gate.converse()
    gate.gateway.stop()
    keys = []
    while len(keys) < 60:
        keys.append(f"{point}-{len(keys) + 1}")
        if doomed(gate, f"{point}:{len(keys)}", json.dumps(submission(talk, keys[-1], keys[-1]))):
            break
    gate.gateway = gate.site.serve(gate.bridge)
    gate.client = gate.connect()
    rows = {gate.submit(talk, key, key)["message_id"] for key in keys}
    assert rows == {row["id"] for row in gate.rows()} and len(rows) == len(keys)
    assert len(keys) > 1, "it was not killed at all"


def test_file_of_version_4_is_read_as_it_is_and_brought_to_5_by_a_gateway(gate):
    talk = gate.converse()
    gate.gateway.stop()
    gate.bridge.run("DROP TABLE tailgate_idempotency")
    gate.bridge.run("UPDATE tailgate_meta SET value = 4 WHERE key = 'schema_version'")
    version = "SELECT value FROM tailgate_meta WHERE key = 'schema_version'"
    for words in (["status"], ["dead", "list"], ["doctor"]):
        done = tailgate(*words, "--db", gate.bridge.path, "--json")
        assert done.returncode in (0, 1) and "newer" not in done.stderr, done.stderr
        assert gate.rows(version) == [{"value": 4}], f"{words} has changed the file"
    gate.gateway = gate.site.serve(gate.bridge)
    gate.client = gate.connect()
    assert gate.rows(version) == [{"value": 5}]
    assert gate.submit(talk, "?", "k")["message_id"] == gate.submit(talk, "?", "k")["message_id"]


# Trouble

def test_nothing_is_told_before_the_commit(gate):
    talk = gate.converse()
    holder = lock(gate.site, gate.bridge, "ROLLBACK")
    gate.client.send("tailgate.submit", json.dumps(submission(talk)))
    gate.client.send("tailgate.converse", b"{}")
    assert gate.client.receive(timeout=0.3) is None
    release(holder)
    assert json.loads(gate.client.receive()[0])["type"] == "submitted"
    assert json.loads(gate.client.receive()[0])["type"] == "conversation"


def test_what_waits_for_the_database_is_bounded(gate):
    talk = gate.converse()
    holder = lock(gate.site, gate.bridge, "ROLLBACK")
    body = json.dumps(submission(talk, x=[0] * 333000))
    for _ in range(80):
        gate.client.send("tailgate.submit", body)
    wait_for(lambda: gate.gateway.status()["counters"]["clients_refused"] > 0, "a refusal")
    release(holder)
    codes = [json.loads(gate.client.receive()[0]).get("code") for _ in range(80)]
    assert set(codes) == {None, "busy"} and codes.count(None) == len(gate.rows())
    assert gate.submit(talk)["type"] == "submitted"


def test_rules_of_the_database_that_refuse_it_are_told_and_nothing_else_suffers(gate):
    talk = gate.converse()
    gate.bridge.run("CREATE TRIGGER no BEFORE INSERT ON messages WHEN new.message LIKE '%forbid%'"
                    " BEGIN SELECT RAISE(ABORT, 'no'); END")
    gate.refused("forbidden", "submit", submission(talk, "forbid", "k"))
    assert gate.submit(talk, "allow", "k")["duplicate"] is False


def test_unknown_service_is_unsupported(gate):
    gate.refused("unsupported", "nothing")
