"""A responder of before Tailgate: `legacy_responder.py DB`. It knows the bridge's tables and JSON messages, and
nothing of us: every 50 ms it fetches the unread messages to session b, as legacy_poller.py does, and answers each
query with a response that repeats its query_id, without any metadata. The question says what it does: "error …" is
answered with an error, "ignore …" not at all. Prints the question of each query it has fetched; ends with its
stdin."""

import json
import select
import sqlite3
import sys

from writer import connect, insert


def fetch(path):
    db = connect(path)
    db.row_factory = sqlite3.Row
    db.isolation_level = None
    db.execute("BEGIN IMMEDIATE")
    rows = db.execute("SELECT * FROM messages WHERE to_session = 'b' AND read = 0 ORDER BY timestamp").fetchall()
    db.executemany("UPDATE messages SET read = 1 WHERE id = ?", [(row["id"],) for row in rows])
    db.execute("COMMIT")
    db.close()
    return rows


def answer(path, row):
    query = json.loads(row["message"])
    word, _, _ = query["question"].partition(" ")
    print(query["question"], flush=True)
    if word == "ignore":
        return
    reply = {"type": "response", "query_id": query["query_id"], "answer": "old: " + query["question"],
             "sources": ["old.md:1"]}
    if word == "error":
        reply = {"type": "error", "query_id": query["query_id"], "error": "the old one failed"}
    db = connect(path)
    insert(db, row["conversation_id"], "b", json.dumps(reply))
    db.commit()
    db.close()


def main():
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        for row in fetch(sys.argv[1]):
            answer(sys.argv[1], row)


if __name__ == "__main__":
    main()
