"""`tailgate serve --work`: workers that the gateway starts, keeps running, and takes with it when it ends."""

import json
import os
import signal

import pytest

from gate import alive, children
from harness import PYTHON, TAILGATE, Program, one_line, tailgate, wait_for

DRAIN = {"drain.timeout": "20s"}
# A program with a question in hand until the test says "go"; it says on argv[1] who it is.
SLOW = """
import os, sys, time
for line in sys.stdin:
    open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    while not os.path.exists(sys.argv[1] + ".go"):
        time.sleep(0.01)
    print("finished", flush=True)
"""


def helpers(gateway):
    return gateway.status()["helpers"]


def wait_running(gateway, index=0, other_than=None):
    def look():
        helper = helpers(gateway)[index]
        return helper["pid"] if helper["state"] == "running" and helper["pid"] != other_than else None
    return wait_for(look, "the worker to run")


def answer(bridge, question, **keywords):
    return json.loads(bridge.reply(bridge.ask(question, **keywords))["text"])["answer"]


def slow_work(site):
    path = site.folder / "slow.py"
    path.write_text(SLOW)
    return f"-- {PYTHON} '{path}' {site.folder}/asked"


def pid_of_slow(site):
    path = site.folder / "asked"
    wait_for(path.exists, "the program to have its question")
    return int(path.read_text())


def test_echo_worker_answers(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "--echo --name parrot")
    assert answer(bridge, "Polly?") == "Polly?"
    (helper,) = helpers(gateway)
    assert helper == {"command": "--echo --name parrot", "pid": helper["pid"], "restarts": 0, "state": "running"}
    assert children(gateway.pid) == [helper["pid"]]
    assert gateway.wait_event("work-started")["pid"] == helper["pid"]
    gateway.wait_event("ready", worker="parrot")  # its log lines are written as ours are
    bridge.check_exactly_once(1)


def test_several_workers_each_with_its_words(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "--echo --service law", "--work=--service tax -- sh -c 'while read q; do echo tax; done'")
    assert answer(bridge, "law?", service="law") == "law?"
    assert answer(bridge, "tax?", service="tax") == "tax"
    assert len(children(gateway.pid)) == len(helpers(gateway)) == 2


def test_quotes_make_one_argument(site):
    bridge = site.bridge()
    show = site.folder / "show.py"
    show.write_text("import sys\nfor line in sys.stdin: print(sys.argv[1:], flush=True)\n")
    site.serve(bridge, "--work", f"""--name 'a "b" c' -- {PYTHON} {show} 'one  word' "it's" a\\ b '' $HOME *""")
    reply = bridge.reply(bridge.ask("?"))
    assert json.loads(reply["text"])["answer"] == str(["one  word", "it's", "a b", "", "$HOME", "*"])
    assert reply["metadata"]["worker"] == 'a "b" c'


def test_worker_gets_no_descriptor_of_the_gateway_and_its_program_not_our_word(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "-- sh -c 'while read q; do echo \"parent:$TAILGATE_PARENT\"; done'")
    assert answer(bridge, "?") == "parent:"
    pid = wait_running(gateway)
    named = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert named and not [name for name in named if str(bridge.path) in name and "-gate" not in name]
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert os.getpgid(pid) == pid != os.getpgid(gateway.pid)


# ── it ends ─────────────────────────────────────────────────────────────────────────────────────────

def test_killed_worker_is_started_again_and_answers(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "--echo")
    assert answer(bridge, "one?") == "one?"
    first = wait_running(gateway)
    os.kill(first, signal.SIGKILL)
    ended = gateway.wait_event("work-ended", pid=first)
    assert "signal 9" in ended["say"] and ended["again_in_us"] == 500_000
    assert answer(bridge, "two?") == "two?"
    second = wait_running(gateway, other_than=first)
    assert [helper["restarts"] for helper in helpers(gateway)] == [1]
    assert children(gateway.pid) == [second]


def test_worker_that_ends_again_and_again_is_started_ever_more_slowly(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "-- /nonexistent/program")
    ends = wait_for(lambda: gateway.events("work-ended")[2:] and gateway.events("work-ended"), "three ends")
    assert [end["again_in_us"] for end in ends[:3]] == [500_000, 1_000_000, 2_000_000]
    assert "status 1" in ends[0]["say"]
    (helper,) = helpers(gateway)
    assert (helper["state"], helper["pid"]) == ("paused", None)


def test_worker_with_wrong_words_is_told_once_and_the_gateway_serves_on(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "--no-such-option", "--work", "--echo")
    ended = gateway.wait_event("work-ended")
    assert ended["level"] == "error" and "wrong" in ended["say"] and "again_in_us" not in ended
    gateway.wait_line("unknown option --no-such-option")
    assert answer(bridge, "?") == "?"
    second = wait_running(gateway, 1)
    os.kill(second, signal.SIGKILL)
    wait_running(gateway, 1, other_than=second)  # the first one's pause, had it one, is over before that
    assert [(helper["state"], helper["restarts"]) for helper in helpers(gateway)] == [("failed", 0), ("running", 1)]
    assert len(gateway.events("work-ended")) == 2


def test_reload_leaves_the_workers_alone(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "--echo")
    pid = wait_running(gateway)
    gateway.signal(signal.SIGHUP)
    gateway.wait_event("reload")
    assert answer(bridge, "?") == "?"
    assert wait_running(gateway) == pid


# ── the gateway ends ────────────────────────────────────────────────────────────────────────────────

def test_answers_are_still_taken_while_the_gateway_drains_and_then_nothing_is_left(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", slow_work(site), settings=DRAIN)
    asked = bridge.ask("?")
    program = pid_of_slow(site)
    worker = wait_running(gateway)
    gateway.signal(signal.SIGTERM)
    gateway.wait_event("draining")
    (site.folder / "asked.go").touch()
    assert gateway.wait() == 0
    assert not alive(worker) and not alive(program)
    assert json.loads(bridge.reply(asked)["text"])["answer"] == "finished"


def test_interrupt_from_the_terminal_is_for_the_gateway_alone(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", slow_work(site), settings=DRAIN, start_new_session=True)
    asked = bridge.ask("?")
    program = pid_of_slow(site)
    os.killpg(gateway.pid, signal.SIGINT)  # as a terminal sends it
    gateway.wait_event("draining")
    (site.folder / "asked.go").touch()
    assert gateway.wait() == 0
    assert not alive(program)
    assert json.loads(bridge.reply(asked)["text"])["answer"] == "finished"
    assert [line["signal"] for line in gateway.events("stopping")] == [signal.SIGTERM], "the worker's, from us"


def test_stop_does_not_wait_for_a_program_that_hangs(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", slow_work(site), settings={"drain.timeout": "100ms"})
    bridge.ask("?")
    program = pid_of_slow(site)
    worker = wait_running(gateway)
    gateway.stop()
    assert not alive(worker) and not alive(program)


def test_worker_that_stands_still_is_killed_when_the_gateway_stops(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "--echo")
    worker = wait_running(gateway)
    gateway.wait_event("ready")
    os.kill(worker, signal.SIGSTOP)
    gateway.stop()
    assert not alive(worker)
    assert "signal 9" in gateway.wait_event("work-ended")["say"]


def test_worker_ends_by_itself_when_the_gateway_is_killed(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", f"-- {PYTHON} -c 'import sys; sys.stdin.read()'")
    worker = wait_running(gateway)
    gateway.wait_event("ready")
    programs = children(worker)
    gateway.kill()
    wait_for(lambda: not alive(worker), "the worker's end")
    wait_for(lambda: not any(alive(pid) for pid in programs), "the end of its program")
    again = site.serve(bridge, "--work", "--echo")
    assert answer(bridge, "?") == "?"
    assert len(children(again.pid)) == 1


def test_worker_whose_gateway_has_gone_before_it_looked_ends_at_once(site):
    worker = site.program("work", "--db", site.folder / "bridge.db", "--echo",
                          env={**os.environ, "TAILGATE_PARENT": "1"})
    assert worker.wait() == 0
    assert worker.stderr.text() == ""


# ── the command line ────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("words, said", [
    ("-- sh -c 'read", "a ' is not closed"), ('-- "sh', 'a " is not closed'), ("-- sh \\", "backslash"),
    ("", "say which worker"), ("  ", "say which worker"),
    ("--db other.db --echo", "leave out --db"), ("--db=other.db --echo", "leave out --db=other.db"),
    ("--echo -d other.db", "leave out -d"), ("--gate ipc:///x --echo", "leave out --gate"),
    ("-gipc:///x --echo", "leave out -g")])
def test_wrong_words_are_one_line_and_exit_2(site, words, said):
    bridge = site.bridge()
    done = tailgate("serve", "--db", bridge.path, "--work", words)
    assert done.returncode == 2
    assert said in one_line(done)


def test_words_of_the_program_are_its_own(site):
    bridge = site.bridge()
    site.serve(bridge, "--work", "-- sh -c 'while read q; do echo \"$0 $1\"; done' --db --gate")
    assert answer(bridge, "?") == "--db --gate"


def test_status_shows_them_to_people_and_only_when_there_are_any(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "-- sh -c cat 'p\x1b[2J' --echo")
    pid = wait_running(gateway)
    shown = tailgate("status", "--db", bridge.path).stdout
    lines = [line for line in shown.splitlines() if "sh -c cat" in line]
    assert len(lines) == 1, shown
    assert str(pid) in lines[0] and "running" in lines[0] and "\x1b" not in shown and "HELPER" in shown
    gateway.stop()
    gateway = site.serve(bridge)
    assert helpers(gateway) == []
    assert "HELPER" not in tailgate("status", "--db", bridge.path).stdout


def test_missing_helper_is_said_before_anything_starts(site):
    bridge = site.bridge()
    alone = site.folder / "tailgate"
    alone.write_bytes(TAILGATE.read_bytes())
    alone.chmod(0o700)
    program = Program([alone, "serve", "--db", bridge.path, "--work", "--echo"])
    assert program.wait() == 1
    (line,) = program.stderr.text().splitlines()
    assert "tailgate-work is neither" in line
