"""tailgate work --agent: a real process that reads and writes as an agent's CLI does (agent_cli.py), and the
sessions that it keeps."""

import json
import os
import signal

import pytest

from gate import alive, children, descriptors, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, FINAL, HEARTBEAT, HERE, PARTIAL, TAILGATE_WORK, Program, wait_for

CLI = HERE / "agent_cli.py"


def work(world, *words, name="claude", cli=CLI):
    return world.work("--agent", name, *words, "--", cli, "--sessions", world.folder / "sessions",
                      "--notes", world.folder)


class Talk:
    """Asks, and hears all that comes until the FINAL."""

    def __init__(self, world):
        self.gate = world.gate
        self.peer, _, _ = world.gate.ready()

    def ask(self, question, conversation="c1"):
        return self.gate.ask(self.peer, question, conversation_id=conversation)

    def hear(self, token):
        """The FINAL and the parts before it; anything else, above all DISCONNECT, is a failure."""
        parts = []
        while True:
            _, command, rest = self.gate.hear()
            if command == PARTIAL:
                assert rest[0] == token
                parts.append(rest[2].decode())
            elif command == FINAL:
                assert rest[0] == token
                return json.loads(rest[2]), parts
            else:
                assert command == HEARTBEAT, f"{command!r} {rest!r}"

    def told(self, question, conversation="c1"):
        """Whom it told, and how many messages that session has had with this one."""
        final, _ = self.hear(self.ask(question, conversation))
        pid, count, text = final["answer"].split(" ", 2)
        assert text == question
        return int(pid), int(count)

    def error(self, token):
        final, _ = self.hear(token)
        assert (final["type"], final["retry"]) == ("error", True)
        return final["error"]


# ── the answer ──────────────────────────────────────────────────────────────────────────────────────

def test_parts_come_first_and_the_result_is_the_answer(world):
    work(world)
    talk = Talk(world)
    final, parts = talk.hear(talk.ask("grüße \"an\"\nalle"))
    assert set(final) == {"answer", "usage"}
    assert final["answer"] == "".join(parts) and len(parts) == 2
    assert final["answer"].endswith(" grüße \"an\"\nalle")


def test_usage_is_that_of_the_query(world):
    work(world)
    talk = Talk(world)
    for _ in range(2):
        final, _ = talk.hear(talk.ask("three words here"))
        assert final["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8,
                                  "model": "stand-in-1", "cost_usd": 0.001}
    talk.told("another", "c2")
    final, _ = talk.hear(talk.ask("three words here"))
    assert final["usage"]["cost_usd"] == 0.001, "of a session that was resumed, too"


def test_only_the_agents_own_words_are_parts(world):
    work(world)
    talk = Talk(world)
    final, parts = talk.hear(talk.ask("helped"))
    assert (final["answer"], parts) == ("own words", ["own words"])


def test_large_question_and_answer_pass(world):
    work(world)
    talk = Talk(world)
    assert talk.hear(talk.ask("large 3000000"))[0]["answer"] == "x" * 3000000
    assert talk.told("y" * 3000000)[1] == 2


def test_lines_that_are_no_events_are_passed_over_and_told_once(world):
    program = work(world)
    talk = Talk(world)
    for _ in range(2):
        assert talk.hear(talk.ask("garbage"))[0]["answer"] == "after garbage"
    (line,) = program.events("adapter")
    assert "not JSON" in line["say"] and "\x1b" not in program.stderr.text()


def test_words_for_people_go_to_the_log(world):
    program = work(world)
    talk = Talk(world)
    talk.hear(talk.ask("shout out loud"))
    program.wait_event("stderr", say="out loud")


@pytest.mark.parametrize("question", ["", "  \n"])
def test_query_without_a_question_is_refused_for_good(world, question):
    work(world)
    talk = Talk(world)
    final, _ = talk.hear(talk.ask(question))
    assert (final["type"], final["retry"]) == ("error", False)
    assert talk.told("next?")[1] == 1


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────

def test_each_conversation_has_a_session_of_its_own_across_processes(world):
    program = work(world)
    talk = Talk(world)
    a, count = talk.told("one", "a")
    assert count == 1
    assert talk.told("two", "a") == (a, 2), "the process stays while the conversation does"
    b, count = talk.told("one", "b")
    assert (count, b != a) == (1, True), "what a was told is not told to b"
    assert talk.told("three", "a")[1] == 3
    assert talk.told("two", "b")[1] == 2
    wait_for(lambda: len(children(program.pid)) == 1, "one process")
    assert not program.events("ended"), "none of this is an end"


def test_query_of_no_conversation_is_told_to_a_fresh_session(world):
    work(world)
    talk = Talk(world)
    assert [talk.told("who?", None)[1] for _ in range(2)] == [1, 1]
    assert talk.told("who?", "a")[1] == 1
    assert talk.told("who?", None)[1] == 1
    assert talk.told("who?", "a")[1] == 2


def test_session_of_the_worker_is_shared_by_all_and_survives_its_process(world):
    work(world, "--session", "worker")
    talk = Talk(world)
    pid, count = talk.told("one", "a")
    assert (talk.told("two", "b"), count) == ((pid, 2), 1)
    os.kill(pid, signal.SIGKILL)
    world.gate.expect(DISCONNECT)
    assert Talk(world).told("three", "c")[1] == 3


def test_session_of_a_query_is_its_own(world):
    work(world, "--session", "query")
    talk = Talk(world)
    told = [talk.told("who?", "a") for _ in range(3)]
    assert [count for _, count in told] == [1, 1, 1]
    assert len({pid for pid, _ in told}) == 3


def test_conversation_goes_on_after_its_process_was_killed(world):
    work(world)
    talk = Talk(world)
    pid, _ = talk.told("one", "a")
    os.kill(pid, signal.SIGKILL)
    world.gate.expect(DISCONNECT)
    pid, count = Talk(world).told("two", "a")
    assert count == 2


def test_session_that_cannot_be_resumed_costs_an_attempt_and_is_forgotten(world):
    work(world)
    talk = Talk(world)
    talk.told("one", "a")
    talk.told("one", "b")
    for file in (world.folder / "sessions").iterdir():
        file.unlink()
    assert "No conversation found" in talk.error(talk.ask("two", "a"))
    assert talk.told("two", "a")[1] == 1


def test_conversations_of_a_bridge_are_kept_apart(site):
    bridge = site.bridge()
    other = bridge.converse()
    site.serve(bridge)
    worker = site.program("work", "--db", bridge.path, "--agent", "claude", "--", CLI,
                          "--sessions", site.folder / "sessions", "--notes", site.folder)

    def told(**where):
        reply = bridge.reply(bridge.ask("who?", **where))
        return int(json.loads(reply["text"])["answer"].split()[1])
    assert [told(), told(conversation=other), told(), told(conversation=other)] == [1, 1, 2, 2]
    worker.stop()
    bridge.check_exactly_once(4)


# ── starting it anew ────────────────────────────────────────────────────────────────────────────────

def test_process_is_changed_after_so_many_queries_and_the_session_goes_on(world):
    work(world, "--restart-after", "2")
    talk = Talk(world)
    told = [talk.told("who?") for _ in range(5)]
    pids = [pid for pid, _ in told]
    assert [count for _, count in told] == [1, 2, 3, 4, 5]
    assert pids[0] == pids[1] and pids[2] == pids[3] and len(set(pids)) == 3


def test_process_is_changed_when_it_is_old_and_the_session_goes_on(world):
    work(world, "--restart-every", "500ms")
    talk = Talk(world)
    pid, _ = talk.told("one")
    wait_for(lambda: not alive(pid), "the end of the old process")
    newer, count = talk.told("two")
    assert (newer != pid, count) == (True, 2)


def test_program_that_is_gone_when_it_is_to_be_started_anew_is_looked_for_again(world):
    cli = world.folder / "cli"
    cli.symlink_to(CLI)
    program = work(world, "--restart-after", "2", cli=cli)
    talk = Talk(world)
    talk.told("one")
    cli.unlink()
    talk.told("two")
    assert "No such file" in program.wait_event("broken")["say"]
    world.gate.expect(DISCONNECT)
    cli.symlink_to(CLI)
    assert Talk(world).told("three")[1] == 3


def test_ten_changes_leave_no_process_and_no_descriptor(world):
    program = work(world, "--session", "query")
    talk = Talk(world)

    def descriptors_after(last):
        """How many there are when the process LAST has been followed by another one."""
        wait_for(lambda: len(children(program.pid)) == 1 and last not in children(program.pid), "one fresh process")
        return descriptors(program.pid)
    before = descriptors_after(talk.told("who?")[0])
    for _ in range(10):
        last, _ = talk.told("who?")
    wait_for(lambda: descriptors_after(last) <= before, f"at most {before} descriptors")


# ── failures ────────────────────────────────────────────────────────────────────────────────────────

def test_error_is_a_failed_attempt_and_the_process_goes_on(world):
    work(world)
    talk = Talk(world)
    pid, _ = talk.told("one")
    assert talk.error(talk.ask("fail error_max_turns too many turns")) == "too many turns"
    assert talk.told("two") == (pid, 3)


def test_result_without_a_text_is_a_failed_attempt(world):
    work(world)
    talk = Talk(world)
    assert "no text" in talk.error(talk.ask("empty"))


def test_silent_agent_is_ended_and_the_next_query_served_at_once(world):
    program = work(world, "--silence", "3s")
    talk = Talk(world)
    assert talk.told("one")[1] == 1
    token = talk.ask("hang")
    (pid,) = world.note("hanging")
    assert "said nothing for 3 s" in talk.error(token)
    assert talk.told("two")[1] == 3
    assert not alive(pid) and not program.events("ended")


def test_query_out_of_time_costs_the_process_and_not_the_place_at_the_gateway(world):
    work(world, "--time-limit", "3s")
    talk = Talk(world)
    token = talk.ask("hang")
    (pid,) = world.note("hanging")
    assert "ran out of time" in talk.error(token)
    assert talk.told("two")[1] >= 1
    assert not alive(pid)


def test_death_within_an_answer_is_told_at_once(world):
    work(world)
    talk = Talk(world)
    token = talk.ask("hang")
    (pid,) = world.note("hanging")
    os.kill(pid, signal.SIGKILL)
    assert "killed by signal 9" in talk.error(token)
    world.gate.expect(DISCONNECT)
    assert Talk(world).told("next?")[1] >= 1


def test_exit_within_an_answer_says_the_status(world):
    work(world)
    talk = Talk(world)
    assert "exited with status 3" in talk.error(talk.ask("exit 3"))


def test_endless_event_is_cut_and_its_writer_ended(world):
    work(world)
    talk = Talk(world)
    assert "16777216 bytes" in talk.error(talk.ask("endless"))
    world.gate.expect(DISCONNECT)
    assert Talk(world).told("next?")[1] >= 1


def test_stop_ends_the_agent(world):
    program = work(world)
    pid, _ = Talk(world).told("one")
    program.stop()
    assert not alive(pid)


def test_stop_gives_back_what_the_agent_works_on(world):
    program = work(world)
    talk = Talk(world)
    token = talk.ask("hang")
    (pid,) = world.note("hanging")
    program.signal(signal.SIGTERM)
    program.signal(signal.SIGTERM)
    final, _ = talk.hear(token)
    assert final["type"] == "return" and "stopping" in final["error"]
    assert program.wait() == 0
    assert not alive(pid)


# ── a CLI that serves one query per process ─────────────────────────────────────────────────────────

def test_codex_serves_each_query_with_a_process_of_its_own(world):
    program = work(world, name="codex")
    talk = Talk(world)
    final, parts = talk.hear(talk.ask("who?", "a"))
    assert (final["answer"], parts) == ("who?", []), "the last message is the answer"
    assert final["usage"] == {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}
    wait_for(lambda: len(children(program.pid)) == 1, "one process")
    assert not program.events("ended")


def test_codex_resumes_the_session_of_a_conversation(world):
    work(world, name="codex")
    talk = Talk(world)
    talk.hear(talk.ask("one", "a"))
    talk.hear(talk.ask("one", "b"))
    talk.hear(talk.ask("two", "a"))
    sessions = [json.loads(file.read_text()) for file in (world.folder / "sessions").iterdir()]
    assert sorted(sessions) == [["one"], ["one", "two"]]


def test_codex_turn_that_failed_is_a_failed_attempt(world):
    program = work(world, name="codex")
    talk = Talk(world)
    assert talk.error(talk.ask("fail any no credit left")) == "no credit left"
    assert talk.hear(talk.ask("next?"))[0]["answer"] == "next?"
    assert not program.events("ended")


def test_codex_that_ends_without_a_result_is_a_failed_attempt(world):
    work(world, name="codex")
    talk = Talk(world)
    assert "exited with status 0" in talk.error(talk.ask("exit 0"))
    world.gate.expect(DISCONNECT)
    talk = Talk(world)
    assert talk.hear(talk.ask("next?"))[0]["answer"] == "next?"


# ── the command line ────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("name", ["claude", "codex"])
def test_agent_that_cannot_be_started_is_one_clear_line(world, name):
    program = world.work("--agent", name, "--", "/nonexistent/" + name)
    assert program.wait() == 1
    (line,) = program.stderr.text().splitlines()
    assert f"cannot start /nonexistent/{name}: No such file" in line


@pytest.mark.parametrize("words, said", [
    (["--agent", "nobody"], "claude, codex"), (["--agent", "claude", "--session", "day"], "conversation"),
    (["--agent", "claude", "--slots", "2"], "--slots"), (["--agent", "claude", "--silence", "-1"], "--silence"),
    (["--agent", "claude", "--restart-after", "x"], "--restart-after"), (["--agent"], "--agent"),
    (["--echo", "--session", "worker"], "--agent"), (["--agent", "claude", "--echo"], "one adapter")])
def test_mistake_on_the_command_line_is_one_line_and_exit_2(world, words, said):
    program = Program([TAILGATE_WORK, "--gate", "ipc:///tmp/x", *words])
    world.programs.append(program)
    assert program.wait() == 2
    (line,) = program.stderr.text().splitlines()
    assert said in line
