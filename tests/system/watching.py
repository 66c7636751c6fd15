"""`tailgate watch` as a process."""

import json
import re
import signal
import subprocess

from process import TAILGATE, WAIT, Lines, environment, wait_for


class Watch:
    """`tailgate watch` as a process: its lines, what it tells of itself, and its end."""

    def __init__(self, site, where, *words, env=None):
        place = ["--db", where.path] if hasattr(where, "path") else where
        self.process = subprocess.Popen([str(word) for word in [TAILGATE, "watch", *place, *words]],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=env or environment())
        site.processes.append(self.process)
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)
        self.process.stdout = self.process.stderr = None  # Lines closes them

    def wait(self, pattern, since=0):
        return self.out.wait(re.compile(pattern).search, f"a line like /{pattern}/", since=since)

    def told(self, pattern, since=0):
        return self.err.wait(re.compile(pattern).search, f"a notice like /{pattern}/", since=since)

    def events(self, *kinds):
        found = [json.loads(line) for line in self.out.lines]
        return [event for event in found if not kinds or event["event"] in kinds]

    def ids(self):
        return [event["id"] for event in self.events("query", "response", "message")]

    def wait_ids(self, ids):
        """Waits until these rows have come; none of them twice, and no others."""
        wait_for(lambda: len(self.ids()) >= len(ids), f"{len(ids)} rows")
        assert sorted(self.ids()) == sorted(ids)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        assert self.process.wait(WAIT) == 0, self.err.text()
