"""A reader that stays inside its transaction: python3 pinner.py DATABASE. It reads, prints "reading", and waits for
a signal."""

import signal
import sqlite3
import sys

from process import PYTHON


def pin(site, bridge):
    """Starts one in SITE and waits until it reads."""
    pinner = site.spawn(PYTHON, __file__, bridge.path)
    assert pinner.stdout.readline() == "reading\n"
    return pinner


def main():
    db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM messages").fetchone()
    print("reading", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
