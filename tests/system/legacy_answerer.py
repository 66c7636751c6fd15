"""Who answered bridges before Tailgate: every so often it fetches what is unread for session b, which marks it as
read, and sends a response that names the question by its query_id; to plain text, by the row it was.
`legacy_answerer.py DB PAUSE` prints each message id that it has taken; it ends with its stdin."""

import json
import select
import sys

import writer


def answer(path, conversation, row, message):
    try:
        query = json.loads(message)
    except ValueError:
        query = None
    if isinstance(query, dict):
        reply = {"type": "response", "query_id": query["query_id"], "answer": f"legacy: {query['question']}",
                 "sources": ["old.md:1"]}
        writer.send(path, conversation, json.dumps(reply), session="b")
    else:
        writer.send(path, conversation, f"legacy: {message}", {"in_reply_to": row}, session="b")


def turn(path):
    db = writer.connect(path)
    try:
        names = [name for (name,) in db.execute("SELECT id FROM conversations")]
    finally:
        db.close()
    for conversation in names:
        for row in writer.fetch(path, conversation, "b"):
            print(row["id"], flush=True)
            answer(path, conversation, row["id"], row["message"])


def main():
    path, pause = sys.argv[1], float(sys.argv[2])
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], pause)[0]:
        turn(path)


if __name__ == "__main__":
    main()
