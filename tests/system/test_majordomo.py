"""Majordomo 0.1 and 0.2, both sides, through the gate: RFC 7 and RFC 18, paragraph by paragraph (the table in
proto/WIRE.md names these tests), and what real programs do that the RFCs do not say."""

import base64
import json
import os
import time

import pytest
import zmq

from harness import WAIT, wait_for
from majordomo import WORKER_01, WORKER_02, Client01, Client02, Worker

PAIRS = [(Client01, WORKER_01), (Client01, WORKER_02), (Client02, WORKER_01), (Client02, WORKER_02)]


@pytest.fixture
def gate(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    return Gate(site, bridge, gateway)


class Gate:
    """A gateway and what talks to it."""

    def __init__(self, site, bridge, gateway):
        self.site = site
        self.bridge = bridge
        self.gateway = gateway

    def client(self, protocol=Client02, **keywords):
        return self._keep(protocol(self.site.context, self.bridge.gate, **keywords))

    def worker(self, service="echo", version=WORKER_02, **keywords):
        worker = Worker(self.site.context, self.bridge.gate, service, version, **keywords)
        return self._keep(worker)

    def _keep(self, peer):
        self.site.workers.append(peer)
        return peer

    def joined(self, count):
        wait_for(lambda: len(self.gateway.status()["workers"]) == count, f"{count} workers")

    def counters(self):
        return self.gateway.status()["counters"]

    def rows(self, sql="SELECT * FROM messages ORDER BY id"):
        with self.bridge.reading() as db:
            return [dict(row) for row in db.execute(sql)]


def random_body(frames=5):
    return [os.urandom(1 + 97 * n) for n in range(frames)]


# The way of a request, in every mixture of the two versions.

@pytest.mark.parametrize("client,version", PAIRS)
def test_a_request_reaches_a_worker_and_its_reply_the_client_byte_for_byte(gate, client, version):
    asker, worker = gate.client(client), gate.worker(version=version)
    sent, answered = random_body(), random_body(3)
    asker.send("echo", *sent)
    address, got = worker.request()
    assert got == sent
    worker.final(address, *answered)
    assert asker.receive() == answered
    assert asker.service == b"echo"
    query, reply = gate.rows()
    assert (query["from_session"], query["to_session"], query["read"]) == ("a", "b", 1)
    assert [base64.b64decode(part) for part in json.loads(query["message"])["body"]] == sent
    assert json.loads(query["metadata"])["gate"]["protocol"] == asker.version
    response = json.loads(reply["message"])
    assert (response["type"], response["query_id"]) == ("response", f"m{query['id']}")
    assert [base64.b64decode(part) for part in response["body"]] == answered
    assert json.loads(reply["metadata"])["in_reply_to"] == query["id"]


@pytest.mark.parametrize("body", [b"", b" ", b"plain words", "Grüße\n\t☃".encode(), b'{"type":"response"}',
                                  b'{"a": [1, 2', b"nul \0 inside", b"\xff\xfe", b"MDPW02", b"READY",
                                  b'{"type":"query","encoding":"base64","body":["AA=="]}'])
def test_any_one_frame_comes_back_as_it_was_and_text_is_text_in_the_row(gate, body):
    asker, worker = gate.client(), gate.worker()
    asker.send("echo", body)
    address, got = worker.request()
    assert got == [body]
    worker.final(address, body)
    assert asker.receive() == [body]
    query, reply = gate.rows()
    text = body.decode("utf-8", "replace")
    if b"\0" not in body and "\ufffd" not in text:
        assert query["message"] == text
        assert reply["message"] == text
    else:
        assert base64.b64decode(json.loads(query["message"])["body"][0]) == body
        assert base64.b64decode(json.loads(reply["message"])["body"][0]) == body


@pytest.mark.parametrize("size", [36_864, 36_865, 1_000_000, 4_000_000])
def test_a_large_body_stands_beside_the_row(gate, size):
    asker, worker = gate.client(), gate.worker()
    sent, answered = [os.urandom(size - 10), os.urandom(10)], [os.urandom(size)]
    asker.send("echo", *sent)
    address, got = worker.request()
    assert got == sent
    worker.final(address, *answered)
    assert asker.receive() == answered
    query, reply = gate.rows()
    blobs = gate.rows("SELECT message_id FROM tailgate_blob ORDER BY message_id")
    large = size > 36_864
    assert json.loads(query["message"])["encoding"] == ("blob" if large else "base64")
    assert json.loads(reply["message"])["encoding"] == ("blob" if large else "base64")
    assert [blob["message_id"] for blob in blobs] == ([query["id"], reply["id"]] if large else [])
    assert len(reply["message"]) <= 50_000 and len(query["message"]) <= 50_000


def test_a_long_text_is_cut_in_the_row_and_whole_for_its_client(gate):
    asker, worker = gate.client(), gate.worker()
    long = ("é" * 60_000).encode()
    asker.send("echo", long)
    address, got = worker.request()
    assert got == [long]
    worker.final(address, long)
    assert asker.receive() == [long]
    _, reply = gate.rows()
    assert reply["message"] == "é" * 50_000
    metadata = json.loads(reply["metadata"])
    assert (metadata["truncated"], metadata["full_length"]) == (True, 60_000)


def test_a_secret_in_a_reply_reaches_the_client_and_not_the_file(gate):
    asker, worker = gate.client(), gate.worker()
    asker.send("echo", b"what is it?")
    address, _ = worker.request()
    worker.final(address, b"password=hunter2 and more")
    assert asker.receive() == [b"password=hunter2 and more"]
    assert gate.rows()[1]["message"] == "PASSWORD_REDACTED and more"


def test_a_long_text_with_a_secret_is_whole_and_redacted_in_the_file(gate):
    asker, worker = gate.client(), gate.worker()
    asker.send("echo", b"?")
    address, _ = worker.request()
    worker.final(address, b"x" * 60_000 + b" password=hunter2")
    assert asker.receive() == [b"x" * 60_000 + b" password=hunter2"]
    with gate.bridge.reading() as db:
        assert not any(b"hunter2" in bytes(str(row[0]), "latin-1", "replace") if isinstance(row[0], str)
                       else b"hunter2" in row[0]
                       for row in db.execute("SELECT message FROM messages UNION ALL SELECT data FROM tailgate_blob"
                                             " UNION ALL SELECT answer FROM tailgate_answer"))


def test_the_request_is_committed_before_it_is_handed_over(gate):
    asker, worker = gate.client(), gate.worker()
    asker.send("echo", b"hello")
    worker.request()
    (row,) = gate.rows()
    assert (row["message"], row["read"]) == ("hello", 0)


def test_a_query_object_is_taken_as_such(gate):
    asker = gate.client()
    worker = gate.worker()
    asked = b'{"type": "query", "query_id": "q_7", "question": "What is X?"}'
    asker.send("echo", asked)
    address, body = worker.request()
    assert body == [asked]
    worker.final(address, b"X")
    assert asker.receive() == [b"X"]


def test_a_worker_that_wants_queries_gets_json_with_its_delivery(gate):
    worker = gate.site.mdp(gate.bridge, "echo", name="w", format="query")
    asker = gate.client()
    asker.send("echo", b"What is X?")
    query = worker.request()
    assert (query.json["type"], query.json["question"]) == ("query", "What is X?")
    assert query.delivery["service"] == "echo"
    worker.final(query.token, {"answer": "X is X", "sources": ["a.md:1"]})
    assert asker.receive() == [b"X is X"]
    asker.send("echo", b'{"type":"query","query_id":"q_7","question":"And Y?"}')
    query = worker.request()
    assert query.json["query_id"] == "q_7"
    worker.final(query.token, {"answer": "Y"})
    reply = json.loads(asker.receive()[0])
    assert (reply["type"], reply["query_id"], reply["answer"]) == ("response", "q_7", "Y")
    asker.send("echo", b"\xff\0", b"two")
    query = worker.request()
    assert [base64.b64decode(part) for part in query.json["body"]] == [b"\xff\0", b"two"]
    worker.final(query.token, {"answer": "bytes"})
    assert asker.receive() == [b"bytes"]


def test_a_bridge_query_reaches_a_stock_worker_as_json(gate):
    worker = gate.worker("default", WORKER_01)
    message = gate.bridge.ask("What is X?")
    address, (body,) = worker.request()
    assert json.loads(body)["question"] == "What is X?"
    worker.final(address, b"X")
    assert json.loads(gate.bridge.reply(message)["text"])["answer"] == "X"


# RFC 18 and RFC 7, clients.

def test_partials_come_before_the_final_and_nothing_after_it(gate):
    asker, worker = gate.client(), gate.worker()
    asker.send("echo", b"tell me")
    address, _ = worker.request()
    worker.partial(address, b"one", b"\xff")
    worker.partial(address, b"two")
    worker.final(address, b"one two")
    assert asker.receive() == [b"one two"]
    assert [body for _, body in asker.partials] == [[b"one", b"\xff"], [b"two"]]
    assert asker.frames(timeout=0.3) is None
    assert len(gate.rows()) == 2, "partials are not stored"


def test_a_0_1_client_hears_no_partials(gate):
    asker, worker = gate.client(Client01), gate.worker()
    asker.send("echo", b"tell me")
    address, _ = worker.request()
    worker.partial(address, b"one")
    worker.final(address, b"one two")
    assert asker.receive() == [b"one two"]


def test_replies_leave_in_request_order_and_partials_are_of_the_oldest(gate):
    asker = gate.client()
    workers = [gate.worker(), gate.worker()]
    gate.joined(2)
    asker.send("echo", b"first")
    asker.send("echo", b"second")
    taken = {}
    for worker in workers:
        address, (body,) = worker.request()
        taken[body] = (worker, address)
    worker, address = taken[b"second"]
    worker.partial(address, b"a part of the second")
    worker.final(address, b"the second")
    assert asker.frames(timeout=0.5) is None
    worker, address = taken[b"first"]
    worker.partial(address, b"a part of the first")
    worker.final(address, b"the first")
    assert [asker.frames()[2] for _ in range(3)] == [[b"a part of the first"], [b"the first"], [b"the second"]]


@pytest.mark.parametrize("make", [
    lambda gate: gate.client(Client01),
    lambda gate: gate.client(Client01, kind=zmq.DEALER),
    lambda gate: gate.client(Client01, correlate=True),
    lambda gate: gate.client(Client01, identity=b"me"),
    lambda gate: gate.client(Client02, lead=[b""]),
    lambda gate: gate.client(Client02, lead=[b"id", b""]),
    lambda gate: gate.client(Client02, identity=b"\x01 odd \xff"),
])
def test_real_framing_of_clients(gate, make):
    asker, worker = make(gate), gate.worker()
    for n in range(3):
        asker.send("echo", b"%d" % n)
        address, body = worker.request()
        worker.final(address, *body)
        assert asker.receive() == [b"%d" % n]


@pytest.mark.parametrize("keywords", [
    {"version": WORKER_02}, {"version": WORKER_02, "lead": True}, {"version": WORKER_01},
    {"version": WORKER_02, "identity": b"w1"}, {"version": WORKER_01, "identity": b"\x02\xff"}])
def test_real_framing_of_workers(gate, keywords):
    asker, worker = gate.client(), gate.worker(**keywords)
    for n in range(3):
        asker.send("echo", b"%d" % n)
        address, body = worker.request()
        worker.final(address, *body)
        assert asker.receive() == [b"%d" % n]


def test_requests_wait_for_a_service_that_comes_later(gate):
    asker = gate.client()
    asker.send("late", b"hello")
    wait_for(lambda: gate.rows(), "the row")
    address, body = gate.worker("late").request()
    assert body == [b"hello"]


@pytest.mark.parametrize("client", [Client01, Client02])
def test_a_request_nobody_serves_expires_with_an_error(site, client):
    bridge = site.bridge()
    gate = Gate(site, bridge, site.serve(bridge, settings={"service.expire": "500ms"}))
    asker = gate.client(client)
    (reply,) = asker.ask("nobody", b"hello")
    error = json.loads(reply)
    assert error["type"] == "error" and "nobody serves" in error["error"]
    query, answer = gate.rows()
    assert query["read"] == 1 and json.loads(answer["metadata"])["dead"] is True


def test_a_busy_service_does_not_expire(site):
    bridge = site.bridge()
    gate = Gate(site, bridge, site.serve(bridge, settings={"service.expire": "300ms"}))
    worker, asker = gate.worker(), gate.client()
    asker.send("echo", b"first")
    asker.send("echo", b"second")
    address, _ = worker.request()
    time.sleep(1.2)
    worker.final(address, b"1")
    assert asker.receive() == [b"1"]
    address, _ = worker.request()
    worker.final(address, b"2")
    assert asker.receive() == [b"2"]


def test_a_dead_query_is_told_as_an_error(site):
    bridge = site.bridge()
    gate = Gate(site, bridge, site.serve(bridge, settings={"attempts": "1"}))
    worker, asker = gate.worker(), gate.client()
    asker.send("echo", b"hello")
    worker.request()
    worker.close()
    error = json.loads(asker.receive()[0])
    assert (error["type"], error["attempts"]) == ("error", 1)


@pytest.mark.parametrize("service", ["*", "with\nbreak", b"\xff\xfe", "x" * 101])
def test_a_service_that_cannot_be_one_is_refused(gate, service):
    asker = gate.client()
    asker.send(service, b"hello")
    error = json.loads(asker.receive()[0])
    assert error["type"] == "error" and "service" in error["error"]
    assert gate.rows() == []


@pytest.mark.parametrize("service", ["two words", "Grüße", "日本語", "a.b-c_d/e:f", "x" * 100, "MDPW02"])
def test_odd_names_of_services_are_names(gate, service):
    asker, worker = gate.client(), gate.worker(service)
    asker.send(service, b"hello")
    address, body = worker.request()
    worker.final(address, *body)
    assert asker.receive() == [b"hello"]


# RFC 18 and RFC 7, workers.

@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_there_is_no_response_to_a_ready(gate, version):
    worker = gate.worker(version=version)
    gate.joined(1)
    assert worker.receive(timeout=0.3) is None


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_heartbeats_go_both_ways_and_silence_ends_an_idle_worker(site, version):
    bridge = site.bridge()
    gate = Gate(site, bridge, site.serve(bridge, settings={"heartbeat.interval": "100ms"}))
    worker = gate.worker(version=version)
    assert worker.receive() == ("HEARTBEAT", [])
    for _ in range(8):
        worker.send("HEARTBEAT")
        time.sleep(0.1)
    gate.joined(1)
    worker.wait("DISCONNECT")
    gate.joined(0)


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_a_silent_busy_worker_keeps_its_lease(site, version):
    bridge = site.bridge()
    gate = Gate(site, bridge, site.serve(bridge, settings={"heartbeat.interval": "100ms"}))
    worker, asker = gate.worker(version=version), gate.client()
    asker.send("echo", b"think long")
    address, _ = worker.request()
    time.sleep(2.0)  # twenty of the gateway's intervals
    worker.final(address, b"thought")
    assert asker.receive() == [b"thought"]
    assert gate.counters()["retried"] == 0


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_the_gateway_disconnects_whom_it_does_not_know(gate, version):
    worker = gate.worker(version=version, ready=False)
    worker.send("HEARTBEAT")
    assert worker.wait("DISCONNECT") == []


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_a_worker_that_says_disconnect_gets_nothing_more(gate, version):
    worker, asker = gate.worker(version=version), gate.client()
    gate.joined(1)
    worker.send("DISCONNECT")
    gate.joined(0)
    asker.send("echo", b"hello")
    assert worker.receive(timeout=0.5) is None


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_a_second_ready_is_a_fresh_registration(gate, version):
    worker = gate.worker("first", version=version)
    gate.joined(1)
    worker.send("READY", "second")
    wait_for(lambda: [w["service"] for w in gate.gateway.status()["workers"]] == ["second"], "the second READY")


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_a_reply_to_nothing_is_disconnected(gate, version):
    worker = gate.worker(version=version)
    worker.final(b"1.1.AAAAAAAAAAAAAAAAAAAAAA", b"an answer to nothing")
    wait_for(lambda: gate.counters()["refused_forged"] == 1, "the refusal")
    worker.final(b"no token", b"x")
    worker.wait("DISCONNECT")


@pytest.mark.parametrize("version,frames", [
    (WORKER_01, [b"\x06"]), (WORKER_02, [b"\x07"]), (WORKER_02, [b"\x02", b"a", b"", b"b"]), (WORKER_02, []),
    (WORKER_02, [b"\x04", b"a", b"b"]), (WORKER_01, [b"\x01"]), (WORKER_01, [b"\x03", b"a", b"", ])])
def test_what_is_malformed_ends_the_registration(gate, version, frames):
    worker = gate.worker(version=version)
    gate.joined(1)
    worker.socket.send_multipart([*worker.lead, version, *frames])
    worker.wait("DISCONNECT")
    gate.joined(0)


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_workers_of_a_service_share_its_requests(gate, version):
    workers = [gate.worker(version=version) for _ in range(3)]
    gate.joined(3)
    asker = gate.client()
    for _ in range(2):
        for n in range(3):
            asker.send("echo", b"%d" % n)
        for worker in workers:  # each has one, as none has answered
            address, body = worker.request()
            worker.served.append((address, body))
        for worker in workers:
            address, body = worker.served[-1]
            worker.final(address, *body)
        assert [asker.receive() for _ in range(3)] == [[b"0"], [b"1"], [b"2"]]


def test_a_lost_workers_request_goes_to_another(gate):
    first, asker = gate.worker(), gate.client()
    asker.send("echo", b"hello")
    first.request()
    first.close()
    second = gate.worker()
    address, body = second.request()
    assert body == [b"hello"]
    second.final(address, b"done")
    assert asker.receive() == [b"done"]


@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_a_restarted_gateway_takes_a_final_before_it_says_disconnect(gate, version):
    worker, asker = gate.worker(version=version), gate.client()
    asker.send("echo", b"long work")
    address, _ = worker.request()
    wait_for(lambda: gate.counters()["leases_recorded"] == 1, "the record of the lease")
    gate.gateway.kill()
    gate.gateway = gate.site.serve(gate.bridge)
    asker.close()
    again = gate.client()
    again.send("echo", b"long work")  # as a client resends
    wait_for(lambda: gate.counters()["coalesced"] == 1, "the resent request")
    worker.final(address, b"\xfethe answer")
    assert again.receive() == [b"\xfethe answer"]
    worker.wait("DISCONNECT")
    assert len(gate.rows()) == 2


def test_a_peer_that_sets_its_identity_may_connect_afresh(gate):
    asker = gate.client()
    for n in range(5):
        worker = gate.worker(identity=b"fixed", version=WORKER_01)
        asker.send("echo", b"%d" % n)
        address, body = worker.request()
        worker.final(address, *body)
        assert asker.receive() == [b"%d" % n]
        worker.close()
        gate.joined(0)  # ZeroMQ itself passes over a second connection of the same name


# RFC 8.

@pytest.mark.parametrize("client", [Client01, Client02])
def test_mmi(gate, client):
    asker = gate.client(client)
    assert asker.ask("mmi.service", b"echo") == [b"404"]
    gate.worker("echo")
    gate.joined(1)
    assert asker.ask("mmi.service", b"echo") == [b"200"]
    assert asker.ask("mmi.service", b"other") == [b"404"]
    assert asker.ask("mmi.service", b"titanic.request") == [b"200"]
    assert asker.ask("mmi.nothing", b"x") == [b"501"]
    gate.site.mdp(gate.bridge, "*")
    gate.joined(2)
    assert asker.ask("mmi.service", b"other") == [b"200"]


@pytest.mark.parametrize("service", ["mmi.service", "mmi.mine", "titanic.request", "tailgate.status"])
@pytest.mark.parametrize("version", [WORKER_01, WORKER_02])
def test_a_worker_in_the_gates_own_names_is_disconnected(gate, service, version):
    worker = gate.worker(service, version=version)
    worker.wait("DISCONNECT")
    gate.joined(0)


def test_built_in_services_speak_majordomo(gate):
    asker = gate.client()
    status = json.loads(asker.ask("tailgate.status", b"")[0])
    assert status["type"] == "status"
    assert json.loads(asker.ask("tailgate.pause", b"echo")[0])["done"] == "pause"
    assert json.loads(asker.ask("tailgate.resume", b"echo")[0])["done"] == "resume"
    assert "no such built-in service" in json.loads(asker.ask("tailgate.nothing", b"")[0])["error"]


# Not spoken.

def test_zproto_is_refused_with_a_clear_line(gate):
    dealer = gate.site.dealer(gate.bridge)
    dealer.send(b"\xaa\xa0\x04\x06MDPC02\x05hello")
    gate.gateway.wait_event("unsupported")
    assert dealer.poll(300) == 0
    assert gate.counters()["unsupported"] == 1


def test_clients_that_are_malformed_are_counted_and_told_nothing(gate):
    dealer = gate.site.dealer(gate.bridge)
    for frames in ([b"MDPC02"], [b"MDPC02", b"\1"], [b"MDPC02", b"\1", b"", b"x"], [b"MDPC02", b"\1", b"echo"], [b"MDPC02", b"\2", b"echo", b"x"],
                   [b"MDPC01"], [b"", b"MDPC01", b"echo"]):
        dealer.send_multipart(frames)
    wait_for(lambda: gate.counters()["bad_frames"] == 7, "seven bad messages")
    assert dealer.poll(100) == 0


def test_too_many_body_frames_are_refused(gate):
    """One more than there may be is told (it may be a service and its body, for titanic.request); what is beyond is
    no message."""
    asker, worker = gate.client(), gate.worker()
    assert "too many frames" in json.loads(asker.ask("echo", *[b"x"] * 57)[0])["error"]
    asker.send("echo", *[b"x"] * 58)
    wait_for(lambda: gate.counters()["bad_frames"] == 1, "the refusal")
    asker.send("echo", *[b"x"] * 56)
    address, body = worker.request()
    assert len(body) == 56
    worker.final(address, *body)
    assert len(asker.receive()) == 56


def test_too_large_a_request_is_told(gate):
    error = json.loads(gate.client().ask("echo", b"x" * (5 << 20), b"y" * (4 << 20))[0])
    assert "too large" in error["error"]
