"""tailgate.replay tells rows once more: the same as live, in pages that name what they covered, and in nobody's way."""

import json

import pytest
import zmq

from harness import WAIT, wait_for
from observer import ROWS, Replayer
from test_observers import given
from test_signals import rate


def replaying(site, where):
    replayer = Replayer(site.context, where if isinstance(where, str) else where.gate)
    site.workers.append(replayer)
    return replayer


def test_replayed_rows_equal_the_live_ones_but_for_number_and_time(site):
    bridge, _, feed = given(site)
    site.answerer(bridge, "law")
    asked = [bridge.ask(f"{n}?", service="law") for n in range(5)] + [bridge.ask_text("and this?", service="law")]
    for row in asked:
        bridge.reply(row)
    last = bridge.send("password: hunter2 \u202e\x1b", {"files_involved": ["a"]})
    live = [event for event in feed.until(lambda event: event.get("id") == last) if event["event"] in ROWS]
    told, end = replaying(site, bridge).ask()
    for event in live:
        del event["seq"], event["time"], event["prev"]
    assert told == live
    assert end == {"type": "replayed", "after": 0, "upto": last, "last": last, "events": len(live), "more": False}


def test_rows_are_told_by_kind_conversation_service_and_range(site):
    bridge, _, _ = given(site)
    other = bridge.converse()
    rows = {"law": bridge.ask("?", service="law"), "tax": bridge.ask("?", service="tax"), "hello": bridge.send("hello"),
            "other": bridge.ask("?", service="law", conversation=other)}
    replayer = replaying(site, bridge)

    def ids(**request):
        return [event["id"] for event in replayer.ask(**request)[0]]
    assert ids() == sorted(rows.values())
    assert ids(kinds=["message"]) == [rows["hello"]]
    assert ids(kinds=[]) == []
    assert ids(conversation=other) == [rows["other"]]
    assert ids(service="law") == [rows["law"], rows["other"]]
    assert ids(service="law", conversation=bridge.conversation) == [rows["law"]]
    assert ids(after=rows["law"], upto=rows["hello"]) == [rows["tax"], rows["hello"]]
    assert ids(after=rows["other"]) == []


def test_limit_ends_a_page_and_the_next_one_goes_on(site):
    bridge, _, _ = given(site)
    rows = bridge.ask_many(f"{n}?" for n in range(250))
    replayer = replaying(site, bridge)
    page, end = replayer.ask(limit=100)
    assert [event["id"] for event in page] == rows[:100]
    assert end["more"] and end["upto"] == rows[99] and end["last"] == rows[-1]
    events, end = replayer.range(0, limit=60)
    assert [event["id"] for event in events] == rows and not end["more"]
    page, end = replayer.ask(limit=250)
    assert len(page) == 250 and not end["more"]


def test_bytes_end_a_page_too(site):
    bridge, _, _ = given(site)
    rows = bridge.ask_many(f"{n} {'x' * 49000}" for n in range(200))
    replayer = replaying(site, bridge)
    page, end = replayer.ask(limit=10000)
    assert end["more"] and 50 < len(page) < 150
    assert [event["id"] for event in replayer.range(0, limit=10000)[0]] == rows


def test_range_is_named_where_rows_are_gone_or_not_there_yet(site):
    bridge, _, _ = given(site)
    rows = bridge.ask_many(f"{n}?" for n in range(10))
    bridge.run("DELETE FROM messages WHERE id BETWEEN ? AND ?", rows[2], rows[9])
    events, end = replaying(site, bridge).ask(after=rows[0], upto=rows[9] + 1000)
    assert [event["id"] for event in events] == [rows[1]]
    assert (end["after"], end["upto"], end["last"], end["more"]) == (rows[0], rows[1], rows[1], False)


def test_replay_begins_at_a_time(site):
    bridge, _, _ = given(site)
    for hour in range(24):
        bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, timestamp)"
                   " VALUES (?, 'a', 'b', ?, ?)", bridge.conversation, str(hour),
                   f"2026-11-21{' ' if hour % 2 else 'T'}{hour:02}:00:00")
    bridge.run("DELETE FROM messages WHERE message = '13'")
    replayer = replaying(site, bridge)

    def hours(since):
        events, end = replayer.ask(since=since)
        assert not end["more"] and (not events or end["after"] < events[0]["id"])
        return [int(event["text"]) for event in events]
    assert hours("2026-11-21T13:00:00") == list(range(14, 24))
    assert hours("2026-11-21 12:00:00.000001") == list(range(14, 24))
    assert hours("2026-11-21T12:00:00") == [12, *range(14, 24)]
    assert hours("2020-01-01T00:00:00") == [hour for hour in range(24) if hour != 13]
    assert hours("2027-01-01T00:00:00") == []


@pytest.mark.parametrize("request_, words", [
    ("[]", "JSON object"), ('{"after": -1}', "after"), ('{"since": "yesterday"}', "since"), ('{"kinds": ["x"]}', "kinds"),
    ('{"limit": 0}', "limit"), ('{"limit": 10001}', "limit"), ("\xff", "JSON object"),
])
def test_what_cannot_be_is_refused(site, request_, words):
    bridge, _, _ = given(site)
    replayer = replaying(site, bridge)
    reply = json.loads(replayer.client.ask("tailgate.replay", request_.encode("latin-1"))[0])
    assert reply["type"] == "error" and words in reply["error"]
    assert json.loads(replayer.client.ask("tailgate.replay", b"{}", b"{}")[0])["type"] == "error"


def test_req_clients_are_told_that_they_cannot_hear_it(site):
    bridge, _, _ = given(site)
    socket = site.context.socket(zmq.REQ)
    socket.linger = 0
    site.workers.append(socket)
    socket.connect(bridge.gate)
    socket.send_multipart([b"ASK", b"tailgate.replay", b"{}"])
    assert socket.poll(WAIT * 1000)
    assert "Majordomo 0.2" in json.loads(socket.recv())["error"]


def test_over_tcp_it_is_told_where_the_feed_is_told(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:0")
    bridge.send("hello")
    tcp = next(gate for gate in gateway.status()["gateway"]["gates"] if gate.startswith("tcp://"))
    assert "tcp" in replaying(site, tcp).ask()[1]["error"]
    assert len(replaying(site, bridge).ask()[0]) == 1
    gateway.stop()
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:0", "--events", "tcp://127.0.0.1:0")
    tcp = next(gate for gate in gateway.status()["gateway"]["gates"] if gate.startswith("tcp://"))
    wait_for(lambda: len(replaying(site, tcp).ask()[0]) == 1, "the row")


def test_replay_waits_for_earlier_requests_of_its_connection(site):
    bridge, _, _ = given(site)
    worker = site.mdp(bridge, "law", format="query")
    replayer = replaying(site, bridge)
    replayer.client.send("law", b"first?")
    query = worker.request()
    replayer.send()
    assert replaying(site, bridge).ask()[1]["events"] == 1  # others need not wait
    assert replayer.client.frames(timeout=0.5) is None
    worker.final(query.token, "first")
    assert replayer.client.receive() == [b"first"]
    assert replayer.receive()[1]["events"] >= 1


def test_client_that_does_not_read_holds_up_nobody(site):
    bridge, gateway, _ = given(site)
    site.answerer(bridge, "law")
    bridge.ask_many(f"{n} {'x' * 40000}" for n in range(300))
    stuck = replaying(site, bridge)
    stuck.client.socket.close(0)
    stuck.client.socket = site.context.socket(zmq.DEALER)
    stuck.client.socket.rcvhwm = 1
    stuck.client.socket.linger = 0
    stuck.client.socket.connect(bridge.gate)
    for _ in range(100):
        stuck.send(limit=10000)
    other = replaying(site, bridge)
    for n in range(20):
        assert bridge.reply(bridge.ask(f"{n}!", service="law"))
        assert other.ask(limit=10)[1]["events"] == 10
    stuck.close()
    wait_for(lambda: gateway.status()["clients"]["requests"] <= 1, "the stuck one to be forgotten")


def test_conversation_that_is_deleted_meanwhile_is_no_error(site):
    bridge, _, _ = given(site)
    other = bridge.converse()
    keep = bridge.ask_many((f"{n}?" for n in range(2000)))
    gone = bridge.ask_many((f"{n}?" for n in range(3000)), conversation=other)
    replayer = replaying(site, bridge)
    replayer.send(limit=10000)
    bridge.run("DELETE FROM messages WHERE conversation_id = ?", other)
    bridge.run("DELETE FROM conversations WHERE id = ?", other)
    events, end = replayer.receive()
    told = [event["id"] for event in events]
    assert told == sorted(told) and set(keep) <= set(told) <= set(keep) | set(gone)
    assert not end["more"]


def test_replay_in_a_storm_of_rows_has_each_row_that_was_there(site):
    bridge, _, _ = given(site)
    rows = bridge.ask_many(f"{n}?" for n in range(3000))
    writer = site.writer(bridge, questions=[f"w{n}" for n in range(300)])
    events, _ = replaying(site, bridge).range(0, limit=500)
    told = [event["id"] for event in events]
    assert told[:3000] == rows and told == sorted(set(told))
    writer.wait()


def test_replay_needs_no_observer_and_publishes_nothing(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    bridge.send("hello")
    wait_for(lambda: gateway.status()["tail"]["cursor"] == 1, "the row")
    assert replaying(site, bridge).ask()[1]["events"] == 1
    status = gateway.status()
    assert status["events"]["published"] == 0 and status["counters"]["replayed"] == 1


def test_gateway_sleeps_again_after_a_replay(site):
    bridge, gateway, _ = given(site)
    bridge.ask_many(f"{n}?" for n in range(1000))
    replaying(site, bridge).range(0)
    assert rate(gateway.pid, 3) < 500  # a loop that turns for a replay that is over would turn far more often
