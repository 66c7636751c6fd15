"""`tailgate doctor` on set-ups that are really broken, each in one way: it says which, and what to do. With pytest -s
it shows what a person would see."""

import os
import signal
import sqlite3
import subprocess

import pytest
import writer

from doctors import complaint, doctor, findings, preloading, reasons, show, told
from harness import TAILGATE, tailgate, wait_for
from keys import World
from locker import lock, release
from pinner import pin

OF_THE_MACHINE = {"sqlite", "limits", "disk", "file-system"}  # not of the set-up; each has a test here
CONFIG = "lease = 2m\nattempts = 3\n"


def test_healthy_set_up_says_only_ok(site):
    world = World(site)
    world.key("w1", "worker")
    config = site.folder / "tailgate.cfg"
    config.write_text(CONFIG)
    world.gateway = site.serve(world.bridge, "--curve", world.dir, "--gate", "tcp://127.0.0.1:*", "-c", config)
    site.answerer(world.bridge)
    world.bridge.reply(world.bridge.ask("well?"))
    report = told(world.bridge, "--check", "-c", config, "--curve", world.dir)
    bad = [finding for finding in report["checks"] if finding["result"] != "ok"]
    assert {finding["check"] for finding in bad} <= OF_THE_MACHINE, bad
    assert bool(findings(report, "sqlite", "note")) is report["sqlite"]["wal_reset_bug"]
    assert len({finding["check"] for finding in report["checks"]}) >= 18
    assert "problem " not in doctor(world.bridge).stdout


def everything(bridge):
    """The rows of all tables, and what there is in the folder with which modes."""
    with bridge.reading() as db:
        rows = list(db.iterdump())
    files = {str(path): path.lstat().st_mode for path in sorted(bridge.path.parent.rglob("*"))}
    return rows, files


def test_nothing_is_changed_without_being_asked_to(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    bridge.ask("who?")
    gateway.kill()
    bridge.run("CREATE TRIGGER theirs AFTER INSERT ON messages BEGIN SELECT 1; END")
    os.chmod(bridge.path, 0o666)
    told(bridge)  # from now on -wal and -shm are there
    before = everything(bridge)
    told(bridge, "--check")
    doctor(bridge)
    assert everything(bridge) == before


def test_stopped_writer_is_named(site):
    bridge = site.bridge()
    stopped = lock(site, bridge, "ROLLBACK")
    stopped.send_signal(signal.SIGSTOP)
    wait_for(lambda: os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT), "it to stand still")
    found = complaint(bridge, "writers", "problem")
    stopped.send_signal(signal.SIGCONT)
    assert found["pid"] == stopped.pid and "stopped" in found["what"] and "locker.py" in found["what"]
    assert f"kill -CONT {stopped.pid}" in found["do"]
    release(stopped)
    assert findings(told(bridge), "writers", "ok")


def test_reader_that_pins_the_wal_is_named(site):
    bridge = site.bridge()
    reader = pin(site, bridge)
    bridge.ask_many("x" * 10000 for _ in range(1800))
    report = told(bridge)
    show(report)
    found = findings(report, "wal")
    assert [finding["result"] for finding in found] == ["warning", "warning"]
    assert found[0]["pid"] == reader.pid and "pinner.py" in found[0]["what"] and found[1]["bytes"] > 16 << 20


@pytest.mark.parametrize("sql, check, result, word", [
    ("CREATE TRIGGER theirs BEFORE INSERT ON messages WHEN new.from_session = 'b'"
     " BEGIN SELECT raise(ABORT, 'no replies here'); END", "schema", "problem", "no replies here"),
    ("CREATE TRIGGER theirs AFTER UPDATE ON messages BEGIN SELECT 1; END", "triggers", "warning", "theirs on messages"),
    ("ALTER TABLE messages ADD COLUMN mood TEXT", "schema", "note", "messages.mood"),
    ("CREATE UNIQUE INDEX one ON messages (conversation_id, from_session)", "schema", "problem", "UNIQUE"),
    ("CREATE INDEX theirs ON audit_log (action)", "indexes", "note", "theirs on audit_log"),
], ids=["raises", "trigger", "column", "unique", "index"])
def test_what_others_hung_on_the_tables_is_named(site, sql, check, result, word):
    bridge = site.bridge()
    bridge.run(sql)
    assert word in complaint(bridge, check, result)["what"]


def test_own_tables_of_an_older_version_are_told_and_newer_ones_refused(site):
    bridge = site.bridge()
    site.serve(bridge).stop()
    bridge.run("UPDATE tailgate_meta SET value = 1 WHERE key = 'schema_version'")
    assert "version 1" in complaint(bridge, "schema", "note")["what"]
    bridge.run("UPDATE tailgate_meta SET value = 1000 WHERE key = 'schema_version'")
    assert doctor(bridge).returncode == 6


def open_folder(site):
    """A bridge in a folder that every user can pass through."""
    os.chmod(site.folder, 0o755)
    return site.bridge()


@pytest.mark.parametrize("mode, result", [(0o644, "warning"), (0o666, "problem")])
def test_database_that_is_open_to_everybody_is_told_and_can_be_fixed(site, mode, result):
    bridge = open_folder(site)
    os.chmod(bridge.path, mode)
    found = complaint(bridge, "permissions", result)
    assert f"{mode:04o}" in found["what"] and found["fix"] == "possible"
    fixed = complaint(bridge, "permissions", "note", "--fix")
    assert f"{mode:04o}" in fixed["what"] and bridge.path.stat().st_mode & 0o7777 == mode & ~7
    assert findings(told(bridge), "permissions", "ok")


def test_socket_that_is_open_to_everybody_is_told_and_can_be_fixed(site):
    bridge = open_folder(site)
    site.serve(bridge)
    os.chmod(bridge.path, 0o600)
    gate = f"{bridge.path}-gate/gate"
    os.chmod(gate, 0o666)
    os.chmod(f"{bridge.path}-gate", 0o755)
    assert gate in complaint(bridge, "permissions", "problem")["what"]
    assert len(findings(told(bridge, "--fix"), "permissions", "note")) >= 1
    assert os.stat(gate).st_mode & 7 == 0


def test_doors_elsewhere_that_anybody_can_go_through_are_told(site):
    bridge = open_folder(site)
    os.chmod(bridge.path, 0o600)
    site.serve(bridge, "--gate", f"ipc://{site.folder}/wide", "--gate", "tcp://0.0.0.0:*", "--insecure")
    os.chmod(site.folder / "wide", 0o777)
    report = told(bridge)
    show(report)
    assert f"{site.folder}/wide has mode 0777" in findings(report, "permissions", "problem")[0]["what"]
    assert "can be reached from other hosts" in findings(report, "gateway", "warning")[0]["what"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_files_of_another_owner_are_told(site):
    bridge = site.bridge()
    with bridge.reading() as db:
        db.execute("SELECT * FROM messages").fetchall()
        os.chown(f"{bridge.path}-wal", 65534, -1)
        found = complaint(bridge, "permissions", "problem")  # and SQLite, as root, gives it back
        assert "-wal is nobody's" in found["what"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as somebody else")
def test_database_that_cannot_be_used_is_told(site):
    bridge = open_folder(site)
    os.chmod(bridge.path, 0o644)
    done = doctor(bridge, user=65534, group=65534, extra_groups=[])
    assert done.returncode == 1 and "uid 65534" in done.stdout and "cannot be written" in done.stdout


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
int statfs(const char *path, struct statfs *status)
{
    int (*real)(const char *, struct statfs *) = (int (*)(const char *, struct statfs *))dlsym(RTLD_NEXT, "statfs");
    int result = real(path, status);
    if (getenv("SHIM_TYPE"))
        status->f_type = strtol(getenv("SHIM_TYPE"), 0, 0);
    return result;
}
int statvfs(const char *path, struct statvfs *status)
{
    int (*real)(const char *, struct statvfs *) = (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
    int result = real(path, status);
    if (getenv("SHIM_FREE"))
        status->f_bavail = strtoul(getenv("SHIM_FREE"), 0, 0) / status->f_frsize;
    return result;
}
"""


@pytest.fixture(name="disks")
def made_disks(site):
    """An environment in which the file system is what the test says: nobody can mount a network here."""
    source, shim = site.folder / "shim.c", site.folder / "shim.so"
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    return lambda **variables: {**preloading(shim), **variables}


def test_file_system_on_which_locks_do_not_hold_is_told(site, disks):
    bridge = site.bridge()
    found = complaint(bridge, "file-system", "warning", env=disks(SHIM_TYPE="0x65735546"))
    assert "FUSE" in found["what"]
    done = doctor(bridge, env=disks(SHIM_TYPE="0x6969"))
    print(done.stderr)
    assert done.returncode == 1 and "network file system" in done.stderr


@pytest.mark.parametrize("free, result", [(1 << 20, "problem"), (100 << 20, "warning")])
def test_disk_that_is_nearly_full_is_told(site, disks, free, result):
    complaint(site.bridge(), "disk", result, env=disks(SHIM_FREE=str(free)))


def test_leftovers_of_a_gateway_that_died_are_told_and_can_be_removed(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    gate = bridge.path.parent / "bridge.db-gate" / "gate"
    assert len(findings(told(bridge, "--fix"), "leftovers")) == 1 and gate.exists()
    gateway.kill()
    assert "did not end as it should" in complaint(bridge, "leftovers", "note")["what"]
    assert len(findings(told(bridge), "leftovers", "ok")) == 2 and gate.exists()
    fixed = findings(told(bridge, "--fix"), "leftovers", "ok")
    assert [finding["fix"] for finding in fixed] == ["done", "done"] and not gate.exists()


def test_gateway_that_is_stopped_is_told(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    gateway.freeze()
    found = findings(told(bridge), "gateway")
    gateway.kill()
    assert [finding["result"] for finding in found] == ["problem"] and "stopped" in found[0]["what"]


def test_gateway_of_another_version_is_told(site):
    bridge = site.bridge()
    ours = told(bridge)["version"]
    theirs = ours[:-1] + ("8" if ours[-1] == "9" else "9")
    program = site.folder / "tailgate"
    program.write_bytes(TAILGATE.read_bytes().replace(b"\0%s\0" % ours.encode(), b"\0%s\0" % theirs.encode()))
    program.chmod(0o755)
    site.serve(bridge, program=program)
    assert f"is version {theirs}, this is {ours}" in complaint(bridge, "gateway", "warning")["what"]


def test_replies_that_cannot_be_committed_are_told_with_who_is_in_the_way(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    bridge.ask("?")
    query = worker.request()
    locker = lock(site, bridge, "ROLLBACK")
    worker.final(query.token, "!")
    wait_for(lambda: gateway.status()["committer"]["state"] == "locked", "the reply to wait for the lock")
    report = told(bridge)
    show(report)
    release(locker)
    assert "cannot commit replies (locked)" in findings(report, "gateway", "problem")[0]["what"]
    assert findings(report, "writers", "warning")[0]["pid"] == locker.pid


def test_helper_that_does_not_take_its_words_is_told(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--work", "--no-such-option")
    wait_for(lambda: gateway.status()["helpers"][0]["state"] == "failed", "the helper to fail")
    assert "no-such-option" in complaint(bridge, "helpers", "problem")["what"]


def test_limits_that_are_too_low_are_told(site):
    bridge = site.bridge()
    site.serve(bridge, prefix=["prlimit", "--nofile=300:300", "--fsize=100000000"])
    report = told(bridge)
    show(report)
    found = findings(report, "limits", "warning")
    assert found[0]["descriptors"] == 300 and "file" in found[1]["what"]


def test_rollback_journal_is_told_and_can_be_fixed(site):
    bridge = site.bridge(journal="DELETE")
    assert complaint(bridge, "journal", "warning")["fix"] == "possible"
    gateway = site.serve(bridge)
    found = findings(told(bridge, "--fix"), "journal", "warning")
    assert "stays" in found[0]["what"], "not under a gateway"
    gateway.stop()
    assert "is wal now" in findings(told(bridge, "--fix"), "journal", "note")[0]["what"]
    assert told(bridge)["journal_mode"] == "wal"


def test_database_that_somebody_locks_whole_is_told(site):
    bridge = site.bridge(journal="DELETE")
    holder = sqlite3.connect(bridge.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    report = told(bridge)
    holder.close()
    assert report["bridge"] is False and findings(report, "database", "problem")
    assert str(os.getpid()) in findings(report, "database")[0]["what"]


@pytest.mark.parametrize("text, result, word", [
    ("leese = 2m\n", "problem", "did you mean lease"),
    ("lease = 1s\nheartbeat.interval = 2s\n", "warning", "shorter than heartbeat.interval"),
    ("attempt.max = 5h\n", "warning", "attempt.hard_max"),
    ("service.law.backoff.first = 2m\n", "warning", "for service law"),
    ("drain.timeout = 5m\n", "warning", "systemd"),
    ("commit.duty = 95\n", "warning", "commit.duty"),
    ('gate = "tcp://0.0.0.0:5555"\n', "problem", "can be reached from other hosts"),
    ('http = "anywhere"\n', "problem", "--http anywhere"),
    ('http = "127.0.0.1:0"\nhttp.tokens = "/nowhere"\n', "warning", "/nowhere"),
], ids=["unknown", "lease", "attempt", "service", "drain", "duty", "gate", "http", "tokens"])
def test_settings_that_are_wrong_or_do_not_fit_are_told(site, text, result, word):
    config = site.folder / "tailgate.cfg"
    config.write_text(text)
    assert word in complaint(site.bridge(), "configuration", result, "-c", config)["what"]


def test_certificates_that_the_configuration_names_are_looked_at(site):
    config = site.folder / "tailgate.cfg"
    config.write_text('curve = "/nowhere"\n')
    assert "/nowhere" in complaint(site.bridge(), "certificates", "problem", "-c", config)["what"]


def test_times_that_are_ahead_or_odd_are_told(site):
    bridge = site.bridge()
    ahead = bridge.ask("tomorrow?")
    odd = bridge.ask("zoned?")
    bridge.run("UPDATE messages SET timestamp = ? WHERE id = ?", writer.now(86400), ahead)
    bridge.run("UPDATE messages SET timestamp = ? WHERE id = ?", writer.now() + "Z", odd)
    bridge.run("INSERT INTO session_status VALUES (?, 'b', 'alive', ?)", bridge.conversation, writer.now(7200))
    os.utime(bridge.path, (2**32, 2**32))
    report = told(bridge)
    show(report)
    found = [finding["what"] for finding in findings(report, "clock", "warning")]
    for word in (f"1 of the newest rows are in the future: they sort behind what comes later (ids {ahead})",
                 f"no Z and no offset) and sort or parse wrongly (ids {odd})", "living until then", "was set back"):
        assert any(word in what for what in found), word
    assert len(found) == 4


def test_somebody_else_who_polls_is_told(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask("mine?")
    query = worker.request()
    writer.fetch(str(bridge.path), bridge.conversation, "b")
    worker.final(query.token, "too late")
    wait_for(lambda: gateway.status()["counters"]["superseded"], "the query to be superseded")
    found = complaint(bridge, "superseded", "warning")
    assert found["count"] == 1 and f"(ids {message})" in found["what"] and "1 fetches" in found["what"]


def test_every_reason_why_nobody_answers_is_told(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backoff.first": "10m", "backoff.max": "10m"})
    worker = site.mdp(bridge, "frail")
    site.mdp(bridge, "busy", heartbeats=True, interval=30000)
    failed = bridge.ask("fail?", service="frail")
    worker.final(worker.request().token, '{"type":"error","error":"no","retry":true}')
    wait_for(lambda: gateway.status()["backing_off"] == 1, "the pause between attempts")
    assert tailgate("pause", "--db", bridge.path, "--service", "lazy").returncode == 0
    asked = {name: bridge.ask(f"{name}?", service=name) for name in ("law", "lazy", "busy")}
    expired, agents, orphan = (bridge.ask("?", conversation=bridge.converse()) for _ in range(3))
    for sql in ("UPDATE conversations SET expires_at = '2020-01-01T00:00:00' WHERE id = {}",
                "INSERT INTO session_status SELECT {}, 'b', 'alive', '" + writer.now() + "'",
                "DELETE FROM conversations WHERE id = {}"):
        message = (expired, agents, orphan)[("UPDATE", "INSERT", "DELETE").index(sql.split()[0])]
        bridge.run(sql.format(f"(SELECT conversation_id FROM messages WHERE id = {message})"))
    elsewhere = bridge.send(writer.query("?", "q_1"), to="c")
    prose = bridge.send("good morning")
    wait_for(lambda: gateway.status()["tail"]["lag"] == 0, "the gateway to have seen all")
    report = told(bridge)
    show(report)
    assert reasons(report) == {
        "back-off": ("frail", [failed]), "no-worker": ("law", [asked["law"]]), "paused": ("lazy", [asked["lazy"]]),
        "served": ("busy", [asked["busy"]]), "expired": ("", [expired]), "agent": ("default", [agents]),
        "no-conversation": ("", [orphan]), "other-session": (None, [elsewhere]), "not-a-query": ("other", [prose])}
    assert report["worst"] == "problem", "a query waits, and no worker is there for it"
