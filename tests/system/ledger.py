"""What a gateway keeps in its own tables, for a test to look at."""

import json

import writer
from process import wait_for


def delivery(bridge, message):
    """The row of tailgate_delivery, or None."""
    with bridge.reading() as db:
        row = db.execute("SELECT * FROM tailgate_delivery WHERE message_id = ?", (message,)).fetchone()
    return dict(row) if row else None


def wait_delivery(bridge, message, **members):
    """Waits until there is one that has these members; returns it."""
    def look():
        row = delivery(bridge, message)
        return row if row and all(row[key] == value for key, value in members.items()) else None
    return wait_for(look, f"a delivery row of message {message} with {members}")


def history(bridge, message):
    return json.loads(delivery(bridge, message)["history"])


def count(bridge, table):
    with bridge.reading() as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def audits(bridge, message, action=None):
    """The actions that the audit log has about a query, or the rows of one ACTION: (session, details)."""
    with bridge.reading() as db:
        rows = db.execute("SELECT action, session_id, details FROM audit_log"
                          " WHERE action LIKE 'query\\_%' ESCAPE '\\' ORDER BY id").fetchall()
    found = [(row["action"], row["session_id"], json.loads(row["details"])) for row in rows]
    return [entry[0] if action is None else entry[1:] for entry in found
            if entry[2]["message_id"] == message and action in (None, entry[0])]


def wait_audit(bridge, message, action):
    """Waits until the audit log says how a query ended; it must say so once, and nothing else."""
    wait_for(lambda: audits(bridge, message), f"an audit row about message {message}")
    assert audits(bridge, message) == [action]


def kept(bridge, message):
    """The answers in tailgate_answer: [(why, answer)]."""
    with bridge.reading() as db:
        rows = db.execute("SELECT why, answer FROM tailgate_answer WHERE message_id = ? ORDER BY id",
                          (message,)).fetchall()
    return [tuple(row) for row in rows]


def parked(bridge):
    with bridge.reading() as db:
        return [row[0] for row in db.execute("SELECT message_id FROM tailgate_parked ORDER BY 1")]


def mark(bridge):
    """The low-water mark; 0 when there is none."""
    with bridge.reading() as db:
        row = db.execute("SELECT value FROM tailgate_meta WHERE key = 'low_water'").fetchone()
    return row[0] if row else 0


def wait_mark(bridge, message):
    """Waits until the low-water mark has passed MESSAGE."""
    wait_for(lambda: mark(bridge) >= message, f"the low-water mark to reach {message}")


def wait_look(bridge):
    """Waits until everything that is parked now has been looked at once more: what has ended last is found last."""
    marker = bridge.ask("?", conversation=bridge.converse(), service="nobody's")
    wait_for(lambda: marker in parked(bridge), "the marker to be parked")
    bridge.run("UPDATE messages SET read = 1 WHERE id = ?", marker)
    wait_audit(bridge, marker, "query_superseded")


def status_of(bridge, conversation=None, session="b"):
    """session_status: (status, heartbeat), or None."""
    with bridge.reading() as db:
        row = db.execute("SELECT status, last_heartbeat FROM session_status"
                         " WHERE conversation_id = ? AND session_id = ?",
                         (conversation or bridge.conversation, session)).fetchone()
    return tuple(row) if row else None


def set_status(bridge, status, age, conversation=None, session="b"):
    """A heartbeat of somebody, AGE seconds ago."""
    bridge.run("INSERT OR REPLACE INTO session_status VALUES (?, ?, ?, ?)",
               conversation or bridge.conversation, session, status, writer.now(-age))


def expire(bridge, conversation=None):
    """The conversation's time is over."""
    bridge.run("UPDATE conversations SET expires_at = ? WHERE id = ?", writer.now(-1),
               conversation or bridge.conversation)


def clean_up(bridge, conversation=None):
    """What the bridge's `cleanup` does to an expired conversation."""
    conversation = conversation or bridge.conversation
    db = writer.connect(str(bridge.path))
    try:
        db.execute("DELETE FROM messages WHERE conversation_id = ?", (conversation,))
        db.execute("DELETE FROM session_status WHERE conversation_id = ?", (conversation,))
        db.execute("DELETE FROM conversations WHERE id = ?", (conversation,))
        db.commit()
    finally:
        db.close()


def counters(gateway):
    return gateway.status()["counters"]
