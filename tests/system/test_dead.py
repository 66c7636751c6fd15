"""`tailgate dead`: what was given up is listed, shown, asked again and dropped, with a gateway and without."""

import json
import os
import pty
import select
import subprocess

import pytest

from harness import TAILGATE, environment, finished, one_line, tailgate, wait_for

QUICK = {"attempts": 2, "backoff.first": "5ms", "backoff.max": "10ms"}
HOSTILE = "no \x1b[2J\u202e way\nState         answered"


def dead(bridge, verb, *words):
    return tailgate("dead", verb, "--db", bridge.path, *words)


def lines(done):
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def listed(bridge, *words):
    done = dead(bridge, "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    return lines(done)


def shown(bridge, message_id):
    done = dead(bridge, "show", message_id, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def actions(bridge, action):
    with bridge.reading() as db:
        return [(row["conversation_id"], row["session_id"], json.loads(row["details"])) for row in db.execute(
            "SELECT * FROM audit_log WHERE action = ? ORDER BY id", (action,))]


def kill_queries(site, bridge, *asks, error="it cannot be"):
    """Has a worker fail on queries until they are dead, one after the other: each of ASKS is the id of one, or asks
    one. No gateway runs afterwards."""
    gateway = site.serve(bridge, settings=QUICK)
    worker = site.answerer(bridge, answer=lambda query: {"type": "error", "error": error}, name="bad")
    for ask in asks:
        message_id = ask() if callable(ask) else ask
        assert json.loads(bridge.reply(message_id)["text"])["type"] == "error"
    worker.stop()
    gateway.stop()


@pytest.fixture(name="buried")
def make_buried(site):
    """A bridge with a JSON query that died, and then a plain question of another service."""
    bridge = site.bridge()
    kill_queries(site, bridge, lambda: bridge.ask("why?", metadata={"weight": 3}),
                 lambda: bridge.ask_text("and how?", service="docs"))
    return bridge


def age(bridge, message_id, stamp="2020-01-01T00:00:00"):
    bridge.run("UPDATE tailgate_delivery SET updated_at = ? WHERE message_id = ?", stamp, message_id)


# list and show


def test_dead_queries_are_listed_with_why_and_when_beside_a_running_gateway(site, buried):
    site.serve(buried)
    one, two = sorted(listed(buried), key=lambda line: line["message_id"])
    assert (one["message_id"], one["service"], one["attempts"], one["failed"]) == (1, "default", 2, 2)
    assert (two["message_id"], two["service"]) == (3, "docs")
    assert one["reason"] == "it cannot be" and one["live"] and one["redriven_as"] is None
    assert one["conversation_id"] == buried.conversation and one["died_at"][:4].isdigit()
    done = dead(buried, "list")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["1", "3"]
    assert all(len(line.split("\t")) == 6 for line in done.stdout.splitlines())
    assert one_line(done) == "2 dead queries"


def test_a_list_is_narrowed_by_service_age_and_limit(buried):
    age(buried, 1)
    assert [line["message_id"] for line in listed(buried, "--service", "docs")] == [3]
    assert [line["message_id"] for line in listed(buried, "--older-than", "30d")] == [1]
    assert listed(buried, "--older-than", "99999d") == []
    assert listed(buried, "--service", "docs", "--older-than", "30d") == []
    done = dead(buried, "list", "--limit", "1")
    assert len(done.stdout.splitlines()) == 1
    assert "1 of 2" in one_line(done)


def test_show_tells_question_reason_and_each_attempt(buried):
    told = shown(buried, 1)
    assert told["state"] == "dead" and json.loads(told["question"])["question"] == "why?"
    assert [(item["attempt"], item["worker"], item["reason"]) for item in told["history"]] == [
        (1, "bad", "it cannot be"), (2, "bad", "it cannot be")]
    assert told["answers"] == [] and told["redriven_as"] is None
    text = dead(buried, "show", 1).stdout
    for word in ("why?", "it cannot be", "attempt 2", "worker bad", buried.conversation):
        assert word in text


def test_show_of_what_is_neither_dead_nor_kept_says_so(site, buried):
    site.mdp(buried)
    done = dead(buried, "show", 99)
    assert done.returncode == 1 and "99 is not dead" in one_line(done) and not done.stdout


def test_hostile_texts_move_no_cursor_and_forge_no_line(site):
    bridge = site.bridge()
    kill_queries(site, bridge, bridge.ask_text(f"ask {HOSTILE}"), error=HOSTILE)
    for done in (dead(bridge, "list"), dead(bridge, "show", 1)):
        assert done.returncode == 0
        assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
        assert "\\x1b[2J\\u202e way" in done.stdout
        assert not any(line.startswith("State         answered") for line in done.stdout.splitlines())
    assert len(dead(bridge, "list").stdout.splitlines()) == 1
    assert shown(bridge, 1)["reason"] == listed(bridge)[0]["reason"] == HOSTILE


def test_history_that_somebody_has_edited_is_shown_all_the_same(buried):
    buried.run("UPDATE tailgate_delivery SET history = ? WHERE message_id = 1", "[1, {\"at\": \x1b")
    assert "\x1b" not in dead(buried, "show", 1).stdout
    assert shown(buried, 1)["history"] == "[1, {\"at\": \x1b"
    buried.run("UPDATE tailgate_delivery SET history = '[1, {}]' WHERE message_id = 1")
    assert dead(buried, "show", 1).returncode == 0
    assert shown(buried, 1)["history"] == [1, {}]


# kept answers


def keep_one(site, bridge, spoil, **members):
    """A query whose answer comes when SPOIL(id) has been done. Returns its id."""
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, heartbeats=True, interval=30000)
    message_id = bridge.ask("worth it?", **members)
    query = worker.request()
    spoil(message_id)
    worker.final(query.token, {"answer": "forty \x1b[31m two"})

    def kept():
        with bridge.reading() as db:
            return db.execute("SELECT count(*) FROM tailgate_answer").fetchone()[0] == 1
    wait_for(kept, "the answer to be kept")
    gateway.stop()
    return message_id


def test_answer_to_a_query_that_somebody_took_is_kept_and_shown(site):
    bridge = site.bridge()
    kept = keep_one(site, bridge, lambda id_: bridge.run("UPDATE messages SET read = 1 WHERE id = ?", id_))
    answer, = shown(bridge, kept)["answers"]
    assert answer["why"] == "superseded" and "forty" in answer["answer"] and answer["attempt"] == 1
    text = dead(bridge, "show", kept).stdout
    assert "superseded" in text and "worth it?" in text and "forty" in text and "\x1b" not in text
    assert "not dead" in text


def test_answer_to_a_deleted_query_is_kept_and_shown(site):
    bridge = site.bridge()
    kept = keep_one(site, bridge, lambda id_: bridge.run("DELETE FROM messages WHERE id = ?", id_))
    told = shown(bridge, kept)
    assert told["answers"][0]["why"] == "deleted"
    assert told["question"] is None and told["state"] is None
    assert "gone" in dead(bridge, "show", kept).stdout


def test_whole_of_a_cut_answer_is_shown(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge, answer=lambda query: {"answer": "x" * 60000})
    message_id = bridge.ask("long?")
    assert bridge.reply(message_id)["metadata"]["truncated"] is True
    gateway.stop()
    answer, = shown(bridge, message_id)["answers"]
    assert answer["why"] == "cut" and "x" * 60000 in answer["answer"]


# redrive


def test_redriven_query_is_a_new_message_that_a_good_worker_answers(site, buried):
    site.serve(buried)
    site.answerer(buried)
    done = dead(buried, "redrive", 1, 3)
    assert done.returncode == 0, done.stderr
    (one, first), (two, second) = [map(int, line.split(" -> ")) for line in done.stdout.splitlines()]
    assert (one, two) == (1, 3)
    assert json.loads(buried.reply(first)["text"])["answer"] == "re: why?"
    assert buried.reply(second)["text"] == "re: and how?"
    old, new = buried.row(1), buried.row(first)
    for column in ("conversation_id", "from_session", "to_session", "message"):
        assert old[column] == new[column]
    assert json.loads(new["metadata"]) == {"weight": 3, "redrive_of": 1}
    assert json.loads(buried.row(second)["metadata"]) == {
        "action_type": "question", "service": "docs", "redrive_of": 3}
    assert listed(buried) == []
    assert [(line["message_id"], line["redriven_as"]) for line in listed(buried, "--all")] == [
        (1, first), (3, second)]
    buried.check_exactly_once(4)


def test_each_redrive_leaves_the_audit_rows_of_a_send_and_of_its_own(buried):
    new, = [line["redriven_as"] for line in lines(dead(buried, "redrive", 1, "--json"))]
    assert actions(buried, "dead_redriven") == [
        (buried.conversation, "a", {"message_id": 1, "redriven_as": new})]
    sent = actions(buried, "send_message")[-1]
    assert sent == (buried.conversation, "a", {
        "to": "b", "message_length": len(buried.row(new)["message"]), "redacted": False})


def test_redrive_without_a_gateway_waits_in_the_file(site, buried):
    new, = [line["redriven_as"] for line in lines(dead(buried, "redrive", 1, "--json"))]
    assert buried.row(new)["read"] == 0
    site.serve(buried)
    site.answerer(buried)
    assert json.loads(buried.reply(new)["text"])["answer"] == "re: why?"


def test_what_cannot_be_asked_again_is_refused_and_the_others_go_on(site, buried):
    other = buried.converse()
    gone = buried.ask("gone?", conversation=other)
    kill_queries(site, buried, gone)
    buried.run("DELETE FROM messages WHERE id = ?", gone)
    done = dead(buried, "redrive", gone, 99, 1)
    assert done.returncode == 1
    assert done.stdout.startswith("1 -> ") and len(done.stdout.splitlines()) == 1
    refused = done.stderr.splitlines()
    assert len(refused) == 2 and f"message {gone} is gone" in refused[0] and "99 is not dead" in refused[1]


def test_redrive_into_an_expired_conversation_is_refused(buried):
    buried.run("UPDATE conversations SET expires_at = '2020-01-01 00:00:00'")
    with buried.reading() as db:
        before = db.execute("SELECT count(*), max(id) FROM messages").fetchone()[:]
    done = dead(buried, "redrive", 1)
    assert done.returncode == 1 and "expired" in one_line(done)
    assert lines(dead(buried, "redrive", 3, "--json")) == [{"message_id": 3, "refused": "expired"}]
    with buried.reading() as db:
        assert db.execute("SELECT count(*), max(id) FROM messages").fetchone()[:] == before
    assert actions(buried, "dead_redriven") == []
    assert [line["live"] for line in listed(buried)] == [False, False]


def test_second_redrive_wants_again(buried):
    assert dead(buried, "redrive", 1).returncode == 0
    done = dead(buried, "redrive", 1)
    assert done.returncode == 1 and "--again" in one_line(done)
    first = shown(buried, 1)["redriven_as"]
    new, = [line["redriven_as"] for line in lines(dead(buried, "redrive", 1, "--again", "--json"))]
    assert new > first and shown(buried, 1)["redriven_as"] == new


@pytest.mark.parametrize("metadata", [None, "[1]", "{broken", '{"action_type": "info", "x": 1}'])
def test_plain_question_stays_one_when_its_metadata_were_changed(buried, metadata):
    buried.run("UPDATE messages SET metadata = ? WHERE id = 3", metadata)
    new, = [line["redriven_as"] for line in lines(dead(buried, "redrive", 3, "--json"))]
    told = json.loads(buried.row(new)["metadata"])
    assert told.pop("x", 1) == 1
    assert told == {"action_type": "question", "redrive_of": 3}


def test_message_that_is_no_question_any_more_is_not_asked(buried):
    buried.run("UPDATE messages SET message = '{\"type\": \"response\"}' WHERE id = 1")
    done = dead(buried, "redrive", 1)
    assert done.returncode == 1 and "not a question any more" in one_line(done)


# by service, by age, all


def test_redrive_by_service_and_by_age_takes_only_those(buried):
    age(buried, 1)
    done = dead(buried, "redrive", "--service", "docs", "--yes", "--json")
    assert [line["message_id"] for line in lines(done)] == [3]
    done = dead(buried, "redrive", "--older-than", "30d", "--yes", "--json")
    assert [line["message_id"] for line in lines(done)] == [1]
    done = dead(buried, "redrive", "--all", "--yes")
    assert done.returncode == 0 and "No dead query matches" in one_line(done)


def test_many_are_dropped_in_batches_with_an_audit_row_each(buried):
    insert = ("INSERT INTO tailgate_delivery (message_id, conversation_id, service, state, attempt, failed, reason,"
              " updated_at) WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1349)"
              " SELECT i, ?, 'bulk', 'dead', 5, 5, 'x', '2026-01-01T00:00:00' FROM n")
    buried.run(insert, buried.conversation)
    done = dead(buried, "drop", "--service", "bulk", "--yes")
    assert done.returncode == 0 and done.stdout == "350 dropped\n"
    assert [line["message_id"] for line in listed(buried)] == [1, 3]
    assert len(actions(buried, "dead_dropped")) == 350
    assert actions(buried, "dead_dropped")[0] == (buried.conversation, None, {"message_id": 1000})


def test_without_ids_a_script_must_say_yes(buried):
    for verb in ("redrive", "drop"):
        done = dead(buried, verb, "--all")
        assert done.returncode == 2 and "--yes" in one_line(done)
    assert len(listed(buried)) == 2
    with buried.reading() as db:
        assert db.execute("SELECT count(*) FROM messages").fetchone()[0] == 4


@pytest.mark.parametrize("words", [
    (), ("1", "--all"), ("--all", "--service", "docs"), ("zero",), ("0",), ("-5",), ("9" * 30,), ("1", "--limit", "2")])
def test_words_that_do_not_go_together_change_nothing(buried, words):
    for verb in ("redrive", "drop"):
        done = dead(buried, verb, *words)
        assert done.returncode == 2, (words, done.stdout)
        one_line(done)
    assert len(listed(buried)) == 2


def on_terminal(bridge, typed, *words):
    """Runs `tailgate dead WORDS` on a terminal, types TYPED; returns its exit code and what was to be seen."""
    master, slave = pty.openpty()
    process = subprocess.Popen([str(TAILGATE), "dead", *words, "--db", str(bridge.path)], stdin=slave, stdout=slave,
                               stderr=slave, env=environment(TERM="xterm"))
    os.close(slave)
    os.write(master, typed)
    seen = b""
    while True:
        assert select.select([master], [], [], 60)[0], "the command does not end"
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    return process.wait(60), seen.decode()


def test_on_a_terminal_a_table_is_shown_and_a_person_is_asked(buried):
    code, seen = on_terminal(buried, b"", "list")
    assert code == 0 and "REASON" in seen and "2 dead queries" in seen
    code, seen = on_terminal(buried, b"n\n", "redrive", "--all")
    assert code == 1 and "Redrive 2 dead queries?" in seen and "nothing was changed" in seen
    assert len(listed(buried)) == 2
    code, seen = on_terminal(buried, b"y\n", "drop", "--all")
    assert code == 0 and "2 dropped" in seen
    assert listed(buried, "--all") == []


# drop


def test_drop_keeps_the_answers_unless_told_otherwise(buried):
    keep = "INSERT INTO tailgate_answer (message_id, conversation_id, why, worker, attempt, answer, kept_at)" \
           " VALUES (?, ?, 'refused', 'w', 1, 'paid', '2026-01-01T00:00:00')"
    for message_id in (1, 3):
        buried.run(keep, message_id, buried.conversation)
    done = dead(buried, "drop", 1, 99)
    assert done.returncode == 1 and done.stdout == "1 dropped\n" and "99 is not dead" in one_line(done)
    assert lines(dead(buried, "drop", 3, "--answers", "--json")) == [{"message_id": 3, "dropped": True}]
    assert shown(buried, 1)["answers"][0]["answer"] == "paid"
    assert dead(buried, "show", 3).returncode == 1
    assert [details for _, _, details in actions(buried, "dead_dropped")] == [{"message_id": 1}, {"message_id": 3}]
    with buried.reading() as db:
        assert db.execute("SELECT count(*) FROM messages").fetchone()[0] == 4, "the bridge's rows stay"
    buried.check_exactly_once(2)


# files


def test_lock_that_somebody_holds_is_waited_for(site, buried):
    lock = site.spawn("/usr/bin/python3", "-c", "import sqlite3, sys\n"
                      "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
                      "db.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.readline()\n"
                      "db.execute('ROLLBACK')", buried.path, stdin=subprocess.PIPE)
    assert lock.stdout.readline() == "held\n"
    command = site.spawn(TAILGATE, "dead", "drop", "1", "--db", buried.path)
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(0.3)
    lock.stdin.write("\n")
    lock.stdin.flush()
    assert finished(command) == "1 dropped\n"


def test_file_that_no_gateway_has_served_has_no_dead_queries(site):
    bridge = site.bridge()
    bridge.ask("?")
    done = dead(bridge, "list")
    assert done.returncode == 0 and not done.stdout and "No query is dead" in one_line(done)
    for verb in ("show", "redrive", "drop"):
        done = dead(bridge, verb, 1)
        assert done.returncode == 1 and "1 is not dead" in one_line(done)
    assert dead(bridge, "redrive", "--all", "--yes").returncode == 0
    with bridge.reading() as db:
        assert not db.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'tailgate%'").fetchall()
        assert db.execute("SELECT count(*) FROM messages").fetchone()[0] == 1


def test_what_is_not_a_bridge_is_refused_and_left_alone(site):
    notes = site.folder / "notes.txt"
    notes.write_text("notes\n" * 1000)
    newer = site.bridge("newer.db")
    newer.run("CREATE TABLE tailgate_meta (key TEXT PRIMARY KEY, value NOT NULL)")
    newer.run("INSERT INTO tailgate_meta VALUES ('schema_version', 99)")
    for path in (notes, newer.path):
        for words in (("list",), ("show", 1), ("redrive", 1), ("drop", 1)):
            done = tailgate("dead", *words, "--db", path)
            assert done.returncode == 6, (words, done.stderr)
            one_line(done)
    done = tailgate("dead", "drop", "--all", "--yes", "--db", site.folder / "nowhere.db")
    assert done.returncode == 1 and not (site.folder / "nowhere.db").exists()


def test_each_verb_has_its_help_and_a_missing_one_is_named():
    for words in (("--help",), ("list", "--help"), ("show", "--help"), ("redrive", "--help"), ("drop", "--help")):
        done = tailgate("dead", *words)
        assert done.returncode == 0 and "Usage: tailgate dead" in done.stdout
    for words in ((), ("redrvie",), ("--db", "x", "list")):
        done = tailgate("dead", *words)
        assert done.returncode == 2
        one_line(done)


def test_answer_that_comes_after_its_query_is_dead_is_kept(site):
    bridge = site.bridge()
    site.serve(bridge, settings={"lease": "300ms", "attempts": 1})
    worker = site.mdp(bridge)
    message = bridge.ask("too hard?")
    token = worker.request().token
    assert json.loads(bridge.reply(message)["text"])["type"] == "error"
    worker.final(token, {"answer": "at last"})

    def kept():
        with bridge.reading() as db:
            return db.execute("SELECT why, answer FROM tailgate_answer WHERE message_id = ?",
                              (message,)).fetchall()
    (why, answer), = wait_for(kept, "the late answer to be kept")
    assert why == "refused" and "at last" in answer
    bridge.check_exactly_once(1)
