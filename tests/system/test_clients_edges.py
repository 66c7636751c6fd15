"""What happens to clients of the gate at its edges: large bodies, refusals, races, restarts. Nobody waits for ever."""

import json
import os
import time

import pytest

from harness import wait_for
from locker import lock, release
from majordomo import Client01, Client02, Worker

MEGABYTE = 1 << 20


@pytest.fixture
def world(site):
    return World(site)


class World:
    """A bridge, and peers at its gate."""

    def __init__(self, site):
        self.site = site
        self.bridge = site.bridge()

    def serve(self, *options, **settings):
        self.gateway = self.site.serve(self.bridge, *options, settings=settings)

    def client(self, kind=Client02, **keywords):
        return self._keep(kind(self.site.context, self.bridge.gate, **keywords))

    def worker(self, service="echo", **keywords):
        return self._keep(Worker(self.site.context, self.bridge.gate, service, **keywords))

    def _keep(self, peer):
        self.site.workers.append(peer)
        return peer

    def counter(self, name):
        return self.gateway.status()["counters"][name]

    def count(self, name, value):
        wait_for(lambda: self.counter(name) == value, f"{name} to be {value}")


def error_of(reply):
    assert reply is not None, "the client hears nothing"
    (frame,) = reply
    told = json.loads(frame)
    assert told["type"] == "error", told
    return told["error"]


# Bodies.

@pytest.mark.parametrize("kind", [Client01, Client02])
def test_a_ticket_gives_an_answer_of_as_many_frames_as_there_may_be(world, kind):
    world.serve()
    asker, worker = world.client(kind), world.worker()
    status, ticket = asker.ask("titanic.request", "echo", b"much")
    assert status == b"200"
    frames = [b"\xff%d" % i for i in range(56)]
    address, _ = worker.request()
    worker.final(address, *frames)
    wait_for(lambda: asker.ask("titanic.reply", ticket) != [b"300"], "the answer")
    assert asker.ask("titanic.reply", ticket) == [b"200", *frames]


def test_what_titanic_cannot_take_is_told_by_a_status(world):
    world.serve()
    asker = world.client()
    status, reason = asker.ask("titanic.request", "echo", *[b"\xff" * (5 * MEGABYTE)] * 2)
    assert (status, reason) == (b"500", b"the request is too large")
    named = json.dumps({"type": "query", "question": "x", "conversation_id": "nobody's"})
    status, reason = asker.ask("titanic.request", "echo", named)
    assert status == b"500" and reason.startswith(b"no such conversation")


def test_large_requests_do_not_hold_the_write_lock_together(world):
    """The bridge's own writers wait for one group of a few megabytes, not for all that clients have sent."""
    world.serve()
    before = world.gateway.status()["committer"]["groups"]
    locker = lock(world.site, world.bridge, "COMMIT")
    askers = [world.client() for _ in range(8)]
    for asker in askers:
        asker.send("echo", os.urandom(5 * MEGABYTE))
    wait_for(lambda: world.gateway.status()["committer"]["queued"] >= 8, "all of them to wait")
    release(locker)
    world.count("asked", 8)
    assert world.gateway.status()["committer"]["groups"] - before >= 8


def test_what_is_on_its_way_into_the_file_is_bounded(world):
    """64 MiB of one connection wait for a database that is locked; the rest is refused in its turn."""
    world.serve()
    locker = lock(world.site, world.bridge, "COMMIT")
    asker, worker = world.client(), world.worker()
    for _ in range(10):
        asker.send("echo", os.urandom(8 * MEGABYTE - 100))
    world.count("clients_refused", 3)
    release(locker)
    for _ in range(7):
        address, _ = worker.request()
        worker.final(address, b"answer")
    assert [asker.receive() for _ in range(7)] == [[b"answer"]] * 7
    for _ in range(3):
        assert error_of(asker.receive()) == "too much is asked at once: try again later"


def test_over_tcp_a_conversation_is_named_with_its_token_only(world):
    """All who come over tcp are one principal: what was made for one of them is not the next one's."""
    world.serve("--gate", "tcp://127.0.0.1:*")
    gates = world.gateway.status()["gateway"]["gates"]
    tcp = next(gate for gate in gates if gate.startswith("tcp://"))
    first, second = (world._keep(Client02(world.site.context, tcp)) for _ in range(2))
    first.send("echo", b"hello")
    world.count("asked", 1)
    with world.bridge.reading() as db:
        made, token = db.execute("SELECT c.id, c.session_a_token FROM conversations c JOIN tailgate_made m"
                                 " ON m.conversation_id = c.id").fetchone()
    query = {"type": "query", "question": "and this?", "conversation_id": made}
    assert error_of(second.ask("echo", json.dumps(query), timeout=10)).startswith("no such conversation")
    second.send("echo", json.dumps({**query, "session_token": token}))
    world.count("asked", 2)


# Those who are gone.

def test_a_reply_that_waited_for_its_turn_is_told_of_when_its_client_goes(world):
    world.serve()
    asker, first, second = world.client(), world.worker("one"), world.worker("two")
    asker.send("one", b"1")
    address, _ = first.request()
    asker.send("two", b"2")
    other, _ = second.request()
    second.final(other, b"done")
    world.count("answered", 1)
    asker.close()
    world.count("undelivered", 1)
    first.final(address, b"done")
    world.count("undelivered", 2)


def test_what_cannot_be_asked_is_counted_once(world):
    world.serve()
    assert error_of(world.client().ask("*", b"all")) == "that is not the name of a service"
    assert world.counter("clients_refused") == 1


# Queries that end in odd ways.

def test_a_query_that_ends_while_it_is_claimed_is_told_to_its_client(world):
    world.serve(claim="dispatch")
    world.bridge.run("CREATE TRIGGER gone BEFORE UPDATE OF read ON messages WHEN NEW.read = 1 BEGIN"
                     " DELETE FROM conversations WHERE id = OLD.conversation_id; SELECT RAISE(IGNORE); END")
    world.worker()
    asker = world.client()
    asker.send("echo", b"hello")
    assert error_of(asker.receive(timeout=10)) == "deleted"


def test_who_comes_back_to_what_the_database_refuses_to_answer_hears_so(world):
    world.serve()
    world.bridge.run("CREATE TRIGGER silent BEFORE INSERT ON messages WHEN NEW.from_session = 'b'"
                     " BEGIN SELECT RAISE(ABORT, 'no'); END")
    asker, worker = world.client(), world.worker()
    asker.send("echo", b"hello")
    address, _ = worker.request()
    asker.close()
    wait_for(lambda: world.gateway.status()["clients"]["connections"] == 0, "the end of the connection")
    worker.final(address, b"answer")
    world.count("uncommittable", 2)
    assert error_of(world.client().ask("echo", b"hello")) == "the database refuses the reply"


def test_a_retry_does_not_attach_to_what_is_skipped(world):
    world.serve()
    asker = world.client()
    asker.send("echo", b"hello")
    world.count("asked", 1)
    asker.close()
    world.gateway.kill()
    world.serve("--backlog", "skip")
    asker, worker = world.client(), world.worker()
    asker.send("echo", b"hello")
    address, _ = worker.request(timeout=10)
    worker.final(address, b"answer")
    assert asker.receive() == [b"answer"]


def test_a_question_that_the_database_cannot_take_holds_nobody_up(world):
    """A table of the gateway's own is gone: its client hears of it, and other queries are answered."""
    world.serve()
    world.bridge.run("DROP TABLE tailgate_request")
    asker, worker = world.client(), world.worker("default")
    asker.send("default", b"hello")
    row = world.bridge.ask_text("by the bridge?")
    address, _ = worker.request()
    worker.final(address, json.dumps({"answer": "yes"}).encode())
    assert world.bridge.reply(row)
    assert error_of(asker.receive(timeout=10)) == "the database refuses the question"


def test_a_request_does_not_expire_while_its_worker_is_restarted(world):
    """It has waited for longer than service.expire because the service is busy; nobody serves it for a moment only."""
    world.serve(**{"service.expire": "3s", "backoff.first": "10s"})
    asker, worker, begun = world.client(), world.worker(), time.monotonic()
    asker.send("echo", b"first")
    worker.request()
    asker.send("echo", b"second")
    time.sleep(max(0.0, begun + 4.5 - time.monotonic()))
    worker.close()
    time.sleep(max(0.0, begun + 6.8 - time.monotonic()))  # it was looked at after 6 s
    worker = world.worker()
    address, body = worker.request()
    assert body == [b"second"]


def test_a_request_beyond_the_memory_of_its_service_expires_too(world):
    """What others have asked of a service that nobody serves fills its memory, and stays; clients are told."""
    world.serve(**{"backlog.window": "2", "service.expire": "500ms"})
    for i in range(6):
        world.bridge.ask_text(f"question {i}", service="nobody")
    asker = world.client()
    asker.send("nobody", b"hello")
    assert "nobody serves this service" in error_of(asker.receive(timeout=10))
