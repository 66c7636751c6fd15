#!/usr/bin/python3
"""A guest for `tailgate bench --guest`: a Python program that inserts queries as the bridge's own programs do.

    guest.py DB CONVERSATION FIRST STEP PAUSE_US SIZE

Each insert has a connection of its own: connect, insert, commit, close. The queries have the numbers FIRST,
FIRST + STEP, … and SIZE bytes; one begins every PAUSE_US microseconds, until the input ends. It prints `ready` when it
begins, and for each insert the number, when it began to connect, and when COMMIT had returned, in microseconds of the
monotonic clock; 0 when the database was locked for longer than the 10 s that the bridge waits."""

import datetime
import select
import sqlite3
import sys
import time


def now_us():
    return time.monotonic_ns() // 1000


def insert(path, conversation, text):
    db = sqlite3.connect(path, timeout=10)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        stamp = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None).isoformat()
        db.execute("INSERT INTO messages (conversation_id, from_session, to_session, message, timestamp)"
                   " VALUES (?, 'a', 'b', ?, ?)", (conversation, text, stamp))
        db.commit()
        return now_us()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return 0
    finally:
        db.close()


def ended(seconds):
    """Whether the input ends within SECONDS."""
    return bool(select.select([sys.stdin], [], [], max(0.0, seconds))[0])


def main(path, conversation, first, step, pause_us, size):
    print("ready", flush=True)
    number, due, over = int(first), time.monotonic(), False
    while not over:  # one at the least
        text = f'{{"type":"query","query_id":"q{number:010}","question":"'
        text += "x" * (int(size) - len(text) - 2) + '"}'
        began = now_us()
        print(number, began, insert(path, conversation, text))
        number += int(step)
        due = max(due + int(pause_us) / 1e6, time.monotonic())  # what was late is not made up for
        over = ended(due - time.monotonic())


main(*sys.argv[1:])
