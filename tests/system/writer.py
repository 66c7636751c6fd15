"""Writes into a bridge as its Python programs do: open, one thing, commit, close. Standard library only.

As a module it gives `send` and the other calls of the bridge; as a program it is "another process":

    python3 writer.py '{"db": "bridge.db", "conversation": "conv_…", "count": 100}'

prints "ready" when it starts and "done" when every row is committed.
"""

import datetime
import json
import secrets
import sqlite3
import sys
import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    session_a_role TEXT NOT NULL,
    session_b_role TEXT NOT NULL,
    session_a_token TEXT NOT NULL,
    session_b_token TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT NOT NULL,
    from_session TEXT NOT NULL,
    to_session TEXT NOT NULL,
    message TEXT NOT NULL,
    metadata TEXT,
    timestamp TEXT NOT NULL,
    read INTEGER DEFAULT 0,
    FOREIGN KEY (conversation_id) REFERENCES conversations(id)
);
CREATE TABLE IF NOT EXISTS session_status (
    conversation_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    status TEXT NOT NULL,
    last_heartbeat TEXT NOT NULL,
    PRIMARY KEY (conversation_id, session_id)
);
CREATE TABLE IF NOT EXISTS audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT,
    session_id TEXT,
    action TEXT NOT NULL,
    details TEXT,
    timestamp TEXT NOT NULL
);
"""


def now(delta=0.0):
    """A time as the bridge writes it: naive UTC."""
    moment = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    return (moment + datetime.timedelta(seconds=delta)).isoformat()


def connect(path, journal="WAL"):
    """A connection as each call of the bridge makes it. JOURNAL None leaves the mode alone."""
    db = sqlite3.connect(path, timeout=10)
    if journal:
        db.execute(f"PRAGMA journal_mode={journal}")
    return db


def other(session):
    return "b" if session == "a" else "a"


def audit(db, conversation, session, action, details):
    db.execute("INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)"
               " VALUES (?, ?, ?, ?, ?)",
               (conversation, session, action, json.dumps(details), now()))


def insert(db, conversation, session, message, metadata=None, to=None):
    """The rows of one send inside the caller's transaction. MESSAGE and METADATA are stored as given, so
    that a test can store what no well-behaved writer would. Returns the row's id."""
    to = to or other(session)
    cursor = db.execute("INSERT INTO messages (conversation_id, from_session, to_session, message,"
                        " metadata, timestamp) VALUES (?, ?, ?, ?, ?, ?)",
                        (conversation, session, to, message, metadata, now()))
    audit(db, conversation, session, "send_message",
          {"to": to, "message_length": len(message), "redacted": False})
    return cursor.lastrowid


def send(path, conversation, message, metadata=None, session="a", to=None, journal="WAL"):
    """The bridge's send: connect, one transaction, close. METADATA may be a dict. Returns the id."""
    if isinstance(metadata, dict):
        metadata = json.dumps(metadata)
    db = connect(path, journal)
    try:
        row = insert(db, conversation, session, message, metadata, to)
        db.commit()
        return row
    finally:
        db.close()


def fetch(path, conversation, session):
    """The bridge's fetch: all unread messages to SESSION, marked as read. Returns the list."""
    db = connect(path)
    try:
        rows = db.execute("SELECT id, from_session, message, metadata, timestamp FROM messages"
                          " WHERE conversation_id = ? AND to_session = ? AND read = 0"
                          " ORDER BY timestamp", (conversation, session)).fetchall()
        db.executemany("UPDATE messages SET read = 1 WHERE id = ?", [(row[0],) for row in rows])
        audit(db, conversation, session, "get_messages", {"count": len(rows)})
        db.commit()
    finally:
        db.close()
    return [{"id": row[0], "from": row[1], "message": row[2],
             "metadata": json.loads(row[3]) if row[3] else None,
             "timestamp": datetime.datetime.fromisoformat(row[4])} for row in rows]


def beat(path, conversation, session, status="working"):
    """The bridge's status call."""
    db = connect(path)
    try:
        db.execute("INSERT OR REPLACE INTO session_status VALUES (?, ?, ?, ?)",
                   (conversation, session, status, now()))
        db.commit()
    finally:
        db.close()


def make(path, journal="WAL"):
    """Makes the bridge's tables as the bridge does when it starts."""
    db = connect(path, journal)
    try:
        db.executescript(SCHEMA)
        db.commit()
    finally:
        db.close()


def converse(path, ttl=3 * 3600, roles=("asker", "default"), conversation=None, journal="WAL"):
    """Makes a conversation that expires in TTL seconds; returns its id."""
    conversation = conversation or "conv_" + secrets.token_hex(8)
    db = connect(path, journal)
    try:
        db.execute("INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?, ?)",
                   (conversation, *roles, secrets.token_hex(32), secrets.token_hex(32), now(), now(ttl)))
        audit(db, conversation, "a", "create_conversation", {})
        db.commit()
    finally:
        db.close()
    return conversation


def query(question, query_id, **members):
    return json.dumps({"type": "query", "query_id": query_id, "question": question, **members},
                      ensure_ascii=False)


def write_each(task):
    """COUNT sends, each with its own connection and transaction. LOG: a file for what was committed, as in
    storm_writer.py."""
    log = open(task.get("log", "/dev/null"), "a", encoding="utf-8", buffering=1)
    for n in range(task["count"]):
        name = f"{task.get('name', 'w')}-{n}"
        row = send(task["db"], task["conversation"], query(f"question {name}", name),
                   journal=task.get("journal", "WAL"))
        log.write(json.dumps({"asked": row, "name": name, "conversation": task["conversation"]}) + "\n")
        if task.get("pause"):
            time.sleep(task["pause"])


def write_once(task):
    """COUNT rows in one transaction, kept or (ROLLBACK) taken back."""
    db = connect(task["db"], task.get("journal", "WAL"))
    db.execute("PRAGMA cache_size = 10")  # so that a big transaction reaches the -wal before its end
    for n in range(task["count"]):
        name = f"{task.get('name', 'w')}-{n}"
        text = query(f"question {name}", name, padding="x" * task.get("padding", 0))
        insert(db, task["conversation"], "a", text)
    if task.get("rollback"):
        db.rollback()
    else:
        db.commit()
    db.close()


def main():
    task = json.loads(sys.argv[1])
    print("ready", flush=True)
    (write_once if task.get("once") else write_each)(task)
    print("done", flush=True)


if __name__ == "__main__":
    main()
