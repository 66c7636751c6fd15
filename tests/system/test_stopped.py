"""A worker, the gateway, a writer inside its transaction, each stopped (SIGSTOP) for seconds, and for minutes in the
long run: nothing is lost, each is answered once, and everything flows again by itself."""

import signal
import time

from harness import LONG, finished, tailgate, wait_for
from locker import lock, release

SECONDS = 120 if LONG else 6
HELD = {"heartbeats": True, "interval": 30000}
QUICK = {"heartbeat.interval": "300ms", "backoff.first": "20ms", "backoff.max": "100ms"}


def while_stopped(check, seconds=SECONDS):
    """The length is the test: CHECK holds all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check()
        time.sleep(0.25)


def in_flight(gateway):
    return sum(service["in_flight"] for service in gateway.status()["services"])


def test_stopped_worker_holds_up_nobody_else(site):
    """What it holds goes to another one after three missed heartbeats; what it says later changes nothing."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    stopped = site.program("work", "--db", bridge.path, "--echo", "--slots", "8", "--name", "stopped")
    wait_for(lambda: gateway.status()["workers"], "the worker")
    stopped.freeze()
    bridge.ask_many(f"{n}?" for n in range(50))
    wait_for(lambda: in_flight(gateway) == 8, "eight queries in the stopped worker's hands")
    site.answerer(bridge)
    bridge.wait_replies(50)
    names = {reply["metadata"]["worker"] for reply in bridge.replies()}
    assert names == {"answerer"}, f"a stopped worker has answered: {names}"
    while_stopped(gateway.status)
    stopped.thaw()
    wait_for(lambda: any(worker["name"] == "stopped" for worker in gateway.status()["workers"]),
             "the worker to be back")
    bridge.ask_many(f"{n} again?" for n in range(50))
    bridge.wait_replies(100)
    stopped.stop()
    gateway.stop()
    bridge.check_exactly_once(100)


def test_stopped_gateway_loses_nothing_of_what_is_written_or_answered_meanwhile(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    worker = site.mdp(bridge, slots=10, **HELD)
    ids = bridge.ask_many(f"{n}?" for n in range(10))
    queries = [worker.request() for _ in ids]
    gateway.freeze()  # it has nothing to commit, and so not the write lock
    for query in queries:
        worker.final(query.token, "while you were away")
    writer = site.writer(bridge, count=100, pause=0.02)
    while_stopped(lambda: finished(writer) if writer.poll() is not None and not writer.stdout.closed else None)
    assert bridge.replies() == []
    gateway.thaw()
    worker.close()
    site.answerer(bridge)
    bridge.wait_replies(110)
    first = {reply["reply_to"] for reply in bridge.replies() if reply["text"].find("while you were away") >= 0}
    assert first <= set(ids)
    gateway.stop()
    bridge.check_exactly_once(110)


def test_stopped_writer_with_the_lock_is_waited_out_at_the_bound(site):
    """commit.queue bounds what waits for its commit together with what workers hold; the status says who is in
    the way."""
    bound = 30
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"commit.queue": bound})
    total = 200
    bridge.ask_many(f"{n}?" for n in range(total))
    locker = lock(site, bridge, "COMMIT")
    locker.send_signal(signal.SIGSTOP)
    since = gateway.mark()
    answerer = site.answerer(bridge, slots=1000)
    wait_for(lambda: gateway.status()["committer"]["queued"] >= bound, f"{bound} replies that wait")
    wait_for(lambda: gateway.status()["committer"]["state"] == "locked", "the status to say so")

    def check():
        status = gateway.status()
        committer = status["committer"]
        assert committer["state"] == "locked"
        # Beside the replies the gateway's own notes, a handful however long it lasts.
        assert bound <= committer["queued"] <= bound + 10, committer
        assert committer["lock_holder"] == locker.pid
        assert committer["state_seconds"] is not None
        assert sum(service["backlog"] for service in status["services"]) == total - bound
        assert len(answerer.queries) == bound, "dispatch has stopped at the bound"
        assert bridge.replies() == []

    while_stopped(check)
    assert f"locked by pid {locker.pid} for " in tailgate("status", "--db", bridge.path).stdout
    told = [line for line in gateway.stderr.lines[since:] if "lock" in line]
    assert any(str(locker.pid) in line for line in told), f"the log does not say who: {told}"
    assert len(told) <= 10 + 2 * SECONDS, "it says so, and does not flood the log"
    locker.send_signal(signal.SIGCONT)
    release(locker)
    bridge.wait_replies(total)
    wait_for(lambda: gateway.status()["committer"]["state"] == "ok", "the state to be ok again")
    assert gateway.status()["committer"]["lock_holder"] is None
    assert len(answerer.queries) == total, "nothing was handed out twice"
    gateway.stop()
    bridge.check_exactly_once(total)
