"""Everything that happens on the bridge is told once, in order, after its commit; and whoever missed something knows.
The observers are made of proto/WIRE.md's words alone (observer.py)."""

import hashlib
import json
import os
import random
import time

import pytest

import writer
from harness import WAIT, tailgate, wait_for
from observer import ROWS, Feed, Recorder
from test_reload import Settings


def given(site, *topics, **keywords):
    bridge = site.bridge()
    gateway = site.serve(bridge, **keywords)
    return bridge, gateway, watching(site, bridge, *(topics or (b"",)))


def watching(site, where, *topics, **keywords):
    feed = Feed(site.context, where, *topics, **keywords)
    site.workers.append(feed)
    return feed.joined() if b"" in topics or b"gateway/" in topics else feed


def rows_of(bridge):
    with bridge.reading() as db:
        return [dict(row) for row in db.execute("SELECT * FROM messages ORDER BY id")]


# Rows.

def test_every_row_is_told_once_in_order_whoever_wrote_it(site):
    bridge, _, feed = given(site)
    site.answerer(bridge, "law")
    asked = [bridge.ask("one?", service="law"), bridge.send("hello"), bridge.ask_text("two?", service="law")]
    bridge.reply(asked[0]), bridge.reply(asked[2])
    bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, timestamp, read)"
               " VALUES (?, 'b', 'a', ?, '2026-11-21T01:00:00', 1)", bridge.conversation,
               '{"type": "response", "query_id": "q", "answer": "by hand"}')
    rows = rows_of(bridge)
    told = [event for event in feed.until(lambda event: event.get("id") == rows[-1]["id"]) if event["event"] in ROWS]
    assert [event["id"] for event in told] == [row["id"] for row in rows]
    for row, event in zip(rows, told):
        assert (event["conversation_id"], event["from"], event["to"], event["timestamp"]) == (
            row["conversation_id"], row["from_session"], row["to_session"], row["timestamp"])
        assert event["text"] == row["message"] and event["size"] == len(row["message"].encode())
        assert event["hash"] == hashlib.blake2b(row["message"].encode(), digest_size=32).hexdigest()
        assert event["metadata"] == (json.loads(row["metadata"]) if row["metadata"] else None)
    assert [event["event"] for event in told if event["from"] == "a"] == ["query", "message", "query"]
    assert {event["event"] for event in told if event["from"] == "b"} == {"response"}
    replies = {event["in_reply_to"]: event for event in told if "in_reply_to" in event}
    assert set(replies) == {asked[0], asked[2]}
    assert all(reply["service"] == "law" and reply["seconds"] >= 0 and reply["attempt"] == 1
               for reply in replies.values())
    last = {}
    for event in told:
        assert event["prev"] <= event["id"] - 1
        assert last.get(event["event"], 0) in (0, event["prev"])
        last[event["event"]] = event["id"]


def test_row_is_told_only_after_its_commit_and_never_when_rolled_back(site):
    bridge, _, feed = given(site)
    db = writer.connect(str(bridge.path), bridge.journal)
    writer.insert(db, bridge.conversation, "a", "taken back")
    db.rollback()
    row = writer.insert(db, bridge.conversation, "a", "meant")
    assert not [event for event in feed.until(lambda event: event["event"] == "gateway/mark") if "id" in event and
                event["event"] in ROWS]
    db.commit()
    db.close()
    told = [event for event in feed.until(lambda event: event.get("id") == row) if event["event"] in ROWS]
    assert [event["text"] for event in told] == ["meant"]


def test_ids_with_holes_are_no_gap(site):
    bridge, _, feed = given(site)
    first = bridge.send("a")
    bridge.run("INSERT INTO messages (id, conversation_id, from_session, to_session, message, timestamp)"
               " VALUES (?, ?, 'a', 'b', 'far', '2026-11-21T01:00:00')", first + 1000, bridge.conversation)
    assert feed.named("message", id=first + 1000)["prev"] == first


def test_secrets_of_others_are_redacted(site):
    bridge, _, feed = given(site)
    row = bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp)"
                     " VALUES (?, 'a', 'b', ?, ?, '2026-11-21T01:00:00')", bridge.conversation,
                     "the key is AKIAIOSFODNN7EXAMPLE", '{"password": "hunter2"}')
    event = feed.named("message", id=row)
    assert event["text"] == "the key is AWS_KEY_REDACTED"
    assert "hunter2" not in json.dumps(event)


def test_bodies_can_be_left_out(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "events.bodies = off\n")
    feed = watching(site, bridge, b"")
    row = bridge.ask("what?", metadata={"x": 1})
    event = feed.named("query", id=row)
    assert "text" not in event and "metadata" not in event
    assert event["size"] > 0 and len(event["hash"]) == 64
    assert settings.reload("events.bodies = on\n") == {"events.bodies": "its new value holds from now on"}
    row = bridge.ask("what?")
    assert "what?" in feed.named("query", id=row)["text"]


@pytest.mark.parametrize("text, metadata, form, shown", [
    (b"a\xff\x1b[2J", None, "not-utf8", "a\ufffd\x1b[2J"),
    (b"\x00\x01", None, "not-utf8", None),
    ("\u202egnp.exe", None, "other", "\u202egnp.exe"),
    ("x", b"\xff{", "other", "x"),
    ("x", "no json", "other", "x"),
])
def test_odd_rows_are_escaped_and_flagged(site, text, metadata, form, shown):
    bridge, _, feed = given(site)
    row = bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp)"
                     " VALUES (?, 'a', 'b', CAST(? AS TEXT), CAST(? AS TEXT), 'x')", bridge.conversation, text,
                     metadata)
    while True:
        frames = feed.socket.recv_multipart()
        if len(frames) == 3 and frames[0].startswith(b"message/"):
            break
    assert not any(byte < 0x20 or byte == 0x7f for byte in frames[2])
    assert "\u202e" not in frames[2].decode()
    event = json.loads(frames[2])
    assert event["id"] == row and event["metadata"] is None
    if isinstance(text, bytes) and b"\0" in text:
        return
    assert event["form"] == form and event["text"] == shown


def test_conversation_id_of_any_bytes_makes_a_topic(site):
    bridge, _, feed = given(site)
    for name in ("x" * 300, "a%b\n", "\u00fc" * 150):
        bridge.send("hello", conversation=name)
        while True:
            frames = feed.socket.recv_multipart()
            if len(frames) == 3 and frames[0].startswith(b"message/"):
                break
        assert len(frames[0]) <= 245 and b"\n" not in frames[0]
        assert json.loads(frames[2])["conversation_id"] == name


# What was missed.

def test_welcome_comes_first_and_says_how_far_the_feed_is(site):
    bridge, gateway, feed = given(site)
    row = bridge.send("hello")
    feed.named("message", id=row)
    gateway.status()  # it is a lower bound: the turn in which the row was told must be over
    late = Feed(site.context, bridge, b"gateway/")
    site.workers.append(late)
    topic, welcome = late.next()
    assert topic == "gateway/welcome" and welcome["event"] == "gateway/welcome"
    assert welcome["id"] == row and welcome["last"]["message"] == row and welcome["seq"] >= 1
    again = Feed(site.context, bridge, b"gateway/")
    site.workers.append(again)
    assert again.next()[1]["epoch"] == welcome["epoch"]


def test_mark_shows_the_last_event_to_who_lost_it(site):
    bridge, _, feed = given(site, b"gateway/", b"message/")
    row = bridge.send("last")
    feed.named("message", id=row)
    mark = feed.named("gateway/mark")
    assert mark["last"]["message"] == row and mark["id"] == row
    assert mark["last"]["query"] <= row and isinstance(mark["counters"], dict)


def test_marks_go_on_more_and_more_rarely(site):
    _, _, feed = given(site, b"gateway/")
    first = feed.named("gateway/mark")
    second = feed.named("gateway/mark")
    assert second["seq"] == first["seq"] + 1 and second["id"] == first["id"]


def test_observers_of_all_see_every_number(site):
    bridge, _, feed = given(site)
    site.answerer(bridge, "law")
    rows = bridge.ask_many(f"{n}?" for n in range(200))
    bridge.run("UPDATE messages SET metadata = '{\"service\": \"law\"}' WHERE id = ?", rows[0])
    seen = feed.until(lambda event: event.get("id") == rows[-1])
    numbers = [event["seq"] for event in seen if event["event"] != "gateway/welcome"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_subscribers_that_join_in_a_storm_have_every_row_in_the_end(site):
    bridge, _, _ = given(site)
    first = bridge.send("before")
    recorders = []
    for n in range(10):
        bridge.ask_many(f"{n}.{m}?" for m in range(100))
        recorder = Recorder(site.context, bridge, everything=n % 2 == 0, after=first)
        site.workers.append(recorder)
        recorders.append(recorder)
    last = bridge.send("after")
    for recorder in recorders:
        while recorder.upto["message"] < last or recorder.upto["query"] < last - 1:
            assert recorder.step()
        assert recorder.rows["query"] == list(range(first + 1, last)) and recorder.rows["message"] == [last]


def test_observer_that_loses_rows_and_marks_at_random_has_every_row_in_the_end(site):
    bridge, _, _ = given(site)
    first = bridge.send("before")
    dice = random.Random(7)
    recorder = Recorder(site.context, bridge, after=first,
                        lose=lambda event: dice.random() < (0.3 if event["event"] in ROWS else 0.1))
    site.workers.append(recorder)
    for n in range(20):
        bridge.ask_many(f"{n}.{m}?" for m in range(20))
        bridge.send("between")
    last = bridge.send("after")
    while recorder.upto["message"] < last or recorder.upto["query"] < last - 2:
        assert recorder.step()
    assert len(recorder.rows["query"]) == 400 and len(recorder.rows["message"]) == 21
    assert recorder.repaired > 0 and recorder.rows["query"] == sorted(set(recorder.rows["query"]))


def test_no_row_is_missing_or_double_across_restarts(site):
    kills = 3
    bridge = site.bridge()
    first = bridge.send("before")
    gateway = site.serve(bridge)
    site.answerer(bridge, "*")
    recorder = Recorder(site.context, bridge, after=first)
    site.workers.append(recorder)
    for _ in range(kills):
        bridge.ask_many(f"{m}?" for m in range(50))
        for _ in range(20):
            recorder.step(timeout=0.02)
        gateway.kill()
        bridge.send("while it is away")
        gateway = site.serve(bridge)
    bridge.wait_replies(50 * kills)
    expected = [row["id"] for row in rows_of(bridge) if row["id"] > first]

    def given_rows():
        return sorted(row for kind in ROWS for row in recorder.rows[kind])
    end = time.monotonic() + WAIT
    while given_rows() != expected and time.monotonic() < end:
        recorder.step()
    assert given_rows() == expected


# What becomes of queries and workers.

def test_workers_that_come_and_go_are_told(site):
    bridge, _, feed = given(site)
    worker = site.mdp(bridge, "law", name="w1")
    joined = feed.named("worker", change="joined")
    assert (joined["worker"], joined["service"], joined["workers"], joined["count"]) == ("w1", "law", 1, 1)
    worker.disconnect()
    left = feed.named("worker", change="left")
    assert left["worker"] == "w1" and left["why"] and left["workers"] == 0 and left["count"] == 2


def test_retries_and_death_are_told_with_their_reason(site):
    bridge, _, feed = given(site, settings={"attempts": "2", "backoff.first": "1ms"})
    worker = site.mdp(bridge, "law")
    row = bridge.ask("?", service="law")
    worker.final(worker.request().token, {"type": "error", "error": "no model, secret: x"})
    retry = feed.named("retry")
    assert retry == {**retry, "message_id": row, "conversation_id": bridge.conversation, "service": "law",
                     "attempt": 1, "failed": 1, "returned": False, "why": "no model, SECRET_REDACTED", "count": 1}
    worker.final(worker.request().token, {"type": "error", "error": "still none"})
    ends = feed.all_of("dead", "response")  # the row is tailed, and its end told, in either order
    dead = ends["dead"]
    assert (dead["message_id"], dead["attempts"], dead["why"]) == (row, 2, "still none")
    assert (ends["response"]["in_reply_to"], ends["response"]["dead"]) == (row, True)


def test_returns_are_told(site):
    bridge, _, feed = given(site)
    worker = site.mdp(bridge, "law")
    row = bridge.ask("?", service="law")
    worker.final(worker.request().token, {"type": "return", "error": "no room"})
    retry = feed.named("retry")
    assert retry["returned"] is True and retry["message_id"] == row and retry["why"] == "no room"
    assert retry["conversation_id"] == bridge.conversation


@pytest.mark.parametrize("kind, sql", [
    ("superseded", "UPDATE messages SET read = 1 WHERE id = ?"),
    ("deleted", "DELETE FROM messages WHERE id = ?"),
    ("expired", "UPDATE conversations SET expires_at = '2020-01-01T00:00:00' WHERE id = (SELECT conversation_id FROM"
                " messages WHERE id = ?)"),
])
def test_other_ends_are_told(site, kind, sql):
    bridge, _, feed = given(site)
    worker = site.mdp(bridge, "law")
    row = bridge.ask("?", service="law")
    query = worker.request()
    bridge.run(sql, row)
    worker.final(query.token, "too late")
    event = feed.named(kind)
    assert event["message_id"] == row and event["why"] and event["count"] == 1


def test_refused_answers_are_told(site):
    bridge, _, feed = given(site)
    worker = site.mdp(bridge, "law")
    row = bridge.ask("?", service="law")
    token = worker.request().token
    worker.final(token, "one")
    bridge.reply(row)
    worker.final(token, "two")
    refused = feed.named("gateway/refused")
    assert (refused["message_id"], refused["why"], refused["count"]) == (row, "duplicate", 1)


def test_steering_is_told(site):
    bridge, _, feed = given(site)
    assert tailgate("pause", "--db", bridge.path, "--service", "law").returncode == 0
    assert feed.named("gateway/paused")["service"] == "law"
    assert tailgate("resume", "--db", bridge.path, "--service", "law").returncode == 0
    assert feed.named("gateway/resumed")["service"] == "law"


def test_standing_commits_are_told(site):
    bridge, _, feed = given(site)
    site.answerer(bridge, "*")
    db = writer.connect(str(bridge.path), bridge.journal)
    bridge.ask("?")
    db.execute("BEGIN IMMEDIATE")
    assert feed.named("gateway/committer", timeout=3 * WAIT)["why"] == "locked"
    db.rollback()
    db.close()
    assert feed.named("gateway/committer", timeout=3 * WAIT)["why"] == "ok"


# Who does not read.

def test_observer_that_does_not_read_costs_nothing_and_repairs(site):
    bridge, gateway, _ = given(site)
    first = bridge.send("before")
    slow = Recorder(site.context, bridge, after=first)
    slow.feed.socket.close(0)
    slow.feed = Feed(site.context, bridge, b"gateway/", *(f"{kind}/".encode() for kind in ROWS), hwm=10)
    site.workers.append(slow)
    slow.step()  # the welcome
    for n in range(30):
        bridge.ask_many(f"{n}.{m} {'x' * 1000}" for m in range(200))
    last = bridge.send("after")
    wait_for(lambda: gateway.status()["tail"]["lag"] == 0, "the tail")
    while slow.upto["message"] < last or slow.upto["query"] < last - 1:
        assert slow.step()
    assert slow.rows["query"] == list(range(first + 1, last)) and slow.repaired > 0


def test_status_says_what_is_published(site):
    bridge, gateway, feed = given(site)
    row = bridge.send("hello")
    feed.named("message", id=row)
    status = gateway.status()["events"]
    assert status["subscriptions"] == 1 and status["published"] >= 1
    assert os.path.basename(status["endpoints"][0]) == "events"
