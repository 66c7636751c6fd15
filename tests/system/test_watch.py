"""`tailgate watch`: everything that happens, each row once, with a gateway, without one, and from one to the other."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import PYTHON, TAILGATE, WAIT, environment, one_line, tailgate, wait_for
from watching import Watch

FAST = {"backoff.first": "20ms", "backoff.max": "50ms", "attempts": "2"}
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def all_ids(bridge):
    with bridge.reading() as db:
        return [row[0] for row in db.execute("SELECT id FROM messages ORDER BY id")]


def waiting_in(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def watched(site, bridge, *words):
    """A watch that has begun: what is written from now on, it shows. Who has it from a gateway waits for a row."""
    watch = Watch(site, bridge, "--json", *words)
    wait_for(lambda: watch.out.lines or watch.err.lines, "the watch to begin")
    return watch


# With a gateway.

def test_rows_answers_and_workers_are_shown_in_lines(site):
    bridge = site.bridge()
    site.serve(bridge)
    watch = Watch(site, bridge, "--since", "0")
    first = bridge.ask("What does the lease protect?", service="docs")
    watch.wait(rf"query +{bridge.conversation[-8:]} docs +#{first} +What does the lease protect\?$")
    site.answerer(bridge, name="shard-1", answer=lambda query: {"answer": "All\nof it."})
    line = watch.wait(r"response .*All of it\.$")
    assert re.fullmatch(rf"\d\d:\d\d:\d\d\.\d{{3}} response +{bridge.conversation[-8:]} docs +#\d+ ← #{first} +"
                        r"[\d.<]+ m?s shard-1 \[uid:\d+\]: All of it\.", line)
    watch.wait(r"worker .* shard-1 \[uid:\d+\] joined \(MDP/0\.2; 1 worker\)$")
    bridge.send("still here", session="b")
    watch.wait(r"message +\w{8} +#\d+ +still here$")
    assert "\x1b" not in watch.out.text(), "colours only on a terminal"
    watch.end()


def test_json_has_each_row_once_as_the_gateway_tells_it(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    watch = Watch(site, bridge, "--json", "--since", "0")
    site.writer(bridge, count=50, pause=0.001).wait(WAIT)
    bridge.wait_replies(50)
    watch.wait_ids(all_ids(bridge))
    event = watch.events("response")[0]
    assert event["conversation_id"] == bridge.conversation and event["text"] and event["hash"]
    watch.end(signal.SIGTERM)


def test_failures_say_why(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=FAST)
    watch = Watch(site, bridge, "--since", "0", "--kind", "retry,dead", "--kind", "response")
    wait_for(lambda: gateway.status()["events"]["subscriptions"] == 4, "the subscriptions")
    site.answerer(bridge, answer=lambda query: {"type": "error", "error": "out of ink"}, name="w1")
    bridge.ask("?")
    watch.wait(r"dead .* w1: out of ink \(2 attempts\)$")
    watch.wait(r"retry .* w1: out of ink \(attempt 1; next in \d+ ms\)$")
    watch.wait(r"response .* error: out of ink$")
    assert not re.search("query", watch.out.text())


def test_filters_let_through_what_is_asked_for(site):
    bridge = site.bridge()
    site.serve(bridge)
    other = bridge.converse()
    service = Watch(site, bridge, "--json", "--since", "0", "--service", "law", "--kind", "query")
    conversation = Watch(site, bridge, "--json", "--since", "0", "--conversation", other)
    bridge.ask("1?", service="docs")
    law = bridge.ask("2?", service="law")
    there = bridge.ask("3?", service="law", conversation=other)
    service.wait_ids([law, there])
    conversation.wait_ids([there])


@pytest.mark.parametrize("gateway", [True, False], ids=["gateway", "file"])
@pytest.mark.parametrize("way", ["id", "time", "clock", "date", "age", "now"])
def test_since_tells_what_was_and_then_what_comes(site, way, gateway):
    bridge = site.bridge()
    old = [bridge.ask(f"old {n}?") for n in range(5)]
    middle = bridge.ask("middle?")
    bridge.run("UPDATE messages SET timestamp = '2026-01-02T03:04:05.600000' WHERE id < ?", middle)
    bridge.run("DELETE FROM messages WHERE id = ?", old[2])
    server = site.serve(bridge) if gateway else None
    clock = time.strftime("%H:%M", time.localtime(time.time() - 90))
    since = {"id": ["--since", str(old[3])], "time": ["--since", "2026-01-02 03:04:05.7"], "clock": ["--since", clock],
             "date": ["--since", "2026-01-02"], "age": ["--since", "10m"], "now": []}[way]
    watch = Watch(site, bridge, "--json", *since)
    expect = {"id": [*old[3:], middle], "date": [*old[:2], *old[3:], middle], "now": []}.get(way, [middle])
    if way == "now":
        wait_for(lambda: server.status()["events"]["subscriptions"] if server else watch.err.lines,
                 "the watch to begin")
    watch.wait_ids(expect)
    new = [bridge.ask(f"new {n}?") for n in range(5)]
    watch.wait_ids(expect + new)
    assert watch.ids() == sorted(watch.ids())
    watch.end()


def test_endpoints_do_as_well_as_the_file(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--events", "tcp://127.0.0.1:*")
    events = gateway.status()["events"]["endpoints"][1]
    first = bridge.ask("first?")
    whole = Watch(site, ["--events", events, "--gate", bridge.gate], "--json", "--since", "1")
    whole.wait_ids([first])
    wait_for(lambda: gateway.status()["events"]["subscriptions"], "the subscription")
    bare = Watch(site, ["--events", events], "--json")
    wait_for(lambda: gateway.status()["events"]["subscriptions"] >= 2, "the second subscription")
    second = bridge.ask("second?")
    bare.wait_ids([second])
    whole.wait_ids([first, second])
    bare.end()
    whole.end()


def test_killed_gateway_costs_no_row_and_is_told(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge)
    watch = Watch(site, bridge, "--json", "--since", "0")
    plain = Watch(site, bridge, "--since", "0")
    writer = site.writer(bridge, count=300, pause=0.005)
    for _ in range(3):
        seen = len(watch.out.lines)
        wait_for(lambda: len(watch.out.lines) > seen + 10, "some rows")
        away = len(watch.err.lines)
        gateway.kill()
        watch.told("the gateway is away", away)
        gateway = site.serve(bridge)
        watch.told("the gateway is back", away)
    writer.wait(WAIT)
    bridge.wait_replies(300)
    ids = all_ids(bridge)
    watch.wait_ids(ids)
    shown = wait_for(lambda: (found := re.findall(r"^\S+ (?:query|response) .*?#(\d+) ", plain.out.text(), re.M))
                     and len(found) >= len(ids) and found, "all lines")
    assert sorted(map(int, shown)) == ids
    assert [event["event"] for event in watch.events() if event["event"] in ("watch/away", "watch/up")][:2] == \
        ["watch/up", "watch/away"]
    assert "watch/" not in plain.out.text()
    watch.end()
    plain.end()


def test_partials_and_full_text_are_shown(site):
    bridge = site.bridge()
    site.serve(bridge)
    watch = Watch(site, bridge, "--full", "--since", "0")
    worker = site.mdp(bridge, "law", name="w1", heartbeats=True, interval=30000)
    bridge.ask("One?\n\nTwo?\x1b[2J", service="law")
    query = worker.request()
    watch.wait(rf"query +{bridge.conversation} law +#{query.id}$")
    watch.wait(r"^    One\?$")
    watch.wait(r"^    Two\?\\x1b\[2J$")
    worker.partial(query.token, b"It is a matter of taste.")
    watch.wait(r"^    It is a matter of taste\.$")
    worker.final(query.token, "It is a matter of taste.\nIs it?")
    watch.wait(r"^    Is it\?$")


# Its end.

def test_closed_pipe_ends_it_also_when_nothing_more_happens(site):
    bridge = site.bridge()
    site.serve(bridge)
    for words in ([], ["--json"]):
        bridge.ask("?")
        command = " ".join(f"'{word}'" for word in [TAILGATE, "watch", "--db", bridge.path, "--since", "1", *words])
        done = subprocess.run(["bash", "-c", f"{command} | head -n 1; exit ${{PIPESTATUS[0]}}"], timeout=WAIT,
                              capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_while_nobody_reads(site, number):
    bridge = site.bridge()
    bridge.ask_many(["x" * 40_000 for _ in range(20)])
    reading, writing = os.pipe()
    process = site.spawn(TAILGATE, "watch", "--db", bridge.path, "--since", "1", "--json", stdout=writing,
                         stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        wait_for(lambda: waiting_in(reading) > 50_000, "the pipe to be full")
        process.send_signal(number)
        assert process.wait(WAIT) == 0
    finally:
        os.close(reading)


# Without a gateway.

def test_without_a_gateway_the_file_is_read_and_that_is_said(site):
    bridge = site.bridge()
    watch = Watch(site, bridge)
    assert "reading the file itself" in watch.told("no gateway runs")
    row = bridge.ask("anybody?", service="docs")
    watch.wait(rf"query +{bridge.conversation[-8:]} docs +#{row} +anybody\?$")
    bridge.send("password: hunter2", session="b")
    watch.wait("PASSWORD_REDACTED")
    assert "hunter2" not in watch.out.text()
    watch.end()


LEAVE = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE messages SET read = 1 WHERE id = 1")
db.commit()
os._exit(0)  # nobody writes -wal back
"""


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_file_is_only_read(site, journal):
    """Not even what any other last connection does when it closes: writing -wal back."""
    bridge = site.bridge(journal=journal)
    bridge.ask_many([f"{n}?" for n in range(100)])
    subprocess.run([PYTHON, "-c", LEAVE, bridge.path], check=True)
    names = ["bridge.db", "bridge.db-wal"] if journal == "WAL" else ["bridge.db"]
    before = [content(site.folder / name) for name in names]
    assert all(before)
    for number in (signal.SIGINT, signal.SIGKILL):
        watch = Watch(site, bridge, "--json", "--since", "1")
        watch.wait_ids(list(range(1, 101)))
        watch.process.send_signal(number)
        watch.process.wait(WAIT)
        assert [content(site.folder / name) for name in names] == before
    assert not (site.folder / "bridge.db-gate").exists(), "it makes nothing beside the file"


def content(path):
    return (path.stat().st_mtime_ns, path.read_bytes()) if path.exists() else None


def test_it_holds_no_lock_between_two_looks(site):
    bridge = site.bridge(journal="DELETE")
    watch = watched(site, bridge, "--since", "1")
    bridge.run("BEGIN EXCLUSIVE")
    bridge.ask("?")
    watch.wait_ids([1])
    with bridge.reading() as db:
        assert db.execute("PRAGMA locking_mode").fetchone()[0] == "normal"
        db.execute("PRAGMA busy_timeout = 0")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("ROLLBACK")


def test_reader_that_does_not_read_holds_nothing_in_the_file(site):
    """The read transaction ends before anything is printed: the WAL can be written back."""
    bridge = site.bridge()
    bridge.ask_many(["x" * 40_000 for _ in range(20)])
    reading, writing = os.pipe()
    site.spawn(TAILGATE, "watch", "--db", bridge.path, "--since", "1", "--json", stdout=writing,
               stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        wait_for(lambda: waiting_in(reading) > 50_000, "the pipe to be full")
        bridge.ask_many(["more" for _ in range(100)])
        with bridge.reading() as db:
            busy, frames, done = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, frames, done) == (0, 0, 0)
    finally:
        os.close(reading)


def test_it_goes_over_to_a_gateway_that_starts_and_back(site):
    bridge = site.bridge()
    watch = watched(site, bridge, "--since", "1")
    writer = site.writer(bridge, count=400, pause=0.05)
    wait_for(lambda: len(watch.ids()) > 5, "rows from the file")
    gateway = site.serve(bridge)
    site.answerer(bridge)
    watch.told("a gateway runs")
    seen = len(watch.ids())
    wait_for(lambda: len(watch.ids()) > seen + 20, "rows from the gateway")
    gateway.kill()
    watch.told("the gateway is away")
    watch.told("has not come back")
    seen = len(watch.ids())
    wait_for(lambda: len(watch.ids()) > seen + 20, "rows from the file again")
    told = len(watch.err.lines)
    site.serve(bridge)
    watch.told("a gateway runs", told)
    writer.wait(WAIT)
    bridge.wait_replies(400)
    watch.wait_ids(all_ids(bridge))
    watch.end()


def test_file_that_is_replaced_is_gone_on_with(site):
    bridge = site.bridge()
    for n in range(5):
        bridge.ask(f"{n}?")
    older = site.bridge("older.db")
    older.ask("old?")
    watch = watched(site, bridge, "--since", "1")
    watch.wait_ids([1, 2, 3, 4, 5])
    os.replace(older.path, bridge.path)
    watch.told("put back to an older one: going on behind row 1")
    bridge.conversation = older.conversation
    assert bridge.ask("new?") == 2
    wait_for(lambda: watch.ids() == [1, 2, 3, 4, 5, 2], "the new row")
    assert [event["event"] for event in watch.events() if "reset" in event["event"]] == ["watch/reset"]


def test_it_does_not_poll(site):
    from test_signals import rate
    bridge = site.bridge()
    watch = watched(site, bridge, "--since", "0")
    bridge.ask("?")
    watch.wait_ids([1])
    wait_for(lambda: rate(watch.process.pid, 1) < 20, "it to become quiet", timeout=40)
    assert rate(watch.process.pid, 4) < 20


# On a terminal.

class Terminal:
    """`tailgate watch` in a pseudo-terminal of WIDTH columns."""

    def __init__(self, site, bridge, *words, width=80, **env):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        settings = environment(**{"TERM": "xterm-256color", **env})
        if "NO_COLOR" not in env:
            settings.pop("NO_COLOR", None)
        self.process = subprocess.Popen([str(word) for word in [TAILGATE, "watch", "--db", bridge.path, *words]],
                                        stdin=slave, stdout=slave, stderr=slave, env=settings)
        site.processes.append(self.process)
        os.close(slave)
        self.text = ""

    def wait(self, pattern):
        end = time.monotonic() + WAIT
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, f"waited for /{pattern}/ in {self.text!r}"
            if select.select([self.master], [], [], 1)[0]:
                self.text += os.read(self.master, 65536).decode()
        return self.text

    def close(self):
        os.close(self.master)
        self.process.wait(WAIT)


@pytest.mark.parametrize("width", [40, 80, 132])
def test_lines_are_coloured_and_no_wider_than_the_terminal(site, width):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, name="a worker with a name", answer=lambda query: {"answer": "中文 " * 200 + "end"})
    for n in range(10):
        bridge.ask("a long question, " * 20, service="documentation")
    bridge.wait_replies(10)
    terminal = Terminal(site, bridge, "--since", "1", width=width)
    text = terminal.wait(r"#20 ←")
    terminal.wait(r"#20 ←.*\n")
    assert "\x1b[36mquery\x1b[0m" in text and "\x1b[32mresponse\x1b[0m" in text
    for line in ESCAPE.sub("", terminal.text).splitlines():
        assert sum(2 if "一" <= letter <= "鿿" else 1 for letter in line) <= width, line
        assert "\x1b" not in line
    terminal.close()


def test_no_colours_where_nobody_wants_them(site):
    bridge = site.bridge()
    bridge.ask("?")
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        terminal = Terminal(site, bridge, "--since", "1", **env)
        assert "\x1b" not in terminal.wait(r"#1 .*\n")
        terminal.close()


def test_hostile_message_is_shown_harmlessly(site):
    evil = "\x1b[2J\x1b]0;owned\x07\r\nforged line\u202egnp.exe\x9b1m"
    bridge = site.bridge()
    site.serve(bridge)
    bridge.send(evil, {"action_type": "info", "service": evil})
    for words in (["--since", "1"], ["--since", "1", "--full"], ["--since", "1", "--json"]):
        terminal = Terminal(site, bridge, *words, width=150)
        shown = ESCAPE.sub("", terminal.wait(r"gnp.exe.*\n"))
        assert not re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202e]", shown), shown
        terminal.close()


def test_terminal_that_goes_ends_it(site):
    bridge = site.bridge()
    bridge.ask("?")
    terminal = Terminal(site, bridge, "--since", "1")
    terminal.wait("#1")
    os.close(terminal.master)
    assert terminal.process.wait(WAIT) == 0


# What is refused.

@pytest.mark.parametrize("words,says", [
    ([], "--db FILE or --events"),
    (["--db", "x", "--events", "ipc:///tmp/e"], "--db FILE or --events"),
    (["--db", "x", "--gate", "ipc:///tmp/g"], "--gate goes with --events"),
    (["--events", "http://x"], "ipc://PATH or tcp://HOST:PORT"),
    (["--events", "ipc:///tmp/e", "--since", "1"], "--gate ENDPOINT"),
    (["--db", "x", "--kind", "query,nonsense"], "query, response, message, partial, retry, dead, expired, "
     "superseded, deleted, dropped, worker, gateway"),
    (["--db", "x", "--kind", ""], "the kinds are query"),
    (["--db", "x", "--since", "soon"], "10m, 2h, 1d"),
    (["--db", "x", "--service", ""], "--service"),
    (["--db", "x", "one"], "one word too many"),
])
def test_wrong_words_are_exit_2_and_one_line(words, says):
    done = tailgate("watch", *words)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert says in one_line(done)


def test_what_is_no_bridge_is_refused(site):
    path = site.folder / "notes.txt"
    path.write_text("notes\n" * 1000)
    assert tailgate("watch", "--db", path).returncode == 6
    done = tailgate("watch", "--db", site.folder / "nowhere.db")
    assert done.returncode == 1 and "tailgate init" in one_line(done)
    assert not (site.folder / "nowhere.db").exists()


def test_help_teaches_with_examples():
    done = tailgate("watch", "--help")
    assert done.returncode == 0
    assert "jq" in done.stdout and "--since 10m" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "tailgate watch --" not in line)
