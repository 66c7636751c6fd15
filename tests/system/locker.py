"""A writer that is held up inside its transaction: python3 locker.py DATABASE END KIND. It takes the lock of BEGIN
KIND, prints "held", waits for a line on its input, and ends the transaction with END (COMMIT or ROLLBACK)."""

import sqlite3
import subprocess
import sys

from process import PYTHON


def lock(site, bridge, end, kind="IMMEDIATE"):
    """Starts one in SITE and waits until it has the lock."""
    locker = site.spawn(PYTHON, __file__, bridge.path, end, kind, stdin=subprocess.PIPE)
    assert locker.stdout.readline() == "held\n"
    return locker


def release(locker):
    locker.stdin.write("\n")
    locker.stdin.flush()
    assert locker.wait(60) == 0


def main():
    db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
    db.execute(f"BEGIN {sys.argv[3]}")
    db.execute("INSERT INTO audit_log (action, timestamp) VALUES ('held', 'now')")
    print("held", flush=True)
    sys.stdin.readline()
    db.execute(sys.argv[2])


if __name__ == "__main__":
    main()
