"""A poller as bridges had before: fetch, which marks as read, and be done with it. `legacy_poller.py DB LIMIT PAUSE`
takes up to LIMIT unread messages to session b (0: all) in one BEGIN IMMEDIATE, as the bridge's own
writers do it, every PAUSE seconds until its stdin ends; prints each id that it has taken, after the commit."""

import select
import sqlite3
import sys


def take(path, limit):
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    ids = [row[0] for row in db.execute("SELECT id FROM messages WHERE to_session = 'b' AND read = 0"
                                        " ORDER BY timestamp LIMIT ?", (limit or -1,))]
    db.executemany("UPDATE messages SET read = 1 WHERE id = ?", [(number,) for number in ids])
    db.execute("COMMIT")
    db.close()
    for number in ids:
        print(number, flush=True)


def main():
    path, limit, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], pause)[0]:
        take(path, limit)


if __name__ == "__main__":
    main()
