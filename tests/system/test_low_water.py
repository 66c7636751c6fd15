"""The low-water mark: a start reads what is new and what waits, not what has been settled long ago, however the last
run ended."""

import json

import pytest
import writer

import ledger
from harness import wait_for

QUICK = {"heartbeat.interval": "200ms", "backoff.first": "20ms", "park.after": "200ms"}
ENDS = ["stop", "kill"]


def answered(site, bridge, count, **settings):
    """A gateway that has answered COUNT queries, and whose mark has passed them. Gives (gateway, answerer, ids)."""
    gateway = site.serve(bridge, settings={**QUICK, **settings})
    answerer = site.answerer(bridge, service="default", slots=10)
    ids = bridge.ask_many(f"{n}?" for n in range(count))
    bridge.wait_replies(count)
    ledger.wait_mark(bridge, max(reply["id"] for reply in bridge.replies()))
    return gateway, answerer, ids


def last_row(bridge):
    with bridge.reading() as db:
        return db.execute("SELECT max(id) FROM messages").fetchone()[0]


@pytest.mark.parametrize("end", ENDS)
def test_start_reads_only_what_is_new(site, end):
    """A row that a person has reset to unread far below the mark gives it away: whoever read it would serve it."""
    bridge = site.bridge()
    gateway, answerer, ids = answered(site, bridge, 200)
    assert ledger.mark(bridge) == last_row(bridge)
    assert ledger.parked(bridge) == []
    getattr(gateway, end)()
    for message in ids[:5]:
        bridge.run("UPDATE messages SET read = 0 WHERE id = ?", message)
    new = bridge.ask("new?")
    again = site.serve(bridge, settings=QUICK)
    bridge.reply(new)
    ledger.wait_mark(bridge, new)
    assert [query.id for query in answerer.queries[len(ids):]] == [new]
    assert ledger.counters(again)["queries"] == 1
    assert not again.events("backlog") or again.events("backlog")[0]["queries"] == 1
    assert not again.events("reading")


@pytest.mark.parametrize("end", ENDS)
def test_unanswered_queries_below_the_mark_are_served_after_a_restart(site, end):
    """Nobody served their service before."""
    bridge = site.bridge()
    waiting = [bridge.ask(f"{n}?", service="rare") for n in range(20)]
    gateway, _, _ = answered(site, bridge, 30)
    wait_for(lambda: ledger.parked(bridge) == waiting, "all of them to be parked")
    getattr(gateway, end)()
    again = site.serve(bridge, settings=QUICK)
    rare = site.answerer(bridge, service="rare")
    bridge.wait_replies(50)
    assert [query.id for query in rare.queries] == waiting, "in their order"
    wait_for(lambda: ledger.parked(bridge) == [], "none of them to be parked any more")
    assert ledger.counters(again)["queries"] == 20
    bridge.check_exactly_once(50)


def test_more_queries_than_the_window_holds_are_parked_and_served_after_a_restart(site):
    bridge = site.bridge()
    settings = {"backlog.window": "10"}
    waiting = bridge.ask_many((f"{n}?" for n in range(250)), bridge.converse(roles=("asker", "rare")))
    gateway, _, _ = answered(site, bridge, 10, **settings)
    wait_for(lambda: ledger.parked(bridge) == waiting, "all of them to be parked")
    gateway.kill()
    site.serve(bridge, settings={**QUICK, **settings})
    rare = site.answerer(bridge, service="rare", slots=5)
    bridge.wait_replies(260)
    assert sorted(query.id for query in rare.queries) == waiting
    wait_for(lambda: ledger.parked(bridge) == [], "none of them to be parked any more")
    bridge.check_exactly_once(260)


def test_what_waits_in_the_file_is_counted_once_however_often_it_is_looked_at(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**QUICK, "backlog.window": "10"})
    bridge.ask_many((f"{n}?" for n in range(250)), bridge.converse(roles=("asker", "rare")))
    for look in (1, 2, 3):
        ledger.wait_look(bridge)
        status = wait_for(lambda: (got := gateway.status())["counters"]["queries"] == 250 + look and got,
                          "each query to be counted once")
        assert [row["backlog"] for row in status["services"] if row["name"] == "rare"] == [250]
    rare = site.answerer(bridge, service="rare", slots=5)
    bridge.wait_replies(250)
    assert len(rare.queries) == 250


def test_query_that_was_parked_is_served_by_the_run_that_parked_it(site):
    bridge = site.bridge()
    site.serve(bridge, settings=QUICK)
    message = bridge.ask("?")
    wait_for(lambda: ledger.parked(bridge) == [message], "it to be parked")
    site.answerer(bridge)
    bridge.reply(message)
    wait_for(lambda: ledger.parked(bridge) == [], "it to be parked no longer")
    bridge.check_exactly_once(1)


def test_failed_query_below_the_mark_keeps_its_attempts_over_a_restart(site):
    bridge = site.bridge()
    settings = {**QUICK, "attempts": 3}
    gateway = site.serve(bridge, settings=settings)
    worker = site.mdp(bridge, name="leaving")
    message = bridge.ask("?")
    worker.request()
    worker.disconnect()  # costs the attempt, and nobody is there for the next one
    ledger.wait_delivery(bridge, message, state="waiting", failed=1)
    wait_for(lambda: message in ledger.parked(bridge), "it to be parked")
    gateway.kill()
    site.serve(bridge, settings=settings)
    worker = site.mdp(bridge, name="failing")
    for attempt in (2, 3):
        query = worker.request()
        assert query.attempt == attempt
        worker.final(query.token, {"type": "error", "error": f"failure {attempt}"})
    assert json.loads(bridge.reply(message)["text"])["attempts"] == 3
    assert [item["worker"] for item in ledger.history(bridge, message)] == ["leaving", "failing", "failing"]
    assert [item["attempt"] for item in ledger.history(bridge, message)] == [1, 2, 3]
    wait_for(lambda: ledger.parked(bridge) == [], "it to be parked no longer")


@pytest.mark.parametrize("crash", [False, True])
def test_another_served_session_means_another_pass_over_all_rows(site, crash):
    """Also when the first gateway with the new rules dies before it has a mark of its own."""
    bridge = site.bridge()
    early = bridge.send(writer.query("for c?", "q_c", service="rare"), to="c")
    gateway, _, _ = answered(site, bridge, 50)
    assert early < ledger.mark(bridge)
    gateway.stop()
    other = {**QUICK, "serve.session": "c"}
    if crash:
        first = site.serve(bridge, settings={**other, "park.after": "1h"})
        first.wait_event("query", id=early)
        with bridge.reading() as db:
            wait_for(lambda: db.execute("SELECT value FROM tailgate_meta WHERE key = 'serves'").fetchone()[0] == "c",
                     "the new rules to be on record")
        first.kill()
    site.serve(bridge, settings=other)
    rare = site.answerer(bridge, service="rare")
    bridge.reply(early)
    assert [query.id for query in rare.queries] == [early]


def test_cursor_and_mark_are_in_the_status(site):
    bridge = site.bridge()
    gateway, _, _ = answered(site, bridge, 20)
    tail = wait_for(lambda: (got := gateway.status()["tail"])["low_water"] == last_row(bridge) and got,
                    "the mark in the status")
    assert (tail["cursor"], tail["lag"], tail["parked"], tail["dead"]) == (last_row(bridge), 0, 0, 0)


def test_mark_passes_a_query_that_is_worked_on_and_a_crash_finds_it_again(site):
    bridge = site.bridge()
    settings = {**QUICK, "lease.persist_after": "60s", "restart.grace": "100ms"}
    gateway = site.serve(bridge, settings=settings)
    worker = site.mdp(bridge, heartbeats=True, interval=10000)
    message = bridge.ask("slow?")
    worker.request()
    ledger.wait_mark(bridge, message)
    assert ledger.parked(bridge) == [message]
    gateway.kill()
    worker.close()
    site.serve(bridge, settings=settings)
    site.answerer(bridge)
    bridge.reply(message)
    wait_for(lambda: ledger.parked(bridge) == [], "it to be parked no longer")
    bridge.check_exactly_once(1)


def test_kills_at_any_time_lose_and_double_nothing(site):
    """While the mark moves, with queries that wait, are worked on, and are answered."""
    bridge = site.bridge()
    settings = {**QUICK, "park.after": "100ms", "lease.persist_after": "20ms"}
    waiting = bridge.ask_many((f"{n}?" for n in range(50)), bridge.converse(roles=("asker", "rare")))
    site.answerer(bridge, service="default", slots=4)
    asked = 0
    for burst in range(8):
        gateway = site.serve(bridge, settings=settings)
        bridge.ask_many(f"{burst}.{n}?" for n in range(40))
        asked += 40
        bridge.wait_replies(asked - 35 + 4 * burst)
        gateway.kill()
    site.serve(bridge, settings=settings)
    bridge.wait_replies(asked)
    ledger.wait_mark(bridge, last_row(bridge))
    wait_for(lambda: ledger.parked(bridge) == waiting, "what waits to be parked, and nothing else")
    site.answerer(bridge, service="rare")
    bridge.wait_replies(asked + 50)
    bridge.check_exactly_once(asked + 50)
