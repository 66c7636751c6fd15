"""Signals end the gateway as promised; and doing nothing costs nothing."""

import os
import signal
import time

import pytest

from harness import wait_for

HELD = {"heartbeats": True, "interval": 30000}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_what_is_in_flight_and_exits_0(site, number):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "60s"})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("in flight?")
    query = worker.request()
    waiting = bridge.ask("waiting?")
    since = gateway.mark()
    gateway.signal(number)
    gateway.wait_line("drain", since=since)
    assert gateway.running()
    worker.final(query.token, "just in time")
    bridge.reply(message)
    assert gateway.wait() == 0
    assert bridge.row(waiting)["read"] == 0, "what was not in flight waits for the next gateway"
    bridge.check_exactly_once(1)


def test_drain_ends_at_its_timeout_and_the_query_is_kept(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "500ms"})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("never answered?")
    worker.request()
    gateway.stop()
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_second_signal_exits_at_once(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "10m"})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("never answered?")
    worker.request()
    since = gateway.mark()
    gateway.signal(signal.SIGTERM)
    gateway.wait_line("drain", since=since)
    gateway.signal(signal.SIGTERM)
    gateway.wait(timeout=30)
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_idle_gateway_stops_at_once(site):
    bridge = site.bridge()
    for _ in range(5):
        gateway = site.serve(bridge, settings={"drain.timeout": "10m"})
        gateway.stop(timeout=30)


def test_stop_while_a_query_backs_off_is_clean_and_keeps_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backoff.first": "4s", "drain.timeout": "10m"})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("?")
    since = gateway.mark()
    worker.final(worker.request().token, {"type": "error", "error": "not now"})
    gateway.wait_line("retry", since=since)
    gateway.stop(timeout=30)
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_sighup_does_not_end_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    for _ in range(3):
        gateway.signal(signal.SIGHUP)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    assert gateway.running()


def test_stopped_and_continued_gateway_goes_on(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"heartbeat.interval": "200ms"})
    site.answerer(bridge)
    bridge.reply(bridge.ask("before?"))
    gateway.signal(signal.SIGSTOP)
    message = bridge.ask("meanwhile?")
    time.sleep(1)
    gateway.signal(signal.SIGCONT)
    bridge.reply(message)
    bridge.check_exactly_once(2)


def switches(pid):
    """Voluntary context switches of all threads of PID so far: each is a sleep, and so a wake-up."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total


def rate(pid, seconds):
    before, began = switches(pid), time.monotonic()
    time.sleep(seconds)
    return (switches(pid) - before) / (time.monotonic() - began)


@pytest.mark.parametrize("workers", [0, 2])
def test_idle_gateway_does_not_poll(site, workers):
    """Its safety net wakes it a few times a second; polling every 25 ms would be 40 and more."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    held = [site.req(bridge) for _ in range(workers)]
    if held:
        message = bridge.ask("once?")
        worker = wait_for(lambda: next((one for one in held if one.socket.poll(0)), None), "the query")
        worker.request()
        worker.final(None, "x")
        bridge.reply(message)
    # A hint without proof is followed by re-checks for up to 10 s: wait until they are over.
    wait_for(lambda: rate(gateway.pid, 1) < 20, "the gateway to become quiet", timeout=40)
    measured = rate(gateway.pid, 5)
    assert measured < 20, f"{measured:.0f} wake-ups a second while nothing happens"
