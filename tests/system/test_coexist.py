"""Others use the bridge at the same time: they take queries away, let conversations expire, delete them, and answer
themselves. Every end is recorded once, nothing is answered into a dead mailbox, and no paid answer is thrown away."""

import json

import pytest
import writer

import ledger
from harness import wait_for

QUICK = {"heartbeat.interval": "200ms", "backoff.first": "20ms", "park.after": "200ms"}
HELD = {"heartbeats": True, "interval": 10000}


def take_away(bridge, conversation=None):
    """The bridge's own fetch."""
    writer.fetch(str(bridge.path), conversation or bridge.conversation, "b")


def delete(bridge, conversation=None):
    ledger.expire(bridge, conversation)
    ledger.clean_up(bridge, conversation)


ENDS = {"superseded": take_away, "expired": ledger.expire, "deleted": delete}


def in_flight(site, bridge, **settings):
    """A gateway, its worker, and a query in the worker's hands."""
    gateway = site.serve(bridge, settings={**QUICK, **settings})
    worker = site.mdp(bridge, name="owner", **HELD)
    message = bridge.ask("?")
    query = worker.request()
    assert query.id == message
    return gateway, worker, query


def check_ended(bridge, gateway, message, end):
    """Recorded once, everywhere, and there is no reply."""
    ledger.wait_audit(bridge, message, "query_" + end)
    (session, details), = ledger.audits(bridge, message, "query_" + end)
    assert details == {"message_id": message} and session in ("b", None)  # of what is gone it is not known
    wait_for(lambda: ledger.counters(gateway)[end] == 1, "the count of it")
    assert not bridge.replies(to=message)
    with bridge.reading() as db:
        orphans = db.execute("SELECT count(*) FROM messages WHERE conversation_id NOT IN"
                             " (SELECT id FROM conversations)").fetchone()[0]
    assert orphans == 0
    assert ledger.count(bridge, "tailgate_delivery") == 0
    assert message not in ledger.parked(bridge)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("recorded", ["fast", "recorded"])
def test_answer_to_what_has_ended_meanwhile_is_kept(site, end, recorded):
    bridge = site.bridge()
    settings = {"lease.persist_after": "50ms" if recorded == "recorded" else "60s"}
    gateway, worker, query = in_flight(site, bridge, **settings)
    if recorded == "recorded":
        ledger.wait_delivery(bridge, query.id, state="leased")
    ENDS[end](bridge)
    worker.final(query.token, {"answer": "paid for"})
    check_ended(bridge, gateway, query.id, end)
    (why, answer), = ledger.kept(bridge, query.id)
    assert why == end and "paid for" in answer
    marker = bridge.ask("next?", conversation=bridge.converse())  # the worker goes on
    query = worker.request()
    assert query.id == marker
    worker.final(query.token, "x")
    bridge.reply(marker)


@pytest.mark.parametrize("end", ENDS)
def test_query_that_has_ended_while_its_worker_failed_is_not_tried_again(site, end):
    bridge = site.bridge()
    gateway, worker, query = in_flight(site, bridge)
    ENDS[end](bridge)
    worker.final(query.token, {"type": "error", "error": "not now"})
    check_ended(bridge, gateway, query.id, end)
    marker = bridge.ask("next?", conversation=bridge.converse())
    assert worker.request().id == marker
    assert ledger.kept(bridge, query.id) == []


@pytest.mark.parametrize("end", ENDS)
def test_query_that_has_ended_before_a_worker_came_is_not_handed_out(site, end):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**QUICK, "park.after": "1h"})
    message = bridge.ask("?")
    gateway.wait_event("query", id=message)
    ENDS[end](bridge)
    answerer = site.answerer(bridge)
    marker = bridge.ask("next?", conversation=bridge.converse())
    bridge.reply(marker)
    assert [query.id for query in answerer.queries] == [marker]
    check_ended(bridge, gateway, message, end)


@pytest.mark.parametrize("end", ENDS)
def test_query_that_has_ended_and_no_worker_ever_comes_is_recorded_by_a_second_look(site, end):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    message = bridge.ask("?", service="nobody's")
    gateway.wait_event("query", id=message)
    if end == "deleted":
        wait_for(lambda: message in ledger.parked(bridge), "the query to be parked")
    ENDS[end](bridge)
    check_ended(bridge, gateway, message, end)


@pytest.mark.parametrize("end", ENDS)
def test_query_that_has_ended_while_no_gateway_ran_is_recorded_once(site, end):
    """It is in two of our tables then: on record as in a worker's hands, and parked."""
    bridge = site.bridge()
    gateway, worker, query = in_flight(site, bridge, **{"lease.persist_after": "50ms"})
    ledger.wait_delivery(bridge, query.id, state="leased")
    wait_for(lambda: query.id in ledger.parked(bridge), "the query to be parked")
    gateway.kill()
    ENDS[end](bridge)
    worker.close()
    again = site.serve(bridge, settings=QUICK)
    check_ended(bridge, again, query.id, end)
    marker = bridge.ask("next?", conversation=bridge.converse())
    answerer = site.answerer(bridge)
    bridge.reply(marker)
    ledger.wait_mark(bridge, marker)
    assert [query.id for query in answerer.queries] == [marker]
    check_ended(bridge, again, query.id, end)


def test_query_that_is_deleted_in_flight_is_recorded_once_though_it_is_looked_at_meanwhile(site):
    bridge = site.bridge()
    gateway, worker, query = in_flight(site, bridge)
    wait_for(lambda: query.id in ledger.parked(bridge), "the query to be parked")
    delete(bridge)
    other = bridge.ask("?", conversation=bridge.converse(), service="nobody's")  # parked later: looks have been
    wait_for(lambda: other in ledger.parked(bridge), "the other one to be parked")
    bridge.run("UPDATE messages SET read = 1 WHERE id = ?", other)
    ledger.wait_audit(bridge, other, "query_superseded")
    worker.final(query.token, {"answer": "paid for"})
    check_ended(bridge, gateway, query.id, "deleted")
    assert [why for why, _ in ledger.kept(bridge, query.id)] == ["deleted"]


# ── a database that refuses ────────────────────────────────────────────────────────────────────────

REFUSES = ("CREATE TRIGGER refuses BEFORE INSERT ON messages WHEN NEW.from_session = 'b' AND NEW.message LIKE '%{}%'"
           " BEGIN SELECT RAISE(ABORT, 'not here'); END")


@pytest.mark.parametrize("claim", ["reply", "dispatch"])
def test_answer_that_the_database_refuses_is_kept_and_an_error_reply_tells_of_it(site, claim):
    bridge = site.bridge()
    bridge.run(REFUSES.format("forbidden"))
    site.serve(bridge, settings={**QUICK, "claim": claim})
    answerer = site.answerer(bridge, answer=lambda query: {"answer": "forbidden words"})
    message = bridge.ask("?")
    assert json.loads(bridge.reply(message)["text"])["type"] == "error"
    (why, answer), = ledger.kept(bridge, message)
    assert why == "refused" and "forbidden words" in answer
    assert len(answerer.queries) == 1
    assert ledger.audits(bridge, message) == ["query_dead"]
    bridge.check_exactly_once(1)


def test_query_whose_every_reply_the_database_refuses_is_not_worked_on_again_and_again(site):
    bridge = site.bridge()
    bridge.run(REFUSES.format(""))
    gateway = site.serve(bridge, settings=QUICK)
    answerer = site.answerer(bridge, service="default")
    message = bridge.ask("?")
    wait_for(lambda: ledger.counters(gateway)["uncommittable"] == 2, "answer and error reply to be refused")
    for _ in range(3):
        ledger.wait_look(bridge)
    assert [query.id for query in answerer.queries] == [message]
    assert [why for why, _ in ledger.kept(bridge, message)] == ["refused"]
    bridge.run("DROP TRIGGER refuses")
    gateway.stop()
    site.serve(bridge, settings=QUICK)
    bridge.reply(message)
    assert len(bridge.replies(to=message)) == 1


# ── a living agent ─────────────────────────────────────────────────────────────────────────────────

ALIVE = 120.0  # seconds after its heartbeat


def test_session_of_a_living_agent_is_left_to_it(site):
    bridge = site.bridge()
    writer.beat(str(bridge.path), bridge.conversation, "b", "active")
    gateway = site.serve(bridge, settings=QUICK)
    answerer = site.answerer(bridge)
    message = bridge.ask("for the agent?")
    gateway.wait_event("left-alone", id=message)
    elsewhere = bridge.ask("for us?", conversation=bridge.converse())
    bridge.reply(elsewhere)
    wait_for(lambda: message in ledger.parked(bridge), "the query to be parked")
    assert bridge.row(message)["read"] == 0
    assert ledger.status_of(bridge)[0] == "active"
    assert [query.id for query in answerer.queries] == [elsewhere]
    take_away(bridge)  # the agent itself
    ledger.wait_audit(bridge, message, "query_superseded")
    assert ledger.parked(bridge) == []


def test_query_of_an_agent_that_has_died_is_served(site):
    bridge = site.bridge()
    ledger.set_status(bridge, "active", ALIVE - 30)
    gateway = site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    message = bridge.ask("for the agent?")
    gateway.wait_event("left-alone", id=message)
    wait_for(lambda: message in ledger.parked(bridge), "the query to be parked")
    ledger.set_status(bridge, "active", ALIVE + 1)
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_agent_dies_of_time_alone(site):
    bridge = site.bridge()
    ledger.set_status(bridge, "active", ALIVE - 5)
    gateway = site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    message = bridge.ask("for the agent?")
    gateway.wait_event("left-alone", id=message)
    bridge.reply(message)  # nobody writes anything meanwhile
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_query_of_an_agent_that_dies_after_a_restart_is_served(site, end):
    """What was parked before the restart is looked at again, not only once."""
    bridge = site.bridge()
    ledger.set_status(bridge, "active", ALIVE - 60)
    gateway = site.serve(bridge, settings=QUICK)
    message = bridge.ask("for the agent?")
    gateway.wait_event("left-alone", id=message)
    wait_for(lambda: message in ledger.parked(bridge), "the query to be parked")
    getattr(gateway, end)()
    again = site.serve(bridge, settings=QUICK)
    answerer = site.answerer(bridge)
    bridge.reply(bridge.ask("for us?", conversation=bridge.converse()))
    wait_for(lambda: ledger.counters(again)["answered"] == 1, "the count of answers")
    assert message not in [query.id for query in answerer.queries]
    ledger.set_status(bridge, "active", ALIVE + 1)
    bridge.reply(message)
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("claim", ["reply", "dispatch"])
def test_agent_that_comes_while_a_query_waits_gets_it(site, claim):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**QUICK, "claim": claim})
    message = bridge.ask("?")
    gateway.wait_event("query", id=message)
    writer.beat(str(bridge.path), bridge.conversation, "b", "active")
    answerer = site.answerer(bridge)
    elsewhere = bridge.ask("for us?", conversation=bridge.converse())
    bridge.reply(elsewhere)
    assert [query.id for query in answerer.queries] == [elsewhere]
    wait_for(lambda: message in ledger.parked(bridge), "the query to be parked")
    ledger.set_status(bridge, "active", ALIVE + 1)
    bridge.reply(message)
    bridge.check_exactly_once(2)


def test_living_agents_queries_are_served_where_that_is_configured(site):
    bridge = site.bridge()
    writer.beat(str(bridge.path), bridge.conversation, "b", "active")
    site.serve(bridge, settings={**QUICK, "serve.agents": "serve"})
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    bridge.check_exactly_once(1)


def test_agent_on_the_asking_session_changes_nothing(site):
    bridge = site.bridge()
    writer.beat(str(bridge.path), bridge.conversation, "a", "waiting")
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    bridge.check_exactly_once(1)


# ── what the bridge's own programs get ─────────────────────────────────────────────────────────────

ANSWERS = {
    "plain?": "just words",
    "object?": {"answer": "a", "sources": ["x.md:1-2"], "extra": {"deep": [1, None]}},
    "secret?": {"answer": "password=hunter2 and AKIA" + "A" * 16, "password": "x y"},
    "long?": {"answer": "é" * 60_000},
    "bytes?": b"\xff\xfe\x00 not text",
    "error?": {"type": "error", "error": "cannot: \"quoted\" \x01", "retry": False},
    "emoji?": {"answer": "𝄞 \ud83d"},
}


def test_bridge_fetches_every_reply(site):
    """Metadata that is JSON, times that it parses, text that is text, nothing above 50,000 characters."""
    bridge = site.bridge()
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge, answer=lambda query: ANSWERS[query.json["question"]])
    asked = {}
    for question in ANSWERS:
        asked[bridge.ask(question)] = question
        asked[bridge.ask_text(question)] = question
    bridge.wait_replies(len(asked))
    fetched = writer.fetch(str(bridge.path), bridge.conversation, "a")
    assert sorted(row["metadata"]["in_reply_to"] for row in fetched) == sorted(asked)
    for row in fetched:
        assert row["from"] == "b" and len(row["message"]) <= 50_000
        assert "hunter2" not in row["message"]
    assert writer.fetch(str(bridge.path), bridge.conversation, "a") == []
    bridge.check_exactly_once(len(asked))


def test_every_json_reply_is_json_when_the_bridge_has_it(site):
    bridge = site.bridge()
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge, answer=lambda query: ANSWERS[query.json["question"]])
    for question in ANSWERS:
        bridge.ask(question, query_id="q_1")
    bridge.wait_replies(len(ANSWERS))
    for row in writer.fetch(str(bridge.path), bridge.conversation, "a"):
        value = json.loads(row["message"])
        assert value["type"] in ("response", "error") and value["query_id"] == "q_1"
