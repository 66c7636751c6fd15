"""What takes part in a storm, each as a process that can be killed and started again."""

import datetime
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import writer
from process import (BUILD, HERE, PYTHON, TAILGATE_WORK, WAIT, assert_no_sanitizer_report, environment)

CRASHING = BUILD / "tests" / "system" / "crashing" / "tailgate_crashing"

# Quick, so that every kill meets leases that are recorded, queries that pause, rows that are parked. Kills alone
# must not make a query dead.
SETTINGS = {
    "attempts": "20", "service.touchy.attempts": "5", "backoff.first": "20ms", "backoff.max": "100ms",
    "heartbeat.interval": "200ms", "restart.grace": "300ms", "lease": "2s", "lease.persist_after": "20ms",
    "park.after": "300ms", "backlog.window": "100", "drain.timeout": "20s",
}


def seconds_of(stamp):
    return datetime.datetime.fromisoformat(stamp.rstrip("Z") + "+00:00").timestamp()


class Process:
    """A program whose stderr goes to a file of its own: a storm's gateways say too much for memory."""

    made = 0
    keep = False  # what it said stays in the folder

    def __init__(self, folder, words, kind, **env):
        Process.made += 1
        self.said = folder / f"{kind}-{Process.made}.said"
        self.kind = kind
        self.since = time.time()
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                                            stdout=subprocess.DEVNULL, stderr=said, env=environment(**env))

    def running(self):
        return self.process.poll() is None

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM, and the promise of exit 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT)
        self.end()
        assert code == 0, f"{self.kind}: exit code {code} after SIGTERM"

    def text(self):
        return self.said.read_text(errors="replace")

    def end(self):
        """Once it has ended: it must not have ended by itself, and what it said must be clean."""
        self.process.stdin.close()
        text = self.text()
        assert_no_sanitizer_report(text)
        assert self.process.returncode in (0, -signal.SIGKILL), \
            f"{self.kind} ended by itself, with {self.process.returncode}:\n{text[-3000:]}"
        if not Process.keep:
            self.said.unlink()


class Gateway(Process):
    """PLAN: how it ends, a point of crashing/crash.c, `announced` or `random`. CHOICES: more settings."""

    def __init__(self, folder, db, plan, standby=False):
        words = [CRASHING, "serve", "--db", db, "--log-format", "json", "--log-level", "debug"]
        words += ["--standby"] if standby else []
        chosen = {"commit.group": random.choice((1, 20, 1000)), "claim": random.choice(("reply",) * 3 + ("dispatch",))}
        for key, value in {**SETTINGS, **chosen}.items():
            words += ["--set", f"{key}={value}"]
        env = {}
        if plan not in ("random", "announced"):
            most = {"statement": 300, "between": 100}.get(plan, 30)
            env["TAILGATE_CRASH"] = f"{plan}:{random.randint(1, most)}"
        super().__init__(folder, words, "gateway", **env)
        self.plan = plan
        self.looked = 0
        self.serves = False
        self.loaded = False  # queries waited for it when it began

    def announced(self):
        """How many answers it has announced since the last look."""
        with open(self.said, "rb") as said:
            said.seek(self.looked)
            text = said.read()
        self.looked += len(text)
        return text.count(b'"event":"answered"')

    def serving(self):
        self.serves = self.serves or b'"event":"serving"' in self.said.read_bytes()
        return self.serves

    def first_dispatch(self):
        """From its start, or from the moment it took over, to its first dispatch; None: there was none."""
        for line in self.text().splitlines():
            if '"event":"dispatched"' in line:
                return seconds_of(json.loads(line)["time"]) - self.since
        return None


class Asker(Process):
    """One storm_writer.py."""

    def __init__(self, folder, db, conversations, name):
        self.log = folder / f"{name}.log"
        task = {"db": str(db), "name": name, "conversations": conversations, "log": str(self.log)}
        super().__init__(folder, [PYTHON, HERE / "storm_writer.py", json.dumps(task)], "writer")
        self.granted = 0

    def say(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # killed; whoever looks after it grants the rest anew

    def grant(self, count):
        if count > 0:
            self.granted += count
            self.say(f"ask {count}")

    def asked(self):
        return self.log.read_bytes().count(b'"asked"') if self.log.exists() else 0

    def finish(self):
        self.process.stdin.close()
        assert self.process.wait(WAIT) == 0, f"a writer failed: {self.text()[-3000:]}"
        self.end()


def work(folder, db, service, count, slots):
    """`tailgate work` with a program of its own."""
    return Process(folder, [TAILGATE_WORK, "--db", db, "--service", service, "--count", count, "--slots", slots,
                            "--heartbeat", "200ms", "--", PYTHON, HERE / "storm_child.py"], "work")


def stock(folder, db, service):
    gate = f"ipc://{os.path.realpath(db)}-gate/gate"
    return Process(folder, [PYTHON, HERE / "storm_worker.py", gate, service], "stock")


def children(process):
    """The pids of its children."""
    try:
        listed = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(pid) for pid in listed.split()]


class World:
    """A bridge in FOLDER with everything around it. tend() starts anew what has died, and counts it."""

    def __init__(self, folder, plans=()):
        self.folder = folder
        self.db = folder / "bridge.db"
        writer.make(str(self.db))
        self.conversations = [writer.converse(str(self.db), ttl=48 * 3600) for _ in range(8)]
        self.plans = list(plans)  # of the gateways to come
        self.granted = 0  # queries that writers were told to write
        self.gateway = self.standby = None
        self.writers = []
        self.slots = {  # what stands in each place, and how it is started
            "work 1": lambda: work(folder, self.db, "default", 2, 4),
            "work 2": lambda: work(folder, self.db, "default", 1, 1),
            "work 3": lambda: work(folder, self.db, "touchy", 2, 1),
            "stock 1": lambda: stock(folder, self.db, "default"),
            "stock 2": lambda: stock(folder, self.db, "default"),
        }
        self.standing = {}
        self.names = self.poisoned = 0
        self.killed = {}  # kind: how often
        self.wants_standby = False
        self.took_over = 0
        self.first_dispatches = []

    def start(self, writers=2):
        for _ in range(writers):
            self.writers.append(self.new_writer())
        self.tend()

    def new_writer(self):
        self.names += 1
        return Asker(self.folder, self.db, self.conversations, f"w{self.names}")

    def plan(self):
        return self.plans.pop() if self.plans else "random"

    def count(self, kind):
        self.killed[kind] = self.killed.get(kind, 0) + 1

    def kill_count(self):
        return sum(self.killed.values())

    def grant(self, asker, count):
        asker.grant(count)
        self.granted += max(0, count)

    def tend_gateway(self):
        if self.gateway and self.gateway.running():
            return
        if self.gateway:
            self.count("gateway " + self.gateway.plan)
            first = self.gateway.first_dispatch()
            self.gateway.end()
            if first is not None and self.gateway.loaded:
                self.first_dispatches.append(first)
        died = time.time()
        self.gateway = self.standby or Gateway(self.folder, self.db, self.plan())
        self.gateway.loaded = self.backlog() >= 20
        if self.standby:
            self.took_over += 1
            self.gateway.since = died
        self.standby = None
        self.wants_standby = random.random() < 0.3

    def tend_standby(self):
        if self.standby and not self.standby.running():  # died before its turn
            self.count("standby")
            self.standby.end()
            self.standby = None
        # Not before the other one has the lock: the standby would be quicker.
        if self.wants_standby and not self.standby and self.gateway.serving():
            self.standby = Gateway(self.folder, self.db, self.plan(), standby=True)

    def tend(self):
        self.tend_gateway()
        self.tend_standby()
        for place, start in self.slots.items():
            old = self.standing.get(place)
            if old and not old.running():
                self.count(old.kind)
                old.end()
            if not old or not old.running():
                self.standing[place] = start()
        for n, asker in enumerate(self.writers):
            if asker.running():
                continue
            self.count(asker.kind)
            asker.end()
            self.writers[n] = self.new_writer()
            self.writers[n].grant(asker.granted - asker.asked())

    def look(self, sql):
        """The first value of a SELECT."""
        db = sqlite3.connect(str(self.db), timeout=30)
        try:
            return db.execute(sql).fetchone()[0]
        finally:
            db.close()

    def backlog(self, newest=5000):
        """Queries that nobody has answered yet, of the NEWEST rows."""
        return self.look("SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                         " WHERE m.to_session = 'b' AND m.read = 0"
                         f" AND m.id > (SELECT max(id) - {newest} FROM messages)"
                         " AND c.expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now')")

    def unsettled(self):
        """What is still on its way: of the whole file."""
        return self.look("SELECT (SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                         " WHERE m.to_session = 'b' AND m.read = 0"
                         " AND c.expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now'))"
                         " + (SELECT count(*) FROM tailgate_delivery WHERE state <> 'dead')"
                         " + (SELECT count(*) FROM tailgate_parked)")

    def poison(self):
        """A query that kills whoever touches it."""
        self.poisoned += 1
        name, conversation = f"poison-{self.poisoned}", random.choice(self.conversations)
        row = writer.send(str(self.db), conversation, writer.query(name, name, service="touchy"))
        with open(self.folder / "poison.log", "a", encoding="utf-8") as log:
            log.write(json.dumps({"asked": row, "name": name, "conversation": conversation}) + "\n")

    def have_lasting_gateway(self):
        """From now on one gateway serves that nothing kills: the last one may have died of the last commit."""
        self.plans, self.wants_standby = [], False
        for doomed in (self.standby, self.gateway):
            if doomed:
                doomed.kill()
        self.tend_standby()  # puts a dead one away: it is not to be the next gateway
        self.tend_gateway()
        self.wants_standby = False

    def finish(self):
        """Everybody stops as told to, and is content."""
        for process in self.standing.values():
            if process.kind == "stock":
                process.kill()
                process.end()
            else:
                process.stop()
        if self.standby:
            self.standby.stop()
        self.gateway.stop()
        self.standing, self.standby, self.gateway = {}, None, None

    def close(self):
        for process in [self.gateway, self.standby, *self.standing.values(), *self.writers]:
            if process:
                process.kill()
                process.process.stdin.close()

