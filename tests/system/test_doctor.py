"""`tailgate doctor`: how a file is, and rows whose read flag somebody has set back."""

import sqlite3

import pytest

from doctors import doctor, findings, reasons, told
from harness import one_line, tailgate, wait_for

QUICK = {"park.after": "100ms"}


def wait_mark(bridge, message_id):
    """Waits until the low-water mark is at or above MESSAGE_ID."""
    def passed():
        with bridge.reading() as db:
            row = db.execute("SELECT value FROM tailgate_meta WHERE key = 'low_water'").fetchone()
            return row and row[0] >= message_id
    wait_for(passed, f"the low-water mark to pass {message_id}")


def reset(bridge, *ids):
    for message_id in ids:
        bridge.run("UPDATE messages SET read = 0 WHERE id = ?", message_id)


def replies_to(bridge, message_id):
    return len(bridge.replies(to=message_id))


def serve_some(site, bridge, count=3):
    """Has COUNT queries answered, and the mark pass them. Returns their ids and the gateway."""
    gateway = site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    ids = [bridge.ask(f"{n}?") for n in range(count)]
    bridge.wait_replies(count)
    wait_mark(bridge, ids[-1])
    return ids, gateway


def test_report_tells_versions_journal_and_counts(site):
    bridge = site.bridge()
    ids, gateway = serve_some(site, bridge)
    bridge.send("no query")
    report = told(bridge)
    assert report["bridge"] is True and report["schema_version"] == 5
    version = tuple(map(int, report["sqlite"]["version"].split(".")))
    assert report["sqlite"]["wal_reset_bug"] is ((3, 7, 0) <= version <= (3, 51, 2))
    assert report["journal_mode"] == "wal" and report["wal_bytes"] > 0
    assert report["gateway"] == gateway.pid and report["session"] == "b"
    assert report["low_water"] >= ids[-1]
    assert [report[name] for name in ("unread_queries", "parked", "dead", "kept_answers")] == [0, 0, 0, 0]
    assert report["integrity"] is None and report["rescan"] is None and report["unknown"] == {"count": 0, "ids": []}
    text = doctor(bridge).stdout
    assert f"pid {gateway.pid}" in text and "wal" in text and report["sqlite"]["version"] in text


def test_file_that_no_gateway_has_served_is_reported_and_left_as_it_is(site):
    bridge = site.bridge()
    for n in range(2):
        bridge.ask(f"{n}?")
    for words in ((), ("--rescan",)):
        report = told(bridge, *words)
        assert (report["schema_version"], report["low_water"], report["gateway"]) == (None, None, None)
        assert report["unread_queries"] == 2 and report["unknown"]["count"] == 0
    with bridge.reading() as db:
        assert not db.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'tailgate%'").fetchall()


def test_sound_file_and_damaged_one_are_told_apart(site):
    bridge = site.bridge(journal="DELETE")
    bridge.ask_many("x" * 500 for _ in range(300))
    assert told(bridge, "--check")["integrity"] == ["ok"]
    with open(bridge.path, "r+b") as file:  # the last page is not where the schema is
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    done = doctor(bridge, "--check")
    assert done.returncode == 1, (done.stdout, done.stderr)


def test_query_whose_flag_was_reset_is_found_and_a_running_gateway_answers_it(site):
    bridge = site.bridge()
    ids, gateway = serve_some(site, bridge)
    reset(bridge, ids[1])
    wait_mark(bridge, bridge.send("no query"))  # the gateway has seen that commit, too
    assert replies_to(bridge, ids[1]) == 1, "nobody looks below the mark"
    assert told(bridge)["unknown"] == {"count": 1, "ids": [ids[1]]}
    text = doctor(bridge).stdout
    assert f"(id {ids[1]})" in text and "--rescan" in text
    report = told(bridge, "--rescan")
    assert report["rescan"] == {"found": 1, "ids": [ids[1]], "told": True}
    wait_for(lambda: replies_to(bridge, ids[1]) == 2, "the query to be answered again")
    assert gateway.running()

    def unparked():
        with bridge.reading() as db:
            return db.execute("SELECT count(*) FROM tailgate_parked").fetchone()[0] == 0
    wait_for(unparked, "what was answered to be parked no more")
    assert told(bridge, "--rescan")["rescan"]["found"] == 0


def test_without_a_gateway_its_next_start_takes_what_was_found(site):
    bridge = site.bridge()
    ids, gateway = serve_some(site, bridge)
    gateway.stop()
    reset(bridge, ids[0], ids[2])
    report = told(bridge, "--rescan")
    assert report["rescan"] == {"found": 2, "ids": [ids[0], ids[2]], "told": False}
    assert report["parked"] == 2
    again = told(bridge, "--rescan")
    assert again["rescan"]["found"] == again["unknown"]["count"] == 0, "what is parked is not found again"
    site.serve(bridge, settings=QUICK)
    for message_id in (ids[0], ids[2]):
        wait_for(lambda wanted=message_id: replies_to(bridge, wanted) == 2, "the query to be answered again")
    assert replies_to(bridge, ids[1]) == 1


def test_rescan_leaves_alone_what_nobody_is_to_answer(site):
    bridge = site.bridge()
    prose = bridge.send("no query")
    over = bridge.ask("expired?", conversation=bridge.converse())
    ids, gateway = serve_some(site, bridge)
    bridge.wait_replies(4)
    gateway.stop()
    bridge.run("UPDATE conversations SET expires_at = '2020-01-01T00:00:00' WHERE id ="
               " (SELECT conversation_id FROM messages WHERE id = ?)", over)
    reset(bridge, over, ids[0])
    report = told(bridge, "--rescan")
    assert report["rescan"]["ids"] == [ids[0]] and report["unread_queries"] == 1
    assert bridge.row(prose)["read"] == 0


def test_session_is_the_one_that_was_served(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**QUICK, "serve.session": "c"})
    site.answerer(bridge)
    message_id = bridge.send('{"type": "query", "question": "c?"}', to="c")
    wait_for(lambda: replies_to(bridge, message_id) == 1, "the answer of session c")
    wait_mark(bridge, message_id)
    gateway.stop()
    reset(bridge, message_id)
    assert told(bridge)["session"] == "c" and told(bridge)["unknown"]["ids"] == [message_id]
    assert told(bridge, "--session", "b")["unknown"]["count"] == 0


def test_thousands_are_found_and_twenty_are_named(site):
    bridge = site.bridge()
    _, gateway = serve_some(site, bridge, 1)
    gateway.stop()
    more = bridge.ask_many([f"{n}?" for n in range(2500)])
    bridge.run("UPDATE tailgate_meta SET value = ? WHERE key = 'low_water'", more[-1])
    report = told(bridge, "--rescan")
    assert report["rescan"] == {"found": 2500, "ids": more[:20], "told": False}
    assert report["parked"] == 2500 and report["unread_queries"] == 2500


def test_old_rows_of_a_large_file_are_looked_at_only_when_asked_to(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("first?"))
    gateway.stop()
    bridge.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100100) INSERT INTO messages"
               " (conversation_id, from_session, to_session, message, timestamp, read)"
               " SELECT ?, 'a', 'b', 'x', '2026-01-01T00:00:00', 1 FROM n", bridge.conversation)
    last = bridge.send("no query")
    bridge.run("INSERT OR REPLACE INTO tailgate_meta VALUES ('low_water', ?)", last)
    bridge.run("UPDATE messages SET read = 0 WHERE id = 1")
    new = bridge.ask("new?")
    report = told(bridge)
    assert report["unknown"] is None and reasons(report) == {"no-gateway": ("default", [new])}
    assert told(bridge, "--rescan")["rescan"]["ids"] == [1]


def test_index_is_made_only_when_asked_for_and_then_told(site):
    bridge = site.bridge()
    bridge.ask("?")

    def plan():
        with bridge.reading() as db:
            return db.execute("EXPLAIN QUERY PLAN SELECT * FROM messages WHERE to_session = 'b' AND read = 0"
                              ).fetchone()["detail"]
    told(bridge, "--fix")
    assert "SCAN" in plan()
    assert any("is made" in finding["what"] for finding in findings(told(bridge, "--add-index"), "indexes", "ok"))
    assert "SEARCH" in plan()
    said, = findings(told(bridge), "indexes", "ok")
    assert "tailgate_unread" in said["what"] and "each INSERT writes about one page more" in said["what"]


@pytest.mark.parametrize("words", [("extra",), ("--rescann",)])
def test_wrong_words_are_usage(site, words):
    done = doctor(site.bridge(), *words)
    assert done.returncode == 2
    one_line(done)


def test_what_is_not_a_bridge_is_refused(site):
    path = site.folder / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE recipes (id)")
    db.close()
    done = tailgate("doctor", "--db", path, "--rescan")
    assert done.returncode == 6 and "not a bridge" in one_line(done)
    done = tailgate("doctor", "--db", site.folder / "nowhere.db")
    assert done.returncode == 1 and not (site.folder / "nowhere.db").exists()
