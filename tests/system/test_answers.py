"""What a worker may answer, and what counts: the first valid answer, once, and nothing forged."""

import json
import time

import pytest

import writer
from harness import DISCONNECT, MDP, wait_for

FAST = {"backoff.first": "20ms", "backoff.max": "100ms"}
HELD = {"heartbeats": True, "interval": 10000}  # for workers in the test's own thread


def committed(bridge, message):
    return json.loads(bridge.reply(message)["text"])


@pytest.mark.parametrize("answer, expected", [
    (b"plain words", "plain words"),
    (b"  several\nlines\twith tabs  ", "  several\nlines\twith tabs  "),
    (b'"a JSON string"', '"a JSON string"'),
    (b"42", "42"),
    (b"null", "null"),
    (b'["a", 1]', ["a", 1]),
    (b"{}", {}),
    (b'{"x": {"y": 1}}', {"x": {"y": 1}}),
    (b'{"answer": "said", "sources": []}', "said"),
    (b'{"answer": "said", "error": "but"}', "said"),
    (b'{"answer": {"deep": [1]}}', {"deep": [1]}),
    (b'{"answer": "cut', '{"answer": "cut'),
    ("grüße \U0001f600".encode(), "grüße \U0001f600"),
])
@pytest.mark.parametrize("form", ["mdp", "req"])
def test_every_form_of_answer_is_committed(site, form, answer, expected):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge) if form == "mdp" else site.req(bridge)
    message = bridge.ask("?", query_id="q_1")
    query = worker.request()
    worker.final(query.token, answer)
    reply = committed(bridge, message)
    assert reply["answer"] == expected
    assert (reply["type"], reply["query_id"]) == ("response", "q_1")
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("answer, expected", [
    (b"plain words", "plain words"),
    (b'{"answer": "said"}', "said"),
    (b'["a", 1]', '["a", 1]'),
])
def test_every_form_of_answer_to_plain_text(site, answer, expected):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask_text("?")
    worker.final(worker.request().token, answer)
    assert bridge.reply(message)["text"] == expected
    bridge.check_exactly_once(1)


def test_members_of_the_worker_are_kept_and_the_query_id_is_the_querys(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask("?", query_id="q_1")
    worker.final(worker.request().token,
                 {"answer": "x", "shard_id": "s7", "llm_type": "big", "response_time_sec": 1.5, "extra": [1],
                  "query_id": "another", "type": "query", "delivery": {"token": "t"}})
    reply = committed(bridge, message)
    assert (reply["shard_id"], reply["llm_type"], reply["response_time_sec"]) == ("s7", "big", 1.5)
    assert (reply["query_id"], reply["type"], reply["extra"]) == ("q_1", "response", [1])
    assert "delivery" not in reply


def test_query_without_id_is_answered_under_its_row(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.send('{"type": "query", "question": "?"}')
    worker.final(worker.request().token, "x")
    assert committed(bridge, message)["query_id"] == f"m{message}"


def test_answer_that_python_could_not_read_is_repaired(site):
    """A reply that is not UTF-8, or holds a NUL, would make the bridge's fetch fail for ever."""
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    answers = [b"bad \xff\xfe bytes", b"a NUL \x00 inside", b"cut \xe2\x82", b'{"answer": "\xc3\x28"}',
               b'{"answer": "nul \\u0000, lone \\ud800"}', b"\x00", b"\xed\xa0\x80"]
    for ask in (bridge.ask, bridge.ask_text):
        for answer in answers:
            ask("?")
            worker.final(worker.request().token, answer)
    bridge.wait_replies(2 * len(answers))
    fetched = writer.fetch(str(bridge.path), bridge.conversation, "a")
    assert len(fetched) == 2 * len(answers)
    for one in fetched:
        one["message"].encode("utf-8")
        assert "\0" not in one["message"]
    bridge.check_exactly_once(2 * len(answers))


def test_large_answer_is_committed_readably(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    worker.final(worker.request().token, "word " * 9_000)
    assert committed(bridge, message)["answer"].startswith("word word")
    message = bridge.ask("?")
    worker.final(worker.request().token, "word " * 400_000)
    assert committed(bridge, message)["answer"].startswith("word word")
    bridge.check_exactly_once(2)


@pytest.mark.parametrize("form", ["mdp", "req"])
def test_error_is_tried_again_and_dead_after_five_attempts(site, form):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge, **HELD) if form == "mdp" else site.req(bridge)
    message = bridge.ask("?", query_id="q_1")
    for attempt in range(1, 6):
        query = worker.request()
        assert (query.id, query.attempt) == (message, attempt)
        worker.final(query.token, {"type": "error", "error": f"no luck {attempt}", "retry": True})
    reply = bridge.reply(message)
    answer = json.loads(reply["text"])
    assert (answer["type"], answer["query_id"], answer["attempts"]) == ("error", "q_1", 5)
    assert "no luck 5" in answer["error"]
    assert "answer" not in answer
    assert reply["metadata"]["dead"] is True
    # And the worker goes on.
    message = bridge.ask("next?")
    query = worker.request()
    assert (query.id, query.attempt) == (message, 1)
    worker.final(query.token, "fine")
    bridge.reply(message)
    bridge.check_exactly_once(2)
    with bridge.reading() as db:
        assert db.execute("SELECT count(*) FROM audit_log WHERE action = 'query_dead'").fetchone()[0] == 1


def test_error_then_answer_is_answered_by_a_later_attempt(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("?")
    worker.final(worker.request().token, {"error": "not yet"})
    query = worker.request()
    assert query.attempt == 2
    worker.final(query.token, "now")
    reply = bridge.reply(message)
    assert json.loads(reply["text"])["answer"] == "now"
    assert reply["metadata"]["attempt"] == 2
    bridge.check_exactly_once(1)


def test_error_without_retry_is_dead_at_once(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    worker.final(worker.request().token, {"type": "error", "error": "cannot ever", "retry": False})
    answer = committed(bridge, message)
    assert (answer["type"], answer["attempts"], answer["error"]) == ("error", 1, "cannot ever")
    bridge.check_exactly_once(1)


def test_dead_plain_text_question_gets_an_error_reply(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge)
    message = bridge.ask_text("?")
    worker.final(worker.request().token, {"type": "error", "error": "no", "retry": False})
    answer = committed(bridge, message)
    assert (answer["type"], answer["query_id"]) == ("error", f"m{message}")
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("empty", [b"", b"   \n"])
def test_empty_answer_is_never_committed_as_one(site, empty):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("?")
    worker.final(worker.request().token, empty)
    query = worker.request()
    assert query.attempt == 2
    worker.final(query.token, "words")
    assert committed(bridge, message)["answer"] == "words"
    bridge.check_exactly_once(1)


def test_attempts_and_backoff_follow_the_configuration(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "attempts": 2})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("?")
    for _ in range(2):
        worker.final(worker.request().token, {"error": "no"})
    assert committed(bridge, message)["attempts"] == 2


def test_duplicate_answer_is_one_row(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    for n in range(20):
        message = bridge.ask(f"{n}?")
        query = worker.request()
        for copy in range(3):
            worker.final(query.token, f"copy {copy}")
        assert committed(bridge, message)["answer"] == "copy 0"
        worker.final(query.token, "long after")
    bridge.check_exactly_once(20)


def flipped(token):
    """TOKEN with another last-but-one character of its MAC."""
    return token[:-2] + (b"A" if token[-2:-1] != b"A" else b"B") + token[-1:]


def test_forged_tokens_commit_nothing(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge, slots=2, **HELD)
    first, second = bridge.ask("first?"), bridge.ask("second?")
    one, two = worker.request(), worker.request()
    mac = one.token.rsplit(b".", 1)[1]
    forged = [b"x", b"0", b"17", b"1.1." + b"A" * 22, flipped(one.token), one.token + b"x", one.token[:-1],
              b"%d.1." % second + mac, b"%d.2." % first + mac, b"-1.1." + mac, b"01.1." + mac,
              b"99999999999999999999.1." + mac, b" " + one.token, one.token + b"\x00", one.token.upper() + b"=",
              b"\xff" * 64, b"1" * 1000]
    for token in forged:
        worker.final(token, f"forged with {token!r}")
        worker.partial(token, b"forged")
    stranger = site.mdp(bridge, ready=False)
    for token in forged:
        stranger.final(token, "forged by a stranger")
    for _ in forged:
        assert stranger.receive() == [MDP, DISCONNECT], "each is read, and its sender told that it is no worker"
    worker.final(two.token, "real two")
    worker.final(one.token, "real one")
    assert committed(bridge, first)["answer"] == "real one"
    assert committed(bridge, second)["answer"] == "real two"
    bridge.check_exactly_once(2)


def test_answer_for_a_query_that_was_not_given_commits_nothing(site):
    """A worker answers a row that waits (nobody has it), with the best token it can make up."""
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge, **HELD)
    given = bridge.ask("given?")
    waiting = bridge.ask("waiting?")
    query = worker.request()
    made_up = b"%d.1." % waiting + query.token.rsplit(b".", 1)[1]
    worker.final(made_up, "not mine to answer")
    worker.final(query.token, "mine")
    query = worker.request()
    assert (query.id, query.attempt) == (waiting, 1)
    worker.final(query.token, "now mine")
    assert committed(bridge, given)["answer"] == "mine"
    assert committed(bridge, waiting)["answer"] == "now mine"
    bridge.check_exactly_once(2)


def test_token_of_another_copy_of_the_file_means_nothing(site):
    """The same row id with another text: a token from before a restore must not answer it."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask("the old question?")
    old = worker.request()
    gateway.kill()
    bridge.run("UPDATE messages SET message = ? WHERE id = ?", writer.query("another?", "q_2"), message)
    site.serve(bridge, settings={"heartbeat.interval": "200ms"})
    worker.final(old.token, "the old answer")
    query = worker.request()
    assert query.json["question"] == "another?"
    worker.final(query.token, "the new answer")
    assert committed(bridge, message)["answer"] == "the new answer"
    bridge.check_exactly_once(1)


def test_answer_to_a_text_that_was_changed_meanwhile_is_refused_and_the_new_one_asked(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask("the old question?")
    old = worker.request()
    bridge.run("UPDATE messages SET message = ? WHERE id = ?", writer.query("another?", "q_2"), message)
    worker.final(old.token, "the old answer")
    query = worker.request()
    assert (query.id, query.json["question"]) == (message, "another?")
    assert gateway.status()["counters"]["refused_forged"] == 1
    worker.final(old.token, "the old answer")
    worker.final(query.token, "the new answer")
    assert committed(bridge, message)["answer"] == "the new answer"
    bridge.check_exactly_once(1)


def test_answer_to_a_row_that_others_leave_alone_counts_while_they_write(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    query = worker.request()
    for text in ("one", "two"):
        bridge.send(text)
    worker.final(query.token, "an answer")
    assert committed(bridge, message)["answer"] == "an answer"
    assert gateway.status()["counters"].get("refused_forged", 0) == 0
    bridge.check_exactly_once(1)


def test_late_answer_of_an_earlier_attempt_wins_when_it_is_first(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "lease": "1s"})
    slow = site.mdp(bridge, name="slow")
    message = bridge.ask("?")
    first = slow.request()
    fast = site.mdp(bridge, name="fast", **HELD)
    second = fast.request()
    assert (second.id, second.attempt) == (message, 2)
    slow.final(first.token, "from the first")
    assert committed(bridge, message)["answer"] == "from the first"
    fast.final(second.token, "from the second")
    marker = bridge.ask("next?")
    fast.final(fast.request().token, "x")
    bridge.reply(marker)
    bridge.check_exactly_once(2)


def test_late_error_of_an_earlier_attempt_does_not_cost_one(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "lease": "1s", "attempts": 2})
    slow = site.mdp(bridge, name="slow")
    message = bridge.ask("?")
    first = slow.request()
    fast = site.mdp(bridge, name="fast", **HELD)
    second = fast.request()
    assert (second.id, second.attempt) == (message, 2)
    slow.final(first.token, {"type": "error", "error": "late", "retry": False})
    marker = bridge.ask("marker?")  # served by the slow worker: its late error has been read
    again = slow.request()
    assert again.id == marker
    slow.final(again.token, "x")
    fast.final(second.token, "good")
    assert committed(bridge, message)["answer"] == "good"
    bridge.wait_replies(2)
    bridge.check_exactly_once(2)


def test_partials_renew_the_lease(site):
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "lease": "4s"})
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    query = worker.request()
    end = time.monotonic() + 6  # longer than the lease, each step far shorter
    while time.monotonic() < end:
        assert worker.request(timeout=0.2) is None
        worker.partial(query.token, b"so far")
    worker.final(query.token, "done")
    reply = bridge.reply(message)
    assert reply["metadata"]["attempt"] == 1
    bridge.check_exactly_once(1)


def test_query_in_flight_too_long_is_served_by_another(site):
    """attempt.max holds even for a worker that beats all the time."""
    bridge = site.bridge()
    site.serve(bridge, settings={**FAST, "attempt.max": "1s"})
    stuck = site.answerer(bridge, answer=lambda query: None, name="stuck")
    message = bridge.ask("?")
    wait_for(lambda: stuck.queries, "the stuck worker to have it")
    other = site.mdp(bridge, name="other", **HELD)
    query = other.request()
    assert query.id == message and query.attempt >= 2
    other.final(query.token, "unstuck")
    assert bridge.reply(message)["metadata"]["worker"] == "other"
    bridge.check_exactly_once(1)
