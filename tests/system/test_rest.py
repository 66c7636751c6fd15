"""REST over the real door of a real gateway. Every answer is held against proto/openapi.yaml (rests.py)."""

import json
import re
import sqlite3

import pytest

import writer
from harness import LONG, WAIT, answer_of, is_query, wait_for
from locker import lock, release
from openapi import PROTO
from rests import DOCUMENT, Answer, Conversation, Door, alone, check_all_seen, shared, when_there

@pytest.fixture(scope="module")
def place():
    yield from shared()


@pytest.fixture(name="alone")
def alone_(site):
    return alone(site)


# --- one query ---

def test_a_question_is_made_asked_waited_for_and_read(place):
    place.answerer(place.here, "notes")
    talk = place.rest.converse(asker="me", responder="notes", ttl_seconds=600)
    asked = talk.post({"question": "what?", "query_id": "mine"}).demand(201)
    target = asked.headers["Location"]
    assert target == talk.target(asked.json["message_id"]) and asked.json["query_id"] == "mine"
    done = place.rest.get(target + "?wait=60", token=talk.token).demand(200).json
    reply = place.here.reply(asked.json["message_id"])
    assert done["state"] == "answered" and done["answer"] == answer_of(reply)
    assert done["reply"]["message_id"] == reply["id"] and done["reply"]["message"] == reply["text"]
    assert done["reply"]["metadata"] == reply["metadata"]
    assert talk.read(asked.json["message_id"]).json == done


def test_a_wait_ends_with_the_commit_of_the_reply_and_not_before(place):
    worker = place.mdp(place.here, "slow")
    talk = place.rest.converse()
    asked = talk.ask("slow", service="slow")
    query = worker.request()
    waiting = talk.begin_read(asked["message_id"], 60)
    waiting.connection.sock.settimeout(45)  # of the 60 s; it must not be the end of these that it waits for
    assert talk.read(asked["message_id"]).json["state"] == "working"
    db = sqlite3.connect(str(place.here.path), isolation_level=None)
    db.execute("BEGIN IMMEDIATE")  # nothing can be committed
    worker.final(query.token, "done")
    assert talk.read(asked["message_id"]).json["state"] == "working"
    db.execute("ROLLBACK")
    db.close()
    told = waiting.answer().demand(200).json
    assert told["state"] == "answered" and told["answer"] == "done"
    assert place.here.row(asked["message_id"])["read"] == 1


def test_a_wait_ends_with_its_time_and_the_state_as_it_is(place):
    talk = place.rest.converse()
    asked = talk.ask("nobody answers")
    told = talk.read(asked["message_id"], wait=1).demand(200).json
    assert told["state"] == "pending" and "answer" not in told and "reply" not in told
    assert talk.read(asked["message_id"], wait=0).json == told


def test_a_wait_outlives_its_gateway(alone):
    talk = alone.rest.converse()
    asked = talk.ask("later")
    waiting = talk.begin_read(asked["message_id"], 60)
    wait_for(lambda: talk.read(asked["message_id"]).status == 200, "the first look")
    alone.gateway.kill()
    assert talk.read(asked["message_id"]).demand(503, "unavailable").headers["Retry-After"]
    alone.gateway = alone.serve(alone.here)
    alone.answerer(alone.here)
    assert waiting.answer().demand(200).json["state"] == "answered"


def test_a_dead_query_says_why(place):
    worker = place.mdp(place.here, "paper")
    talk = place.rest.converse()
    asked = talk.ask("impossible", service="paper")
    query = worker.request()
    worker.final(query.token, {"type": "error", "error": "out of paper", "retry": False})
    told = talk.read(asked["message_id"], wait=60).demand(200).json
    assert told["state"] == "dead" and "out of paper" in told["error"] and "answer" not in told


def test_waits_are_bounded_and_do_not_keep_others_out(place):
    talk = place.rest.converse()
    asked = talk.ask("nobody answers")["message_id"]
    waiting = [talk.begin_read(asked, 60) for _ in range(128)]
    wait_for(lambda: talk.read(asked, wait=1).status == 503, "the bound")
    assert talk.read(asked).status == 200 and talk.post({"question": "another"}).status == 201
    for one in waiting:
        one.close()
    wait_for(lambda: talk.read(asked, wait=1).status == 200, "room again")


# --- what stands in the file ---

def shape(row):
    """What of a row is alike in every row that the bridge's programs write."""
    return {name: type(row[name]) for name in row.keys()}


def test_a_query_stands_in_the_file_as_the_bridges_own_programs_write_it(place):
    talk = place.rest.converse(asker="asker", responder="default")
    asked = talk.ask("gr\u00fc\u00dfe \U0001f600\n\"x\"", service="s", context_file="notes.md", query_id="q_1")
    other = place.here.converse()
    theirs = place.here.send(writer.query("x", "q_2", service="s", context_file="notes.md"), None, other)
    with place.here.reading() as db:
        rows = [db.execute("SELECT * FROM messages WHERE id = ?", (id_,)).fetchone()
                for id_ in (asked["message_id"], theirs)]
        audits = [db.execute("SELECT * FROM audit_log WHERE conversation_id = ? AND action = 'send_message'",
                             (id_,)).fetchall() for id_ in (talk.id, other)]
        made = [db.execute("SELECT * FROM conversations WHERE id = ?", (id_,)).fetchone() for id_ in (talk.id, other)]
    assert shape(rows[0]) == shape(rows[1]) and is_query(rows[0])
    assert (rows[0]["from_session"], rows[0]["to_session"], rows[0]["read"]) == ("a", "b", 0)
    assert json.loads(rows[0]["message"]) == {
        "type": "query", "query_id": "q_1", "service": "s", "question": "gr\u00fc\u00dfe \U0001f600\n\"x\"",
        "context_file": "notes.md"}
    assert [len(list_) for list_ in audits] == [1, 1] and shape(audits[0][0]) == shape(audits[1][0])
    said = json.loads(audits[0][0]["details"])
    assert said.pop("verified").startswith("uid:")  # the gateway's own, besides what the bridge says
    assert said == {"to": "b", "message_length": len(rows[0]["message"]), "redacted": False}
    assert shape(made[0]) == shape(made[1]) and re.fullmatch("conv_[0-9a-f]{16}", talk.id)
    # And their own program takes it.
    taken, = writer.fetch(str(place.here.path), talk.id, "b")
    assert taken["id"] == asked["message_id"] and taken["metadata"] is None


def test_secrets_are_taken_out_of_a_question(place):
    talk = place.rest.converse()
    asked = talk.ask("use AKIAABCDEFGHIJKLMNOP here")
    stored = place.here.row(asked["message_id"])["message"]
    assert "AKIAABCDEFGHIJKLMNOP" not in stored and "AWS_KEY_REDACTED" in stored


def test_a_query_of_the_responder_goes_to_the_asker(place):
    talk = place.rest.converse()
    asked = talk.post({"question": "back?"}, token=talk.responder).demand(201).json
    row = place.here.row(asked["message_id"])
    assert (row["from_session"], row["to_session"]) == ("b", "a")


# --- once ---

def count_rows(bridge, *talks):
    with bridge.reading() as db:
        return sum(db.execute("SELECT count(*) FROM messages WHERE conversation_id = ?", (talk.id,)).fetchone()[0]
                   for talk in talks)


def test_the_same_key_makes_one_row_whatever_is_restarted(alone):
    talk = alone.rest.converse()
    first = talk.post({"question": "once", "service": "s"}, key="k1").demand(201)
    assert first.headers["Idempotency-Replayed"] is None

    def again():
        answer = when_there(lambda: talk.post({"service": "s", "question": "on\u0063e"}, key="k1")).demand(200)
        assert answer.body == first.body and answer.headers["Location"] == first.headers["Location"]

    again()
    alone.door = alone.door.again()
    again()
    alone.gateway.kill()
    alone.gateway = alone.serve(alone.here)
    again()
    assert count_rows(alone.here, talk) == 1


def test_the_same_key_at_the_same_time_makes_one_row(place):
    talk = place.rest.converse()
    db = sqlite3.connect(str(place.here.path), isolation_level=None)
    db.execute("BEGIN IMMEDIATE")  # the first one stays in flight
    begun = [talk.rest.begin("POST", talk.path + "/queries", {"question": "once"}, talk.token,
                             Idempotency_Key="k") for _ in range(8)]
    db.execute("ROLLBACK")
    db.close()
    answers = []
    for connection in begun:
        response = connection.getresponse()
        answers.append(Answer("POST", talk.path + "/queries", response, response.read()))
        connection.close()
    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    assert len({answer.body for answer in answers}) == 1 and count_rows(place.here, talk) == 1


def test_a_key_is_for_one_query_of_one_session(place):
    talk, other = place.rest.converse(), place.rest.converse()
    talk.post({"question": "one"}, key="k").demand(201)
    talk.post({"question": "two"}, key="k").demand(409, "conflict")
    talk.post({"question": "one", "service": "s"}, key="k").demand(409, "conflict")
    talk.post({"question": "two"}, token=talk.responder, key="k").demand(201)
    other.post({"question": "two"}, key="k").demand(201)
    talk.post({"question": "one"}, key="a b").demand(400, "parameter")
    talk.post({"question": "one"}, key="x" * 256).demand(400, "parameter")
    assert count_rows(place.here, talk, other) == 3


# --- limits ---

def test_a_session_may_write_so_many_and_no_more(site):
    bridge = site.bridge(conversation=False)
    site.serve(bridge)
    rest = Door(site, bridge, rate="3/4/0").rest
    talk = rest.converse()
    for n in range(3):
        talk.ask(str(n), key=f"k{n}")
    refused = talk.post({"question": "4"}).demand(429, "rate")
    seconds = int(refused.headers["Retry-After"])
    assert 1 <= seconds <= 60 and f"{seconds} s" in refused.json["detail"]
    # The other session has its own count; reading is not counted, nor is what was refused for another reason.
    for _ in range(5):
        talk.post({"question": ""}, token=talk.responder).demand(422)
    talk.post({"question": "other side"}, token=talk.responder).demand(201)
    assert talk.read(1).status == 200
    assert count_rows(bridge, talk) == 4
    if LONG:
        wait_for(lambda: talk.post({"question": "4"}).status == 201, "the next one", seconds + WAIT)
        talk.post({"question": "5"}).demand(429)


def test_a_repeat_does_not_count(site):
    bridge = site.bridge(conversation=False)
    site.serve(bridge)
    talk = Door(site, bridge, rate="2/0/0").rest.converse()
    talk.ask("one", key="k")
    for _ in range(4):
        talk.post({"question": "one"}, key="k").demand(200)
    talk.post({"question": "two"}, key="k").demand(409)
    talk.ask("two", key="k2")
    talk.post({"question": "one"}, key="k").demand(200)  # at the limit, too
    talk.post({"question": "three"}, key="k3").demand(429)
    assert count_rows(bridge, talk) == 2


def test_a_query_of_which_nobody_knows_whether_it_was_written_counts(site):
    bridge = site.bridge(conversation=False)
    gateway = site.serve(bridge)
    talk = Door(site, bridge, rate="1/0/0").rest.converse()
    locker = lock(site, bridge, "COMMIT")
    waiting = talk.rest.begin("POST", talk.path + "/queries", {"question": "one"}, talk.token)
    wait_for(lambda: gateway.status()["committer"]["state"] == "locked", "the query to wait")
    gateway.kill()
    release(locker)
    assert waiting.getresponse().status == 503
    waiting.close()
    site.serve(bridge)
    when_there(lambda: talk.read(1)).demand(404)
    talk.post({"question": "two"}).demand(429, "rate")


# --- refusals ---

def test_a_stranger_is_refused(place):
    talk, other = place.rest.converse(), place.rest.converse()
    asked = talk.ask("mine")["message_id"]
    for token in (other.token, "x", "\u00e9".encode().decode("latin-1"), talk.token + "0", "y" * 3000):
        for answer in (talk.post({"question": "x"}, token=token),
                       place.rest.get(talk.target(asked), token=token),
                       place.rest.get(talk.target(asked, wait=60), token=token),
                       talk.events(after=0, token=token).answer):
            answer.demand(401, "unauthorized")
            assert b"mine" not in answer.body and "invalid_token" in answer.headers["WWW-Authenticate"]
    place.rest.get(talk.target(asked)).demand(401)
    # Nobody reads through another conversation of his own.
    place.rest.get(other.target(asked), token=other.token).demand(404, "not-found")


def test_what_is_not_there_is_said(place):
    talk = place.rest.converse()
    for target in ("/v1", "/v1/conversations/", talk.path, talk.path + "/queries/1/2", "/v2/conversations"):
        place.rest.get(target, token=talk.token).demand(404, "not-found")
    gone = place.rest.converse()
    place.here.run("DELETE FROM conversations WHERE id = ?", gone.id)
    gone.post({"question": "x"}).demand(404, "not-found")
    gone.events().demand(404, "not-found")
    for number in ("1", "0", "-1", "x", "9223372036854775807", "9223372036854775808", "1e3"):
        place.rest.get(talk.target(number), token=talk.token).demand(404, "not-found")
    for id_ in ("conv_0", "%00", "%ff", "x" * 201, "%2e%2e%2f"):
        answer = place.rest.get(f"/v1/conversations/{id_}/queries/1", token=talk.token)
        assert answer.status in (400, 401, 404, 422)
    for method, target in (("GET", talk.path + "/queries"), ("DELETE", talk.path + "/queries/1"),
                           ("PUT", "/v1/conversations"), ("POST", talk.path + "/events")):
        answer = place.rest.ask(method, target, {} if method != "GET" else None, token=talk.token).demand(405, "method")
        assert method not in answer.headers["Allow"].split(", ")


def test_parameters_are_whole_numbers_in_range(place):
    talk = place.rest.converse()
    asked = talk.ask("x")["message_id"]
    for wait in ("61", "-1", "1.5", "x", "", "99999999999999999999"):
        talk.read(asked, wait=wait).demand(400, "parameter")
    for last in ("x", "-1", "1.5", "9223372036854775808"):
        talk.events(last=last).demand(400, "parameter").close()
        talk.events(after=last).demand(400, "parameter").close()


def test_a_hostile_body_is_refused_and_does_no_harm(place):
    talk = place.rest.converse()
    deep = b'{"question":' + b"[" * 100000 + b"]" * 100000 + b"}"
    for body, status, problem in (
            (b"", 422, "invalid"), (b"{", 400, "not-json"), (b"[]", 422, "invalid"), (b"null", 422, "invalid"),
            (b'{"question":"\xff\xfe"}', 400, "not-json"), (b'{"question":"a\x00b"}', 400, "not-json"),
            (b'{"question":"a\\u0000b"}', 422, "invalid"), (b'{"question":"\\ud800"}', 422, "invalid"),
            (b'{"question":""}', 422, "invalid"), (b'{"question":1}', 422, "invalid"), (deep, 400, "not-json"),
            (b'{"question":"a","question":"b"}', 422, "invalid"), (b'{"question":"a"} x', 400, "not-json"),
            (b'{"question":"a","service":"\\n"}', 422, "invalid"), (b'{"question":"a","service":""}', 422, "invalid"),
            (b'{"question":"a","context_file":"' + b"x" * 1001 + b'"}', 422, "invalid"),
            (b'{"question":"a","type":"response"}', 422, "invalid"),
            (json.dumps({"question": "x" * 50001}).encode(), 413, "too-large"),
            (json.dumps({"question": "\U0001f600" * 50001}, ensure_ascii=False).encode(), 413, "too-large"),
            (b'{"question":"' + b"x" * (3 << 20) + b'"}', 413, "too-large")):
        answer = talk.post(body).demand(status, problem)
        assert answer.json["detail"] if status != 413 else True
    named = talk.post({"question": "a", "qestion": "b"}).demand(422, "invalid")
    assert '"qestion"' in named.json["detail"]
    place.rest.ask("POST", "/v1/conversations", {"ttl_seconds": 59}).demand(422)
    place.rest.ask("POST", "/v1/conversations", {"asker": "x" * 101}).demand(422)
    place.rest.ask("POST", "/v1/conversations", {"asker": "x" * 5000}).demand(413, "too-large")
    assert count_rows(place.here, talk) == 0
    # The largest that may be is taken whole.
    large = talk.ask("\U0001f600" * 50000)  # each of them written as two escapes
    assert json.loads(place.here.row(large["message_id"])["message"])["question"] == "\U0001f600" * 50000


def test_a_body_must_be_json_by_its_type(place):
    talk = place.rest.converse()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        talk.post(b'{"question":"x"}', Content_Type=kind).demand(415, "media-type")
        place.rest.ask("POST", "/v1/conversations", b"{}", Content_Type=kind).demand(415, "media-type")
    talk.post(b'{"question":"x"}', Content_Type="application/json; charset=utf-8").demand(201)


def test_a_page_of_another_site_may_not_ask(place):
    talk = place.rest.converse()
    talk.post({"question": "x"}, Origin="https://evil.example").demand(403, "forbidden")
    talk.post({"question": "x"}, Host="evil.example").demand(421, "host")


def test_an_expired_conversation_is_refused_and_still_read(place):
    talk = place.rest.converse()
    asked = talk.ask("early")["message_id"]
    place.here.run("UPDATE conversations SET expires_at = ? WHERE id = ?", writer.now(-1), talk.id)
    talk.post({"question": "late"}).demand(403, "expired")
    talk.events().demand(403, "expired")
    assert talk.read(asked).demand(200).json["state"] in ("pending", "expired")


def test_with_a_token_file_a_client_makes_conversations_and_others_do_not(site):
    bridge = site.bridge(conversation=False)
    site.serve(bridge)
    tokens = site.folder / "tokens"
    tokens.write_text("client client-token-0123456789abcdef\nobserver observer-token-0123456789abcdef\n")
    tokens.chmod(0o600)
    rest = Door(site, bridge, "--tokens", tokens).rest
    rest.ask("POST", "/v1/conversations", {}).demand(401, "unauthorized")
    rest.ask("POST", "/v1/conversations", {}, token="observer-token-0123456789abcdef").demand(403, "forbidden")
    made = rest.ask("POST", "/v1/conversations", {}, token="client-token-0123456789abcdef").demand(201)
    Conversation(rest, made).ask("the session's token is enough here")


def test_a_gateway_that_is_away_is_said(site):
    bridge = site.bridge(conversation=False)
    gateway = site.serve(bridge)
    rest = Door(site, bridge).rest
    talk = rest.converse()
    gateway.stop()
    wait_for(lambda: talk.post({"question": "x"}, key="k").status == 503, "503")
    rest.ask("POST", "/v1/conversations", {}).demand(503, "unavailable")
    talk.read(1, wait=60).demand(503, "unavailable")
    talk.events().demand(503, "unavailable")
    site.serve(bridge)
    when_there(lambda: talk.post({"question": "x"}, key="k"))
    assert count_rows(bridge, talk) == 1


# --- as the manual has it ---

def test_the_commands_of_the_manual_do_what_it_says(place):
    page = (PROTO.parent / "deploy" / "man" / "tailgate-http.1").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", page, re.MULTILINE | re.DOTALL)
    first = next(n for n, block in enumerate(blocks) if block.startswith("door="))
    script = "".join(blocks[first:first + 3]).replace("\\e", "\\").replace("http://127.0.0.1:8080", place.rest.url)
    place.answerer(place.here, "default")
    folder = place.folder / "curl"
    folder.mkdir()
    shell = place.spawn("sh", "-eu", "-c", script.replace("curl -sN", "exec curl -sN"), cwd=folder)
    lines = []
    while not any(line.startswith("event: response") for line in lines):
        lines.append(shell.stdout.readline())
        assert lines[-1], "it ended early:\n" + "".join(lines)
    shell.kill()
    first, second = ((folder / f"{time}.json").read_text() for time in ("first", "second"))
    answer = json.JSONDecoder().raw_decode("".join(lines))[0]
    assert first == second and json.loads(first)["message_id"] == answer["message_id"]
    assert answer["state"] == "answered" and answer["answer"]
    DOCUMENT.check_value("Query", answer)
    assert sum(line.startswith("event: query") for line in lines) == 1


# --- the description ---

def test_the_door_describes_itself(place):
    assert place.rest.get("/v1/openapi.yaml").demand(200).body == (PROTO / "openapi.yaml").read_bytes()
    assert place.rest.get("/v1/openapi.json").demand(200).json == DOCUMENT.tree


def test_every_answer_that_is_described_was_seen(request):
    check_all_seen(request, globals(), all_but=["followConversation"])
