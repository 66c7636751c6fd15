"""Random sequences of valid and invalid messages against the real gate: of READY, REQUEST, FINAL and the rest, of both
versions, worker and client, and bytes that are nothing. The gateway lives, says what it refused, loses nothing and
answers nothing twice."""

import json
import os
import random
import time

import zmq

from harness import LONG, wait_for
from majordomo import Client02, Worker

SECONDS = 120 if LONG else 8


class Peer:
    """A socket that says anything, and remembers the client addresses that it was told."""

    def __init__(self, site, endpoint, chance, talk):
        self.chance = chance
        self.talk = talk  # a conversation, and its token
        self.socket = site.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.addresses = [b"", b"1.1.AAAAAAAAAAAAAAAAAAAAAA", b"1.1.AAAAAAAAAAAAAAAAAAAAAA.raw", b"\xff"]

    def junk(self):
        return self.chance.choice([b"", b"\0", b"x", b"READY", b"ASK", b"MDPW02", b"MDPC01", b"{}", b'{"question":1}',
                                   b'{"answer":"x"}', b'{"type":"error"}', b'{"type":"return"}',
                                   b'{"type":"query","question":"?"}', b'{"slots":3}', b'{"format":"query"}',
                                   b'{"holding":["1.1.AAAAAAAAAAAAAAAAAAAAAA"]}', b"echo", b"*", b"mmi.service",
                                   b"titanic.request", b"titanic.reply", b"titanic.close", b"tailgate.status",
                                   b"tailgate.converse", b"tailgate.submit", b"tailgate.query", b"tailgate.story",
                                   b"tailgate.dead", b"tailgate.redrive", b"tailgate.drop", b"tailgate.session", self.called(),
                                   b"\xaa\xa0\x04\x06MDPC02\x05hello", os.urandom(self.chance.choice([1, 5, 300])),
                                   b"y" * self.chance.choice([10, 60000]), b"0" * 32,
                                   self.chance.choice(self.addresses)])

    def called(self):
        """What a built-in service is told, with something about it that may be wrong."""
        odd = [None, 0, -1, 1, 1.5, 10 ** 30, "", "x", "\0", "\U0001d54f" * 300, [], {}, [[]], {"question": "?"}, *self.talk]
        return json.dumps({name: self.chance.choice([*odd, right, right, right]) for name, right in {
            "conversation_id": self.talk[0], "session_token": self.talk[1], "message_id": self.chance.randrange(1, 20),
            "query": {"question": "?", "x": self.chance.choice(odd)}, "idempotency_key": "k", "limit": 3, "before": 9,
            "ttl_seconds": 60, "asker": "x", "responder": "echo"}.items() if self.chance.random() < 0.9}).encode()

    def say(self):
        chance = self.chance
        lead = chance.choice([[], [b""], [b"id", b""], [b"", b""]])
        address = chance.choice(self.addresses)
        body = [self.junk() for _ in range(chance.choice([1, 1, 1, 2, 3, 0]))]
        version = chance.choice([b"MDPW01", b"MDPW02"])
        final = b"\3" if version == b"MDPW01" else b"\4"
        kind = chance.randrange(10)
        if kind == 0:
            frames = [version, b"\1", chance.choice([b"echo", b"*", b"", b"mmi.x", self.junk()])]
            frames += [self.junk()] if chance.random() < 0.3 else []
        elif kind in (1, 2):
            frames = [version, final, address, b"", *body]
        elif kind == 3:
            frames = [version, b"\3", address, b"", *body]
        elif kind == 4:
            frames = [version, chance.choice([b"\4", b"\5", b"\6"])]
        elif kind == 5:
            frames = [b"MDPC02", b"\1", chance.choice([b"echo", self.junk()]), *body]
            if frames[2].startswith(b"tailgate."):
                frames[3:] = [self.called()]
        elif kind == 6:
            frames = [b"MDPC01", chance.choice([b"echo", b"titanic.request", self.junk()]), *body]
        elif kind == 7:
            frames = [chance.choice([b"READY", b"ASK"]), self.junk(), *body[:1]]
        else:
            frames = body or [b"x"]
        try:
            self.socket.send_multipart([*lead, *frames], zmq.DONTWAIT)
        except zmq.Again:
            pass

    def listen(self):
        while self.socket.poll(0):
            frames = self.socket.recv_multipart()
            if b"MDPW01" in frames or b"MDPW02" in frames:
                at = 3 if frames[0] == b"" else 2
                if len(frames) > at:
                    self.addresses = [*self.addresses[-20:], frames[at]]


def test_anything_may_be_said_at_the_gate(site):
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    chance = random.Random(seed)
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backoff.first": "10ms", "attempts": "1000", "service.expire": "2s"})
    with bridge.reading() as db:
        talk = tuple(db.execute("SELECT id, session_a_token FROM conversations").fetchone())
    peers = [Peer(site, bridge.gate, chance, talk) for _ in range(20)]
    end = time.monotonic() + SECONDS
    said = 0
    while time.monotonic() < end:
        for _ in range(50):
            chance.choice(peers).say()
            said += 1
        for peer in peers:
            peer.listen()
        if chance.random() < 0.05:
            at = chance.randrange(len(peers))
            peers[at].socket.close(0)
            peers[at] = Peer(site, bridge.gate, chance, talk)
        time.sleep(0.002)
    for peer in peers:
        peer.socket.close(0)
    counters = gateway.status()["counters"]
    print(said, {name: count for name, count in counters.items() if count})
    for name in ("bad_frames", "strangers", "asked", "refused_forged", "unsupported"):
        assert counters[name] > 0, f"{name} never happened: the fuzz is blunt"
    # and it still works
    worker = Worker(site.context, bridge.gate, "sane")
    asker = Client02(site.context, bridge.gate)
    site.workers += [worker, asker]
    asker.send("sane", b"hello")
    address, body = worker.request()
    worker.final(address, *body)
    assert asker.receive() == [b"hello"]
    answerer = site.answerer(bridge, format="query", answer=lambda query: {"answer": "swept"})

    def rest():
        with bridge.reading() as db:
            return db.execute("SELECT count(*) FROM messages WHERE to_session = 'b' AND read = 0").fetchone()[0] == 0
    wait_for(rest, "all that was asked to be answered")
    del answerer
    with bridge.reading() as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        doubled = db.execute("SELECT json_extract(metadata, '$.in_reply_to') AS q, count(*) FROM messages"
                             " WHERE from_session = 'b' GROUP BY q HAVING count(*) > 1").fetchall()
        lost = db.execute("SELECT id FROM messages m WHERE to_session = 'b' AND NOT EXISTS (SELECT 1 FROM messages r"
                          " WHERE r.from_session = 'b' AND json_extract(r.metadata, '$.in_reply_to') = m.id)"
                          " AND id NOT IN (SELECT json_extract(details, '$.message_id') FROM audit_log"
                          " WHERE action = 'query_dropped')").fetchall()
        metadata = [row[0] for row in db.execute("SELECT metadata FROM messages")]
    assert not doubled and not lost, (doubled[:5], lost[:5])
    assert all(isinstance(json.loads(text), dict) for text in metadata)
