"""Our own programs and libraries at a gateway that wants a key: each says in one line why it does not get in, and
gets in by itself once that is mended."""

import json
import re
import shutil

import pytest

from harness import PYTHON, TAILGATE_WORK, Program, one_line, tailgate, wait_for
from keys import World, keygen
from library import library  # noqa: F401  (a fixture)
from node import Node, installed
from process import TAILGATE
from python_world import library_environment

PEER = """
import asyncio, json, logging, sys, tailgate
logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
kind, gate, events, certs = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
if kind == "worker":
    tailgate.worker("python")(lambda query: "yes").run(gate, **certs)
elif kind == "client":
    with tailgate.Client(gate, **certs) as client:
        print(f"served {client.available('x')}", file=sys.stderr)
elif kind == "async client":
    async def main():
        async with tailgate.AsyncClient(gate, **certs) as client:
            print(f"served {await client.available('x')}", file=sys.stderr)
    asyncio.run(main())
else:
    with tailgate.Observer(events, gate=gate, notice=lambda text: print(text, file=sys.stderr), **certs) as observer:
        next(observer)
"""
NODE = """
import { Client, observe, worker } from "tailgate";
const [gate, events, certs] = process.argv.slice(2);
const where = JSON.parse(certs);
const served = worker({ endpoint: gate, ...where }, "node", () => "yes");
served.on("refused", (reason) => console.log(`worker ${reason}`)).on("connected", () => console.log("worker connected"));
const seen = observe({ endpoint: events, gate, ...where });
seen.on("refused", (reason) => console.log(`observer ${reason}`)).on("up", () => console.log("observer connected"));
const asking = new Client({ endpoint: gate, ...where });
const ask = async () => {
  for (;;)
    try {
      await asking.serves("x", { timeout: 2000 });
      return console.log("client connected");
    } catch (error) {
      console.log(`client ${error.message}`);
    }
};
ask();
for await (const event of seen) console.log(event.kind);
"""
PYTHON_KINDS = ("worker", "client", "async client", "observer")
C_KINDS = ("worker", "client", "observer")
REASON = {
    "refused": r"does not let our key in.*allow-list",
    "misled": r"closes before we are known.*another",
    "plain": r"does not speak CURVE|closes before we are known",
    "keyless": r"wants a key|for want of a key|lets us not in",
    "nobody": r"no gateway",
}


class Trial:
    """A gateway, and the certificates and endpoints of each case."""

    def __init__(self, site, library):
        self.world, self.library = World(site), library
        self.folder = site.folder
        self.programs = []
        self.world.serve()
        plain = site.serve(site.bridge("plain.db"), "--gate", "tcp://127.0.0.1:*", "--events", "tcp://127.0.0.1:*")
        doors = [row["endpoint"] for row in plain.status()["gateway"]["doors"] if row["endpoint"].startswith("tcp")]
        self.plain = doors[:2]
        keygen("--gateway", self.folder / "other")
        self.cert = self.folder / "all.cert"
        keygen(self.cert, "--role", "worker", "--name", "all")

    def allow(self):
        for role in ("worker", "client", "observer", "operator"):
            shutil.copy(self.cert, self.world.dir / role / "all.cert")

    def of(self, case):
        """(gate, events, certificates)"""
        server = (self.folder / "other" if case == "misled" else self.world.dir) / "gateway.cert"
        certs = {} if case == "keyless" else {"cert": str(self.cert), "server_cert": str(server)}
        if case == "plain":
            return *self.plain, certs
        if case == "nobody":
            return "tcp://127.0.0.1:1", "tcp://127.0.0.1:1", certs
        return self.world.gate, self.world.events, certs

    def start(self, words, env=None, made=Program):
        program = made(words, env=env)
        self.programs.append(program)
        return program

    def python(self, kind, gate, events, certs):
        return self.start([PYTHON, "-c", PEER, kind, gate, events, json.dumps(certs)], library_environment())

    def node(self, gate, events, certs):
        link = self.folder / "node_modules"
        if not link.exists():
            link.symlink_to(installed() / "use" / "node_modules")
        (self.folder / "peer.mjs").write_text(NODE)
        named = {"cert": certs["cert"], "serverCert": certs["server_cert"]} if certs else {}
        program = Node(self.folder / "peer.mjs", gate, events, json.dumps(named), cwd=self.folder)
        self.programs.append(program)
        return program

    def long_running(self, case):
        gate, events, certs = self.of(case)
        words = flags(certs)
        watch = self.start([TAILGATE, "watch", "--events", events, "--gate", gate, *words])
        return {"work": self.start([TAILGATE_WORK, "--gate", gate, *words, "--", "cat"]), "watch": watch,
                **{kind: self.python(kind, gate, events, certs) for kind in PYTHON_KINDS},
                **{f"C {kind}": self.library_program(kind, gate, events, certs) for kind in C_KINDS}}

    def library_program(self, kind, gate, events, certs):
        program = self.library.run("keyed", kind, gate, events, *certs.values())
        self.programs.append(program)
        return program

    def close(self):
        for program in self.programs:
            if not program.ended:
                program.kill()


def flags(certs):
    return ["--cert", certs["cert"], "--server-cert", certs["server_cert"]] if certs else []


@pytest.fixture
def trial(site, library):
    made = Trial(site, library)
    yield made
    made.close()


@pytest.mark.parametrize("case", REASON)
def test_each_says_in_one_line_why_it_does_not_get_in(trial, case):
    gate, events, certs = trial.of(case)
    started = trial.long_running(case)
    node = trial.node(gate, events, certs) if case != "nobody" else None  # it just waits
    for words in (("status",), ("pause",), ("resume",), ("drain",), ("ask", "--timeout", "60s", "?")):
        done = tailgate(words[0], "--gate", gate, *flags(certs), *words[1:])
        assert done.returncode == 1 and re.search(REASON[case], one_line(done), re.IGNORECASE), (words, done.stderr)
    for name, program in started.items():
        program.stderr.wait(lambda line: re.search(REASON[case], line), f"the reason, of {name}")
    for name in ("worker", "observer", "client") if node else ():
        node.stdout.wait(lambda line: line.startswith(name) and re.search(REASON[case], line), f"the reason, of Node's {name}")


def test_refusal_is_said_once_and_all_get_in_when_the_key_is_allowed(trial):
    started = trial.long_running("refused")
    node = trial.node(*trial.of("refused"))
    for name, program in started.items():
        program.stderr.wait(lambda line: re.search(REASON["refused"], line), f"the reason, of {name}")
    node.said("worker ")
    before = trial.world.refused()
    wait_for(lambda: trial.world.refused() >= before + 12, "more attempts")
    trial.allow()
    for name in ("client", "async client", "C client"):
        started[name].stderr.wait(lambda line: line.startswith("served"), f"the answer to {name}")
    started["C worker"].stderr.wait(lambda line: line == "ready", "the C worker to be ready")
    started["work"].stderr.wait(lambda line: " ready " in line, "work to be ready")
    started["worker"].stderr.wait(lambda line: "ready for" in line, "the Python worker to be ready")
    node.said("worker connected")
    node.said("observer connected")
    node.said("client connected")
    started["watch"].stderr.wait(lambda line: "the gateway is back" in line, "watch to be back")
    wait_for(lambda: trial.world.workers() == 4, "the four workers")
    for name in ("observer", "C observer"):
        wait_for(lambda: trial.world.bridge.ask("?") and not started[name].running(), f"the event of {name}")
    for name, program in started.items():
        assert len(re.findall(REASON["refused"], program.stderr.text())) <= 2, name  # gate and events


@pytest.mark.parametrize("command", (("status",), ("ask", "?"), ("watch",), ("pause",)))
def test_certificates_that_cannot_be_used_are_one_line(trial, command):
    where = "--events" if command[0] == "watch" else "--gate"
    lone = tailgate(command[0], where, trial.world.gate, "--cert", trial.cert, *command[1:])
    assert lone.returncode == 2 and "--server-cert is missing" in one_line(lone)
    (trial.folder / "all.cert_secret").chmod(0o644)
    loose = tailgate(command[0], where, trial.world.gate, "--cert", trial.cert, "--server-cert",
                     trial.world.dir / "gateway.cert", *command[1:])
    assert loose.returncode == 1 and "chmod 600" in one_line(loose)
