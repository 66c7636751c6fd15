"""An observer on the Python library; the test is the gateway, an XPUB and a ROUTER socket with raw frames. What is to
be asked for again, and why, is in test_python_follow.py."""

import asyncio
import json
import logging
import sys
import threading
from datetime import datetime, timedelta, timezone

import pytest

from harness import WAIT, wait_for
from observer import packed
from python_broker import Background, Broker
from python_door import KINDS, Door, row
from python_world import LIBRARY

sys.path.insert(0, str(LIBRARY))

import tailgate  # noqa: E402  (the line above makes it findable)

REPLAY = "tailgate.replay"


@pytest.fixture
def door(site):
    door = Door(site)
    yield door
    door.close()


@pytest.fixture
def broker(site):
    broker = Broker(site.context, f"ipc://{site.folder}/gate")
    yield broker
    broker.close()


@pytest.fixture
def observe(door, broker):
    """Makes an Observer, and waits until it is subscribed to everything."""
    opened = []

    def begin(*topics, **words):
        observer = tailgate.Observer(door.endpoint, **{"gate": broker.endpoint, **words})
        opened.append(observer)
        door.subscribed(*(topics or [""]))
        return observer

    yield begin
    for observer in opened:
        observer.close()


def asked(broker):
    """The next replay that is asked for: (peer, members)."""
    peer, service, (body,) = broker.request()
    assert service == REPLAY
    return peer, json.loads(body)


def tell(broker, peer, *rows):
    broker.partial(peer, REPLAY, *(json.dumps(one).encode() for one in rows))


def finish(broker, peer, upto, last=None, more=False):
    broker.final(peer, REPLAY, json.dumps({"type": "replayed", "after": 0, "upto": upto, "events": 0,
                                           "last": last or upto, "more": more}).encode())


def ids(observer, count):
    return [observer.next(WAIT).id for _ in range(count)]


# ── what is given ───────────────────────────────────────────────────────────────────────────────────

def test_events_are_given_as_they_come_with_all_their_members(door, observe):
    observer = observe()
    door.row_of("query", service="law")
    door.send("partial/c", event="partial", conversation_id="c", text="it is")
    door.mark()
    door.send("gateway/paused", event="gateway/paused", service="law", count=1)
    first, second, third = (observer.next(WAIT) for _ in range(3))
    assert (first.topic, first.kind, first.id, first.replayed) == ("query/c", "query", 1, False)
    assert first.data == {"seq": 1, "prev": 0, "service": "law", **row("query", 1)}
    assert (second.topic, second.kind, second.id, second.data["text"]) == ("partial/c", "partial", 0, "it is")
    assert (third.topic, third.kind, third.id) == ("gateway/paused", "gateway/paused", 0)  # marks are not given
    assert observer.position == {"query": 1, "response": 1, "message": 1} and observer.lost == 0


def test_kinds_and_conversation_are_subscribed_to_and_nothing_else(door, observe):
    observer = observe("gateway/", "query/c", "partial/c", kinds=["partial", "query"], conversation="c")
    for conversation in ("cc", "c"):
        door.send(f"partial/{conversation}", event="partial", conversation_id=conversation)
    door.send("gateway/paused", event="gateway/paused")
    door.row_of("query")
    assert [observer.next(WAIT).topic for _ in range(2)] == ["partial/c", "query/c"]


def test_iteration_ends_when_another_thread_closes(observe):
    observer = observe()
    iterating = Background(list, observer)
    waiting = Background(observer.next)
    closing = [Background(observer.close) for _ in range(3)]
    assert iterating.result() == []
    with pytest.raises(tailgate.AskError, match="closed"):
        waiting.result()
    for one in closing:
        one.result()
    with pytest.raises(tailgate.AskError, match="closed"):
        observer.next(1)


def test_next_that_nothing_came_for_is_a_timeout(observe):
    observer = observe()
    for timeout in (0, 0.05):
        with pytest.raises(TimeoutError):
            observer.next(timeout)


@pytest.mark.parametrize("frames", [
    [b""], [b"x"] * 3, [b"x"] * 70, [b"gateway/welcome {"], [b"query/c", b"1", b"[" * 100000],
    [b"query/c", b"-1", b"{}"],
    [b"query/c", b"7", b'{"event":"query","id":9999999999999999999,"prev":1}'], [b"gateway/mark", b"2", b"{}"]],
    ids=lambda frames: repr(frames)[:40])
def test_frames_that_no_gateway_sends_are_passed_over(door, observe, frames):
    observer = observe()
    door.socket.send_multipart(frames)
    door.row_of("query")
    assert ids(observer, 1) == [1]


@pytest.mark.parametrize("words", [
    {}, {"endpoint": "ipc://x", "db": "y"}, {"db": "/tmp/x", "gate": "ipc://x"}, {"endpoint": "ipc://x", "after": 1},
    {"endpoint": "ipc://x", "since": "2026-01-01"}, {"endpoint": "ipc://x", "gate": "y"},
    {"db": "/tmp/x", "after": -1}, {"db": "/tmp/x", "after": {"x": 1}}, {"db": "/tmp/x", "after": {"query": True}},
    {"db": "/no/such/folder/bridge.db"}], ids=repr)
def test_words_that_cannot_be_right_are_refused_at_once(words):
    for one in (tailgate.Observer, tailgate.AsyncObserver):
        with pytest.raises(ValueError):
            one(**words)


# ── what was missed ─────────────────────────────────────────────────────────────────────────────────

def test_lost_row_is_asked_for_and_comes_before_the_one_behind_it(door, broker, observe):
    notices = []
    observer = observe(notice=notices.append)
    door.row_of("query")
    assert ids(observer, 1) == [1]
    door.row_of("query", lose=True)
    door.row_of("query")
    peer, members = asked(broker)
    assert members == {"after": 0, "upto": 2, "kinds": list(KINDS), "limit": 500} or members["after"] in (0, 1)
    tell(broker, peer, row("query", 2))
    finish(broker, peer, 2)
    two, three = observer.next(WAIT), observer.next(WAIT)
    assert (two.id, two.replayed, two.topic) == (2, True, "query/c") and (three.id, three.replayed) == (3, False)
    assert observer.repaired == 1
    door.mark()
    wait_for(lambda: any("brought 1 rows" in text for text in notices), "the notice")


def test_replay_whose_connection_is_lost_is_asked_again_and_gives_nothing_twice(site, door, broker, observe):
    door.row_of("query", lose=True)
    door.row_of("response", lose=True)
    door.welcome()
    observer = observe(after=0)
    peer, members = asked(broker)
    assert members["after"] == 0 and members["upto"] == 2
    tell(broker, peer, row("query", 1))
    assert ids(observer, 1) == [1]
    broker.close()
    broker.open()
    peer, members = asked(broker)
    tell(broker, peer, row("query", 1), row("response", 2))
    finish(broker, peer, 2)
    assert ids(observer, 1) == [2]
    door.row_of("query")
    assert ids(observer, 1) == [3]


def test_gateway_that_is_started_anew_has_what_came_meanwhile_replayed(door, broker, observe):
    notices = []
    observer = observe(notice=notices.append)
    door.row_of("query")
    assert ids(observer, 1) == [1]
    door.close()
    door.open(row=3)
    door.subscribed("")
    peer, members = asked(broker)
    assert members == {"after": 0, "upto": 3, "kinds": list(KINDS), "limit": 500} or members["after"] == 1
    tell(broker, peer, row("response", 2), row("query", 3))
    finish(broker, peer, 3)
    assert ids(observer, 2) == [2, 3]
    door.row_of("message")
    assert ids(observer, 1) == [4] and observer.repaired == 2
    assert any("lost" in text for text in notices) and any("started anew" in text for text in notices)


def test_replay_that_cannot_be_had_just_now_is_asked_for_again(door, broker, observe):
    notices = []
    door.row_of("query", lose=True)
    door.welcome()
    observer = observe(after=0, notice=notices.append)
    for _ in range(2):
        peer, _ = asked(broker)
        broker.final(peer, REPLAY, b'{"type":"error","error":"too much is asked at once: try again later"}')
    peer, _ = asked(broker)
    tell(broker, peer, row("query", 1))
    finish(broker, peer, 1)
    assert ids(observer, 1) == [1]
    assert len([text for text in notices if "just now" in text]) == 1


def test_replay_that_is_refused_for_good_is_raised(door, broker, observe):
    observer = observe()
    door.row_of("query")
    door.row_of("query", lose=True)
    door.row_of("query")
    peer, _ = asked(broker)
    broker.final(peer, REPLAY, b'{"type":"error","error":"replay is for unix sockets"}')
    assert ids(observer, 1) == [1]
    with pytest.raises(tailgate.AskError, match="unix sockets"):
        for _ in observer:
            pass


def test_events_that_are_no_rows_are_counted_when_they_are_lost(door, broker, observe):
    observer = observe()
    door.row_of("query")
    assert ids(observer, 1) == [1]
    door.seq += 3  # parts of an answer
    door.row_of("query", lose=True)
    door.mark()
    peer, _ = asked(broker)
    tell(broker, peer, row("query", 2))
    finish(broker, peer, 2)
    assert ids(observer, 1) == [2]
    wait_for(lambda: observer.lost == 3, "them to be counted")


def test_without_a_gate_what_comes_is_given_all_the_same(door, observe, caplog):
    caplog.set_level(logging.INFO, "tailgate")
    observer = observe(gate=None)
    door.row_of("query")
    door.row_of("query", lose=True)
    door.row_of("query")
    assert ids(observer, 2) == [1, 3]
    assert any("may be missing" in text for text in caplog.messages)


def test_since_is_said_in_utc(door, broker, observe):
    door.row_of("query", lose=True)
    door.welcome()
    for since, text in (("2026-01-01T00:00:00", "2026-01-01T00:00:00"), (datetime(2026, 1, 1), "2026-01-01T00:00:00"),
                        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T00:00:00")):
        observer = observe(since=since)
        peer, members = asked(broker)
        assert members == {"since": text, "upto": 1, "kinds": list(KINDS), "limit": 500}
        finish(broker, peer, 1)
        observer.close()


def test_position_is_what_the_application_took(door, broker, observe):
    observer = observe()
    for _ in range(3):
        door.row_of("query")
    door.row_of("response")
    door.mark()
    door.row_of("query")
    assert ids(observer, 2) == [1, 2]
    assert observer.position == {"query": 2, "response": 0, "message": 0}
    assert ids(observer, 2) == [3, 4]
    assert ids(observer, 1) == [5] and observer.position == {"query": 5, "response": 4, "message": 4}


def test_application_that_does_not_read_bounds_what_waits(door, broker, observe):
    """The rest is in ZeroMQ's queues, or dropped; it is asked for when there is room, page by page."""
    observer = observe()
    rows = 6000
    for _ in range(rows):
        door.row_of("query")
    door.mark()
    box, follow = observer._box, observer._follow
    wait_for(lambda: len(box) + len(follow.backlog) >= 500, "it to have all that it takes")
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            if broker.socket.poll(20):
                peer, members = asked(broker)
                assert members["limit"] == 500
                upto = min(members["upto"], members["after"] + members["limit"])
                tell(broker, peer, *(row("query", number) for number in range(members["after"] + 1, upto + 1)))
                finish(broker, peer, upto, last=rows, more=upto < members["upto"])

    serving = Background(serve)
    found, most = [], 0
    while len(found) < rows:
        door.mark()  # somebody who takes nothing for long may have lost this, too
        try:
            found += [observer.next(0.5).id for _ in range(20)]
        except TimeoutError:
            pass
        most = max(most, len(box) + len(follow.backlog))
    assert found == list(range(1, rows + 1)) and most <= 1000
    stop.set()
    serving.result()


def test_gateway_that_is_not_there_yet_is_waited_for_and_named_once(site, caplog):
    caplog.set_level(logging.INFO, "tailgate")
    with tailgate.Observer(f"ipc://{site.folder}/events") as observer:
        wait_for(lambda: any("no gateway at" in text for text in caplog.messages), "the line in the log")
        door = Door(site)
        door.subscribed("")
        door.row_of("query")
        assert ids(observer, 1) == [1]
    door.close()
    assert len([text for text in caplog.messages if "no gateway at" in text]) == 1


def test_batch_is_its_events_up_to_what_is_none(door, observe):
    observer = observe()
    events = [packed(b"query/c", b"%d" % number, json.dumps({"seq": number, "prev": number - 1,
                                                             **row("query", number)}).encode())
              for number in (1, 2, 3)]
    for batch in (b"", b"x", packed(b"query/c", b"1"), b"\xff" * 40, packed(b"", b"", b""), events[0] + events[1][:-1],
                  events[1] + packed(b"a/", b"1", b"{", b"}") + events[2], events[2]):
        door.socket.send_multipart([b"batch/", batch])
    assert ids(observer, 3) == [1, 2, 3]


def test_notice_that_raises_does_no_harm(door, observe):
    observer = observe(notice=lambda text: 1 / 0)
    door.row_of("query")
    assert ids(observer, 1) == [1]


def test_notice_may_close_the_observer(door, observe):
    observer = observe()
    observer._feed._notice = lambda text: observer.close()
    door.close()
    door.open()
    assert list(observer) == []


# ── in an event loop ────────────────────────────────────────────────────────────────────────────────

def test_async_observer_gives_the_same(door, broker):
    async def main():
        notices, found = [], []
        async with tailgate.AsyncObserver(door.endpoint, gate=broker.endpoint, after=0,
                                          notice=notices.append) as observer:
            async for event in observer:
                found.append((event.id, event.replayed))
                if len(found) == 3:
                    break
            for timeout in (0, 0.05):
                with pytest.raises(TimeoutError):
                    await observer.next(timeout)
        with pytest.raises(tailgate.AskError, match="closed"):
            await observer.next()
        return found, observer.position, notices

    door.row_of("query", lose=True)
    door.welcome()
    running = Background(asyncio.run, main())
    door.subscribed("")
    peer, _ = asked(broker)
    tell(broker, peer, row("query", 1))
    finish(broker, peer, 1)
    for _ in range(2):
        door.row_of("message")
    found, position, notices = running.result()
    assert found == [(1, True), (2, False), (3, False)]
    assert position == {"query": 1, "response": 1, "message": 3} and notices


def test_async_iteration_ends_when_another_task_closes(door):
    async def main():
        observer = tailgate.AsyncObserver(door.endpoint)

        async def collect():
            return [event.id async for event in observer]

        task = asyncio.create_task(collect())
        while not observer.position:
            await asyncio.sleep(0.01)
        await observer.close()
        await observer.close()
        return await task

    running = Background(asyncio.run, main())
    door.subscribed("")
    assert running.result() == []


def test_async_observer_that_never_began_can_be_closed(door):
    async def main():
        observer = tailgate.AsyncObserver(door.endpoint)
        await observer.close()
        return [event async for event in observer]

    assert asyncio.run(main()) == []
