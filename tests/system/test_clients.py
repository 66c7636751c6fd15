"""Clients of the gate beyond the frames: retries, windows, order, rights, and those who go or do not read."""

import base64
import json
import os
import signal
import time

import pytest
import zmq

from harness import wait_for
from majordomo import WORKER_01, Client01, Client02, Worker


@pytest.fixture
def gate(site):
    return Gate(site)


class Gate:
    def __init__(self, site, **settings):
        self.site = site
        self.bridge = site.bridge()
        self.gateway = site.serve(self.bridge, settings=settings)

    def client(self, kind=Client02, **keywords):
        return self._keep(kind(self.site.context, self.bridge.gate, **keywords))

    def worker(self, service="echo", **keywords):
        return self._keep(Worker(self.site.context, self.bridge.gate, service, **keywords))

    def _keep(self, peer):
        self.site.workers.append(peer)
        return peer

    def restart(self):
        self.gateway.kill()
        self.gateway = self.site.serve(self.bridge)

    def counters(self):
        return self.gateway.status()["counters"]

    def count(self, name, value):
        wait_for(lambda: self.counters()[name] == value, f"{name} to be {value}")

    def rows(self, sql="SELECT * FROM messages ORDER BY id"):
        with self.bridge.reading() as db:
            return [dict(row) for row in db.execute(sql)]

    def bare(self):
        socket = self.site.context.socket(zmq.REQ)
        socket.linger = 0
        socket.connect(self.bridge.gate)
        self.site.workers.append(socket)
        return socket


# The clients' own retry.

def test_a_client_that_gives_up_and_resends_pays_once(gate):
    """The Guide's client: closes its socket after a while, connects afresh and sends the same again."""
    worker = gate.worker()
    asker = gate.client(Client01)
    asker.send("echo", b"expensive", b"\xff")
    address, _ = worker.request()
    for _ in range(3):
        assert asker.receive(timeout=0.5) is None
        asker.close()
        asker = gate.client(Client01)
        asker.send("echo", b"expensive", b"\xff")
    gate.count("coalesced", 3)
    worker.final(address, b"answer")
    assert asker.receive() == [b"answer"]
    assert len(gate.rows()) == 2, "one query, one reply"
    assert gate.counters()["dispatched"] == 1


def test_two_who_ask_the_same_get_an_answer_each(gate):
    worker, first, second = gate.worker(), gate.client(), gate.client()
    first.send("echo", b"the same")
    second.send("echo", b"the same")
    for n in (1, 2):
        address, _ = worker.request()
        worker.final(address, b"%d" % n)
    assert sorted([first.receive()[0], second.receive()[0]]) == [b"1", b"2"]


@pytest.mark.parametrize("change", ["service", "body", "frames"])
def test_what_is_not_the_same_is_not_coalesced(gate, change):
    asker = gate.client()
    asker.send("echo", b"ab")
    wait_for(gate.rows, "the row")
    asker.close()
    time.sleep(0.1)
    again = gate.client()
    again.send("other" if change == "service" else "echo",
               *({"body": [b"ac"], "frames": [b"a", b"b"]}.get(change, [b"ab"])))
    wait_for(lambda: len(gate.rows()) == 2, "a second row")


def test_the_same_is_asked_again_after_its_answer(gate):
    worker, asker = gate.worker(), gate.client()
    for n in range(2):
        asker.send("echo", b"again")
        address, _ = worker.request()
        worker.final(address, b"%d" % n)
        assert asker.receive() == [b"%d" % n]
    assert len(gate.rows()) == 4


def test_a_retry_after_a_restart_attaches_to_the_row_in_the_file(gate):
    asker = gate.client()
    asker.send("echo", b"expensive")
    wait_for(gate.rows, "the row")
    gate.restart()
    asker.close()
    again = gate.client()
    again.send("echo", b"expensive")
    gate.count("coalesced", 1)
    address, _ = gate.worker().request()
    gate.site.workers[-1].final(address, b"answer")
    assert again.receive() == [b"answer"]
    assert len(gate.rows()) == 2


@pytest.mark.parametrize("restart", [False, True])
def test_an_answer_that_nobody_had_is_given_to_who_asks_again(gate, restart):
    worker, asker = gate.worker(), gate.client()
    asker.send("echo", b"expensive")
    address, _ = worker.request()
    asker.close()
    wait_for(lambda: gate.gateway.status()["clients"]["connections"] == 0, "the end of the connection")
    worker.final(address, b"the", b"\xff answer")
    gate.count("undelivered", 1)
    if restart:
        gate.restart()
    again = gate.client()
    assert again.ask("echo", b"expensive") == [b"the", b"\xff answer"]
    assert len(gate.rows()) == 2
    once_more = gate.client()
    once_more.send("echo", b"expensive")  # it was delivered: a question of its own
    wait_for(lambda: len(gate.rows()) == 3, "a row of its own")


def test_an_answer_whose_client_was_away_with_the_gateway_is_given_to_it(gate):
    """Killed while the work goes on; the worker is back before the client is."""
    worker, asker = gate.worker(), gate.client()
    asker.send("echo", b"expensive")
    address, _ = worker.request()
    gate.count("leases_recorded", 1)
    asker.close()
    gate.restart()
    worker.final(address, b"answer")
    gate.bridge.wait_replies(1)
    assert gate.client().ask("echo", b"expensive") == [b"answer"]
    assert len(gate.rows()) == 2


def test_a_large_answer_that_cannot_be_committed_is_kept_whole(gate):
    worker, asker = gate.worker(), gate.client()
    asker.send("echo", b"hello")
    address, _ = worker.request()
    gate.bridge.run("UPDATE messages SET read = 1 WHERE id = 1")
    frames = [os.urandom(50_000), b"\xff"]
    worker.final(address, *frames)
    assert json.loads(asker.receive()[0])["error"] == "superseded"
    (kept,) = gate.rows("SELECT answer FROM tailgate_answer WHERE message_id = 1")
    assert [base64.b64decode(part) for part in json.loads(kept["answer"])["body"]] == frames


def test_coalescing_ends_after_its_time(site):
    gate = Gate(site, **{"client.coalesce": "300ms"})
    asker = gate.client()
    asker.send("echo", b"the same")
    wait_for(gate.rows, "the row")
    asker.close()
    time.sleep(0.8)
    gate.client().send("echo", b"the same")
    wait_for(lambda: len(gate.rows()) == 2, "a row of its own")


# Who goes, who does not read, who asks too much.

def test_a_client_that_is_gone_has_its_answer_committed_and_that_is_told(gate):
    worker, asker = gate.worker(), gate.client()
    asker.send("echo", b"hello")
    address, _ = worker.request()
    asker.close()
    time.sleep(0.2)
    worker.final(address, b"answer")
    gate.count("undelivered", 1)
    assert gate.rows()[1]["message"] == "answer"
    gate.gateway.wait_event("undelivered")


def test_requests_beyond_the_window_wait(site):
    gate = Gate(site, **{"client.window": "2"})
    asker = gate.client()
    for n in range(5):
        asker.send("echo", b"%d" % n)
    wait_for(lambda: len(gate.rows()) == 2, "two rows")
    time.sleep(0.3)
    assert len(gate.rows()) == 2
    worker = gate.worker()
    for n in range(5):
        address, (body,) = worker.request()
        worker.final(address, body)
        assert asker.receive() == [b"%d" % n]


def test_two_requests_of_one_connection_are_worked_on_at_once(gate):
    asker, workers = gate.client(), [gate.worker(), gate.worker()]
    asker.send("echo", b"one")
    asker.send("echo", b"two")
    taken = [worker.request() for worker in workers]
    assert sorted(body for _, (body,) in taken) == [b"one", b"two"]


def test_a_client_that_does_not_read_costs_itself_only(site):
    gate = Gate(site, **{"client.window": "1000"})
    answers = site.answerer(gate.bridge, "echo", answer=lambda query: {"answer": "x" * 1_000_000}, slots=10,
                            format="query")
    deaf = gate.site.context.socket(zmq.DEALER)
    deaf.linger = 0
    deaf.rcvhwm = 1
    deaf.setsockopt(zmq.RCVBUF, 4096)
    deaf.connect(gate.bridge.gate)
    gate.site.workers.append(deaf)
    for n in range(80):
        deaf.send_multipart([b"MDPC02", b"\1", b"echo", b"%d" % n])
    reader = gate.client()
    for _ in range(3):
        assert len(reader.ask("echo", b"hello")[0]) == 1_000_000
    del answers
    resident = int(next(line for line in open(f"/proc/{gate.gateway.pid}/status", encoding="ascii")
                        if line.startswith("VmRSS")).split()[1])
    assert resident < 800_000, f"{resident} kB"


def test_the_same_identity_reconnecting_hears_only_of_its_own(gate):
    worker, asker = gate.worker(), gate.client(identity=b"fixed")
    asker.send("echo", b"old")
    address, _ = worker.request()
    asker.close()
    wait_for(lambda: gate.gateway.status()["clients"]["connections"] == 0, "the end of the connection")
    again = gate.client(identity=b"fixed")
    again.send("echo", b"new")
    worker.final(address, b"to the old")
    address, (body,) = worker.request()
    assert body == b"new"
    worker.final(address, b"to the new")
    assert again.receive() == [b"to the new"]


# Conversations.

def test_a_principal_has_one_conversation_for_a_service(gate):
    for service in ("one", "one", "two"):
        asker = gate.client()
        asker.send(service, os.urandom(8).hex().encode())
    wait_for(lambda: len(gate.rows()) == 3, "three rows")
    made = gate.rows("SELECT c.session_a_role, c.session_b_role FROM conversations c"
                     " JOIN tailgate_made m ON m.conversation_id = c.id ORDER BY c.session_b_role")
    assert [(row["session_a_role"], row["session_b_role"]) for row in made] == [("root", "one"), ("root", "two")]
    assert len({row["conversation_id"] for row in gate.rows()}) == 2


def test_somebody_elses_conversation_needs_its_token(gate):
    with gate.bridge.reading() as db:
        token_a, token_b = db.execute("SELECT session_a_token, session_b_token FROM conversations"
                                      " WHERE id = ?", (gate.bridge.conversation,)).fetchone()
    asker = gate.client()

    def ask(**members):
        asker.send("echo", json.dumps({"type": "query", "question": "hello", **members}).encode())

    for token in (None, "", "0" * 64, token_a[:-1], token_b):
        ask(conversation_id=gate.bridge.conversation, **({} if token is None else {"session_token": token}))
        assert "no such conversation" in json.loads(asker.receive()[0])["error"]
    ask(conversation_id="conv_0000000000000000", session_token=token_a)
    assert "no such conversation" in json.loads(asker.receive()[0])["error"]
    assert gate.rows() == []
    ask(conversation_id=gate.bridge.conversation, session_token=token_a)
    (row,) = wait_for(gate.rows, "the row")
    assert row["conversation_id"] == gate.bridge.conversation
    assert token_a not in row["message"] and json.loads(row["message"]) == {"type": "query", "question": "hello"}
    assert token_a not in gate.gateway.stderr.text()


def test_ones_own_conversation_needs_none(gate):
    asker, worker = gate.client(), gate.worker()
    asker.send("echo", b"hello")
    address, _ = worker.request()
    worker.final(address, b"there")
    asker.receive()
    conversation = gate.rows()[0]["conversation_id"]
    asker.send("echo", json.dumps({"type": "query", "question": "more", "conversation_id": conversation}).encode())
    address, body = worker.request()
    assert json.loads(body[0]) == {"type": "query", "question": "more"}
    assert {row["conversation_id"] for row in gate.rows()} == {conversation}


# Bare clients.

def test_a_bare_client_asks_in_text_and_gets_text(gate):
    worker, socket = gate.worker(), gate.bare()
    socket.send_multipart([b"ASK", b"echo", b"What is X?"])
    address, body = worker.request()
    assert json.loads(body[0])["question"] == "What is X?"
    worker.final(address, b'{"answer": "X is X"}')
    assert socket.recv_multipart() == [b"X is X"]


def test_a_bare_client_asks_with_an_object_and_gets_one(gate):
    worker, socket = gate.worker(), gate.bare()
    socket.send_json({"question": "What is X?", "query_id": "q_1", "service": "echo"})
    address, body = worker.request()
    asked = json.loads(body[0])
    assert (asked["type"], asked["question"], asked["query_id"]) == ("query", "What is X?", "q_1")
    worker.final(address, b"X is X")
    reply = socket.recv_json()
    assert (reply["type"], reply["query_id"], reply["answer"]) == ("response", "q_1", "X is X")


def test_a_bare_client_without_a_service_asks_the_default_one(gate):
    worker, socket = gate.worker("default"), gate.bare()
    socket.send_json({"question": "What is X?"})
    address, _ = worker.request()
    worker.final(address, b"X")
    assert socket.recv_json()["answer"] == "X"


# Titanic.

@pytest.mark.parametrize("client", [Client01, Client02])
def test_titanic(gate, client):
    asker = gate.client(client)
    status, ticket = asker.ask("titanic.request", b"echo", b"one", b"\xff two")
    assert status == b"200" and len(ticket) == 32 and ticket.isalnum()
    assert len(gate.rows()) == 1, "its row is committed before the 200"
    assert asker.ask("titanic.reply", ticket) == [b"300"]
    worker = gate.worker(version=WORKER_01)
    address, body = worker.request()
    assert body == [b"one", b"\xff two"]
    worker.final(address, b"the", b"\xfe answer")
    gate.bridge.wait_replies(1)
    for _ in range(2):
        assert asker.ask("titanic.reply", ticket.lower()) == [b"200", b"the", b"\xfe answer"]
    assert asker.ask("titanic.close", ticket) == [b"200"]
    assert asker.ask("titanic.reply", ticket) == [b"400"]
    assert asker.ask("titanic.close", ticket) == [b"200"]


def test_a_ticket_survives_kill_9(gate):
    asker = gate.client(Client01)
    _, ticket = asker.ask("titanic.request", b"echo", b"hello")
    gate.restart()
    asker = gate.client(Client01)
    assert asker.ask("titanic.reply", ticket) == [b"300"]
    worker = gate.worker()
    address, _ = worker.request()
    worker.final(address, b"answer")
    gate.bridge.wait_replies(1)
    gate.restart()
    asker = gate.client(Client01)
    assert asker.ask("titanic.reply", ticket) == [b"200", b"answer"]


def test_a_dead_request_is_500_with_its_reason(site):
    gate = Gate(site, attempts="1")
    asker, worker = gate.client(), gate.site.mdp(gate.bridge, "echo", format="query")
    _, ticket = asker.ask("titanic.request", b"echo", b"hello")
    query = worker.request()
    worker.final(query.token, {"type": "error", "error": "no such file", "retry": False})
    gate.bridge.wait_replies(1)
    assert asker.ask("titanic.reply", ticket) == [b"500", b"no such file"]


def test_closing_what_nobody_has_yet_drops_it(gate):
    asker = gate.client()
    _, ticket = asker.ask("titanic.request", b"echo", b"hello")
    assert asker.ask("titanic.close", ticket) == [b"200"]
    gate.count("dropped", 1)
    (row,) = gate.rows()
    assert row["read"] == 1
    (audit,) = gate.rows("SELECT details FROM audit_log WHERE action = 'query_dropped'")
    assert json.loads(audit["details"]) == {"message_id": row["id"]}
    worker = gate.worker()
    assert worker.request(timeout=0.5) is None


def test_closing_what_a_worker_has_lets_it_end(gate):
    asker, worker = gate.client(), gate.worker()
    _, ticket = asker.ask("titanic.request", b"echo", b"hello")
    address, _ = worker.request()
    assert asker.ask("titanic.close", ticket) == [b"200"]
    worker.final(address, b"answer")
    gate.bridge.wait_replies(1)
    assert asker.ask("titanic.reply", ticket) == [b"400"]


@pytest.mark.parametrize("body", [[b"echo"], [], [b"mmi.service", b"x"], [b"titanic.request", b"echo", b"x"],
                                  [b"*", b"x"], [b"", b"x"]])
def test_what_cannot_be_requested_is_400(gate, body):
    assert gate.client().ask("titanic.request", *(body or [b""])) == [b"400"]
    assert gate.rows() == []


@pytest.mark.parametrize("ticket", [b"", b"0" * 32, b"z" * 32, b"\xff" * 32, b"0" * 31, b"' OR 1=1 --"])
def test_what_is_no_ticket_is_400(gate, ticket):
    assert gate.client().ask("titanic.reply", ticket) == [b"400"]


def test_a_ticket_ends_after_its_time(site):
    gate = Gate(site, **{"titanic.ttl": "1s"})
    asker = gate.client()
    _, ticket = asker.ask("titanic.request", b"echo", b"hello")
    wait_for(lambda: asker.ask("titanic.reply", ticket) == [b"400"], "the ticket's end")


def test_a_tickets_conversation_lives_as_long(gate):
    asker = gate.client()
    asker.ask("titanic.request", b"echo", b"hello")
    (row,) = gate.rows("SELECT julianday(c.expires_at) - julianday('now') AS days FROM conversations c"
                       " JOIN messages m ON m.conversation_id = c.id"
                       " JOIN tailgate_ticket t ON t.message_id = m.id")
    assert 7.0 <= row["days"] < 7.1, "a week, and an hour for the next ones"


# Rights.

def test_only_the_owner_may_steer(site):
    """Another user of the database's group may ask and look, not pause."""
    if os.getuid() != 0:
        pytest.fail("this test needs root, to be two users")
    bridge = site.bridge()
    os.chmod(site.folder, 0o755)
    os.chmod(bridge.path, 0o660)
    os.chown(bridge.path, 0, 65534)
    gateway = site.serve(bridge)
    script = ("import os, sys, zmq; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
              "s = zmq.Context().socket(zmq.REQ); s.linger = 0; s.rcvtimeo = 20000; s.connect(sys.argv[1])\n"
              "for words in ([b'ASK', b'tailgate.pause'], [b'ASK', b'tailgate.status'], [b'ASK', b'mmi.service', b'x']):\n"
              "    s.send_multipart(words); print(s.recv().decode()[:60])\n")
    done = site.spawn("/usr/bin/python3", "-c", script, bridge.gate)
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0, out
    refused, status, mmi = out.splitlines()
    assert "only for the database's owner" in refused
    assert status.startswith('{"type": "status"') or status.startswith('{"type":"status"')
    assert mmi == "404"
    assert gateway.status()["counters"]["not_allowed"] == 1


def test_a_thousand_workers_at_once(gate):
    workers = [gate.worker("echo", version=WORKER_01) for _ in range(1000)]
    wait_for(lambda: len(gate.gateway.status()["workers"]) == 1000, "1000 workers")
    asker = gate.client()
    asker.send("echo", b"hello")
    served = wait_for(lambda: next((w for w in workers if w.socket.poll(0)
                                    and (got := w.receive(0)) and got[0] == "REQUEST"
                                    and not w.served.append(got[1])), None), "one of them")
    address, _, body = served.served[0]
    served.final(address, body)
    assert asker.receive() == [b"hello"]
    os.kill(gate.gateway.pid, signal.SIGCONT)
