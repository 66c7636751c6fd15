"""Observers of a storm: one takes one kind, one takes everything. Whatever is killed, in the end each has had every
row that is in the file, once."""

import sqlite3
import threading
import time

import zmq

from observer import ROWS, Recorder
from process import WAIT

PATIENCE = 1.0  # for a replay whose gateway may have been killed


class Watcher(threading.Thread):
    def __init__(self, name, db, kinds, everything):
        super().__init__(daemon=True)
        self.name = name
        self.db = db
        self.kinds = kinds
        self.context = zmq.Context()
        gate = f"ipc://{db}-gate"
        self.recorder = Recorder(self.context, f"{gate}/events", f"{gate}/gate", kinds=kinds, everything=everything,
                                 after=0, patience=PATIENCE)
        self.last = None  # the row to come to
        self.failure = None
        self.start()

    def run(self):
        try:
            while self.last is None or max(self.recorder.upto.values()) < self.last:
                self.recorder.step(timeout=0.1)
            self.recorder.repair_all(self.last)
        except Exception as failure:  # pylint: disable=broad-except  (told by finish())
            self.failure = failure

    def finish(self, last):
        """Waits until it has had everything up to row LAST."""
        self.last = last
        self.join(2 * WAIT)
        assert self.failure is None, f"{self.name}: {self.failure!r}"
        assert not self.is_alive(), f"{self.name} did not come to row {last}: {self.recorder.upto}"
        self.recorder.close()
        self.context.term()

    def tally(self):
        """What it had, beside what is in the file."""
        db = sqlite3.connect(self.db)
        there = {row[0] for row in db.execute(
            "SELECT id FROM messages" if len(self.kinds) > 1 else "SELECT id FROM messages WHERE from_session = 'b'")}
        db.close()
        had = [row for kind in self.kinds for row in self.recorder.rows[kind]]
        return {"rows": len(there), "live": self.recorder.live, "repaired": self.recorder.repaired,
                "missing": len(there - set(had)), "doubles": len(had) - len(set(had)),
                "runs": self.recorder.epochs}


class Watchers:
    def __init__(self, db):
        self.all = [Watcher("takes responses", db, ("response",), False), Watcher("takes all", db, ROWS, True)]

    def finish(self, db):
        connection = sqlite3.connect(db)
        last = connection.execute("SELECT max(id) FROM messages").fetchone()[0]
        connection.close()
        began = time.monotonic()
        for watcher in self.all:
            watcher.finish(last)
        self.seconds = time.monotonic() - began

    def tallies(self):
        return {watcher.name: watcher.tally() for watcher in self.all}
