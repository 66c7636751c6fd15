"""The events of one conversation over REST: each row once, in order, whatever is lost on the way."""

import json

import pytest

import writer
from harness import WAIT, wait_for
from http_helper import Http
from locker import lock, release
from rests import Stream, alone, check_all_seen, shared, when_there


@pytest.fixture(scope="module")
def place():
    yield from shared()


@pytest.fixture(name="alone")
def alone_(site):
    return alone(site)


def test_every_row_of_the_conversation_comes_once_whoever_wrote_it(place):
    place.answerer(place.here, "echo")
    talk, other = place.rest.converse(responder="echo"), place.rest.converse()
    stream = talk.events().demand(200)
    asked = talk.ask("one")["message_id"]
    assert stream.next()[:2] == (asked, "query")
    number, event, reply = stream.next()
    assert event == "response" and reply["in_reply_to"] == asked
    other.ask("not yours")
    said = place.here.send("hello", conversation=talk.id, session="b")
    assert stream.next()[:2] == (said, "message") and said > number
    # From the beginning, the same.
    assert [talk.events(after=0).take(3)[n][0] for n in range(3)] == [asked, number, said]
    stream.close()


def test_no_row_is_too_strange_to_be_told(place):
    talk = place.rest.converse()
    stream = talk.events().demand(200)
    deep = ('{"a":' * 64) + "1" + "}" * 64
    rows = [place.here.send(text, metadata, talk.id, session="b") for text, metadata in
            (("deep", deep), ("data: x\n\nid: 7\r\nevent: end\u2028\x00", "no JSON"), ("", None),
             ("\U0001f600" * 60000, json.dumps({"a": "x" * 500000})), ("id", '{"in_reply_to":"x"}'))]
    told = [stream.next() for _ in rows]
    assert [number for number, _, _ in told] == rows and [data["metadata"] for _, _, data in told[:3]] == [None] * 3
    assert len(told[3][2]["text"]) == 50000 and told[3][2]["truncated"]
    stream.close()


def test_rows_that_are_more_than_may_wait_reach_a_slow_client(alone):
    talk = alone.rest.converse()
    metadata = json.dumps({"a": "x" * 500000})
    rows = [alone.here.send("large", metadata, talk.id, session="b") for _ in range(8)]
    rows += [alone.here.send("small", None, talk.id, session="b") for _ in range(20)]
    stream = talk.events(after=rows[0] - 1).demand(200)
    for _ in range(20):  # while all of them could come
        Http(alone.rest.url).get("/readyz")
    assert [stream.next()[0] for _ in rows] == rows
    stream.close()


def test_a_stream_is_opened_while_a_query_waits_for_the_lock(place):
    talk = place.rest.converse()
    locker = lock(place, place.here, "COMMIT")
    waiting = place.rest.begin("POST", talk.path + "/queries", {"question": "late"}, talk.token)
    wait_for(lambda: place.gateway.status()["committer"]["state"] == "locked", "the query to wait")
    stream = talk.events().demand(200)
    release(locker)
    assert waiting.getresponse().status == 201
    waiting.close()
    assert stream.next()[1] == "query"
    stream.close()


def test_a_dropped_stream_resumes_with_every_row_exactly_once(alone):
    talk = alone.rest.converse()
    rows = 150
    stream = talk.events()
    writing = alone.writer(alone.here, conversation=talk.id, count=rows, name="w")
    got = []
    while len(got) < rows:
        got += stream.take(min(7, rows - len(got)))
        if len(got) == 70:
            alone.door = alone.door.again()
        elif len(got) == 105:
            alone.gateway.kill()
            alone.gateway = alone.serve(alone.here)
        stream.close()
        stream = when_there(lambda: talk.events(last=got[-1][0])).demand(200)
    stream.close()
    writing.wait(WAIT)
    assert [json.loads(text)["query_id"] for _, text in got] == [f"w-{n}" for n in range(rows)]
    assert [number for number, _ in got] == sorted({number for number, _ in got})


def test_a_stream_that_stays_open_misses_nothing_while_the_gateway_restarts(alone):
    talk = alone.rest.converse()
    stream = talk.events()
    first = talk.ask("before")["message_id"]
    assert stream.next()[0] == first
    alone.gateway.kill()
    between = alone.here.send(writer.query("between", "q"), None, talk.id)
    alone.gateway = alone.serve(alone.here)
    assert stream.next()[0] == between
    after = alone.here.send(writer.query("after", "q2"), None, talk.id)
    assert stream.next()[0] == after
    stream.close()


def test_a_stream_from_behind_the_end_of_the_file_takes_what_comes(place):
    """As after the file was put back to an older one."""
    talk = place.rest.converse()
    stream = talk.events(last=10**15).demand(200)
    writing = place.writer(place.here, conversation=talk.id, count=1000, pause=0.05)
    first, second = stream.take(2)
    assert second[0] == first[0] + 1
    writing.kill()
    stream.close()


def test_a_stream_ends_with_its_conversation(place):
    talk = place.rest.converse()
    path = str(place.here.path)
    short = writer.converse(path, ttl=3)
    with place.here.reading() as db:
        token = db.execute("SELECT session_a_token FROM conversations WHERE id = ?", (short,)).fetchone()[0]
    stream = Stream(place.rest, f"/v1/conversations/{short}/events?after=0", token).demand(200)
    row = place.here.send(writer.query("last words", "q"), None, short)
    assert stream.next()[0] == row
    number, event, why = stream.next()
    assert (number, event) == (None, "end") and why["type"].endswith("/expired") and stream.next() is None
    assert talk.events().demand(200).close() is None


def test_who_may_not_is_told_nothing(place):
    talk, other = place.rest.converse(), place.rest.converse()
    talk.ask("mine")
    for token in (other.token, "x"):
        stream = talk.events(after=0, token=token).demand(401, "unauthorized")
        assert b"mine" not in stream.answer.body
    Stream(place.rest, talk.path + "/events?after=0", None).demand(401, "unauthorized")
    Stream(place.rest, "/v1/conversations/conv_0/events", talk.token).demand(404, "not-found")


def test_every_answer_that_is_described_was_seen(request):
    check_all_seen(request, globals(), only=["followConversation"])
