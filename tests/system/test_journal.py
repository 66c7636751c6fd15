"""Whatever others do to the journal of the file, the gateway still tails it."""

import os
import sqlite3

import pytest

from harness import Bridge, finished


def journal_mode(bridge):
    with bridge.reading() as db:
        return db.execute("PRAGMA journal_mode").fetchone()[0]


@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "PERSIST"])
def test_rollback_journal_mode_is_tailed(site, mode):
    bridge = site.bridge(journal=mode)
    site.serve(bridge)
    site.answerer(bridge)
    for n in range(10):
        bridge.reply(bridge.ask(f"{n}?"))
    finished(site.writer(bridge, count=50))
    bridge.wait_replies(60)
    assert journal_mode(bridge) != "wal", "the gateway must not change the journal mode"
    bridge.check_exactly_once(60)


def test_switch_to_wal_while_serving_is_followed(site):
    bridge = site.bridge(journal="DELETE")
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(bridge.ask("before?"))
    bridge.journal = "WAL"
    for n in range(10):
        bridge.reply(bridge.ask(f"after {n}?"))
    assert journal_mode(bridge) == "wal"
    assert os.path.exists(f"{bridge.path}-wal")
    finished(site.writer(bridge, count=50))
    bridge.wait_replies(61)
    bridge.check_exactly_once(61)


def test_wal_deleted_by_the_last_close_before_the_start_is_found_again(site):
    bridge = site.bridge()
    bridge.ask("before?")
    assert not os.path.exists(f"{bridge.path}-wal"), "the last close deletes the -wal"
    site.serve(bridge)
    site.answerer(bridge)
    for n in range(10):
        bridge.reply(bridge.ask(f"{n}?"))
    bridge.check_exactly_once(None)
    bridge.wait_replies(11)


def test_wal_left_by_a_crashed_writer_is_recovered(site):
    """A writer that is killed leaves its -wal and -shm behind: what it committed is served."""
    bridge = site.bridge()
    script = ("import os, signal, sqlite3, sys; sys.path.insert(0, sys.argv[3]); import writer;"
              "db = writer.connect(sys.argv[1]);"
              "writer.insert(db, sys.argv[2], 'a', writer.query('left behind?', 'q'));"
              "db.commit(); os.kill(os.getpid(), signal.SIGKILL)")
    process = site.spawn(os.sys.executable, "-c", script, bridge.path, bridge.conversation,
                         os.path.dirname(os.path.abspath(__file__)))
    process.wait(60)
    assert os.path.getsize(f"{bridge.path}-wal") > 0
    site.serve(bridge)
    answerer = site.answerer(bridge)
    bridge.wait_replies(1)
    assert answerer.queries[0].json["question"] == "left behind?"
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("kind", ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
def test_checkpoint_by_others_does_not_stop_the_tail(site, kind):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    for n in range(15):
        message = bridge.ask(f"{n}?")
        db = sqlite3.connect(str(bridge.path), timeout=10)
        db.execute(f"PRAGMA wal_checkpoint({kind})").fetchall()
        db.close()
        bridge.reply(message)
    finished(site.writer(bridge, count=50))
    bridge.wait_replies(65)
    bridge.check_exactly_once(65)


def test_vacuum_by_others_does_not_stop_the_tail(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    for n in range(3):
        bridge.reply(bridge.ask(f"{n}?"))
        db = sqlite3.connect(str(bridge.path), timeout=10, isolation_level=None)
        db.execute("VACUUM")
        db.close()
    bridge.reply(bridge.ask("after?"))
    bridge.check_exactly_once(4)


def test_wal_does_not_grow_without_end(site):
    """The gateway stays connected, so nobody's last close empties the -wal: it must be checkpointed."""
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, slots=50)
    for _ in range(20):
        bridge.ask_many(f"{n}? {'x' * 1000}" for n in range(100))
    bridge.wait_replies(2_000)
    written = os.path.getsize(bridge.path)
    assert os.path.getsize(f"{bridge.path}-wal") < 16 << 20, f"database {written} bytes"
    bridge.check_exactly_once(2_000)


def test_replaced_file_is_noticed_and_not_written(site):
    """Our COMMIT to a file that was replaced says OK and goes nowhere: stop, say so, exit 7."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    bridge.ask("to the old file?")
    query = worker.request()
    copy = Bridge(site.folder / "restored.db")
    copy.ask("to the new file?")
    os.replace(copy.path, bridge.path)
    gateway.wait_line("replaced")
    worker.final(query.token, "an answer")
    assert gateway.wait() == 7
    assert bridge.replies() == []
