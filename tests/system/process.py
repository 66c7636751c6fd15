"""Programs of ours as processes: how they are started, listened to and ended.

Every wait has a bound that only a hang can miss (WAIT), and says on failure what it was waiting for.
"""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
BUILD = Path(os.environ.get("TAILGATE_BUILD", ""))
TAILGATE = BUILD / "gateway" / "tailgate"
TAILGATE_WORK = BUILD / "adapters" / "worker" / "tailgate-work"
LONG = os.environ.get("TAILGATE_LONG", "") not in ("", "0")
WAIT = 180.0 if LONG else 60.0

SANITIZER = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:"
                       r"|Assertion .* failed")


def environment(**more):
    """The environment of every program under test: sanitizers have an exit code of their own (99)."""
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "exitcode=99:detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "exitcode=99:print_stacktrace=1")
    env.setdefault("TSAN_OPTIONS", f"exitcode=99:suppressions={HERE / 'tsan.supp'}")
    env.update(more)
    return env


def assert_no_sanitizer_report(text):
    found = SANITIZER.search(text)
    assert not found, "a sanitizer or an assertion spoke:\n" + text[max(0, found.start() - 500):][:6000]


def wait_for(check, what, timeout=WAIT):
    """Waits until CHECK returns something true, and returns it."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"waited {timeout:.0f} s for {what}"
        time.sleep(0.01)


def tailgate(*words, timeout=WAIT, env=None, **keywords):
    """Runs `tailgate WORDS` to its end; returns a CompletedProcess with text."""
    done = subprocess.run([str(TAILGATE), *map(str, words)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=timeout,
                          env=env or environment(), check=False, **keywords)
    assert_no_sanitizer_report(done.stderr)
    return done


def one_line(done):
    """The one line of an error message: what a command that refuses must print, and nothing else."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, f"expected one line on stderr, got {lines!r}"
    return lines[0]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer_of(reply):
    """What the row of a reply says, when a worker wrote it."""
    return json.loads(reply["text"])["answer"]


def find_member(tree, name):
    """The first member NAME anywhere in a JSON tree, or None."""
    if isinstance(tree, dict):
        if name in tree:
            return tree[name]
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            found = find_member(value, name)
            if found is not None:
                return found
    return None


class Lines:
    """Reads a pipe in a thread; lets a test wait for a line. Whoever looks takes what is in the pipe first: what
    a program wrote before it did something else that the test has seen is there, whether or not the thread
    has had its turn."""

    def __init__(self, stream):
        self.stream = stream
        self.pipe = stream.fileno()
        self.kept = []
        self.rest = b""  # of a line that has not ended yet
        self.ended = False
        self.news = threading.Condition()
        os.set_blocking(self.pipe, False)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        arrival = select.poll()
        arrival.register(self.pipe, select.POLLIN)
        while not self.ended:
            arrival.poll()
            with self.news:
                self._take()
        self.stream.close()

    def _take(self):
        """Takes what is in the pipe now: one read is all of it. The caller holds the lock."""
        if self.ended:
            return
        try:
            piece = os.read(self.pipe, 1 << 20)
        except BlockingIOError:
            return
        self.ended = not piece
        *whole, self.rest = (self.rest + piece).split(b"\n")
        if self.ended and self.rest:
            whole.append(self.rest)
        self.kept += [raw.decode("utf-8", "replace") for raw in whole]
        self.news.notify_all()

    @property
    def lines(self):
        """Every line until now."""
        with self.news:
            self._take()
            return list(self.kept)

    def text(self):
        return "\n".join(self.lines)

    def wait(self, matches, what, timeout=WAIT, since=0):
        """Waits for a line for which MATCHES is true, from line SINCE on; returns it."""
        end = time.monotonic() + timeout
        looked = since
        with self.news:
            while True:
                for line in self.kept[looked:]:
                    if matches(line):
                        return line
                looked = max(looked, len(self.kept))
                left = end - time.monotonic()
                assert not self.ended, f"the stream ended without {what}:\n" + "\n".join(self.kept[-40:])
                assert left > 0, f"waited {timeout:.0f} s for {what}; last lines:\n" + \
                    "\n".join(self.kept[-40:])
                self.news.wait(left)


class Program:
    """A program of ours as a process whose stderr is read all the time."""

    def __init__(self, words, env=None, stdout=subprocess.DEVNULL, pipe=False, **keywords):
        self.process = subprocess.Popen([str(word) for word in words],
                                        stdin=subprocess.PIPE if pipe else subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                                        env=env or environment(), **keywords)
        self.stderr = Lines(self.process.stderr)
        self.ended = False  # the test has seen its end

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """SIGSTOP, and waits until it has: nothing in it runs until SIGCONT."""
        self.signal(signal.SIGSTOP)
        wait_for(lambda: os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG), "the program to stand still")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def wait(self, timeout=WAIT):
        """Waits for the end; returns the exit code. No sanitizer may have spoken."""
        code = self.process.wait(timeout)
        self.ended = True
        self.stderr.thread.join(timeout)
        assert_no_sanitizer_report(self.stderr.text())
        return code

    def stop(self, timeout=WAIT):
        """SIGTERM, and the promise of exit 0."""
        if self.running():
            self.signal(signal.SIGTERM)
        code = self.wait(timeout)
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.stderr.text()[-4000:]}"

    def kill(self):
        """kill -9: what it said until then must still be clean."""
        if self.running():
            self.process.kill()
        self.wait()

    def events(self, name=None):
        """The JSON log lines until now, or those of one event."""
        found = []
        for line in self.stderr.lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and name in (None, entry.get("event")):
                found.append(entry)
        return found

    def wait_event(self, name, /, timeout=WAIT, since=0, **members):
        """Waits for a log event NAME that has these members; returns it."""
        def matches(line):
            try:
                entry = json.loads(line)
            except ValueError:
                return False
            return isinstance(entry, dict) and entry.get("event") == name and \
                all(entry.get(key) == value for key, value in members.items())
        return json.loads(self.stderr.wait(matches, f"the event {name} {members}", timeout, since))

    def wait_line(self, pattern, timeout=WAIT, since=0):
        """Waits for a line that matches the regular expression PATTERN."""
        wanted = re.compile(pattern, re.IGNORECASE)
        return self.stderr.wait(wanted.search, f"a line like /{pattern}/", timeout, since)

    def mark(self):
        """How many lines there are now: give it to a wait as SINCE."""
        return len(self.stderr.lines)
