"""The hosts of hosts.py: whoever may make user namespaces has them, and a test that is killed leaves nothing of them."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness import HERE, PYTHON, wait_for

CHILD = """import json, os, sys, time
sys.path.insert(0, sys.argv[1])
import hosts
hosts.isolate()
try:
    first, second = hosts.Network().hosts(2)
except hosts.NoNamespaces as why:
    print(json.dumps({"refused": str(why)}), flush=True)
    sys.exit()
sleeper = first.start(["sleep", "1000"])
space = os.stat(f"{hosts.NAMES}/{second.space}").st_ino
while os.readlink(f"/proc/{sleeper.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
    time.sleep(0.01)
print(json.dumps({"pid": sleeper.pid, "spaces": [os.readlink(f"/proc/{sleeper.pid}/ns/net"), f"net:[{space}]"]}),
      flush=True)
time.sleep(1000)
"""
# As anybody, also when we are root.
POOR = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def start(site, *prefix):
    process = site.spawn(*prefix, PYTHON, "-c", CHILD, HERE)
    return process, json.loads(process.stdout.readline())


def spaces_in_use():
    """Network namespaces in which there are processes, or that one has by name."""
    used = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            used.add(os.readlink(process / "ns/net"))
            used.update(line.split()[3] for line in (process / "mountinfo").read_text().splitlines())
        except OSError:
            pass  # it has ended, or is not ours
    return used


def test_a_test_that_is_killed_leaves_nothing(site):
    process, told = start(site)
    if "refused" in told:
        pytest.skip(f"no network namespaces here: {told['refused']}")
    assert set(told["spaces"]) <= spaces_in_use()
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{told['pid']}"), "what runs on a host to end")
    wait_for(lambda: not set(told["spaces"]) & spaces_in_use(), "the namespaces to be gone")


def test_nobody_needs_to_be_root_where_user_namespaces_are_allowed(site):
    _, told = start(site, *POOR)
    allowed = subprocess.run([*POOR, "unshare", "-Urnm", "mount", "-t", "tmpfs", "none", "/run"], check=False,
                             stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    assert ("refused" not in told) == allowed, told
