"""`tailgate pause`, `resume` and `drain`: an operator's hand on a running gateway."""

import json
import signal

import pytest
import zmq

import ledger
from harness import one_line, tailgate, wait_for

HELD = {"heartbeats": True, "interval": 30000}


def control(bridge, *words, code=0, **keywords):
    """`tailgate WORDS --db BRIDGE`; returns its output."""
    done = tailgate(*words, "--db", bridge.path, **keywords)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return one_line(done) if code else done.stdout


def service(gateway, name):
    """What the status says of a service; None when it does not know it."""
    return next((row for row in gateway.status()["services"] if row["name"] == name), None)


def wait_backlog(gateway, name, count):
    wait_for(lambda: (service(gateway, name) or {}).get("backlog") == count, f"{count} waiting queries of {name}")


def check_nothing_comes(*workers):
    """What is dispatched is there when the gateway has answered a question that came later: WORKERS have only
    heartbeats."""
    for worker in workers:
        assert worker.request(timeout=0.2) is None


def ask_for(bridge, name, question="?"):
    return bridge.ask(question, service=name)


# One service.

def test_paused_service_gives_out_nothing_until_it_is_resumed(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, "render", **HELD)
    assert control(bridge, "pause", "--service", "render").startswith("render paused")
    messages = [ask_for(bridge, "render") for _ in range(3)]
    wait_backlog(gateway, "render", 3)
    check_nothing_comes(worker)
    assert service(gateway, "render")["paused"] is True
    control(bridge, "resume", "--service", "render")
    for message in messages:
        query = worker.request()
        assert query.id == message
        worker.final(query.token, "done")
    bridge.wait_replies(3)
    assert service(gateway, "render")["paused"] is False
    bridge.check_exactly_once(3)


def test_paused_service_blocks_no_other(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    control(bridge, "pause", "--service", "render")
    kept = [ask_for(bridge, "render") for _ in range(20)]
    wait_backlog(gateway, "render", 20)
    answerer = site.answerer(bridge)  # for all services
    for _ in range(5):
        bridge.reply(ask_for(bridge, "law"))
    assert not {query.id for query in answerer.queries} & set(kept)
    assert service(gateway, "render")["backlog"] == 20
    assert not (service(gateway, "law") or {}).get("paused")
    control(bridge, "resume", "--service", "render")
    bridge.wait_replies(25)
    bridge.check_exactly_once(25)


def test_what_is_in_flight_ends_while_its_service_is_paused(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, "render", slots=2, **HELD)
    first, second = ask_for(bridge, "render"), ask_for(bridge, "render")
    queries = {query.id: query for query in (worker.request(), worker.request())}
    told = json.loads(control(bridge, "pause", "--service", "render", "--json"))
    assert (told["type"], told["done"], told["service"], told["in_flight"]) == ("done", "pause", "render", 2)
    third = ask_for(bridge, "render")
    wait_backlog(gateway, "render", 1)
    for message in (first, second):
        worker.final(queries[message].token, "done")
        bridge.reply(message)
    check_nothing_comes(worker)
    control(bridge, "resume", "--service", "render")
    query = worker.request()
    assert query.id == third
    worker.final(query.token, "done")
    bridge.reply(third)
    bridge.check_exactly_once(3)


def test_late_answer_counts_while_its_service_is_paused(site):
    """The attempt is over, the query waits again and is held back by the pause; its first worker's answer comes."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"lease": "200ms", "backoff.first": "1ms"})
    worker = site.mdp(bridge, "render")
    message = ask_for(bridge, "render")
    query = worker.request()
    control(bridge, "pause", "--service", "render")
    gateway.wait_event("retry", id=message)
    worker.final(query.token, "late, and paid for")
    assert "late, and paid for" in bridge.reply(message)["text"]
    assert service(gateway, "render") is None or service(gateway, "render")["backlog"] == 0
    bridge.check_exactly_once(1)


def test_query_that_fails_during_the_pause_waits_for_its_end(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backoff.first": "1ms"})
    worker = site.mdp(bridge, "render", **HELD)
    message = ask_for(bridge, "render")
    query = worker.request()
    control(bridge, "pause", "--service", "render")
    worker.final(query.token, {"type": "error", "error": "not now"})
    gateway.wait_event("retry", id=message)
    wait_backlog(gateway, "render", 1)
    check_nothing_comes(worker)
    control(bridge, "resume", "--service", "render")
    query = worker.request()
    assert (query.id, query.attempt) == (message, 2)
    worker.final(query.token, "done")
    bridge.reply(message)


def test_pause_of_a_service_that_nobody_knows_yet_holds_when_it_comes(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    control(bridge, "pause", "--service", "future")
    assert service(gateway, "future")["paused"] is True
    site.answerer(bridge)
    message = ask_for(bridge, "future")
    wait_backlog(gateway, "future", 1)
    bridge.reply(ask_for(bridge, "present"))
    assert bridge.row(message)["read"] == 0
    control(bridge, "resume", "--service", "future")
    bridge.reply(message)


def test_pausing_and_resuming_twice_is_the_same_as_once(site):
    bridge = site.bridge()
    site.serve(bridge)
    for word in ("pause", "pause", "resume", "resume"):
        control(bridge, word, "--service", "render")
        control(bridge, word)
    site.answerer(bridge)
    bridge.reply(ask_for(bridge, "render"))


def test_pause_ends_with_the_gateway(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    control(bridge, "pause")
    control(bridge, "pause", "--service", "render")
    gateway.stop()
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(ask_for(bridge, "render"))


# All of them.

def test_pause_of_all_holds_every_service_back_and_the_status_says_so(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, **HELD)
    assert gateway.status()["gateway"]["paused"] is False
    control(bridge, "pause")
    ask_for(bridge, "render"), ask_for(bridge, "law")
    wait_backlog(gateway, "law", 1)
    check_nothing_comes(worker)
    assert gateway.status()["gateway"]["paused"] is True
    assert ", paused" in control(bridge, "status")
    control(bridge, "resume")
    for _ in range(2):
        worker.final(worker.request().token, "done")
    bridge.wait_replies(2)
    assert gateway.status()["gateway"]["paused"] is False
    bridge.check_exactly_once(2)


def test_resume_of_all_leaves_a_service_paused_that_was_paused_by_name(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge)
    control(bridge, "pause", "--service", "render")
    control(bridge, "pause")
    held = ask_for(bridge, "render")
    message = ask_for(bridge, "law")
    wait_backlog(gateway, "law", 1)
    control(bridge, "resume")
    bridge.reply(message)
    assert bridge.row(held)["read"] == 0
    assert service(gateway, "render")["paused"] is True
    control(bridge, "resume", "--service", "render")
    bridge.reply(held)


def test_resume_of_a_service_does_not_end_a_pause_of_all(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, **HELD)
    control(bridge, "pause")
    control(bridge, "resume", "--service", "render")
    message = ask_for(bridge, "render")
    wait_backlog(gateway, "render", 1)
    check_nothing_comes(worker)
    control(bridge, "resume")
    assert worker.request().id == message


def test_worker_that_comes_during_a_pause_is_served_after_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    control(bridge, "pause")
    message = bridge.ask("?")
    worker = site.mdp(bridge, **HELD)
    wait_for(lambda: len(gateway.status()["workers"]) == 1, "the worker")
    check_nothing_comes(worker)
    control(bridge, "resume")
    assert worker.request().id == message


# Drain.

def test_drain_of_a_service_returns_when_nothing_of_it_is_in_flight(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker, other = site.mdp(bridge, "render", **HELD), site.mdp(bridge, "law", **HELD)
    message, elsewhere = ask_for(bridge, "render"), ask_for(bridge, "law")
    query, stays = worker.request(), other.request()
    drain = site.program("drain", "--db", bridge.path, "--service", "render")
    wait_for(lambda: service(gateway, "render")["paused"], "the pause")
    kept = ask_for(bridge, "render")
    wait_backlog(gateway, "render", 1)
    assert drain.running(), "it returned while a query was in flight"
    worker.final(query.token, "done")
    assert drain.wait() == 0
    assert bridge.reply(message) and bridge.row(kept)["read"] == 0
    assert gateway.running() and bridge.row(elsewhere)["read"] == 0, "others do not matter"
    other.final(stays.token, "done")
    bridge.reply(elsewhere)


def test_drain_of_a_service_that_is_idle_or_unknown_returns_at_once(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    assert control(bridge, "drain", "--service", "nobody").startswith("Drained")
    assert gateway.running()


def test_drain_of_a_service_waits_for_what_its_worker_has_from_before_a_restart(site):
    bridge = site.bridge()
    settings = {"lease.persist_after": "0ms", "restart.grace": "60s"}
    gateway = site.serve(bridge, settings=settings)
    worker = site.mdp(bridge, "render", name="lasting", **HELD)
    message = ask_for(bridge, "render")
    query = worker.request()
    ledger.wait_delivery(bridge, message, state="leased")
    gateway.kill()
    gateway = site.serve(bridge, settings=settings)
    assert "still in flight" in control(bridge, "drain", "--service", "render", "--timeout", "300ms", code=3)
    worker.final(query.token, "done")
    control(bridge, "drain", "--service", "render")
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_drain_of_a_service_gives_up_after_its_timeout_with_3(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, "render", **HELD)
    message = ask_for(bridge, "render")
    query = worker.request()
    line = control(bridge, "drain", "--service", "render", "--timeout", "300ms", code=3)
    assert "1 of render" in line and "paused" in line
    assert service(gateway, "render")["paused"] is True
    worker.final(query.token, "done")
    bridge.reply(message)


def test_drain_of_all_commits_what_is_in_flight_and_ends_the_gateway_with_0(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "60s"})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("in flight?")
    query = worker.request()
    waiting = bridge.ask("waiting?")
    drain = site.program("drain", "--db", bridge.path)
    gateway.wait_event("draining")
    assert drain.running() and gateway.running()
    worker.final(query.token, "just in time")
    assert drain.wait() == 0
    assert gateway.wait() == 0
    assert "just in time" in bridge.reply(message, timeout=1)["text"]
    assert bridge.row(waiting)["read"] == 0
    bridge.check_exactly_once(1)


def test_drain_of_all_gives_up_after_its_timeout_with_3_while_the_gateway_goes_on_draining(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "60s"})
    worker = site.mdp(bridge, **HELD)
    bridge.ask("?")
    query = worker.request()
    assert str(gateway.pid) in control(bridge, "drain", "--timeout", "300ms", code=3)
    assert gateway.status()["gateway"]["draining"] is True
    gateway.signal(signal.SIGTERM)  # a service manager's, which is not the second signal
    worker.final(query.token, "done")
    assert gateway.wait() == 0
    bridge.check_exactly_once(1)


def test_drain_of_an_idle_gateway_is_quick_and_a_standby_takes_over(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    waiting = site.serve(bridge, "--standby", wait=False)
    waiting.wait_event("standby")
    told = json.loads(control(bridge, "drain", "--json"))
    assert (told["type"], told["done"]) == ("done", "drain")
    assert gateway.wait() == 0
    waiting.wait_serving()


def test_drain_of_a_paused_gateway_ends_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    control(bridge, "pause")
    bridge.ask("?")
    control(bridge, "drain")
    assert gateway.wait() == 0


# Who may, and what is refused.

@pytest.mark.parametrize("word", ["pause", "resume", "drain"])
def test_without_a_gateway_it_says_so_in_one_line_and_exits_with_1(site, word):
    bridge = site.bridge()
    assert "No gateway is running" in control(bridge, word, code=1)
    assert "No gateway is running" in control(bridge, word, "--service", "render", code=1)


@pytest.mark.parametrize("word", ["pause", "resume", "drain"])
def test_database_that_is_not_there_is_told_in_one_line(site, word):
    done = tailgate(word, "--db", site.folder / "nowhere" / "bridge.db")
    assert done.returncode != 0
    one_line(done)


@pytest.mark.parametrize("word", ["pause", "resume", "drain"])
@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "a\x1b[2Jb", "\ufffd", "*"])
def test_name_that_is_no_service_is_wrong_usage(site, word, name):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    line = control(bridge, word, "--service", name, code=2)
    assert "\x1b" not in line
    assert gateway.running() and not gateway.status()["gateway"]["paused"]


def test_wrong_words_are_wrong_usage(site):
    bridge = site.bridge()
    for words in (["pause", "render"], ["pause", "--timeout", "1s"], ["drain", "--timeout", "soon"]):
        control(bridge, *words, code=2)
    assert tailgate("pause").returncode == 2


def ask(site, where, *frames):
    """ASK as a plain REQ client; the answer as JSON."""
    socket = site.context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(where)
    try:
        socket.send_multipart([b"ASK", *frames])
        assert socket.poll(60000), "no answer"
        return json.loads(socket.recv())
    finally:
        socket.close()


@pytest.mark.parametrize("frames", [[b"tailgate.pause"], [b"tailgate.resume"], [b"tailgate.drain"],
                                    [b"tailgate.rescan"], [b"tailgate.pause", b"render"]])
def test_over_tcp_it_is_refused_and_counted(site, frames):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:*")
    tcp = next(gate for gate in gateway.status()["gateway"]["gates"] if gate.startswith("tcp"))
    answer = ask(site, tcp, *frames)
    assert answer["type"] == "error" and "unix socket" in answer["error"]
    assert ask(site, tcp, b"tailgate.status")["type"] == "status"
    wait_for(lambda: gateway.status()["counters"]["not_allowed"] == 1, "the refusal to be counted")
    status = gateway.status()
    assert not status["gateway"]["paused"] and not status["gateway"]["draining"]
    assert ask(site, bridge.gate, *frames)["type"] == "done", "through the unix socket it is done"


HOSTILE = [b"x" * 101, b"\xff\xfe", b"a\0b", b"a\nb", b"*", b"x" * 1000000]


def test_hostile_names_over_the_wire_are_refused(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    for name in HOSTILE:
        for word in (b"tailgate.pause", b"tailgate.resume"):
            answer = ask(site, bridge.gate, word, name)
            assert answer["type"] == "error" and "service" in answer["error"], name[:20]
    assert ask(site, bridge.gate, b"tailgate.nothing")["type"] == "error"
    assert ask(site, bridge.gate, b"tailgate.pause\0")["type"] == "error"
    assert not gateway.status()["gateway"]["paused"]


def test_pauses_of_unknown_services_are_bounded(site):
    """Each is remembered: beyond the limit of services it is refused, and known ones are still served."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    socket = site.dealer(bridge)
    limit, batch = 10000, 1000
    refused = 0
    for start in range(0, limit + batch, batch):
        for n in range(start, start + batch):
            socket.send_multipart([b"", b"ASK", b"tailgate.pause", b"s%d" % n])
        for _ in range(batch):
            assert socket.poll(60000)
            refused += json.loads(socket.recv_multipart()[-1])["type"] == "error"
    assert refused >= batch, "what could not be paused was said to be"
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    assert gateway.running()


def test_silent_gateway_is_told_in_one_line(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    gateway.freeze()
    try:
        for word in ("pause", "drain"):
            assert f"pid {gateway.pid}" in control(bridge, word, code=1)
    finally:
        gateway.thaw()
