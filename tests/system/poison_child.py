"""A program of `tailgate work` that dies of its queries, and takes the worker with it: `poison_child.py DB FOLDER`.

Before it dies it writes "<attempt> <state> <attempt on record> <failed on record>" into FOLDER/seen, as it finds
them in the database, or "<attempt> none 0 0"; the question "wait N" waits for a file FOLDER/go-ATTEMPT at each
attempt from N on."""

import json
import os
import signal
import sqlite3
import sys
import time

db, folder = sys.argv[1:]


def on_record(message):
    bridge = sqlite3.connect(db, timeout=30)
    row = bridge.execute("SELECT state, attempt, failed FROM tailgate_delivery WHERE message_id = ?",
                         (message,)).fetchone()
    bridge.close()
    return row or ("none", 0, 0)


for line in sys.stdin:
    query = json.loads(line)
    delivery = query["delivery"]
    with open(os.path.join(folder, "seen"), "a", encoding="utf-8") as file:
        print(delivery["attempt"], *on_record(delivery["message_id"]), file=file)
    while not os.path.exists(os.path.join(folder, f"go-{delivery['attempt']}")):
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(1)
