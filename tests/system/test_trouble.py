"""A full disk, a lock, a file limit: no crash, nothing lost, said so meanwhile, recovered by itself."""

import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

from harness import LONG, PYTHON, wait_for
from locker import lock, release

HELD = {"heartbeats": True, "interval": 30000}


class SmallDisk:
    """A file system with little room: a tmpfs of our own where we may mount, else a small /dev/shm."""

    def __init__(self, folder):
        self.filler = None
        self.mounted = False
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tgtest", str(folder)],
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            self.mounted, self.root = True, folder
            return
        room = shutil.disk_usage("/dev/shm").free
        assert room < 1 << 30, f"no way to have a small disk: {done.stderr.strip()}"
        self.root = Path("/dev/shm") / folder.parent.name
        self.root.mkdir()

    def fill(self):
        self.filler = self.root / "filler"
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
            try:
                while True:
                    file.write(b"\0" * 512)
            except OSError:
                pass

    def empty(self):
        self.filler.unlink()

    def end(self):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.root)], check=False)
        else:
            shutil.rmtree(self.root, ignore_errors=True)


def may_mount():
    probe = ["mount", "-t", "tmpfs", "-o", "size=64k", "tgprobe"]
    folder = Path(f"/tmp/tgprobe{os.getpid()}")
    folder.mkdir()
    try:
        if subprocess.run([*probe, str(folder)], capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", str(folder)], check=True)
        return True
    finally:
        folder.rmdir()


def test_disk_full_at_commit_loses_nothing_and_recovers(site):
    if not may_mount() and "TAILGATE_INNER" not in os.environ:
        # An ordinary user mounts in a user namespace of his own: this test again, inside one.
        inner = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"],
                               capture_output=True, check=False)
        if inner.returncode == 0:
            subprocess.run(["unshare", "--user", "--map-root-user", "--mount", PYTHON, "-m", "pytest", "-q",
                            f"{__file__}::test_disk_full_at_commit_loses_nothing_and_recovers"],
                           env={**os.environ, "TAILGATE_INNER": "1"}, check=True)
            return
    disk = SmallDisk(site.folder / "small")
    try:
        bridge = site.bridge(disk.root / "bridge.db")
        gateway = site.serve(bridge)
        worker = site.mdp(bridge, slots=50, **HELD)
        # More than any part of the -wal that can be written again without room.
        ids = bridge.ask_many(f"{n}?" for n in range(50))
        queries = [worker.request() for _ in ids]
        disk.fill()
        since = gateway.mark()
        for query in queries:
            worker.final(query.token, "x" * 40_000)
        gateway.wait_line("full", since=since)
        assert gateway.running()
        assert gateway.status(), "status answers while the disk is full"
        disk.empty()
        bridge.wait_replies(len(ids))
        bridge.check_exactly_once(len(ids))
        bridge.ask("as before?")
        worker.final(worker.request().token, "yes")
        bridge.wait_replies(len(ids) + 1)
        gateway.stop()
        bridge.check_exactly_once(len(ids) + 1)
    finally:
        for gateway in site.gateways:
            if gateway.running():
                gateway.process.kill()
        disk.end()


def test_write_that_fails_for_another_reason_loses_nothing(site):
    """A file size limit makes writes fail with EFBIG: an I/O error. The gateway may go on or end with a line
    that says why; after a start without the limit every answer or its query is there."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, slots=20, **HELD)
    ids = bridge.ask_many(f"{n}?" for n in range(20))
    queries = [worker.request() for _ in ids]
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    since = gateway.mark()
    # Short: libzmq 4.3.4 may leak a few bytes of a message that it has half of when the gateway ends.
    for query in queries:
        worker.final(query.token, "x" * 100)
    gateway.wait_line(r'"level":\s*"(error|warn)"', since=since)
    if gateway.running():
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    site.answerer(bridge)
    wait_for(lambda: not gateway.running() or len(bridge.replies()) == len(ids), "its end, or every reply")
    if not gateway.running():
        code = gateway.wait()
        assert code > 0, f"it ended by signal {-code}"
        site.serve(bridge)
    bridge.wait_replies(len(ids))
    bridge.check_exactly_once(len(ids))


def test_kill_9_while_locked_loses_nothing(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, slots=5, **HELD)
    ids = bridge.ask_many(f"{n}?" for n in range(5))
    queries = [worker.request() for _ in ids]
    locker = lock(site, bridge, "COMMIT")
    since = gateway.mark()
    for query in queries:
        worker.final(query.token, "while locked")
    gateway.wait_line("lock", since=since)
    gateway.kill()
    release(locker)
    site.serve(bridge)
    site.answerer(bridge)
    bridge.wait_replies(len(ids))
    bridge.check_exactly_once(len(ids))


def test_writers_of_the_bridge_get_through_while_the_gateway_commits(site):
    """commit.duty: while thousands of replies are committed, a Python writer is not starved."""
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, slots=1000, interval=30000)
    bridge.ask_many(f"{n}?" for n in range(20_000 if LONG else 8_000))
    sent = 0
    longest = 0.0
    with bridge.reading() as db:
        while not sent or db.execute("SELECT count(*) FROM messages WHERE from_session = 'a'"
                                     " AND read = 0").fetchone()[0]:
            began = time.monotonic()
            bridge.ask("me too?")
            longest = max(longest, time.monotonic() - began)
            sent += 1
            assert sent < 100_000
    assert longest < 8, f"an insert took {longest:.1f} s"
    total = bridge_total(bridge)
    bridge.wait_replies(total)
    bridge.check_exactly_once(total)


def bridge_total(bridge):
    with bridge.reading() as db:
        return db.execute("SELECT count(*) FROM messages WHERE from_session = 'a'").fetchone()[0]


def test_trigger_that_refuses_one_reply_does_not_stop_the_others(site):
    """A row of a group that fails must not take the group with it."""
    bridge = site.bridge()
    bridge.run("CREATE TRIGGER no_cats BEFORE INSERT ON messages WHEN NEW.message LIKE '%cats%'"
               " BEGIN SELECT RAISE(ABORT, 'no cats'); END")
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, slots=5, **HELD)
    ids = bridge.ask_many(f"{n}?" for n in range(5))
    queries = [worker.request() for _ in ids]
    since = gateway.mark()
    for n, query in enumerate(queries):
        worker.final(query.token, "about cats" if n == 2 else "about dogs")
    for message in ids:
        if message != ids[2]:
            bridge.reply(message)
    gateway.wait_line("no cats|refused|constraint|trigger", since=since)
    assert gateway.running()
    assert not any("about cats" in reply["text"] for reply in bridge.replies())
