"""The kill -9 storm: writers write, workers answer, a gateway serves, and each of them is killed, again and
again, at random instants and at named ones. Then the checker (storm_check.sql) looks at what is left."""

import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

import storm_check
from process import WAIT, wait_for
from storm_observer import Watchers
from storm_world import World, children

POINTS = ("before-begin", "statement", "between", "before-commit", "after-commit", "before-report", "after-report",
          "announced")
PLANS = POINTS + ("random",) * 6
POINT_WAIT = 3.0  # for a named point to come up before its gateway is killed where it is

# Of 50 kills so many each; the gateway's own are half of them.
SHARES = {"gateway": 25, "standby": 2, "work": 4, "child": 6, "stock": 5, "writer random": 3, "writer inside": 3,
          "writer unsaid": 2}


def shuffled(names, count):
    """COUNT names in random order, each as often as the others."""
    deck = []
    while len(deck) < count:
        deck += random.sample(names, len(names))
    return deck[:count]


class Storm:
    """The folder stays until close()."""

    def __init__(self, kills, queries, seed=None, say=lambda line: None):
        self.kills = kills
        self.queries = queries
        self.seed = seed if seed is not None else random.randrange(1 << 32)
        self.say = say
        self.folder = Path(tempfile.mkdtemp(prefix="tg", dir="/tmp"))
        self.world = None
        self.broken = []
        self.tally = {}
        self.watched = {}

    def close(self):
        if self.world:
            self.world.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Kills.

    def kill_gateway(self):
        """As its plan says; one whose point does not come up is killed where it is."""
        world, gateway = self.world, self.world.gateway
        end = time.monotonic() + (random.uniform(0, 0.6) if gateway.plan == "random" else POINT_WAIT)
        left = random.randint(1, 30)
        if gateway.plan == "announced":
            gateway.announced()
        while gateway.running() and time.monotonic() < end and left > 0:
            time.sleep(0.002)
            if gateway.plan == "announced":
                left -= gateway.announced()
        if gateway.running():
            if left > 0:
                gateway.plan = "random"
            gateway.kill()
        world.tend()

    def kill_standby(self):
        def stands_by():
            self.world.wants_standby = True
            self.world.tend()
            return self.world.standby
        wait_for(stands_by, "a standby")
        time.sleep(random.uniform(0, 0.3))
        self.world.wants_standby = False
        self.world.standby.kill()

    def kill_child(self):
        """Of `tailgate work`, which starts another one."""
        pids = [pid for place in ("work 1", "work 2") for pid in children(self.world.standing[place])]
        if pids:
            os.kill(random.choice(pids), signal.SIGKILL)
            self.world.count("child")

    def kill_in_place(self, kind):
        place = random.choice([name for name in self.world.slots if name.startswith(kind)])
        self.world.standing[place].kill()

    def kill_writer(self, how):
        asker = random.choice(self.world.writers)
        if how == "random":
            time.sleep(random.uniform(0, 0.1))
            asker.kill()
            asker.kind += " random"
            return
        asker.say("die " + how)
        asker.grant(20)
        asker.process.wait(WAIT)
        asker.kind += " " + how

    def victim(self):
        """Somebody who has not been killed as often as the shares demand: gateways die of their points meanwhile."""
        due = {}
        for name, share in SHARES.items():
            done = sum(count for kind, count in self.world.killed.items() if kind.startswith(name))
            due[name] = max(0.01, share * (self.world.kill_count() + 5) / 50 - done)
        return random.choices(list(due), list(due.values()))[0]

    def kill(self, victim):
        kind, _, how = victim.partition(" ")
        if kind in ("work", "stock"):
            self.kill_in_place(kind)
        elif kind == "writer":
            self.kill_writer(how)
        else:
            {"gateway": self.kill_gateway, "standby": self.kill_standby, "child": self.kill_child}[kind]()

    # The storm.

    def blow(self):
        """Kills, while queries come in at a pace that the workers can follow."""
        world = self.world
        world.poison()
        most = 3 * self.queries // max(1, self.kills) + 50  # that wait at once
        while world.kill_count() < self.kills:
            due = self.queries * (world.kill_count() + 1) // self.kills - world.granted
            for asker in world.writers:
                world.grant(asker, due // len(world.writers))
            time.sleep(random.uniform(0, 0.3))
            self.kill(self.victim())
            world.tend()
            if random.random() < 0.05:
                world.poison()
            self.calm(most)
            self.glance()

    def calm(self, most):
        """Waits until no more than MOST queries wait."""
        def is_calm():
            self.world.tend()
            return self.world.backlog(4 * most + 1000) <= most
        wait_for(is_calm, f"the backlog to shrink to {most}")

    def glance(self):
        """What must hold at any moment, now and then."""
        done = self.world.kill_count()
        if done < self.next_look:
            return
        self.next_look = done + max(10, self.kills // 10)
        broken, tally = storm_check.check(self.world.db, self.folder, final=False)
        self.say(f"{done} kills, {tally.get('queries')} queries, {tally.get('pending')} pending,"
                 f" {len(broken)} broken")
        assert not broken, f"in the storm (seed {self.seed}): {broken[:20]}"

    def rest(self):
        """No more kills: everything comes to its end."""
        world = self.world
        while world.granted < self.queries:
            world.grant(world.writers[0], min(1000, self.queries - world.granted))
            self.calm(2000)
        for asker in world.writers:
            asker.finish()
        world.writers = []
        end = time.monotonic() + WAIT
        while world.unsettled():
            world.tend()
            assert time.monotonic() < end, f"waited {WAIT:.0f} s for {world.unsettled()} unsettled rows;" \
                f" {storm_check.check(world.db, self.folder, final=True)[0][:20]} seed {self.seed}"
            time.sleep(0.1)
        world.have_lasting_gateway()
        self.watchers.finish(world.db)
        world.finish()

    def run(self):
        random.seed(self.seed)
        self.world = World(self.folder, plans=shuffled(PLANS, 2 * self.kills))
        self.world.start()
        self.watchers = Watchers(self.world.db)
        self.next_look = max(10, self.kills // 10)
        started = time.monotonic()
        self.blow()
        self.rest()
        self.broken, self.tally = storm_check.check(self.world.db, self.folder, final=True)
        self.watched = self.watchers.tallies()
        self.seconds = time.monotonic() - started
        return self

    def report(self):
        world = self.world
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(world.killed.items()))
        numbers = ", ".join(f"{what} {number}" for what, number in self.tally.items())
        longest = max(world.first_dispatches, default=0.0)
        lines = [f"seed {self.seed}: {world.kill_count()} kills in {self.seconds:.0f} s",
                 f"killed: {kinds}", f"taken over by a standby: {world.took_over}", numbers,
                 f"longest time from restart to first dispatch: {longest * 1000:.0f} ms"
                 f" (of {len(world.first_dispatches)})"]
        for name, tally in self.watched.items():
            lines.append(f"observer that {name}: " + ", ".join(f"{what} {number}" for what, number in tally.items()))
        return "\n".join(lines + [f"BROKEN: {promise}: {row} {detail}" for promise, row, detail in self.broken])
