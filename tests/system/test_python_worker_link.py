"""A worker on the Python library and its way to the gateway: the test is the gateway, a raw ROUTER socket."""

import json
import signal
import time
from datetime import datetime, timedelta, timezone

import pytest

from gate import Gate
from harness import DISCONNECT, FINAL, HEARTBEAT, PARTIAL, READY, REQUEST
from python_world import PythonWorker


@pytest.fixture
def gate(site):
    gate = Gate(site.context, f"ipc://{site.folder}/gate")
    yield gate
    gate.close()


def work(site, gate, kind="plain", service="law", **options):
    return PythonWorker(site, gate.endpoint, kind, service, **options)


def in_seconds(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")


def attend(gate, seconds):
    """Beats for a while; returns the commands that were heard."""
    heard = []
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if gate.socket.poll(left * 1000):
            heard.append(gate.hear()[1])
    return heard


def test_ready_says_what_the_worker_is(site, gate):
    work(site, gate, slots=3, interval=0.5, name="w é")
    peer, service, options = gate.ready()
    assert service == "law"
    assert options == {"name": "w é", "slots": 3, "heartbeats": True, "interval": 500, "format": "query"}
    assert gate.hear()[1] == HEARTBEAT


def test_final_echoes_the_address_byte_for_byte(site, gate):
    work(site, gate)
    peer, *_ = gate.ready()
    token = b"\x00\xffanything"
    gate.send(peer, REQUEST, token, b"", b'{"question":"echo x"}')
    assert json.loads(gate.answer(token)) == {"answer": "x"}


def test_partials_come_before_the_final_in_order(site, gate):
    work(site, gate, "generator")
    peer, *_ = gate.ready()
    token = gate.ask(peer, "many 50")
    texts = []
    while True:
        _, command, rest = gate.hear()
        if command == PARTIAL:
            assert rest[:2] == [token, b""]
            texts.append(rest[2].decode())
        elif command == FINAL:
            break
    assert texts == ["first "] + [f"{n} " for n in range(50)] + ["50"]
    assert json.loads(rest[2]) == {"answer": "".join(texts)}


def test_silent_gateway_is_left_for_a_fresh_connection(site, gate):
    gate.beats = False
    worker = work(site, gate, interval=0.2)
    first, *_ = gate.ready()
    worker.wait_line("no sign of life")
    gate.expect(DISCONNECT)
    second, *_ = gate.ready()
    assert second != first


def test_any_word_of_the_gateway_counts_as_a_sign_of_life(site, gate):
    gate.beats = False
    worker = work(site, gate, interval=0.5)
    peer, *_ = gate.ready()
    for number in range(10):  # 2 s: more than three intervals
        token = gate.ask(peer, f"echo {number}")
        gate.answer(token)
        time.sleep(0.2)
    assert "no sign of life" not in worker.stderr.text()


def test_disconnect_is_answered_by_ready_on_a_fresh_connection_which_names_what_is_held(site, gate):
    worker = work(site, gate, slots=2)
    first, *_ = gate.ready()
    one, two = gate.ask(first, "wait one"), gate.ask(first, "wait two")
    worker.wait_begun(2)
    gate.send(first, DISCONNECT)
    second, _, options = gate.ready()
    assert second != first
    assert options["holding"] == [one.decode(), two.decode()]
    worker.let("two")
    gate.answer(two)
    worker.let("one")
    gate.answer(one)


def test_answer_given_just_before_the_connection_was_lost_is_sent_again_and_an_error_is_not(site, gate):
    work(site, gate)
    peer, *_ = gate.ready()
    good = gate.ask(peer, "echo good")
    gate.answer(good)
    gate.error(gate.ask(peer, "fail bad"))
    gate.close()
    gate.open()
    peer, _, options = gate.ready()
    assert options["holding"] == [good.decode()]
    gate.answer(good)
    third = gate.ask(peer, "echo third")
    gate.answer(third)  # nothing else came between


def test_answer_is_not_sent_again_when_the_connection_lasted(site, gate):
    work(site, gate)
    peer, *_ = gate.ready()
    gate.answer(gate.ask(peer, "echo old"))
    attend(gate, 10.5)
    gate.send(peer, DISCONNECT)
    peer, _, options = gate.ready()
    assert "holding" not in options
    gate.answer(gate.ask(peer, "echo new"))


def test_finished_while_the_gateway_was_away_is_delivered_when_it_is_back(site, gate):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    token = gate.ask(peer, "wait long")
    worker.wait_begun(1)
    gate.close()
    worker.wait_line("disconnected")
    worker.let("long")
    time.sleep(0.3)
    gate.open()
    _, _, options = gate.ready()
    assert options["holding"] == [token.decode()]
    assert json.loads(gate.answer(token)) == {"answer": "long"}


def test_query_beyond_the_slots_waits_and_what_is_beyond_that_is_given_back(site, gate):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    one, two, three = (gate.ask(peer, f"wait {name}") for name in ("one", "two", "three"))
    assert gate.returned(three) == "no free slot"
    worker.let("one")
    gate.answer(one)
    worker.let("two")
    gate.answer(two)
    assert worker.begun() == ["one", "two"]


@pytest.mark.parametrize("frames", [
    [b"MDPW02"], [b""], [b"MDPW02", b""], [b"MDPW02", b"\x01", b"law"], [b"MDPW02", b"\x04", b"1.1.A", b"", b"x"],
    [b"MDPW02", b"\x02"], [b"MDPW02", b"\x02", b"1.1.A", b""], [b"MDPW02", b"\x02", b"", b"", b"{}"],
    [b"MDPW02", b"\x02", b"1.1.A", b"x", b"{}"], [b"MDPW02", b"\x02", b"1.1.A", b"", b"{}", b"{}"],
    [b"MDPW02", b"\x02", b"t" * 256, b"", b"{}"], [b"MDPW01", b"\x02", b"1.1.A", b"", b"{}"],
    [b"MDPC02", b"\x03", b"law", b"x"], [b"\xff" * 70000], [b"x"] * 100, [b"MDPW02", b"\x07"],
    [b"MDPW02", b"\x05\x05"]], ids=lambda frames: f"{len(frames)} frames {frames[-1][:8]!r}")
def test_hostile_frames_are_ignored_with_one_line(site, gate, frames):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    gate.socket.send_multipart([peer, *frames])
    assert json.loads(gate.answer(gate.ask(peer, "echo on"))) == {"answer": "on"}
    assert len([line for line in worker.stderr.lines if "ignored" in line]) == 1
    assert worker.begun() == ["on"]


@pytest.mark.parametrize("body, question", [
    (b"What?", "What?"), (b"", ""), (b"[1]", "[1]"), (b"{", "{"), (b"\xff", "\ufffd"), (b"[" * 100000, "["),
    (b'{"question":7,"delivery":[]}', "7"), (b'{"delivery":{"deadline":1,"attempt":"x","message_id":true}}', ""),
    (b'{"question":"q","delivery":{"deadline":"never"},"metadata":3}', "q")],
    ids=lambda value: repr(value[:20]))
def test_strange_bodies_reach_the_function_as_a_question(site, gate, body, question):
    work(site, gate)
    peer, *_ = gate.ready()
    gate.send(peer, REQUEST, b"1.1.A", b"", body)
    answer = json.loads(gate.answer(b"1.1.A"))["answer"]
    assert answer.startswith(question[:1])


def test_same_query_twice_is_begun_once(site, gate):
    worker = work(site, gate, slots=2)
    peer, *_ = gate.ready()
    token = gate.ask(peer, "wait one")
    gate.ask(peer, "wait one", token=token)
    worker.wait_line("has already")
    worker.let("one")
    gate.answer(token)
    assert worker.begun() == ["one"]


def test_disconnect_after_the_deadline_ends_the_attempt_and_keeps_a_stuck_worker_away(site, gate):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    token = gate.ask(peer, "wait long", deadline=in_seconds(0.5))
    worker.wait_begun(1)
    attend(gate, 0.6)
    gate.send(peer, DISCONNECT)
    worker.wait_line("its attempt is over")
    assert READY not in attend(gate, 1.5)
    worker.let("long")
    peer, _, options = gate.ready()  # its late answer, which was paid for, comes all the same
    assert options["holding"] == [token.decode()]
    assert json.loads(gate.answer(token)) == {"answer": "long"}


def test_disconnect_before_the_deadline_ends_nothing(site, gate):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    token = gate.ask(peer, "wait long", deadline=in_seconds(3600))
    worker.wait_begun(1)
    gate.send(peer, DISCONNECT)
    _, _, options = gate.ready()
    assert options["holding"] == [token.decode()]
    worker.let("long")
    gate.answer(token)


def test_attempt_that_sent_a_partial_is_the_gateways_to_end(site, gate):
    worker = work(site, gate, "generator")
    peer, *_ = gate.ready()
    token = gate.ask(peer, "wait long", deadline=in_seconds(0.3))
    assert PARTIAL in (heard := attend(gate, 2)) and FINAL not in heard and DISCONNECT not in heard
    worker.let("long")
    gate.expect(PARTIAL)
    assert json.loads(gate.answer(token)) == {"answer": "first long"}


def test_attempt_that_is_over_by_its_own_clock_frees_its_slot_where_another_is_left(site, gate):
    worker = work(site, gate, slots=2)
    peer, *_ = gate.ready()
    token = gate.ask(peer, "wait long", deadline=in_seconds(0.3))
    assert "ran out of time" in gate.error(token)
    gate.answer(gate.ask(peer, "echo x"))
    assert worker.begun() == ["long", "x"]


def test_attempt_that_is_over_by_its_own_clock_ends_the_registration_of_a_single_slot(site, gate):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    token = gate.ask(peer, "wait long", deadline=in_seconds(0.3))
    waits = gate.ask(peer, "echo waits")
    assert gate.returned(waits) == "the worker is stuck"
    gate.expect(DISCONNECT)
    worker.let("long")
    gate.ready()
    gate.answer(token)


def test_stop_says_disconnect_and_gives_back_what_it_has_not_begun(site, gate):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    one, two = gate.ask(peer, "wait one"), gate.ask(peer, "wait two")
    worker.wait_begun(1)
    worker.signal(signal.SIGTERM)
    worker.let("one")
    gate.answer(one)
    assert gate.returned(two) == "the worker is stopping"
    gate.expect(DISCONNECT)
    assert worker.wait() == 0
    assert worker.begun() == ["one"]


def test_what_listens_and_is_no_gateway_is_reported(site):
    import socket
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{site.folder}/gate")
    listener.listen()
    worker = PythonWorker(site, f"ipc://{site.folder}/gate")
    peer, _ = listener.accept()
    peer.sendall(b"220 mail.example ESMTP ready for anything you may say to it\r\n" * 3)
    worker.wait_line("ERROR .*no gateway, or lets us not in|WARNING .*no gateway at")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    peer.close()
    listener.close()


def test_answers_kept_for_another_connection_are_bounded(site, gate):
    worker = work(site, gate)
    peer, *_ = gate.ready()
    for number in range(80):
        gate.answer(gate.ask(peer, f"echo {number}"))
    gate.close()
    worker.wait_line("disconnected")
    gate.open()
    _, _, options = gate.ready()
    assert len(options["holding"]) == 64
