"""Closing any descriptor of the database drops all SQLite locks of the process: nobody but SQLite opens, closes,
copies or changes it. strace tells who did (-k): the first caller outside the C library must be SQLite."""

import os
import re
import subprocess
from collections import Counter

import pytest

from harness import BUILD, TAILGATE, WAIT, environment, finished

CALLS = "open,openat,openat2,creat,close,dup,dup2,dup3,fchmod,fchown,ftruncate,flock,link,linkat,rename,renameat2"
FILES = ("", "-wal", "-shm", "-journal")
# The leak checker cannot run under a tracer.
UNLEAKED = {"ASAN_OPTIONS": "exitcode=99:detect_leaks=0"}


def strace(output):
    """-D: the traced program is our own child; -ff: a file for each thread; -y: which file a descriptor is."""
    return ["strace", "-D", "-ff", "-k", "-y", "--seccomp-bpf", "-o", str(output), "-e", f"trace={CALLS}"]


def linked_in():
    """The functions of an SQLite that is linked in, by name; none when it is the system's library."""
    library = BUILD / "adapters" / "bridge" / "libtailgate_sqlite.a"
    if not library.exists():
        return set()
    shown = subprocess.run(["nm", "--defined-only", str(library)], capture_output=True, text=True,
                           timeout=WAIT, check=True)
    return {line.split()[-1] for line in shown.stdout.splitlines() if re.search(r" [tT] ", line)}


class Call:
    """One system call of a trace, with the stack it was made from."""

    def __init__(self, line):
        self.name, self.arguments, self.result = re.match(r"(\w+)\((.*)\)\s+= (.*)", line).groups()
        self.stack = []

    def files(self):
        """The files it opened, or whose descriptors it was given; names, where it takes only names."""
        if self.name.startswith(("open", "creat")):
            found = re.match(r"\d+<([^>]*)>", self.result)
            return {found.group(1)} if found and "O_PATH" not in self.arguments else set()
        found = set(re.findall(r"\d+<([^>]*)>", self.arguments)) | set(re.findall(r'"([^"]*)"', self.arguments))
        return {re.sub(r"\s*\(deleted\)$", "", name) for name in found}

    def is_of_sqlite(self, functions):
        for frame in self.stack:
            module, function = re.match(r"(\S*?)(?:\((\w*)|\()", frame).groups()
            if re.search(r"/(libc|libpthread|lib\w+san)[.\-]", module) or "interceptor" in (function or ""):
                continue
            return "/libsqlite3.so" in module or function in functions
        return False

    def __str__(self):
        return "\n > ".join([f"{self.name}({self.arguments}) = {self.result}", *self.stack])


def calls_on(folder, database):
    """What was done to DATABASE's files, from all the traces in FOLDER."""
    watched = {f"{os.path.realpath(database)}{suffix}" for suffix in FILES}
    found = []
    for trace in folder.glob("trace.*"):
        call = None
        for line in trace.read_text(errors="replace").splitlines():
            if line.startswith(" > "):
                call.stack.append(line[3:])
            elif re.match(r"\w+\(.*\)\s+= ", line):
                call = Call(line)
                if call.files() & watched:
                    found.append(call)
    return found


def check_only_sqlite(calls):
    """Every one of CALLS was SQLite's; returns how many opens there were of each file."""
    functions = linked_in()
    opens = Counter()
    for call in calls:
        assert call.is_of_sqlite(functions), f"not SQLite's own doing: {call}"
        if call.name.startswith("open"):
            assert "O_NOFOLLOW" in call.arguments and "O_CLOEXEC" in call.arguments, str(call)
            opens.update(call.files())
    return opens


def held(pid, database):
    """How many descriptors of each of DATABASE's files the process has."""
    path = os.path.realpath(database)
    names = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
        except FileNotFoundError:
            pass
    return {suffix: names.count(f"{path}{suffix}") for suffix in FILES}


def test_nobody_but_sqlite_opens_or_closes_the_database_files(site):
    bridge = site.bridge()
    bridge.ask("before?")
    gateway = site.serve(bridge, prefix=strace(site.folder / "trace"), env=environment(**UNLEAKED))
    site.answerer(bridge, slots=50)
    leaver = site.mdp(bridge)
    writers = [site.writer(bridge, count=150, name=name) for name in ("one", "two")]
    leaver.close()
    for writer in writers:
        finished(writer)
    bridge.wait_replies(301, timeout=WAIT)
    assert gateway.status()
    assert held(gateway.pid, bridge.path) == {"": 2, "-wal": 2, "-shm": 1, "-journal": 0}, \
        "one connection for the tail and one for the committer, and no copies of descriptors"
    gateway.stop()
    opens = check_only_sqlite(calls_on(site.folder, bridge.path))
    assert opens[os.path.realpath(bridge.path)] == 2, opens
    bridge.check_exactly_once(301)


@pytest.mark.parametrize("words", [["ask", "--timeout", "60s", "what?"], ["ask", "--timeout", "1ms", "what?"],
                                   ["status", "--json"], ["init"], ["doctor", "--check", "--fix"]],
                         ids=["ask", "ask-late", "status", "init", "doctor"])
def test_no_command_opens_the_database_files_beside_sqlite(site, words):
    bridge = site.bridge(by="tailgate")
    if "60s" in words:
        site.serve(bridge)
        site.answerer(bridge)
    database = ["--db", bridge.path] if words[0] != "init" else [bridge.path]
    done = subprocess.run([*strace(site.folder / "trace"), TAILGATE, words[0], *database, *words[1:]],
                          env=environment(**UNLEAKED), capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == (3 if "1ms" in words else 0), done.stderr
    assert check_only_sqlite(calls_on(site.folder, bridge.path))
