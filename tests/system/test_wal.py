"""The -wal file stays small under our load, no reader of ours pins it, and a reader of somebody else's only for as
long as it reads. It never disappears under the writers, because the gateway stays connected."""

import os
import sqlite3
import time

from harness import LONG, finished, tailgate, wait_for

ANSWER = "x" * 20_000
SMALL = 16 << 20
MANY = 30_000 if LONG else 3_000


def wal_size(bridge):
    return os.path.getsize(f"{bridge.path}-wal")


def foreign(bridge):
    """A connection of another program, without transactions of Python's own."""
    return sqlite3.connect(str(bridge.path), timeout=20, isolation_level=None)


def load(site, bridge, gateway, count):
    """COUNT questions of four writers, answered with 20 KB each; returns the largest size of the -wal file."""
    before = gateway.status()["counters"]["answered"]
    writers = [site.writer(bridge, count=count // 4, name=f"w{n}") for n in range(4)]
    peak = 0

    def answered():
        nonlocal peak
        peak = max(peak, wal_size(bridge))
        time.sleep(0.05)  # status is the only one who asks: no reader of the test's is in the way
        return gateway.status()["counters"]["answered"] >= before + count // 4 * 4

    wait_for(answered, f"{count} answers", timeout=600)
    for writer in writers:
        finished(writer)
    return peak


def truncate(bridge):
    """What somebody else's TRUNCATE checkpoint says: (busy, frames, moved)."""
    db = foreign(bridge)
    try:
        return db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.close()


def test_wal_is_small_after_a_heavy_load_and_nobody_of_ours_pins_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge, slots=100, answer=lambda query: {"answer": ANSWER})
    peak = load(site, bridge, gateway, MANY)
    wait_for(lambda: wal_size(bridge) < SMALL, f"a small -wal file; it was {peak} bytes at most")
    committer = gateway.status()["committer"]
    assert committer["checkpoints"] > MANY // 300, f"3,000 answers are 20,000 frames: {committer}"
    assert committer["checkpoints"] > committer["checkpoints_partial"]
    assert committer["wal_bytes"] == wal_size(bridge)
    # Nothing moves any more: whoever wants the whole file checkpointed and emptied can do it at once.
    assert truncate(bridge) == (0, 0, 0)
    assert wal_size(bridge) == 0
    bridge.check_exactly_once(MANY)


def test_reader_that_lasts_makes_checkpoints_partial_and_all_is_well_when_it_ends(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge, slots=100, answer=lambda query: {"answer": ANSWER})
    reader = foreign(bridge)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    load(site, bridge, gateway, 1_000)
    committer = wait_for(lambda: (now := gateway.status()["committer"])["checkpoints_partial"] and now,
                         "a partial checkpoint in the status")
    assert committer["wal_bytes"] > SMALL, "what this test is about: the -wal file had to grow"
    assert committer["wal_frames"] > 3_000
    assert "partial" in tailgate("status", "--db", bridge.path).stdout
    assert reader.execute("SELECT count(*) FROM messages").fetchone() == (0,), "it reads what it has read"
    reader.close()
    # Nobody writes any more, and still the file becomes small: the checkpoint is tried again by itself.
    wait_for(lambda: wal_size(bridge) < SMALL, "the -wal file to be cut back")
    wait_for(lambda: gateway.status()["committer"]["wal_frames"] < 400, "a complete checkpoint")
    partial = gateway.status()["committer"]["checkpoints_partial"]
    bridge.reply(bridge.ask("as before?"))
    assert truncate(bridge) == (0, 0, 0)
    assert gateway.status()["committer"]["checkpoints_partial"] == partial, "no more of them"
    bridge.check_exactly_once(1_001)


def test_wal_and_shm_do_not_vanish_while_writers_come_and_go(site):
    """Nobody else is ever the last to close. A descriptor without reading keeps the inode, so that a file that
    was removed and made again cannot be taken for the old one."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge)
    files = [os.open(f"{bridge.path}{suffix}", os.O_PATH) for suffix in ("-wal", "-shm")]
    try:
        for turn in range(5):  # one at a time, so that each is the only one beside the gateway
            finished(site.writer(bridge, count=40, name=f"w{turn}"))
            bridge.wait_replies(40 * (turn + 1))
        assert [os.fstat(file).st_nlink for file in files] == [1, 1], "they are the files of the beginning"
        gateway.stop()
        bridge.row(1)
        assert [os.fstat(file).st_nlink for file in files] == [0, 0], "without it the last to close removes them"
    finally:
        for file in files:
            os.close(file)
    bridge.check_exactly_once(200)
