"""A bridge as its own programs use it, and what must be true of one when its queries have ended."""

import json
import os
import sqlite3
from pathlib import Path

import writer
from process import WAIT, tailgate, wait_for


class Bridge:
    """A bridge database. Its writing calls are those of writer.py; reading is for the test alone."""

    def __init__(self, path, by="python", journal="WAL", conversation=True, roles=("asker", "default")):
        self.path = Path(path)
        self.journal = journal
        self.conversation = None
        if by == "tailgate":
            done = tailgate("init", self.path, "--json", "--asker", roles[0], "--responder", roles[1])
            assert done.returncode == 0, done.stderr
            self.init = json.loads(done.stdout)
            with self.reading() as db:
                self.conversation = db.execute("SELECT id FROM conversations").fetchone()[0]
        elif by == "python":
            writer.make(str(self.path), journal)
            if conversation:
                self.conversation = self.converse(roles=roles)

    @property
    def gate(self):
        """The default gate endpoint."""
        return f"ipc://{os.path.realpath(self.path)}-gate/gate"

    def converse(self, **keywords):
        return writer.converse(str(self.path), journal=self.journal, **keywords)

    def send(self, message, metadata=None, conversation=None, **keywords):
        keywords.setdefault("journal", self.journal)
        return writer.send(str(self.path), conversation or self.conversation, message, metadata, **keywords)

    def ask(self, question, metadata=None, conversation=None, query_id=None, **members):
        """A question in the JSON form; returns the row's id."""
        query_id = query_id or "q_" + os.urandom(4).hex()
        return self.send(writer.query(question, query_id, **members), metadata, conversation)

    def ask_text(self, question, conversation=None, **metadata):
        """A question as the agents' chat tools send it."""
        return self.send(question, {"action_type": "question", **metadata}, conversation)

    def ask_many(self, questions, conversation=None):
        """Many questions in one transaction; returns their ids."""
        db = writer.connect(str(self.path), self.journal)
        try:
            ids = [writer.insert(db, conversation or self.conversation, "a",
                                 writer.query(question, f"q_{n}")) for n, question in enumerate(questions)]
            db.commit()
            return ids
        finally:
            db.close()

    def run(self, sql, *values):
        """One statement in one transaction of another connection; returns its last row id."""
        db = writer.connect(str(self.path), self.journal)
        try:
            row = db.execute(sql, values).lastrowid
            db.commit()
            return row
        finally:
            db.close()

    def reading(self):
        """A connection for looking, closed at the end of a with block."""
        return Looking(self.path)

    def row(self, message_id):
        with self.reading() as db:
            return db.execute("SELECT * FROM messages WHERE id = ?", (message_id,)).fetchone()

    def replies(self, conversation=None, to=None):
        """The reply rows, in id order: {"id", "reply_to", "text", "metadata", "from", "to", "read", …}."""
        with self.reading() as db:
            return replies_in(db, conversation, to)

    def reply(self, message_id, timeout=WAIT):
        """Waits for the reply to MESSAGE_ID and returns it."""
        with self.reading() as db:
            return wait_for(lambda: next(iter(replies_in(db, None, message_id)), None),
                            f"the reply to message {message_id}", timeout)

    def wait_replies(self, count, timeout=WAIT):
        with self.reading() as db:
            wait_for(lambda: count_replies(db) >= count, f"{count} replies", timeout)

    def check_exactly_once(self, expect=None):
        check_exactly_once(self.path, expect)


class Looking:
    """A read connection that is really closed when its block ends (sqlite3's own `with` only commits)."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.db = sqlite3.connect(str(self.path), timeout=30)
        self.db.row_factory = sqlite3.Row
        return self.db

    def __exit__(self, *_):
        self.db.close()


def count_replies(db):
    return db.execute("SELECT count(*) FROM messages WHERE from_session = 'b'"
                      " AND metadata LIKE '%\"in_reply_to\"%'").fetchone()[0]


def replies_in(db, conversation=None, to=None):
    found = []
    for row in db.execute("SELECT * FROM messages WHERE metadata LIKE '%\"in_reply_to\"%' ORDER BY id"):
        metadata = json.loads(row["metadata"])
        if conversation in (None, row["conversation_id"]) and to in (None, metadata["in_reply_to"]):
            found.append({"id": row["id"], "reply_to": metadata["in_reply_to"], "text": row["message"],
                          "metadata": metadata, "from": row["from_session"], "to": row["to_session"],
                          "read": row["read"], "conversation": row["conversation_id"]})
    return found


def is_query(row):
    """BRIDGE.md's two forms of a query, as far as the tests write them."""
    try:
        value = json.loads(row["message"])
        if isinstance(value, dict) and value.get("type") in ("query", "response", "error"):
            return value["type"] == "query"
    except (ValueError, TypeError):
        pass
    try:
        return json.loads(row["metadata"] or "{}").get("action_type") in ("question", "query")
    except (ValueError, AttributeError, TypeError):
        return False


def check_exactly_once(path, expect=None):
    """Every query that ended has exactly one reply row that names it, committed with its read flag and
    one audit row; nothing else has one; the file is sound. EXPECT: how many queries must have ended."""
    db = sqlite3.connect(str(path), timeout=30)
    db.row_factory = sqlite3.Row
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        db.execute("BEGIN")  # one snapshot: replies may be committed meanwhile
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        rows = {row["id"]: row for row in db.execute("SELECT * FROM messages")}
        replies = replies_in(db)
        audit = [(row["conversation_id"], row["session_id"], json.loads(row["details"])) for row in
                 db.execute("SELECT * FROM audit_log WHERE action = 'send_message' ORDER BY id")]
    finally:
        db.close()
    by_query = {}
    for reply in replies:
        by_query.setdefault(reply["reply_to"], []).append(reply)
    doubled = {query: len(list_) for query, list_ in by_query.items() if len(list_) != 1}
    assert not doubled, f"queries with more than one reply: {doubled}"
    for query, (reply,) in by_query.items():
        asked = rows[query]
        assert is_query(asked), f"message {query} is not a query and has a reply"
        assert asked["read"] == 1, f"query {query} has a reply and read={asked['read']}"
        assert reply["conversation"] == asked["conversation_id"]
        assert (reply["from"], reply["to"]) == (asked["to_session"], asked["from_session"])
    ended = {row["id"] for row in rows.values()
             if row["read"] == 1 and row["to_session"] == "b" and is_query(row)}
    assert ended == set(by_query), f"read but without a reply: {sorted(ended - set(by_query))[:20]}"
    if expect is not None:
        assert len(by_query) == expect, f"{len(by_query)} queries answered, expected {expect}"
    written = sorted((conversation, session, details["to"], details["message_length"])
                     for conversation, session, details in audit if session == "b")
    wanted = sorted((row["conversation_id"], "b", row["to_session"], len(row["message"]))
                    for row in rows.values() if row["from_session"] == "b")
    assert written == wanted, "the audit rows of the replies do not agree with the replies"
