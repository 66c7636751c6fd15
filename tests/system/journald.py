"""A real systemd-journald with a journal of its own. It takes the places that the host's has, so it runs, as the test
does, in a mount namespace: `elsewhere` runs the test again inside one."""

import json
import os
import socket
import subprocess
from pathlib import Path

from harness import PYTHON, environment, wait_for

JOURNALD = next((path for path in ("/lib/systemd/systemd-journald", "/usr/lib/systemd/systemd-journald")
                 if os.path.exists(path)), None)
RUN = Path("/run/systemd/journal")
CONFIGURATION = "[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nRateLimitBurst=0\n"


def elsewhere(request):
    """True when the test has been run in a namespace; false inside it."""
    if "TAILGATE_INNER" in os.environ:
        return False
    user = ["--user", "--map-root-user"] if os.geteuid() else []
    test = f"{request.path}::{request.node.name}"
    subprocess.run(["unshare", *user, "--mount", "--propagation", "private", PYTHON, "-m", "pytest", "-q",
                    "-p", "no:cacheprovider", test], env={**os.environ, "TAILGATE_INNER": "1"}, check=True)
    return True


class Journald:
    def __init__(self, site):
        for folder in ("/run/systemd", "/run/log"):
            Path(folder).mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
        RUN.mkdir()
        Path("/run/log/journal").mkdir()
        drop_in = Path("/run/systemd/journald.conf.d")
        drop_in.mkdir()
        (drop_in / "test.conf").write_text(CONFIGURATION)
        site.spawn(JOURNALD, stderr=subprocess.DEVNULL)
        wait_for((RUN / "stdout").exists, "journald to open its sockets")

    def stderr(self):
        """What systemd gives a service as its stderr, and the environment that says so."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(str(RUN / "stdout"))
        stream.sendall(b"tailgate\n\n6\n1\n0\n0\n0\n")  # name, unit, priority, prefixes are read, nothing is forwarded
        status = os.fstat(stream.fileno())
        return stream, environment(JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")

    def entries(self, *matches):
        """Those that match, each a dict; a value with control characters is a list of its bytes."""
        subprocess.run(["journalctl", "--sync"], check=True, env=environment())
        shown = subprocess.run(["journalctl", "--no-pager", "-o", "json", *matches], check=True, text=True,
                               capture_output=True, env=environment()).stdout
        return [json.loads(line) for line in shown.splitlines()]

    def wait(self, *matches):
        return wait_for(lambda: self.entries(*matches), f"an entry {matches}")[0]
