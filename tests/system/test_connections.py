"""A connection that closes is noticed at once; living workers survive a standstill; breaking the protocol ends it."""

import json
import os
import signal
import sqlite3
import time

import pytest

from harness import FINAL, HERE, MDP, PYTHON, find_member, wait_for

LAZY = {"lease": "10m", "backoff.first": "20ms", "backoff.max": "100ms"}  # only a closed connection frees a query


def workers_in(gateway):
    return find_member(gateway.status(), "workers")


def wait_workers(gateway, count):
    wait_for(lambda: len(gateway.status()["workers"]) == count, f"{count} workers in status")


def test_busy_stock_worker_that_dies_frees_its_query_at_once(site):
    """It said nothing of heartbeats, and its lease is ten minutes."""
    bridge = site.bridge()
    site.serve(bridge, settings=LAZY)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    assert worker.request().id == message
    worker.close()
    site.answerer(bridge, name="rescuer")
    assert bridge.reply(message)["metadata"]["attempt"] == 2
    bridge.check_exactly_once(1)


def test_busy_req_worker_that_is_killed_frees_its_query_at_once(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=LAZY)
    killed = site.spawn(PYTHON, HERE / "silent_worker.py", bridge.gate, "req", "*")
    wait_workers(gateway, 1)
    message = bridge.ask("?")
    wait_for(lambda: gateway.status()["workers"][0]["in_flight"] == 1, "the query at the worker")
    killed.send_signal(signal.SIGKILL)
    site.answerer(bridge, name="rescuer")
    assert bridge.reply(message)["metadata"]["worker"] == "rescuer"
    bridge.check_exactly_once(1)


def test_idle_req_workers_that_vanish_do_not_stay_registered(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    for _ in range(30):
        site.req(bridge).close()
    keeper = site.req(bridge)
    wait_workers(gateway, 1)
    message = bridge.ask("?")
    query = keeper.request()
    keeper.final(query.token, "here")
    bridge.reply(message)


def test_answer_sent_just_before_the_end_counts(site):
    bridge = site.bridge()
    site.serve(bridge, settings=LAZY)
    for number in range(20):
        worker = site.mdp(bridge)
        message = bridge.ask(f"question {number}")
        query = worker.request()
        worker.final(query.token, f"answer {number}")
        worker.socket.close(linger=5000)
        assert bridge.reply(message)["metadata"]["attempt"] == query.attempt
    bridge.check_exactly_once(20)


def test_gateway_that_stood_still_does_not_give_up_living_workers(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"heartbeat.interval": "200ms"})
    # Each beats every 200 ms, so that none is late itself, and may be silent for 3 s.
    answerers = [site.answerer(bridge, name=f"w{number}", interval=1000) for number in range(20)]
    wait_workers(gateway, len(answerers))
    gateway.freeze()
    time.sleep(4)
    gateway.thaw()
    message = bridge.ask("still there?")
    bridge.reply(message)
    assert not [entry for entry in gateway.events("left")]
    assert len(gateway.status()["workers"]) == len(answerers)


@pytest.mark.parametrize("frames", [
    [b"garbage", b"more"], [b"an answer without its frames"], [MDP, b"\x09"], [MDP, FINAL, b"no token", b"", b"x"]])
def test_majordomo_worker_that_breaks_the_protocol_is_no_worker_any_more(site, frames):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=LAZY)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    assert worker.request().id == message
    worker.send(*frames)
    worker.wait_disconnect()
    site.answerer(bridge, name="rescuer")
    reply = bridge.reply(message)
    assert reply["metadata"]["worker"] == "rescuer" and reply["metadata"]["attempt"] == 2
    assert "garbage" not in reply["text"]
    assert gateway.status()["counters"]["bad_frames"] >= 1
    bridge.check_exactly_once(1)


def test_answer_too_large_in_all_its_frames_is_refused(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=LAZY)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    query = worker.request()
    part = b"x" * (9 << 20)
    worker.send(MDP, FINAL, query.token, b"", part, part)
    worker.wait_disconnect()
    site.answerer(bridge, name="rescuer")
    assert bridge.reply(message)["metadata"]["worker"] == "rescuer"
    assert gateway.status()["counters"]["bad_frames"] >= 1


def test_answer_of_several_frames_is_joined(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.req(bridge)
    message = bridge.ask_text("?")
    worker.request()
    worker.socket.send_multipart([b"one ", b"answer"])
    assert bridge.reply(message)["text"] == "one answer"


def test_req_worker_whose_token_is_refused_gets_the_next_query(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**LAZY, "backoff.first": "1s"})
    worker = site.req(bridge)
    first = bridge.ask("first")
    query = worker.request()
    second = bridge.ask("second")
    forged = query.delivery["token"][:-4] + "AAAA"
    worker.final(None, {"answer": "x", "delivery": {"token": forged}})
    query = worker.request()
    assert query.id == second
    worker.final(None, "two")
    query = worker.request()
    assert query.id == first and query.delivery["attempt"] == 2
    worker.final(None, "one")
    bridge.wait_replies(2)
    bridge.check_exactly_once(2)


def test_locked_rollback_journal_is_said_and_costs_no_worker(site):
    """Readers are shut out too: nothing can be checked, and everything goes on afterwards."""
    bridge = site.bridge(journal="DELETE")
    gateway = site.serve(bridge, settings={"heartbeat.interval": "200ms"})
    worker = site.mdp(bridge, heartbeats=True, interval=1000)
    message = bridge.ask("?")
    query = worker.request()
    lock = sqlite3.connect(bridge.path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    worker.final(query.token, "an answer for a locked file")
    beats = 0

    def lives(until, what):
        end = time.monotonic() + 4

        def beat():
            nonlocal beats
            worker.heartbeat()
            if worker.socket.poll(200):
                beats += worker.socket.recv_multipart() == [MDP, b"\x05"]
            return until(time.monotonic() > end)
        wait_for(beat, what)
    lives(lambda four_seconds: four_seconds and gateway.events("not-reading"), "the gateway to say that it cannot read")
    said = gateway.events("not-reading")[0]
    assert said["holder"] == os.getpid()
    assert said["for_seconds"] < 8, "it waited until another trouble was to be told again, which is after ten"
    lock.execute("COMMIT")
    lock.close()
    lives(lambda _: bridge.replies(), "the reply")
    assert json.loads(bridge.reply(message)["text"])["answer"] == "an answer for a locked file"
    assert beats >= 3, "the gateway's heartbeats go on"
    assert not gateway.events("left")
    assert bridge.reply(message)["metadata"]["attempt"] == 1


def test_drain_does_not_spin(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "4s"})
    worker = site.mdp(bridge)
    bridge.ask("?")
    worker.request()

    def cpu_seconds():
        fields = open(f"/proc/{gateway.pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    gateway.signal(signal.SIGTERM)
    gateway.wait_event("draining")
    before = cpu_seconds()
    time.sleep(2)
    assert cpu_seconds() - before < 1
    assert gateway.wait() == 0


def test_reply_that_the_database_refuses_becomes_an_error_reply(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    bridge.run("CREATE TRIGGER short_only BEFORE INSERT ON messages WHEN length(new.message) > 300"
               " BEGIN SELECT raise(ABORT, 'too long'); END")
    site.answerer(bridge, answer=lambda query: "x" * 400)
    message = bridge.ask("?")
    reply = json.loads(bridge.reply(message)["text"])
    assert reply["type"] == "error" and "refuses" in reply["error"]
    gateway.wait_event("uncommittable")
    bridge.check_exactly_once(1)
