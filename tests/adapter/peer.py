#!/usr/bin/python3
"""The other side of the bridge, for the adapter tests: separate processes that use the standard
sqlite3 module, opening and closing a connection for each call as the bridge's programs do."""

import json
import os
import sqlite3
import sys
from datetime import datetime, timedelta

TABLES = [
    """CREATE TABLE IF NOT EXISTS conversations (id TEXT PRIMARY KEY, session_a_role TEXT NOT NULL,
       session_b_role TEXT NOT NULL, session_a_token TEXT NOT NULL, session_b_token TEXT NOT NULL,
       created_at TEXT NOT NULL, expires_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT,
       conversation_id TEXT NOT NULL, from_session TEXT NOT NULL, to_session TEXT NOT NULL,
       message TEXT NOT NULL, metadata TEXT, timestamp TEXT NOT NULL, read INTEGER DEFAULT 0,
       FOREIGN KEY (conversation_id) REFERENCES conversations(id))""",
    """CREATE TABLE IF NOT EXISTS session_status (conversation_id TEXT NOT NULL,
       session_id TEXT NOT NULL, status TEXT NOT NULL, last_heartbeat TEXT NOT NULL,
       PRIMARY KEY (conversation_id, session_id))""",
    """CREATE TABLE IF NOT EXISTS audit_log (id INTEGER PRIMARY KEY AUTOINCREMENT,
       conversation_id TEXT, session_id TEXT, action TEXT NOT NULL, details TEXT,
       timestamp TEXT NOT NULL)""",
]
INSERT = ("INSERT INTO messages"
          " (conversation_id, from_session, to_session, message, metadata, timestamp)"
          " VALUES (?, ?, ?, ?, ?, ?)")


def now():
    return datetime.utcnow().isoformat()


def connect(db, mode="WAL"):
    link = sqlite3.connect(db, timeout=10.0)
    if mode:
        link.execute("PRAGMA journal_mode=" + mode)
    return link


def audit(link, conversation, session, action, details):
    link.execute("INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)"
                 " VALUES (?, ?, ?, ?, ?)",
                 (conversation, session, action, json.dumps(details), now()))


def tables(db, mode="WAL"):
    link = connect(db, mode)
    for table in TABLES:
        link.execute(table)
    link.commit()
    link.close()


def make(db, conversation, mode="WAL"):
    tables(db, mode)
    link = connect(db, mode)
    link.execute("INSERT INTO conversations VALUES (?, 'asker', 'default', ?, ?, ?, ?)",
                 (conversation, "a" * 64, "b" * 64, now(),
                  (datetime.utcnow() + timedelta(hours=3)).isoformat()))
    link.commit()
    link.close()


def send(db, conversation, session, text, metadata="{}"):
    link = connect(db)
    row = link.execute("SELECT expires_at FROM conversations WHERE id = ?",
                       (conversation,)).fetchone()
    if datetime.utcnow() > datetime.fromisoformat(row[0]):
        sys.exit("expired")
    other = "b" if session == "a" else "a"
    link.execute(INSERT, (conversation, session, other, text, metadata, now()))
    audit(link, conversation, session, "send_message",
          {"to": other, "message_length": len(text), "redacted": False})
    link.commit()
    link.close()


def fetch(db, conversation, session):
    """Fetches and marks as the bridge does; prints one JSON line with what it got."""
    link = connect(db)
    link.row_factory = sqlite3.Row
    link.execute("BEGIN IMMEDIATE")
    rows = link.execute("SELECT * FROM messages WHERE conversation_id = ? AND to_session = ?"
                        " AND read = 0 ORDER BY timestamp ASC", (conversation, session)).fetchall()
    link.executemany("UPDATE messages SET read = 1 WHERE id = ?",
                     [(row["id"],) for row in rows])
    audit(link, conversation, session, "get_messages", {"count": len(rows)})
    link.commit()
    link.close()
    print(json.dumps([{"from": row["from_session"], "message": row["message"],
                       "metadata": json.loads(row["metadata"]) if row["metadata"] else {},
                       "at": datetime.fromisoformat(row["timestamp"]).isoformat()}
                      for row in rows]))


def status(db, conversation, session):
    link = connect(db)
    link.execute("INSERT OR REPLACE INTO session_status (conversation_id, session_id, status,"
                 " last_heartbeat) VALUES (?, ?, ?, ?)", (conversation, session, "working", now()))
    link.commit()
    link.close()


def burst(db, conversation, count, mode="WAL"):
    """COUNT transactions, one connection for each; every third is rolled back, every tenth has
    five rows."""
    kept = 0
    for i in range(int(count)):
        link = connect(db, mode)
        link.execute("BEGIN IMMEDIATE")
        rolled = i % 3 == 2
        rows = 5 if i % 10 == 0 else 1
        for _ in range(rows):
            text = "rolled back" if rolled else "kept %d" % i
            link.execute(INSERT, (conversation, "a", "b", text, None, now()))
        if rolled:
            link.rollback()
        else:
            link.commit()
            kept += rows
        link.close()
    print(kept)


def script(db, sql):
    """Runs statements on one connection that is opened and closed for it."""
    link = sqlite3.connect(db, timeout=10.0, isolation_level=None)
    for statement in sql.split(";"):
        link.execute(statement).fetchall()
    link.close()


def lock(db):
    """Holds the write lock from the line "locked" until its stdin ends, then commits a row."""
    link = sqlite3.connect(db, timeout=10.0, isolation_level=None)
    link.execute("BEGIN IMMEDIATE")
    audit(link, None, None, "locked", {})
    print("locked", flush=True)
    sys.stdin.read()
    link.execute("COMMIT")
    link.close()


def expect_locked(db):
    """Fails unless somebody holds the write lock."""
    link = sqlite3.connect(db, timeout=0, isolation_level=None)
    try:
        link.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return
    sys.exit("the lock is free")


def reader(db):
    """Holds a read snapshot from the line "reading" until its stdin ends."""
    link = sqlite3.connect(db, timeout=10.0, isolation_level=None)
    link.execute("BEGIN")
    link.execute("SELECT count(*) FROM messages").fetchone()
    print("reading", flush=True)
    sys.stdin.read()
    link.execute("COMMIT")
    link.close()


def replace(db):
    """Puts another file in the place of the database."""
    with open(db + ".new", "wb") as file:
        file.write(b"")
    os.rename(db + ".new", db)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
