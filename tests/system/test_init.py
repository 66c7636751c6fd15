"""`tailgate init` makes a bridge that the public bridge opens, and nothing else."""

import datetime
import json
import os
import re
import sqlite3

import pytest

import writer
from harness import find_member, one_line, tailgate


def columns(path, table):
    db = sqlite3.connect(path)
    try:
        return [tuple(row[1:]) for row in db.execute(f"PRAGMA table_info({table})")]
    finally:
        db.close()


def test_schema_is_the_bridges_own(site):
    made, bridge = site.folder / "made.db", site.folder / "python.db"
    assert tailgate("init", made).returncode == 0
    writer.make(str(bridge))
    for table in ("conversations", "messages", "session_status", "audit_log"):
        assert columns(made, table) == columns(bridge, table), table
    db = sqlite3.connect(made)
    sql = db.execute("SELECT sql FROM sqlite_master WHERE name = 'messages'").fetchone()[0]
    mode = db.execute("PRAGMA journal_mode").fetchone()[0]
    ours = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")]
    indexes = db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
                         " AND tbl_name NOT LIKE 'tailgate_%'").fetchone()[0]
    db.close()
    assert "AUTOINCREMENT" in sql.upper()
    assert mode == "wal"
    assert indexes == 0, "no index of ours on their tables"
    theirs = {"conversations", "messages", "session_status", "audit_log", "sqlite_sequence"}
    assert not [name for name in ours if name not in theirs and not name.startswith("tailgate_")]


def test_json_names_the_conversation_and_both_tokens(site):
    path = site.folder / "bridge.db"
    done = tailgate("init", path, "--json", "--asker", "researcher", "--responder", "librarian", "--ttl", "2h")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert isinstance(said, dict)
    db = sqlite3.connect(path)
    row = db.execute("SELECT id, session_a_role, session_b_role, session_a_token, session_b_token, created_at,"
                     " expires_at FROM conversations").fetchall()
    db.close()
    (conversation, role_a, role_b, token_a, token_b, created, expires), = row
    assert re.fullmatch(r"conv_[0-9a-f]{16}", conversation)
    assert (role_a, role_b) == ("researcher", "librarian")
    assert re.fullmatch(r"[0-9a-f]{64}", token_a) and re.fullmatch(r"[0-9a-f]{64}", token_b)
    assert token_a != token_b
    text = json.dumps(said)
    for value in (conversation, token_a, token_b, expires):
        assert value in text
    parse = datetime.datetime.fromisoformat
    assert parse(expires) - parse(created) == datetime.timedelta(hours=2)
    assert abs(parse(created) - parse(writer.now())) < datetime.timedelta(minutes=5)


def test_conversation_lasts_3_hours_by_default(site):
    path = site.folder / "bridge.db"
    assert tailgate("init", path).returncode == 0
    db = sqlite3.connect(path)
    (created, expires), = db.execute("SELECT created_at, expires_at FROM conversations").fetchall()
    db.close()
    parse = datetime.datetime.fromisoformat
    assert parse(expires) - parse(created) == datetime.timedelta(hours=3)


def test_public_bridges_calls_work_on_the_file(site):
    bridge = site.bridge(by="tailgate")
    path, conversation = str(bridge.path), bridge.conversation
    writer.make(path)  # CREATE TABLE IF NOT EXISTS, as at each of its starts
    writer.send(path, conversation, "hello", {"action_type": "info"})
    writer.send(path, conversation, "hello back", session="b")
    writer.beat(path, conversation, "a")
    assert [one["message"] for one in writer.fetch(path, conversation, "b")] == ["hello"]
    assert [one["message"] for one in writer.fetch(path, conversation, "a")] == ["hello back"]
    assert writer.fetch(path, conversation, "a") == []


def test_second_init_adds_a_conversation_and_keeps_the_rest(site):
    bridge = site.bridge()
    message = bridge.ask("kept?")
    done = tailgate("init", bridge.path, "--json")
    assert done.returncode == 0, done.stderr
    assert bridge.row(message)["message"]
    with bridge.reading() as db:
        assert db.execute("SELECT count(*) FROM conversations").fetchone()[0] == 2
    second = tailgate("init", bridge.path, "--json")
    assert find_member(json.loads(second.stdout), "conversation_id") != \
        find_member(json.loads(done.stdout), "conversation_id")


def test_init_beside_a_running_gateway_is_served(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    assert tailgate("init", bridge.path).returncode == 0
    with bridge.reading() as db:
        newest = db.execute("SELECT id FROM conversations WHERE id <> ?", (bridge.conversation,)).fetchone()[0]
    bridge.reply(bridge.ask("?", conversation=newest))


def test_file_that_is_not_sqlite_is_refused_untouched(site):
    path = site.folder / "notes.txt"
    path.write_text("notes\n" * 1000)
    done = tailgate("init", path)
    assert done.returncode == 6
    assert "notes.txt" in one_line(done)
    assert path.read_text() == "notes\n" * 1000


def test_sqlite_file_that_is_not_a_bridge_is_refused_untouched(site):
    path = site.folder / "shop.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    db.commit()
    db.close()
    before = path.read_bytes()
    done = tailgate("init", path)
    assert done.returncode == 6
    assert "shop.db" in one_line(done)
    assert path.read_bytes() == before


def test_folder_that_does_not_exist_is_one_line(site):
    done = tailgate("init", site.folder / "nowhere" / "bridge.db")
    assert done.returncode == 1
    one_line(done)


@pytest.mark.parametrize("ttl", ["0", "-1h", "soon", "1e9d", ""])
def test_ttl_that_makes_no_sense_is_refused(site, ttl):
    done = tailgate("init", site.folder / "bridge.db", f"--ttl={ttl}")
    assert done.returncode == 2, (done.returncode, done.stderr)
    one_line(done)
    assert not os.path.exists(site.folder / "bridge.db")


def test_file_is_not_readable_by_others(site):
    path = site.folder / "bridge.db"
    assert tailgate("init", path).returncode == 0
    assert os.stat(path).st_mode & 0o007 == 0, "the file holds session tokens"
