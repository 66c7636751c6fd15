"""`session_status` says that a session is served while somebody serves it, as the bridge's agents say it of
themselves, and never speaks over a living agent."""

import datetime

import pytest
import writer

import ledger
from harness import wait_for

QUICK = {"heartbeat.interval": "200ms", "lease.persist_after": "50ms", "park.after": "200ms"}
HELD = {"heartbeats": True, "interval": 10000}
ALIVE = 120  # seconds: how the bridge's programs see it


def age(heartbeat):
    """As the bridge reads it."""
    moment = datetime.datetime.fromisoformat(heartbeat)
    return (datetime.datetime.fromisoformat(writer.now()) - moment).total_seconds()


def wait_told(bridge, conversation=None, session="b"):
    """Waits until the gateway's own status stands there, alive."""
    def look():
        status = ledger.status_of(bridge, conversation, session)
        return status and status[0] == "tailgate" and age(status[1]) < ALIVE
    wait_for(look, "the gateway's presence")


@pytest.mark.parametrize("claim", ["reply", "dispatch"])
def test_session_whose_query_is_worked_on_is_present(site, claim):
    bridge = site.bridge()
    site.serve(bridge, settings={**QUICK, "claim": claim})
    worker = site.mdp(bridge, **HELD)
    bridge.ask("slow?")
    query = worker.request()
    wait_told(bridge)
    assert ledger.status_of(bridge, session="a") is None
    worker.final(query.token, "x")
    bridge.reply(query.id)


def test_session_whose_query_was_answered_is_present(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**QUICK, "lease.persist_after": "60s"})
    site.answerer(bridge)
    bridge.reply(bridge.ask("fast?"))
    assert ledger.status_of(bridge)[0] == "tailgate", "in the transaction of the reply"
    wait_told(bridge)


def test_conversation_without_traffic_gets_no_presence(site):
    bridge = site.bridge()
    other = bridge.converse()
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    assert ledger.status_of(bridge, other) is None


def test_presence_is_written_once_for_many_answers(site):
    bridge = site.bridge()
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.run("CREATE TABLE told (n INTEGER)")
    bridge.run("CREATE TRIGGER tell AFTER INSERT ON session_status BEGIN INSERT INTO told VALUES (1); END")
    bridge.run("CREATE TRIGGER tell_again AFTER UPDATE ON session_status BEGIN INSERT INTO told VALUES (2); END")
    bridge.ask_many(f"{n}?" for n in range(50))
    bridge.wait_replies(50)
    assert ledger.count(bridge, "told") <= 3, "at most one in 30 s"


def test_presence_is_refreshed_while_a_worker_works(site):
    bridge = site.bridge()
    site.serve(bridge, settings=QUICK)
    worker = site.mdp(bridge, name="slow", heartbeats=True, interval=60000)
    bridge.ask("slow?")
    query = worker.request()
    wait_told(bridge)
    ledger.set_status(bridge, "tailgate", ALIVE - 20)
    wait_for(lambda: age(ledger.status_of(bridge)[1]) < ALIVE - 20 - 10, "the refreshed presence")
    worker.final(query.token, "x")
    bridge.reply(query.id)


def test_presence_that_has_grown_old_is_told_again_with_the_next_answer(site):
    bridge = site.bridge()
    ledger.set_status(bridge, "tailgate", 10 * ALIVE)
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    wait_told(bridge)


def test_own_presence_does_not_pass_for_a_living_agent(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    wait_told(bridge)
    gateway.kill()
    site.serve(bridge, settings=QUICK)
    bridge.reply(bridge.ask("?"))


def test_presence_does_not_speak_over_a_living_agent(site):
    bridge = site.bridge()
    writer.beat(str(bridge.path), bridge.conversation, "b", "active")
    before = ledger.status_of(bridge)
    site.serve(bridge, settings={**QUICK, "serve.agents": "serve"})
    worker = site.mdp(bridge, **HELD)
    bridge.ask("?")
    query = worker.request()
    ledger.wait_delivery(bridge, query.id, state="leased")
    worker.final(query.token, "x")
    bridge.reply(query.id)
    assert ledger.status_of(bridge) == before


def test_presence_takes_the_place_of_a_dead_agent(site):
    bridge = site.bridge()
    ledger.set_status(bridge, "active", ALIVE + 1)
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    wait_told(bridge)


def test_agent_that_comes_back_speaks_over_the_presence(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    wait_told(bridge)
    writer.beat(str(bridge.path), bridge.conversation, "b", "active")
    message = bridge.ask("for the agent?")
    gateway.wait_event("left-alone", id=message)
    assert ledger.status_of(bridge)[0] == "active"


def test_presence_off_writes_none(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**QUICK, "presence": "off"})
    worker = site.mdp(bridge, **HELD)
    bridge.ask("?")
    query = worker.request()
    ledger.wait_delivery(bridge, query.id, state="leased")
    worker.final(query.token, "x")
    bridge.reply(query.id)
    assert ledger.count(bridge, "session_status") == 0
    assert ledger.counters(gateway)["leases_recorded"] == 1


def test_session_status_of_another_form_costs_no_answer(site):
    bridge = site.bridge()
    bridge.run("DROP TABLE session_status")
    bridge.run("CREATE TABLE session_status (conversation_id TEXT, session_id TEXT, status TEXT NOT NULL,"
               " last_heartbeat TEXT, mood TEXT NOT NULL, PRIMARY KEY (conversation_id, session_id))")
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    assert ledger.count(bridge, "session_status") == 0
    bridge.check_exactly_once(1)


def test_deleted_conversation_gets_no_presence(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**QUICK, "lease.persist_after": "60s"})
    worker = site.mdp(bridge, **HELD)
    bridge.ask("?")
    query = worker.request()
    ledger.clean_up(bridge)
    worker.final(query.token, "x")
    ledger.wait_audit(bridge, query.id, "query_deleted")
    assert ledger.count(bridge, "session_status") == 0
