"""kill -9, again and again, of the gateway and of its workers while others write: nothing lost, nothing answered twice."""

import os
import random
import signal
import time

from harness import WAIT, finished

ROUNDS = 40 if os.environ.get("TAILGATE_LONG") else 15
QUESTIONS = 250  # of each of the two writers, in each round


def test_nothing_is_lost_or_doubled_by_kills(site):
    random.seed(20261121)
    bridge = site.bridge()
    settings = {"backoff.first": "20ms", "backoff.max": "100ms", "attempts": "1000", "lease": "2s"}

    def start():
        return site.serve(bridge, settings=settings), site.program("work", "--db", bridge.path, "--echo",
                                                                   "--count", "3", "--slots", "4")

    asked = 0
    for turn in range(ROUNDS):
        writers = [site.writer(bridge, count=QUESTIONS, name=f"w{turn}-{n}") for n in range(2)]
        gateway, workers = start()
        time.sleep(random.uniform(0.05, 0.6))
        for victim in random.sample([gateway, workers], random.choice([1, 2])):
            victim.process.send_signal(signal.SIGKILL)
        time.sleep(random.uniform(0, 0.2))
        for program in (gateway, workers):
            if program.running():
                program.process.send_signal(signal.SIGKILL)
            program.wait()
        for writer in writers:
            finished(writer)
        asked += 2 * QUESTIONS
    gateway, workers = start()
    bridge.wait_replies(asked, timeout=4 * WAIT)
    bridge.check_exactly_once(asked)
    workers.stop()
