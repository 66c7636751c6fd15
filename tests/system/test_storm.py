"""kill -9, again and again, of gateways, workers and writers, at random instants and at named ones: nothing lost,
nothing answered twice. And the checker that says so is seen to complain. `storm` runs it at any size."""

import shutil
import signal
import sqlite3

import pytest

import storm_check
from process import LONG, Program, environment, wait_for
from storm_run import POINTS, Storm
from storm_world import CRASHING

KILLS, QUERIES = (2000, 1000000) if LONG else (50, 5000)


@pytest.fixture(scope="module")
def storm():
    made = Storm(KILLS, QUERIES, say=print)
    try:
        yield made.run()
    finally:
        made.close()


def test_nothing_is_lost_or_doubled_by_kills(storm):
    print(storm.report())
    assert not storm.broken, storm.report()
    assert storm.world.kill_count() >= KILLS
    assert storm.tally["queries"] >= QUERIES
    assert storm.tally["pending"] == 0
    assert storm.tally["dead"] >= storm.world.poisoned, "a poisonous query did not end dead"


def test_observers_have_every_row_once_whatever_was_killed(storm):
    for name, tally in storm.watched.items():
        assert tally["missing"] == 0 and tally["doubles"] == 0, f"{name}: {tally}"
        assert tally["runs"] > 1 and tally["live"] > 0, f"{name}: {tally}"


@pytest.mark.parametrize("point", [point for point in POINTS if point != "announced"])
def test_each_named_point_kills_and_loses_nothing(site, point):
    """Once in the first transaction of a run, and once among answers."""
    bridge = site.bridge()
    site.answerer(bridge, slots=4)
    bridge.ask_many(f"{n}?" for n in range(20))
    for times in (1, 15):
        gateway = Program([CRASHING, "serve", "--db", bridge.path], env=environment(TAILGATE_CRASH=f"{point}:{times}"))
        wait_for(lambda: bridge.ask("more?") and not gateway.running(), f"the gateway to die {point}")
        assert gateway.wait() == -signal.SIGKILL
    with bridge.reading() as db:
        asked = db.execute("SELECT count(*) FROM messages WHERE from_session = 'a'").fetchone()[0]
    site.serve(bridge)
    bridge.wait_replies(asked)
    bridge.check_exactly_once(asked)


ANSWERED = ("(SELECT max(m.id) FROM messages m WHERE m.from_session = 'b'"
            " AND json_extract(m.message, '$.type') = 'response')")
ASKED = f"(SELECT json_extract(metadata, '$.in_reply_to') FROM messages WHERE id = {ANSWERED})"
DEAD = "(SELECT max(message_id) FROM tailgate_delivery WHERE state = 'dead')"
ASK = ("INSERT INTO messages (conversation_id, from_session, to_session, message, timestamp, read)"
       " SELECT conversation_id, 'a', 'b', '{{\"type\": \"query\", \"query_id\": \"late\"}}', timestamp, {0}"
       f" FROM messages WHERE id = {ANSWERED}")

# What is done to a copy of the final file, and the promise that is broken by it.
DAMAGES = {
    "second reply": ("a query has one reply", f"""
        INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
        SELECT conversation_id, from_session, to_session, message, metadata, timestamp, 0
        FROM messages WHERE id = {ANSWERED}"""),
    "lost reply": ("a read query has a reply", f"DELETE FROM messages WHERE id = {ANSWERED}"),
    "read without a reply": ("a read query has a reply", ASK.format(1)),
    "reply without read": ("a query with a reply is read", f"UPDATE messages SET read = 0 WHERE id = {ASKED}"),
    "orphan": ("a reply has its query", f"""
        UPDATE messages SET metadata = '{{"in_reply_to": 999999999}}' WHERE id = {ANSWERED}"""),
    "reply in another conversation": ("a reply has its query", f"""
        UPDATE messages SET conversation_id = (SELECT min(id) FROM conversations c
            WHERE c.id <> messages.conversation_id) WHERE id = {ANSWERED}"""),
    "somebody else's answer": ("an answer is that of its query", f"""
        UPDATE messages SET message = json_set(message, '$.answer', 're: something else') WHERE id = {ANSWERED}"""),
    # Several: a writer that was killed before it was told of its COMMIT has not written the row down.
    "lost query": ("a committed query stays", """
        DELETE FROM messages WHERE id IN (SELECT json_extract(metadata, '$.in_reply_to') FROM messages
            WHERE from_session = 'b' AND json_extract(message, '$.type') = 'response' ORDER BY id DESC LIMIT 20)"""),
    "still pending": ("nothing is pending at the end", ASK.format(0)),
    "below the mark and not parked": ("the next start finds what is pending", ASK.format(0) + """;
        UPDATE tailgate_meta SET value = 999999999 WHERE key = 'low_water'"""),
    "missing audit row": ("a reply has its audit row", """
        DELETE FROM audit_log WHERE id = (SELECT max(id) FROM audit_log WHERE action = 'send_message'
            AND session_id = 'b' AND conversation_id IN (SELECT conversation_id FROM messages))"""),
    "audit row too many": ("an audit row has its reply", """
        INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
        SELECT conversation_id, session_id, action, details, timestamp FROM audit_log
        WHERE action = 'send_message' AND session_id = 'b'
            AND conversation_id IN (SELECT conversation_id FROM messages) ORDER BY id DESC LIMIT 1"""),
    "missing query_dead": ("a dead query has its audit row", "DELETE FROM audit_log WHERE action = 'query_dead'"),
    "dead and not listed": ("a dead query is listed", f"DELETE FROM tailgate_delivery WHERE message_id = {DEAD}"),
    "listed and not dead": ("what is listed as dead has an error reply", f"""
        DELETE FROM messages WHERE json_extract(metadata, '$.in_reply_to') = {DEAD}"""),
    "left in hand": ("nothing is left in hand at the end", f"""
        UPDATE tailgate_delivery SET state = 'leased' WHERE message_id = {DEAD}"""),
    "left parked": ("nothing is left parked at the end", f"INSERT INTO tailgate_parked VALUES ({ASKED})"),
    "two ends": ("a query ends once", f"""
        INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
        SELECT conversation_id, 'b', 'query_superseded', json_object('message_id', id), timestamp
        FROM messages WHERE id = {ASKED}"""),
    "an end that is not true": ("an end is true", f"""
        INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
        SELECT conversation_id, 'b', 'query_expired', json_object('message_id', id), timestamp
        FROM messages WHERE id = {ASKED}"""),
}


def copy_of(storm, folder):
    """A copy of the final file: its last user has closed it, and no -wal is left."""
    return shutil.copy(storm.world.db, folder / "broken.db")


@pytest.mark.parametrize("damage", DAMAGES)
def test_checker_sees(storm, tmp_path, damage):
    promise, sql = DAMAGES[damage]
    path = copy_of(storm, tmp_path)
    db = sqlite3.connect(path)
    db.executescript(sql)
    db.close()
    broken, _ = storm_check.check(path, storm.folder, final=True)
    assert promise in {what for what, _, _ in broken}, f"it saw {broken[:5]}"


def test_checker_sees_what_somebody_else_took(storm, tmp_path):
    """The log says so, not the file."""
    path = copy_of(storm, tmp_path)
    db = sqlite3.connect(path)
    row = db.execute(f"SELECT {ASKED}").fetchone()[0]
    db.close()
    (tmp_path / "w0.log").write_text(f'{{"taking": {row}}}\n{{"took": {row}}}\n')
    broken, _ = storm_check.check(path, tmp_path, final=True)
    assert ("what somebody else took is not answered", row, None) in broken


def test_checker_sees_an_unsound_file(storm, tmp_path):
    path = copy_of(storm, tmp_path)
    with open(path, "r+b") as file:
        page = 4096
        file.seek(page * 8)
        file.write(b"\xff" * page)
    broken, _ = storm_check.check(path, storm.folder, final=True)
    assert "the file is sound" in {promise for promise, _, _ in broken}, f"it saw {broken[:5]}"
