#!/usr/bin/env python3
"""A program that answers over a pair of named pipes.

    tailgate work --db bridge.db --fifo /run/user/1000/answerer
    python3 fifo_answerer.py /run/user/1000/answerer

Either of the two may be started first, end at any time and be started again. Three habits keep them in step: a line
feed goes out first, a line that is not whole is passed over, and each answer repeats the query's delivery. Standard
library only.
"""

import json
import os
import sys


def serve(folder):
    """One life of the worker: opening a pipe waits until somebody has its other end."""
    with open(os.path.join(folder, "queries"), encoding="utf-8", errors="replace") as queries, \
            open(os.path.join(folder, "answers"), "w", encoding="utf-8") as answers:
        print(file=answers, flush=True)  # ends the half line that an earlier life of ours may have left
        for line in queries:
            try:
                query = json.loads(line)
                question, delivery = query["question"], query["delivery"]
            except (ValueError, KeyError, TypeError):
                continue  # blank, or a piece of a line
            print(json.dumps({"answer": f"You asked: {question}", "delivery": delivery}), file=answers, flush=True)


if len(sys.argv) != 2:
    sys.exit(__doc__)
os.makedirs(sys.argv[1], mode=0o700, exist_ok=True)
for name in ("queries", "answers"):
    try:
        os.mkfifo(os.path.join(sys.argv[1], name), 0o600)
    except FileExistsError:
        pass
while True:
    try:
        serve(sys.argv[1])
    except BrokenPipeError:
        pass  # the worker ended while we answered: it has given the query up
