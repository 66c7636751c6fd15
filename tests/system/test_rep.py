"""REP workers, which bind and wait: the gateway dials them, and their answers count as any worker's."""

import json

import pytest

import ledger
from harness import HERE, PYTHON, tailgate, wait_for
from rep import QUICK, Fake, name_of, serve, states

LEASED = {**QUICK, "lease": "1s"}
# The next attempt is far away: whatever is answered is answered by the first one.
NO_SECOND = {"lease": "1s", "backoff.first": "60s", "backoff.max": "60s"}


# Serving.

@pytest.mark.parametrize("endpoint", [None, "tcp://127.0.0.1:*"])
def test_rep_is_a_worker_like_any_other(site, endpoint):
    bridge = site.bridge()
    rep = site.rep(endpoint)
    gateway = serve(site, bridge, rep)
    for n in range(3):
        message = bridge.ask(f"{n}?")
        query = rep.serve()
        assert query.id == message and query.json["question"] == f"{n}?"
        reply = bridge.reply(message)
        assert (reply["metadata"]["worker"], reply["metadata"]["attempt"]) == (name_of(rep), 1)
        assert json.loads(reply["text"])["answer"] == f"re: {n}?"
    worker, = gateway.status()["workers"]
    assert (worker["name"], worker["protocol"], worker["service"]) == (name_of(rep), "REP", "*")
    assert (worker["slots"], worker["served"]) == (1, 3)
    assert gateway.status()["reps"] == [{"endpoint": rep.endpoint, "service": "*", "state": "up"}]
    bridge.check_exactly_once(3)


def test_rep_has_one_query_at_a_time(site):
    bridge = site.bridge()
    rep = site.rep()
    serve(site, bridge, rep)
    first, second = bridge.ask("1?"), bridge.ask("2?")
    query = rep.request()
    assert query.id == first
    assert not rep.socket.poll(300)
    rep.final("one")
    bridge.reply(first)
    rep.serve()
    bridge.reply(second)
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("frames, answer", [([b"plain text"], "plain text"), ([b"in ", b"two"], "in two"),
                                            ([b'{"answer":"an object"}'], "an object")])
def test_reply_is_read_as_any_bare_answer(site, frames, answer):
    bridge = site.bridge()
    rep = site.rep()
    serve(site, bridge, rep)
    message = bridge.ask("?")
    rep.request()
    rep.socket.send_multipart(frames)
    assert json.loads(bridge.reply(message)["text"])["answer"] == answer


def test_error_of_a_rep_fails_the_attempt_and_it_is_asked_again(site):
    bridge = site.bridge()
    rep = site.rep()
    serve(site, bridge, rep)
    message = bridge.ask("?")
    rep.serve({"type": "error", "error": "not now"})
    assert rep.serve().attempt == 2
    assert bridge.reply(message)["metadata"]["attempt"] == 2
    bridge.check_exactly_once(1)


def test_rep_serves_the_service_that_the_word_names(site):
    bridge = site.bridge()
    law = site.rep(site.rep_endpoint("law,and,order"))  # commas in a path are no options
    rest = site.rep()
    gateway = serve(site, bridge, f"{law.endpoint},service=law", rest)
    message = bridge.ask("?", service="law")
    assert law.serve().id == message
    other = bridge.ask("?")
    assert rest.serve().id == other
    bridge.wait_replies(2)
    assert [rep["service"] for rep in gateway.status()["reps"]] == ["law", "*"]
    bridge.check_exactly_once(2)


def test_two_reps_and_a_req_worker_share_a_service(site):
    bridge = site.bridge()
    reps = [site.rep(site.rep_endpoint(name)) for name in ("one", "two")]
    gateway = serve(site, bridge, *(f"{rep.endpoint},service=default" for rep in reps))
    req = site.req(bridge, "default", name="req")
    gateway.wait_event("joined", worker="req")
    messages = {bridge.ask(f"{n}?") for n in range(3)}
    queries = [rep.request() for rep in reps] + [req.request()]
    assert {query.id for query in queries} == messages
    for rep in reps:
        rep.final("from a REP")
    req.final(None, "from a REQ")
    workers = {bridge.reply(message)["metadata"]["worker"] for message in messages}
    assert workers == {name_of(rep) for rep in reps} | {"req"}
    bridge.check_exactly_once(3)


def test_endpoint_that_is_named_twice_has_two_queries_at_a_time(site):
    """For several REP sockets behind one ROUTER."""
    bridge = site.bridge()
    fake = Fake(site)
    gateway = serve(site, bridge, fake, fake, joined=False)
    wait_for(lambda: len(gateway.events("joined")) == 2, "both to have joined")
    messages = [bridge.ask(f"{n}?") for n in range(2)]
    for peer, token, query in [fake.request(), fake.request()]:
        fake.send(peer, token, b"", query["question"].encode())
    for n, message in enumerate(messages):
        assert json.loads(bridge.reply(message)["text"])["answer"] == f"{n}?"
    bridge.check_exactly_once(2)


# Coming and going.

def test_rep_that_is_not_there_yet_is_told_once_and_used_when_it_comes(site):
    bridge = site.bridge()
    gateway = serve(site, bridge, site.rep_endpoint(), joined=False)
    assert gateway.wait_event("rep-absent")["endpoint"] == site.rep_endpoint()
    assert states(gateway) == ["down"]
    done = tailgate("status", "--db", bridge.path)
    assert site.rep_endpoint() in done.stdout and "down" in done.stdout
    message = bridge.ask("?")
    rep = site.rep()
    rep.serve()
    bridge.reply(message)
    assert states(gateway) == ["up"]
    assert len(gateway.events("rep-absent")) == 1
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("endpoint", [None, "tcp://127.0.0.1:*"])
def test_rep_that_restarts_is_used_again(site, endpoint):
    bridge = site.bridge()
    rep = site.rep(endpoint)
    gateway = serve(site, bridge, rep)
    for n in range(3):
        message = bridge.ask(f"{n}?")
        rep.serve()
        bridge.reply(message)
        rep.close()
        wait_for(lambda: len(gateway.events("left")) > n, "the REP to have left")  # noqa: B023
        rep = site.rep(rep.endpoint)
    message = bridge.ask("last?")
    rep.serve()
    assert bridge.reply(message)["metadata"]["attempt"] == 1
    bridge.check_exactly_once(4)


def test_query_of_a_rep_that_dies_goes_to_another_worker(site):
    bridge = site.bridge()
    victim = site.spawn(PYTHON, HERE / "silent_worker.py", site.rep_endpoint(), "rep", "*")
    gateway = serve(site, bridge, site.rep_endpoint())
    message = bridge.ask("?")
    assert victim.stdout.readline().startswith("got"), "the victim has the query"
    victim.kill()
    victim.wait()
    site.answerer(bridge, name="rescuer")
    reply = bridge.reply(message)
    assert (reply["metadata"]["worker"], reply["metadata"]["attempt"]) == ("rescuer", 2)
    assert "connection is closed" in gateway.wait_event("left")["why"]
    bridge.check_exactly_once(1)


def test_answer_that_was_sent_before_the_rep_closed_counts(site):
    bridge = site.bridge()
    rep = site.rep()
    serve(site, bridge, rep)
    message = bridge.ask("?")
    rep.serve("my last words")
    rep.close()
    assert bridge.reply(message)["metadata"]["attempt"] == 1
    bridge.check_exactly_once(1)


# Being too slow.

def test_query_of_a_rep_that_hangs_goes_to_another_after_the_lease_and_its_answer_is_refused(site):
    bridge = site.bridge()
    rep = site.rep()
    gateway = serve(site, bridge, rep, settings=LEASED)
    message = bridge.ask("?")
    rep.request()
    site.answerer(bridge, name="rescuer", service="default")
    reply = bridge.reply(message)
    assert (reply["metadata"]["worker"], reply["metadata"]["attempt"]) == ("rescuer", 2)
    assert "within the lease" in gateway.wait_event("left", worker=name_of(rep))["why"]
    rep.final("too late")
    gateway.wait_event("refused", why="duplicate", id=message, attempt=1)
    bridge.check_exactly_once(1)


def test_late_answer_of_a_rep_counts_when_it_is_the_first(site):
    """It comes by the connection that was hung up, while a fresh one is there already."""
    bridge = site.bridge()
    rep = site.rep()
    gateway = serve(site, bridge, rep, settings=NO_SECOND)
    message = bridge.ask("?")
    rep.request()
    gateway.wait_event("left", worker=name_of(rep))
    wait_for(lambda: len(gateway.events("joined")) == 2, "the REP to be dialled again")
    rep.final("late, and first")
    reply = bridge.reply(message)
    assert reply["metadata"]["attempt"] == 1 and "late, and first" in reply["text"]
    again = bridge.ask("again?")
    assert rep.serve().id == again
    bridge.reply(again)
    bridge.check_exactly_once(2)


def test_late_answer_does_not_end_the_lease_of_the_query_that_the_rep_has_now(site):
    bridge = site.bridge()
    rep = site.rep()
    gateway = serve(site, bridge, rep, settings={**NO_SECOND, "service.long.lease": "60s"})
    first = bridge.ask("?")
    rep.request()
    gateway.wait_event("left", worker=name_of(rep))
    second = bridge.ask("?", service="long")
    wait_for(lambda: any(worker["in_flight"] for worker in gateway.status()["workers"]), "the second to be sent")
    rep.final("the first")
    assert "the first" in bridge.reply(first)["text"]
    assert rep.serve("the second").id == second
    reply = bridge.reply(second)
    assert reply["metadata"]["attempt"] == 1 and "the second" in reply["text"]
    bridge.check_exactly_once(2)


# The gateway's own end.

def test_query_that_a_rep_had_when_the_gateway_died_is_given_out_again_at_once(site):
    """The connection died with the gateway, so that no answer of that attempt can come: the lease of ten minutes
    is not waited for. The REP executes it twice; it is answered once."""
    bridge = site.bridge()
    settings = {**QUICK, "lease.persist_after": "50ms"}
    rep = site.rep()
    gateway = serve(site, bridge, rep, settings=settings)
    message = bridge.ask("?")
    assert rep.request().attempt == 1
    row = ledger.wait_delivery(bridge, message, state="leased")
    assert row["pid"] == gateway.pid and row["worker"] == name_of(rep)
    gateway.kill()
    again = serve(site, bridge, rep, settings=settings)
    assert again.wait_event("restored", id=message)["waits_us"] == 0
    rep.final("to nobody")
    assert rep.serve("to you").attempt == 2
    reply = bridge.reply(message)
    assert reply["metadata"]["attempt"] == 2 and "to you" in reply["text"]
    bridge.check_exactly_once(1)


def test_gateway_that_stops_waits_for_the_answer_of_a_rep(site):
    bridge = site.bridge()
    rep = site.rep()
    gateway = serve(site, bridge, rep, site.rep_endpoint("nobody"), joined=False,
                    settings={**QUICK, "drain.timeout": "60s"})
    message = bridge.ask("?")
    rep.request()
    gateway.signal(15)
    gateway.wait_event("draining")
    rep.final("just in time")
    assert gateway.wait() == 0
    assert "just in time" in bridge.reply(message)["text"]
    bridge.check_exactly_once(1)
