"""tailgate-work --shm: a program that shares a segment of memory with it, and either side's death."""

import json
import os
import signal
import time

import pytest

from gate import descriptors, pid_of, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, HERE, PYTHON, TAILGATE_WORK, Program

ROOM = 1 << 20
SIZE = 4096 + 2 * ROOM
EXAMPLE = HERE.parent.parent / "adapters" / "python" / "examples" / "shm_answerer.py"


class Shared:
    """A segment's name, and who uses it."""

    def __init__(self, world):
        self.world = world
        self.name = "tg-test-" + os.urandom(4).hex()
        self.path = f"/dev/shm/{self.name}"

    def work(self, *words):
        return self.world.work("--shm", "/" + self.name, *words)

    def program(self):
        """The test's own program; another one may take its place."""
        program = Program([PYTHON, HERE / "shm_program.py", self.name, self.world.folder])
        self.world.programs.append(program)
        return program

    def both(self, *words):
        """A worker and its program, registered: (worker, program, peer)."""
        work, program = self.work(*words), self.program()
        peer, _, _ = self.world.gate.ready()
        return work, program, peer

    def ask(self, peer, question):
        return self.world.gate.ask(peer, question)

    def names(self):
        return [name for name in os.listdir("/dev/shm") if self.name in name]

    def close(self):
        for name in self.names():
            os.unlink("/dev/shm/" + name)


def cpu(pid):
    """Seconds of processor time that PID has used."""
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def shared(world):
    made = Shared(world)
    try:
        yield made
    finally:
        world.close()
        made.close()


# ── queries and answers ─────────────────────────────────────────────────────────────────────────────

def test_query_goes_to_the_program_and_its_answer_to_the_gateway(world, shared):
    _, program, peer = shared.both("--name", "memory")
    answer = json.loads(world.gate.answer(shared.ask(peer, "grüße?")))
    assert answer == {"answer": f"{program.pid}: grüße?"}


def test_two_thousand_queries_in_lock_step_leave_nothing_behind(world, shared):
    work, program, peer = shared.both()
    world.gate.answer(shared.ask(peer, "first?"))
    before = descriptors(work.pid), descriptors(program.pid)
    for n in range(2000):
        assert pid_of(world.gate.answer(shared.ask(peer, f"{n}?"))) == program.pid
    assert (descriptors(work.pid), descriptors(program.pid)) == before
    assert len(shared.names()) == 3


def test_answer_may_fill_its_slot_and_one_byte_more_is_an_error(world, shared):
    _, _, peer = shared.both()
    for size in (100_000, ROOM - 1, ROOM):
        body = world.gate.answer(shared.ask(peer, f"large {size}"))
        assert len(body) == size and len(json.loads(body)["answer"]) == size - 13
    for size in (ROOM + 1, 0xFFFFFFFF):
        error = world.gate.error(shared.ask(peer, f"size {size}"))
        assert error == f"the program's answer has {size} bytes and shared memory has room for {ROOM}"
    assert b"next?" in world.gate.answer(shared.ask(peer, "next?"))


def test_query_that_does_not_fit_is_a_final_error_and_the_next_is_served(world, shared):
    _, _, peer = shared.both()
    token = shared.ask(peer, "x" * ROOM)
    error = json.loads(world.gate.answer(token))
    assert error["type"] == "error" and not error["retry"] and f"room for {ROOM}" in error["error"]
    large = "y" * (ROOM - 300)
    assert json.loads(world.gate.answer(shared.ask(peer, large)))["answer"].endswith(large)


@pytest.mark.parametrize("question, told", [
    ("say just words", 'no JSON object: "just words"'), ("say [1, 2]", "no JSON object"), ('say {"answer":', "no JSON"),
    ("raw 00ff1b5b41", r"\x1b"), ("say ", "gave no answer"), ("raw 200a0d", "gave no answer"),
    ('say {"type":"partial","text":"a"}', "part of an answer")])
def test_what_is_no_answer_is_an_error_that_shows_its_first_bytes(world, shared, question, told):
    _, _, peer = shared.both()
    error = world.gate.error(shared.ask(peer, question))
    assert told in error and "\x1b" not in error
    assert b"next?" in world.gate.answer(shared.ask(peer, "next?"))


def test_answer_belongs_to_its_number_whatever_token_it_names(world, shared):
    _, _, peer = shared.both()
    text = '{"answer":"mine","delivery":{"token":"9.9.AAAAAAAAAAAAAAAAAAAAAA"}}'
    assert world.gate.answer(shared.ask(peer, "say " + text)) == text.encode()


# ── who is not there ────────────────────────────────────────────────────────────────────────────────

def test_program_that_is_not_there_yet_is_waited_for(world, shared):
    work = shared.work()
    work.wait_event("adapter", say=f"waiting for a program at /{shared.name}")
    assert not world.gate.socket.poll(300), "it registers only when a program is there"
    shared.program()
    peer, _, _ = world.gate.ready()
    assert b"now?" in world.gate.answer(shared.ask(peer, "now?"))
    assert len(work.events("adapter")) == 1


def test_program_killed_mid_query_is_told_at_once_and_another_one_is_served(world, shared):
    _, program, peer = shared.both()
    token = shared.ask(peer, "hang")
    world.note("hanging")
    began = time.monotonic()
    os.kill(program.pid, signal.SIGKILL)
    assert world.gate.error(token) == f"the program at /{shared.name}, pid {program.pid}, has ended"
    took = time.monotonic() - began
    assert took < 0.7, f"{took:.3f} s: the look once a second is not what should tell it"
    world.gate.expect(DISCONNECT)
    other = shared.program()
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == other.pid


def test_program_that_waits_behind_another_one_takes_over(world, shared):
    _, first, peer = shared.both()
    second = shared.program()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == first.pid
    os.kill(first.pid, signal.SIGKILL)
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == second.pid


def test_answer_given_before_the_end_counts(world, shared):
    _, _, peer = shared.both()
    assert json.loads(world.gate.answer(shared.ask(peer, "last words"))) == {"answer": "words"}
    world.gate.expect(DISCONNECT)


def test_program_that_lets_go_of_its_lock_is_gone(world, shared):
    _, _, peer = shared.both()
    world.gate.answer(shared.ask(peer, "unlock"))
    world.gate.expect(DISCONNECT)


def test_worker_killed_with_9_is_followed_by_another_and_the_program_goes_on(world, shared):
    work, program, peer = shared.both()
    shared.ask(peer, "wait for nothing")
    world.note("waiting")
    work.kill()
    work = shared.work()
    work.wait_event("adapter", say=f"waiting until the program at /{shared.name} is done with an old query")
    assert not world.gate.socket.poll(300)
    world.touch("go")
    pid, number, dropped = world.note("going")
    assert (pid, number) == (program.pid, dropped), "the program can see that nobody waits for that answer"
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == program.pid


def test_worker_that_leaves_removes_the_names_and_its_program_finds_the_next(world, shared):
    work, program, peer = shared.both()
    world.gate.answer(shared.ask(peer, "first?"))
    work.stop()
    assert shared.names() == []
    world.gate.expect(DISCONNECT)
    shared.work()
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == program.pid


def test_stop_waits_for_the_answer_and_a_second_signal_does_not(world, shared):
    work, _, peer = shared.both()
    token = shared.ask(peer, "wait for me")
    world.note("waiting")
    work.signal(signal.SIGTERM)
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for me"
    assert work.wait() == 0 and shared.names() == []
    work = shared.work()
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    token = shared.ask(peer, "hang")
    world.note("hanging")
    work.signal(signal.SIGTERM)
    work.signal(signal.SIGINT)
    world.gate.returned(token)
    assert work.wait() == 0 and shared.names() == []


def test_time_limit_lets_the_program_finish_and_ignores_its_late_answer(world, shared):
    work, program, peer = shared.both("--time-limit", "500ms")
    token = shared.ask(peer, "wait late")
    assert "ran out of time" in world.gate.error(token)
    world.gate.expect(DISCONNECT)
    work.wait_event("adapter", say=f"waiting until the program at /{shared.name} is done with an old query")
    world.touch("go")
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == program.pid


def test_post_while_the_worker_pauses_does_not_keep_it_busy(world, shared):
    work, _, peer = shared.both("--time-limit", "500ms")
    world.gate.error(shared.ask(peer, "wait late"))
    before = cpu(work.pid)
    world.touch("go")
    world.gate.expect(DISCONNECT)
    world.gate.ready()
    assert cpu(work.pid) - before < 0.25, "the pause has half a second"


# ── a segment that is not as it should be ───────────────────────────────────────────────────────────

@pytest.mark.parametrize("byte", [0, 0x41, 0xFF])
def test_program_that_writes_over_the_whole_segment_costs_its_query_and_no_more(world, shared, byte):
    _, program, peer = shared.both()
    assert "wrote over" in world.gate.error(shared.ask(peer, f"scribble {byte}"))
    world.gate.expect(DISCONNECT)
    program.kill()
    program = shared.program()
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == program.pid


@pytest.mark.parametrize("size", [0, 100, 5000, SIZE - 1])
def test_program_that_cuts_the_segment_costs_its_query_and_no_more(world, shared, size):
    _, program, peer = shared.both()
    assert "wrote over" in world.gate.error(shared.ask(peer, f"cut {size}"))
    program.kill()
    world.gate.expect(DISCONNECT)
    shared.program()
    peer, _, _ = world.gate.ready()
    assert b"next?" in world.gate.answer(shared.ask(peer, "next?"))
    assert os.stat(shared.path).st_size == SIZE


@pytest.mark.parametrize("number", [7, 2**64 - 1])
def test_response_to_a_number_that_is_not_asked_for_does_not_count(world, shared, number):
    _, program, peer = shared.both()
    token = shared.ask(peer, f"words {number}")
    world.note("hanging")
    program.kill()
    assert "has ended" in world.gate.error(token)


def test_segment_that_was_removed_is_made_anew(world, shared):
    _, program, peer = shared.both()
    world.gate.answer(shared.ask(peer, "first?"))
    os.unlink(shared.path)
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == program.pid


def refusal(world, shared):
    program = shared.work()
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    return line


def test_second_worker_of_a_segment_is_refused(world, shared):
    work, _, peer = shared.both()
    assert f"another tailgate work, pid {work.pid}, serves /{shared.name}" in refusal(world, shared)
    assert b"still?" in world.gate.answer(shared.ask(peer, "still?"))


def lay(shared, begin, size, mode=0o600):
    """Makes the segment, with zeros behind BEGIN; returns its bytes."""
    content = begin.encode().ljust(size, b"\0")
    with open(shared.path, "wb") as file:
        file.write(content)
    os.chmod(shared.path, mode)
    return content


@pytest.mark.parametrize("begin, size, mode, told", [
    ("TGSHM001", SIZE, 0o640, "lets others in"), ("TGSHM001", SIZE, 0o602, "lets others in"),
    ("something of theirs", 19, 0o600, "has not the size"), ("TGSHM001", SIZE + 1, 0o600, "has not the size"),
    ("TGSHM002", SIZE, 0o600, "is something else")])
def test_segment_of_somebody_else_is_refused_and_not_touched(world, shared, begin, size, mode, told):
    content = lay(shared, begin, size, mode)
    assert f"/{shared.name} is there and " in (line := refusal(world, shared)) and told in line
    with open(shared.path, "rb") as file:
        assert file.read() == content
    assert shared.names() == [shared.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_segment_of_another_user_is_refused(world, shared):
    lay(shared, "TGSHM001", SIZE)
    os.chown(shared.path, 65534, 65534)
    assert "belongs to another user" in refusal(world, shared)


@pytest.mark.parametrize("begin, size", [("", 0), ("", SIZE), ("TGSHM001", SIZE)])
def test_what_a_worker_that_died_has_left_is_used(world, shared, begin, size):
    lay(shared, begin, size)
    _, program, peer = shared.both()
    assert pid_of(world.gate.answer(shared.ask(peer, "who?"))) == program.pid


@pytest.mark.parametrize("words, told", [
    (["--shm", "a/b"], "letters, digits"), (["--shm", ""], "letters, digits"), (["--shm", "/"], "letters, digits"),
    (["--shm", ".hidden"], "letters, digits"), (["--shm", "x" * 201], "200"), (["--shm", "a b"], "letters, digits"),
    (["--shm", "a", "--count", "2"], "--count"), (["--shm", "a", "--slots", "2"], "--slots"),
    (["--shm", "a", "--", "cat"], "takes no command"), (["--shm", "a", "--echo"], "one adapter")])
def test_mistake_on_the_command_line_is_one_line_and_exit_2(world, words, told):
    program = Program([TAILGATE_WORK, "--gate", "ipc:///tmp/x", *words])
    world.programs.append(program)
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    assert told in line


# ── the example ─────────────────────────────────────────────────────────────────────────────────────

def test_example_answers_and_survives_its_workers(world, shared):
    program = Program([PYTHON, EXAMPLE, shared.name])
    world.programs.append(program)
    for how in ("kill", "stop", "stop"):
        work = shared.work()
        peer, _, _ = world.gate.ready()
        for n in range(3):
            answer = json.loads(world.gate.answer(shared.ask(peer, f"{n}?")))
            assert answer == {"answer": f"You asked: {n}?", "llm_type": "shm_answerer"}
        getattr(work, how)()
        if how == "stop":
            world.gate.expect(DISCONNECT)
    assert program.running()


def test_example_explains_itself(world):
    program = Program([PYTHON, EXAMPLE])
    world.programs.append(program)
    assert program.wait() == 1 and "--shm answers" in program.stderr.text()
