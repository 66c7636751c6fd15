"""tailgate work --http: a query is posted to a real HTTP server, plainly or as a chat."""

import json
import socket
import subprocess
import time

import pytest

from chat_server import ChatServer
from gate import descriptors, world  # noqa: F401  (world is a fixture)
from harness import (DISCONNECT, FINAL, HERE, PARTIAL, PYTHON, REQUEST, TAILGATE_WORK, Program, environment,
                     wait_for)

KEY = "sk-not/for-logs\\4711"


@pytest.fixture
def server():
    made = ChatServer()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def key_file(site):
    path = site.folder / "key"
    path.write_text(KEY + "\nsecond line\n")
    path.chmod(0o600)
    return path


def chat(world, server, *words):
    """A worker that chats; returns (program, peer)."""
    program = world.work("--http", server.base + "/v1", "--model", "tiny", *words)
    return program, world.gate.ready()[0]


def plain(world, server, *words):
    program = world.work("--http", server.base + "/answer", *words)
    return program, world.gate.ready()[0]


def until_final(world, token):
    """The parts of an answer, and the answer."""
    parts = []
    while True:
        _, command, rest = world.gate.hear()
        if command == PARTIAL:
            assert rest[0] == token
            parts.append(rest[2].decode())
        elif command == FINAL:
            assert rest[0] == token
            return parts, json.loads(rest[2])


def ask(world, peer, question):
    return until_final(world, world.gate.ask(peer, question))


def post_members(world, peer, **members):
    """Asks a query made of MEMBERS; returns the answer's body."""
    world.gate.send(peer, REQUEST, b"t1", b"", json.dumps(members).encode())
    return until_final(world, b"t1")[1]


# ── a chat ──────────────────────────────────────────────────────────────────────────────────────────


def test_pieces_of_the_stream_are_parts_and_the_answer_is_the_whole(world, server):
    _, peer = chat(world, server)
    parts, answer = ask(world, peer, "what is grün?")
    assert parts == ["You", " asked:", " what", " is", " grün?"]
    assert answer == {"answer": "You asked: what is grün?",
                      "usage": {"model": "tiny", "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}
    head, body, path = server.asked[-1]
    assert path == "/v1/chat/completions"
    assert body == {"model": "tiny", "messages": [{"role": "user", "content": "what is grün?"}], "stream": True,
                    "stream_options": {"include_usage": True}}
    assert head["Content-Type"] == "application/json" and head["User-Agent"].startswith("tailgate/")
    assert "Authorization" not in head and "Cookie" not in head


def test_parts_arrive_while_the_server_still_works(world, server):
    _, peer = chat(world, server)
    token = world.gate.ask(peer, "fault hold")
    _, (got, _, part) = world.gate.expect(PARTIAL)
    assert (got, part) == (token, b"begun")
    server.go.set()
    assert until_final(world, token)[1]["answer"] == "begun done"


def test_answer_may_be_asked_for_whole(world, server):
    _, peer = chat(world, server, "--whole")
    parts, answer = ask(world, peer, "what?")
    assert parts == []
    assert answer["answer"] == "You asked: what?" and answer["usage"]["total_tokens"] == 4
    assert "stream" not in server.asked[-1][1]


def test_completion_instead_of_a_stream_is_an_answer(world, server):
    _, peer = chat(world, server)
    assert ask(world, peer, "fault plain_completion")[1]["answer"] == "at once"


def test_stream_is_framed_as_the_standard_allows(world, server):
    _, peer = chat(world, server)
    parts, answer = ask(world, peer, "fault odd_lines")
    assert parts == ["grüße", " there"] and answer["answer"] == "grüße there"


def test_finish_reason_that_is_not_stop_is_told(world, server):
    _, peer = chat(world, server)
    for reason in ("length", "content_filter"):
        answer = ask(world, peer, f"fault finish {reason}")[1]
        assert answer["answer"] == "as far" and answer["usage"]["finish_reason"] == reason
    assert ask(world, peer, "fault no_done")[1] == {"answer": "all of it", "usage": {"model": "tiny"}}


def test_system_prompt_and_context_file_come_before_the_question(world, server, site):
    (site.folder / "system.txt").write_text("You are terse. ä")
    root = site.folder / "contexts"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "notes.md").write_bytes(b"# Notes \xff")
    (root / "large.md").write_bytes(b"x" * (256 * 1024 + 1))
    (root / "link.md").symlink_to(site.folder / "system.txt")
    _, peer = chat(world, server, "--system", site.folder / "system.txt", "--contexts", root)
    assert "answer" in post_members(world, peer, question="what?", context_file="deep/notes.md")
    assert server.asked[-1][1]["messages"] == [{"role": "system", "content": "You are terse. ä"},
                                               {"role": "user", "content": "# Notes \ufffd\n\nwhat?"}]
    told = set()
    for name in ("../system.txt", "../absent.txt", str(site.folder / "system.txt"), "link.md", "absent.md", "deep",
                 "deep/../../key", ""):
        answer = post_members(world, peer, question="what?", context_file=name)
        assert (answer["type"], answer["retry"]) == ("error", False)
        told.add(answer["error"].replace(f'"{name}"', "NAME").replace("nothing", "NAME"))
    assert told == {"context file NAME is no file that can be read from the folder of context files"}
    answer = post_members(world, peer, question="what?", context_file="large.md")
    assert "larger than 256 KiB" in answer["error"] and answer["retry"] is False
    assert post_members(world, peer, question="what?", context_file=7)["retry"] is False
    assert len(server.asked) == 1


def test_context_file_is_ignored_without_a_folder(world, server):
    _, peer = chat(world, server)
    assert "answer" in post_members(world, peer, question="what?", context_file="/etc/passwd")
    assert server.asked[-1][1]["messages"][-1]["content"] == "what?"


def test_query_without_a_question_is_refused_for_good(world, server):
    _, peer = chat(world, server)
    answer = post_members(world, peer, type="query")
    assert "no question" in answer["error"] and answer["retry"] is False and server.asked == []


def test_bridge_is_answered_through_a_real_gateway(site, server):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.program("work", "--db", bridge.path, "--http", server.base + "/v1", "--model", "tiny", "--slots", "2")
    reply = bridge.reply(bridge.ask("Polly?"))
    assert json.loads(reply["text"])["answer"] == "You asked: Polly?"
    assert bridge.reply(bridge.ask_text("In plain text?"))["text"] == "You asked: In plain text?"
    worker.stop()
    bridge.check_exactly_once(2)


# ── plain JSON ──────────────────────────────────────────────────────────────────────────────────────

def test_query_is_posted_as_it_is_and_the_json_object_is_the_answer(world, server):
    _, peer = plain(world, server)
    _, answer = ask(world, peer, "why?")
    query = answer["query"]
    assert answer["answer"] == "You asked: why?" and query["type"] == "query"
    assert query["delivery"]["message_id"] == 1 and server.asked[-1][2] == "/answer"
    assert ask(world, peer, "fault problem")[1] == {"type": "error", "error": "model not loaded", "retry": False}


def test_plain_text_is_an_answer_in_repaired_utf8(world, server):
    _, peer = plain(world, server)
    assert world.gate.answer(world.gate.ask(peer, "fault text in words")).decode() == "in words \ufffd"


def test_large_query_and_answer_pass(world, server):
    _, peer = plain(world, server)
    assert len(ask(world, peer, "fault large 8000000")[1]["answer"]) == 8_000_000
    assert len(ask(world, peer, "x" * (3 << 20))[1]["answer"]) == (3 << 20) + len("You asked: ")


@pytest.mark.parametrize("fault,shown", [
    ("html", "neither application/json nor text/plain: \"<html>\\x1b[31m not"),
    ("array", "no JSON object: \"[\\\"no\\\", \\\"object\\\"]\""), ("empty", "nothing")])
def test_body_that_is_no_answer_is_shown_safely(world, server, fault, shown):
    _, peer = plain(world, server)
    assert shown in world.gate.error(world.gate.ask(peer, f"fault {fault}"))


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("fault,shown", [
    ("garbage", "no completion: \"\\x1b[31mno JSON\""), ("cut", "the connection failed"),
    ("early_end", "cut short after: \"half an\""), ("stream_error", "the GPU is on fire"),
    ("html", "no completion: \"<html>\\x1b[31m"), ("huge", "too large"), ("huge_text", "too large"),
    ("huge_whole", "too large"), ("status 500 out of memory", "answered 500: out of memory"),
    ("html 502", "answered 502: \"<html>\\x1b[31m"), ("status 408", "answered 408")])
def test_failure_that_may_pass_costs_one_attempt_and_says_why(world, server, fault, shown):
    program, peer = chat(world, server)
    token = world.gate.ask(peer, f"fault {fault}")
    _, answer = until_final(world, token)
    assert shown in answer["error"] and answer["retry"] is True and "\x1b" not in answer["error"]
    assert ask(world, peer, "next?")[1]["answer"] == "You asked: next?"
    assert "\x1b" not in program.stderr.text()


@pytest.mark.parametrize("fault,shown", [
    ("status 400 context too long", "answered 400: context too long"), ("status 404", "answered 404: no reason"),
    ("redirect", "answered 307, which is not followed, to: \"elsewhere.example\"")])
def test_failure_that_stays_is_final(world, server, fault, shown):
    _, peer = chat(world, server)
    answer = ask(world, peer, f"fault {fault}")[1]
    assert answer["error"].endswith(shown) and answer["retry"] is False


@pytest.mark.parametrize("fault,least", [("rate 2", 1.5), ("rate_date 3", 1.0)])
def test_retry_after_makes_the_worker_leave_and_come_back(world, server, fault, least):
    program, peer = chat(world, server)
    before = time.monotonic()
    answer = ask(world, peer, f"fault {fault}")[1]
    assert answer["retry"] is True and ("too many" in answer["error"] or "overloaded" in answer["error"])
    world.gate.expect(DISCONNECT)
    peer = world.gate.ready()[0]
    assert time.monotonic() - before > least
    assert ask(world, peer, f"fault {fault}")[1]["answer"] == "rested"
    assert program.running()


def test_query_out_of_time_is_let_go_alone(world, server):
    _, peer = chat(world, server, "--time-limit", "1s", "--slots", "2")
    token = world.gate.ask(peer, "fault hold")
    assert "ran out of time" in until_final(world, token)[1]["error"]
    wait_for(lambda: len(server.asked) == 1, "the request")
    assert ask(world, peer, "next?")[1]["answer"] == "You asked: next?"


def test_server_that_ends_in_the_middle_is_reported_at_once(world, server):
    _, peer = chat(world, server)
    token = world.gate.ask(peer, "fault hold")
    world.gate.expect(PARTIAL)
    for link in list(server.links):
        link.shutdown(socket.SHUT_RDWR)
    assert "connection failed" in until_final(world, token)[1]["error"]


def test_query_goes_back_when_nobody_is_there_and_the_worker_waits_for_the_server(world, server):
    program, peer = chat(world, server)
    assert "answer" in ask(world, peer, "first?")[1]
    server.close()
    token = world.gate.ask(peer, "second?")
    assert "cannot reach 127.0.0.1" in world.gate.returned(token)
    world.gate.expect(DISCONNECT)
    note = program.wait_event("adapter")
    assert note["say"].startswith(f"waiting for 127.0.0.1:{server.server_port}")
    again = ChatServer(server.server_port)
    try:
        peer = world.gate.ready()[0]
        assert ask(world, peer, "third?")[1]["answer"] == "You asked: third?"
        assert len(program.events("adapter")) == 1
    finally:
        again.close()


def test_what_runs_may_end_when_the_server_takes_no_more(world, server):
    _, peer = chat(world, server, "--slots", "2")
    first = world.gate.ask(peer, "fault hold")
    world.gate.expect(PARTIAL)
    server.refuse()
    assert "cannot reach" in world.gate.returned(world.gate.ask(peer, "second?"))
    server.go.set()
    assert until_final(world, first)[1]["answer"] == "begun done"
    world.gate.expect(DISCONNECT)
    again = ChatServer(server.server_port)
    try:
        world.gate.ready()
    finally:
        again.close()


def test_slow_start_is_waited_for_and_said_once(world):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    program = world.work("--http", f"http://127.0.0.1:{port}/v1/", "--model", "tiny")
    program.wait_event("adapter")
    late = ChatServer(port)
    try:
        peer = world.gate.ready()[0]
        assert ask(world, peer, "there?")[1]["answer"] == "You asked: there?"
        assert late.asked[0][2] == "/v1/chat/completions"
    finally:
        late.close()
    assert len(program.events("adapter")) == 1


def test_worker_that_waits_for_its_server_stops_at_once(world):
    program = world.work("--http", "http://127.0.0.1:1/v1", "--model", "tiny")
    program.wait_event("adapter")
    program.stop()


def test_slots_are_served_at_once(world, server):
    _, peer = chat(world, server, "--slots", "2")
    tokens = {world.gate.ask(peer, "fault hold") for _ in range(2)}
    assert {world.gate.expect(PARTIAL)[1][0] for _ in range(2)} == tokens
    server.go.set()
    ended = set()
    while ended != tokens:
        _, command, rest = world.gate.hear()
        ended |= {rest[0]} if command == FINAL else set()
    assert server.most == 2


def test_three_hundred_queries_leave_no_descriptor(world, server):
    program, peer = chat(world, server, "--slots", "4")
    for _ in range(5):
        ask(world, peer, "warm?")
    before = descriptors(program.pid)
    for turn in range(75):
        questions = [f"{n}?" for n in range(4)]
        if turn % 5 == 4:
            questions[:3] = ["fault cut", "fault garbage", "fault status 500"]
        tokens = {world.gate.ask(peer, question) for question in questions}
        while tokens:
            _, command, rest = world.gate.hear()
            tokens -= {rest[0]} if command == FINAL else set()
    assert len(server.asked) == 5 + 300
    wait_for(lambda: descriptors(program.pid) <= before + 4, "the descriptors of before")


@pytest.mark.parametrize("at_work", [False, True])
def test_worker_stops_cleanly(world, server, at_work):
    program, peer = chat(world, server)
    token = world.gate.ask(peer, "fault hold" if at_work else "what?")
    world.gate.expect(PARTIAL)
    if at_work:
        program.signal(15)
        program.wait_event("stopping")
        server.go.set()
    assert "answer" in until_final(world, token)[1]
    program.stop()


# ── the key ─────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("form", [(), ("--model", "tiny"), ("--model", "tiny", "--whole")])
def test_key_is_sent_and_never_shown_again(world, server, key_file, form):
    program = world.work("--http", server.base + "/v1", "--key-file", key_file, *form)
    peer = world.gate.ready()[0]
    seen = []
    for fault in ("echo_key", "echo_key 500", "tell_key", "status 400 " + KEY):
        seen.append(ask(world, peer, f"fault {fault}"))
        assert server.asked[-1][0]["Authorization"] == "Bearer " + KEY
    text = json.dumps(seen, ensure_ascii=False).replace("\\\\", "\\").replace("\\\\", "\\") + program.stderr.text()
    assert text.count("[key]") >= 4
    for secret in (KEY, KEY[:8], KEY[-8:]):
        assert secret not in text and secret.encode() not in open(f"/proc/{program.pid}/cmdline", "rb").read()


def test_key_may_come_from_the_environment(world, server):
    program = Program([TAILGATE_WORK, "--gate", world.gate.endpoint, "--http", server.base + "/v1", "--model", "tiny",
                       "--key-env", "MODEL_KEY"], env=environment(MODEL_KEY="abcdefgh"))
    world.programs.append(program)
    ask(world, world.gate.ready()[0], "what?")
    assert server.asked[-1][0]["Authorization"] == "Bearer abcdefgh"


def test_proxy_of_the_environment_is_not_between_us_and_this_machine(world, server):
    program = Program([TAILGATE_WORK, "--gate", world.gate.endpoint, "--http", server.base + "/v1", "--model", "tiny"],
                      env=environment(http_proxy="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1"))
    world.programs.append(program)
    assert "answer" in ask(world, world.gate.ready()[0], "what?")[1]


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────

@pytest.fixture
def secure(site):
    path = site.folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path,
                    "-out", site.folder / "only.pem"], check=True, capture_output=True)
    with path.open("a") as file:
        file.write((site.folder / "only.pem").read_text())
    made = ChatServer(certificate=path)
    yield made
    made.close()


def test_certificate_that_nobody_vouches_for_is_not_accepted(world, secure):
    program = world.work("--http", secure.base + "/v1", "--model", "tiny")
    assert "self-signed certificate" in program.wait_event("adapter")["say"]
    assert not world.gate.socket.poll(300)
    assert secure.asked == []


def test_authority_may_be_named_in_the_environment(world, secure, site, key_file):
    program = Program([TAILGATE_WORK, "--gate", world.gate.endpoint, "--http", secure.base + "/v1", "--model", "tiny",
                       "--key-file", key_file], env=environment(CURL_CA_BUNDLE=str(site.folder / "only.pem")))
    world.programs.append(program)
    assert ask(world, world.gate.ready()[0], "what?")[1]["answer"] == "You asked: what?"
    assert secure.asked[-1][0]["Authorization"] == "Bearer " + KEY


# ── the command line, and the example ───────────────────────────────────────────────────────────────

@pytest.mark.parametrize("words,said", [
    (["ftp://h/"], "http://"), (["h:80"], "http"), (["http://u:secret@h/"], "--key-file"), (["nonsense"], "http://"),
    (["http://h/", "--whole"], "--whole goes with --model"), (["http://h/", "--system", "x"], "--system goes with"),
    (["http://h/", "--contexts", "."], "--contexts goes with"), (["http://h/", "--model", ""], "--model"),
    (["http://h/", "--model", "m", "--system", "/nonexistent"], "No such file"),
    (["http://h/", "--model", "m", "--system", "/dev/zero"], "1 MiB"),
    (["http://h/", "--model", "m", "--contexts", "/nonexistent"], "No such file"),
    (["http://h/", "--key-file", "/nonexistent"], "No such file"), (["http://h/", "--key-file", "/"], "regular file"),
    (["http://h/", "--key-env", "NOT_SET_4711"], "no such environment"),
    (["http://h/", "--key-env", "PATH", "--key-file", "x"], "one of them"),
    (["http://h.example/", "--key-env", "HOME"], "--send-key-in-clear"),
    (["http://192.168.0.1:80/", "--key-env", "HOME"], "--send-key-in-clear")])
def test_mistake_on_the_command_line_is_one_clear_line_and_exit_2(world, words, said):
    program = world.work("--http", *words)
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    assert said in line and "secret" not in line


@pytest.mark.parametrize("content,mode,said", [
    ("k" * 20, 0o640, "chmod 600"), ("", 0o600, "1 to 4096"), ("a b", 0o600, "printable"),
    ("a\x07b", 0o600, "printable"), ("k" * 5000, 0o600, "1 to 4096")])
def test_key_file_that_is_none_is_refused(world, site, content, mode, said):
    path = site.folder / "key"
    path.write_text(content)
    path.chmod(mode)
    program = world.work("--http", "http://localhost/", "--key-file", path)
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    assert said in line and "kkkk" not in line


def test_example_server_is_spoken_to(world):
    example = HERE.parent.parent / "adapters" / "python" / "examples" / "chat_endpoint.py"
    with subprocess.Popen([PYTHON, example, "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            world.work("--http", process.stdout.readline().strip(), "--model", "mirror")
            parts, answer = ask(world, world.gate.ready()[0], "live on time")
        finally:
            process.kill()
    assert parts == ["evil ", "no ", "emit "]
    assert answer == {"answer": "evil no emit ", "usage": {"model": "mirror", "completion_tokens": 3}}
