"""A client on the Python library; the test is the gateway, a few raw frames. MDP has no correlation id, so most of
this is about never taking one request's reply for another's."""

import asyncio
import json
import logging
import sys
import threading
import time

import pytest

from python_broker import Background, Broker
from python_world import LIBRARY

sys.path.insert(0, str(LIBRARY))

import tailgate  # noqa: E402  (the line above makes it findable)


@pytest.fixture
def broker(site):
    broker = Broker(site.context, f"ipc://{site.folder}/gate")
    yield broker
    broker.close()


@pytest.fixture
def client(broker):
    with tailgate.Client(broker.endpoint) as client:
        yield client


def reply(text, **more):
    return json.dumps({"type": "response", "query_id": "m1", "answer": text, "sources": [], **more}).encode()


# ── what goes and what comes ────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("question, frames", [
    ("What?", [b'{"type": "query", "question": "What?"}']),
    ({"question": "é", "conversation_id": "c"},
     ['{"type": "query", "question": "é", "conversation_id": "c"}'.encode()]),
    ({"type": "other", "x": 1}, [b'{"type": "other", "x": 1}']),
    (b"\x00\xff", [b"\x00\xff"]), ([b"", b"two", b"\xfe"], [b"", b"two", b"\xfe"])])
def test_question_goes_as_its_kind_says(broker, client, question, frames):
    asking = Background(client.ask, "law", question)
    peer, service, body = broker.request()
    assert (service, body) == ("law", frames)
    broker.final(peer, "law", b"x")
    assert asking.result().text == "x"


@pytest.mark.parametrize("question", [[], [b"x"] * 61, b"x" * ((16 << 20) + 1), ["text"], 7, {"x": float("nan")}])
def test_what_no_gateway_takes_is_refused_at_once(client, question):
    with pytest.raises((ValueError, TypeError)):
        client.ask("law", question)


@pytest.mark.parametrize("service", ["", "x" * 101, "a\nb", "\x7f"])
def test_name_that_no_service_has_is_refused_at_once(client, service):
    with pytest.raises(ValueError):
        client.ask(service, "x")


def test_answer_has_the_text_the_sources_and_all_frames(broker, client):
    asking = Background(client.ask, "law", "What?")
    peer, *_ = broker.request()
    raw = reply("it is", sources=["a:1-2"], shard_id="w")
    broker.final(peer, "law", raw)
    answer = asking.result()
    assert (answer.text, str(answer), answer.sources) == ("it is", "it is", ["a:1-2"])
    assert answer.raw["shard_id"] == "w" and answer.frames == (raw,)


@pytest.mark.parametrize("frames, text", [
    ([b"a", b"\xff", b""], "a\ufffd"), ([], ""), ([b"{"], "{"), ([b"[1]"], "[1]"), ([b"{}", b"{}"], "{}{}"),
    ([b'{"answer": {"a": "\xc3\xa9"}}'], '{"a": "é"}'), ([b'{"answer": "a", "sources": 7}'], "a"),
    ([b"[" * 100000], "[" * 100000)], ids=lambda value: repr(value)[:30])
def test_any_reply_is_an_answer_in_its_own_way(broker, client, frames, text):
    asking = Background(client.ask, "law", b"?")
    peer, *_ = broker.request()
    broker.final(peer, "law", *frames)
    answer = asking.result()
    assert (answer.text, answer.frames) == (text, tuple(frames))


def test_error_object_is_raised(broker, client):
    asking = Background(client.ask, "law", "What?")
    peer, *_ = broker.request()
    broker.final(peer, "law", b'{"type":"error","error":"nobody came","attempts":5}')
    with pytest.raises(tailgate.AskError, match="nobody came") as caught:
        asking.result()
    assert caught.value.reply["attempts"] == 5


def test_stream_gives_partials_while_they_come_and_then_the_answer(broker, client):
    stream = client.stream("law", "What?")
    first = Background(next, stream)
    peer, *_ = broker.request()
    broker.partial(peer, "law", b"it ")
    assert first.result() == "it "  # although there is no FINAL yet
    broker.partial(peer, "law", b"is")
    broker.final(peer, "law", reply("it is"))
    assert [str(piece) for piece in stream] == ["is", "it is"]


@pytest.mark.parametrize("parts, whole, pieces", [
    ([], "all", ["all", "all"]), (["a", "l"], "all", ["a", "l", "l", "all"]), (["al", "al"], "all", ["al", "al", "all"]),
    (["all"], "all", ["all", "all"]), ([], "", [""])])
def test_parts_of_a_stream_make_up_the_text_where_they_are_parts_of_it(broker, client, parts, whole, pieces):
    streaming = Background(lambda: [str(piece) for piece in client.stream("law", "What?")])
    peer, *_ = broker.request()
    for part in parts:
        broker.partial(peer, "law", part.encode())
    broker.final(peer, "law", reply(whole))
    assert streaming.result() == pieces


# ── order, time-outs, lost connections ──────────────────────────────────────────────────────────────

def test_replies_belong_to_the_requests_in_their_order(broker, client):
    asking = []
    for number in range(5):
        asking.append(Background(client.ask, "law", b"%d" % number))
        peer, _, body = broker.request()
        assert body == [b"%d" % number]
    for number in range(5):
        broker.partial(peer, "law", b"ignored by ask()")
        broker.final(peer, "law", b"re %d" % number)
    assert [one.result().text for one in asking] == [f"re {number}" for number in range(5)]


def test_request_that_timed_out_does_not_shift_the_replies_of_the_others(broker, client):
    before = Background(client.ask, "law", b"before")
    first, *_ = broker.request()
    late = Background(client.ask, "law", b"late", timeout=0.3)
    broker.request()
    after = Background(client.ask, "law", b"after")
    broker.request()
    with pytest.raises(tailgate.AskTimeout):
        late.result()
    peers, bodies = zip(*((peer, body) for peer, _, body in (broker.request(), broker.request())))
    assert list(bodies) == [[b"before"], [b"after"]]
    assert peers[0] == peers[1] != first
    for body in (b"re before", b"re late", b"re after"):  # what the old connection would have got
        broker.final(first, "law", body)
    broker.final(peers[0], "law", b"re before")
    broker.final(peers[0], "law", b"re after")
    assert (before.result().text, after.result().text) == ("re before", "re after")


def test_request_that_timed_out_before_it_was_sent_costs_no_connection(site):
    client = tailgate.Client(f"ipc://{site.folder}/gate")
    with pytest.raises(TimeoutError):
        client.ask("law", b"nobody is there", timeout=0.3)
    broker = Broker(site.context, f"ipc://{site.folder}/gate")
    asking = Background(client.ask, "law", b"now")
    peer, _, body = broker.request()
    assert body == [b"now"]
    broker.final(peer, "law", b"x")
    asking.result()
    client.close()
    broker.close()


def test_stream_that_is_left_abandons_its_request(broker, client):
    stream = client.stream("law", b"long")
    first = Background(next, stream)
    peer, *_ = broker.request()
    broker.partial(peer, "law", b"a")
    first.result()
    stream.close()
    asking = Background(client.ask, "law", b"next")
    again, _, body = broker.request()
    assert body == [b"next"] and again != peer
    broker.final(peer, "law", b"to the one who left")
    broker.final(again, "law", b"re next")
    assert asking.result().text == "re next"


def test_open_requests_are_sent_again_when_the_gateway_restarts(broker, client):
    asking = [Background(client.ask, "law", b"one")]
    broker.request()
    asking.append(Background(client.ask, "law", b"two"))
    broker.request()
    broker.close()
    broker.open()
    for body in ([b"one"], [b"two"]):
        peer, _, got = broker.request()
        assert got == body
        broker.final(peer, "law", b"re " + body[0])
    assert [one.result().text for one in asking] == ["re one", "re two"]


def test_gateway_that_is_not_there_yet_is_waited_for_and_named_once(site, caplog):
    caplog.set_level(logging.INFO, "tailgate")
    with tailgate.Client(f"ipc://{site.folder}/gate") as client:
        asking = Background(client.ask, "law", b"early")
        time.sleep(1)
        broker = Broker(site.context, f"ipc://{site.folder}/gate")
        peer, *_ = broker.request()
        broker.final(peer, "law", b"x")
        asking.result()
        broker.close()
    assert len([line for line in caplog.messages if "no gateway at" in line]) == 1


@pytest.mark.parametrize("frames", [
    [b"MDPC02", b"\x03", b"other", b"stolen"], [b"MDPC02", b"\x03"], [b"MDPC02", b"\x01", b"law", b"stolen"],
    [b"MDPC01", b"law", b"stolen"], [b"MDPW02", b"\x05"], [b""], [b"x"] * 70, [b"MDPC02", b"", b"law", b"stolen"]],
    ids=lambda frames: f"{len(frames)} frames {frames[-1]!r}")
def test_reply_that_belongs_to_no_request_is_nobodys_answer(broker, client, frames):
    asking = Background(client.ask, "law", b"mine")
    peer, *_ = broker.request()
    broker.socket.send_multipart([peer, *frames])
    again, _, body = broker.request()  # asked again where the order is certain
    assert body == [b"mine"] and again != peer
    broker.final(again, "law", b"re mine")
    assert asking.result().text == "re mine"


def test_stray_reply_while_nothing_is_asked_is_nobodys_answer(broker, client):
    asking = Background(client.ask, "law", b"one")
    peer, *_ = broker.request()
    broker.final(peer, "law", b"re one")
    broker.final(peer, "law", b"once more")
    assert asking.result().text == "re one"
    time.sleep(0.3)
    asking = Background(client.ask, "law", b"two")
    again, *_ = broker.request()
    broker.final(again, "law", b"re two")
    assert asking.result().text == "re two"


def test_many_threads_share_a_client_and_more_requests_than_the_window(broker, client):
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            if broker.socket.poll(50):
                peer, service, body = broker.request()
                broker.final(peer, service, b"re " + body[0])

    server = Background(serve)
    asking = [Background(lambda name: [client.ask("law", b"%d.%d" % (name, n)).text for n in range(20)], name)
              for name in range(100)]
    for name, one in enumerate(asking):
        assert one.result() == [f"re {name}.{n}" for n in range(20)]
    stop.set()
    server.result()


def test_own_services_of_the_gateway_do_not_wait_for_answers(broker, client):
    asking = Background(client.ask, "law", b"slow")
    slow, *_ = broker.request()
    looking = Background(client.available, "law")
    quick, service, body = broker.request()
    assert quick != slow and (service, body) == ("mmi.service", [b"law"])
    broker.final(quick, "mmi.service", b"200")
    assert looking.result() is True
    broker.final(slow, "law", b"x")
    asking.result()


def test_close_ends_whoever_waits(broker):
    client = tailgate.Client(broker.endpoint)
    asking = Background(client.ask, "law", b"one")
    broker.request()
    client.close()
    client.close()
    with pytest.raises(tailgate.AskError, match="closed"):
        asking.result()
    with pytest.raises(tailgate.AskError, match="closed"):
        client.ask("law", b"two")


@pytest.mark.parametrize("words", [{}, {"endpoint": "ipc://x", "db": "y"}, {"endpoint": "http://x"},
                                   {"db": "/no/such/folder/bridge.db"}, {"endpoint": "ipc://"}])
def test_place_that_cannot_be_is_refused_at_once(words):
    with pytest.raises(ValueError):
        tailgate.Client(**words)


def test_gate_is_found_from_the_database_however_it_is_named(site):
    real = site.folder / "real"
    real.mkdir()
    (real / "bridge.db").touch()
    (site.folder / "link.db").symlink_to(real / "bridge.db")
    assert tailgate.gate_of(site.folder / "link.db") == f"ipc://{real.resolve()}/bridge.db-gate/gate"


def test_gate_of_a_path_that_is_too_long_stands_in_the_lock(site):
    deep = site.folder / ("d" * 100)
    (deep / "bridge.db-gate").mkdir(parents=True)
    with pytest.raises(ValueError, match="107 bytes"):
        tailgate.gate_of(deep / "bridge.db")
    (deep / "bridge.db-gate" / "lock").write_text("pid 7\nsince x\ngate ipc:///short\n")
    assert tailgate.gate_of(deep / "bridge.db") == "ipc:///short"


# ── Titanic ─────────────────────────────────────────────────────────────────────────────────────────

def test_ticket_is_taken_fetched_and_closed(broker, client):
    submitting = Background(client.submit, "law", b"later")
    peer, service, body = broker.request()
    assert (service, body) == ("titanic.request", [b"law", b"later"])
    broker.final(peer, service, b"200", b"A" * 32)
    ticket = submitting.result()
    assert ticket == "A" * 32
    fetching = Background(client.fetch, ticket, wait=60)
    for status in ([b"300"], [b"300"], [b"200", b"re later"]):
        peer, service, body = broker.request()
        assert (service, body) == ("titanic.reply", [b"A" * 32])
        broker.final(peer, service, *status)
    assert fetching.result().text == "re later"
    for status, there in ((b"200", True), (b"400", False)):
        closing = Background(client.close_ticket, ticket)
        peer, service, _ = broker.request()
        assert service == "titanic.close"
        broker.final(peer, service, status)
        assert closing.result() is there


@pytest.mark.parametrize("frames, error, words", [
    ([b"400"], tailgate.UnknownTicket, "no such ticket"), ([b"500", b"5 attempts failed"], tailgate.AskError, "5 att"),
    ([b'{"type":"error","error":"not here"}'], tailgate.AskError, "not here"), ([], tailgate.AskError, "nothing"),
    ([b"418"], tailgate.AskError, "418")])
def test_ticket_without_an_answer_says_why(broker, client, frames, error, words):
    fetching = Background(client.fetch, "A" * 32)
    peer, service, _ = broker.request()
    broker.final(peer, service, *frames)
    with pytest.raises(error, match=words):
        fetching.result()


def test_answer_that_is_not_there_yet_is_none(broker, client):
    fetching = Background(client.fetch, "A" * 32)
    peer, service, _ = broker.request()
    broker.final(peer, service, b"300")
    assert fetching.result() is None
    assert broker.silent(0.3)


# ── in an event loop ────────────────────────────────────────────────────────────────────────────────

def run_async(broker, ask, *steps):
    """Runs the coroutine function ASK with an AsyncClient in a thread; STEPS serve the broker meanwhile."""
    async def main():
        async with tailgate.AsyncClient(broker.endpoint) as client:
            return await ask(client)

    running = Background(asyncio.run, main())
    for step in steps:
        step()
    return running.result()


def test_async_client_asks_streams_and_waits_side_by_side(broker):
    async def collect(client):
        return [str(piece) async for piece in client.stream("law", "What?")]

    async def ask(client):
        streaming = asyncio.create_task(collect(client))
        await asyncio.sleep(0.2)
        answer = await client.ask("law", b"second")
        return await streaming, answer.text, await client.available("law")

    def serve():
        peer, *_ = broker.request()
        broker.partial(peer, "law", b"a ")
        broker.partial(peer, "law", b"b")
        second, _, body = broker.request()
        assert second == peer and body == [b"second"]
        broker.final(peer, "law", reply("a b"))
        broker.final(peer, "law", b"re second")
        quick, service, _ = broker.request()
        broker.final(quick, service, b"404")

    assert run_async(broker, ask, serve) == (["a ", "b", "a b"], "re second", False)


def test_async_call_that_is_cancelled_or_timed_out_abandons_its_request(broker):
    async def ask(client):
        task = asyncio.create_task(client.ask("law", b"cancelled"))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(tailgate.AskTimeout):
            await client.ask("law", b"timed out", timeout=0.3)
        return (await client.ask("law", b"third")).text

    def serve():
        peers = [broker.request()[0] for _ in range(3)]
        assert len(set(peers)) == 3
        for number, peer in enumerate(peers):
            broker.final(peer, "law", b"re %d" % number)

    assert run_async(broker, ask, serve) == "re 2"


def test_async_client_takes_and_fetches_a_ticket(broker):
    async def ask(client):
        ticket = await client.submit("law", "later")
        return ticket, (await client.fetch(ticket, wait=60)).text, await client.close_ticket(ticket)

    def serve():
        for frames in ((b"200", b"T" * 32), (b"300",), (b"200", reply("done")), (b"200",)):
            peer, service, _ = broker.request()
            broker.final(peer, service, *frames)

    assert run_async(broker, ask, serve) == ("T" * 32, "done", True)
