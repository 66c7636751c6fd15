"""A gateway on one host, its worker and an observer on another, or behind a relay there, and every way to cut what is
between them. For test_partitions.py, and for the figures of tests/bench/partitions."""

import json
import shutil
import subprocess
import time

import storm_check
from harness import HERE, PYTHON, TAILGATE, Lines, count_replies, wait_for
from hosts import CUTS
from keys import keygen
from majordomo import Client02
from proxy import Proxy

# A link that says nothing, in its two forms; and a proxy that keeps everything, resets everything, resets within a
# message, or ends the streams.
KINDS = ("down", "blackhole", "stall", "reset", "cut 1500", "half")
PLACES = ("worker", "relay")  # what the gateway is cut from
BEAT = "300ms"
SETTINGS = {"backoff.first": "20ms", "backoff.max": "200ms", "attempts": "1000"}
ROWS = ("query", "response", "message")


class Between:
    """What lies between host HERE and the endpoints on another: nothing but the wires, of which WIRED's is cut, or a
    proxy on HERE."""

    def __init__(self, kind, here, wired, endpoints):
        self.kind = kind
        self.wired = wired
        self.proxy = None
        self.endpoints = endpoints
        if kind not in CUTS:
            self.proxy = Proxy("127.0.0.1", *(end.removeprefix("tcp://") for end in endpoints), prefix=here.prefix)
            self.endpoints = [self.proxy.endpoint(number) for number in range(len(endpoints))]

    def cut(self):
        if self.proxy:
            self.proxy.set(self.kind)
        else:
            self.wired.cut(self.kind)

    def heal(self):
        if self.proxy:
            self.proxy.set("pass")
        else:
            self.wired.heal()

    def close(self):
        if self.proxy:
            self.proxy.close()


class Partition:
    """The gateway on the first host. `tailgate work` and `tailgate watch` on the second (PLACE "worker"); or a relay
    there and they on the third ("relay"). A writer that never pauses long. KEYS: all that crosses is CURVE."""

    def __init__(self, network, site, kind, place="worker", keys=True, beat=BEAT):
        self.site, self.keys, self.beat = site, keys, beat
        self.bridge = site.bridge()
        self.log = site.folder / "executed"
        self.log.touch()
        self.asked = site.folder / "asked"
        self.asked.mkdir()
        self.read, self.rows, self.repaired = 0, [], 0
        self.writer = self.relay = None
        near, far, *farther = network.hosts(2 + (place == "relay"))
        self.gateway, doors = self._serve(near)
        # At the relay the other wire leads to its worker, too.
        self.between = Between(kind, far, near if farther else far, doors)
        gate, events = self.between.endpoints
        if farther:
            self.relay, gate, events = self._relay(far, gate, events)
            far, = farther
        own = "relay" if self.relay else "gateway"
        self.watch = far.start([TAILGATE, "watch", "--json", "--gate", gate, "--events", events,
                                *self._key("desk", own, "observer")], stdout=subprocess.PIPE)
        self.seen = Lines(self.watch.process.stdout)
        self.worker = far.start([TAILGATE, "work", "--gate", gate, *self._key("far", own, "worker"), "--name", "far",
                                 "--heartbeat", beat, "--log-format", "json", "--",
                                 PYTHON, HERE / "partition_child.py", self.log])
        self.gateway.wait_event("joined")
        self._watched()

    def _doors(self, own):
        """The options of doors that are OWN's."""
        if not self.keys:
            return ["--insecure"]
        keygen("--gateway", self.site.folder / own)
        return ["--curve", self.site.folder / own]

    def _key(self, name, own, *roles):
        """The options of a connection to OWN's doors."""
        if not self.keys:
            return []
        folder, cert = self.site.folder / own, self.site.folder / f"{name}.cert"
        keygen(cert, "--role", roles[0], "--name", name, "--allow", folder)
        for role in roles[1:]:
            shutil.copy(cert, folder / role)
        return ["--cert", cert, "--server-cert", folder / "gateway.cert"]

    def _serve(self, host):
        anywhere = f"tcp://{host.address}:*"
        gateway = self.site.serve(self.bridge, *self._doors("gateway"), "--gate", anywhere, "--events", anywhere,
                                  prefix=host.prefix, settings={"heartbeat.interval": self.beat, **SETTINGS})
        status = gateway.status()
        return gateway, [door for doors in (status["gateway"]["gates"], status["events"]["endpoints"])
                         for door in doors if door.startswith("tcp://")]

    def _relay(self, host, gate, events):
        anywhere = f"tcp://{host.address}:*"
        self.relay_gate = f"ipc://{self.site.folder}/relay.gate"
        relay = host.start([TAILGATE, "relay", "--name", "site-b", "--from", gate, "--from-events", events,
                            *self._key("site-b", "gateway", "worker", "observer"), *self._doors("relay"),
                            "--gate", anywhere, "--gate", self.relay_gate, "--events", anywhere,
                            "--heartbeat", self.beat, "--settle", "0", "--log-format", "json"])
        doors = relay.wait_event("serving")
        return relay, doors["gate"], doors["events"]

    def _watched(self):
        """Waits until the observer has a row that was written after it had come; those before are not checked."""
        def row_comes():
            asked = self.ask("watched?")
            end = time.monotonic() + 1
            while time.monotonic() < end:
                if asked in self.ids():
                    return asked
                time.sleep(0.01)
            return None
        self.first = wait_for(row_comes, "the observer to see a row")

    def ids(self):
        """Of the rows that the observer was given, in order."""
        lines = self.seen.lines
        events = [json.loads(line) for line in lines[self.read:]]
        self.read = len(lines)
        self.rows += [event["id"] for event in events if event["event"] in ROWS]
        self.repaired += sum(event["count"] for event in events if event["event"] == "watch/repaired")
        return self.rows

    def ask(self, text):
        return self.bridge.ask(text)

    def write(self):
        """From now on queries are written all the time."""
        self.writer = self.site.writer(self.bridge, count=1000000, pause=0.01, log=str(self.asked / "writer.log"))

    def cut(self):
        """Cuts, and waits until both sides know; returns the seconds that it took the gateway."""
        far, word = (self.relay, "lost") if self.relay else (self.worker, "disconnected")
        noticed, lost = self.gateway.mark(), far.mark()
        began = time.monotonic()
        self.between.cut()
        self.gateway.wait_event("left", since=noticed)
        took = time.monotonic() - began
        far.wait_event(word, since=lost)
        return took

    def wait_kept(self):
        """Until what the worker has answered is kept on the far side of the cut."""
        if not self.relay:
            self.worker.wait_event("kept")
            return
        client = Client02(self.site.context, self.relay_gate)

        def kept():  # one whose commit it has not heard of is kept, too: nothing may be at the worker
            status = json.loads(client.ask("tailgate.status", b"")[0])
            return status["in_flight"] == 0 and status["source"]["kept"] > 0
        wait_for(kept, "the relay to keep an answer")
        client.close()

    def outage(self):
        """Cuts and heals. Returns the seconds until the gateway knew, from the end of the cut until a query that was
        written then had its answer, and until the observer had that and every row before it."""
        detected = self.cut()
        ended = time.monotonic()
        self.between.heal()
        answer = self.bridge.reply(self.ask("flowing?"))["id"]
        flowed = time.monotonic() - ended
        self.wait_seen(answer)
        return detected, flowed, time.monotonic() - ended

    def missing(self, last):
        """Rows up to LAST that the observer has not been given."""
        with self.bridge.reading() as db:
            rows = {row[0] for row in db.execute("SELECT id FROM messages WHERE id BETWEEN ? AND ?",
                                                 (self.first, last))}
        return rows - set(self.ids())

    def wait_seen(self, last):
        wait_for(lambda: not self.missing(last), "the observer to have every row")

    def executed(self):
        """How often each (row, attempt) was begun by the worker's program."""
        count = {}
        for line in self.log.read_text(encoding="ascii").splitlines():
            pair = tuple(map(int, line.split()))
            count[pair] = count.get(pair, 0) + 1
        return count

    def finish(self):
        """Ends the writing and waits for the last answer. Returns the tally of the storm's checker, which must find
        nothing broken, and of the observer's rows those that are `missing`, and those that were `repaired`."""
        if self.writer:
            self.writer.kill()
            self.writer.wait()
        with self.bridge.reading() as db:
            asked = db.execute("SELECT count(*) FROM messages WHERE to_session = 'b'").fetchone()[0]
            wait_for(lambda: count_replies(db) >= asked, f"{asked} replies")
            last = db.execute("SELECT max(id) FROM messages").fetchone()[0]
        broken, tally = storm_check.check(self.bridge.path, self.asked, final=True)
        assert not broken, broken[:10]
        assert tally["answered"] == tally["queries"] == asked, tally
        self.wait_seen(last)
        self._check_work()
        return {**tally, "missing": len(self.missing(last)), "repaired": self.repaired}

    def _check_work(self):
        """Nothing was executed again whose attempt had not ended; the observer was told nothing twice."""
        ended = {}
        for event in self.gateway.events("retry") + self.gateway.events("returned"):
            ended[event["id"]] = ended.get(event["id"], 0) + 1
        times = {}
        for (row, attempt), count in self.executed().items():
            assert count == 1, f"attempt {attempt} of query {row} was executed {count} times"
            times[row] = times.get(row, 0) + 1
        again = {row: count for row, count in times.items() if count > 1 + ended.get(row, 0)}
        assert not again, f"executed again although no attempt had ended: {again}"
        seen = self.ids()
        assert len(seen) == len(set(seen)), "the observer was given a row twice"

    def close(self):
        self.between.close()
