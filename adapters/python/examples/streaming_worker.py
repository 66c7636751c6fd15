#!/usr/bin/env python3
"""A worker that streams its answer: each text that it yields goes ahead, and all of them are the answer.

    python3 streaming_worker.py bridge.db            # or the gate's endpoint, ipc://… or tcp://…

Put your model in the place of compose(). It may think for as long as it likes between two words: heartbeats come
from a thread of the library's own.
"""

import logging
import sys
import time

import tailgate


def compose(question):
    """Words, slowly."""
    for word in f"You asked: {question}".split(" "):
        time.sleep(0.05)
        yield word


@tailgate.worker("explain", name="streamer")
def explain(query):
    if not query.question:
        raise tailgate.Fatal("there is no question in this query")
    separator = ""
    for word in compose(query.question):
        yield separator + word
        separator = " "


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    where = sys.argv[1]
    explain.run(where) if "://" in where else explain.run(db=where)


if __name__ == "__main__":
    main()
