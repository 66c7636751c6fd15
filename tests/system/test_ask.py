"""`tailgate ask`: a question from the command line, with and without a gateway."""

import json

from harness import TAILGATE, finished, tailgate, wait_for
from test_signals import rate

FAST = {"backoff.first": "20ms", "backoff.max": "50ms"}


def ask(bridge, *words, **keywords):
    return tailgate("ask", "--db", bridge.path, *words, **keywords)


def rows_of(bridge):
    with bridge.reading() as db:
        return [dict(row) for row in db.execute("SELECT * FROM messages WHERE from_session = 'a' ORDER BY id")]


def test_answer_and_sources_are_printed_and_exit_is_0(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, answer=lambda query: {"answer": "forty-two", "sources": ["guide.md:1-3"]})
    done = ask(bridge, "What is it?")
    assert done.returncode == 0, done.stderr
    assert "forty-two" in done.stdout and "guide.md:1-3" in done.stdout
    bridge.check_exactly_once(1)


def test_json_prints_the_response_object(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    done = ask(bridge, "--json", "What is it?")
    assert done.returncode == 0, done.stderr
    response = json.loads(done.stdout)
    assert response["type"] == "response"
    assert response["answer"] == "re: What is it?"


def test_question_is_written_as_any_bridge_writer_does(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    assert ask(bridge, "grüße?").returncode == 0
    row, = rows_of(bridge)
    query = json.loads(row["message"])
    assert (query["type"], query["question"]) == ("query", "grüße?")
    assert query["query_id"]
    assert (row["from_session"], row["to_session"]) == ("a", "b")
    with bridge.reading() as db:
        audit = db.execute("SELECT details FROM audit_log WHERE action = 'send_message' AND session_id = 'a'"
                           " AND conversation_id = ?", (row["conversation_id"],)).fetchall()
        conversation = db.execute("SELECT * FROM conversations WHERE id = ?",
                                  (row["conversation_id"],)).fetchone()
    assert len(audit) == 1
    assert json.loads(audit[0][0])["message_length"] == len(row["message"])
    assert conversation is not None, "a conversation is made when none is named"
    assert row["conversation_id"] != bridge.conversation


def test_reply_is_marked_as_fetched(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    assert ask(bridge, "?").returncode == 0
    assert [reply["read"] for reply in bridge.replies()] == [1]


def test_text_form_is_a_plain_text_question_and_answer(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, answer=lambda query: {"answer": "plain answer"})
    done = ask(bridge, "--text", "plain question?")
    assert done.returncode == 0, done.stderr
    assert "plain answer" in done.stdout
    row, = rows_of(bridge)
    assert row["message"] == "plain question?"
    assert json.loads(row["metadata"])["action_type"] in ("question", "query")
    assert bridge.replies()[0]["text"] == "plain answer"


def test_text_form_with_json_prints_an_object(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, answer=lambda query: {"answer": "plain answer"})
    done = ask(bridge, "--text", "--json", "plain question?")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answer"] == "plain answer"


def test_service_and_context_reach_the_worker(site):
    bridge = site.bridge()
    site.serve(bridge)
    answerer = site.answerer(bridge, "law")
    context = site.folder / "notes é.md"
    context.write_text("notes\n")
    done = ask(bridge, "--service", "law", "--context", context, "?")
    assert done.returncode == 0, done.stderr
    query = answerer.queries[0]
    assert query.delivery["service"] == "law"
    assert query.json["context_file"].endswith("notes é.md")


def test_named_conversation_is_used(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    done = ask(bridge, "--conversation", bridge.conversation, "?")
    assert done.returncode == 0, done.stderr
    assert rows_of(bridge)[0]["conversation_id"] == bridge.conversation


def test_conversation_that_is_absent_or_expired_is_refused(site):
    bridge = site.bridge()
    expired = bridge.converse(ttl=-10)
    for name in ("conv_0123456789abcdef", expired):
        done = ask(bridge, "--conversation", name, "?")
        assert done.returncode == 1, (done.returncode, done.stderr)
        assert name in done.stderr
    assert rows_of(bridge) == []


def test_no_answer_in_time_is_exit_3(site):
    bridge = site.bridge()
    done = ask(bridge, "--timeout", "1s", "anybody?")
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert done.stdout == ""
    site.serve(bridge)
    site.answerer(bridge)
    bridge.wait_replies(1)  # the question stays, and is answered all the same
    bridge.check_exactly_once(1)


def test_error_answer_is_exit_4(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    site.answerer(bridge, answer=lambda query: {"type": "error", "error": "out of ink", "retry": False})
    done = ask(bridge, "?")
    assert done.returncode == 4, (done.returncode, done.stderr)
    assert "out of ink" in done.stderr + done.stdout
    done = ask(bridge, "--json", "?")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"] == "out of ink"
    done = ask(bridge, "--text", "?")
    assert done.returncode == 4


def test_asked_before_any_gateway_runs_is_answered_when_one_starts(site):
    bridge = site.bridge()
    process = site.spawn(TAILGATE, "ask", "--db", bridge.path, "early?")
    wait_for(lambda: rows_of(bridge), "the question's row")
    site.serve(bridge)
    site.answerer(bridge)
    assert "re: early?" in finished(process)
    bridge.check_exactly_once(1)


def test_answer_by_the_public_bridge_counts_too(site):
    """No gateway at all: another program answers in the conversation, and ask shows it."""
    bridge = site.bridge()
    process = site.spawn(TAILGATE, "ask", "--db", bridge.path, "--json", "by hand?")
    row = wait_for(lambda: rows_of(bridge), "the question's row")[0]
    query_id = json.loads(row["message"])["query_id"]
    bridge.send(json.dumps({"type": "response", "query_id": "another", "answer": "not this"}),
                session="b", conversation=row["conversation_id"])
    bridge.send(json.dumps({"type": "response", "query_id": query_id, "answer": "written by hand"}),
                session="b", conversation=row["conversation_id"])
    assert json.loads(finished(process))["answer"] == "written by hand"


def test_waiting_ask_does_not_poll(site):
    bridge = site.bridge()
    process = site.spawn(TAILGATE, "ask", "--db", bridge.path, "patience?")
    wait_for(lambda: rows_of(bridge), "the question's row")
    wait_for(lambda: rate(process.pid, 1) < 20, "ask to become quiet", timeout=40)
    measured = rate(process.pid, 4)
    assert measured < 20, f"{measured:.0f} wake-ups a second while it waits"
    site.serve(bridge)
    site.answerer(bridge)
    assert "re: patience?" in finished(process)


def test_many_asks_at_once_each_get_their_own_answer(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, slots=10)
    processes = [site.spawn(TAILGATE, "ask", "--db", bridge.path, "--json", f"number {n}?") for n in range(12)]
    for n, process in enumerate(processes):
        assert json.loads(finished(process))["answer"] == f"re: number {n}?"
    bridge.check_exactly_once(12)


def test_ask_makes_no_database(site):
    done = tailgate("ask", "--db", site.folder / "nowhere.db", "?")
    assert done.returncode != 0
    assert not (site.folder / "nowhere.db").exists()


def test_ask_refuses_what_is_not_a_bridge(site):
    path = site.folder / "notes.txt"
    path.write_text("notes\n" * 1000)
    done = tailgate("ask", "--db", path, "?")
    assert done.returncode == 6, (done.returncode, done.stderr)
    assert path.read_text() == "notes\n" * 1000


def test_interrupted_ask_ends(site):
    bridge = site.bridge()
    process = site.spawn(TAILGATE, "ask", "--db", bridge.path, "?")
    wait_for(lambda: rows_of(bridge), "the question's row")
    process.send_signal(2)
    assert process.wait(30) != 0


def test_conversation_that_ask_makes_is_recorded_as_ours_and_inits_is_not(site):
    bridge = site.bridge(by="tailgate")
    site.serve(bridge)
    site.answerer(bridge)
    assert ask(bridge, "?").returncode == 0
    assert ask(bridge, "--conversation", bridge.conversation, "?").returncode == 0
    with bridge.reading() as db:
        made = [tuple(row) for row in db.execute("SELECT conversation_id, expires_at FROM tailgate_made")]
        wanted = [tuple(row) for row in db.execute("SELECT id, expires_at FROM conversations WHERE id <> ?",
                                                   (bridge.conversation,))]
    assert made == wanted and len(made) == 1
