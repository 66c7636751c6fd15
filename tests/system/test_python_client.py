"""A client on the Python library with a real gateway: what it asks is a row in the bridge first, is worked on once,
and answered once."""

import asyncio
import json
import os
import sys
import threading

import pytest

from harness import WAIT, wait_for
from python_broker import Background
from python_world import LIBRARY, PythonWorker

sys.path.insert(0, str(LIBRARY))

import tailgate  # noqa: E402  (the line above makes it findable)

FAST = {"backoff.first": "20ms", "backoff.max": "100ms", "heartbeat.interval": "200ms"}


@pytest.fixture
def bridge(site):
    return site.bridge(conversation=False)


@pytest.fixture
def client(bridge):
    with tailgate.Client(db=bridge.path) as client:
        yield client


def requests(bridge):
    """The rows that clients asked, with their metadata."""
    with bridge.reading() as db:
        rows = db.execute("SELECT * FROM messages ORDER BY id").fetchall()
    found = [(row, json.loads(row["metadata"] or "{}")) for row in rows]
    return [(row, metadata) for row, metadata in found if "gate" in metadata]


def test_question_is_a_row_and_its_answer_has_the_sources(site, bridge, client):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path, service="law")
    answer = client.ask("law", "sources", timeout=WAIT)
    assert (answer.text, answer.sources) == ("a", ["x:1-2"])
    assert answer.raw["type"] == "response" and answer.raw["shard_id"] == "child"
    ((row, metadata),) = requests(bridge)
    assert json.loads(row["message"]) == {"type": "query", "question": "sources"}
    assert metadata["service"] == "law" and metadata["gate"]["protocol"] == "MDP/0.2"
    assert row["read"] == 1
    bridge.check_exactly_once(1)


def test_question_in_plain_bytes_gets_the_text_of_the_answer(site, bridge, client):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path, service="law")
    answer = client.ask("law", "echo grüße".encode(), timeout=WAIT)
    assert (answer.text, answer.frames, answer.raw) == ("grüße", ("grüße".encode(),), None)
    ((row, metadata),) = requests(bridge)
    assert row["message"] == "echo grüße" and metadata["gate"]["body"] == "text"


@pytest.mark.parametrize("size", [10, 30_000, 300_000])
def test_frames_of_any_bytes_reach_a_raw_worker_and_come_back_unchanged(site, bridge, client, size):
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge, "bytes")
    sent, returned = ([os.urandom(size // 3), b"", os.urandom(size // 3)] for _ in range(2))
    asking = Background(client.ask, "bytes", sent, timeout=WAIT)
    while (frames := worker.receive())[1] != b"\x02":
        worker.heartbeat()
    assert frames[3:] == [b"", *sent]
    worker.send(b"MDPW02", b"\x04", frames[2], b"", *returned)
    assert list(asking.result().frames) == returned
    bridge.check_exactly_once(1)


def test_stream_comes_while_the_worker_works_and_ends_with_the_whole(site, bridge, client):
    site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path, "generator")
    stream = client.stream("law", "wait long", timeout=WAIT)
    assert next(stream) == "first "  # and the worker waits for us
    worker.let("long")
    *rest, answer = stream
    assert "".join(rest) == "long" and answer.text == "first long"


def test_query_that_nobody_can_answer_is_an_error(site, bridge, client):
    site.serve(bridge, settings={**FAST, "attempts": 2})
    worker = PythonWorker(site, bridge.path)
    with pytest.raises(tailgate.AskError, match="a bad day") as caught:
        client.ask("law", "fail x", timeout=WAIT)
    assert caught.value.reply["type"] == "error"
    assert worker.begun() == ["x", "x"]


def test_question_that_no_worker_comes_for_expires_with_an_error(site, bridge, client):
    site.serve(bridge, settings={**FAST, "service.expire": "500ms"})
    with pytest.raises(tailgate.AskError, match=".") as caught:
        client.ask("nobody", "x", timeout=WAIT)
    assert not isinstance(caught.value, tailgate.AskTimeout)


def test_answers_of_one_client_come_in_the_order_of_its_questions(site, bridge, client):
    site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path, slots=4)
    order = []
    threads = []
    for name in "abc":
        asking = Background(lambda name=name: order.append(client.ask("law", f"wait {name}", timeout=WAIT).text))
        threads.append(asking)
        worker.wait_begun(len(threads))
    for name in "cba":
        worker.let(name)
    for thread in threads:
        thread.result()
    assert sorted(order) == ["a", "b", "c"]
    bridge.check_exactly_once(3)


def test_gateway_killed_while_it_is_asked_works_once_and_answers_once(site, bridge, client):
    gateway = site.serve(bridge, settings={**FAST, "lease.persist_after": "0s"})
    worker = PythonWorker(site, bridge.path)
    asking = Background(client.ask, "law", "wait long", timeout=WAIT)
    worker.wait_begun(1)
    since = worker.mark()
    gateway.kill()
    site.serve(bridge, settings=FAST).wait_event("attached")
    worker.ready(since)
    worker.let("long")
    assert asking.result().text == "long"
    assert worker.begun() == ["long"]
    assert len(requests(bridge)) == 1
    bridge.check_exactly_once(1)


def test_question_asked_again_after_a_timeout_is_not_paid_twice(site, bridge, client):
    gateway = site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path)
    for _ in range(3):
        with pytest.raises(tailgate.AskTimeout):
            client.ask("law", "wait long", timeout=1)
    asking = Background(client.ask, "law", "wait long", timeout=WAIT)
    wait_for(lambda: gateway.status()["counters"].get("coalesced", 0) == 3, "it to attach for the third time")
    worker.let("long")
    assert asking.result().text == "long"
    assert worker.begun() == ["long"]
    bridge.check_exactly_once(1)


def test_timeout_of_one_question_leaves_the_others_their_answers(site, bridge, client):
    gateway = site.serve(bridge, settings=FAST)
    worker = PythonWorker(site, bridge.path, slots=3)
    asking = [Background(client.ask, "law", "wait a", timeout=WAIT)]
    worker.wait_begun(1)
    late = Background(client.ask, "law", "wait late", timeout=1)
    worker.wait_begun(2)
    asking.append(Background(client.ask, "law", "wait b", timeout=WAIT))
    worker.wait_begun(3)
    with pytest.raises(tailgate.AskTimeout):
        late.result()
    wait_for(lambda: gateway.status()["counters"].get("coalesced", 0) == 2, "the others to attach")
    worker.let("a")
    worker.let("b")
    assert [one.result().text for one in asking] == ["a", "b"]
    assert sorted(worker.begun()) == ["a", "b", "late"]


def test_ticket_survives_the_death_of_the_gateway(site, bridge, client):
    gateway = site.serve(bridge, settings=FAST)
    ticket = client.submit("law", "echo later", timeout=WAIT)
    assert client.fetch(ticket, timeout=WAIT) is None
    gateway.kill()
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path)
    for _ in range(2):  # fetching changes nothing
        assert client.fetch(ticket, wait=WAIT, timeout=WAIT).text == "later"
    assert client.close_ticket(ticket, timeout=WAIT)
    with pytest.raises(tailgate.UnknownTicket):
        client.fetch(ticket, timeout=WAIT)


def test_ticket_of_a_dead_query_says_why(site, bridge, client):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path)
    ticket = client.submit("law", "fatal x", timeout=WAIT)
    with pytest.raises(tailgate.AskError, match="it cannot be"):
        client.fetch(ticket, wait=WAIT, timeout=WAIT)


def test_closed_ticket_that_nobody_worked_on_is_never_begun(site, bridge, client):
    site.serve(bridge, settings=FAST)
    ticket = client.submit("law", "echo dropped", timeout=WAIT)
    assert client.close_ticket(ticket, timeout=WAIT)
    worker = PythonWorker(site, bridge.path).ready()
    assert client.ask("law", "echo next", timeout=WAIT).text == "next"
    assert worker.begun() == ["next"]


def test_service_is_available_when_a_worker_for_it_is_registered(site, bridge, client):
    site.serve(bridge, settings=FAST)
    assert client.available("law", timeout=WAIT) is False
    PythonWorker(site, bridge.path, service="law").ready()
    wait_for(lambda: client.available("law", timeout=WAIT), "the service")
    assert json.loads(client.ask("tailgate.status", b"", timeout=WAIT).text)["gateway"]


def test_async_client_asks_many_at_once(site, bridge):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path, "async", slots=8)

    async def main():
        async with tailgate.AsyncClient(db=bridge.path) as client:
            asking = [client.ask("law", f"echo {n}", timeout=WAIT) for n in range(200)]
            texts = [answer.text for answer in await asyncio.gather(*asking)]
            pieces = [str(piece) async for piece in client.stream("law", "echo last", timeout=WAIT)]
            return texts, pieces[-1]

    texts, last = asyncio.run(main())
    assert texts == [str(n) for n in range(200)] and last == "last"
    bridge.check_exactly_once(201)


def test_many_clients_in_threads_get_their_own_answers(site, bridge):
    site.serve(bridge, settings=FAST)
    PythonWorker(site, bridge.path, slots=4)
    wrong = []

    def ask(name):
        with tailgate.Client(db=bridge.path) as client:
            for number in range(25):
                text = client.ask("law", f"echo {name}.{number}", timeout=WAIT).text
                if text != f"{name}.{number}":
                    wrong.append((name, number, text))

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    bridge.check_exactly_once(200)
