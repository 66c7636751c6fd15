"""adapters/node: its client, asking a real gateway and the workers behind it."""

import json
import time

import pytest

from harness import wait_for
from node import SOURCE, workshop  # noqa: F401  (workshop is a fixture)
from test_node_asking import IMPORTS
from test_node_library import start

CLIENT = IMPORTS + "const client = new Client({ db: process.argv[2] });"


def ask(workshop, bridge, code):
    return workshop.start(CLIENT + code, bridge.path)


def rows(bridge):
    """Every query row that came in through the gate."""
    with bridge.reading() as db:
        return [dict(row) for row in db.execute(
            "SELECT id, message, metadata, read FROM messages"
            " WHERE json_extract(metadata, '$.gate') IS NOT NULL AND from_session = 'a' ORDER BY id")]


def test_text_is_answered_with_text(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge)
    program = ask(workshop, bridge, 'const a = await client.ask("law", "echo grüße"); say(a.text); say(a.object);')
    assert program.wait() == 0 and program.stdout.lines == ["grüße", "null"]
    (row,) = rows(bridge)
    assert row["message"] == "echo grüße" and row["read"] == 1
    assert json.loads(row["metadata"])["gate"]["protocol"] == "MDP/0.2"


def test_query_object_is_answered_with_a_response(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge)
    program = ask(workshop, bridge, 'const a = await client.ask("law", { query_id: "mine", question: "object yes" });'
                                    'say(a.text, a.sources, a.object.query_id, a.object.type);')
    assert program.wait() == 0 and program.stdout.lines == ['yes ["notes.md:1-2"] mine response']


def test_many_requests_get_each_its_own_answer(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge, slots=8)
    program = ask(workshop, bridge, 'const all = await Promise.all(Array.from({ length: 60 }, (_, n) =>'
                                    ' client.ask("law", `echo ${n}`)));'
                                    'say(all.every((answer, n) => answer.text === String(n)));')
    assert program.wait() == 0 and program.stdout.lines == ["true"]
    assert len(rows(bridge)) == 60


def test_parts_are_seen_before_the_whole(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge)
    program = ask(workshop, bridge, 'const stream = client.stream("law", "partsAndMore 1, 2, 3,");'
                                    'for await (const part of stream) say("part", part);'
                                    'say("whole", (await stream.answer).text);')
    assert program.wait() == 0
    assert program.stdout.lines == ["part 1,", "part 2,", "part 3,", "whole the whole"]


def test_query_that_is_dead_rejects_with_its_reason(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge)
    program = ask(workshop, bridge, 'await client.ask("law", "fatal no such law").catch(failed);')
    assert program.wait() == 0
    assert program.stdout.lines[0].startswith("failed AskError") and "no such law" in program.stdout.lines[0]


def test_service_that_nobody_serves_rejects_in_the_end(site, workshop):
    bridge = site.bridge()
    site.serve(bridge, settings={"service.expire": "1s"})
    program = ask(workshop, bridge, 'say(await client.serves("law")); await client.ask("law", "x").catch(failed);')
    assert program.wait() == 0
    assert program.stdout.lines[0] == "false" and program.stdout.lines[1].startswith("failed AskError")


def test_service_with_a_worker_is_there(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge).said("connected ")
    program = ask(workshop, bridge, 'while (!await client.serves("law")) await pause(10); say("there");')
    assert program.wait() == 0 and program.stdout.lines == ["there"]


def test_frames_reach_a_stock_worker_and_come_back_byte_for_byte(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge, "law")
    program = ask(workshop, bridge, 'const a = await client.ask("law", [Buffer.from([255, 0]), "", "x"]);'
                                    'say(a.frames.map((frame) => frame.toString("hex")));')
    frames = worker.receive()
    while len(frames) < 5:  # heartbeats
        worker.heartbeat()
        frames = worker.receive()
    assert frames[3:] == [b"", b"\xff\0", b"", b"x"]
    worker.send(frames[0], b"\x04", frames[2], b"", b"\0\xfe", b"y")
    assert program.wait() == 0 and json.loads(program.stdout.lines[0]) == ["00fe", "79"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_request_survives_a_restart_of_the_gateway(site, workshop, end):
    """The client asks again, the gateway joins that to what it has, the worker goes on: one row, one answer."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "100ms"})
    worker = start(workshop, bridge, interval=500)
    program = ask(workshop, bridge, 'say((await client.ask("law", "hold a")).text);')
    wait_for((site.folder / "begun-a").exists, "the begin")
    time.sleep(0.5)  # by then it is written down
    getattr(gateway, end)()
    worker.said("lost ")
    site.serve(bridge)
    (site.folder / "go-a").touch()
    assert program.wait() == 0 and program.stdout.lines == ["held a"]
    assert [line for line in worker.stdout.lines if line.startswith("held")] == ["held a aborted=false"]
    assert len(rows(bridge)) == 1


def test_request_given_up_costs_the_others_nothing(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    start(workshop, bridge, slots=4)
    program = workshop.start(IMPORTS + 'const client = new Client({ db: process.argv[2], connections: 1 });'
                             'client.ask("law", "hold a", { timeout: 1000 }).catch(failed);'
                             'client.ask("law", "hold b").then((answer) => say(answer.text));', bridge.path)
    assert program.said("failed ").startswith("TimeoutError")
    (site.folder / "go-b").touch()
    assert program.said("held b") == ""
    (site.folder / "go-a").touch()
    assert program.wait() == 0
    assert len(rows(bridge)) == 2


def test_ticket_outlives_its_asker_and_the_gateway(site, workshop):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    program = ask(workshop, bridge, 'const ticket = await client.titanic.submit("law", "echo later");'
                                    'say(ticket); say(await client.titanic.fetch(ticket));')
    assert program.wait() == 0
    ticket, pending = program.stdout.lines
    assert pending == "null"
    gateway.kill()
    site.serve(bridge)
    start(workshop, bridge)
    program = ask(workshop, bridge, f'const {{ titanic }} = client, ticket = "{ticket}"; let answer;'
                                    'while (!(answer = await titanic.fetch(ticket))) await pause(20);'
                                    'say(answer.text); await titanic.close(ticket);'
                                    'await titanic.fetch(ticket).catch(failed);')
    assert program.wait() == 0
    assert program.stdout.lines[0] == "later" and program.stdout.lines[1].startswith("failed AskError")


def test_examples_talk_to_each_other(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    workshop.start(SOURCE / "examples" / "streaming_worker.mjs", bridge.path).wait_line("serving")
    program = workshop.start(SOURCE / "examples" / "ask.mjs", bridge.path, "law", "what is x?")
    assert program.wait() == 0, program.stderr.text()
    assert program.stdout.lines == ["WHAT IS X?"]
