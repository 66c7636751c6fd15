"""The units of systemd: correct for systemd, closed as far as the gateway allows, and not closed further: what it calls
while it does everything is what its unit lets it call."""

import os
import re
import subprocess

import pytest

from harness import BUILD, HERE, TAILGATE, environment, tailgate, wait_for

UNITS = BUILD / "deploy" / "systemd"
SOURCES = HERE.parents[1] / "deploy" / "systemd"
EXPOSURE = {"tailgate@.service": 1.5, "tailgate-worker@.service": 2.0}


@pytest.fixture
def units(site):
    """The units as installed, for the bridge "a"; their program is where the tests' is."""
    folder = site.folder / "units"
    folder.mkdir()
    for name in EXPOSURE:
        text = (UNITS / name).read_text()
        program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
        assert program.endswith("/bin/tailgate")
        (folder / name.replace("@", "@a")).write_text(text.replace(program, str(TAILGATE)))
    return folder


def analyze(*words):
    return subprocess.run(["systemd-analyze", "--no-pager", *map(str, words)], capture_output=True, text=True, check=False,
                          env={**os.environ, "SYSTEMD_COLORS": "0"})


def setting(name, key):
    return re.findall(rf"^{key}=(.*)$", (UNITS / name).read_text(), re.MULTILINE)


def test_systemd_finds_nothing_wrong_with_them(units):
    done = analyze("verify", "--man=no", *units.iterdir())
    assert done.returncode == 0 and done.stderr + done.stdout == "", done.stderr


@pytest.mark.parametrize("name", EXPOSURE)
def test_exposure_is_low(units, name):
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE[name] * 10:.0f}", units / name.replace("@", "@a"))
    found = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)[1])
    assert done.returncode == 0 and found <= EXPOSURE[name], done.stdout
    print(f"{name}: {found}")


def test_words_of_the_units_are_words_of_the_program(site):
    """What they start says what is wrong with the database, not with the options."""
    for name in EXPOSURE:
        (line,) = setting(name, "ExecStart")
        words = line.replace("%S/tailgate/%i", f"{site.folder}/none").replace("%i", "none").split()[1:-1]
        done = tailgate(*words, *(["--echo"] if "work" in words else []))
        assert done.returncode == 1, (words, done.stderr)


def test_time_to_stop_is_longer_than_a_drain():
    shown = tailgate("serve", "--print-config").stdout
    drain = int(re.search(r"timeout = (\d+)s", shown[shown.index("drain"):])[1])
    (stop,) = setting("tailgate@.service", "TimeoutStopSec")
    assert int(stop.rstrip("s")) >= drain + 30
    (prevented,) = setting("tailgate@.service", "RestartPreventExitStatus")
    assert prevented.split() == ["2", "5", "6", "7"]


def allowed_calls(name):
    """What SystemCallFilter= lets through: its first line without the second, and the third."""
    def calls(groups, seen):
        for group in groups:
            shown = analyze("syscall-filter", group)
            assert shown.returncode == 0, shown.stderr
            members = {line.strip() for line in shown.stdout.splitlines()[1:] if not line.strip().startswith("#")} - {""}
            seen |= {member for member in members if member[0] != "@"}
            calls([member for member in members if member[0] == "@"], seen)
        return seen
    given, taken, again = setting(name, "SystemCallFilter")
    return calls(given.split(), set()) - calls(taken.lstrip("~").split(), set()) | set(again.split())


def called(trace):
    """Each call of a trace: its name and the rest of its line."""
    found = []
    for line in trace.read_text().splitlines():
        match = re.match(r"\d+ +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed>)(.*)", line)
        if match:
            found.append((match[1], match[2]))
    return found


def test_gateway_calls_only_what_its_unit_lets_it_call(site):
    """Traced from its start to its end: commits, a worker, a client, TCP, a reload, a drain."""
    bridge, trace = site.bridge(), site.folder / "trace"
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:*", prefix=["strace", "-f", "-qq", "-o", trace],
                         env=environment(ASAN_OPTIONS="exitcode=99:detect_leaks=0"))
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    assert tailgate("ask", "--db", bridge.path, "--timeout", "60", "?").returncode == 0
    gateway.wait_event("answered")
    (pid,) = {event["pid"] for event in gateway.events("serving")}
    os.kill(pid, 1)
    gateway.wait_event("reload")
    os.kill(pid, 15)
    assert gateway.wait() == 0
    calls = called(trace)
    assert len({name for name, _ in calls}) > 40, "the trace is not whole"
    started = next(index for index, (name, _) in enumerate(calls) if name == "signalfd4")  # until then the sanitizer's, too
    # The descriptors' limit is the unit's: a refusal to set it is what the gateway copes with. Only root's SQLite
    # gives files away.
    coped_with = {"setrlimit", "prlimit64", *(["fchown"] if os.geteuid() == 0 else [])}
    refused = {name for name, _ in calls[started:]} - allowed_calls("tailgate@.service") - coped_with
    assert not refused, refused
    families = {match[1] for name, rest in calls if name == "socket" and (match := re.match(r"(AF_\w+)", rest))}
    assert families <= set(setting("tailgate@.service", "RestrictAddressFamilies")[0].split()), families


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
def test_user_and_folders_are_made(site):
    """In a root of their own: nothing of this host is touched."""
    root = site.folder / "root"
    (root / "etc").mkdir(parents=True)
    for tool, source in (("systemd-sysusers", "tailgate.sysusers"), ("systemd-tmpfiles", "tailgate.tmpfiles")):
        create = ["--create"] if tool == "systemd-tmpfiles" else []
        subprocess.run([tool, f"--root={root}", *create, SOURCES / source], check=True)
    users = {line.split(":")[0]: line.split(":") for line in (root / "etc/passwd").read_text().splitlines()}
    assert users["tailgate"][5] == "/var/lib/tailgate" and users["tailgate"][6].endswith("nologin")
    status = (root / "etc/tailgate").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o750, 0, int(users["tailgate"][3]))
    assert wait_for((root / "var/lib/tailgate").is_dir, "the folder of the bridges")
