"""tailgate work --tcp: a program that listens, a connection for each query, or one for all of them."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from gate import descriptors, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, FINAL, HERE, PARTIAL, PYTHON, WAIT, free_port, wait_for

EXAMPLE = HERE.parent.parent / "adapters" / "python" / "examples" / "tcp_answerer.py"
FAST = {"backoff.first": "20ms", "backoff.max": "100ms"}

# Takes 20 ms for each answer and writes down what it was asked, in the order in which it was.
SLOW = """
import json, socketserver, sys, threading, time
lock = threading.Lock()
class Answerer(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        if not line:
            return
        question = json.loads(line)["question"]
        with lock:
            print(question, flush=True)
        time.sleep(0.02)
        self.wfile.write(json.dumps({"answer": "re: " + question}).encode())
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answerer)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


class Listener:
    """The program's side, played by the test: it accepts by hand."""

    def __init__(self, family=socket.AF_INET, address="127.0.0.1", port=0):
        self.socket = socket.socket(family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.settimeout(WAIT)
        self.socket.bind((address, port))
        self.socket.listen()
        self.port = self.socket.getsockname()[1]
        self.open = []

    def accept(self):
        connection, _ = self.socket.accept()
        connection.settimeout(WAIT)
        self.open.append(connection)
        return connection

    def query(self):
        """The next connection that a query comes over: (connection, query)."""
        while True:
            connection = self.accept()
            line = connection.makefile("rb").readline()
            if line:
                return connection, json.loads(line)
            connection.close()

    def close(self):
        for one in [*self.open, self.socket]:
            one.close()


@pytest.fixture
def listener():
    made = Listener()
    try:
        yield made
    finally:
        made.close()


def work(world, listener, *words):
    return world.work("--tcp", f"127.0.0.1:{listener.port}", *words)


def closed(connection):
    """True once the other side has closed CONNECTION, and has sent nothing more."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def text_of(body):
    return json.loads(body)["answer"]


# ── a connection for each query ─────────────────────────────────────────────────────────────────────

def test_query_is_one_line_and_the_answer_one_object_in_whatever_pieces(world, listener):
    work(world, listener)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?\nreally?")
    connection, query = listener.query()
    assert query["question"] == "why?\nreally?" and query["delivery"]["token"] == token.decode()
    answer = json.dumps({"answer": "x" * 3_000_000 + "ü"}, ensure_ascii=False).encode() + b"\n"
    connection.sendall(b"\n " + answer[:7])
    connection.sendall(answer[7:-3])
    connection.sendall(answer[-3:])
    assert text_of(world.gate.answer(token)) == "x" * 3_000_000 + "ü"


def test_answer_without_its_line_feed_counts_when_the_connection_ends(world, listener):
    work(world, listener)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    connection, _ = listener.query()
    connection.sendall(b'{"type":"partial","text":"be"}\n{"answer": "because"}')
    connection.close()
    assert world.gate.expect(PARTIAL)[1][0] == token
    assert text_of(world.gate.answer(token)) == "because"


def test_connection_is_closed_with_the_answer_and_what_follows_is_ignored(world, listener):
    program = work(world, listener)
    peer, _, _ = world.gate.ready()
    for n in range(3):
        token = world.gate.ask(peer, f"{n}?")
        connection, _ = listener.query()
        connection.sendall(b'{"answer": "%d"}\n{"answer": "late"}\n' % n)
        assert text_of(world.gate.answer(token)) == str(n)
        assert closed(connection)
    assert not program.events("unasked")


def test_several_connections_at_once_are_answered_in_any_order_without_tokens(world, listener):
    work(world, listener, "--slots", "3")
    peer, _, _ = world.gate.ready()
    tokens = [world.gate.ask(peer, f"{n}?") for n in range(3)]
    asked = sorted((listener.query() for _ in range(3)), key=lambda pair: pair[1]["question"], reverse=True)
    for connection, query in asked:
        connection.sendall(json.dumps({"answer": query["question"]}).encode() + b"\n")
        token = tokens[int(query["question"][0])]
        assert text_of(world.gate.answer(token)) == query["question"]


@pytest.mark.parametrize("sent, shown", [
    (b"", "closed the connection without an answer"),
    (b'{"answer": "ha', r'without an answer, after "{\"answer\": \"ha"'),
    (b"\x1b[31mred\n", r'no JSON object: "\x1b[31mred"'),
    (b"[1, 2]\n", '"[1, 2]"'),
    (b'{"answer": "a", "delivery": {"token": "7.1.elsewhere"}}\n', "another query's token")])
def test_what_is_no_answer_is_an_error_that_shows_it(world, listener, sent, shown):
    work(world, listener)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    connection, _ = listener.query()
    connection.sendall(sent)
    connection.close()
    error = world.gate.error(token)
    assert shown in error and "\x1b" not in error
    token = world.gate.ask(peer, "and now?")  # the worker never left
    listener.query()[0].sendall(b'{"answer": "now"}\n')
    assert text_of(world.gate.answer(token)) == "now"


def test_endless_line_is_cut_at_the_limit(world, listener):
    work(world, listener)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    connection, _ = listener.query()
    with pytest.raises(OSError):
        while True:
            connection.sendall(b"x" * 1_000_000)
    assert "16777216 bytes" in world.gate.error(token)


def test_program_that_is_not_there_is_waited_for(world):
    port = free_port()
    program = world.work("--tcp", f"localhost:{port}")
    said = program.wait_event("adapter")
    assert said["say"] == f"waiting for localhost:{port}: Connection refused"
    assert world.gate.socket.poll(700) == 0, "it must not register before the program is there"
    listener = Listener(port=port)
    try:
        peer, _, _ = world.gate.ready()
        token = world.gate.ask(peer, "why?")
        listener.query()[0].sendall(b'{"answer": "here"}\n')
        assert text_of(world.gate.answer(token)) == "here"
    finally:
        listener.close()
    assert len(program.events("adapter")) == 1, "it says so once"


def test_program_that_is_down_costs_no_attempt_and_is_waited_for_again(world, listener):
    program = work(world, listener)
    peer, _, _ = world.gate.ready()
    port = listener.port
    listener.accept()  # the look
    listener.close()
    token = world.gate.ask(peer, "why?")
    assert world.gate.returned(token) == f"127.0.0.1:{port}: Connection refused"
    world.gate.expect(DISCONNECT)
    program.wait_event("adapter", say=f"waiting for 127.0.0.1:{port}: Connection refused")
    again = Listener(port=port)
    try:
        peer, _, _ = world.gate.ready()
        token = world.gate.ask(peer, "why?")
        again.query()[0].sendall(b'{"answer": "back"}\n')
        assert text_of(world.gate.answer(token)) == "back"
    finally:
        again.close()


def test_query_in_flight_is_finished_while_another_one_finds_nobody(world, listener):
    work(world, listener, "--slots", "2")
    peer, _, _ = world.gate.ready()
    first = world.gate.ask(peer, "first?")
    connection, _ = listener.query()
    listener.socket.close()
    second = world.gate.ask(peer, "second?")
    assert "refused" in world.gate.returned(second)
    connection.sendall(b'{"answer": "whole"}\n')
    assert text_of(world.gate.answer(first)) == "whole"
    world.gate.expect(DISCONNECT)


def test_killed_program_is_noticed_at_once(world):
    program = subprocess.Popen([PYTHON, "-c", SLOW.replace("time.sleep(0.02)", "time.sleep(3600)")],
                               stdout=subprocess.PIPE, text=True)
    try:
        world.work("--tcp", f"127.0.0.1:{program.stdout.readline().strip()}")
        peer, _, _ = world.gate.ready()
        token = world.gate.ask(peer, "why?")
        assert program.stdout.readline() == "why?\n"
        program.kill()
        since = time.monotonic()
        assert "without an answer" in world.gate.error(token)
        assert time.monotonic() - since < 10
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


def test_time_limit_closes_the_connection_of_that_query_alone(world, listener):
    work(world, listener, "--slots", "2", "--time-limit", "2s")
    peer, _, _ = world.gate.ready()
    late = world.gate.ask(peer, "late?")
    connection, _ = listener.query()
    assert "ran out of time" in world.gate.error(late)
    assert closed(connection)
    token = world.gate.ask(peer, "next?")
    listener.query()[0].sendall(b'{"answer": "next"}\n')
    assert text_of(world.gate.answer(token)) == "next"


def test_ipv6_address_in_brackets(world):
    listener = Listener(socket.AF_INET6, "::1")
    try:
        world.work("--tcp", f"[::1]:{listener.port}")
        peer, _, _ = world.gate.ready()
        token = world.gate.ask(peer, "why?")
        listener.query()[0].sendall(b'{"answer": "six"}\n')
        assert text_of(world.gate.answer(token)) == "six"
    finally:
        listener.close()


def test_stop_waits_for_the_answer_and_leaves_nothing_open(world, listener):
    program = work(world, listener)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    connection, _ = listener.query()
    program.signal(signal.SIGTERM)
    program.wait_event("stopping")
    connection.sendall(b'{"answer": "at last"}\n')
    assert text_of(world.gate.answer(token)) == "at last"
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0


def test_three_thousand_connections_leave_no_descriptor(world):
    server = subprocess.Popen([PYTHON, EXAMPLE, "0"], stdout=subprocess.PIPE, text=True)
    try:
        port = wait_for(lambda: listening_port(server.pid), "the example to listen")
        program = world.work("--tcp", f"127.0.0.1:{port}", "--slots", "4")
        peer, _, _ = world.gate.ready()
        before = descriptors(program.pid)
        asked = 0
        for _ in range(4):
            world.gate.ask(peer, f"{asked}?")
            asked += 1
        for n in range(3000):
            _, (token, _, body) = world.gate.expect(FINAL)
            number = int(token.split(b".")[0]) - 1
            assert text_of(body) == f"You asked: {number}?"
            if asked < 3000:
                world.gate.ask(peer, f"{asked}?")
                asked += 1
        wait_for(lambda: descriptors(program.pid) <= before, f"{before} descriptors")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def listening_port(pid):
    """The port on which PID listens, or None."""
    mine = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in mine:
            return int(words[1].split(":")[1], 16)
    return None


# ── one connection for all ──────────────────────────────────────────────────────────────────────────

def test_kept_connection_carries_all_queries_matched_by_token_or_age(world, listener):
    work(world, listener, "--keep", "--slots", "4")
    peer, _, _ = world.gate.ready()
    connection = listener.accept()
    lines = connection.makefile("rb")
    tokens = [world.gate.ask(peer, f"{n}?") for n in range(4)]
    queries = [json.loads(lines.readline()) for _ in range(4)]
    assert [query["question"] for query in queries] == ["0?", "1?", "2?", "3?"]
    for n in (3, 1):
        connection.sendall(json.dumps({"answer": str(n), "delivery": queries[n]["delivery"]}).encode() + b"\n")
        assert text_of(world.gate.answer(tokens[n])) == str(n)
    for n in (0, 2):
        connection.sendall(b'{"answer": "%d"}\n' % n)
        assert text_of(world.gate.answer(tokens[n])) == str(n)


def test_end_of_the_kept_connection_fails_what_is_in_flight_and_another_is_made(world, listener):
    work(world, listener, "--keep", "--slots", "2")
    peer, _, _ = world.gate.ready()
    connection = listener.accept()
    tokens = {world.gate.ask(peer, "1?"), world.gate.ask(peer, "2?")}
    lines = connection.makefile("rb")
    for _ in range(2):
        lines.readline()
    connection.sendall(b'{"answer": "ha')
    connection.shutdown(socket.SHUT_RDWR)
    for _ in range(2):
        _, (token, _, body) = world.gate.expect(FINAL)
        assert r'closed the connection, after "{\"answer\": \"ha"' in json.loads(body)["error"]
        tokens.discard(token)
    assert not tokens
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    connection = listener.accept()
    token = world.gate.ask(peer, "again?")
    connection.makefile("rb").readline()
    connection.sendall(b'{"answer": "again"}\n')
    assert text_of(world.gate.answer(token)) == "again"


def test_query_out_of_time_ends_the_kept_connection(world, listener):
    work(world, listener, "--keep", "--time-limit", "1s")
    peer, _, _ = world.gate.ready()
    connection = listener.accept()
    token = world.gate.ask(peer, "late?")
    assert "ran out of time" in world.gate.error(token)
    connection.makefile("rb").readline()
    assert closed(connection)
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    connection = listener.accept()
    token = world.gate.ask(peer, "next?")
    connection.makefile("rb").readline()
    connection.sendall(b'{"answer": "next"}\n')
    assert text_of(world.gate.answer(token)) == "next"


def test_program_that_answers_without_reading_is_left_before_it_fills_the_memory(world, listener):
    program = work(world, listener, "--keep")
    peer, _, _ = world.gate.ready()
    connection = listener.accept()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    error = None
    for _ in range(40):
        token = world.gate.ask(peer, "x" * 4_000_000)
        program.wait_event("query", id=world.gate.asked)
        connection.sendall(b'{"answer": "did not look"}\n')
        value = json.loads(world.gate.answer(token))
        error = value.get("error")
        if error:
            break
    assert "does not read" in error
    assert program.running()


# ── with a gateway ──────────────────────────────────────────────────────────────────────────────────

def test_thirty_queries_at_ten_milliseconds_reach_a_slower_program_in_order(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    server = site.spawn(PYTHON, "-c", SLOW)
    port = server.stdout.readline().strip()
    site.program("work", "--db", bridge.path, "--log-format", "json", "--tcp", f"127.0.0.1:{port}").wait_event("ready")
    ids = []
    for n in range(30):
        ids.append(bridge.ask(f"question {n}"))
        time.sleep(0.01)
    assert [server.stdout.readline().strip() for _ in range(30)] == [f"question {n}" for n in range(30)]
    for n, message_id in enumerate(ids):
        assert text_of(bridge.reply(message_id)["text"]) == f"re: question {n}"
    bridge.check_exactly_once(30)


# ── the command line ────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("words", [
    ["localhost"], ["localhost:"], [":9999"], ["localhost:0"], ["localhost:65536"], ["localhost:09"], ["::1:9999"],
    ["[localhost]:9999"], ["[::1]"], ["a b:9999"], ["tcp://localhost:9999"], [""], ["localhost:1", "--", "cat"],
    ["localhost:1", "--echo"]])
def test_mistake_is_one_clear_line_and_exit_2(world, words):
    program = world.work("--tcp", *words)
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    assert "--tcp" in line


def test_keep_goes_with_tcp_only(world):
    program = world.work("--echo", "--keep")
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    assert re.search("--keep goes with --tcp only", line)
