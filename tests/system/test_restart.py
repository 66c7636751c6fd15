"""A gateway may restart at any time: workers come back, and what they were paid for is committed."""

import json

import pytest

QUICK = {"heartbeat.interval": "200ms", "backoff.first": "20ms"}
HELD = {"heartbeats": True, "interval": 10000}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_mdp_worker_is_told_to_say_ready_again(site, end):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    worker = site.mdp(bridge, **HELD)
    bridge.ask("before?")
    worker.final(worker.request().token, "x")
    bridge.wait_replies(1)
    getattr(gateway, end)()
    site.serve(bridge, settings=QUICK)
    worker.wait_disconnect()
    worker.ready()
    message = bridge.ask("after?")
    query = worker.request()
    assert query.id == message
    worker.final(query.token, "y")
    bridge.reply(message)
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_answer_with_a_token_from_before_the_restart_is_committed(site, end):
    """What was in flight is paid for: the answer counts, although the new gateway never saw the worker."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**QUICK, "drain.timeout": "100ms"})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("expensive?")
    query = worker.request()
    getattr(gateway, end)()
    site.serve(bridge, settings=QUICK)
    worker.final(query.token, {"answer": "paid for"})
    reply = bridge.reply(message)
    assert json.loads(reply["text"])["answer"] == "paid for"
    bridge.check_exactly_once(1)


def test_answer_with_an_old_token_after_the_query_was_answered_is_refused(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    old = site.mdp(bridge, **HELD)
    message = bridge.ask("?")
    query = old.request()
    gateway.kill()
    site.serve(bridge, settings=QUICK)
    new = site.mdp(bridge, **HELD)
    again = new.request()
    assert again.id == message
    new.final(again.token, "from the new")
    bridge.reply(message)
    old.final(query.token, "from the old")
    old.wait_disconnect()  # it was read, from a worker that this gateway does not know
    marker = bridge.ask("next?")
    new.final(new.request().token, "x")
    bridge.reply(marker)
    bridge.check_exactly_once(2)


def test_req_worker_with_a_receive_timeout_comes_back(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    worker = site.req(bridge)
    bridge.ask("before?")
    worker.request()
    worker.final(None, "x")
    bridge.wait_replies(1)
    gateway.kill()
    site.serve(bridge, settings=QUICK)
    message = bridge.ask("after?")
    query = None
    while query is None:  # a receive that times out, a fresh socket, READY again
        query = worker.request(timeout=0.5)
        if query is None:
            worker.ready()
    assert query.id == message
    worker.final(None, "y")
    bridge.reply(message)
    bridge.check_exactly_once(2)


def test_unanswered_query_is_given_out_again_after_a_crash(site):
    bridge = site.bridge()
    worker_lost = None
    for _ in range(3):  # a worker that does not heartbeat is waited for until its lease is over
        gateway = site.serve(bridge, settings={**QUICK, "lease": "500ms"})
        worker_lost = site.mdp(bridge)
        if not bridge.replies() and bridge.row(1) is None:
            bridge.ask("?")
        worker_lost.request()
        gateway.kill()
        worker_lost.close()
    site.serve(bridge, settings=QUICK)
    site.answerer(bridge)
    bridge.wait_replies(1)
    bridge.check_exactly_once(1)


def test_answered_queries_are_not_given_out_again(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    answerer = site.answerer(bridge)
    bridge.ask_many(f"{n}?" for n in range(200))
    bridge.wait_replies(200)
    gateway.kill()
    answerer.stop()
    site.serve(bridge)
    answerer = site.answerer(bridge)
    marker = bridge.ask("new?")
    bridge.reply(marker)
    assert [query.id for query in answerer.queries] == [marker]
    bridge.check_exactly_once(201)


def test_kill_9_in_the_middle_of_a_burst_loses_and_doubles_nothing(site):
    bridge = site.bridge()
    site.answerer(bridge, slots=20)
    ids = bridge.ask_many(f"{n}?" for n in range(3_000))
    for n in range(4):
        gateway = site.serve(bridge, settings=QUICK)
        bridge.wait_replies(min(len(ids), 150 * (n + 1)))
        gateway.kill()
        bridge.check_exactly_once()
    site.serve(bridge, settings=QUICK)
    bridge.wait_replies(len(ids))
    bridge.check_exactly_once(len(ids))
