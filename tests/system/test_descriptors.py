"""Closing any descriptor of the database drops all SQLite locks of the process: nobody but SQLite opens it."""

import re

from harness import environment, finished


def opens_of(trace, path):
    """The flags of each successful open of PATH in an strace output, without O_PATH ones."""
    found = []
    for line in trace.splitlines():
        match = re.search(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]*)", ([A-Z_|0-9]+).*\) = \d+', line)
        if match and match.group(1) == path and "O_PATH" not in match.group(2):
            found.append(match.group(2).split("|"))
    return found


def test_nobody_but_sqlite_opens_the_database_files(site):
    bridge = site.bridge()
    bridge.ask("before?")
    output = site.folder / "trace"
    # The leak checker cannot run under a tracer; -D: the traced program is our own child.
    gateway = site.serve(bridge, prefix=["strace", "-D", "-f", "-o", output, "-e", "trace=open,openat,openat2"],
                         env=environment(ASAN_OPTIONS="exitcode=99:detect_leaks=0"))
    site.answerer(bridge, slots=50)
    finished(site.writer(bridge, count=300))
    bridge.wait_replies(301)
    assert gateway.status()
    gateway.stop()
    trace = output.read_text(errors="replace")
    opens = opens_of(trace, str(bridge.path))
    for flags in opens:
        assert "O_NOFOLLOW" in flags and "O_CLOEXEC" in flags, f"not SQLite's way to open: {flags}"
    assert len(opens) == 2, f"one for the tail and one for the committer, but {len(opens)}: {opens}"
    for suffix in ("-wal", "-shm", "-journal"):
        for flags in opens_of(trace, f"{bridge.path}{suffix}"):
            assert "O_NOFOLLOW" in flags and "O_CLOEXEC" in flags, f"{suffix}: {flags}"
    bridge.check_exactly_once(301)
