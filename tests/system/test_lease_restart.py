"""Restart without paying twice: what a worker is at work on when its gateway goes is not given to another one, and
its answer counts. Only work that outlasts `lease.persist_after` is recorded for that."""

import json

import pytest

import ledger
from harness import HERE, PYTHON, wait_for

QUICK = {"heartbeat.interval": "200ms", "backoff.first": "20ms", "lease.persist_after": "50ms"}
# A worker that lives comes back within seconds; how long it is waited for is only a bound here.
PATIENT = {**QUICK, "restart.grace": "60s", "drain.timeout": "100ms"}


class Slow:
    """A worker of the FORM that slow_worker.py knows, or `tailgate work` on it."""

    def __init__(self, site, bridge, form="work"):
        self.site = site
        self.form = form
        script = HERE / "slow_worker.py"
        if form == "work":
            self.process = site.program("work", "--db", bridge.path, "--name", "slow", "--heartbeat", "1s",
                                        "--", PYTHON, script, "child", site.folder).process
        else:
            self.process = site.spawn(PYTHON, script, form, site.folder, bridge.gate, "*")

    def executed(self):
        """[(message, attempt)]"""
        path = self.site.folder / "executed"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(int(word) for word in line.split()[1:]) for line in lines]

    def wait_executed(self, count=1):
        wait_for(lambda: len(self.executed()) >= count, f"{count} executions")

    def go(self):
        (self.site.folder / "go").touch()

    def die(self):
        self.process.kill()
        self.process.wait()


def begin(site, bridge, form="work", **keywords):
    """A gateway, a worker, and a query that it is at work on, on record."""
    gateway = site.serve(bridge, settings=PATIENT, **keywords)
    worker = Slow(site, bridge, form)
    message = bridge.ask("slow?")
    worker.wait_executed()
    ledger.wait_delivery(bridge, message, state="leased", attempt=1)
    return gateway, worker, message


def check_once(bridge, worker, message, idle):
    """MESSAGE was executed once and answered once by WORKER; the other one, which was IDLE, did not get it."""
    reply = bridge.reply(message)
    assert reply["metadata"]["attempt"] == 1
    assert json.loads(reply["text"])["answer"].endswith(": slow?")
    assert worker.executed() == [(message, 1)]
    assert message not in [query.id for query in idle.queries]
    wait_for(lambda: ledger.count(bridge, "tailgate_delivery") == 0, "the delivery row to go")


FORMS = ["work", "mdp", "req"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_work_goes_on_over_a_restart_and_is_paid_for_once(site, form, end):
    bridge = site.bridge()
    gateway, worker, message = begin(site, bridge, form)
    getattr(gateway, end)()
    again = site.serve(bridge, settings=PATIENT)
    idle = site.answerer(bridge, name="idle")
    if form == "work":
        again.wait_event("resumed", id=message, attempt=1)
    bridge.reply(bridge.ask("quick?"))  # others are served meanwhile
    assert message not in [query.id for query in idle.queries]
    worker.go()
    check_once(bridge, worker, message, idle)
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("form", FORMS)
def test_work_that_ends_while_no_gateway_runs_is_paid_for_once(site, form):
    bridge = site.bridge()
    gateway, worker, message = begin(site, bridge, form)
    gateway.kill()
    worker.go()
    idle = site.answerer(bridge, name="idle")
    site.serve(bridge, settings=PATIENT)
    check_once(bridge, worker, message, idle)
    bridge.check_exactly_once(1)


def test_work_goes_on_over_several_restarts(site):
    bridge = site.bridge()
    gateway, worker, message = begin(site, bridge)
    idle = site.answerer(bridge, name="idle")
    for _ in range(3):
        gateway.kill()
        gateway = site.serve(bridge, settings=PATIENT)
        gateway.wait_event("resumed", id=message, attempt=1)
    worker.go()
    check_once(bridge, worker, message, idle)
    bridge.check_exactly_once(1)


def test_work_that_was_not_recorded_yet_is_taken_up_by_the_worker_that_names_it(site):
    bridge = site.bridge()
    settings = {**PATIENT, "lease.persist_after": "60s"}
    gateway = site.serve(bridge, settings=settings)
    worker = Slow(site, bridge)
    message = bridge.ask("slow?")
    worker.wait_executed()
    gateway.kill()
    assert ledger.count(bridge, "tailgate_delivery") == 0
    again = site.serve(bridge, settings=settings)
    again.wait_event("resumed", id=message, attempt=1)
    worker.go()
    bridge.reply(message)
    assert worker.executed() == [(message, 1)]
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("form", FORMS)
def test_query_of_a_process_that_died_with_the_gateway_goes_to_another_at_once(site, form):
    """By its pid: the lease would last ten minutes, the grace one."""
    bridge = site.bridge()
    gateway, worker, message = begin(site, bridge, form)
    gateway.kill()
    worker.die()
    site.serve(bridge, settings=PATIENT)
    site.answerer(bridge, name="rescuer")
    reply = bridge.reply(message)
    assert (reply["metadata"]["worker"], reply["metadata"]["attempt"]) == ("rescuer", 2)
    bridge.check_exactly_once(1)


def test_query_of_a_process_that_dies_after_the_restart_goes_to_another_soon(site):
    bridge = site.bridge()
    gateway, worker, message = begin(site, bridge, "mdp")
    gateway.kill()
    site.serve(bridge, settings=PATIENT)
    rescuer = site.answerer(bridge, name="rescuer")
    bridge.reply(bridge.ask("quick?"))
    assert message not in [query.id for query in rescuer.queries]
    worker.die()
    assert bridge.reply(message)["metadata"]["attempt"] == 2
    bridge.check_exactly_once(2)


def test_remote_worker_that_does_not_come_back_is_waited_for_as_long_as_the_grace(site):
    bridge = site.bridge()
    settings = {**QUICK, "restart.grace": "300ms"}
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:*", settings=settings)
    tcp = next(gate for gate in gateway.status()["gateway"]["gates"] if gate.startswith("tcp"))
    remote = site.mdp(tcp, name="remote", heartbeats=True, interval=10000)
    message = bridge.ask("?")
    remote.request()
    row = ledger.wait_delivery(bridge, message, state="leased")
    assert (row["worker"], row["pid"], row["due_at"]) == ("remote", None, None)
    gateway.kill()
    remote.close()
    again = site.serve(bridge, settings=settings)
    site.answerer(bridge, name="rescuer")
    restored = again.wait_event("restored", id=message)
    assert restored["worker"] == "remote"
    reply = bridge.reply(message)
    assert (reply["metadata"]["worker"], reply["metadata"]["attempt"]) == ("rescuer", 2)
    retry = again.wait_event("retry", id=message)
    assert "did not come back" in retry["why"]
    bridge.check_exactly_once(1)


def test_grace_of_a_lease_does_not_outlast_it(site):
    """A worker that never heartbeats and lives, but has forgotten: its persisted lease is the bound."""
    bridge = site.bridge()
    settings = {**QUICK, "lease": "1s"}
    gateway = site.serve(bridge, settings=settings)
    forgetful = site.mdp(bridge)
    message = bridge.ask("?")
    forgetful.request()
    ledger.wait_delivery(bridge, message, state="leased")
    gateway.kill()
    site.serve(bridge, settings=settings)
    site.answerer(bridge, name="rescuer")
    assert bridge.reply(message)["metadata"]["attempt"] == 2
    bridge.check_exactly_once(1)


def test_fast_work_is_not_recorded(site):
    """On a slow machine 250 ms may pass in any of 500 answers; what is promised is that nothing quicker than
    `lease.persist_after` leaves a trace."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**QUICK, "lease.persist_after": "60s"})
    site.answerer(bridge, slots=10)
    bridge.ask_many(f"{n}?" for n in range(500))
    bridge.wait_replies(500)
    wait_for(lambda: ledger.counters(gateway)["answered"] == 500, "the count of answers")
    assert ledger.counters(gateway)["leases_recorded"] == 0
    assert ledger.counters(gateway)["failures_recorded"] == 0
    assert ledger.count(bridge, "tailgate_delivery") == 0
    bridge.check_exactly_once(500)


@pytest.mark.parametrize("end, recorded", [("kill", 100), ("stop", 0)])
def test_first_hundred_queries_after_an_unclean_stop_are_recorded_at_once(site, end, recorded):
    bridge = site.bridge()
    settings = {**QUICK, "lease.persist_after": "60s"}
    gateway = site.serve(bridge, settings=settings)
    site.answerer(bridge, slots=10)
    bridge.reply(bridge.ask("first?"))
    getattr(gateway, end)()
    again = site.serve(bridge, settings=settings)
    bridge.ask_many(f"{n}?" for n in range(150))
    bridge.wait_replies(151)
    wait_for(lambda: ledger.counters(again)["answered"] == 150, "the count of answers")
    assert ledger.counters(again)["leases_recorded"] == recorded
    wait_for(lambda: ledger.count(bridge, "tailgate_delivery") == 0, "the delivery rows to go")
    bridge.check_exactly_once(151)
