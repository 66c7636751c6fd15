"""`tailgate work --bridge`: two bridges become one. Both sides are real: gateways, workers, and a program that only
knows the second database."""

import json
import signal
import sqlite3
import subprocess

import pytest

import ledger
from harness import HERE, PYTHON, Lines, tailgate, wait_for

FAST = {"backoff.first": "20ms", "backoff.max": "100ms", "heartbeat.interval": "200ms"}
SECRET = "AKIA" + "A" * 16


class World:
    """Two bridges, a gateway on the first, and a worker that puts its queries into the second."""

    def __init__(self, site, **settings):
        self.site = site
        self.one = site.bridge("one.db")
        self.two = site.bridge("two.db", conversation=False)
        self.gateway = site.serve(self.one, settings={**FAST, **settings})
        self.answerers = []

    def carry(self, *words, source=None, to=None):
        return self.site.program("work", "--db", (source or self.one).path, "--slots", 4, "--log-format", "json",
                                 "--name", "carrier", *words, "--bridge", (to or self.two).path)

    def answer_two(self):
        """A legacy answerer on the second bridge."""
        process = subprocess.Popen([PYTHON, str(HERE / "legacy_answerer.py"), str(self.two.path), "0.05"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answerers.append(process)
        return Lines(process.stdout)

    def questions(self, bridge=None):
        """The rows to session b of the second bridge."""
        with (bridge or self.two).reading() as db:
            return db.execute("SELECT * FROM messages WHERE to_session = 'b' ORDER BY id").fetchall()

    def audits(self, action):
        with self.two.reading() as db:
            return [(row["conversation_id"], row["session_id"], json.loads(row["details"])) for row in
                    db.execute("SELECT * FROM audit_log WHERE action = ? ORDER BY id", (action,))]

    def wait_question(self, count=1):
        return wait_for(lambda: self.questions()[count - 1] if len(self.questions()) >= count else None,
                        f"{count} questions in the second bridge")

    def close(self):
        for process in self.answerers:
            process.stdin.close()
            process.wait()


@pytest.fixture
def world(site):
    made = World(site)
    yield made
    made.close()


def bridged(row):
    return json.loads(row["metadata"])["bridged"]


def bridge_id(bridge):
    with bridge.reading() as db:
        return db.execute("SELECT value FROM tailgate_meta WHERE key = 'bridge'").fetchone()[0]


def test_program_that_knows_only_the_second_bridge_answers_on_the_first(world):
    seen = world.answer_two()
    world.carry()
    asked = world.one.ask("what?", query_id="q_7", context_file="notes.md")
    reply = world.one.reply(asked)
    answer = json.loads(reply["text"])
    assert (answer["answer"], answer["query_id"], answer["sources"]) == ("legacy: what?", "q_7", ["old.md:1"])
    (question,) = world.questions()
    assert seen.wait(str(question["id"]).__eq__, "the row to be taken")
    told = json.loads(question["message"])
    assert (told["question"], told["context_file"]) == ("what?", "notes.md") and "delivery" not in told
    assert bridged(question)["bridge"] == bridge_id(world.one) and bridged(question)["message_id"] == asked
    assert bridged(question)["conversation_id"] == world.one.conversation
    world.one.check_exactly_once(1)


def test_rows_and_audit_of_the_second_bridge_are_those_of_any_writer(world):
    world.answer_two()
    world.carry()
    world.one.reply(world.one.ask_text("plain?"))
    (question,) = world.questions()
    conversation = question["conversation_id"]
    assert question["message"] == "plain?" and json.loads(question["metadata"])["action_type"] == "question"
    assert (question["from_session"], question["to_session"]) == ("a", "b")
    with world.two.reading() as db:
        roles = db.execute("SELECT session_a_role, session_b_role FROM conversations").fetchall()
        replies = db.execute("SELECT * FROM messages WHERE to_session = 'a'").fetchall()
    assert [tuple(row) for row in roles] == [("tailgate", "default")]
    assert [row["read"] for row in replies] == [1], "the reply was fetched"
    assert (conversation, "a", {"to": "b", "message_length": 6, "redacted": False}) in world.audits("send_message")
    assert (conversation, "a", {"count": 1}) in world.audits("get_messages")
    assert world.one.replies()[0]["text"] == "legacy: plain?"


def test_each_conversation_has_one_of_its_own_there(world):
    world.answer_two()
    world.carry()
    other = world.one.converse()
    for conversation in (world.one.conversation, other, world.one.conversation, other):
        world.one.reply(world.one.ask("?", conversation=conversation))
    rows = world.questions()
    assert rows[0]["conversation_id"] == rows[2]["conversation_id"] != rows[1]["conversation_id"]
    assert rows[1]["conversation_id"] == rows[3]["conversation_id"]
    world.one.check_exactly_once(4)


def test_second_gateway_and_its_workers_answer(world):
    world.site.serve(world.two, settings=FAST)
    world.site.program("work", "--db", world.two.path, "--echo", "--name", "parrot", "--service", "law")
    world.carry()
    reply = world.one.reply(world.one.ask("well?", service="law"))
    assert json.loads(reply["text"])["answer"] == "well?"
    for n in range(20):
        world.one.ask(f"{n}?", service="law")
    world.one.wait_replies(21)
    world.one.check_exactly_once(21)
    world.two.check_exactly_once(21)


def test_query_is_not_put_there_twice_when_its_worker_is_killed(world):
    worker = world.carry()
    asked = world.one.ask("once?")
    question = world.wait_question()
    worker.kill()
    again = world.carry()
    ledger.wait_delivery(world.one, asked, attempt=2)
    assert len(world.questions()) == 1
    world.answer_two()
    assert json.loads(world.one.reply(asked)["text"])["answer"] == "legacy: once?"
    assert [row["id"] for row in world.questions()] == [question["id"]]
    again.stop()
    world.one.check_exactly_once(1)


def test_reply_that_came_while_no_worker_was_there_is_taken(world):
    worker = world.carry()
    asked = world.one.ask("early?")
    world.wait_question()
    worker.kill()
    world.answer_two()
    with world.two.reading() as db:
        wait_for(lambda: db.execute("SELECT 1 FROM messages WHERE to_session = 'a'").fetchone(), "the reply there")
    world.carry()
    assert json.loads(world.one.reply(asked)["text"])["answer"] == "legacy: early?"
    assert len(world.questions()) == 1


def test_loop_is_refused_before_a_row_is_made(world):
    world.site.serve(world.two, settings=FAST)
    world.carry()
    world.carry("--name", "back", source=world.two, to=world.one)
    asked = world.one.ask("round?")
    reply = world.one.reply(asked)
    answer = json.loads(reply["text"])
    assert answer["type"] == "error" and "loop" in answer["error"]
    assert len(world.questions()) == 1 and len(world.questions(world.one)) == 1
    assert answer["attempts"] == 1


def test_secrets_do_not_reach_the_second_bridge(world):
    world.answer_two()
    world.carry()
    world.one.reply(world.one.ask(f"my key {SECRET}?"))
    world.one.reply(world.one.ask_text(f"Bearer abc.def {SECRET}"))
    with world.two.reading() as db:
        stored = "".join(str(tuple(row)) for row in db.execute("SELECT * FROM messages"))
    assert SECRET not in stored and "AWS_KEY_REDACTED" in stored and "BEARER_TOKEN_REDACTED" in stored
    assert [details["redacted"] for _, session, details in world.audits("send_message") if session == "a"] == [True, True]


def test_lock_on_the_second_bridge_delays_and_loses_nothing(world):
    world.answer_two()
    world.carry()
    world.one.reply(world.one.ask("before?"))
    db = sqlite3.connect(world.two.path, isolation_level=None, timeout=30)
    db.execute("BEGIN IMMEDIATE")
    asked = [world.one.ask(f"{n}?") for n in range(8)]
    wait_for(lambda: world.gateway.status()["services"] and
             sum(row["in_flight"] for row in world.gateway.status()["services"]) == 4, "four to be in flight")
    assert len(world.questions()) == 1
    db.execute("ROLLBACK")
    db.close()
    for message in asked:
        world.one.reply(message)
    assert ledger.counters(world.gateway)["retried"] == 0
    world.one.check_exactly_once(9)


def test_conversation_that_is_deleted_there_is_asked_in_a_fresh_one(world):
    world.carry()
    asked = world.one.ask("again?")
    first = world.wait_question()["conversation_id"]
    world.two.run("DELETE FROM conversations WHERE id = ?", first)
    world.two.run("DELETE FROM messages WHERE conversation_id = ?", first)
    second = wait_for(lambda: next((row for row in world.questions() if row["conversation_id"] != first), None),
                      "the question in another conversation")
    world.answer_two()
    world.one.reply(asked)
    assert second["conversation_id"] != first and len(world.questions()) == 1
    world.one.check_exactly_once(1)


def test_error_there_is_one_here_and_final_when_the_query_is_dead_there(world):
    world.site.serve(world.two, settings={**FAST, "attempts": 1})
    worker = world.site.mdp(world.two)
    world.carry()
    asked = world.one.ask("no?")
    worker.final(worker.request().token, {"type": "error", "error": "cannot"})
    answer = json.loads(world.one.reply(asked)["text"])
    assert answer["type"] == "error" and "cannot" in answer["error"] and answer["attempts"] == 1


def test_second_bridge_that_is_not_there_yet_is_waited_for(site):
    one = site.bridge("one.db")
    gateway = site.serve(one)
    worker = site.program("work", "--db", one.path, "--log-format", "json", "--bridge", site.folder / "late.db")
    worker.wait_event("adapter")
    assert not gateway.status()["workers"]
    late = site.bridge("late.db", conversation=False)
    worker.wait_event("ready")
    asked = one.ask("?")
    with late.reading() as db:
        wait_for(lambda: db.execute("SELECT 1 FROM messages").fetchone(), "the question there")
    assert one.row(asked)["read"] == 0


def test_query_is_given_back_when_its_worker_stops(world):
    worker = world.carry()
    worker.wait_event("ready")
    asked = world.one.ask("?")
    world.wait_question()
    worker.signal(signal.SIGTERM)
    worker.wait_event("stopping")
    worker.stop()  # a second signal: at once
    assert ledger.counters(world.gateway)["returned"] == 1, "it was given back, which costs nothing"
    world.answer_two()
    world.carry()
    world.one.reply(asked)
    assert len(world.questions()) == 1


@pytest.mark.parametrize("name, content, code, says", [
    ("no/other.db", None, 2, "folder is not there"),
    ("text.db", b"this is no database, but long enough to be looked at" * 30, 1, "not an SQLite database"),
    (".", None, 2, "folder"),
])
def test_what_is_no_bridge_is_refused_with_a_sentence(site, name, content, code, says):
    one = site.bridge("one.db")
    path = site.folder / name
    if content:
        path.write_bytes(content)
    done = tailgate("work", "--db", one.path, "--bridge", path)
    assert done.returncode == code and says in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bridge_itself_and_other_databases_are_refused(site):
    one = site.bridge("one.db")
    link = site.folder / "link.db"
    link.symlink_to(one.path)
    for path in (one.path, link):
        done = tailgate("work", "--db", one.path, "--bridge", path)
        assert done.returncode == 2 and "the bridge itself" in done.stderr, done.stderr
    foreign = sqlite3.connect(site.folder / "foreign.db")
    foreign.execute("CREATE TABLE messages (a)")
    foreign.close()
    done = tailgate("work", "--db", one.path, "--bridge", site.folder / "foreign.db")
    assert done.returncode == 1 and "not a bridge" in done.stderr, done.stderr
