"""What `tailgate serve` says and does when it starts: waits, refuses, explains."""

import os
import re
import resource
import signal
import sqlite3
import subprocess

import pytest

from harness import PYTHON, Bridge, one_line, tailgate

LIMIT = resource.RLIMIT_NOFILE


def test_missing_database_is_waited_for_with_a_line_then_served(site):
    path = site.folder / "later.db"
    gateway = site.serve(path, wait=False)
    gateway.wait_line("wait")
    bridge = Bridge(path)
    message = bridge.ask("first?")
    gateway.wait_serving()
    site.answerer(bridge)
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_empty_file_is_waited_for_until_it_is_a_bridge(site):
    path = site.folder / "later.db"
    path.touch()
    gateway = site.serve(path, wait=False)
    gateway.wait_line("wait")
    bridge = Bridge(path)
    gateway.wait_serving()
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))


def test_waiting_gateway_ends_cleanly_on_sigterm(site):
    gateway = site.serve(site.folder / "never.db", wait=False)
    gateway.wait_line("wait")
    gateway.stop()
    assert not (site.folder / "never.db").exists(), "serve must not create the database"


def test_no_wait_exits_with_one_line(site):
    done = tailgate("serve", "--db", site.folder / "never.db", "--no-wait")
    assert done.returncode == 1
    assert "never.db" in one_line(done)


def test_file_that_is_not_sqlite_is_refused(site):
    path = site.folder / "notes.txt"
    path.write_text("these are notes, and there are enough of them to fill an SQLite header\n" * 50)
    before = path.read_bytes()
    done = tailgate("serve", "--db", path)
    assert done.returncode == 6
    assert "notes.txt" in one_line(done)
    assert path.read_bytes() == before


def test_sqlite_file_that_is_not_a_bridge_is_refused_untouched(site):
    path = site.folder / "shop.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)")
    db.commit()
    db.close()
    before = path.read_bytes()
    done = tailgate("serve", "--db", path)
    assert done.returncode == 6
    assert "shop.db" in one_line(done)
    assert path.read_bytes() == before


def test_messages_table_of_somebody_else_is_refused(site):
    path = site.folder / "mail.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, subject TEXT)")
    db.execute("CREATE TABLE conversations (name TEXT)")
    db.commit()
    db.close()
    done = tailgate("serve", "--db", path)
    assert done.returncode == 6
    one_line(done)


def make_newer(bridge):
    """Raises the version of Tailgate's own tables beyond any."""
    db = sqlite3.connect(bridge.path)
    columns = [row[1] for row in db.execute("PRAGMA table_info(tailgate_meta)")]
    key, value = columns[0], columns[1]
    changed = db.execute(f"UPDATE tailgate_meta SET {value} = 999 WHERE {key} LIKE '%version%'"
                         f" OR {key} LIKE '%schema%'").rowcount
    db.commit()
    db.close()
    assert changed == 1


@pytest.mark.parametrize("command", ["serve", "init"])
def test_newer_schema_is_refused(site, command):
    bridge = site.bridge()
    site.serve(bridge).stop()
    make_newer(bridge)
    done = tailgate("serve", "--db", bridge.path) if command == "serve" else tailgate("init", bridge.path)
    assert done.returncode == 6
    assert re.search("newer|version", one_line(done))
    # The public bridge does not mind.
    bridge.ask("?")


@pytest.mark.parametrize("words", [
    ["serve"], ["serve", "--db"], ["serve", "--nonsense"], ["nonsense"], [],
    ["serve", "--db", "x.db", "--set", "no.such.key=1"], ["serve", "--db", "x.db", "--set", "lease=soon"],
    ["serve", "--db", "x.db", "--set", "lease"], ["serve", "--db", "x.db", "--backlog", "eat"],
    ["serve", "--db", "x.db", "--log-format", "xml"], ["serve", "--db", "x.db", "--log-level", "loud"],
    ["serve", "--db", "x.db", "--set", "commit.duty=0"], ["serve", "--db", "x.db", "--set", "attempts=-1"],
    ["ask", "--db", "x.db"], ["init"], ["status"],
])
def test_wrong_words_are_one_line_and_exit_2(site, words):
    done = tailgate(*words, cwd=site.folder)
    assert done.returncode == 2, (done.returncode, done.stderr)
    if words:
        one_line(done)


def test_folder_that_does_not_exist_is_one_line(site):
    done = tailgate("serve", "--db", site.folder / "no" / "where" / "bridge.db")
    assert done.returncode == 1
    assert "where" in one_line(done)


def test_database_that_is_a_folder_is_one_line(site):
    done = tailgate("serve", "--db", site.folder)
    assert done.returncode in (1, 6)
    one_line(done)


def test_configuration_file_is_read_and_flags_override_it(site):
    path = site.folder / "tailgate.cfg"
    path.write_text("commit\n    duty = 40\n    group = 300\nlease = 3m\n")
    done = tailgate("serve", "--db", site.folder / "x.db", "-c", path, "--set", "commit.group=77",
                    "--print-config")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\b40\b", done.stdout)
    assert re.search(r"\b77\b", done.stdout) and not re.search(r"\b300\b", done.stdout)


def test_first_start_names_the_backlog_it_found(site):
    bridge = site.bridge()
    for n in range(7):
        bridge.ask(f"{n}?")
    gateway = site.serve(bridge)
    line = gateway.wait_line("backlog")
    assert re.search(r"\b7\b", line), line


LOCKER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
db.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
"""


def hold_lock(site, bridge, begin="BEGIN IMMEDIATE"):
    locker = site.spawn(PYTHON, "-c", LOCKER, bridge.path, begin, stdin=subprocess.PIPE)
    assert locker.stdout.readline() == "held\n"
    return locker


def let_go(locker):
    locker.stdin.write("\n")
    locker.stdin.flush()
    assert locker.wait(60) == 0


def test_lock_in_the_way_at_the_start_is_told_and_waited_for(site):
    bridge = site.bridge()
    message = bridge.ask("?")
    locker = hold_lock(site, bridge)
    gateway = site.serve(bridge, wait=False)
    assert gateway.wait_event("waiting")["holder"] == locker.pid
    let_go(locker)
    gateway.wait_serving()
    site.answerer(bridge)
    bridge.reply(message)


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_signal_ends_the_wait_for_a_lock(site, number):
    bridge = site.bridge()
    locker = hold_lock(site, bridge)
    gateway = site.serve(bridge, wait=False)
    gateway.wait_event("waiting")
    gateway.signal(getattr(signal, number))
    assert gateway.wait() == 0
    assert not gateway.events("serving")
    assert locker.poll() is None, "it was the signal that ended it"


def test_sighup_does_not_end_a_waiting_gateway(site):
    path = site.folder / "later.db"
    gateway = site.serve(path, wait=False)
    gateway.wait_event("waiting")
    gateway.signal(signal.SIGHUP)
    Bridge(path)
    gateway.wait_serving()


def test_file_replaced_while_the_gateway_starts_is_noticed(site):
    """The tail has opened the first file when the store waits for its lock, and would open the second."""
    bridge = site.bridge()
    other = site.bridge("other.db")
    other.run("PRAGMA journal_mode=DELETE")  # all of it in one file
    locker = hold_lock(site, bridge)
    gateway = site.serve(bridge, wait=False)
    gateway.wait_event("waiting")
    gateway.freeze()  # it sees all of the change or nothing
    for suffix in ("-wal", "-shm"):
        os.rename(f"{bridge.path}{suffix}", f"{bridge.path}.old{suffix}")
    os.rename(other.path, bridge.path)
    gateway.thaw()
    assert gateway.wait() == 7
    assert "replaced" in gateway.stderr.lines[-1]
    assert not gateway.events("serving")
    locker.kill()


def test_backlog_skip_holds_for_a_database_that_is_locked_at_the_start(site):
    bridge = site.bridge(journal="DELETE")
    skipped = bridge.ask("old?")
    locker = hold_lock(site, bridge, "BEGIN EXCLUSIVE")
    gateway = site.serve(bridge, "--backlog", "skip", wait=False)
    gateway.wait_event("waiting")
    let_go(locker)
    gateway.wait_serving()
    site.answerer(bridge)
    bridge.reply(bridge.ask("new?"))
    assert bridge.row(skipped)["read"] == 0
    assert len(bridge.replies()) == 1


def foreign(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)")
    db.commit()
    db.close()


def noise(path):
    path.write_text("not a database, and more of it than SQLite's header is long\n" * 100)


def linked(path):
    Bridge(path)
    os.link(path, f"{path}.second")


@pytest.mark.parametrize("make", [foreign, noise, linked])
def test_every_command_says_the_same_of_what_is_no_bridge(site, make):
    path = site.folder / "x.db"
    make(path)
    told = set()
    for words in (["serve", "--db", path], ["init", path], ["status", "--db", path],
                  ["ask", "--db", path, "--timeout", "1s", "?"]):
        done = tailgate(*words)
        assert done.returncode == 6, (words, done.returncode, done.stderr)
        told.add(one_line(done).split(": ", 1)[1])
    assert len(told) == 1, told


@pytest.mark.parametrize("hard", [700, 20000])
def test_soft_limit_of_descriptors_is_raised_and_a_low_one_is_told(site, hard):
    most = resource.getrlimit(LIMIT)[1]
    if most != resource.RLIM_INFINITY and most < hard:
        pytest.skip(f"only {most} descriptors are allowed here")
    bridge = site.bridge()
    gateway = site.serve(bridge, preexec_fn=lambda: resource.setrlimit(LIMIT, (300, hard)))
    assert resource.prlimit(gateway.pid, LIMIT) == (hard, hard)
    warned = gateway.events("few-descriptors")
    assert [line["limit"] for line in warned] == ([hard] if hard < 10000 else [])
