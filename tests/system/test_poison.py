"""A query that kills whatever touches it ends dead after its attempts, whatever else dies meanwhile; what a worker
gives back is free, but not for ever."""

import json

import pytest

import ledger
from harness import HERE, PYTHON, wait_for

FAST = {"backoff.first": "20ms", "backoff.max": "50ms", "heartbeat.interval": "200ms"}
ATTEMPTS = 5


class Victims:
    """`tailgate work` on poison_child.py, started again as often as it dies."""

    def __init__(self, site, bridge):
        self.site = site
        self.command = ["work", "--db", bridge.path, "--name", "victim", "--heartbeat", "1s", "--", PYTHON,
                        HERE / "poison_child.py", bridge.path, site.folder]
        self.program = None

    def start(self):
        self.program = self.site.program(*self.command)

    def seen(self):
        """What the file said when each attempt began: [(attempt, state, attempt on record, failed on record)]"""
        path = self.site.folder / "seen"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(int(row[0]), row[1], int(row[2]), int(row[3])) for row in rows]

    def wait_seen(self, attempt):
        wait_for(lambda: len(self.seen()) >= attempt, f"attempt {attempt}")

    def go(self, attempt):
        """Lets ATTEMPT kill its worker, and waits for that."""
        (self.site.folder / f"go-{attempt}").touch()
        self.program.process.wait(60)


def check_dead(bridge, message, attempts, workers):
    """It ended once, with one error reply, one audit row, and its history."""
    reply = bridge.reply(message)
    text = json.loads(reply["text"])
    assert (text["type"], text["attempts"]) == ("error", attempts)
    assert text["query_id"] == json.loads(bridge.row(message)["message"])["query_id"]
    assert reply["metadata"]["dead"] is True
    row = ledger.delivery(bridge, message)
    assert (row["state"], row["attempt"], row["failed"], row["claimed"]) == ("dead", attempts, attempts, 0)
    items = ledger.history(bridge, message)
    assert [item["attempt"] for item in items] == list(range(1, attempts + 1))
    assert all(item["worker"].startswith(workers) and item["reason"] and item["at"] for item in items)
    assert row["reason"] == items[-1]["reason"]
    assert ledger.audits(bridge, message) == ["query_dead"]
    bridge.check_exactly_once()


@pytest.mark.parametrize("claim", ["reply", "dispatch"])
def test_query_that_kills_its_worker_is_dead_after_its_attempts_though_the_gateway_is_killed_too(site, claim):
    bridge = site.bridge()
    settings = {**FAST, "attempts": ATTEMPTS, "lease.persist_after": "50ms", "restart.grace": "60s", "claim": claim}
    gateway = site.serve(bridge, settings=settings)
    victims = Victims(site, bridge)
    message = bridge.ask("poison?")
    for attempt in range(1, ATTEMPTS + 1):
        victims.start()
        victims.wait_seen(attempt)
        if attempt in (2, 4):  # once with the worker still alive when it goes, once while the worker dies
            ledger.wait_delivery(bridge, message, state="leased", attempt=attempt)
            gateway.kill()
        victims.go(attempt)
        if attempt in (2, 4):
            gateway = site.serve(bridge, settings=settings)
    check_dead(bridge, message, ATTEMPTS, "victim")
    seen = victims.seen()
    assert [attempt for attempt, *_ in seen] == [1, 2, 3, 4, 5], "it was handed out as often as it has attempts"
    healthy = site.answerer(bridge, name="healthy")
    marker = bridge.ask("next?")
    bridge.reply(marker)
    assert [query.id for query in healthy.queries] == [marker]


@pytest.mark.parametrize("claim", ["reply", "dispatch"])
def test_failed_attempt_is_on_disk_before_the_next_begins(site, claim):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "attempts": ATTEMPTS, "lease.persist_after": "60s", "claim": claim})
    victims = Victims(site, bridge)
    message = bridge.ask("poison?")
    for attempt in range(1, ATTEMPTS + 1):
        victims.start()
        victims.wait_seen(attempt)
        victims.go(attempt)
    check_dead(bridge, message, ATTEMPTS, "victim")
    for attempt, state, recorded, failed in victims.seen():
        assert failed == attempt - 1, f"attempt {attempt} began with {failed} failures on record"
        if attempt > 1:
            assert (state, recorded) == ("waiting", attempt - 1)
        elif claim == "dispatch":
            assert (state, recorded) == ("leased", 1)


def test_error_that_forbids_a_retry_is_dead_at_once(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge, name="strict")
    message = bridge.ask("?")
    worker.final(worker.request().token, {"type": "error", "error": "no such case", "retry": False})
    check_dead(bridge, message, 1, "strict")
    assert json.loads(bridge.reply(message)["text"])["error"] == "no such case"
    assert ledger.history(bridge, message)[0]["reason"] == "no such case"


def test_dead_query_stays_dead_after_a_restart(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge, name="strict")
    message = bridge.ask("?")
    worker.final(worker.request().token, {"type": "error", "error": "no", "retry": False})
    bridge.reply(message)
    gateway.kill()
    site.serve(bridge, settings=FAST)
    answerer = site.answerer(bridge)
    marker = bridge.ask("next?")
    bridge.reply(marker)
    assert [query.id for query in answerer.queries] == [marker]
    check_dead(bridge, message, 1, "strict")


FREE = 20


def give_back(worker, times):
    for _ in range(times):
        query = worker.request()
        worker.final(query.token, {"type": "return", "error": "busy"})
    return query.id


def test_query_that_is_given_back_twenty_times_has_not_failed(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**FAST, "backoff.first": "1ms", "attempts": 1})
    worker = site.mdp(bridge, name="shy")
    message = bridge.ask("?")
    assert give_back(worker, FREE) == message
    worker.final(worker.request().token, {"answer": "at last"})
    assert json.loads(bridge.reply(message)["text"])["answer"] == "at last"
    found = wait_for(lambda: (got := ledger.counters(gateway))["answered"] and got, "the count of answers")
    assert (found["returned"], found["retried"], found["failures_recorded"]) == (FREE, 0, 0)
    assert ledger.count(bridge, "tailgate_delivery") == 0
    bridge.check_exactly_once(1)


def test_giving_back_for_the_twenty_first_time_costs_an_attempt(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "backoff.first": "1ms", "attempts": 2})
    worker = site.mdp(bridge, name="shy")
    message = bridge.ask("?")
    give_back(worker, FREE + 1)
    query = worker.request()
    row = ledger.delivery(bridge, message)
    assert row["failed"] == 1
    assert ledger.history(bridge, message)[0]["reason"] == "busy"
    worker.final(query.token, {"type": "error", "error": "enough"})
    text = json.loads(bridge.reply(message)["text"])
    assert (text["type"], text["error"]) == ("error", "enough")
    assert ledger.delivery(bridge, message)["state"] == "dead"
    bridge.check_exactly_once(1)
