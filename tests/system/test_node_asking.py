"""adapters/node: its client, and a broker whose frames the test writes by hand from RFC 18."""

import json
import time

import pytest
import zmq

from harness import WAIT
from node import SOURCE, workshop  # noqa: F401  (workshop is a fixture)

MDP, ASKED, PARTIAL, FINAL = b"MDPC02", b"\x01", b"\x02", b"\x03"
IMPORTS = """
import { AskError, Client, TimeoutError } from "tailgate";
import { setTimeout as pause } from "node:timers/promises";
const shown = (word) => typeof word === "string" ? word : JSON.stringify(word);
const say = (...words) => console.log(words.map(shown).join(" "));
const failed = (error) => say("failed", error.name, error.message);
"""
HEAD = IMPORTS + "const client = new Client({ endpoint: process.argv[2], connections: Number(process.argv[3]) });"


class Broker:
    """The gate's side of MDP/0.2 clients."""

    def __init__(self, context, endpoint):
        self.context = context
        self.endpoint = endpoint
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 1000
        self.socket.bind(self.endpoint)

    def close(self):
        self.socket.close()

    def request(self, timeout=WAIT):
        """The next request: (peer, service, body frames)."""
        assert self.socket.poll(timeout * 1000), f"waited {timeout:.0f} s for a request"
        peer, header, command, service, *body = self.socket.recv_multipart()
        assert (header, command) == (MDP, ASKED)
        return peer, service.decode(), body

    def nothing(self, seconds=0.5):
        assert not self.socket.poll(seconds * 1000), self.socket.recv_multipart()

    def reply(self, peer, service, *body, command=FINAL):
        self.socket.send_multipart([peer, MDP, command, service.encode(), *body])

    def partial(self, peer, service, *body):
        self.reply(peer, service, *body, command=PARTIAL)


class Asking:
    def __init__(self, site, workshop):
        self.folder = site.folder
        self.workshop = workshop
        self.broker = Broker(site.context, f"ipc://{site.folder}/gate")

    def run(self, code, connections=1):
        return self.workshop.start(HEAD + code, self.broker.endpoint, str(connections))


@pytest.fixture(name="asking")
def asking_(site, workshop):
    made = Asking(site, workshop)
    try:
        yield made
    finally:
        made.broker.close()


@pytest.mark.parametrize("body, frames", [
    ('"grüße"', ["grüße".encode()]),
    ("Buffer.from([255, 0])", [b"\xff\0"]),
    ('["a", new Uint8Array([1]), ""]', [b"a", b"\x01", b""]),
    ('{ question: "x", context_file: "y" }', [b'{"type":"query","question":"x","context_file":"y"}']),
    ('{ type: "other", n: 1 }', [b'{"type":"other","n":1}']),
    ('"x".repeat(1e6)', [b"x" * 1_000_000]),
    ("Buffer.alloc(1e6, 120)", [b"x" * 1_000_000]),
], ids=["text", "bytes", "frames", "query", "object", "long", "long-bytes"])
def test_what_is_asked_becomes_frames(asking, body, frames):
    program = asking.run(f'say((await client.ask("law", {body})).text);')
    peer, service, asked = asking.broker.request()
    assert (service, asked) == ("law", frames)
    asking.broker.reply(peer, "law", b"yes")
    assert program.wait() == 0 and program.stdout.lines == ["yes"]


RESPONSE = {"type": "response", "query_id": "q", "answer": "because", "sources": ["a.md:1-2"]}


@pytest.mark.parametrize("frames, text, sources, has_object", [
    ([b"just text"], "just text", [], False),
    ([json.dumps(RESPONSE).encode()], "because", ["a.md:1-2"], True),
    ([b'{"type":"response","answer":[1,2]}'], "[1,2]", [], True),
    ([b'{"answer":"of somebody"}'], '{"answer":"of somebody"}', [], True),
    ([b"{broken"], "{broken", [], False),
    ([b"a", b"b"], "ab", [], False),
    ([b""], "", [], False),
    ([b"\xff"], "\ufffd", [], False),
], ids=["text", "response", "structured", "lookalike", "broken", "frames", "empty", "bytes"])
def test_answer_has_text_sources_object_and_frames(asking, frames, text, sources, has_object):
    program = asking.run('const a = await client.ask("law", "x");'
                         'say({ text: a.text, sources: a.sources, object: a.object !== null,'
                         ' frames: a.frames.map((frame) => frame.toString("hex")) });')
    peer, _, _ = asking.broker.request()
    asking.broker.reply(peer, "law", *frames)
    assert program.wait() == 0
    assert json.loads(program.stdout.lines[0]) == {"text": text, "sources": sources, "object": has_object,
                                                   "frames": [frame.hex() for frame in frames]}


def test_error_object_rejects(asking):
    program = asking.run('await client.ask("law", "x").catch((error) => {'
                         ' failed(error); say(error instanceof AskError, error.object.attempts); });')
    peer, _, _ = asking.broker.request()
    asking.broker.reply(peer, "law", b'{"type":"error","error":"no worker came","attempts":5}')
    assert program.wait() == 0
    assert program.stdout.lines == ["failed AskError no worker came", "true 5"]


@pytest.mark.parametrize("call", ['ask("", "x")', 'ask("law")', 'ask("law", [])', 'ask("law", [1])',
                                  'ask("law", Array(62).fill("x"))', 'ask("law", "x".repeat(16777217))',
                                  'ask("law", "x", { signal: AbortSignal.abort() })'])
def test_what_cannot_be_asked_is_rejected_and_not_sent(asking, call):
    program = asking.run(f'await client.{call}.catch((error) => say("rejected", error instanceof Error));')
    assert program.wait() == 0 and program.stdout.lines == ["rejected true"]
    asking.broker.nothing(0.1)


def test_replies_of_a_connection_come_in_the_order_of_the_requests(asking):
    program = asking.run('say((await Promise.all(["a", "b", "c"].map((s) => client.ask(s, "x" + s))))'
                         '.map((answer) => answer.text));')
    asked = [asking.broker.request() for _ in range(3)]
    assert [service for _, service, _ in asked] == ["a", "b", "c"]
    assert len({peer for peer, _, _ in asked}) == 1
    for peer, service, body in asked:
        asking.broker.reply(peer, service, body[0].upper())
    assert program.wait() == 0 and program.stdout.lines == ['["XA","XB","XC"]']


def test_requests_on_several_connections_do_not_wait_for_each_other(asking):
    program = asking.run('for (const s of ["a", "b"]) client.ask(s, "x").then((answer) => say(answer.text));',
                         connections=2)
    asked = {service: peer for peer, service, _ in (asking.broker.request(), asking.broker.request())}
    assert asked["a"] != asked["b"]
    asking.broker.reply(asked["b"], "b", b"second")
    program.said("second")
    asking.broker.reply(asked["a"], "a", b"first")
    assert program.wait() == 0


@pytest.mark.parametrize("how, name", [("{ timeout: 500 }", "TimeoutError no answer within 500 ms"),
                                       ("{ signal: AbortSignal.timeout(500) }", "TimeoutError"),
                                       ("{ signal: controller.signal }", "Error enough")],
                         ids=["timeout", "signal", "abort"])
def test_request_given_up_leaves_the_others_open_on_a_fresh_connection(asking, how, name):
    program = asking.run('const controller = new AbortController();'
                         'setTimeout(() => controller.abort(new Error("enough")), 500);'
                         f'client.ask("a", "slow", {how}).catch(failed);'
                         'client.ask("b", "other").then((answer) => say(answer.text));')
    asked = [asking.broker.request() for _ in range(2)]
    assert [service for _, service, _ in asked] == ["a", "b"]
    assert program.said("failed ").startswith(name)
    peer, service, body = asking.broker.request()
    assert (service, body) == ("b", [b"other"]) and peer != asked[0][0]
    asking.broker.reply(asked[0][0], "a", b"too late")
    asking.broker.reply(peer, "b", b"right")
    assert program.wait() == 0 and program.stdout.lines[-1] == "right"


def test_lost_connection_asks_again_on_a_fresh_one(asking):
    program = asking.run('for (const s of ["a", "b"]) client.ask(s, "x").then((answer) => say(answer.text));')
    first = [asking.broker.request() for _ in range(2)][0][0]
    asking.broker.close()
    asking.broker.open()
    asked = [asking.broker.request() for _ in range(2)]
    assert [service for _, service, _ in asked] == ["a", "b"] and asked[0][0] != first
    for peer, service, _ in asked:
        asking.broker.reply(peer, service, service.encode())
    assert program.wait() == 0 and program.stdout.lines == ["a", "b"]


def test_request_waits_for_a_gateway_that_is_not_there_yet(asking):
    asking.broker.close()
    program = asking.run('say("asking"); say((await client.ask("law", "x")).text);')
    program.said("asking")
    time.sleep(0.5)
    asking.broker.open()
    peer, service, _ = asking.broker.request()
    asking.broker.reply(peer, service, b"here")
    assert program.wait() == 0 and program.stdout.lines[-1] == "here"
    asking.broker.nothing(0.1)


def test_reply_that_belongs_to_nothing_starts_a_fresh_connection(asking):
    program = asking.run('say((await client.ask("law", "x")).text);')
    peer, _, _ = asking.broker.request()
    for strange in ([b"MDPC01", b"law", b"no"], [MDP, FINAL, b"other", b"no"], [MDP, FINAL, b"law"], [b""]):
        asking.broker.socket.send_multipart([peer, *strange])
        fresh, service, _ = asking.broker.request()
        assert fresh != peer
        peer = fresh
    asking.broker.reply(peer, service, b"at last")
    assert program.wait() == 0 and program.stdout.lines == ["at last"]


def test_stream_gives_the_parts_and_the_whole(asking):
    program = asking.run('const stream = client.stream("law", "x");'
                         'for await (const part of stream) say("part", part);'
                         'say("whole", (await stream.answer).text);')
    peer, _, _ = asking.broker.request()
    for part in (b"one ", b"two ", b""):
        asking.broker.partial(peer, "law", part)
    asking.broker.reply(peer, "law", b"one two three")
    assert program.wait() == 0
    assert program.stdout.lines == ["part one ", "part two ", "part ", "whole one two three"]


def test_each_stream_has_a_connection_of_its_own(asking):
    """Only the oldest request of a connection gets partial answers."""
    program = asking.run('for (const s of ["a", "b"]) (async () => {'
                         ' for await (const part of client.stream(s, "x")) say(s, part); })();')
    asked = {service: peer for peer, service, _ in (asking.broker.request(), asking.broker.request())}
    assert asked["a"] != asked["b"]
    asking.broker.partial(asked["b"], "b", b"first")
    assert program.said("b") == "first"
    for service, peer in asked.items():
        asking.broker.reply(peer, service, b"")
    assert program.wait() == 0


def test_parts_that_are_not_listened_to_do_no_harm(asking):
    program = asking.run('say((await client.stream("law", "x").answer).text);'
                         'say((await client.ask("law", "y")).text);')
    peer, _, _ = asking.broker.request()
    asking.broker.partial(peer, "law", b"part")
    asking.broker.reply(peer, "law", b"whole")
    peer, _, _ = asking.broker.request()
    asking.broker.partial(peer, "law", b"part")
    asking.broker.reply(peer, "law", b"other")
    assert program.wait() == 0 and program.stdout.lines == ["whole", "other"]


def test_failed_stream_throws_in_the_loop(asking):
    program = asking.run('try { for await (const part of client.stream("law", "x")) say("part", part); }'
                         ' catch (error) { failed(error); }')
    peer, _, _ = asking.broker.request()
    asking.broker.partial(peer, "law", b"one")
    asking.broker.reply(peer, "law", b'{"type":"error","error":"broken"}')
    assert program.wait() == 0 and program.stdout.lines == ["part one", "failed AskError broken"]


def test_stream_that_is_left_is_given_up(asking):
    program = asking.run('const stream = client.stream("law", "x"); for await (const part of stream) break;'
                         'await stream.answer.catch(failed);')
    peer, _, _ = asking.broker.request()
    asking.broker.partial(peer, "law", b"one")
    assert program.wait() == 0 and program.stdout.lines == ["failed AskError the stream was left"]


def test_program_that_has_its_answers_ends_by_itself(asking):
    program = asking.run('for (const n of [1, 2, 3]) say((await client.ask("law", "x" + n)).text); say("over");')
    for _ in range(3):
        peer, service, body = asking.broker.request()
        asking.broker.reply(peer, service, body[0])
    program.said("over")
    began = time.monotonic()
    assert program.wait() == 0 and time.monotonic() - began < 5


def test_connection_is_used_again_and_an_idle_one_is_closed(asking):
    program = asking.run('for (const n of [1, 2]) await client.ask("law", "x"); await pause(1500);'
                         'await client.ask("law", "x");')
    peers = []
    for _ in range(3):
        peer, service, _ = asking.broker.request()
        asking.broker.reply(peer, service, b"y")
        peers.append(peer)
    assert program.wait() == 0
    assert peers[0] == peers[1] != peers[2]


def test_close_rejects_what_is_open_and_later_requests(asking):
    program = asking.run('client.ask("law", "x").catch(failed); const stream = client.stream("law", "y");'
                         'stream.answer.catch(failed); await pause(300); client.close(); client.close();'
                         'await client.ask("law", "z").catch(failed);')
    asking.broker.request()
    asking.broker.request()
    assert program.wait() == 0
    assert sorted(program.stdout.lines) == ["failed AskError the client is closed"] + \
        ["failed AskError the client was closed"] * 2


@pytest.mark.parametrize("gateway", [True, False], ids=["asking", "connecting"])
@pytest.mark.parametrize("end, code", [("process.exit(7)", 7), ('throw new Error("over")', 1)],
                         ids=["exit", "throw"])
def test_process_that_exits_with_requests_open_exits_as_it_says(asking, gateway, end, code):
    if not gateway:
        asking.broker.close()
    for n in range(4):
        program = asking.run(f'client.ask("law", Buffer.alloc(1e6)); client.stream("law", "x");'
                             f'setTimeout(() => {{ {end}; }}, {100 + 37 * n});')
        assert program.wait(20) == code, program.stderr.text()


def test_database_that_is_not_there_yet_is_waited_for(asking):
    program = asking.workshop.start(
        IMPORTS + 'const client = new Client({ db: process.argv[2] }); say("asking");'
        'say((await client.ask("law", "x")).text);', str(asking.folder / "later" / "x.db"))
    program.said("asking")
    time.sleep(0.3)
    (asking.folder / "later" / "x.db-gate").mkdir(parents=True)
    broker = Broker(asking.broker.context, f"ipc://{asking.folder}/later/x.db-gate/gate")
    peer, service, _ = broker.request()
    broker.reply(peer, service, b"here")
    assert program.wait() == 0 and program.stdout.lines[-1] == "here"
    broker.close()


def test_endpoint_that_cannot_be_is_an_error_at_once(asking):
    program = asking.workshop.start(IMPORTS + f'await new Client("ipc://{"x" * 200}").ask("law", "x").catch(failed);')
    assert program.wait(20) == 0 and "cannot connect" in program.stdout.lines[0]


TICKET = "0123456789ABCDEF0123456789ABCDEF"


def test_ticket_is_submitted_fetched_and_closed(asking):
    program = asking.run('const { titanic } = client; const ticket = await titanic.submit("law", ["a", "b"]);'
                         'say(ticket); say("not yet", await titanic.fetch(ticket));'
                         'say((await titanic.fetch(ticket)).text); await titanic.close(ticket);'
                         'await titanic.close(ticket).catch(failed); await titanic.fetch(ticket).catch(failed);')
    for asked, reply in (
            (("titanic.request", [b"law", b"a", b"b"]), [b"200", TICKET.encode()]),
            (("titanic.reply", [TICKET.encode()]), [b"300"]),
            (("titanic.reply", [TICKET.encode()]), [b"200", b"an", b"swer"]),
            (("titanic.close", [TICKET.encode()]), [b"200"]),
            (("titanic.close", [TICKET.encode()]), [b"400"]),
            (("titanic.reply", [TICKET.encode()]), [b"500", b"no such ticket any more"])):
        peer, service, body = asking.broker.request()
        assert (service, body) == asked
        asking.broker.reply(peer, service, *reply)
    assert program.wait() == 0
    assert program.stdout.lines == [TICKET, "not yet null", "answer", "failed AskError there is no such ticket",
                                    "failed AskError no such ticket any more"]


def test_mmi_says_whether_a_service_has_workers(asking):
    program = asking.run('for (const n of [1, 2]) say(await client.serves("law"));'
                         'await client.serves("law").catch(failed);')
    for status in (b"200", b"404", b"501"):
        peer, service, body = asking.broker.request()
        assert (service, body) == ("mmi.service", [b"law"])
        asking.broker.reply(peer, service, status)
    assert program.wait() == 0 and program.stdout.lines == ["true", "false", "failed AskError status 501"]


def test_example_prints_the_answer_as_it_comes(asking):
    (asking.folder / "x.db").touch()
    (asking.folder / "x.db-gate").mkdir()
    broker = Broker(asking.broker.context, f"ipc://{asking.folder}/x.db-gate/gate")
    program = asking.workshop.start(SOURCE / "examples" / "ask.mjs", asking.folder / "x.db", "law", "why?")
    peer, _, body = broker.request()
    assert json.loads(body[0]) == {"type": "query", "question": "why?"}
    broker.partial(peer, "law", b"be")
    broker.partial(peer, "law", b"cause")
    broker.reply(peer, "law", json.dumps(RESPONSE).encode())
    assert program.wait() == 0 and program.stdout.lines == ["because", "  a.md:1-2"]
    broker.close()
