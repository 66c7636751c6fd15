"""Workers that die, lie and send garbage: the gateway stays up and somebody else serves the query."""

import json
import random
import signal
import time

import pytest
import zmq

from harness import FINAL, HEARTBEAT, HERE, MDP, PARTIAL, PYTHON, READY, find_member

FAST = {"backoff.first": "20ms", "backoff.max": "100ms"}
LEASED = {**FAST, "lease": "2s"}
BEATING = {**FAST, "heartbeat.interval": "200ms"}


def served_by_another(site, bridge, message, attempt_at_least=2):
    answerer = site.answerer(bridge, name="rescuer")
    reply = bridge.reply(message)
    assert reply["metadata"]["worker"] == "rescuer"
    assert reply["metadata"]["attempt"] >= attempt_at_least
    assert answerer.queries[-1].id == message
    bridge.check_exactly_once()


def test_req_worker_that_closes_without_a_word_is_replaced(site):
    bridge = site.bridge()
    site.serve(bridge, settings=LEASED)
    worker = site.req(bridge)
    message = bridge.ask("?")
    assert worker.request().id == message
    worker.close()
    served_by_another(site, bridge, message)


def test_mdp_worker_that_closes_without_a_word_is_replaced(site):
    bridge = site.bridge()
    site.serve(bridge, settings=BEATING)
    worker = site.mdp(bridge, heartbeats=True, interval=200)
    message = bridge.ask("?")
    assert worker.request().id == message
    worker.close()
    served_by_another(site, bridge, message)


def test_stock_mdp_worker_that_cannot_beat_while_busy_has_the_lease(site):
    """No options frame: three missed beats while it thinks must not cost it its query."""
    bridge = site.bridge()
    site.serve(bridge, settings=BEATING)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    query = worker.request()
    time.sleep(2)  # ten heartbeat intervals of silence
    worker.final(query.token, "thought long")
    reply = bridge.reply(message)
    assert reply["metadata"]["attempt"] == 1
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("form, settings", [("req", LEASED), ("mdp", BEATING)])
def test_worker_process_that_is_killed_is_replaced(site, form, settings):
    bridge = site.bridge()
    site.serve(bridge, settings=settings)
    victim = site.spawn(PYTHON, HERE / "silent_worker.py", bridge.gate, form, "*")
    message = bridge.ask("?")
    assert victim.stdout.readline().startswith("got"), "the victim has the query"
    victim.kill()
    victim.wait()
    served_by_another(site, bridge, message)


def test_worker_process_that_is_stopped_is_replaced_and_its_late_answer_is_one_too_many(site):
    bridge = site.bridge()
    site.serve(bridge, settings=BEATING)
    victim = site.spawn(PYTHON, HERE / "silent_worker.py", bridge.gate, "mdp", "*")
    message = bridge.ask("?")
    got = victim.stdout.readline()
    assert got.startswith("got")
    victim.send_signal(signal.SIGSTOP)
    served_by_another(site, bridge, message)
    victim.send_signal(signal.SIGCONT)
    token = json.loads(got[4:])["delivery"]["token"].encode()
    late = site.mdp(bridge, ready=False)
    late.final(token, "far too late")
    late.wait_disconnect()  # it was read, from somebody who is no worker
    marker = bridge.ask("next?")
    bridge.reply(marker)
    bridge.check_exactly_once(2)


def test_worker_that_never_asked_for_more_but_said_goodbye_costs_its_query_an_attempt(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    worker.request()
    worker.disconnect()
    served_by_another(site, bridge, message)


def test_second_ready_gives_up_what_was_in_flight(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    first = worker.request()
    worker.ready()
    second = worker.request()
    assert (second.id, second.attempt) == (message, 2)
    worker.final(second.token, "second")
    bridge.reply(message)
    worker.final(first.token, "first")
    marker = bridge.ask("next?")
    worker.final(worker.request().token, "x")
    bridge.reply(marker)
    bridge.check_exactly_once(2)


def test_query_that_kills_every_worker_is_dead_after_its_attempts(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "attempts": 3})
    poison = bridge.ask("poison?")
    for attempt in range(1, 4):
        worker = site.mdp(bridge)
        query = worker.request()
        assert (query.id, query.attempt) == (poison, attempt)
        worker.disconnect()
    answer = json.loads(bridge.reply(poison)["text"])
    assert (answer["type"], answer["attempts"]) == ("error", 3)
    served_by_another(site, bridge, bridge.ask("healthy?"), attempt_at_least=1)


def noise(chance, most_frames):
    """One multipart message that may look like anything."""
    words = [MDP, b"MDPW01", b"MDPC01", b"MDPC02", b"MDPW03", b"", b"READY", b"ASK", b"ASK tailgate.status",
             READY, PARTIAL, FINAL, HEARTBEAT, b"\x02", b"\x06", b"\x07", b"\x00", b"*", b"default",
             b'{"question": "?"}', b'{"slots": 0}', b'{"slots": 1e9, "name": "\xff"}', b"{", b"[" * 2000,
             b"1.1." + b"A" * 22, b"\xff" * 300, b"x" * 100_000]
    frames = []
    for _ in range(chance.randint(1, most_frames)):
        if chance.random() < 0.8:
            frames.append(chance.choice(words))
        else:
            frames.append(chance.randbytes(chance.randint(0, 64)))
    return frames


def test_garbage_frames_do_not_stop_the_gateway(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**LEASED, "attempts": 50})
    chance = random.Random(20240229)
    dealer = site.dealer(bridge)
    for n in range(2000):
        if n % 100 == 0:
            dealer.close(100)
            dealer = site.dealer(bridge)
        dealer.send_multipart(noise(chance, 6))
    dealer.send_multipart([b"x"] * 5000)
    dealer.send_multipart([b""] * 70)
    dealer.send_multipart([b""] * 64)
    dealer.send_multipart([b"x" * 200, b"y" * 200, b"", b"READY"])
    for word in (zmq.PUSH, zmq.SUB, zmq.PUB, zmq.ROUTER, zmq.REP, zmq.PAIR):
        odd = site.context.socket(word)  # socket types that do not go together with the gate
        odd.linger = 0
        odd.connect(bridge.gate)
        site.workers.append(odd)
    for socket in site.workers:
        socket.close(100)
    # What noise registered may be given a query, and more noise may be its answer; but noise ends, and the
    # living worker has them all from then on.
    site.answerer(bridge, name="rescuer", format="query", answer=lambda query: {"answer": "here"})
    for n in range(3_000):
        if bridge.reply(bridge.ask(f"still there, {n}?"))["metadata"]["worker"] == "rescuer":
            break
    else:
        raise AssertionError("workers that are gone still get queries")
    assert gateway.status(), "status answers after the noise"


def test_garbage_from_a_registered_worker_does_not_cost_others(site):
    bridge = site.bridge()
    site.serve(bridge, settings=BEATING)
    bad = site.mdp(bridge, name="bad", heartbeats=True, interval=200)
    message = bridge.ask("?")
    query = bad.request()
    for frames in ([MDP], [MDP, b""], [MDP, b"\x09"], [MDP, FINAL], [MDP, FINAL, query.token],
                   [MDP, FINAL, query.token, b"x"], [MDP, FINAL, query.token, b"not empty", b"x"],
                   [MDP, PARTIAL], [MDP, HEARTBEAT, b"x", b"y"], [MDP, b"\x02", b"", b"", b""],
                   [b"MDPW01", FINAL, query.token, b"", b"x"], [b"answer?"], [b"READY"]):
        bad.send(*frames)
    bad.close()
    served_by_another(site, bridge, message, attempt_at_least=1)


@pytest.mark.parametrize("options", [b"", b"{", b"[]", b"null", b'{"slots": 0}', b'{"slots": -1}',
                                     b'{"slots": 1e99}', b'{"heartbeats": 1}', b'{"interval": 1}',
                                     b'{"name": 7}', b"\xff", b'{"name": "' + b"n" * 70_000 + b'"}'])
def test_bad_options_of_ready_do_not_stop_the_gateway(site, options):
    bridge = site.bridge()
    site.serve(bridge, settings=BEATING)
    dealer = site.dealer(bridge)
    dealer.send_multipart([MDP, READY, b"other", options])
    message = bridge.ask("?")
    site.answerer(bridge)
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_100_megabytes_cost_the_sender_its_link_and_nobody_else(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=BEATING)
    big = site.mdp(bridge, name="big", heartbeats=True, interval=200)
    message = bridge.ask("?")
    query = big.request()
    big.final(query.token, b"x" * 100_000_000)
    other = site.mdp(bridge, name="rescuer", heartbeats=True, interval=10000)
    rescue = other.request()
    assert rescue.id == message and rescue.attempt >= 2
    other.final(rescue.token, "small")
    assert bridge.reply(message)["metadata"]["worker"] == "rescuer"
    assert gateway.running()
    bridge.check_exactly_once(1)


def test_100_megabytes_to_a_req_form_worker_link(site):
    bridge = site.bridge()
    site.serve(bridge, settings=LEASED)
    big = site.req(bridge, name="big")
    message = bridge.ask("?")
    assert big.request().id == message
    big.final(None, b"x" * 100_000_000)
    served_by_another(site, bridge, message)


def test_unregistered_worker_is_told_to_say_ready(site):
    bridge = site.bridge()
    site.serve(bridge)
    stranger = site.mdp(bridge, ready=False)
    stranger.heartbeat()
    stranger.wait_disconnect()
    stranger.ready()
    message = bridge.ask("?")
    stranger.final(stranger.request().token, "x")
    bridge.reply(message)


def test_idle_mdp_worker_that_goes_silent_is_given_up(site):
    """A query must not go to a worker that has not been heard of for three intervals."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=BEATING)
    silent = site.mdp(bridge, name="silent", heartbeats=True, interval=200)
    assert silent.receive() is not None, "the gateway beats to it: it is registered"
    end = time.monotonic() + 60
    while find_member(gateway.status(), "workers"):
        assert time.monotonic() < end, "a silent worker stays registered"
        time.sleep(0.1)
    message = bridge.ask("?")
    site.answerer(bridge, name="rescuer", format="query", answer=lambda query: {"answer": "here"})
    reply = bridge.reply(message)
    assert (reply["metadata"]["worker"], reply["metadata"]["attempt"]) == ("rescuer", 1)


def test_gateway_beats_to_its_mdp_workers(site):
    bridge = site.bridge()
    site.serve(bridge, settings=BEATING)
    worker = site.mdp(bridge, heartbeats=True, interval=10000)
    for _ in range(3):
        frames = worker.receive()
        assert frames == [MDP, HEARTBEAT]


def test_unknown_bare_peer_gets_one_error_object(site):
    bridge = site.bridge()
    site.serve(bridge)
    socket = site.context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(bridge.gate)
    site.workers.append(socket)
    socket.send(b"hello?")
    assert socket.poll(60_000), "an answer comes"
    frames = socket.recv_multipart()
    assert len(frames) == 1
    answer = json.loads(frames[0])
    assert answer["type"] == "error" and answer["error"]


def test_ask_of_status_over_the_gate_is_one_json_frame(site):
    bridge = site.bridge()
    site.serve(bridge)
    for frames in ([b"ASK", b"tailgate.status"], [b"ASK tailgate.status"]):
        socket = site.context.socket(zmq.REQ)
        socket.linger = 0
        socket.connect(bridge.gate)
        site.workers.append(socket)
        socket.send_multipart(frames)
        assert socket.poll(60_000)
        answer = socket.recv_multipart()
        assert len(answer) == 1 and isinstance(json.loads(answer[0]), dict)
