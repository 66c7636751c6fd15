"""`claim dispatch`: the read flag is taken before a query is sent, so that a legacy poller on the same bridge and the
gateway never both work on it."""

import json
import subprocess

import pytest
import writer

import ledger
from harness import HERE, PYTHON, finished, replies_in, wait_for

CLAIM = {"claim": "dispatch", "heartbeat.interval": "200ms", "backoff.first": "20ms"}
HELD = {"heartbeats": True, "interval": 10000}


def claimed_query(site, bridge, **settings):
    """A gateway, its worker, and a query in the worker's hands."""
    gateway = site.serve(bridge, settings={**CLAIM, **settings})
    worker = site.mdp(bridge, name="owner", **HELD)
    message = bridge.ask("?")
    query = worker.request()
    assert query.id == message
    return gateway, worker, query


def test_read_flag_is_taken_before_the_worker_sees_the_query(site):
    bridge = site.bridge()
    _, worker, query = claimed_query(site, bridge)
    assert bridge.row(query.id)["read"] == 1
    row = ledger.delivery(bridge, query.id)
    assert (row["state"], row["claimed"], row["attempt"], row["worker"]) == ("leased", 1, 1, "owner")
    assert writer.fetch(str(bridge.path), bridge.conversation, "b") == [], "a poller finds nothing"
    worker.final(query.token, {"answer": "mine"})
    assert json.loads(bridge.reply(query.id)["text"])["answer"] == "mine"
    assert ledger.count(bridge, "tailgate_delivery") == 0
    bridge.check_exactly_once(1)


def test_poller_that_takes_a_query_first_keeps_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=CLAIM)
    message = bridge.ask("?")
    gateway.wait_event("query", id=message)
    taken = writer.fetch(str(bridge.path), bridge.conversation, "b")
    assert [row["id"] for row in taken] == [message]
    answerer = site.answerer(bridge)
    marker = bridge.ask("next?")
    bridge.reply(marker)
    assert [query.id for query in answerer.queries] == [marker]
    ledger.wait_audit(bridge, message, "query_superseded")
    assert ledger.count(bridge, "tailgate_delivery") == 0
    assert not bridge.replies(to=message)


def test_answer_of_a_claimed_query_counts_after_the_gateway_was_killed(site):
    bridge = site.bridge()
    gateway, worker, query = claimed_query(site, bridge)
    gateway.kill()
    site.serve(bridge, settings={**CLAIM, "restart.grace": "60s"})
    idle = site.answerer(bridge, name="idle")
    bridge.reply(bridge.ask("quick?"))
    worker.final(query.token, {"answer": "paid for"})
    assert json.loads(bridge.reply(query.id)["text"])["answer"] == "paid for"
    assert query.id not in [other.id for other in idle.queries]
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("claim", ["dispatch", "reply"])
def test_claimed_query_is_served_again_when_its_worker_is_gone_after_a_restart(site, claim):
    """Its read flag is ours, not somebody's answer; so too when the gateway claims with the reply by now."""
    bridge = site.bridge()
    gateway, worker, query = claimed_query(site, bridge)
    gateway.kill()
    worker.close()
    site.serve(bridge, settings={**CLAIM, "claim": claim, "restart.grace": "100ms"})
    site.answerer(bridge, name="rescuer")
    reply = bridge.reply(query.id)
    assert (reply["metadata"]["worker"], reply["metadata"]["attempt"]) == ("rescuer", 2)
    assert ledger.count(bridge, "tailgate_delivery") == 0
    bridge.check_exactly_once(1)


def test_claimed_query_that_waits_for_a_worker_is_served_after_a_restart(site):
    """Its attempt has failed, nobody is there for another one, and the low-water mark passes it."""
    bridge = site.bridge()
    gateway, worker, query = claimed_query(site, bridge, **{"park.after": "100ms"})
    worker.disconnect()  # costs the attempt
    ledger.wait_delivery(bridge, query.id, state="waiting", failed=1)
    ledger.wait_mark(bridge, query.id)
    gateway.kill()
    site.serve(bridge, settings={**CLAIM, "park.after": "100ms"})
    site.answerer(bridge)
    assert bridge.reply(query.id)["metadata"]["attempt"] == 2
    bridge.check_exactly_once(1)


def test_claimed_query_that_is_dead_has_its_error_reply(site):
    bridge = site.bridge()
    _, worker, query = claimed_query(site, bridge)
    worker.final(query.token, {"type": "error", "error": "no such case", "retry": False})
    assert json.loads(bridge.reply(query.id)["text"])["error"] == "no such case"
    row = ledger.delivery(bridge, query.id)
    assert (row["state"], row["claimed"]) == ("dead", 0)
    assert ledger.audits(bridge, query.id) == ["query_dead"]
    bridge.check_exactly_once(1)


def test_claimed_query_whose_conversation_expires_in_flight_is_expired(site):
    bridge = site.bridge()
    _, worker, query = claimed_query(site, bridge)
    ledger.expire(bridge)
    worker.final(query.token, {"answer": "too late"})
    ledger.wait_audit(bridge, query.id, "query_expired")
    (why, answer), = ledger.kept(bridge, query.id)
    assert (why, json.loads(answer)["answer"]) == ("expired", "too late")
    assert not bridge.replies()
    assert ledger.count(bridge, "tailgate_delivery") == 0


def test_claimed_query_that_fails_after_its_conversation_expired_is_expired(site):
    """What the file says of it: `read` is set, but by us."""
    bridge = site.bridge()
    _, worker, query = claimed_query(site, bridge)
    ledger.expire(bridge)
    worker.final(query.token, {"type": "error", "error": "not now"})
    ledger.wait_audit(bridge, query.id, "query_expired")
    assert ledger.count(bridge, "tailgate_delivery") == 0


@pytest.mark.parametrize("parked", [False, True])
def test_claimed_query_whose_conversation_expires_while_no_gateway_runs_is_expired(site, parked):
    bridge = site.bridge()
    quick = {"park.after": "100ms"} if parked else {}
    gateway, _, query = claimed_query(site, bridge, **quick)
    if parked:
        ledger.wait_mark(bridge, query.id)
    gateway.kill()
    ledger.expire(bridge)
    again = site.serve(bridge, settings={**CLAIM, **quick})
    ledger.wait_audit(bridge, query.id, "query_expired")
    marker = bridge.ask("next?", conversation=bridge.converse())
    site.answerer(bridge)
    bridge.reply(marker)
    ledger.wait_audit(bridge, query.id, "query_expired")
    assert ledger.counters(again)["expired"] == 1
    assert ledger.count(bridge, "tailgate_delivery") == 0
    assert ledger.parked(bridge) == []


def test_claimed_query_whose_session_is_not_served_any_more_stays_claimed(site):
    bridge = site.bridge()
    gateway, worker, query = claimed_query(site, bridge, **{"park.after": "100ms"})
    worker.disconnect()  # costs the attempt
    ledger.wait_delivery(bridge, query.id, state="waiting", failed=1)
    ledger.wait_mark(bridge, query.id)
    gateway.stop()
    other = {**CLAIM, "park.after": "100ms"}
    between = site.serve(bridge, settings={**other, "serve.session": "c"})
    marker = bridge.send(writer.query("for c?", "q_c"), to="c")
    answerer = site.answerer(bridge)
    bridge.reply(marker)
    ledger.wait_mark(bridge, marker)
    between.stop()
    assert ledger.audits(bridge, query.id) == []
    site.serve(bridge, settings=other)
    bridge.reply(query.id)
    assert [one.id for one in answerer.queries] == [marker, query.id]


def test_kill_9_in_the_middle_of_a_burst_loses_and_doubles_nothing(site):
    bridge = site.bridge()
    settings = {**CLAIM, "attempts": "100", "restart.grace": "100ms"}
    site.answerer(bridge, slots=20)
    ids = bridge.ask_many(f"{n}?" for n in range(1_000))
    for n in range(4):
        gateway = site.serve(bridge, settings=settings)
        bridge.wait_replies(min(len(ids), 50 * (n + 1)))
        gateway.kill()
    site.serve(bridge, settings=settings)
    bridge.wait_replies(len(ids))
    wait_for(lambda: ledger.count(bridge, "tailgate_delivery") == 0, "the delivery rows to go")
    bridge.check_exactly_once(len(ids))


def test_each_query_is_the_pollers_or_answered_and_never_both(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=CLAIM)
    answerer = site.answerer(bridge, slots=4)
    poller = site.spawn(PYTHON, HERE / "legacy_poller.py", bridge.path, 2, 0.03, stdin=subprocess.PIPE)
    assert poller.stdout.readline() == "ready\n"
    writers = [site.writer(bridge, count=75, name=f"w{n}", conversation=bridge.converse()) for n in range(4)]
    for process in writers:
        finished(process)
    with bridge.reading() as db:
        wait_for(lambda: not db.execute("SELECT 1 FROM messages WHERE to_session = 'b' AND read = 0").fetchone(),
                 "every query to be taken")
    out, _ = poller.communicate(input="end\n", timeout=60)
    polled = {int(line) for line in out.split()}
    wait_for(lambda: ledger.count(bridge, "tailgate_delivery") == 0, "every claimed query to be answered")
    with bridge.reading() as db:
        asked = {row[0] for row in db.execute("SELECT id FROM messages WHERE to_session = 'b'")}
        answered = [reply["reply_to"] for reply in replies_in(db)]
    assert len(asked) == 300 and polled and answered, f"both take part: {len(polled)} polled, {len(answered)} answered"
    assert len(answered) == len(set(answered)), "a query has two replies"
    assert set(answered) & polled == set(), "worked on by both"
    assert set(answered) | polled == asked, "lost"
    assert {query.id for query in answerer.queries} == set(answered), "sent to a worker and not claimed"
    wait_for(lambda: ledger.counters(gateway)["answered"] == len(answered), "the count of answers")
