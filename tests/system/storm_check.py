"""The storm's checker: storm_check.sql, and what it is given of the writers' own logs."""

import json
import sqlite3

from process import HERE

SCRIPT = (HERE / "storm_check.sql").read_text()


class Logs:
    """The logs that the writers of a storm keep in FOLDER, as far as they go now."""

    def __init__(self, folder):
        self.written = []
        self.taking, self.took, self.deleting = [], [], []
        for path in sorted(folder.glob("*.log")):
            for line in path.read_bytes().split(b"\n")[:-1]:
                self.take(json.loads(line))

    def take(self, entry):
        if "asked" in entry:
            self.written.append((entry["asked"], entry["name"], entry["conversation"]))
        for word in ("taking", "took", "deleting"):
            if word in entry:
                getattr(self, word).append((entry[word],))


def fill(db, table, columns, rows):
    db.execute(f"CREATE TEMP TABLE {table} ({columns})")
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO temp.{table} VALUES ({marks})", rows)


def check(path, folder, final):
    """Returns what is broken, as (promise, id, detail), and the tally as a dict. FINAL: nothing may be pending."""
    db = sqlite3.connect(str(path), timeout=30, isolation_level=None)
    before = Logs(folder)
    try:
        db.execute("BEGIN")  # one moment, whoever writes meanwhile:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        after = Logs(folder)  # what they were about to do then is in their logs by now
        fill(db, "written", "id INTEGER PRIMARY KEY, name, conversation_id", before.written)
        fill(db, "took", "id INTEGER PRIMARY KEY", before.took)
        fill(db, "taking", "id INTEGER PRIMARY KEY", after.taking)
        fill(db, "deleting", "conversation_id", after.deleting)
        fill(db, "checking", "final", [(int(final),)])
        for statement in statements(SCRIPT):
            db.execute(statement)
        return db.execute("SELECT * FROM broken").fetchall(), dict(db.execute("SELECT * FROM tally"))
    except sqlite3.DatabaseError as failure:
        if "malformed" not in str(failure):
            raise
        return [("the file is sound", None, str(failure))], {}
    finally:
        db.close()


def statements(script):
    """One by one: executescript() would commit first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
