"""tailgate-work and its way to the gateway: heartbeats, losing and finding it, many at once, leaving."""

import json
import os
import signal
import time

import pytest
import zmq

from gate import Gate, alive, pid_of, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, FINAL, HEARTBEAT, REQUEST, wait_for


# ── heartbeats, and the way to the gateway ──────────────────────────────────────────────────────────

def test_program_that_never_reads_does_not_stop_the_heartbeats(world):
    world.work("--heartbeat", "500ms", "--slots", "4", "--", "/bin/sleep", "3600")
    peer, _, _ = world.gate.ready()
    for _ in range(4):
        world.gate.ask(peer, "x" * (1 << 20))
    for _ in range(8):
        assert world.gate.hear()[1] == HEARTBEAT


def test_lost_gateway_is_found_again_and_gets_what_was_finished_meanwhile(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it")
    world.note("waiting")
    world.gate.close()
    program.wait_event("disconnected")
    world.touch("go")
    program.wait_event("kept")
    world.gate.open()
    peer, _, _ = world.gate.ready()
    assert json.loads(world.gate.answer(token))["answer"] == "for it"
    assert b"next?" in world.gate.answer(world.gate.ask(peer, "next?"))


def test_query_still_in_work_when_the_gateway_comes_back_is_answered_then(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it")
    world.note("waiting")
    world.gate.close()
    program.wait_event("disconnected")
    world.gate.open()
    peer, _, _ = world.gate.ready()
    second = world.gate.ask(peer, "second?")
    third = world.gate.ask(peer, "third?")  # one with the program, one waits: no more than that
    assert "no free slot" in world.gate.returned(third)
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for it"
    assert b"second?" in world.gate.answer(second)


def test_silent_gateway_is_left_for_a_fresh_connection(world):
    world.gate.beats = False
    program = world.work("--echo", "--heartbeat", "1s")
    first, _, _ = world.gate.ready()
    gone, _ = world.gate.expect(DISCONNECT)
    assert gone == first
    world.gate.beats = True
    program.wait_event("disconnected")
    second, _, _ = world.gate.ready()
    assert first != second
    assert b"still" in world.gate.answer(world.gate.ask(second, "still there?"))


def test_disconnect_is_followed_by_ready_on_a_fresh_connection(world):
    world.work("--echo")
    first, _, _ = world.gate.ready()
    world.gate.send(first, DISCONNECT)
    world.gate.expect(DISCONNECT)
    second, _, _ = world.gate.ready()
    assert first != second
    assert b"next?" in world.gate.answer(world.gate.ask(second, "next?"))


def test_frames_that_are_not_mdp_are_told_and_change_nothing(world):
    program = world.work("--echo")
    peer, _, _ = world.gate.ready()
    for frames in ([], [b""], [b"\x09"], [b"\x02"], [b"\x02", b"t", b"x", b"y"], [b"x"] * 70,
                   [REQUEST, b"t", b"", b"one", b"two"], [REQUEST, b"t" * 300, b"", b"{}"],
                   [FINAL, b"t", b"", b"not yours to send"]):
        world.gate.send(peer, *frames)
    world.gate.socket.send_multipart([peer, b"", b"hello"])
    assert b"next?" in world.gate.answer(world.gate.ask(peer, "next?"))
    assert len(program.events("odd-frames")) == 10


def test_something_else_than_a_gateway_is_not_mistaken_for_one(world, site):
    with site.context.socket(zmq.REP) as stranger:  # a DEALER may talk to a REP, which never says a word
        stranger.linger = 0
        stranger.bind(f"ipc://{world.folder}/other")
        program = world.work("--echo", "--heartbeat", "100ms",
                             where=("--gate", f"ipc://{world.folder}/other"))
        program.wait_event("disconnected")
        program.stop()


def test_worker_waits_for_a_gateway_that_comes_later(world, site):
    folder = site.folder / "later.db-gate"
    program = world.work("--echo", where=("--db", site.folder / "later.db"))
    endpoint = f"ipc://{os.path.realpath(site.folder)}/later.db-gate/gate"
    assert program.wait_event("waiting")["gate"] == endpoint
    folder.mkdir()
    gate = Gate(site.context, endpoint)
    try:
        peer, _, _ = gate.ready()
        assert b"hello?" in gate.answer(gate.ask(peer, "hello?"))
    finally:
        gate.close()


def test_waiting_worker_says_what_it_finds_at_the_database(world, site):
    def found(path):
        program = world.work("--echo", where=("--db", path))
        return program.wait_event("waiting")["say"]
    later, there = site.folder / "later.db", site.bridge("there.db").path
    assert f"{later} is not there yet" in found(later)
    assert f"{there} has no gateway" in found(there)
    gateway = site.serve(later, wait=False)  # waits for the file, too, and holds the lock meanwhile
    gateway.wait_line("wait")
    assert f"{later} is not there yet; the gateway with pid {gateway.pid}" in found(later)


def test_waiting_worker_names_the_gateway_whose_gate_is_not_open(world, site):
    path = site.bridge("taken.db").path
    gateway = site.serve(path)
    (site.folder / "taken.db-gate" / "gate").unlink()  # as if it had not come to that yet
    program = world.work("--echo", where=("--db", path))
    assert f"the gateway of {path}, pid {gateway.pid}," in program.wait_event("waiting")["say"]


# ── many, fast, and the end ─────────────────────────────────────────────────────────────────────────

def test_count_makes_that_many_workers_each_with_its_own_program(world):
    world.work_child("--count", "3", "--name", "trio")
    peers = {}
    for _ in range(3):
        peer, _, options = world.gate.ready()
        peers[peer] = options["name"]
    assert sorted(peers.values()) == ["trio-1", "trio-2", "trio-3"]
    pids = {pid_of(world.gate.answer(world.gate.ask(peer, "who?"))) for peer in peers}
    assert len(pids) == 3


def test_echo_answers_with_the_question(world):
    world.work("--echo")
    peer, _, _ = world.gate.ready()
    assert json.loads(world.gate.answer(world.gate.ask(peer, 'why "so"?'))) == {"answer": 'why "so"?'}
    world.gate.send(peer, REQUEST, b"t", b"", b"no JSON")
    assert json.loads(world.gate.answer(b"t")) == {"answer": "no JSON"}


def test_echo_is_not_held_up_by_any_polling_interval(world):
    world.work("--echo", "--log-level", "warn", "--slots", "100")
    peer, _, _ = world.gate.ready()
    began = time.monotonic()
    for n in range(2000):  # one after the other: an interval of 15 ms in the loop would already be seen
        assert world.gate.answer(world.gate.ask(peer, f"{n}?"))
    assert time.monotonic() - began < 30
    tokens = [world.gate.ask(peer, f"{n}?") for n in range(100)]
    assert [world.gate.expect(FINAL)[1][0] for _ in tokens] == tokens


def test_sigterm_while_idle_leaves_and_ends_the_program(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    pid = pid_of(world.gate.answer(world.gate.ask(peer, "who?")))
    program.stop()
    world.gate.expect(DISCONNECT)
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_waits_for_the_query_in_flight(world, number):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it")
    (pid,) = world.note("waiting")
    program.signal(number)
    program.wait_event("stopping")
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for it"
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0
    assert not alive(pid)


def test_queries_that_come_while_it_stops_are_held_and_given_back_when_it_leaves(world):
    program = world.work_child("--slots", "4")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it")
    world.note("waiting")
    program.signal(signal.SIGTERM)
    program.wait_event("stopping")
    held = [world.gate.ask(peer, f"{n} more?") for n in range(3)]
    wait_for(lambda: len(program.events("held")) == 3, "three queries to be held")
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for it"
    for refused in held:
        assert "stopping" in world.gate.returned(refused)
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0


def test_second_signal_does_not_wait(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "family")  # ignores SIGTERM, and so does its child
    family = world.note("family")
    program.signal(signal.SIGTERM)
    program.wait_event("stopping")
    program.signal(signal.SIGTERM)
    assert "stopping" in world.gate.returned(token)
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0
    for pid in family:
        wait_for(lambda pid=pid: not alive(pid), "the end of the process group")


def test_sigterm_without_a_gateway_ends_too(world):
    world.gate.close()
    program = world.work_child("--count", "2")
    program.wait_event("waiting")
    program.stop()


def test_killed_worker_leaves_its_program_at_the_end_of_its_input(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    pid = pid_of(world.gate.answer(world.gate.ask(peer, "who?")))
    program.kill()
    wait_for(lambda: not alive(pid), "the program to see the end of its stdin")
