"""tailgate work --fifo: a pair of named pipes, of which either end may begin anew at any time."""

import errno
import json
import os
import random
import stat
import subprocess
import time

import pytest

from gate import descriptors, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, HERE, PARTIAL, PYTHON, wait_for

EXAMPLE = HERE.parent.parent / "adapters" / "python" / "examples" / "fifo_answerer.py"
FAST = {"backoff.first": "20ms", "backoff.max": "200ms", "attempts": "50"}


class Reader:
    """The program's side, played by the test. It waits for the worker no longer than WAIT, where a program would
    open the pipes and block."""

    def __init__(self, folder):
        wait_for((folder / "answers").exists, "the pipes")
        self.queries = os.fdopen(os.open(folder / "queries", os.O_RDONLY | os.O_NONBLOCK), "rb")
        os.set_blocking(self.queries.fileno(), True)  # to be read once the worker is ready
        self.answers = os.fdopen(wait_for(lambda: self.open_answers(folder), "a reader of answers"), "wb", 0)
        os.set_blocking(self.answers.fileno(), True)

    @staticmethod
    def open_answers(folder):
        try:
            return os.open(folder / "answers", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO
            return None

    def query(self):
        """The next query; the line feed that comes before the first one is passed over."""
        while True:
            line = self.queries.readline()
            assert line, "the worker closed its end"
            if line.strip():
                return json.loads(line)

    def say(self, value):
        self.answers.write(json.dumps(value).encode() + b"\n")

    def answer(self, query, text, **more):
        self.say({"answer": text, "delivery": {"token": query["delivery"]["token"]}, **more})

    def close(self):
        self.queries.close()
        self.answers.close()


@pytest.fixture
def folder(world):
    return world.folder / "pipes"


@pytest.fixture
def readers(folder):
    """Makes Readers, and closes them with the test."""
    made = []

    def make():
        made.append(Reader(folder))
        return made[-1]
    yield make
    for reader in made:
        reader.close()


def text_of(body):
    return json.loads(body)["answer"]


def ask(world, peer, reader, question):
    """Asks, and has READER answer; the answer must be the one to that question."""
    token = world.gate.ask(peer, question)
    query = reader.query()
    assert query["question"] == question
    reader.answer(query, "re: " + question)
    assert text_of(world.gate.answer(token)) == "re: " + question


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────

def test_pipes_are_made_for_the_user_alone_and_the_program_is_waited_for(world, folder, readers):
    program = world.work("--fifo", folder)
    said = program.wait_event("adapter")["say"]
    assert said == f"waiting for a program at {folder}/queries: nobody reads it yet"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("queries", "answers"):
        mode = (folder / name).stat().st_mode
        assert stat.S_ISFIFO(mode) and stat.S_IMODE(mode) == 0o600
    assert world.gate.socket.poll(500) == 0, "it must not register before the program is there"
    reader = readers()
    peer, _, _ = world.gate.ready()
    for n in range(20):
        ask(world, peer, reader, f"{n}?")
    assert len(program.events("adapter")) == 1, "it says so once"


def test_large_lines_pass_in_pieces_in_both_directions(world, folder, readers):
    world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    ask(world, peer, reader, "x" * 3_000_000)


def test_answers_come_in_any_order_and_in_parts(world, folder, readers):
    world.work("--fifo", folder, "--slots", "3")
    reader = readers()
    peer, _, _ = world.gate.ready()
    tokens = [world.gate.ask(peer, f"{n}?") for n in range(3)]
    queries = [reader.query() for _ in range(3)]
    for n in (2, 0, 1):
        reader.say({"type": "partial", "text": "p", "delivery": queries[n]["delivery"]})
        assert world.gate.expect(PARTIAL)[1][0] == tokens[n]
        reader.answer(queries[n], str(n))
        assert text_of(world.gate.answer(tokens[n])) == str(n)


@pytest.mark.parametrize("sent, shown", [
    (b"\x1b[31mred\n", r'no JSON object: "\x1b[31mred"'),
    (b'{"answer": "whose?"}\n', r'does not repeat delivery.token: "{\"answer\": \"whose?\"}"'),
    (b'{"type": "partial", "text": "whose?"}\n', "does not repeat delivery.token")])
def test_line_without_a_token_is_an_error_that_shows_it(world, folder, readers, sent, shown):
    world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    reader.query()
    reader.answers.write(sent)
    error = world.gate.error(token)
    assert shown in error and "\x1b" not in error
    ask(world, peer, reader, "and now?")  # the worker never left


def test_answer_with_an_unknown_token_is_passed_over(world, folder, readers):
    program = world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    query = reader.query()
    reader.say({"answer": "to another", "delivery": {"token": "7.1." + "B" * 22}})
    program.wait_event("unasked")
    reader.answer(query, "mine")
    assert text_of(world.gate.answer(token)) == "mine"


def test_endless_line_ends_the_connection_at_the_limit(world, folder, readers):
    world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    reader.query()
    with pytest.raises(BrokenPipeError):
        while True:
            reader.answers.write(b"x" * 65536)
    assert "16777216 bytes" in world.gate.error(token)
    world.gate.expect(DISCONNECT)


def test_query_out_of_time_fails_alone_and_its_late_answer_is_passed_over(world, folder, readers):
    program = world.work("--fifo", folder, "--time-limit", "2s")
    reader = readers()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "late?")
    late = reader.query()
    assert "ran out of time" in world.gate.error(token)
    token = world.gate.ask(peer, "next?")
    query = reader.query()
    reader.answer(late, "too late")
    program.wait_event("unasked")
    reader.answer(query, "in time")
    assert text_of(world.gate.answer(token)) == "in time"


# ── ends and beginnings ─────────────────────────────────────────────────────────────────────────────

def test_end_of_the_program_is_noticed_at_once_after_what_it_wrote(world, folder, readers):
    world.work("--fifo", folder, "--slots", "2")
    reader = readers()
    peer, _, _ = world.gate.ready()
    answered, lost = world.gate.ask(peer, "1?"), world.gate.ask(peer, "2?")
    reader.answer(reader.query(), "1")
    reader.answers.write(b'{"answer": "ha')
    reader.close()
    assert text_of(world.gate.answer(answered)) == "1"
    assert world.gate.error(lost).endswith("has gone")
    world.gate.expect(DISCONNECT)
    reader = readers()  # which finds nothing of that half line in its way
    peer, _, _ = world.gate.ready()
    ask(world, peer, reader, "3?")


def test_program_that_was_replaced_while_nobody_looked_has_ended(world, folder, readers):
    program = world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "why?")
    reader.query()
    program.freeze()
    reader.close()
    reader = readers()
    program.thaw()
    assert world.gate.error(token).endswith("has gone")
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    ask(world, peer, reader, "again?")


def test_what_earlier_lives_left_in_the_pipes_is_no_answer(world, folder, readers):
    first = world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "lost?")
    query = reader.query()
    first.kill()
    # The program holds both ends, so that what is written stays: an old answer, and half a one.
    keeper = os.open(folder / "answers", os.O_RDWR)
    reader.answer(query, "old")
    reader.answers.write(b'{"answer": "ha')
    second = world.work("--fifo", folder)
    peer, _, _ = world.gate.ready()
    ask(world, peer, reader, "new?")
    os.close(keeper)
    assert not second.events("unasked")


def test_half_a_query_that_a_killed_worker_left_ends_before_the_next_one(world, folder, readers):
    first = world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "z" * 1_000_000)  # more than the pipe holds
    assert reader.queries.read(100_000)
    first.kill()
    world.work("--fifo", folder)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "whole?")
    half = reader.queries.readline()
    assert half.endswith(b"zz\n") and len(half) < 900_000
    query = reader.query()
    reader.answer(query, "whole")
    assert query["question"] == "whole?" and text_of(world.gate.answer(token)) == "whole"


def test_pipes_that_the_program_makes_anew_are_found(world, folder, readers):
    program = world.work("--fifo", folder)
    program.wait_event("adapter")
    for name in ("queries", "answers"):
        (folder / name).unlink()
        os.mkfifo(folder / name, 0o600)
    reader = readers()
    peer, _, _ = world.gate.ready()
    ask(world, peer, reader, "there?")


def test_two_workers_never_share_a_folder(world, folder, readers):
    first = world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    second = world.work("--fifo", folder)
    said = second.wait_event("adapter")["say"]
    assert said == f"waiting for a program at {folder}: another worker has it"
    ask(world, peer, reader, "one?")
    first.stop()
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    ask(world, peer, reader, "two?")


def test_many_ends_leave_no_descriptor_and_a_stop_is_clean(world, folder, readers):
    program = world.work("--fifo", folder)
    reader = readers()
    peer, _, _ = world.gate.ready()
    before = descriptors(program.pid)
    for n in range(5):
        ask(world, peer, reader, f"{n}?")
        reader.close()
        world.gate.expect(DISCONNECT)
        reader = readers()
        peer, _, _ = world.gate.ready()
    assert descriptors(program.pid) <= before
    program.stop()
    assert reader.queries.read().strip() == b""


# ── both ends killed, with a gateway ────────────────────────────────────────────────────────────────

class Ends:
    """The worker and the example program, either of which can be killed and is started again."""

    def __init__(self, site, bridge):
        self.site, self.bridge = site, bridge
        self.folder = site.folder / "pipes"
        self.worker, self.program = self.start_worker(), self.start_program()

    def start_worker(self):
        return self.site.program("work", "--db", self.bridge.path, "--log-format", "json", "--slots", "3",
                                 "--fifo", self.folder)

    def start_program(self):
        return self.site.spawn(PYTHON, EXAMPLE, self.folder, stdout=subprocess.DEVNULL)

    def kill(self, which):
        if which == "worker":
            self.worker.kill()
            self.worker = self.start_worker()
        else:
            self.program.kill()
            self.program.wait()
            self.program = self.start_program()


def test_kill_of_either_side_at_any_time_loses_no_step(site):
    bridge = site.bridge()
    site.serve(bridge, settings=FAST)
    ends = Ends(site, bridge)
    ends.worker.wait_event("ready")
    chance = random.Random(7)
    asked = {}
    for n in range(12):
        for m in range(12):
            question = f"{n}.{m} " + "y" * chance.choice((1, 100, 40_000))
            asked[bridge.ask(question)] = question
        bridge.wait_replies(len(asked) - 11)  # the first of these, at least: both ends are at work
        time.sleep(chance.random() * 0.01)  # at any time
        ends.kill("worker" if n % 2 else "program")
        if n % 4 == 3:
            ends.kill("program")
    bridge.wait_replies(len(asked))
    for message_id, question in asked.items():
        assert text_of(bridge.reply(message_id)["text"]) == "You asked: " + question
    bridge.check_exactly_once(len(asked))


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────

def refused(world, folder, *words):
    program = world.work("--fifo", folder, *words)
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    return line


def test_folder_or_pipe_that_others_could_write_to_is_refused(world, folder):
    folder.mkdir()
    folder.chmod(0o770)
    assert f"--fifo {folder}: can be written to by others" in refused(world, folder)
    folder.chmod(0o700)
    os.mkfifo(folder / "answers", 0o600)
    (folder / "answers").chmod(0o622)
    assert f"{folder}/answers: can be written to by others" in refused(world, folder)


def test_what_is_no_folder_or_no_pipe_is_refused(world, folder):
    folder.mkdir()
    (folder / "queries").write_text("")
    assert f"{folder}/queries: is not a named pipe" in refused(world, folder)
    (folder / "queries").unlink()
    os.mkfifo(folder / "real", 0o600)
    (folder / "queries").symlink_to("real")
    assert f"{folder}/queries: is not a named pipe" in refused(world, folder)
    (world.folder / "link").symlink_to("pipes")
    assert "is not a folder" in refused(world, world.folder / "link")
    assert "is not a folder" in refused(world, folder / "real")
    assert "No such file" in refused(world, folder / "not" / "there")
    assert "needs the name of a folder" in refused(world, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give things away")
def test_folder_of_another_user_is_refused(world, folder):
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    assert "belongs to another user" in refused(world, folder)


def test_count_needs_folders_of_their_own(world, folder):
    assert "--count" in refused(world, folder, "--count", "2")
