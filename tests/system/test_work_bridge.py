"""`tailgate work --bridge`: two bridges become one. Real databases, real gateways, and a responder of before
Tailgate."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

import writer
from gate import alive, descriptors, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, HERE, PYTHON, TAILGATE_WORK, Program, tailgate, wait_for

FAST = {"backoff.first": "20ms", "backoff.max": "50ms", "heartbeat.interval": "200ms"}
ID = "00112233445566ff"
SOURCE = {"bridge": ID, "conversation_id": "conv_far", "service": "law"}


def work(site, bridge, other, *words):
    return site.program("work", "--db", bridge.path, "--log-format", "json", "--bridge",
                        getattr(other, "path", other), *words)


def legacy(site, bridge):
    responder = site.spawn(PYTHON, HERE / "legacy_responder.py", bridge.path, stdin=subprocess.PIPE)
    assert responder.stdout.readline() == "ready\n"
    return responder


def rows(bridge, session=None):
    with bridge.reading() as db:
        return [dict(row) for row in db.execute("SELECT * FROM messages WHERE ?1 IS NULL OR from_session = ?1"
                                                " ORDER BY id", (session,))]


def audits(bridge, action):
    with bridge.reading() as db:
        return [(row["session_id"], json.loads(row["details"])) for row in
                db.execute("SELECT * FROM audit_log WHERE action = ? ORDER BY id", (action,))]


def wait_rows(bridge, count, session="a"):
    return wait_for(lambda: len(found := rows(bridge, session)) >= count and found, f"{count} rows")


def bridge_id(bridge):
    with bridge.reading() as db:
        return db.execute("SELECT value FROM tailgate_meta WHERE key = 'bridge'").fetchone()[0]


def pair(site, settings=None):
    """Two bridges, the first with a gateway; the second has no conversation of its own."""
    near, far = site.bridge("near.db"), site.bridge("far.db", conversation=False)
    site.serve(near, settings={**FAST, **(settings or {})})
    return near, far


def answer_by_hand(bridge, row, text, **metadata):
    db = writer.connect(str(bridge.path))
    reply = writer.insert(db, row["conversation_id"], "b", text, json.dumps({"in_reply_to": row["id"], **metadata}))
    db.commit()
    db.close()
    return reply


# ── whose bridge ────────────────────────────────────────────────────────────────────────────────────

def test_deliveries_name_the_bridge_by_an_id_that_survives_restarts(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    bridge.ask("?")
    query = worker.request()
    worker.final(query.token, "yes")
    name = query.delivery["bridge"]
    assert re.fullmatch(r"[0-9a-f]{16}", name) and name == bridge_id(bridge)
    gateway.stop()
    site.serve(bridge)
    assert bridge_id(bridge) == name


# ── the answer comes from the other side ────────────────────────────────────────────────────────────

def test_a_responder_of_before_that_knows_only_the_second_bridge_answers(site):
    near, far = pair(site)
    legacy(site, far)
    work(site, near, far)
    asked = near.ask("what?", query_id="q_7", context_file="notes.md")
    reply = near.reply(asked)
    assert json.loads(reply["text"])["answer"] == "old: what?"
    assert json.loads(reply["text"])["query_id"] == "q_7"
    assert json.loads(reply["text"])["sources"] == ["old.md:1"]
    near.check_exactly_once(1)
    question, answer = rows(far)
    query = json.loads(question["message"])
    assert {key: query[key] for key in ("type", "query_id", "question", "context_file")} == {
        "type": "query", "query_id": "q_7", "question": "what?", "context_file": "notes.md"}
    assert "delivery" not in query
    metadata = json.loads(question["metadata"])
    assert metadata == {"service": "default", "bridged": {
        "bridge": bridge_id(near), "message_id": asked, "conversation_id": near.conversation,
        "through": [bridge_id(near)]}}
    assert (question["from_session"], question["to_session"], answer["read"]) == ("a", "b", 1)
    assert audits(far, "send_message")[0] == (
        "a", {"to": "b", "message_length": len(question["message"]), "redacted": False})
    assert [entry for entry in audits(far, "get_messages") if entry[0] == "a"] == [("a", {"count": 1})]


def test_a_gateway_on_the_second_bridge_answers_both_forms_of_question(site):
    near, far = pair(site)
    site.serve(far)
    site.answerer(far, answer=lambda query: {"answer": "re: " + query.json["question"], "sources": ["a.md:1"]})
    work(site, near, far, "--slots", "10")
    asked = near.ask("in JSON?")
    plain = near.ask_text("in words?", files_involved=["b.md"])
    assert json.loads(near.reply(asked)["text"])["answer"] == "re: in JSON?"
    reply = near.reply(plain)
    assert (reply["text"], reply["metadata"]["sources"]) == ("re: in words?", ["a.md:1"])
    near.check_exactly_once(2)
    far.check_exactly_once(2)
    row = next(row for row in rows(far, "a") if row["message"] == "in words?")
    metadata = json.loads(row["metadata"])
    assert (metadata["action_type"], metadata["files_involved"]) == ("question", ["b.md"])
    assert len({row["conversation_id"] for row in rows(far)}) == 1, "one there for one here"
    with far.reading() as db:
        roles = db.execute("SELECT session_a_role, session_b_role FROM conversations").fetchall()
    assert [tuple(row) for row in roles] == [("tailgate", "default")]


def test_many_queries_of_many_conversations_get_their_own_answers(site):
    near, far = pair(site)
    site.serve(far)
    site.answerer(far, slots=10)
    work(site, near, far, "--slots", "50", "--count", "2")
    conversations = [near.conversation, near.converse(), near.converse()]
    asked = {near.ask(f"{n}?", conversation=conversations[n % 3]): n for n in range(90)}
    near.wait_replies(90)
    for reply in near.replies():
        assert json.loads(reply["text"])["answer"] == f"re: {asked[reply['reply_to']]}?"
    near.check_exactly_once(90)
    far.check_exactly_once(90)
    assert len({row["conversation_id"] for row in rows(far)}) == 3


def test_secrets_do_not_cross(site):
    near, far = pair(site)
    legacy(site, far)
    work(site, near, far)
    near.reply(near.ask("password: hunter2", password="hunter3"))
    near.ask_text("ghp_" + "a" * 36, note="AKIA" + "B" * 16)
    first, second = wait_rows(far, 2)
    assert "hunter" not in first["message"] and "PASSWORD_REDACTED" in first["message"]
    assert second["message"] == "GITHUB_TOKEN_REDACTED"
    assert json.loads(second["metadata"])["note"] == "AWS_KEY_REDACTED"
    assert [details["redacted"] for session, details in audits(far, "send_message") if session == "a"] == [True, True]


# ── never twice ─────────────────────────────────────────────────────────────────────────────────────

def test_a_worker_killed_between_row_and_reply_asks_once_and_is_answered_once(site):
    near, far = pair(site)
    worker = work(site, near, far)
    asked = near.ask("slow?")
    row, = wait_rows(far, 1)
    worker.kill()
    answer_by_hand(far, row, '{"type":"response","answer":"late"}')
    work(site, near, far)
    assert json.loads(near.reply(asked)["text"])["answer"] == "late"
    near.check_exactly_once(1)
    assert len(rows(far, "a")) == 1 and len(rows(far, "b")) == 1
    assert len(audits(far, "get_messages")) == 1


def test_a_query_given_back_at_a_stop_finds_its_row_again(site):
    near, far = pair(site)
    worker = work(site, near, far)
    asked = near.ask("slow?")
    row, = wait_rows(far, 1)
    worker.signal(signal.SIGTERM)
    worker.wait_event("stopping")
    worker.signal(signal.SIGTERM)  # at once, and not when the query has had its ten seconds
    assert worker.wait() == 0
    work(site, near, far, "--slots", "2")  # whichever of the two comes first
    near.ask("another?")
    wait_rows(far, 2)
    answer_by_hand(far, row, "in words")
    assert json.loads(near.reply(asked)["text"])["answer"] == "in words"
    assert [json.loads(row["message"])["question"] for row in rows(far, "a")].count("slow?") == 1


def test_an_attempt_out_of_time_leaves_its_row_to_the_next_one(site):
    near, far = pair(site, {"attempts": "50"})
    worker = work(site, near, far, "--time-limit", "200ms")
    asked = near.ask("slow?")
    row, = wait_rows(far, 1)
    worker.wait_event("failed", id=asked)
    answer_by_hand(far, row, "at last")
    assert json.loads(near.reply(asked)["text"])["answer"] == "at last"
    assert len(rows(far, "a")) == 1


def test_an_error_that_passes_is_asked_again_and_a_dead_letter_is_not(site):
    near, far = pair(site)
    work(site, near, far, "--slots", "2")
    asked = near.ask("one?")
    row, = wait_rows(far, 1)
    answer_by_hand(far, row, '{"type":"error","error":"not now"}')
    again = wait_rows(far, 2)[1]
    assert again["message"] == row["message"]
    answer_by_hand(far, again, '{"type":"error","error":"never"}', dead=True)
    reply = json.loads(near.reply(asked)["text"])
    assert (reply["type"], reply["error"]) == ("error", "the other bridge says: never")
    assert len(rows(far, "a")) == 2


def test_a_conversation_deleted_there_is_asked_in_a_fresh_one(site):
    near, far = pair(site)
    work(site, near, far)
    asked = near.ask("again?")
    row, = wait_rows(far, 1)
    far.run("DELETE FROM conversations")
    fresh = wait_rows(far, 2)[1]
    assert fresh["conversation_id"] != row["conversation_id"]
    answer_by_hand(far, fresh, "here")
    assert json.loads(near.reply(asked)["text"])["answer"] == "here"


def test_a_conversation_that_expires_there_is_asked_in_a_fresh_one(site):
    near, far = pair(site)
    work(site, near, far)
    asked = near.ask("again?")
    wait_rows(far, 1)
    far.run("UPDATE conversations SET expires_at = ?", writer.now(-1))
    fresh = wait_rows(far, 2)[1]
    answer_by_hand(far, fresh, "here")
    assert json.loads(near.reply(asked)["text"])["answer"] == "here"


def test_only_rows_of_the_last_hours_are_read(site):
    near, far = pair(site)
    old = far.converse()
    db = writer.connect(str(far.path))
    db.executemany("INSERT INTO messages (conversation_id, from_session, to_session, message, timestamp, read)"
                   " VALUES (?, 'a', 'b', 'old', ?, 1)", [(old, writer.now(-90000))] * 20000)
    db.commit()
    db.close()
    legacy(site, far)
    work(site, near, far)
    assert near.reply(near.ask("quick?"))


# ── loops ───────────────────────────────────────────────────────────────────────────────────────────

def test_a_loop_of_two_bridges_is_refused_and_leaves_no_further_rows(site):
    near, far = pair(site)
    site.serve(far, settings=FAST)
    work(site, near, far)
    work(site, far, near)
    for asked in (near.ask("round?"), near.ask_text("round in words?")):
        reply = json.loads(near.reply(asked)["text"])
        assert reply["type"] == "error" and reply["attempts"] == 1
        assert "loop: this query has been in the other bridge already" in reply["error"]
    assert len(rows(near)) == 4 and len(rows(far)) == 4
    far.check_exactly_once(2)
    near.check_exactly_once(2)


def test_a_chain_of_three_bridges_answers_and_its_loop_is_refused(site):
    a, b, c = (site.bridge(f"{name}.db") for name in "abc")
    for bridge in (a, b, c):
        site.serve(bridge, settings=FAST)
    work(site, a, b)
    work(site, b, c)
    answerer = site.answerer(c)
    assert json.loads(a.reply(a.ask("far?"))["text"])["answer"] == "re: far?"
    through = answerer.queries[0].json["bridged"]["through"]
    assert through == [bridge_id(a), bridge_id(b)]
    answerer.stop()
    work(site, c, a)
    assert "loop" in json.loads(a.reply(a.ask("round?"))["text"])["error"]
    assert len(rows(a, "a")) == 2


def test_the_bridge_itself_is_refused_on_the_command_line_and_by_its_id(site, world):  # noqa: F811
    bridge = site.bridge()
    os.symlink(bridge.path, site.folder / "alias.db")
    done = tailgate("work", "--db", bridge.path, "--bridge", site.folder / "alias.db")
    assert done.returncode == 2 and "that is the bridge itself" in done.stderr
    site.serve(bridge)
    world.work("--bridge", bridge.path)
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "?", **{**SOURCE, "bridge": bridge_id(bridge)})
    error = json.loads(world.gate.answer())
    assert "loop" in error["error"] and error["retry"] is False
    assert rows(bridge) == []


# ── in the way ──────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_lock_delays_and_loses_nothing(site, journal):
    near, far = site.bridge("near.db"), site.bridge("far.db", conversation=False, journal=journal)
    site.serve(near, settings=FAST)
    work(site, near, far).wait_event("ready")
    db = sqlite3.connect(far.path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    asked = [near.ask(f"{n}?") for n in range(3)]
    with near.reading() as looking:
        wait_for(lambda: looking.execute("SELECT count(*) FROM messages").fetchone()[0] == 3, "the questions")
    db.execute("COMMIT")
    db.close()
    for number in range(3):
        row = wait_rows(far, number + 1)[number]
        answer_by_hand(far, row, f"to {json.loads(row['message'])['question']}")
    assert [json.loads(near.reply(row)["text"])["answer"] for row in asked] == ["to 0?", "to 1?", "to 2?"]
    near.check_exactly_once(3)


def test_a_lock_is_told_once_with_its_holder(site, world):  # noqa: F811
    far = site.bridge("far.db", conversation=False)
    program = world.work("--bridge", far.path, "--heartbeat", "60s")
    peer, _, _ = world.gate.ready()
    db = sqlite3.connect(far.path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    token = world.gate.ask(peer, "?", **SOURCE)
    said = program.wait_event("adapter")["say"]
    assert f"by process {os.getpid()}" in said
    db.execute("COMMIT")
    db.close()
    row, = wait_rows(far, 1)
    answer_by_hand(far, row, "unlocked")
    assert world.gate.answer(token) == b"unlocked"
    assert len(program.events("adapter")) == 1


def test_a_bridge_that_is_not_there_yet_is_waited_for(site, world):  # noqa: F811
    program = world.work("--bridge", site.folder / "far.db")
    assert "far.db: it is not there" in program.wait_event("adapter")["say"]
    assert not program.events("ready")
    far = site.bridge("far.db")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "?", **SOURCE)
    answer_by_hand(far, wait_rows(far, 1)[0], "made")
    assert world.gate.answer(token) == b"made"
    assert len(program.events("adapter")) == 1


def test_a_file_that_is_no_bridge_ends_the_worker_with_why(site):
    db = sqlite3.connect(site.folder / "other.db")
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()
    (site.folder / "text.db").write_text("no database at all, and long enough to be looked at " * 20)
    for name, why in (("other.db", "not a bridge"), ("text.db", "not an SQLite database")):
        done = tailgate("work", "--gate", f"ipc://{site.folder}/gate", "--bridge", site.folder / name)
        assert done.returncode == 1 and why in done.stderr, done.stderr


def test_a_bridge_replaced_under_the_worker_is_opened_anew(site, world):  # noqa: F811
    far = site.bridge("far.db")
    world.work("--bridge", far.path)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "?", **SOURCE)
    wait_rows(far, 1)
    fresh = site.bridge("fresh.db")
    for tail in ("-wal", "-shm"):
        (site.folder / f"far.db{tail}").unlink(missing_ok=True)
    os.rename(fresh.path, far.path)
    assert "was replaced" in world.gate.error(token), "at once, and not at the next query"
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "?", **SOURCE)
    answer_by_hand(far, wait_rows(far, 1)[0], "anew")
    assert world.gate.answer(token) == b"anew"


# ── what is odd ─────────────────────────────────────────────────────────────────────────────────────

def test_a_gateway_that_does_not_name_its_bridge_is_told_so(site, world):  # noqa: F811
    far = site.bridge("far.db")
    world.work("--bridge", far.path)
    peer, _, _ = world.gate.ready()
    for odd in ({}, {**SOURCE, "bridge": "../../x"}, {**SOURCE, "bridge": 7}, {**SOURCE, "message_id": -1},
                {**SOURCE, "conversation_id": None}):
        assert "does not say which bridge" in world.gate.error(world.gate.ask(peer, "?", **odd))
    assert rows(far) == []


def test_replies_to_others_are_not_taken_and_a_huge_one_is_refused(site, world):  # noqa: F811
    far = site.bridge("far.db")
    world.work("--bridge", far.path)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "?", **SOURCE)
    row, = wait_rows(far, 1)
    for text, metadata in (("chat", None), ('{"query_id":"q2","answer":1}', None),
                           ("x", '{"in_reply_to":99}'), ("x", '{"in_reply_to":"%d"}' % row["id"]),
                           ('{"query_id":"q1","answer":"another"}', "{broken")):
        far.send(text, metadata, row["conversation_id"] if metadata != "{broken" else far.conversation, session="b")
    answer_by_hand(far, row, "x" * ((16 << 20) + 1))
    assert "too large" in world.gate.error(token)


def test_a_large_answer_comes_whole(site, world):  # noqa: F811
    far = site.bridge("far.db")
    world.work("--bridge", far.path)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "x" * (3 << 20), **SOURCE)
    answer_by_hand(far, wait_rows(far, 1)[0], "ä" * (3 << 20))
    assert world.gate.answer(token).decode() == "ä" * (3 << 20)


def sleeps(pid):
    """How often the loop has gone to sleep."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE).group(1))


def test_commits_wake_nobody_while_nothing_is_out(site, world):  # noqa: F811
    far = site.bridge("far.db")
    program = world.work("--bridge", far.path, "--heartbeat", "60s")
    peer, _, _ = world.gate.ready()

    def woken_by_commits():
        before = sleeps(program.pid)
        for _ in range(30):
            far.send("chat")
            time.sleep(0.01)  # each is a wake-up of its own
        return sleeps(program.pid) - before

    assert woken_by_commits() <= 5
    token = world.gate.ask(peer, "?", **SOURCE)
    row = next(row for row in wait_for(lambda: [row for row in rows(far) if row["metadata"]], "the question"))
    assert woken_by_commits() >= 20
    answer_by_hand(far, row, "yes")
    assert world.gate.answer(token) == b"yes"
    wait_for(lambda: woken_by_commits() <= 5, "the loop to rest")


def test_descriptors_stay_the_same_and_a_stop_leaves_nothing(site, world):  # noqa: F811
    far = site.bridge("far.db")
    program = world.work("--bridge", far.path)
    peer, _, _ = world.gate.ready()
    before = None
    for n in range(20):
        token = world.gate.ask(peer, f"{n}?", message_id=n + 1, **SOURCE)
        answer_by_hand(far, wait_rows(far, n + 1)[n], f"{n}")
        assert world.gate.answer(token) == b"%d" % n
        before = before or descriptors(program.pid)
    assert descriptors(program.pid) == before
    program.stop()
    assert not alive(program.pid)


def test_bad_command_lines_are_explained(site):
    for words, why in ((("--bridge", site.folder / "no" / "x.db"), "its folder is not there"),
                       (("--bridge", site.folder), "it is a folder"),
                       (("--bridge", site.folder / "x.db", "--", "cat"), "--bridge takes no command"),
                       (("--bridge", site.folder / "x.db", "--echo"), "a worker has one adapter")):
        done = Program([TAILGATE_WORK, "--gate", f"ipc://{site.folder}/gate", *words])
        assert done.wait() == 2 and why in done.stderr.text()


