"""`tailgate work --per-query`: a child for each query, its question, its answer, its end, and nothing left behind."""

import json
import resource
import signal
from pathlib import Path

import pytest

from gate import alive, children, descriptors, stamp, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, FINAL, HERE, LONG, PYTHON, REQUEST, TAILGATE_WORK, Program, environment, wait_for

ONCE = HERE.parent.parent / "adapters" / "python" / "examples" / "once.py"

# A shell script whose question says what it does; $1 is the folder where it meets the test.
CHILD = r"""
cd "$1"
read -r word rest
note() { echo "$2" >"$1.part"; mv "$1.part" "$1"; }
case $word in
exit) echo "first words" >&2; echo "last words" >&2; exit "$rest" ;;
die) kill -9 $$ ;;
blank) printf '\n \n' ;;
lines) printf 'one\n\ntwo\r\n\n\n' ;;
deaf) exec <&-; echo "did not listen" ;;
shout) echo "loud words" >&2; printf 'rest of a line' >&2; echo shouted ;;
endless) note hanging $$; exec tr '\0' x </dev/zero ;;
chatty) note hanging $$; while :; do echo blah >&2; done ;;
heir) sleep 3600 & note heir "$$ $!"; echo left ;;
family) trap '' TERM; sleep 3600 & note family "$$ $!"; wait; wait ;;
hang) note "hanging$rest" $$; exec sleep 3600 ;;
await) while [ ! -e go ]; do sleep 0.02; done; echo "awaited" ;;
binary) printf '\377\0\001' >&2; exit 4 ;;
*) echo "$$: $word $rest" ;;
esac
"""


def per_query(world, *words):
    script = world.folder / "child.sh"
    script.write_text(CHILD)
    return world.work(*words, "--per-query", "--", "/bin/sh", script, world.folder)


def asked(world, peer, question):
    return world.gate.answer(world.gate.ask(peer, question))


# ── question and answer ─────────────────────────────────────────────────────────────────────────────

def test_each_query_has_a_process_of_its_own(world):
    program = per_query(world, "--name", "fresh")
    peer, _, options = world.gate.ready()
    assert (options["name"], options["slots"]) == ("fresh", 1)
    pids = {asked(world, peer, f"{n}?").partition(b":")[0] for n in range(10)}
    assert len(pids) == 10
    program.stop()


def test_question_is_the_whole_stdin_decoded_with_one_line_break_at_its_end(world):
    world.work("--per-query", "--", PYTHON, "-c", "import sys; print(ascii(sys.stdin.buffer.read()))")
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "grüße\n\"you\"\t?") == ascii("grüße\n\"you\"\t?\n".encode()).encode()
    assert asked(world, peer, "over\nlines\n") == ascii(b"over\nlines\n").encode()
    for body in (b'{"question": 42}', b'["question"]', b"no JSON", b'{"question":\n null}'):
        world.gate.send(peer, REQUEST, b"t1", b"", body)
        assert world.gate.answer(b"t1") == ascii(body + b"\n").encode()


def test_answer_is_what_was_written_without_its_last_line_breaks(world):
    per_query(world)
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "lines") == b"one\n\ntwo"


def test_object_is_the_answer_as_sent(world):
    world.work("--per-query", "--", "/bin/sh", "-c", """echo '{"answer": "a", "sources": ["b:1"]}'""")
    peer, _, _ = world.gate.ready()
    assert json.loads(asked(world, peer, "?")) == {"answer": "a", "sources": ["b:1"]}


def test_large_question_and_answer_pass_through_the_pipes(world):
    world.work("--per-query", "--", "cat")
    peer, _, _ = world.gate.ready()
    text = "x" * (5 << 20)
    assert asked(world, peer, text) == text.encode()


def test_program_that_does_not_read_its_question_can_answer(world):
    per_query(world)
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "deaf " + "x" * (1 << 20)) == b"did not listen"


def test_example_answers(world):
    program = world.work("--per-query", "--", PYTHON, ONCE)
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "How long is this?") == b'4 words, the longest is "this?"'
    assert "status 1" in world.gate.error(world.gate.ask(peer, "  "))
    program.wait_event("stderr", say="there is no question on the standard input")


def test_slots_are_children_at_the_same_time(world):
    program = per_query(world, "--slots", "30")
    peer, _, options = world.gate.ready()
    assert options["slots"] == 30
    tokens = {world.gate.ask(peer, "await") for _ in range(29)}
    wait_for(lambda: len(children(program.pid)) == 29, "29 children")
    assert asked(world, peer, "quick?").endswith(b"quick? ")
    world.touch("go")
    for _ in range(29):
        _, (token, _, body) = world.gate.expect(FINAL)
        assert body == b"awaited"
        tokens.remove(token)
    assert not tokens


def test_stderr_goes_to_the_log_line_by_line(world):
    program = per_query(world)
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "shout") == b"shouted"
    program.wait_event("stderr", say="loud words")
    program.wait_event("stderr", say="rest of a line")


def test_child_gets_three_descriptors_its_own_group_and_the_limits(world):
    program = """
import json, os, resource
listed = os.listdir("/proc/self/fd")  # the descriptor that lists is closed by now
print(json.dumps({"answer": {
    "group": os.getpgid(0) == os.getpid(),
    "descriptors": sorted(int(fd) for fd in listed if os.path.exists("/proc/self/fd/" + fd)),
    "memory": resource.getrlimit(resource.RLIMIT_AS), "core": resource.getrlimit(resource.RLIMIT_CORE),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)}}))"""
    worker = world.work("--per-query", "--memory", "700", "--", PYTHON, "-c", program,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 2000)))
    peer, _, _ = world.gate.ready()
    facts = json.loads(asked(world, peer, "?"))["answer"]
    assert facts == {"group": True, "descriptors": [0, 1, 2], "memory": [700 << 20] * 2, "core": [0, 0],
                     "files": [200, 2000]}, "we need more files than before, they do not"
    assert resource.prlimit(worker.pid, resource.RLIMIT_NOFILE) == (2000, 2000)


def test_memory_above_the_limit_fails_the_query_alone(world):
    world.work("--memory", "200", "--per-query", "--", PYTHON, "-c",
               "import sys; print(len(bytes(int(sys.stdin.read()))))")
    peer, _, _ = world.gate.ready()
    error = world.gate.error(world.gate.ask(peer, str(1 << 30)))
    assert "status 1" in error and "MemoryError" in error
    assert asked(world, peer, "1000") == b"1000"


# ── the end of a child ──────────────────────────────────────────────────────────────────────────────

def test_status_other_than_0_is_an_error_with_the_last_words(world):
    per_query(world)
    peer, _, _ = world.gate.ready()
    error = world.gate.error(world.gate.ask(peer, "exit 3"))
    assert "status 3" in error and '"last words"' in error and "first" not in error
    assert "signal 9" in world.gate.error(world.gate.ask(peer, "die"))
    assert asked(world, peer, "next?").endswith(b"next? ")


def test_last_words_are_shown_safely(world):
    per_query(world)
    peer, _, _ = world.gate.ready()
    error = world.gate.error(world.gate.ask(peer, "binary"))
    assert "status 4" in error and "\\xff" in error.lower()
    assert all(ord(letter) >= 0x20 for letter in error)


def test_no_answer_is_an_error(world):
    per_query(world)
    peer, _, _ = world.gate.ready()
    assert "no answer" in world.gate.error(world.gate.ask(peer, "blank"))


def test_answer_without_end_is_cut_and_its_writer_killed(world):
    per_query(world)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "endless")
    (pid,) = world.note("hanging")
    assert "16777216 bytes" in world.gate.error(token)
    assert not alive(pid)
    assert asked(world, peer, "next?").endswith(b"next? ")


def test_words_without_end_do_not_stop_the_others(world):
    per_query(world, "--slots", "2", "--log-level", "error")
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "chatty")
    world.note("hanging")
    for n in range(5):
        assert asked(world, peer, f"{n}?").endswith(b"%d? " % n)


def test_what_a_child_leaves_behind_is_killed_and_not_waited_for(world):
    per_query(world)
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "heir") == b"left"
    leader, heir = world.note("heir")
    assert not alive(leader)
    wait_for(lambda: not alive(heir), "the end of what was left behind")


def test_time_limit_kills_the_whole_group(world):
    program = per_query(world, "--time-limit", "2s")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "family")
    family = world.note("family")
    assert "ran out of time" in world.gate.error(token)
    for pid in family:
        wait_for(lambda pid=pid: not alive(pid), "the end of a process that ignores SIGTERM")
    wait_for(lambda: not children(program.pid), "the child to be reaped")


def test_deadline_of_a_query_ends_its_child_and_no_other(world):
    program = per_query(world, "--slots", "2")
    peer, _, _ = world.gate.ready()
    other = world.gate.ask(peer, "await")
    late = world.gate.ask(peer, "hang", deadline=stamp(2))
    assert "ran out of time" in world.gate.error(late)
    (pid,) = world.note("hanging")
    wait_for(lambda: not alive(pid), "the end of the child")
    world.touch("go")
    assert world.gate.answer(other) == b"awaited"
    wait_for(lambda: not children(program.pid), "every child to be reaped")
    assert not program.events("ended")


@pytest.mark.parametrize("signals", [1, 2])
def test_stop_leaves_no_process(world, signals):
    program = per_query(world, "--slots", "2")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "hang 1" if signals == 2 else "await")
    pids = world.note("hanging1") if signals == 2 else wait_for(lambda: children(program.pid), "the child")
    program.signal(signal.SIGTERM)
    program.wait_event("stopping")
    if signals == 2:
        program.signal(signal.SIGTERM)
        assert "stopping" in world.gate.returned(token)
    else:  # what is in flight is waited for
        world.touch("go")
        assert world.gate.answer(token) == b"awaited"
    assert program.wait() == 0
    assert not any(alive(pid) for pid in pids)


def test_shortage_of_processes_gives_the_query_back_and_pauses(world):
    program = world.work("--per-query", "--slots", "2", "--", "cat")
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "first?") == b"first?"
    low = descriptors(program.pid) + 2  # a child takes more
    old = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (low, old[1]))
    assert "cannot start cat" in world.gate.returned(world.gate.ask(peer, "second?"))
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, old)
    program.wait_event("resting")
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "third?") == b"third?"


def rss(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_many_children_leave_no_process_descriptor_or_memory_behind(world):
    count, slots = (10_000 if LONG else 1_000), 8
    program = world.work("--per-query", "--slots", str(slots), "--log-level", "warn", "--", "cat",
                         # a sanitizer keeps freed memory back, so much at most
                         env=environment(ASAN_OPTIONS="exitcode=99:detect_leaks=1:quarantine_size_mb=4"))
    peer, _, _ = world.gate.ready()

    def run(number):
        for n in range(number + slots):
            if n < number:
                world.gate.ask(peer, "x" * 1000)
            if n >= slots:
                assert world.gate.answer() == b"x" * 1000
        wait_for(lambda: not children(program.pid), "every child to be reaped")
        return descriptors(program.pid), rss(program.pid)

    before = run(count // 5)
    after = run(count)
    assert after[0] == before[0], "descriptors"
    # A child whose record stayed would cost 1 KiB and more.
    sanitized = b"__asan_init" in TAILGATE_WORK.read_bytes()
    assert after[1] - before[1] < count * 300 + (8 << 20 if sanitized else 0), f"memory: {before} {after}"
    program.stop()


# ── the command line ────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("command", [["/nonexistent/program"], ["no-such-program-in-path"], ["/etc/passwd"], ["/etc"]])
def test_command_that_cannot_be_started_is_one_clear_line(world, command):
    program = world.work("--per-query", "--", *command)
    assert program.wait() == 1
    (line,) = program.stderr.text().splitlines()
    assert command[0] in line and ("No such file" in line or "Permission denied" in line)


def test_program_that_has_gone_fails_the_query_and_is_found_when_it_is_back(world):
    script = world.folder / "script"
    script.write_text("#!/bin/sh\necho here\n")
    script.chmod(0o700)
    world.work("--per-query", "--", script)
    peer, _, _ = world.gate.ready()
    assert asked(world, peer, "?") == b"here"
    script.rename(world.folder / "away")
    assert "No such file" in world.gate.error(world.gate.ask(peer, "?"))
    (world.folder / "away").rename(script)
    assert asked(world, peer, "?") == b"here"


@pytest.mark.parametrize("words, said", [
    (["--per-query"], "give a command after --"),
    (["--per-query", "--memory", "0", "--", "cat"], "--memory"),
    (["--memory", "10", "--", "cat"], "--memory goes with --per-query"),
    (["--per-query", "--echo"], "a worker has one adapter")])
def test_mistake_on_the_command_line_is_one_line_and_exit_2(world, words, said):
    program = Program([TAILGATE_WORK, "--gate", world.gate.endpoint, *words])
    world.programs.append(program)
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    assert said in line
