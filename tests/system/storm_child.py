"""The program behind `tailgate work` in the storm: answers each query with its question, mostly at once.
A poisonous one ends it each time."""

import json
import os
import random
import signal
import sys
import time


def work(query):
    if query["question"].startswith("poison"):
        os.kill(os.getpid(), signal.SIGKILL)
    chance = random.random()
    if chance < 0.01:
        time.sleep(random.uniform(0.1, 0.4))  # long enough for its lease to be recorded
    elif chance < 0.1:
        time.sleep(random.uniform(0.001, 0.03))
    return {"answer": "re: " + query["question"]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(work(json.loads(line))), flush=True)
