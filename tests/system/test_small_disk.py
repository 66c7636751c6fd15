"""A disk of one mebibyte, a real tmpfs, that the gateway's own replies fill up: nothing is lost, and it goes on by
itself when there is room."""

import contextlib
import os
import subprocess

import pytest

from harness import PYTHON

ANSWER = 30_000  # characters; forty of them are more than the disk holds
WORKER = ("import json, sys\n"
          "for line in sys.stdin:\n"
          f"    print(json.dumps({{'answer': json.loads(line)['question'] * {ANSWER // 2}}}), flush=True)\n")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


class SmallDisk:
    """One mebibyte beside a ballast that can be thrown out."""

    def __init__(self, folder):
        folder.mkdir()
        self.root = folder
        done = run("mount", "-t", "tmpfs", "-o", "size=9m", "tgsmall", str(folder))
        assert done.returncode == 0, f"no way to have a small disk: {done.stderr.strip()}"
        (folder / "ballast").write_bytes(b"\0" * (8 << 20))

    def room(self):
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize

    def make_room(self):
        (self.root / "ballast").unlink()

    def end(self):
        run("umount", "-l", str(self.root))


def may_mount(folder):
    if run("mount", "-t", "tmpfs", "-o", "size=64k", "tgprobe", str(folder)).returncode:
        return False
    run("umount", str(folder))
    return True


def runs_elsewhere(request, folder):
    """An ordinary user mounts in a user namespace of his own: then the test is run again inside one. Where that is
    forbidden, too, it fails: the promise has not been shown there."""
    if may_mount(folder):
        return False
    assert "TAILGATE_INNER" not in os.environ, "not even the root of a user namespace may mount a tmpfs here"
    test = f"{request.path}::{request.node.name}"
    subprocess.run(["unshare", "--user", "--map-root-user", "--mount", PYTHON, "-m", "pytest", "-q",
                    "-p", "no:cacheprovider", test], env={**os.environ, "TAILGATE_INNER": "1"}, check=True)
    return True


@contextlib.contextmanager
def small_disk(site):
    disk = SmallDisk(site.folder / "small")
    try:
        yield disk
    finally:
        for process in [gateway.process for gateway in site.gateways] + site.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        disk.end()


def serve(site, bridge):
    """In groups that are small beside the disk, so that it is all but full when one does not fit."""
    return site.serve(bridge, settings={"commit.group": 8})


def start_worker(site, bridge):
    site.program("work", "--db", bridge.path, "--", PYTHON, "-c", WORKER)


def fill_up(bridge, gateway, disk):
    """Asks more than the disk has room to answer; returns how many that are."""
    ids = bridge.ask_many("%02d" % n for n in range(40))
    gateway.wait_line("disk is full|\"full\"")
    assert disk.room() < 12 * ANSWER  # what did not fit was a group of several, and what it needs beside itself
    return len(ids)


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_disk_that_the_replies_fill_up_loses_nothing_and_recovers(site, request, journal):
    if runs_elsewhere(request, site.folder):
        return
    with small_disk(site) as disk:
        bridge = site.bridge(disk.root / "bridge.db", journal=journal)
        gateway = serve(site, bridge)
        start_worker(site, bridge)
        start_worker(site, bridge)
        count = fill_up(bridge, gateway, disk)
        assert gateway.running()
        assert gateway.status(), "status answers while the disk is full"
        assert len(bridge.replies()) < count
        disk.make_room()
        bridge.wait_replies(count)
        bridge.check_exactly_once(count)
        bridge.reply(bridge.ask("as before?"))
        gateway.stop()
        bridge.check_exactly_once(count + 1)


def test_gateway_killed_on_a_full_disk_answers_everything_when_there_is_room(site, request):
    if runs_elsewhere(request, site.folder):
        return
    with small_disk(site) as disk:
        bridge = site.bridge(disk.root / "bridge.db")
        gateway = serve(site, bridge)
        start_worker(site, bridge)
        count = fill_up(bridge, gateway, disk)
        gateway.kill()
        disk.make_room()
        gateway = serve(site, bridge)
        bridge.wait_replies(count)
        gateway.stop()
        bridge.check_exactly_once(count)
