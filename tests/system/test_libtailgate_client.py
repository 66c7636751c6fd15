"""Clients that are built on libtailgate, and `tailgate ask --gate`. The gate is a raw ROUTER socket with frames
written from RFC 18."""

import json
import os
import pty
import subprocess

import pytest
import zmq

from harness import TAILGATE, WAIT, Lines, Program, environment, one_line, tailgate
from library import library  # noqa: F401  (a fixture)
from test_libtailgate import EXAMPLES

MDP = b"MDPC02"
REQUEST, PART, FINAL = b"\x01", b"\x02", b"\x03"


class ClientGate:
    """The broker's side of a client's wire."""

    def __init__(self, site):
        self.context = site.context
        self.endpoint = f"ipc://{site.folder}/gate"
        self.socket = None
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 1000
        self.socket.bind(self.endpoint)

    def close(self):
        self.socket.close()

    def request(self, timeout=WAIT):
        """The next request: (peer, service, body frames)."""
        assert self.socket.poll(timeout * 1000), "no request came"
        peer, header, command, service, *body = self.socket.recv_multipart()
        assert (header, command) == (MDP, REQUEST)
        return peer, service, body

    def silent(self, seconds):
        return not self.socket.poll(seconds * 1000)

    def send(self, peer, command, service, *body):
        self.socket.send_multipart([peer, MDP, command, service, *body])


@pytest.fixture
def gate(site):
    made = ClientGate(site)
    yield made
    made.close()


def hexes(*frames):
    return " ".join(frame.hex() or "-" for frame in frames)


class Client:
    """library/client.c as a process."""

    def __init__(self, library, endpoint):
        self.program = library.run("client", endpoint, stdout=subprocess.PIPE, pipe=True)
        self.lines = Lines(self.program.process.stdout)

    def say(self, *words):
        self.program.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.program.process.stdin.flush()

    def send(self, name, *frames, service="law", timeout=-1):
        self.say("send", name, service, timeout, hexes(*frames))

    def wait(self, start, since=0):
        return self.lines.wait(lambda line: line.startswith(start), f"the line {start!r}", since=since)

    def end(self):
        self.program.process.stdin.close()
        assert self.program.wait() == 0


@pytest.fixture
def client(library, site, gate):
    made = Client(library, gate.endpoint)
    yield made
    if not made.program.ended:
        made.end()


BYTES = bytes(range(256))


def test_frames_go_out_and_come_back_byte_for_byte(gate, client):
    client.send("a", b"", BYTES, b"text")
    peer, service, body = gate.request()
    assert (service, body) == (b"law", [b"", BYTES, b"text"])
    gate.send(peer, FINAL, b"law", BYTES[::-1], b"", b"\0")
    assert client.wait("reply a") == "reply a " + hexes(BYTES[::-1], b"", b"\0")


def test_requests_of_one_connection_are_answered_in_their_order(gate, client):
    for name in "abc":
        client.send(name, name.encode(), service="s" + name)
    peers = {gate.request()[0] for _ in "abc"}
    assert len(peers) == 1
    peer = peers.pop()
    gate.send(peer, PART, b"sa", b"a1")
    for name in (b"a", b"b", b"c"):
        gate.send(peer, FINAL, b"s" + name, b"re " + name)
    client.wait("reply c")
    told = [line for line in client.lines.lines if line.split()[0] in ("part", "reply")]
    assert told == [f"part a {hexes(b'a1')}"] + [f"reply {n} {hexes(b're ' + n.encode())}" for n in "abc"]


def test_gateway_that_comes_back_is_asked_again_what_has_no_answer(gate, client):
    client.send("a", b"first")
    client.send("b", BYTES, b"second")
    peer, _, _ = gate.request()
    second = gate.request()
    gate.send(peer, FINAL, b"law", b"one")
    client.wait("reply a")
    gate.close()
    client.wait("lost")
    gate.open()
    again = gate.request()
    assert again[1:] == second[1:] and again[0] != peer
    gate.send(again[0], FINAL, b"law", b"two")
    assert client.wait("reply b") == f"reply b {hexes(b'two')}"


def test_cancelled_requests_place_is_kept_for_its_reply(gate, client):
    client.send("a", b"first")
    client.send("b", b"second")
    peer, _, _ = gate.request()
    gate.request()
    client.say("cancel", "a")
    client.say("ask", "law", 1)  # a body of no frames: the refusal shows that it has come so far
    client.wait("asked -2")
    gate.send(peer, FINAL, b"law", b"one")
    gate.send(peer, FINAL, b"law", b"two")
    assert client.wait("reply b") == f"reply b {hexes(b'two')}"
    assert "reply a" not in client.lines.text()


def test_last_request_cancelled_closes_the_connection(gate, client):
    client.send("a", b"first")
    peer, _, _ = gate.request()
    client.say("cancel", "a")
    client.send("b", b"second")
    fresh, _, body = gate.request()
    if fresh == peer:  # the second was sent before the first was let go
        pytest.fail("the connection on which nobody waited was used again")
    gate.send(fresh, FINAL, b"law", b"two")
    assert client.wait("reply b") == f"reply b {hexes(b'two')}"


def test_request_expires_and_its_late_reply_is_nobodys(gate, client):
    client.send("a", b"first", timeout=200)
    client.send("b", b"second")
    peer, _, _ = gate.request()
    gate.request()
    client.wait("expired a")
    gate.send(peer, FINAL, b"law", b"late")
    gate.send(peer, FINAL, b"law", b"two")
    assert client.wait("reply b") == f"reply b {hexes(b'two')}"


def test_reply_out_of_order_is_not_given_to_the_wrong_request(gate, client):
    client.send("a", b"first", service="one")
    peer, _, _ = gate.request()
    gate.send(peer, FINAL, b"two", b"for somebody else")
    client.wait("odd")
    fresh, service, body = gate.request()
    assert fresh != peer and (service, body) == (b"one", [b"first"])
    gate.send(fresh, FINAL, b"one", b"mine")
    assert client.wait("reply a") == f"reply a {hexes(b'mine')}"


def test_frames_that_are_not_mdp_are_told_and_change_nothing(gate, client):
    client.send("a", b"first")
    peer, _, _ = gate.request()
    for frames in ([b""], [MDP], [MDP, b"\x09", b"law", b"x"], [MDP, FINAL, b"law"], [MDP, REQUEST, b"law", b"x"],
                   [b"x"] * 70):
        gate.socket.send_multipart([peer, *frames])
    gate.send(peer, FINAL, b"law", b"mine")
    client.wait("reply a")
    assert client.lines.text().count("odd") == 6


def test_call_waits_for_its_answer_and_sees_the_parts(gate, client):
    client.say("ask", "law", 60000, hexes(b"q"))
    peer, _, _ = gate.request()
    gate.send(peer, PART, b"law", b"p")
    gate.send(peer, FINAL, b"law", b"f")
    assert client.wait("asked") == f"asked 0 {hexes(b'f')}"
    assert f"part call {hexes(b'p')}" in client.lines.lines


def test_call_says_why_there_is_no_answer(gate, client):
    client.wait("ready")
    client.say("ask", "law", 100, hexes(b"q"))
    assert client.wait("asked").split()[1] == "-1"
    gate.close()
    client.wait("absent")
    since = len(client.lines.lines)
    client.say("ask", "law", 100, hexes(b"q"))
    assert client.wait("asked", since=since).split()[1] == "-6"
    gate.open()


def test_arguments_out_of_range_are_refused(client):
    for words in (["s" * 101, 1, "00"], ["law", 1], ["law", 1, *["00"] * 57]):
        since = len(client.lines.lines)
        client.say("ask", *words)
        assert client.wait("asked", since=since) == "asked -2"


def test_who_does_not_let_us_in_is_told_as_such(library, site):
    with site.context.socket(zmq.ROUTER) as stranger:
        stranger.curve_server = True  # it wants a key of us
        stranger.curve_publickey, stranger.curve_secretkey = zmq.curve_keypair()
        stranger.bind(f"ipc://{site.folder}/other")
        client = Client(library, f"ipc://{site.folder}/other")
        client.wait("refused")
        client.end()


def test_example_client_prints_parts_with_their_times_and_the_answer(site, library, gate):
    program = library.build(EXAMPLES / "streaming_client.c")
    process = Program([program, gate.endpoint, "law", "why?"], env=library.environment(), stdout=subprocess.PIPE)
    lines = Lines(process.process.stdout)
    peer, service, body = gate.request()
    assert (service, body) == (b"law", [b"why?"])
    gate.send(peer, PART, b"law", b"be")
    lines.wait(lambda line: line.endswith("s  be"), "the part, while the answer is not there")
    gate.send(peer, FINAL, b"law", b"because")
    assert process.wait() == 0
    assert lines.lines[-1].endswith("s  answer: because")


# ── tailgate ask --gate ─────────────────────────────────────────────────────────────────────────────

def ask(gate, *words):
    return Program([TAILGATE, "ask", "--gate", gate.endpoint, *words], stdout=subprocess.PIPE)


def output(program):
    lines = Lines(program.process.stdout)
    code = program.wait()
    lines.thread.join(WAIT)
    return code, "\n".join(lines.lines)


def test_ask_sends_a_json_query_and_prints_answer_and_sources(gate):
    program = ask(gate, "--service", "law", "--context", "notes.md", "--conversation", "conv_1", "--token", "secret",
                  "grüße?")
    peer, service, (body,) = gate.request()
    query = json.loads(body)
    assert service == b"law"
    assert query.pop("query_id").startswith("q_")
    assert query == {"type": "query", "question": "grüße?", "context_file": "notes.md", "service": "law",
                     "conversation_id": "conv_1", "session_token": "secret"}
    gate.send(peer, PART, b"law", b"not ")  # nobody looks: it is not shown
    response = {"type": "response", "answer": "not here", "sources": ["a.md:1-2"]}
    gate.send(peer, FINAL, b"law", json.dumps(response).encode())
    assert output(program) == (0, "not here\n\nSources:\n  a.md:1-2")


def test_ask_text_sends_the_question_as_it_is(gate):
    program = ask(gate, "--text", "grüße?")
    peer, service, body = gate.request()
    assert (service, body) == (b"default", ["grüße?".encode()])
    gate.send(peer, FINAL, service, b"plain")
    assert output(program) == (0, "plain")


def test_ask_json_prints_the_response_object(gate):
    program = ask(gate, "--json", "?")
    peer, service, _ = gate.request()
    gate.send(peer, FINAL, service, b'{"type":"response","answer":"a"}')
    code, text = output(program)
    assert (code, json.loads(text)) == (0, {"type": "response", "answer": "a"})


def test_ask_error_is_exit_4(gate):
    program = ask(gate, "?")
    peer, service, _ = gate.request()
    gate.send(peer, FINAL, service, b'{"type":"error","error":"out of ink"}')
    assert output(program) == (4, "")
    assert "out of ink" in program.stderr.text()


def test_ask_without_an_answer_in_time_is_exit_3(gate):
    program = ask(gate, "--timeout", "300ms", "?")
    gate.request()
    assert output(program) == (3, "")


def test_ask_survives_a_restart_of_the_gateway(gate):
    program = ask(gate, "?")
    first = gate.request()
    gate.close()
    gate.open()
    peer, service, body = gate.request()
    assert body == first[2]
    gate.send(peer, FINAL, service, b'{"type":"response","answer":"after all"}')
    assert output(program) == (0, "after all")


def test_ask_where_nobody_listens_says_what_to_do(site):
    done = tailgate("ask", "--gate", f"ipc://{site.folder}/nobody", "?")
    assert done.returncode == 1
    assert "tailgate serve" in one_line(done)


def test_ask_where_nobody_lets_it_in_says_so(site):
    with site.context.socket(zmq.ROUTER) as stranger:
        stranger.curve_server = True
        stranger.curve_publickey, stranger.curve_secretkey = zmq.curve_keypair()
        stranger.bind(f"ipc://{site.folder}/other")
        done = tailgate("ask", "--gate", f"ipc://{site.folder}/other", "?")
    assert done.returncode == 1
    assert "a key (CURVE)" in one_line(done)


def test_ask_where_the_door_is_shut_at_once_says_so(site):
    with site.context.socket(zmq.PUB) as stranger:  # no socket for a client: it closes every connection
        stranger.bind(f"ipc://{site.folder}/other")
        done = tailgate("ask", "--gate", f"ipc://{site.folder}/other", "?")
    assert done.returncode == 1
    assert "is no gateway, or lets nobody in" in one_line(done)


@pytest.mark.parametrize("words", [
    ["--db", "x", "--gate", "ipc:///x"], [], ["--gate", "inproc://x"], ["--db", "x", "--token", "t"],
    ["--gate", "ipc:///x", "--token", "t"], ["--gate", "ipc:///x", "--text", "--conversation", "c"],
    ["--gate", "ipc:///x", "--service", "s" * 101]])
def test_ask_words_that_do_not_go_together_are_exit_2(words):
    done = tailgate("ask", *words, "?")
    assert done.returncode == 2, done.stderr
    one_line(done)


def on_terminal(gate, *words):
    """`tailgate ask` with a terminal as its stdout; returns the process and the terminal's other end."""
    master, slave = pty.openpty()
    process = subprocess.Popen([TAILGATE, "ask", "--gate", gate.endpoint, *words], stdin=subprocess.DEVNULL,
                               stdout=slave, stderr=subprocess.DEVNULL, env=environment())
    os.close(slave)
    return process, os.fdopen(master, "rb", buffering=0)


def shown(process, terminal):
    assert process.wait(WAIT) == 0
    text = b""
    try:
        while piece := terminal.read(4096):
            text += piece
    except OSError:  # the terminal's end
        pass
    terminal.close()
    return text


def test_ask_on_a_terminal_shows_the_parts_live_and_the_answer_once(gate):
    process, terminal = on_terminal(gate, "?")
    peer, service, _ = gate.request()
    gate.send(peer, PART, service, b"one \x1b[31m")
    assert terminal.read(4096) == b"one \\x1b[31m"
    gate.send(peer, PART, service, b"two ")
    gate.send(peer, FINAL, service, json.dumps({"type": "response", "answer": "one \x1b[31mtwo three"}).encode())
    assert shown(process, terminal).replace(b"\r\n", b"\n") == b"two three\n"


def test_ask_on_a_terminal_shows_an_answer_that_its_parts_do_not_begin(gate):
    process, terminal = on_terminal(gate, "?")
    peer, service, _ = gate.request()
    gate.send(peer, PART, service, b"draft")
    gate.send(peer, FINAL, service, b'{"type":"response","answer":"final"}')
    assert shown(process, terminal).replace(b"\r\n", b"\n") == b"draft\nfinal\n"
