"""deploy/quickstart as a person runs it, on a terminal, with what is built already."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from harness import BUILD, HERE, PYTHON, WAIT, Bridge, environment, tailgate, wait_for

QUICKSTART = HERE.parent.parent / "deploy" / "quickstart"

# A worker program that is busy until it is told to go on.
SLOW = """
import pathlib, sys, time
for line in sys.stdin:
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    print("done at last", flush=True)
"""


class Terminal:
    """A program on a terminal of its own: Ctrl-C reaches its whole foreground process group."""

    def __init__(self, *words):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execve(words[0], [str(word) for word in words], environment(TAILGATE_BUILD=str(BUILD)))
        self.text = ""
        self.code = None

    def read(self, patience):
        """Reads what is there; false at the end."""
        if not select.select([self.screen], [], [], patience)[0]:
            return True
        try:
            more = os.read(self.screen, 65536)
        except OSError:  # the last writer has gone
            return False
        self.text += more.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(more)

    def wait_text(self, pattern):
        end = time.monotonic() + WAIT
        while not re.search(pattern, self.text):
            assert self.read(0.1), f"it ended without /{pattern}/:\n{self.text[-4000:]}"
            assert time.monotonic() < end, f"waited for /{pattern}/:\n{self.text[-4000:]}"
        return re.search(pattern, self.text)

    def press_ctrl_c(self):
        os.write(self.screen, b"\x03")

    def wait(self):
        """Waits for the end; returns the exit code."""
        end = time.monotonic() + WAIT
        while self.read(0.1):
            assert time.monotonic() < end, f"it does not end:\n{self.text[-4000:]}"
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGTERM)
            self.wait()
        os.close(self.screen)


@pytest.fixture
def quickstart(site):
    running = []

    def start(*words):
        running.append(Terminal(QUICKSTART, *words, site.folder))
        return running[-1]
    yield start
    for terminal in running:
        terminal.close()


def test_shows_a_question_on_its_way_and_stops_cleanly(site, quickstart):
    shown = quickstart()
    assert shown.wait() == 0, shown.text[-4000:]
    assert re.search(r"from commit to reply: [\d.]+ ms", shown.text)
    assert re.search(r"sources +README\.md:\d+-\d+", shown.text)
    assert re.search(r"^Committer  1 committed", shown.text, re.MULTILINE), "the status knows of the answer"
    assert "quickstart: " not in shown.text  # the prefix of what goes wrong
    Bridge(site.folder / "bridge.db", by="nobody").check_exactly_once(1)


def test_ctrl_c_lets_what_is_in_flight_be_answered(site, quickstart):
    kept = quickstart("--keep")
    kept.wait_text("running until Ctrl-C")
    bridge = Bridge(site.folder / "bridge.db", by="nobody")
    with bridge.reading() as db:
        bridge.conversation = db.execute("SELECT id FROM conversations").fetchone()[0]
    site.program("work", "--db", bridge.path, "--service", "slow", "--", PYTHON, "-c", SLOW, cwd=site.folder)

    def slow_is_there():
        status = json.loads(tailgate("status", "--db", bridge.path, "--json").stdout)
        return any(worker["service"] == "slow" for worker in status["workers"])
    wait_for(slow_is_there, "the slow worker to be registered")
    message = bridge.ask("how long?", service="slow")
    wait_for((site.folder / "begun").exists, "the query to be in the program")
    kept.press_ctrl_c()
    log = site.folder / "gateway.log"
    wait_for(lambda: "draining" in log.read_text(), "the gateway to drain")
    (site.folder / "go").touch()
    assert kept.wait() == 0, kept.text[-4000:]
    assert "at once, by a second signal" not in log.read_text()
    assert json.loads(bridge.reply(message)["text"])["answer"] == "done at last"
    bridge.check_exactly_once(2)


def test_end_of_the_gateway_is_told_and_shown(site, quickstart):
    kept = quickstart("--keep")
    pid = int(kept.wait_text(r"ready: tailgate \S+, pid (\d+)")[1])
    kept.wait_text("running until Ctrl-C")
    os.kill(pid, signal.SIGKILL)
    assert kept.wait() == 1
    assert "quickstart: the gateway ended by itself" in kept.text
    assert f"the files are in {site.folder}" in kept.text


def test_unknown_option_is_one_line_and_exit_2():
    done = subprocess.run([QUICKSTART, "--nonsense"], capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
