"""tailgate-work while its gateway goes away and comes back, or gives up: what it keeps, what it says again,
what it ends and what it gives back."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from gate import Gate, alive, pid_of, stamp, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, HEARTBEAT, wait_for

HOUR = 3600


def held(options):
    return [token.encode() for token in options.get("holding", [])]


def silence(gate):
    """Nothing but heartbeats come until two of them have."""
    for _ in range(2):
        assert gate.hear()[1] == HEARTBEAT


# ── the gateway goes away and comes back ────────────────────────────────────────────────────────────

@pytest.fixture(params=["ipc", "tcp"])
def gate(request, world, site):
    """The world's gate on each transport."""
    if request.param == "tcp":
        world.gate.close()
        world.gate = Gate(site.context, "tcp://127.0.0.1:0")
    return world.gate


def test_first_ready_holds_nothing(world):
    world.work("--echo")
    assert "holding" not in world.gate.ready()[2]


def test_gateway_that_comes_back_is_told_what_is_worked_on_and_gets_its_answer_once(world, gate):
    program = world.work_child("--heartbeat", "200ms")
    peer, _, _ = gate.ready()
    token = gate.ask(peer, "wait for it", deadline=stamp(HOUR))
    (pid,) = world.note("waiting")
    gate.close()
    program.wait_event("disconnected")
    gate.open()
    fresh, _, options = gate.ready()
    assert fresh != peer
    assert held(options) == [token]
    assert alive(pid)
    world.touch("go")
    assert json.loads(gate.answer(token))["answer"] == "for it"
    silence(gate)


def test_answer_that_was_finished_while_the_gateway_was_away_follows_ready(world, gate):
    program = world.work_child("--heartbeat", "200ms")
    peer, _, _ = gate.ready()
    token = gate.ask(peer, "wait for it")
    world.note("waiting")
    gate.close()
    program.wait_event("disconnected")
    world.touch("go")
    program.wait_event("kept")
    gate.open()
    _, _, options = gate.ready()
    assert held(options) == [token]
    assert json.loads(gate.answer(token))["answer"] == "for it"
    silence(gate)


def test_every_slot_is_in_holding_what_is_worked_on_before_what_is_answered(world):
    program = world.work_child("--slots", "4", "--heartbeat", "200ms")
    peer, _, _ = world.gate.ready()
    tokens = [world.gate.ask(peer, f"later {n}") for n in range(2)]
    tokens.append(world.gate.ask(peer, "wait for it"))
    world.note("waiting")
    world.gate.close()
    program.wait_event("disconnected")
    world.touch("go")
    program.wait_event("kept")  # an answer without a token: the oldest query's
    world.gate.open()
    peer, _, options = world.gate.ready()
    assert held(options) == tokens[1:] + tokens[:1]
    assert json.loads(world.gate.answer(tokens[0]))["answer"] == "for it"
    last = world.gate.ask(peer, "backwards 9")
    answers = [world.gate.answer(token) for token in (last, tokens[1])]
    assert [json.loads(answer)["answer"] for answer in answers] == ["backwards 9", "later 1"]


def test_address_that_is_no_token_is_kept_and_not_named(world):
    program = world.work_child("--slots", "2")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "later on", token=b"a client's address")
    named = world.gate.ask(peer, "wait for it")
    world.note("waiting")
    world.gate.close()
    program.wait_event("disconnected")
    world.gate.open()
    _, _, options = world.gate.ready()
    assert held(options) == [named]
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for it"


def test_answer_that_the_gateway_may_have_died_over_is_sent_again(world):
    program = world.work_child("--heartbeat", "200ms")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "say paid for")
    program.wait_event("answered")
    world.gate.close()  # read or not: nobody can tell whether it was committed
    program.wait_event("disconnected")
    world.gate.open()
    _, _, options = world.gate.ready()
    assert held(options) == [token]
    assert world.gate.answer(token) == b"paid for"
    silence(world.gate)


def test_failure_is_not_said_again(world):
    program = world.work_child("--heartbeat", "200ms")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, 'say {"type":"error","error":"no luck","retry":true}')
    assert world.gate.error(token) == "no luck"
    world.gate.close()
    program.wait_event("disconnected")
    world.gate.open()
    assert "holding" not in world.gate.ready()[2]
    silence(world.gate)


def test_five_restarts_in_one_query_are_one_execution_and_one_answer(world):
    program = world.work_child("--heartbeat", "200ms")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it")
    (pid,) = world.note("waiting")
    for _ in range(5):
        since = program.mark()
        world.gate.close()
        program.wait_event("disconnected", since=since)
        world.gate.open()
        assert held(world.gate.ready()[2]) == [token]
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for it"
    assert not (world.folder / "waiting").exists()
    assert alive(pid)
    silence(world.gate)


def test_gateway_is_found_again_without_a_missed_beat(world, gate):
    program = world.work("--echo", "--heartbeat", "60s")  # three missed beats are more than any wait here
    for _ in range(3):
        since = program.mark()
        gate.ready()
        gate.close()
        program.wait_event("disconnected", since=since)
        program.wait_event("waiting", since=since)
        gate.open()
    gate.ready()


def test_absent_gateway_costs_no_time(world):
    world.gate.close()
    program = world.work("--echo", "--count", "8")
    wait_for(lambda: len(program.events("waiting")) == 8, "eight workers to wait")

    def used():
        fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = used()
    time.sleep(3)
    assert used() - before < 0.2, "workers that wait for a gateway are busy"


# ── the gateway says DISCONNECT ─────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("deadline", [stamp(HOUR), None, "2001-01-01T00:00:00"],
                         ids=["to come", "none", "past"])
def test_disconnect_from_a_gateway_that_does_not_know_us_ends_no_work(world, deadline):
    world.work_child("--heartbeat", "200ms")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it", **({"deadline": deadline} if deadline else {}))
    (pid,) = world.note("waiting")
    world.gate.send(peer, DISCONNECT)
    world.gate.expect(DISCONNECT)
    fresh, _, options = world.gate.ready()
    assert fresh != peer
    assert held(options) == [token]
    assert alive(pid)
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for it"


# ── the end of an attempt ───────────────────────────────────────────────────────────────────────────

def test_attempt_that_outlasts_its_deadline_costs_the_process_group(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "family", deadline=stamp(2))
    family = world.note("family")  # the program and its child, both deaf to SIGTERM
    assert "ran out of time" in world.gate.error(token)
    world.gate.expect(DISCONNECT)
    for pid in family:
        wait_for(lambda pid=pid: not alive(pid), "the end of the process group")
    peer, _, options = world.gate.ready()
    assert "holding" not in options
    assert pid_of(world.gate.answer(world.gate.ask(peer, "next?"))) not in family


def test_deadline_ends_the_attempt_while_the_gateway_is_away_too(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "family", deadline=stamp(2))
    family = world.note("family")
    world.gate.close()
    program.wait_event("failed")
    for pid in family:
        wait_for(lambda pid=pid: not alive(pid), "the end of the process group")
    program.wait_event("restarted")
    world.gate.open()
    peer, _, options = world.gate.ready()
    if held(options):  # else it was said before READY: the program was down when the gateway came
        assert held(options) == [token]
        assert "ran out of time" in world.gate.error(token)
    assert pid_of(world.gate.answer(world.gate.ask(peer, "next?"))) not in family


def test_neighbours_of_a_query_out_of_time_are_given_back(world):
    world.work_child("--slots", "3")
    peer, _, _ = world.gate.ready()
    first = world.gate.ask(peer, "later 1")
    hung = world.gate.ask(peer, "hang", deadline=stamp(2))
    third = world.gate.ask(peer, "third?")
    assert "ran out of time" in world.gate.error(hung)
    assert "another query" in world.gate.returned(first)
    assert "another query" in world.gate.returned(third)
    world.gate.expect(DISCONNECT)


def test_query_that_only_waited_when_the_program_died_is_given_back(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "hang")
    (pid,) = world.note("hanging")
    waiting = world.gate.ask(peer, "second?")
    wait_for(lambda: len(program.events("query")) == 2, "both to be taken")
    os.kill(pid, signal.SIGKILL)
    assert "signal 9" in world.gate.error(token)
    assert "signal 9" in world.gate.returned(waiting)


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────────

def test_sigterm_gives_back_what_is_not_finished_in_time(world):
    program = world.work_child("--slots", "2")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "family")
    family = world.note("family")
    program.signal(signal.SIGTERM)
    program.wait_event("stopping")
    late = world.gate.ask(peer, "late?")
    assert "stopping" in world.gate.returned(token)
    assert "stopping" in world.gate.returned(late)
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0
    for pid in family:
        wait_for(lambda pid=pid: not alive(pid), "the end of the process group")


def test_sigterm_while_the_gateway_is_away_hands_the_answer_over_when_it_comes_back(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it")
    world.note("waiting")
    world.gate.close()
    program.wait_event("disconnected")
    program.signal(signal.SIGTERM)
    program.wait_event("stopping")
    world.touch("go")
    program.wait_event("kept")
    world.gate.open()
    assert held(world.gate.ready()[2]) == [token]
    assert json.loads(world.gate.answer(token))["answer"] == "for it"
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0
