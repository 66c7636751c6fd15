"""adapters/node: the package, and its worker, alone with a gate whose frames the test writes by hand, and with a real
gateway."""

import json
import re
import tarfile
import time

import pytest
import zmq

from gate import Gate, stamp, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, FINAL, HEARTBEAT, HERE, MDP, PARTIAL, READY, REQUEST, WAIT, wait_for
from node import SOURCE, installed, npm, run, workshop  # noqa: F401  (workshop is a fixture)

ROOT = HERE.parents[1]
WORKER = HERE / "node_worker.mjs"


def start(workshop, where, service="law", grace=None, **options):
    where = {"endpoint": where.endpoint} if isinstance(where, Gate) else {"db": str(where.path)}
    words = [json.dumps({**where, **options}), service] + ([str(grace)] if grace is not None else [])
    return workshop.start(WORKER, *words)


# ── the package ─────────────────────────────────────────────────────────────────────────────────────

def test_package_has_what_it_needs_and_nothing_else():
    (archive,) = installed().glob("*.tgz")
    with tarfile.open(archive) as packed:
        names = {name.removeprefix("package/") for name in packed.getnames()}
    library = {f"lib/{path.name}" for path in (SOURCE / "lib").glob("*.js")}
    assert names == library | {"package.json", "README.md", "LICENSE", "index.js", "index.d.ts",
                               "examples/ask.mjs", "examples/observe.mjs", "examples/streaming_worker.mjs"}
    assert (SOURCE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    version = re.search(r"^project\(tailgate VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)
    assert json.loads((SOURCE / "package.json").read_text())["version"] == version.group(1)


def test_zeromq_is_the_only_dependency_and_runs_no_script():
    assert set(json.loads((SOURCE / "package.json").read_text())["dependencies"]) == {"zeromq"}
    # It was installed with --ignore-scripts, and what it itself depends on has no binary.
    tree = json.loads(npm("ls", "--all", "--json", cwd=installed() / "use").stdout)
    assert set(tree["dependencies"]) == {"tailgate", "zeromq"}
    assert set(tree["dependencies"]["zeromq"]["dependencies"]) == {"cmake-ts", "node-addon-api"}


TYPED = """
import { Answer, AskError, BridgeEvent, Client, Fatal, GiveBack, Observer, observe, Positions, Query, TimeoutError,
         worker } from "tailgate";

const plain = worker("tcp://127.0.0.1:1", "law", async (query: Query) => `${query.question} ${query.attempt + 1}`);
const parts = worker({ db: "x.db", slots: 2, interval: 200 }, "*", async function* (query) {
  query.partial("a");
  const ends: number | undefined = query.deadline?.getTime();
  const asker: string | null | undefined = query.sender?.name ?? query.sender?.principal;
  if (query.signal.aborted || ends === 0 || asker === "me") throw new GiveBack("no");
  yield "b";
  return { answer: "c", sources: [] };
});
parts.on("connected", (endpoint) => endpoint.length).on("failed", (error, query) => query.token);
const stopped: Promise<void> = plain.stop({ grace: 10 });
// @ts-expect-error: one of both
worker({ db: "x.db", endpoint: "tcp://127.0.0.1:1" }, "law", () => "");
// @ts-expect-error: a handler is needed
worker("tcp://127.0.0.1:1", "law");

const client = new Client({ db: "x.db", connections: 1 });
export async function main(): Promise<void> {
  const { signal } = new AbortController();
  const answer: Answer = await client.ask("law", ["a", new Uint8Array(1)], { timeout: 1, signal });
  const frames: Buffer[] = answer.frames;
  const stream = client.stream("law", { question: "b" });
  for await (const part of stream) part.toUpperCase();
  const sources: unknown[] = (await stream.answer).sources;
  const ticket: string = await client.titanic.submit("law", "c");
  const late: Answer | null = await client.titanic.fetch(ticket);
  const error: Error = new TimeoutError("d") as AskError;
  void [frames, sources, late, error, stopped, new Fatal("e"), await client.serves("law")];
  const observer: Observer = observe({ db: "x.db" }, { kinds: ["query", "worker"], after: 0, signal });
  observer.on("lost", (count) => count.toFixed()).on("reset", (rows) => rows.query?.toFixed());
  for await (const event of observer) {
    const { kind, id, data, replayed }: BridgeEvent = event;
    void [kind.length, id?.toFixed(), data.text, replayed];
  }
  const rows: Positions = observer.positions;
  new Observer({ endpoint: "tcp://127.0.0.1:1", gate: "tcp://127.0.0.1:2", since: new Date(), service: "law" }).close();
  observe({ db: "x.db" }, { after: rows, conversation: "c" });
  // @ts-expect-error: no such kind
  observe({ db: "x.db" }, { kinds: ["answer"] });
  // @ts-expect-error: the gate is missing
  observe({ endpoint: "tcp://127.0.0.1:1" });
}
"""


def test_types_are_right_under_strict_rules(site):
    types = installed() / "types"
    (site.folder / "node_modules").symlink_to(types / "node_modules")
    program = site.folder / "typed.mts"
    program.write_text(TYPED)
    run(types / "node_modules" / ".bin" / "tsc", "--strict", "--noEmit", "--module", "nodenext", "--target", "es2022",
        "--preserveSymlinks", "--typeRoots", types / "node_modules" / "@types", program, cwd=site.folder)


def test_declarations_name_what_the_module_exports(workshop):
    program = workshop.start('import * as all from "tailgate"; console.log(Object.keys(all).sort().join(" "));')
    assert program.wait() == 0
    declared = re.findall(r"^export (?:class|function) (\w+)", (SOURCE / "index.d.ts").read_text(), re.MULTILINE)
    assert program.stdout.lines == [" ".join(sorted(declared))]


@pytest.mark.parametrize("call", [
    'worker({}, "law", () => "")', 'worker({ db: "a", endpoint: "tcp://b" }, "law", () => "")',
    'worker("bridge.db", "law", () => "")', 'worker("tcp://a", "", () => "")', 'worker("tcp://a", "a\\nb", () => "")',
    'worker("tcp://a", "law")', 'worker({ endpoint: "tcp://a", slots: 0 }, "law", () => "")',
    'worker({ endpoint: "tcp://a", interval: 99 }, "law", () => "")',
    'worker({ endpoint: "tcp://a", name: "" }, "law", () => "")', 'new Client({})',
    'new Client({ db: "a", connections: 0 })', 'new Observer()', 'new Observer({ endpoint: "tcp://a" })',
    'new Observer({ db: "a", gate: "tcp://a" })', 'new Observer({ db: "a", kinds: ["answer"] })',
    'new Observer({ db: "a", kinds: [] })', 'new Observer({ db: "a", after: -1 })',
    'new Observer({ db: "a", after: { answer: 1 } })', 'new Observer({ db: "a", since: "today" })',
    'new Observer({ db: "a", since: new Date("x") })', 'new Observer({ db: "a", after: 0, since: new Date() })',
    'new Observer({ db: "a", conversation: "é".repeat(101) })', 'new Observer({ db: "a", service: "" })',
    'observe({ db: "a" }, { signal: AbortSignal.abort() })'])
def test_wrong_use_is_an_exception_at_once(workshop, call):
    program = workshop.start('import { Client, Observer, observe, worker } from "tailgate";'
                             f'try {{ {call}; }} catch (error) {{ console.log(error instanceof Error); }}')
    assert program.wait() == 0
    assert program.stdout.lines == ["true"]


# ── the worker, and a gate written by hand ──────────────────────────────────────────────────────────

def test_ready_says_who_the_worker_is(workshop, world):
    start(workshop, world.gate, name="parrot", slots=3, interval=1000)
    _, service, options = world.gate.ready()
    assert service == "law"
    assert options == {"name": "parrot", "slots": 3, "heartbeats": True, "interval": 1000, "format": "query"}


def test_workers_of_a_process_have_names_of_their_own(workshop, world):
    program = workshop.start('import { worker } from "tailgate";'
                             f'for (const s of ["law", "*"]) worker("{world.gate.endpoint}", s, () => "");')
    names = {world.gate.ready()[2]["name"] for _ in range(2)}
    assert names == {f"node-{program.pid}", f"node-{program.pid}-2"}


def test_handler_gets_all_that_is_known_of_a_query(workshop, world):
    program = start(workshop, world.gate)
    peer, _, _ = world.gate.ready()
    deadline = stamp(60)
    token = world.gate.ask(peer, "show me", message_id=17, conversation_id="c1", service="law", attempt=2,
                           deadline=deadline, sender={"principal": "key:ab", "name": "c1", "content": "unverified"})
    assert json.loads(world.gate.answer(token)) == {"answer": "shown"}
    query = json.loads(program.said("query "))
    raw = query.pop("raw")
    assert abs(query.pop("deadline") / 1000 - time.time() - 60) < 30
    assert query == {"question": "show me", "queryId": "q1", "service": "law", "messageId": 17,
                     "conversationId": "c1", "attempt": 2, "token": token.decode(),
                     "sender": {"principal": "key:ab", "name": "c1", "content": "unverified"}}
    assert raw["type"] == "query" and raw["delivery"]["deadline"] == deadline


@pytest.mark.parametrize("question, answer", [
    ("echo two words", {"answer": "two words"}),
    ('echo {"type":"error","error":"is", "text":1}', {"answer": '{"type":"error","error":"is", "text":1}'}),
    ("object yes", {"answer": "yes", "sources": ["notes.md:1-2"], "confidence": 0.5}),
    ("list a b", {"answer": ["a", "b"]}),
    ("number 4.5", {"answer": 4.5}),
    ("bytes 67c3bcff", {"answer": "gü\ufffd"}),
    ("parts a b c", {"answer": "abc"}),
    ("partials a b", {"answer": "ab"}),
    ("partsAndMore a b", {"answer": "the whole", "sources": ["here"]}),
], ids=lambda value: value.split()[0] if isinstance(value, str) else "")
def test_what_a_handler_returns_is_the_answer(workshop, world, question, answer):
    start(workshop, world.gate)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, question)
    parts = [] if "part" not in question else question.split()[1:]
    for part in parts:
        assert world.gate.expect(PARTIAL)[1] == [token, b"", part.encode()]
    assert json.loads(world.gate.answer(token)) == answer


@pytest.mark.parametrize("question, kind, retry, says", [
    ("fail model not loaded", "error", True, "model not loaded"),
    ("failOddly", "error", True, "only text"),
    ("fatal no such thing", "error", False, "no such thing"),
    ("back no room", "return", None, "no room"),
    ("nothing", "error", True, "no answer"),
    ("function", "error", True, "no answer"),
    ("huge", "error", False, "16 MiB"),
    ("hugePart", "error", True, "16 MiB"),
], ids=lambda value: value.split()[0] if isinstance(value, str) else "")
def test_failure_is_never_an_answer(workshop, world, question, kind, retry, says):
    program = start(workshop, world.gate)
    peer, _, _ = world.gate.ready()
    body = json.loads(world.gate.answer(world.gate.ask(peer, question)))
    assert body["type"] == kind and body.get("retry") == retry and says in body["error"]
    assert json.loads(world.gate.answer(world.gate.ask(peer, "echo on"))) == {"answer": "on"}
    if kind == "error" and retry:
        program.wait_line("tailgate: node-.*: message 1:")


def test_queries_up_to_the_slots_are_worked_on_at_once(workshop, world):
    start(workshop, world.gate, slots=3)
    peer, _, _ = world.gate.ready()
    tokens = {name: world.gate.ask(peer, f"hold {name}") for name in "abcd"}
    for name in "abc":
        wait_for((world.folder / f"begun-{name}").exists, f"the begin of {name}")
    for name in "cba":
        assert not (world.folder / "begun-d").exists() or name != "c"
        world.touch(f"go-{name}")
        assert json.loads(world.gate.answer(tokens[name]))["answer"] == f"held {name}"
    world.touch("go-d")
    assert json.loads(world.gate.answer(tokens["d"]))["answer"] == "held d"


def test_beats_go_on_while_the_handler_blocks_the_event_loop(workshop, world):
    start(workshop, world.gate, interval=200)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "block 5000")
    beats, longest, last = 0, 0.0, time.monotonic()
    while True:
        _, command, rest = world.gate.hear()
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        if command == FINAL:
            break
        assert command == HEARTBEAT
        beats += 1
    assert rest[0] == token and beats >= 15 and longest < 2, (beats, longest)


def test_silent_gateway_is_left_for_a_fresh_connection(workshop, world):
    program = start(workshop, world.gate, interval=100)
    first, _, _ = world.gate.ready()
    token = world.gate.ask(first, "hold a")
    wait_for((world.folder / "begun-a").exists, "the begin")
    world.gate.beats = False
    assert "no sign of life" in program.said("lost ")
    world.gate.beats = True
    world.gate.expect(DISCONNECT)
    second, _, options = world.gate.ready()
    assert second != first and options["holding"] == [token.decode()]
    world.touch("go-a")
    assert json.loads(world.gate.answer(token)) == {"answer": "held a"}


def test_worker_that_was_stopped_a_while_does_not_take_that_for_silence(workshop, world):
    program = start(workshop, world.gate, interval=300)
    first, _, _ = world.gate.ready()
    for _ in range(3):
        program.freeze()
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            world.gate.send(first, HEARTBEAT)
            time.sleep(0.05)
        program.thaw()
        token = world.gate.ask(first, "echo a")
        assert json.loads(world.gate.answer(token)) == {"answer": "a"}
    assert not [line for line in program.stdout.lines if line.startswith("lost")]


def test_disconnect_is_answered_with_ready_that_names_the_work(workshop, world):
    start(workshop, world.gate, slots=2)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "hold a", deadline=stamp(600))
    wait_for((world.folder / "begun-a").exists, "the begin")
    world.gate.send(peer, DISCONNECT)
    world.gate.expect(DISCONNECT)
    _, _, options = world.gate.ready()
    assert options["holding"] == [token.decode()]
    world.touch("go-a")
    assert json.loads(world.gate.answer(token)) == {"answer": "held a"}


def test_answer_of_the_last_seconds_is_sent_again_and_an_error_is_not(workshop, world):
    start(workshop, world.gate)
    peer, _, _ = world.gate.ready()
    failed = world.gate.ask(peer, "fail it")
    world.gate.answer(failed)
    returned = world.gate.ask(peer, "back it")
    world.gate.answer(returned)
    token = world.gate.ask(peer, "echo it")
    body = world.gate.answer(token)
    world.gate.close()
    world.gate.open()
    _, _, options = world.gate.ready()
    assert options["holding"] == [token.decode()]
    assert world.gate.answer(token) == body
    peer, _ = world.gate.hear()[:2]
    after = world.gate.ask(peer, "echo next")
    world.gate.answer(after)  # and nothing came in between


def test_answer_that_is_found_while_the_gateway_is_away_is_delivered(workshop, world):
    program = start(workshop, world.gate)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "hold a")
    wait_for((world.folder / "begun-a").exists, "the begin")
    world.gate.close()
    program.said("lost ")
    world.touch("go-a")
    program.said("held a")
    world.gate.open()
    _, _, options = world.gate.ready()
    assert options["holding"] == [token.decode()]
    assert json.loads(world.gate.answer(token)) == {"answer": "held a"}


def test_signal_is_aborted_when_the_deadline_has_passed(workshop, world):
    program = start(workshop, world.gate, slots=2)
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "heed a", deadline=stamp(2))
    assert "ran out of time" in program.said("aborted a")
    token = world.gate.ask(peer, "echo next")
    assert json.loads(world.gate.answer(token)) == {"answer": "next"}  # and no error came of the first


def test_disconnect_after_the_deadline_ends_an_attempt_that_sent_parts(workshop, world):
    """Parts put the deadline off, so only the gateway knows when the attempt is over."""
    code = WORKER.read_text(encoding="utf-8").replace("console.log(`begun ${name}`);",
                                                      "query.partial('p'); console.log(`begun ${name}`);")
    program = workshop.start(code, json.dumps({"endpoint": world.gate.endpoint}), "law")
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "heed a", deadline=stamp(2))
    program.said("begun a")
    world.gate.expect(PARTIAL)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert world.gate.hear()[1] == HEARTBEAT
    assert not [line for line in program.stdout.lines if line.startswith("aborted")]
    world.gate.send(peer, DISCONNECT)
    assert "gave the query up" in program.said("aborted a")
    world.gate.expect(DISCONNECT)
    _, _, options = world.gate.ready()
    assert "holding" not in options


def test_deadline_that_is_past_at_once_is_not_believed(workshop, world):
    start(workshop, world.gate)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "hold a", deadline=stamp(-3600))
    wait_for((world.folder / "begun-a").exists, "the begin")
    world.gate.send(peer, DISCONNECT)
    world.gate.expect(DISCONNECT)
    assert world.gate.ready()[2]["holding"] == [token.decode()]


def test_stop_finishes_what_has_begun_and_gives_the_rest_back(workshop, world):
    program = start(workshop, world.gate, slots=2)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "hold a")
    wait_for((world.folder / "begun-a").exists, "the begin")
    program.process.terminate()
    program.said("stopping")
    late = world.gate.ask(peer, "echo late")
    for _ in range(2):  # what was sent before a heartbeat is read before the one after it
        assert world.gate.hear()[1] == HEARTBEAT
    world.touch("go-a")
    assert json.loads(world.gate.answer(token)) == {"answer": "held a"}
    assert world.gate.returned(late) == "the worker is stopping"
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0 and program.stdout.lines[-1] == "stopped"


def test_stop_gives_back_what_does_not_end_in_time(workshop, world):
    program = start(workshop, world.gate, grace=300, slots=2)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "heed a")
    program.said("begun a")
    program.process.terminate()
    assert world.gate.returned(token) == "the worker is stopping"
    world.gate.expect(DISCONNECT)
    assert program.wait() == 0
    assert "stopping" in program.said("aborted a")


def test_stop_twice_does_not_wait(workshop, world):
    program = start(workshop, world.gate, grace=600_000)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "heed a")
    program.said("begun a")
    program.process.terminate()
    program.said("stopping")
    program.process.terminate()
    assert world.gate.returned(token) == "the worker is stopping"
    assert program.wait() == 0


def test_stop_without_a_gateway_ends_soon(workshop, world):
    program = start(workshop, world.gate)
    world.gate.ready()
    world.gate.close()
    program.said("lost ")
    program.process.terminate()
    assert program.wait(20) == 0


@pytest.mark.parametrize("question, code, says", [("exit", 7, ""), ("crash", 1, "nobody catches this")])
def test_process_that_exits_meanwhile_exits_as_it_says(workshop, world, question, code, says):
    """The binding aborts the process when a thread ends with a receive pending."""
    for _ in range(3):
        program = start(workshop, world.gate, slots=3)
        peer, _, _ = world.gate.ready()
        world.gate.ask(peer, question)
        assert program.wait() == code, program.stderr.text()
        assert says in program.stderr.text()


def test_connection_that_ends_just_as_it_is_given_up_stalls_nothing(workshop, world):
    """ZeroMQ tells of it while the socket is being closed; nobody may be deaf to that."""
    start(workshop, world.gate)
    def ready():
        peer, command, _ = world.gate.hear()
        while command != READY:
            assert command == DISCONNECT
            peer, command, _ = world.gate.hear()
        return peer
    for _ in range(60):
        peer = ready()
        world.gate.send(peer, HEARTBEAT)
        world.gate.send(peer, DISCONNECT)
        world.gate.close()
        world.gate.open()
    peer = ready()
    assert json.loads(world.gate.answer(world.gate.ask(peer, "echo in"))) == {"answer": "in"}


def test_disconnect_as_the_answer_to_ready_is_told_as_a_refusal(workshop, world):
    program = start(workshop, world.gate)
    for _ in range(2):
        peer, _, _ = world.gate.ready()
        world.gate.send(peer, DISCONNECT)
        world.gate.expect(DISCONNECT)
    assert "does not take this service" in program.said("refused ")
    peer, _, _ = world.gate.ready()
    assert json.loads(world.gate.answer(world.gate.ask(peer, "echo in"))) == {"answer": "in"}


def test_gate_that_lets_nobody_in_is_told_as_a_refusal(workshop, world):
    public, secret = zmq.curve_keypair()
    locked = world.site.context.socket(zmq.ROUTER)
    locked.curve_server, locked.curve_publickey, locked.curve_secretkey = True, public, secret
    port = locked.bind_to_random_port("tcp://127.0.0.1")
    program = workshop.start(WORKER, json.dumps({"endpoint": f"tcp://127.0.0.1:{port}"}), "law")
    assert "lets us not in" in program.said("refused ")
    program.process.terminate()
    assert program.wait() == 0
    locked.close(0)


def test_strange_frames_do_no_harm(workshop, world):
    program = start(workshop, world.gate)
    peer, _, _ = world.gate.ready()
    for frames in ([b""], [b"MDPW01", REQUEST], [MDP], [MDP, b""], [MDP, b"\x09"], [MDP, REQUEST],
                   [MDP, REQUEST, b"t"], [MDP, REQUEST, b"t", b""], [MDP, REQUEST, b"t", b"x", b"{}"],
                   [MDP, REQUEST, b"t" * 256, b"", b"{}"], [MDP, HEARTBEAT, b"more"], [MDP, READY, b"law"]):
        world.gate.socket.send_multipart([peer, *frames])
    world.gate.socket.send_multipart([peer, MDP, REQUEST, b"t1", b"", b"echo no JSON"])
    assert json.loads(world.gate.answer(b"t1")) == {"answer": "no JSON"}
    token = world.gate.ask(peer, "echo on")
    assert json.loads(world.gate.answer(token)) == {"answer": "on"}
    assert program.running()


def test_database_names_the_gate_through_links_and_the_lock(workshop, world):
    """The default endpoint beside the canonical path; another one when the gateway's lock says so."""
    real = world.folder / "real.db"
    real.touch()
    (world.folder / "link.db").symlink_to(real)
    (world.folder / "real.db-gate").mkdir()
    beside = Gate(world.site.context, f"ipc://{world.folder}/real.db-gate/gate")
    program = workshop.start(WORKER, json.dumps({"db": str(world.folder / "link.db")}), "law")
    beside.ready()
    (world.folder / "real.db-gate" / "lock").write_text(f"pid 1\nsince now\ngate {world.gate.endpoint}\n")
    beside.close()
    program.said("lost ")
    assert world.gate.ready()[1] == "law"
    assert program.said("connected ", since=1) == world.gate.endpoint


# ── the worker, and a gateway ───────────────────────────────────────────────────────────────────────

def test_worker_that_blocks_for_seconds_does_not_look_dead(site, workshop):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"heartbeat.interval": "200ms"})
    start(workshop, bridge, service="*", interval=200)
    reply = bridge.reply(bridge.ask("block 5000"))
    assert json.loads(reply["text"])["answer"] == "unblocked" and reply["metadata"]["attempt"] == 1
    counters = gateway.status()["counters"]
    assert (counters["dispatched"], counters["retried"]) == (1, 0)
    bridge.check_exactly_once(1)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_work_goes_on_through_a_restart_of_the_gateway(site, workshop, end):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "100ms"})
    program = start(workshop, bridge, service="*", interval=500)
    message = bridge.ask("hold a")
    wait_for((site.folder / "begun-a").exists, "the begin")
    time.sleep(0.5)  # by then it is written down
    getattr(gateway, end)()
    program.said("lost ")
    mark = len(program.stdout.lines)
    gateway = site.serve(bridge)
    program.said("connected ", since=mark)
    (site.folder / "go-a").touch()
    reply = bridge.reply(message)
    assert json.loads(reply["text"])["answer"] == "held a" and reply["metadata"]["attempt"] == 1
    assert [line for line in program.stdout.lines if line.startswith("held")] == ["held a aborted=false"]
    assert '"on"' in bridge.reply(bridge.ask("echo on"))["text"]
    bridge.check_exactly_once(2)


def test_answers_and_failures_reach_the_bridge(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge, service="*", slots=10, name="scribe")
    questions = [bridge.ask(f"echo {n}") for n in range(300)]
    dead = bridge.ask("fatal hopeless")
    cited = bridge.reply(bridge.ask_text("object yes"))
    assert cited["text"] == "yes" and cited["metadata"]["sources"] == ["notes.md:1-2"]
    assert cited["metadata"]["worker"] == "scribe"
    assert "hopeless" in bridge.reply(dead)["text"]
    for n, message in enumerate(questions):
        assert json.loads(bridge.reply(message)["text"])["answer"] == str(n)
    bridge.check_exactly_once(302)


def test_worker_waits_for_a_database_that_is_not_there_yet(site, workshop):
    program = workshop.start(WORKER, json.dumps({"db": str(site.folder / "later" / "bridge.db")}), "*")
    time.sleep(0.5)
    (site.folder / "later").mkdir()
    bridge = site.bridge("later/bridge.db")
    site.serve(bridge)
    assert '"hello"' in bridge.reply(bridge.ask("echo hello"))["text"]
    assert not [line for line in program.stdout.lines if line.startswith("refused")]


def test_example_worker_streams_and_stops(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    program = workshop.start(SOURCE / "examples" / "streaming_worker.mjs", bridge.path)
    program.wait_line("serving")
    assert json.loads(bridge.reply(bridge.ask("what is x?"))["text"])["answer"] == "WHAT IS X?"
    program.stop()
    bridge.check_exactly_once(1)
