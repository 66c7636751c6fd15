"""A worker on the Python library, with a real gateway: what its function returns, yields and raises; how long it may
take; and what becomes of it when the gateway or the worker ends."""

import json
import signal
import time

import pytest

from harness import wait_for
from python_world import PythonWorker

FAST = {"backoff.first": "20ms", "backoff.max": "100ms", "heartbeat.interval": "200ms"}


@pytest.fixture
def bridge(site):
    return site.bridge()


def answer_to(bridge, question, **members):
    """The reply to QUESTION as an object."""
    return json.loads(bridge.reply(bridge.ask(question, **members))["text"])


# ── what a function gives ───────────────────────────────────────────────────────────────────────────

def test_what_a_function_returns_is_the_answer(site, bridge):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path)
    assert answer_to(bridge, "echo grüße")["answer"] == "grüße"
    with_sources = answer_to(bridge, "sources")
    assert (with_sources["answer"], with_sources["sources"]) == ("a", ["x:1-2"])
    assert answer_to(bridge, "list")["answer"] == [1, 2]
    assert answer_to(bridge, "bytes")["answer"] == "as it is"
    assert answer_to(bridge, "surrogate")["answer"] == "?!"
    assert with_sources["shard_id"] == "child"
    bridge.check_exactly_once(5)


def test_text_that_looks_like_an_error_is_an_answer(site, bridge):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path)
    reply = answer_to(bridge, "json-text")
    assert (reply["type"], reply["answer"]) == ("response", '{"type":"error","error":"no"}')


def test_query_tells_what_the_asker_and_the_gateway_say_of_it(site, bridge):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path)
    message = bridge.ask("about", query_id="q_7", service="law")
    assert json.loads(bridge.reply(message)["text"])["answer"] == \
        ["law", message, 1, "q_7", {}, True, bridge.conversation,
         ["delivery", "query_id", "question", "service", "type"], None]
    message = bridge.ask_text("about", files_involved=["a.c"])
    told = json.loads(bridge.reply(message)["text"])
    assert told[3:5] == [f"m{message}", {"action_type": "question", "files_involved": ["a.c"]}]


@pytest.mark.parametrize("question, reason", [
    ("fail", "ValueError: a bad day"), ("none", "returned nothing"), ("nan", "not JSON compliant")])
def test_exception_costs_an_attempt_and_the_last_one_is_the_reason(site, bridge, question, reason):
    site.serve(bridge, settings={**FAST, "attempts": 2})
    worker = PythonWorker(site, bridge.path)
    reply = answer_to(bridge, question)
    assert reply["type"] == "error" and reply["attempts"] == 2 and reason in reply["error"]
    assert worker.begun() == [question, question]
    assert answer_to(bridge, "echo next")["answer"] == "next"


@pytest.mark.parametrize("question, reason", [
    ("fatal", "it cannot be"), ("own-error", "mine"), ("large", "bytes, and a gateway takes")])
def test_what_cannot_be_is_dead_at_once(site, bridge, question, reason):
    site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path)
    reply = answer_to(bridge, question)
    assert reply["type"] == "error" and reply["attempts"] == 1 and reason in reply["error"]
    assert worker.begun() == [question]


def test_next_attempt_after_an_exception_may_succeed(site, bridge):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path)
    reply = bridge.reply(bridge.ask("fail-once luck"))
    assert json.loads(reply["text"])["answer"] == "luck"
    assert reply["metadata"]["attempt"] == 2


def test_query_given_back_loses_no_attempt(site, bridge):
    site.serve(bridge, settings={**FAST, "attempts": 1})
    worker = PythonWorker(site, bridge.path)
    assert answer_to(bridge, "give-back it")["answer"] == "it"  # one failure would have been its end
    assert worker.begun() == ["it", "it"]


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_yields_of_a_generator_are_the_answer(site, bridge, kind):
    gateway = site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path, kind)
    assert answer_to(bridge, "go last")["answer"] == "first last"
    assert answer_to(bridge, "many 2000")["answer"] == "first " + "".join(f"{n} " for n in range(2000)) + "2000"
    wait_for(lambda: gateway.status()["counters"]["partials"] >= 2004, "each yield to be a PARTIAL")
    assert gateway.status()["counters"].get("refused_past", 0) == 0


def test_return_value_of_a_generator_is_the_answer_instead(site, bridge):
    site.serve(bridge, settings={**FAST, "attempts": 1})
    PythonWorker(site, bridge.path, "generator")
    reply = answer_to(bridge, "return x")
    assert (reply["answer"], reply["sources"]) == ("the whole", ["y:3"])
    assert "partial is text" in answer_to(bridge, "wrong x")["error"]
    assert "a bad day" in answer_to(bridge, "fail x")["error"]


def test_function_may_send_partials_itself(site, bridge):
    gateway = site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path)
    assert answer_to(bridge, "partials 1000")["answer"] == "1000"
    assert gateway.status()["counters"]["partials"] == 1000


def test_async_functions_work_side_by_side(site, bridge):
    site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path, "async", slots=3)
    messages = [bridge.ask(f"wait {name}") for name in "abc"]
    worker.wait_begun(3)
    for name, message in reversed(list(zip("abc", messages))):
        worker.let(name)
        assert json.loads(bridge.reply(message)["text"])["answer"] == name
    assert "a bad day" in answer_to(bridge, "fail-once x").get("error", "a bad day")
    bridge.check_exactly_once(4)


def test_slots_work_in_parallel_threads(site, bridge):
    site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path, slots=3)
    messages = [bridge.ask(f"wait {name}") for name in "abcd"]
    worker.wait_begun(3)
    for name, message in reversed(list(zip("abcd", messages))):
        worker.let(name)
    for name, message in zip("abcd", messages):
        assert json.loads(bridge.reply(message)["text"])["answer"] == name
    bridge.check_exactly_once(4)


# ── how long it may take ────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("kind, verb", [("plain", "block"), ("plain", "spin"), ("async", "block")])
def test_function_that_blocks_for_many_intervals_is_not_given_up(site, bridge, kind, verb):
    gateway = site.serve(bridge, settings={**FAST, "attempts": 1})
    worker = PythonWorker(site, bridge.path, kind, interval=0.2)
    message = bridge.ask(f"{verb} 5.5")  # 27 intervals
    reply = bridge.reply(message)
    assert json.loads(reply["text"])["answer"] == "5.5"
    assert worker.begun() == ["5.5"]
    assert gateway.status()["counters"].get("workers_left", 0) == 0
    assert len([line for line in worker.stderr.lines if "ready for" in line]) == 1


def test_attempt_that_is_over_sets_cancelled_and_the_worker_serves_on(site, bridge):
    site.serve(bridge, settings={**FAST, "attempt.max": "1500ms", "attempts": 1})
    PythonWorker(site, bridge.path)
    assert answer_to(bridge, "until-cancelled x")["type"] == "error"
    assert answer_to(bridge, "echo next")["answer"] == "next"


def test_attempt_of_a_generator_that_is_over_closes_it(site, bridge):
    site.serve(bridge, settings={**FAST, "attempt.max": "500ms", "attempt.hard_max": "1500ms", "attempts": 1})
    PythonWorker(site, bridge.path, "generator")
    assert answer_to(bridge, "endless x")["type"] == "error"
    wait_for((site.folder / "closed.go").exists, "the generator to be closed")
    assert answer_to(bridge, "go next")["answer"] == "first next"


def test_attempt_of_an_async_function_that_is_over_cancels_its_task(site, bridge):
    site.serve(bridge, settings={**FAST, "attempt.max": "1500ms", "attempts": 1})
    PythonWorker(site, bridge.path, "async")
    assert answer_to(bridge, "hang x")["type"] == "error"
    wait_for((site.folder / "cancelled.go").exists, "the task to be cancelled")
    assert answer_to(bridge, "echo next")["answer"] == "next"


def test_one_hung_query_of_several_leaves_the_slots_to_the_others(site, bridge):
    site.serve(bridge, settings={**FAST, "attempt.max": "1500ms", "attempts": 1})
    worker = PythonWorker(site, bridge.path, slots=2)
    hung = bridge.ask("wait forever")
    worker.wait_begun(1)
    for number in range(8):  # before, while and after it is given up
        assert answer_to(bridge, f"block 0.4{number}")["answer"] == f"0.4{number}"
    assert json.loads(bridge.reply(hung)["text"])["type"] == "error"
    two = [bridge.ask(f"wait {name}") for name in "ab"]
    worker.wait_begun(11)
    worker.let("a")
    worker.let("b")
    assert [json.loads(bridge.reply(message)["text"])["answer"] for message in two] == ["a", "b"]


# ── when the gateway ends ───────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("kind, slots", [("plain", 1), ("plain", 2), ("generator", 1), ("async", 2)])
@pytest.mark.parametrize("when", ["after it is back", "while it is away"])
def test_query_in_work_when_the_gateway_is_killed_is_done_once_and_answered_once(site, bridge, kind, slots, when):
    gateway = site.serve(bridge, settings={**FAST, "lease.persist_after": "0s"})
    worker = PythonWorker(site, bridge.path, kind, slots=slots)
    message = bridge.ask("wait long")
    worker.wait_begun(1)
    since = worker.mark()
    gateway.kill()
    worker.wait_line("disconnected", since=since)
    if when == "while it is away":
        worker.let("long")
    site.serve(bridge, settings=FAST)
    worker.ready(since)
    worker.let("long")
    reply = bridge.reply(message)
    assert json.loads(reply["text"])["answer"].endswith("long")
    assert reply["metadata"]["attempt"] == 1
    bridge.reply(bridge.ask("echo next"))
    assert worker.begun() == ["long", "next"]
    bridge.check_exactly_once(2)


def test_worker_waits_for_a_gateway_that_is_not_there_yet_and_says_so_once(site, bridge):
    worker = PythonWorker(site, bridge.path)
    line = worker.wait_line("no gateway at")
    assert "WARNING" in line and f"{bridge.path}-gate/gate" in line
    message = bridge.ask("echo early")
    site.serve(bridge, settings=FAST)
    bridge.reply(message)
    assert len([line for line in worker.stderr.lines if "no gateway at" in line]) == 1


# ── when the worker ends ────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_worker_ends_at_once_and_says_goodbye(site, bridge, kind, number):
    gateway = site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path, kind).ready()
    worker.signal(number)
    assert worker.wait() == 0
    worker.wait_line("ended in peace")
    wait_for(lambda: not gateway.status()["workers"], "the worker to be gone")


@pytest.mark.parametrize("kind, slots", [("plain", 1), ("plain", 2), ("async", 1)])
def test_stopped_worker_finishes_what_it_works_on(site, bridge, kind, slots):
    site.serve(bridge, settings={**FAST, "attempts": 1})
    worker = PythonWorker(site, bridge.path, kind, slots=slots)
    message = bridge.ask("wait long")
    worker.wait_begun(1)
    worker.signal(signal.SIGTERM)
    worker.let("long")
    assert worker.wait() == 0
    assert json.loads(bridge.reply(message)["text"])["answer"] == "long"


@pytest.mark.parametrize("kind, slots", [("plain", 1), ("plain", 2), ("async", 1)])
@pytest.mark.parametrize("how", ["when the grace is over", "at the second signal"])
def test_stopped_worker_gives_an_unfinished_query_back_free_of_charge(site, bridge, kind, slots, how):
    site.serve(bridge, settings={**FAST, "attempts": 1})  # one failure would be its end
    worker = PythonWorker(site, bridge.path, kind, slots=slots, grace=0.5 if "grace" in how else 3600)
    message = bridge.ask("wait long")
    worker.wait_begun(1)
    worker.signal(signal.SIGTERM)
    if "second" in how:
        time.sleep(0.2)  # two signals at once may be one
        worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    other = PythonWorker(site, bridge.path, kind)
    other.wait_begun(2)
    other.let("long")
    assert json.loads(bridge.reply(message)["text"])["answer"] == "long"


def test_worker_blocked_in_the_kernel_is_ended_when_its_grace_is_over(site, bridge):
    site.serve(bridge, settings={**FAST, "attempts": 1})
    worker = PythonWorker(site, bridge.path, grace=0.3)
    bridge.ask("block 3600")
    worker.wait_begun(1)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_function_that_exits_gives_its_query_back_and_ends_the_program(site, bridge):
    site.serve(bridge, settings={**FAST, "attempts": 1})
    worker = PythonWorker(site, bridge.path)
    message = bridge.ask("exit x")
    assert worker.wait() == 1
    worker.wait_line("^enough")
    site.answerer(bridge)
    assert json.loads(bridge.reply(message)["text"])["answer"] == "re: exit x"
