"""Rows that no well-behaved writer would write: none stops the tail, each is counted as what it is."""

import json

import pytest

import writer
from harness import find_member

# What is in the message column, as an SQL expression with one value, and the name it is counted under.
BAD_MESSAGES = [
    ("broken-json", "?", '{"type": "query", "question": "?"'),
    ("broken-json", "?", '{"type": "query", "question": "?"} trailing'),
    ("broken-json", "?", '{"type": "query", "question": ' + "[" * 10_000),
    ("empty", "?", ""),
    ("empty", "?", " \n\t "),
    ("not-utf8", "CAST(? AS TEXT)", b'{"type": "query", "question": "\xff\xfe"}'),
    ("not-utf8", "CAST(? AS TEXT)", b"\xc3\x28"),
    ("not-text", "?", b'{"type": "query", "query_id": "q", "question": "?"}'),
    ("not-text", "?", b""),
    ("not-text", "?", b"\x00\x01\x02"),
]


def put(bridge, expression, value, metadata=None, metadata_expression="?"):
    """A row with MESSAGE as EXPRESSION of VALUE."""
    return bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
                      f" timestamp) VALUES (?, 'a', 'b', {expression}, {metadata_expression}, ?)",
                      bridge.conversation, value, metadata, writer.now())


@pytest.mark.parametrize("kind, expression, value", BAD_MESSAGES)
def test_bad_message_does_not_stop_the_tail_and_is_counted(site, kind, expression, value):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    answerer = site.answerer(bridge)
    bad = put(bridge, expression, value)
    message = bridge.ask("after it?")
    bridge.reply(message)
    assert [query.id for query in answerer.queries] == [message]
    status = gateway.status()
    assert find_member(status, kind) == 1 or find_member(status, kind.replace("-", "_")) == 1, status
    gateway.wait_line(rf'"id":\s*{bad}\b.*{kind}|{kind}.*"id":\s*{bad}\b')
    bridge.check_exactly_once(1)


def test_all_bad_messages_before_the_start_do_not_stop_it(site):
    bridge = site.bridge()
    for _, expression, value in BAD_MESSAGES:
        put(bridge, expression, value)
    message = bridge.ask("after them?")
    gateway = site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(message)
    assert gateway.running()


@pytest.mark.parametrize("metadata, expression", [
    (None, "?"), ("", "?"), ("null", "?"), ("[]", "?"), ('"text"', "?"), ("17", "?"), ("{", "?"),
    ("not JSON", "?"), (b'{"service": "law"}', "?"), (b"\xff\xfe", "?"), (b"\xff{}", "CAST(? AS TEXT)"),
    (3.5, "?"), ("{" + '"a":{' * 500, "?"),
])
def test_query_with_odd_metadata_is_served_all_the_same(site, metadata, expression):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    answerer = site.answerer(bridge)
    message = put(bridge, "?", writer.query("?", "q"), metadata, expression)
    assert json.loads(bridge.reply(message)["text"])["query_id"] == "q"
    assert answerer.queries[0].delivery["service"] == "default"
    if metadata not in (None, ""):
        status = gateway.status()
        odd = find_member(status, "metadata_odd")
        assert (find_member(status, "odd_metadata") if odd is None else odd) == 1, status


def test_question_of_50000_characters_is_served_whole(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    text = ("é" * 50_000)[:50_000]
    message = bridge.ask_text(text)
    query = worker.request()
    assert query.json["question"] == text
    worker.final(query.token, "long")
    assert bridge.reply(message)["text"] == "long"
    message = bridge.ask(text)
    query = worker.request()
    assert query.json["question"] == text
    worker.final(query.token, "long")
    bridge.reply(message)
    bridge.check_exactly_once(2)


def test_row_larger_than_a_frame_does_not_stop_the_tail(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    bridge.send("prose " * 4_000_000)
    bridge.ask("x" * 20_000_000)
    marker = bridge.ask("after it?")
    bridge.reply(marker)


@pytest.mark.parametrize("question", [
    "control \x01\x02\x1b[31m characters", "newline\nand \r\n more", "quote \" backslash \\ slash /",
    "line separators \u2028\u2029 and bidi \u202e", "\U0001f600 \ufffd \ufeff", "'; DROP TABLE messages; --",
    '{"an": "object in plain text"}', "{not JSON at all", "[1, 2", '"',
])
def test_plain_text_question_reaches_the_worker_character_for_character(site, question):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask_text(question)
    query = worker.request()
    assert query.json["question"] == question
    assert b"\n" not in query.body
    worker.final(query.token, {"answer": question})
    assert bridge.reply(message)["text"] == question
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("column, value", [
    ("timestamp", "yesterday"), ("timestamp", b"\xff"), ("timestamp", ""), ("from_session", "an observer ü"),
    ("from_session", ""), ("from_session", b"\xff\xfe"), ("conversation_id", b"\xff\xfe"),
    ("conversation_id", ""), ("conversation_id", "c" * 5000), ("to_session", b"b"), ("read", None),
    ("read", "x"), ("read", 7), ("read", b"\xff"),
])
def test_odd_columns_do_not_stop_the_tail(site, column, value):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge)
    row = {"conversation_id": bridge.conversation, "from_session": "a", "to_session": "b",
           "message": writer.query("?", "q"), "timestamp": writer.now(), "read": 0}
    row[column] = value
    bridge.run(f"INSERT INTO messages ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
               *row.values())
    marker = bridge.ask("after it?")
    bridge.reply(marker)
    assert gateway.running()


def test_log_line_cannot_be_forged_by_a_row(site):
    bridge = site.bridge(roles=("asker", 'x"\n{"event":"forged"}\u2028\u202e'))
    gateway = site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    bridge.reply(bridge.ask("?", service='y\\"}\x1b[2J'))
    gateway.stop()
    lines = gateway.stderr.lines
    for line in lines:
        entry = json.loads(line)
        assert entry["event"] != "forged"
    assert not any(character in line for line in lines for character in "\x1b\u2028\u202e")
