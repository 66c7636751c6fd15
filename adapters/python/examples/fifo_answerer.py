#!/usr/bin/env python3
"""A program that answers over a pair of named pipes.

    tailgate work --db bridge.db --fifo /run/user/1000/answers
    python3 fifo_answerer.py /run/user/1000/answers

Either of the two may be started first, end at any time and be started again. Three habits keep them in step: a line
feed goes out first, a line that is not whole is passed over, and each answer repeats the query's delivery. Standard
library only.
"""

import json
import os
import sys

folder = sys.argv[1]
os.makedirs(folder, mode=0o700, exist_ok=True)
for name in ("queries", "answers"):
    if not os.path.exists(os.path.join(folder, name)):
        os.mkfifo(os.path.join(folder, name), 0o600)

while True:  # once for each life of the worker: opening a pipe waits until somebody has its other end
    with open(os.path.join(folder, "queries"), encoding="utf-8", errors="replace") as queries, \
            open(os.path.join(folder, "answers"), "w", encoding="utf-8") as answers:
        print(file=answers, flush=True)  # ends the half line that a life of ours before may have left
        for line in queries:
            try:
                query = json.loads(line)
                question, delivery = query["question"], query["delivery"]
            except (ValueError, KeyError, TypeError):
                continue  # blank, or the rest of a line
            answer = {"answer": f"You asked: {question}", "delivery": delivery}
            print(json.dumps(answer), file=answers, flush=True)
