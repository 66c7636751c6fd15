"""`tailgate work` with a real gateway: echo, a program of one's own, and what their deaths cost."""

import json
import os
import re
import signal

from harness import HEARTBEAT, MDP, PYTHON, tailgate, wait_for

FAST = {"backoff.first": "20ms", "backoff.max": "100ms", "heartbeat.interval": "200ms"}

# A worker program: JSON lines on stdin and stdout.
CHILD = """
import json, os, sys, time
print("child starts", file=sys.stderr, flush=True)
for line in sys.stdin:
    query = json.loads(line)
    question = query["question"]
    if question == "crash?":
        os._exit(3)
    if question == "sleep?":
        open(sys.argv[1], "w").close()
        time.sleep(3600)
    if question == "hold?":
        open(sys.argv[1], "w").close()
        while not os.path.exists(sys.argv[1] + ".go"):
            time.sleep(0.01)
    if question == "words?":
        print("just words", flush=True)
        continue
    if question == "error?":
        print(json.dumps({"type": "error", "error": "cannot", "retry": False}), flush=True)
        continue
    print(json.dumps({"answer": f"{os.getpid()}: {question}", "sources": ["child.py:1-2"]}), flush=True)
"""


def child(site):
    path = site.folder / "child.py"
    path.write_text(CHILD)
    return [PYTHON, path, site.folder / "asleep"]


def work(site, bridge, *words):
    return site.program("work", "--db", bridge.path, "--log-format", "json", *words)


def test_echo_answers(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = work(site, bridge, "--name", "parrot", "--echo")
    reply = bridge.reply(bridge.ask("Polly?"))
    assert "Polly?" in json.loads(reply["text"])["answer"]
    assert reply["metadata"]["worker"].startswith("parrot")
    worker.stop()
    bridge.check_exactly_once(1)


def test_program_is_started_once_and_answers_line_by_line(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = work(site, bridge, "--", *child(site))
    answers = [json.loads(bridge.reply(bridge.ask(f"{n}?"))["text"]) for n in range(5)]
    assert len({answer["answer"].split(":")[0] for answer in answers}) == 1, "one process for all"
    assert answers[0]["sources"] == ["child.py:1-2"]
    assert json.loads(bridge.reply(bridge.ask("words?"))["text"])["answer"] == "just words"
    assert json.loads(bridge.reply(bridge.ask("error?"))["text"])["type"] == "error"
    assert bridge.reply(bridge.ask_text("line one\nline two?"))["text"].endswith("line one\nline two?")
    worker.wait_line("child starts")
    worker.stop()
    bridge.check_exactly_once(8)


def test_worker_serves_only_its_service(site):
    bridge = site.bridge()
    site.serve(bridge)
    work(site, bridge, "--service", "law", "--name", "lawyer", "--echo")
    other = bridge.ask("maths?", service="maths")
    bridge.reply(bridge.ask("law?", service="law"))
    assert bridge.row(other)["read"] == 0


def test_count_starts_that_many_workers(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = work(site, bridge, "--count", "3", "--", *child(site))
    wait_for(lambda: len(gateway.status()["workers"]) == 3, "three workers")
    pids = set()
    while len(pids) < 3:  # each has a program of its own; who is busy leaves its conversation to another
        asked = bridge.ask_many("pid?" for _ in range(30))
        pids |= {json.loads(bridge.reply(message)["text"])["answer"].split(":")[0] for message in asked}
    worker.stop()
    wait_for(lambda: not gateway.status()["workers"], "all three to say goodbye")
    bridge.check_exactly_once()


def test_worker_that_is_killed_mid_query_is_replaced(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = work(site, bridge, "--name", "victim", "--", *child(site))
    message = bridge.ask("sleep?")
    wait_for((site.folder / "asleep").exists, "the query to be in the program")
    worker.process.kill()
    worker.wait()
    site.answerer(bridge, name="rescuer")
    reply = bridge.reply(message)
    assert reply["metadata"]["worker"] == "rescuer"
    assert reply["metadata"]["attempt"] >= 2
    bridge.check_exactly_once(1)


def test_crash_of_the_program_costs_an_attempt_and_no_more(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "attempts": 2})
    work(site, bridge, "--", *child(site))
    before = json.loads(bridge.reply(bridge.ask("before?"))["text"])["answer"].split(":")[0]
    reply = bridge.reply(bridge.ask("crash?"))
    answer = json.loads(reply["text"])
    assert (answer["type"], answer["attempts"]) == ("error", 2)
    after = json.loads(bridge.reply(bridge.ask("after?"))["text"])["answer"].split(":")[0]
    assert before != after, "the program was started again"
    bridge.check_exactly_once(3)


def test_status_counts_what_went_through_each_adapter(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**FAST, "attempts": 2})
    program = work(site, bridge, "--service", "child", "--", *child(site))
    work(site, bridge, "--service", "echo", "--echo")
    bridge.reply(bridge.ask("well?", service="child"))
    bridge.reply(bridge.ask("crash?", service="child"))
    for message in [bridge.ask(f"{n}?", service="echo") for n in range(5)]:
        bridge.reply(message)
    counted = {row.pop("name"): row for row in gateway.status()["adapters"]}
    assert counted["echo"] == {"workers": 1, "dispatched": 5, "answered": 5, "partials": 0,
                               "failed": 0, "returned": 0, "left": 0}
    assert (counted["exec"]["dispatched"], counted["exec"]["answered"], counted["exec"]["failed"]) == (3, 1, 2)
    assert {row["adapter"] for row in gateway.status()["workers"]} <= {"echo", "exec"}
    program.stop()
    wait_for(lambda: [row["workers"] for row in gateway.status()["adapters"] if row["name"] == "exec"] == [0],
             "the end of the worker")
    shown = tailgate("status", "--db", bridge.path).stdout
    assert re.search(r"^ADAPTER +WORKERS", shown, re.M) and re.search(r"^echo +1 +5 +5 ", shown, re.M), shown


def test_usage_of_an_answer_stands_in_the_metadata_of_its_reply(site):
    bridge = site.bridge()
    site.serve(bridge)
    work(site, bridge, "--", "sh", "-c", """while read -r q; do echo '{"answer":"a","usage":{"total_tokens":7}}'; done""")
    for message in (bridge.ask("json?"), bridge.ask_text("text?")):
        assert bridge.reply(message)["metadata"]["usage"] == {"total_tokens": 7}
    assert bridge.reply(message)["text"] == "a"


def test_stopping_worker_gives_back_free_of_charge_what_it_has_not_begun(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "attempts": 1})  # one failure would be the end of a query
    worker = work(site, bridge, "--slots", "4", "--", *child(site))
    inside = bridge.ask("hold?")
    wait_for((site.folder / "asleep").exists, "the query to be in the program")
    worker.signal(signal.SIGTERM)
    worker.wait_event("stopping")
    late = [bridge.ask(f"{n}?") for n in range(3)]
    wait_for(lambda: len(worker.events("held")) == 3, "the stopping worker to be handed the rest")
    site.answerer(bridge, name="rescuer")
    (site.folder / "asleep.go").touch()
    assert bridge.reply(inside)["metadata"]["attempt"] == 1
    for message in late:
        assert bridge.reply(message)["metadata"]["worker"] == "rescuer"
    assert worker.wait() == 0
    bridge.check_exactly_once(4)


def test_slow_beat_of_the_gateway_is_no_silence_to_a_worker_with_a_quick_one(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"heartbeat.interval": "10s"})
    worker = work(site, bridge, "--heartbeat", "1s", "--echo")
    worker.wait_event("ready")
    # Another worker with the same interval is the clock: six beats are two of what counts as silence.
    clock = site.mdp(bridge, service="nothing", interval=1000)
    for _ in range(6):
        assert clock.receive(timeout=9) == [MDP, HEARTBEAT], "the gateway beats more slowly than was asked"
        clock.heartbeat()
    bridge.reply(bridge.ask("still there?"))
    assert not worker.events("disconnected")
    assert len(gateway.status()["workers"]) == 2
    worker.stop()


def test_time_limit_ends_a_program_that_hangs(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "attempts": 1})
    work(site, bridge, "--time-limit", "1s", "--", *child(site))
    answer = json.loads(bridge.reply(bridge.ask("sleep?"))["text"])
    assert answer["type"] == "error"
    bridge.reply(bridge.ask("next?"))
    bridge.check_exactly_once(2)


def test_sigterm_ends_the_worker_and_its_program(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = work(site, bridge, "--", *child(site))
    pid = int(json.loads(bridge.reply(bridge.ask("pid?"))["text"])["answer"].split(":")[0])
    worker.stop()

    def gone():
        try:
            os.kill(pid, 0)
            return False
        except ProcessLookupError:
            return True
    wait_for(gone, "the program to end with its worker")


def test_worker_started_before_the_gateway_and_kept_through_its_restart(site):
    bridge = site.bridge()
    worker = work(site, bridge, "--echo")
    gateway = site.serve(bridge, settings=FAST)
    bridge.reply(bridge.ask("first?"))
    gateway.kill()
    gateway = site.serve(bridge, settings=FAST)
    bridge.reply(bridge.ask("second?"))
    gateway.stop()
    site.serve(bridge, settings=FAST)
    bridge.reply(bridge.ask("third?"))
    worker.signal(signal.SIGINT)
    assert worker.wait() == 0
    bridge.check_exactly_once(3)


def test_four_workers_share_a_crowd_of_questions(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    for n in range(4):
        work(site, bridge, "--name", f"w{n}", "--slots", "8", "--echo")
    wait_for(lambda: len(gateway.status()["workers"]) == 4, "four workers")
    bridge.ask_many(f"{n}?" for n in range(2_000))
    bridge.wait_replies(2_000)
    served = {reply["metadata"]["worker"] for reply in bridge.replies()}
    assert len(served) >= 2, f"one worker did it all: {served}"
    bridge.check_exactly_once(2_000)
