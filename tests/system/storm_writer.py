"""A writer of the storm: asks as the bridge's programs do, and keeps a log of what it was told is committed,
outside the database. `storm_writer.py JSON`, then on stdin, a line each:

    ask N         write N queries more
    die inside    kill yourself in a transaction of the next queries, holding the write lock
    die unsaid    … after its commit, before the log has it

The log is one JSON object a line, each written before the next thing is done:
    {"asked": id, "name": …, "conversation": …}    committed
    {"taking": id}, {"took": id}    about to set its read flag ourselves; we were the first to
    {"deleting": conversation}    about to delete it with its messages, as the bridge's cleanup does
"""

import json
import os
import random
import signal
import sys
import time

import writer

BURST = 25  # rows in one transaction at most


class Writer:
    def __init__(self, task):
        self.db = task["db"]
        self.name = task["name"]
        self.conversations = task["conversations"]
        self.random = random.Random(task["name"])
        self.log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.asked = 0
        self.brief = None  # a conversation that will soon have expired
        self.brief_ends = 0.0

    def note(self, **what):
        os.write(self.log, json.dumps(what).encode() + b"\n")

    def conversation(self):
        """Mostly one that lasts; now and then one that expires under its queries, and may be deleted then."""
        if self.brief and time.time() > self.brief_ends:
            if self.random.random() < 0.5:
                self.cleanup()
            self.brief = None
        if self.random.random() > 0.03:
            return self.random.choice(self.conversations)
        if not self.brief:
            lasts = self.random.uniform(0.05, 1.5)
            self.brief = writer.converse(self.db, ttl=lasts)
            self.brief_ends = time.time() + lasts
        return self.brief

    def cleanup(self):
        self.note(deleting=self.brief)
        db = writer.connect(self.db)
        with db:
            db.execute("DELETE FROM messages WHERE conversation_id = ?", (self.brief,))
            db.execute("DELETE FROM conversations WHERE id = ?", (self.brief,))
        db.close()

    def query(self):
        self.asked += 1
        name = f"{self.name}-{self.asked}"
        mind = {"service": "touchy"} if self.random.random() < 0.01 else {}
        return name, writer.query(f"What is {name}?", name, **mind)

    def write(self, count, die):
        """One transaction of COUNT queries; now and then one that is rolled back. Returns the committed rows."""
        conversation = self.conversation()
        rows = []
        db = writer.connect(self.db)
        back = self.random.random() < 0.02
        for _ in range(count):
            name, text = self.query()
            rows.append((writer.insert(db, conversation, "a", text), name))
        if die == "inside":
            time.sleep(self.random.uniform(0, 0.1))
            os.kill(os.getpid(), signal.SIGKILL)
        if back:
            db.rollback()
        else:
            db.commit()
        if die == "unsaid":
            os.kill(os.getpid(), signal.SIGKILL)
        db.close()
        if back:
            return []
        for row, name in rows:
            self.note(asked=row, name=name, conversation=conversation)
        return [row for row, _ in rows]

    def take(self, row):
        """As a legacy poller does."""
        self.note(taking=row)
        db = writer.connect(self.db)
        with db:
            ours = db.execute("UPDATE messages SET read = 1 WHERE id = ? AND read = 0", (row,)).rowcount
        db.close()
        if ours:
            self.note(took=row)

    def ask(self, count, die):
        dies_at = self.random.randrange(count) if die else None
        done = 0
        while done < count:
            size = min(count - done, self.random.choice((1, 1, 1, 1, 1, 1, 1, 1, 5, BURST)))
            here = die if dies_at is not None and done + size > dies_at else None
            rows = self.write(size, here)
            done += len(rows)
            if rows and self.random.random() < 0.01:
                self.take(self.random.choice(rows))


def main():
    self = Writer(json.loads(sys.argv[1]))
    die = None
    for line in sys.stdin:
        word, _, what = line.strip().partition(" ")
        if word == "die":
            die = what
        else:
            self.ask(int(what), die)
            die = None


if __name__ == "__main__":
    main()
