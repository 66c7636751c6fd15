"""tailgate-work and the program that it keeps: its lines, its end, the command line."""

import json
import os
import signal
from pathlib import Path

import pytest

from gate import alive, children, descriptors, pid_of, stamp, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, FINAL, PARTIAL, PYTHON, READY, REQUEST, TAILGATE_WORK, Program, wait_for


# ── the program's lines ─────────────────────────────────────────────────────────────────────────────

def test_ready_says_who_the_worker_is(world):
    world.work("--echo", "--name", "parrot", "--service", "law", "--slots", "3", "--heartbeat", "1s")
    _, service, options = world.gate.ready()
    assert service == "law"
    assert options == {"name": "parrot", "adapter": "echo", "slots": 3, "heartbeats": True, "batches": True,
                       "interval": 1000, "format": "query"}


def test_name_comes_from_the_command_and_the_service_is_all(world):
    program = world.work_child()
    _, service, options = world.gate.ready()
    assert service == "*"
    assert options["name"] == f"{Path(PYTHON).name}-{program.pid}"
    assert (options["slots"], options["interval"]) == (1, 2500)


def test_program_is_started_once_and_serves_many_queries(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    pids = {pid_of(world.gate.answer(world.gate.ask(peer, f"{n}?"))) for n in range(50)}
    assert len(pids) == 1


def test_line_that_is_not_json_is_the_answer_as_sent(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    for text in ("just words", '  {"answer": ', "grüße \\n", "42", '"quoted"', "[1, 2"):
        assert world.gate.answer(world.gate.ask(peer, "say " + text)) == text.encode()
    assert world.gate.answer(world.gate.ask(peer, "blank words")) == b"words"


def test_query_is_one_line_whatever_it_holds(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    world.gate.send(peer, REQUEST, b"t1", b"", b'{\n "question":\r\n "over\\nlines"\n}')
    assert json.loads(world.gate.answer(b"t1"))["answer"].endswith(": over\nlines")
    world.gate.send(peer, REQUEST, b"t2", b"", b"not JSON\nat all")
    assert json.loads(world.gate.answer(b"t2"))["answer"].endswith(": not JSON\nat all")
    world.gate.send(peer, REQUEST, b"t3", b"", b'["question"]')
    assert json.loads(world.gate.answer(b"t3"))["answer"].endswith(': ["question"]')


def test_partial_lines_are_parts_of_the_answer(world):
    world.work("--", PYTHON, "-c", """import json, sys
for line in sys.stdin:
    for part in ("You ", "a\\u00e9ked"):
        print(json.dumps({"type": "partial", "text": part, "delivery": json.loads(line)["delivery"]}), flush=True)
    print(json.dumps({"type": "partial", "text": 7}), json.dumps({"answer": "whole"}), sep="\\n", flush=True)
""")
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "?")
    for part in ("You ", "a\u00e9ked", ""):
        _, (got, empty, text) = world.gate.expect(PARTIAL)
        assert (got, empty, text.decode()) == (token, b"", part)
    assert json.loads(world.gate.answer(token)) == {"answer": "whole"}


def test_answers_with_a_token_may_come_in_any_order(world):
    world.work_child("--slots", "4")
    peer, _, _ = world.gate.ready()
    tokens = [world.gate.ask(peer, f"later {n}") for n in range(3)]
    tokens.append(world.gate.ask(peer, "backwards 3"))
    for n in (3, 2, 1, 0):
        assert json.loads(world.gate.answer(tokens[n]))["answer"].endswith(str(n))


def test_answers_without_a_token_belong_to_the_oldest_query(world):
    world.work_child("--slots", "4")
    peer, _, _ = world.gate.ready()
    tokens = [world.gate.ask(peer, f"later {n}") for n in range(3)]
    tokens.append(world.gate.ask(peer, "forwards 3"))
    for n in range(4):
        assert json.loads(world.gate.answer(tokens[n]))["answer"].endswith(str(n))


def test_line_that_nobody_asked_for_is_told_and_dropped(world):
    program = world.work_child()
    peer, _, _ = world.gate.ready()
    assert world.gate.answer(world.gate.ask(peer, "twice")) == b"one"
    program.wait_event("unasked")
    assert b"next?" in world.gate.answer(world.gate.ask(peer, "next?"))


def test_unfinished_last_line_counts_only_after_a_clean_exit(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    assert world.gate.answer(world.gate.ask(peer, "last words")) == b"last words"[5:]
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    assert "status 1" in world.gate.error(world.gate.ask(peer, "cut wor"))


def test_stderr_goes_to_the_log_line_by_line(world):
    program = world.work_child("--name", "loud")
    peer, _, _ = world.gate.ready()
    world.gate.answer(world.gate.ask(peer, "shout one\x1b[31m\ntwo"))
    assert program.wait_event("stderr", worker="loud")["say"].startswith("one")
    program.wait_event("stderr", say="two")
    assert "\x1b" not in program.stderr.text()


def test_large_query_and_answer_pass_through_the_pipes(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    text = "x" * (3 << 20)
    assert world.gate.answer(world.gate.ask(peer, "say " + text)) == text.encode()


def test_program_gets_three_descriptors_default_signals_and_its_own_group(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    facts = json.loads(world.gate.answer(world.gate.ask(peer, "self")))["answer"]
    assert facts["descriptors"] == [0, 1, 2]
    assert facts["group"] == facts["pid"]
    assert facts["blocked"] == 0
    python_ignores = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    libc_ignores = 3 << 31  # posix_spawn() does that to the two signals that are glibc's own
    assert facts["ignored"] & ~python_ignores & ~libc_ignores == 0


# ── the program's end ───────────────────────────────────────────────────────────────────────────────

def test_program_killed_mid_query_is_an_error_and_a_new_program_serves_the_next(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    first = pid_of(world.gate.answer(world.gate.ask(peer, "who?")))
    token = world.gate.ask(peer, "hang")
    assert world.note("hanging") == [first]
    os.kill(first, signal.SIGKILL)
    assert "killed by signal 9" in world.gate.error(token)
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    assert pid_of(world.gate.answer(world.gate.ask(peer, "who?"))) != first


def test_exit_fails_every_query_in_flight(world):
    program = world.work_child("--slots", "3")
    peer, _, _ = world.gate.ready()
    tokens = {world.gate.ask(peer, "later 1"), world.gate.ask(peer, "later 2"),
              world.gate.ask(peer, "exit 3")}
    failed = set()
    for _ in range(3):
        _, (token, _, body) = world.gate.expect(FINAL)
        assert "exited with status 3" in json.loads(body)["error"]
        failed.add(token)
    assert failed == tokens
    world.gate.expect(DISCONNECT)
    world.gate.ready()
    program.wait_event("restarted")


def test_endless_line_is_cut_and_its_writer_ended(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    assert "16777216 bytes" in world.gate.error(world.gate.ask(peer, "endless"))
    world.gate.expect(DISCONNECT)
    peer, _, _ = world.gate.ready()
    assert b"next?" in world.gate.answer(world.gate.ask(peer, "next?"))


def test_program_that_closes_its_stdout_is_ended(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "mute")
    (pid,) = world.note("hanging")
    assert "closed its standard output" in world.gate.error(token)
    wait_for(lambda: not alive(pid), "the mute program's end")


def test_time_limit_ends_the_whole_process_group(world):
    world.work_child("--time-limit", "4s")
    peer, _, _ = world.gate.ready()
    world.gate.answer(world.gate.ask(peer, "who?"))  # its start is part of the first query's time
    token = world.gate.ask(peer, "family")
    family = world.note("family")
    assert "ran out of time" in world.gate.error(token)
    world.gate.expect(DISCONNECT)
    for pid in family:
        wait_for(lambda pid=pid: not alive(pid), "the end of a process that ignores SIGTERM")
    peer, _, _ = world.gate.ready()
    assert b"next?" in world.gate.answer(world.gate.ask(peer, "next?"))


def test_deadline_of_the_delivery_ends_the_program(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "hang", deadline=stamp(4))
    assert "ran out of time" in world.gate.error(token)


def test_query_whose_deadline_passes_before_its_turn_fails_alone(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait for it")
    (pid,) = world.note("waiting")
    assert "while it waited" in world.gate.error(world.gate.ask(peer, "second?", deadline=stamp(3)))
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "for it"
    assert pid_of(world.gate.answer(world.gate.ask(peer, "who?"))) == pid


def test_deadline_in_the_past_is_a_wrong_clock_and_not_believed(world):
    world.work_child()
    peer, _, _ = world.gate.ready()
    assert b"next?" in world.gate.answer(world.gate.ask(peer, "next?", deadline="2001-01-01T00:00:00"))


def test_three_hundred_deaths_leave_no_zombie_and_no_descriptor(world):
    workers, rounds = 20, 15
    # The shell answers its first query, so that the pause before its next start is the short one.
    script = 'read q; echo "{\\"answer\\":$$}"; read q; exit 7'
    program = world.work("--count", str(workers), "--", "/bin/sh", "-c", script)
    before, deaths, seen = None, 0, {}
    while deaths < workers * rounds:
        peer, command, rest = world.gate.hear()
        if command == READY:
            name = json.loads(rest[1])["name"]
            seen[name] = seen.get(name, 0) + 1
            if before is None and len(seen) == workers and max(seen.values()) == 1:
                before = descriptors(program.pid)
            world.gate.ask(peer, "one?")
        elif command == FINAL and b"error" not in rest[2]:
            world.gate.ask(peer, "two?")
        elif command == FINAL:
            assert b"status 7" in rest[2]
            deaths += 1
    assert len(seen) == workers

    def settled():
        return len(children(program.pid)) == workers and descriptors(program.pid) <= before
    wait_for(settled, f"{workers} children and {before} descriptors, now {len(children(program.pid))} "
                      f"and {descriptors(program.pid)}")


def test_program_that_ends_at_once_is_started_ever_more_slowly(world):
    program = world.work("--", "/bin/sh", "-c", "exit 1")
    ends = wait_for(lambda: program.events("ended")[2:] and program.events("ended"), "three ends")
    assert [line["again_in_us"] for line in ends][:3] == [500_000, 1_000_000, 2_000_000]


@pytest.mark.parametrize("command", [["/nonexistent/program"], ["no-such-program-in-path"], ["/etc/passwd"]])
def test_command_that_cannot_be_started_is_one_clear_line(world, command):
    program = world.work("--", *command)
    assert program.wait() == 1
    (line,) = program.stderr.text().splitlines()
    assert command[0] in line and ("No such file" in line or "Permission denied" in line)


# ── the command line ────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("words", [
    ["--echo"], ["--db", "a", "--gate", "ipc://b", "--echo"], ["--gate", "ipc:///tmp/x"],
    ["--gate", "ipc:///tmp/x", "--echo", "--", "cat"], ["--gate", "nonsense", "--echo"],
    ["--gate", "ipc:///tmp/x", "--echo", "--slots", "0"], ["--gate", "ipc:///tmp/x", "--echo", "--count", "65"],
    ["--gate", "ipc:///tmp/x", "--echo", "--service", ""], ["--gate", "ipc:///tmp/x", "--echo", "--name", "a\nb"],
    ["--gate", "ipc:///tmp/x", "--echo", "--log-level", "loud"], ["--unknown"]])
def test_mistake_on_the_command_line_is_one_line_and_exit_2(world, words):
    program = Program([TAILGATE_WORK, *words])
    world.programs.append(program)
    assert program.wait() == 2
    assert len(program.stderr.text().splitlines()) == 1


def test_socket_path_that_is_too_long_names_the_limit_and_the_option(world, site):
    deep = site.folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    program = world.work("--echo", where=("--db", deep / "bridge.db"))
    assert program.wait() == 1
    (line,) = program.stderr.text().splitlines()
    assert "107" in line and "--gate" in line
