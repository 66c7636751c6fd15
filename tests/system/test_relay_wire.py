"""What a gateway does for relays (WIRE.md, Relays), frame by frame."""

import json

import pytest

from harness import wait_for
from majordomo import Client02
from workers import FINAL, HEARTBEAT, MDP, PARTIAL, REQUEST, MdpWorker

RELAY = {"name": "site-b", "format": "relay", "heartbeats": True, "relay": ["0123456789abcdef"]}


def request(worker):
    """The next REQUEST: its address, and the frames of its body."""
    while True:
        frames = worker.receive(worker.beat)
        if frames is None:
            worker.heartbeat()
        elif frames[1] == REQUEST:
            assert frames[3] == b""
            return frames[2], frames[4:]
        else:
            assert frames[1] == HEARTBEAT


def final(worker, address, via, *body):
    worker.send(MDP, FINAL, address + b".via", b"", json.dumps(via).encode(), *body)


@pytest.fixture
def served(site):
    bridge = site.bridge()
    bridge.gateway = site.serve(bridge)
    return bridge


def test_a_relay_gets_json_and_behind_it_what_a_majordomo_client_sent(site, served):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    client = Client02(site.context, served.gate)
    client.send("default", b"one", b"\xff\x00two")
    address, body = request(relay)
    query = json.loads(body[0])
    assert query["delivery"]["token"].encode() == address and query["encoding"] == "base64"
    assert body[1:] == [b"one", b"\xff\x00two"]
    final(relay, address + b".raw", {"worker": "w7", "through": ["site-c", "site-b"]}, b"\xfe", b"answer")
    assert client.receive()[-2:] == [b"\xfe", b"answer"]
    client.close()
    relay.close()


def test_what_is_asked_in_the_bridge_comes_as_json_alone(site, served):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    asked = served.ask("who?")
    address, body = request(relay)
    assert len(body) == 1 and json.loads(body[0])["question"] == "who?"
    final(relay, address, {"worker": "w7", "through": ["site-b"]}, b'{"answer":"me"}')
    reply = served.reply(asked)
    metadata = reply["metadata"]
    assert metadata["worker"] == "w7" and metadata["through"] == ["site-b"]
    assert json.loads(reply["text"])["shard_id"] == "w7"
    relay.close()


def test_secrets_in_what_a_relay_says_are_taken_out(site, served):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    asked = served.ask("who?")
    address, _ = request(relay)
    final(relay, address, {"worker": "", "through": ["AKIAABCDEFGHIJKLMNOP"]}, b'{"answer":"me"}')
    metadata = served.reply(asked)["metadata"]
    assert metadata["through"] == ["AWS_KEY_REDACTED"] and metadata["worker"] == "site-b"
    relay.close()


def test_an_answer_passed_on_counts_from_a_connection_that_is_not_registered(site, served):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    asked = served.ask("who?")
    address, _ = request(relay)
    again = MdpWorker(site.context, served.gate, ready=False)
    final(again, address, {"worker": "w7", "through": ["site-b"]}, b'{"answer":"me"}')
    assert json.loads(served.reply(asked)["text"])["answer"] == "me"
    again.close()
    relay.close()


def test_heartbeats_change_how_many_queries_come(site, served):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    asked = [served.ask(f"{n}?") for n in range(3)]
    first, _ = request(relay)
    relay.send(MDP, HEARTBEAT, b'{"slots":0}')
    final(relay, first, {"worker": "w", "through": []}, b"0")
    served.reply(asked[0])
    status = wait_for(lambda: [w for w in served.gateway.status()["workers"] if w["slots"] == 0],
                      "the worker to take nothing")
    assert status[0]["in_flight"] == 0
    relay.send(MDP, HEARTBEAT, b'{"slots":2}')
    for _ in range(2):
        address, _ = request(relay)
        final(relay, address, {"worker": "w", "through": []}, b"x")
    for row in asked:
        served.reply(row)
    relay.close()


@pytest.mark.parametrize("body", [[b"no json", b"x"], [b'{"worker":1}', b"x"], [b'{"worker":"w"}'],
                                  [b'{"through":["' + b'","'.join([b"r"] * 17) + b'"]}', b"x"]],
                         ids=["no json", "no name", "no body", "too many relays"])
def test_what_is_no_such_frame_ends_the_registration_and_answers_nothing(site, served, body):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    asked = served.ask("who?")
    address, _ = request(relay)
    relay.send(MDP, FINAL, address + b".via", b"", *body)
    relay.wait_disconnect()
    relay.close()
    site.answerer(served)
    assert served.reply(asked)["metadata"]["attempt"] == 2


def test_a_malformed_heartbeat_ends_the_registration(site, served):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    relay.send(MDP, HEARTBEAT, b'{"slots":-1}')
    relay.wait_disconnect()
    relay.close()


def test_partials_passed_on_name_the_worker(site, served):
    relay = MdpWorker(site.context, served.gate, **RELAY)
    client = Client02(site.context, served.gate)
    client.send("default", b"say it")
    address, _ = request(relay)
    relay.send(MDP, PARTIAL, address + b".raw.via", b"", b'{"worker":"w7","through":["site-b"]}', b"part")
    assert client.frames() == (b"\2", b"default", [b"part"])
    final(relay, address + b".raw", {"worker": "w7", "through": ["site-b"]}, b"whole")
    assert client.receive()[-1] == b"whole"
    client.close()
    relay.close()
