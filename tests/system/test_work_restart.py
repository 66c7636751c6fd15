"""`tailgate work` with a real gateway that is killed or gives up: what was paid for is not paid for again, and
nothing is held for ever."""

import json
import signal

import pytest

from gate import alive
from harness import PYTHON, wait_for

FAST = {"backoff.first": "20ms", "backoff.max": "100ms", "heartbeat.interval": "200ms"}

# A worker program that notes every query that it begins, with its pid, and answers when it is let.
CHILD = """
import json, os, subprocess, sys, time
folder = sys.argv[1]
for line in sys.stdin:
    query = json.loads(line)
    word, _, name = query["question"].rstrip("?").partition(" ")
    child = subprocess.Popen(["sleep", "3600"]) if word == "family" else None
    with open(os.path.join(folder, "begun"), "a") as file:
        file.write(f"{name} {os.getpid()} {child.pid if child else 0}\\n")
    while word != "quick" and not os.path.exists(os.path.join(folder, name + ".go")):
        time.sleep(0.01)
    print(json.dumps({"answer": name, "delivery": query["delivery"]}), flush=True)
"""


@pytest.fixture
def bridge(site):
    (site.folder / "child.py").write_text(CHILD)
    return site.bridge()


def work(site, bridge, *words):
    return site.program("work", "--db", bridge.path, "--log-format", "json", "--heartbeat", "200ms", *words,
                        "--", PYTHON, site.folder / "child.py", site.folder)


def begun(site):
    """What programs have begun: [(name, pid, pid of the program's own child)]."""
    try:
        lines = (site.folder / "begun").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [(name, int(pid), int(child)) for name, pid, child in (line.rsplit(" ", 2) for line in lines)]


def let(site, name):
    (site.folder / f"{name}.go").touch()


@pytest.mark.parametrize("when", ["after it is back", "while it is away"])
def test_query_in_work_when_the_gateway_is_killed_is_done_once_and_answered_once(site, bridge, when):
    gateway = site.serve(bridge, settings={**FAST, "lease.persist_after": "0s"})
    worker = work(site, bridge)
    message = bridge.ask("wait long")
    wait_for(lambda: len(begun(site)) == 1, "the query to be begun")
    since = worker.mark()
    gateway.kill()
    worker.wait_event("disconnected", since=since)
    if when == "while it is away":
        let(site, "long")
        worker.wait_event("kept", since=since)
    site.serve(bridge, settings=FAST)
    worker.wait_event("ready", since=since)
    let(site, "long")
    reply = bridge.reply(message)
    assert json.loads(reply["text"])["answer"] == "long"
    assert reply["metadata"]["attempt"] == 1
    bridge.reply(bridge.ask("quick next"))
    assert [name for name, _, _ in begun(site)] == ["long", "next"]
    bridge.check_exactly_once(2)


def test_four_queries_survive_two_kills_of_the_gateway(site, bridge):
    settings = {**FAST, "lease.persist_after": "0s"}
    gateway = site.serve(bridge, settings=settings)
    worker = work(site, bridge, "--count", "4", "--name", "four")
    names = ["a", "b", "c", "d"]
    messages = [bridge.ask(f"wait {name}") for name in names]
    wait_for(lambda: len(begun(site)) == 4, "four queries to be begun")
    for _ in range(2):
        since = worker.mark()
        gateway.kill()
        gateway = site.serve(bridge, settings=settings)
        for number in range(1, 5):
            worker.wait_event("ready", since=since, worker=f"four-{number}")
    for name, message in zip(names, messages):
        let(site, name)
        assert json.loads(bridge.reply(message)["text"])["answer"] == name
    assert sorted(name for name, _, _ in begun(site)) == names
    bridge.check_exactly_once(4)


def test_attempt_that_lasts_too_long_costs_the_program_and_the_next_is_served(site, bridge):
    site.serve(bridge, settings={**FAST, "attempt.max": "1500ms", "attempts": 1})
    work(site, bridge)
    message = bridge.ask("family hung")
    assert json.loads(bridge.reply(message)["text"])["type"] == "error"
    ((_, pid, child),) = begun(site)
    for process in (pid, child):
        wait_for(lambda process=process: not alive(process), "the end of the process group")
    assert json.loads(bridge.reply(bridge.ask("quick next"))["text"])["answer"] == "next"
    bridge.check_exactly_once(2)


def test_stopped_worker_gives_an_unfinished_query_back_free_of_charge(site, bridge):
    site.serve(bridge, settings={**FAST, "attempts": 1})  # one failure would be its end
    worker = work(site, bridge)
    message = bridge.ask("wait long")
    wait_for(lambda: len(begun(site)) == 1, "the query to be begun")
    worker.signal(signal.SIGTERM)
    worker.wait_event("stopping")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    let(site, "long")
    work(site, bridge)
    assert json.loads(bridge.reply(message)["text"])["answer"] == "long"
    bridge.check_exactly_once(1)
