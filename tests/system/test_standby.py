"""A second gateway waits for the first one's end, however that comes, and goes on where it was."""

import os
import signal
import socket
import time

import pytest

import ledger
from harness import HERE, PYTHON, finished, tailgate, wait_for

QUICK = {"heartbeat.interval": "200ms", "backoff.first": "20ms", "lease.persist_after": "50ms",
         "restart.grace": "60s"}


def standby(site, bridge, *options, **keywords):
    """A gateway that waits for the end of the one that serves BRIDGE."""
    gateway = site.serve(bridge, "--standby", *options, wait=False, **keywords)
    gateway.wait_event("standby")
    return gateway


def holder(bridge):
    """The pid that the lock file names."""
    lines = (bridge.path.parent / f"{bridge.path.name}-gate" / "lock").read_text().splitlines()
    return int(dict(line.split(" ", 1) for line in lines)["pid"])


def leave(gateway, bridge):
    """The database is gone for a moment: the gateway ends with an error."""
    aside = bridge.path.with_suffix(".aside")
    bridge.path.rename(aside)
    assert gateway.wait() == 7
    aside.rename(bridge.path)


ENDS = {"SIGTERM": lambda gateway, bridge: gateway.stop(),
        "kill -9": lambda gateway, bridge: gateway.kill(),
        "error": leave}


def test_standby_waits_and_says_for_whom(site):
    bridge = site.bridge()
    active = site.serve(bridge)
    waiting = standby(site, bridge)
    assert waiting.events("standby")[0]["holder"] == active.pid
    site.answerer(bridge)
    bridge.reply(bridge.ask("who serves?"))
    assert waiting.running() and not waiting.events("serving")
    assert active.status()["gateway"]["pid"] == active.pid
    assert holder(bridge) == active.pid


def test_standby_without_another_gateway_serves_at_once(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--standby")
    assert not gateway.events("standby")
    assert holder(bridge) == gateway.pid


@pytest.mark.parametrize("end", ENDS)
def test_standby_takes_over_when_the_active_one_ends(site, end):
    bridge = site.bridge()
    active = site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(bridge.ask("before?"))
    waiting = standby(site, bridge)
    ENDS[end](active, bridge)
    message = bridge.ask("between?")
    waiting.wait_serving()
    bridge.reply(message)
    bridge.reply(bridge.ask("after?"))
    assert waiting.status()["gateway"]["pid"] == waiting.pid
    bridge.check_exactly_once(3)


def test_lock_file_names_the_new_holder_and_a_third_gateway_is_refused_by_it(site):
    bridge = site.bridge()
    active = site.serve(bridge)
    waiting = standby(site, bridge)
    active.kill()
    waiting.wait_serving()
    assert holder(bridge) == waiting.pid
    done = tailgate("serve", "--db", bridge.path)
    assert done.returncode == 5 and f"pid {waiting.pid}," in done.stderr, done.stderr


def test_of_two_standbys_exactly_one_takes_over(site):
    bridge = site.bridge()
    active = site.serve(bridge)
    waiting = [standby(site, bridge) for _ in range(2)]
    site.answerer(bridge)
    while waiting:
        active.kill()
        active = wait_for(lambda: next((one for one in waiting if one.events("serving")), None), "a standby to serve")
        waiting.remove(active)
        bridge.reply(bridge.ask("?"))
        assert holder(bridge) == active.pid
        for other in waiting:
            assert other.running() and not other.events("serving")
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_waiting_standby_ends_with_0_and_leaves_the_active_one_alone(site, number):
    bridge = site.bridge()
    active = site.serve(bridge)
    waiting = standby(site, bridge)
    waiting.signal(number)
    assert waiting.wait() == 0
    assert not waiting.events("serving")
    assert holder(bridge) == active.pid
    site.answerer(bridge)
    bridge.reply(bridge.ask("still there?"))
    active.stop()
    site.serve(bridge)  # nobody has the lock


def test_sighup_does_not_end_a_waiting_standby(site):
    bridge = site.bridge()
    active = site.serve(bridge)
    waiting = standby(site, bridge)
    for _ in range(3):
        since = waiting.mark()
        waiting.signal(signal.SIGHUP)
        waiting.wait_event("reload", since=since)
    active.kill()
    waiting.wait_serving()


def test_standby_takes_over_although_somebody_removed_the_lock_file(site):
    """A lock on a file that has no name keeps nobody out: what it takes must have one."""
    bridge = site.bridge()
    active = site.serve(bridge)
    waiting = standby(site, bridge)
    os.unlink(f"{bridge.path}-gate/lock")
    active.kill()
    waiting.wait_serving()
    assert holder(bridge) == waiting.pid
    assert tailgate("serve", "--db", bridge.path).returncode == 5


def test_standby_started_after_the_lock_file_was_removed_waits_for_the_socket(site):
    bridge = site.bridge()
    active = site.serve(bridge)
    os.unlink(f"{bridge.path}-gate/lock")
    waiting = site.serve(bridge, "--standby", wait=False)
    waiting.wait_event("waiting", endpoint=bridge.gate)
    assert active.status()["gateway"]["pid"] == active.pid
    active.kill()
    waiting.wait_serving()
    assert holder(bridge) == waiting.pid


def test_standby_that_waits_for_the_socket_ends_with_0(site):
    bridge = site.bridge()
    site.serve(bridge)
    os.unlink(f"{bridge.path}-gate/lock")
    waiting = site.serve(bridge, "--standby", wait=False)
    waiting.wait_event("waiting", endpoint=bridge.gate)
    waiting.stop()


def test_gateway_does_not_take_the_socket_of_one_whose_lock_file_was_removed(site):
    bridge = site.bridge()
    site.serve(bridge)
    os.unlink(f"{bridge.path}-gate/lock")
    done = tailgate("serve", "--db", bridge.path)
    assert done.returncode == 1 and "somebody else listens there" in done.stderr, done.stderr


def test_standby_waits_for_a_gateway_that_stands_still(site):
    bridge = site.bridge()
    active = site.serve(bridge)
    active.freeze()
    waiting = standby(site, bridge)
    active.thaw()
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    assert not waiting.events("serving")


def test_standby_takes_over_the_tcp_endpoint_too(site):
    bridge = site.bridge()
    with socket.socket() as probe:  # a port that is free now
        probe.bind(("127.0.0.1", 0))
        gate = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    active = site.serve(bridge, "--gate", gate)
    waiting = standby(site, bridge, "--gate", gate)
    site.answerer(gate)
    bridge.reply(bridge.ask("before?"))
    active.kill()
    waiting.wait_serving()
    bridge.reply(bridge.ask("after?"))
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("end", ["SIGTERM", "kill -9"])
def test_queries_that_come_during_the_takeover_are_answered_once(site, end):
    bridge = site.bridge()
    active = site.serve(bridge, settings=QUICK)
    waiting = [standby(site, bridge, settings=QUICK) for _ in range(3)]
    site.program("work", "--db", bridge.path, "--echo", "--slots", 4, "--heartbeat", "200ms")
    writers = [site.writer(bridge, count=100, name=f"w{n}", pause=0.005) for n in range(2)]
    while waiting:
        before = len(bridge.replies())
        bridge.wait_replies(min(before + 5, 190))
        ENDS[end](active, bridge)
        active = wait_for(lambda: next((one for one in waiting if one.events("serving")), None), "a standby to serve")
        waiting.remove(active)
    for writer in writers:
        finished(writer)
    bridge.wait_replies(200)
    bridge.check_exactly_once(200)


@pytest.mark.parametrize("end", ["SIGTERM", "kill -9"])
def test_work_in_flight_is_not_executed_twice(site, end):
    bridge = site.bridge()
    settings = {**QUICK, "drain.timeout": "100ms"}
    active = site.serve(bridge, settings=settings)
    waiting = standby(site, bridge, settings=settings)
    site.program("work", "--db", bridge.path, "--heartbeat", "200ms", "--",
                 PYTHON, HERE / "slow_worker.py", "child", site.folder)
    message = bridge.ask("slow?")
    executed = site.folder / "executed"
    ledger.wait_delivery(bridge, message, state="leased", attempt=1)
    ENDS[end](active, bridge)
    site.answerer(bridge, name="idle")  # would get it, if it were given out again
    waiting.wait_event("resumed", id=message, attempt=1)
    (site.folder / "go").touch()
    assert bridge.reply(message)["metadata"]["attempt"] == 1
    assert len(executed.read_text().splitlines()) == 1
    bridge.check_exactly_once(1)


def test_settings_file_is_read_again_at_the_takeover(site):
    bridge = site.bridge()
    path = site.folder / "tailgate.cfg"
    path.write_text("attempts = 3\n")
    active = site.serve(bridge)
    waiting = standby(site, bridge, "-c", path)
    path.write_text("attempts = 1\n")
    active.kill()
    waiting.wait_serving()
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    worker.final(worker.request().token, {"type": "error", "error": "no"})
    assert bridge.reply(message)["metadata"]["dead"]


def test_settings_file_that_is_broken_at_the_takeover_does_not_prevent_it(site):
    bridge = site.bridge()
    path = site.folder / "tailgate.cfg"
    path.write_text("attempts = 1\n")
    active = site.serve(bridge)
    waiting = standby(site, bridge, "-c", path)
    path.write_text("attempts = many\n")
    active.kill()
    waiting.wait_serving()
    assert "many" in waiting.events("reload")[0]["why"]
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    worker.final(worker.request().token, {"type": "error", "error": "no"})
    assert bridge.reply(message)["metadata"]["dead"]


def spent(pid):
    """What PID has done so far: clock ticks of its processor time, and sleeps that ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        ticks = sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:13])
    switches = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            switches += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return ticks, switches


def test_waiting_costs_nothing(site):
    bridge = site.bridge()
    site.serve(bridge)
    waiting = standby(site, bridge)
    before = spent(waiting.pid)
    time.sleep(3)
    after = spent(waiting.pid)
    # Its two threads may go to sleep once more, and a sanitizer's own thread looks around ten times a second.
    assert after[0] - before[0] <= 5 and after[1] - before[1] <= 100, (before, after)
