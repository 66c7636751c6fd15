"""adapters/node: its observer, at a real gateway, and the rules by which it repairs what was lost."""

import json
import os
import random

import pytest

from harness import HERE, WAIT, finished, wait_for
from node import SOURCE, run, workshop  # noqa: F401  (workshop is a fixture)

OBSERVER = HERE / "node_observer.mjs"
ROWS = ("query", "response", "message")


class Watch:
    """A running observer, and what it printed."""

    def __init__(self, workshop, where, **options):
        place = {"db": str(where.path)} if hasattr(where, "path") else where
        self.program = workshop.start(OBSERVER, json.dumps({**place, **options}))

    def said(self, start, timeout=WAIT):
        return self.program.said(start, timeout)

    def here(self):
        """Waits until it knows where it begins."""
        self.said("at ")
        return self

    @property
    def events(self):
        """[kind, id, replayed, text] of each event until now."""
        return [json.loads(line) for line in self.program.stdout.lines if line.startswith("[")]

    def ids(self, kind=None):
        return [event[1] for event in self.events if event[0] in (ROWS if kind is None else (kind,))]

    def until(self, row):
        """Waits for the event of ROW."""
        wait_for(lambda: row in self.ids() or not self.program.running(), f"the event of row {row}")
        assert row in self.ids()
        return self

    def end(self):
        """How it ended: {"position", "positions", "repaired", "lost"}."""
        end = json.loads(self.said("end "))
        assert self.program.wait() == 0, self.program.stderr.text()
        return end

    def stop(self):
        self.program.signal(15)
        return self.end()


def rows(bridge, above=0, conversation=None):
    """The ids of all rows by kind, as observers are told them, and of all together."""
    with bridge.reading() as db:
        found = [(row["id"], row["message"], row["metadata"] or "{}") for row in db.execute(
            "SELECT * FROM messages WHERE id > ? AND ? IN (conversation_id, '*') ORDER BY id",
            (above, conversation or "*"))]
    kinds = {kind: [] for kind in ROWS}
    for number, message, metadata in found:
        if '"in_reply_to"' in metadata:
            kinds["response"].append(number)
        else:
            kinds["query" if '"query"' in message or '"question"' in metadata else "message"].append(number)
    return kinds


def check_all(watch, bridge, above=0, conversation=None):
    """Each row once, in order per kind."""
    for kind, wanted in rows(bridge, above, conversation).items():
        assert watch.ids(kind) == wanted, kind


# ── at a gateway ────────────────────────────────────────────────────────────────────────────────────

def test_from_now_on_means_that_what_was_is_not_told(site, workshop):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    last = [bridge.send(f"old {n}") for n in range(3)][-1]
    Watch(workshop, bridge, after=0, until=last).end()  # so that the gateway has them behind it
    watch = Watch(workshop, bridge).here()
    new = [bridge.send("news"), bridge.ask("what?")]
    watch.until(new[-1])
    assert [event for event in watch.events if event[0] in ROWS][0] == ["message", new[0], False, "news"]
    check_all(watch, bridge, above=last)
    assert watch.stop()["repaired"] == 0
    assert gateway.running()


def test_after_0_tells_all_that_is_there_in_its_order_and_goes_on(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    for n in range(30):
        bridge.send(f"m{n}")
        bridge.ask(f"q{n}")
    bridge.wait_replies(30)
    watch = Watch(workshop, bridge, after=0).until(90)
    assert watch.ids() == list(range(1, 91))
    live = bridge.send("and now")
    watch.until(live)
    assert watch.ids() == list(range(1, 92))
    assert watch.stop()["lost"] == 0


def test_since_begins_at_a_time(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    for n in range(10):
        bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, timestamp)"
                   " VALUES (?, 'a', 'b', ?, ?)", bridge.conversation, f"m{n}", f"2026-11-21T01:00:0{n}")
    watch = Watch(workshop, bridge, since="2026-11-21T01:00:07").until(10)
    bridge.send("later")
    assert watch.until(11).ids() == [8, 9, 10, 11]
    watch.stop()


def test_rows_of_other_processes_are_told_with_their_answers(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    watch = Watch(workshop, bridge, kinds=["query", "response"]).here()
    finished(site.writer(bridge, count=60))
    bridge.wait_replies(60)
    watch.until(120)
    check_all(watch, bridge)
    assert {event[0] for event in watch.events} == {"query", "response"}
    watch.stop()


def test_each_row_once_across_kill_9_while_rows_are_written(site, workshop):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge)
    watches = [Watch(workshop, bridge, after=0), Watch(workshop, bridge, after=0, kinds=["response"]),
               Watch(workshop, bridge, after=0, conversation=bridge.conversation)]
    watches[0].here()
    writers = [site.writer(bridge, count=200, name=name, pause=0.005) for name in "ab"]
    for share in (60, 160, 260):
        wait_for(lambda share=share: sum(map(len, rows(bridge).values())) > share, "rows")
        gateway.kill()
        gateway = site.serve(bridge)
    for writer in writers:
        finished(writer)
    bridge.wait_replies(400)
    last = bridge.send("the last")
    watches[0].until(last)
    watches[2].until(last)
    watches[1].until(max(rows(bridge)["response"]))
    check_all(watches[0], bridge)
    check_all(watches[2], bridge)
    assert watches[1].ids() == rows(bridge)["response"]
    for watch in watches:
        assert not [line for line in watch.program.stdout.lines if line.startswith("reset")]
        assert any(line.startswith("away ") for line in watch.program.stdout.lines)
        watch.stop()


def test_conversation_alone_is_told(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    names = [bridge.converse(conversation=name) for name in ("conv_1", "conv_12", "50%\tné" + "%" * 190)]
    for n in range(5):
        for name in names:
            bridge.send(f"old {n}", conversation=name)
    watches = [Watch(workshop, bridge, after=0, conversation=name) for name in names]
    for watch, first in zip(watches, (13, 14, 15)):
        watch.until(first)
    for n in range(5):
        for name in names:
            bridge.send(f"new {n}", conversation=name)
    for watch, name, last in zip(watches, names, (28, 29, 30)):
        check_all(watch.until(last), bridge, conversation=name)
        watch.stop()


def test_service_alone_is_told(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    for n in range(3):
        bridge.ask(f"old {n}", service="law")
        bridge.ask(f"old {n}", service="tax")
    bridge.wait_replies(6)
    watch = Watch(workshop, bridge, after=0, service="law")
    watch.here()
    for n in range(3):
        bridge.ask(f"new {n}", service="tax")
        bridge.ask(f"new {n}", service="law")
    bridge.wait_replies(12)
    asked = rows(bridge)["query"]
    law = asked[0:6:2] + asked[7::2]
    replies = [reply["id"] for reply in bridge.replies() if reply["reply_to"] in law]
    watch.until(replies[-1])
    assert watch.ids("query") == law and watch.ids("response") == sorted(replies)
    watch.stop()


def test_loop_that_does_not_read_loses_no_row(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    watch = Watch(workshop, bridge, hold="go")
    watch.here()
    first = bridge.send("first")
    watch.said("held")
    finished(site.writer(bridge, count=5000, once=True, padding=500))
    rows_of_writer = rows(bridge)["query"]
    other = Watch(workshop, bridge, after=0, kinds=["query"], until=rows_of_writer[-1])
    other.end()  # by now all has been published
    with open(f"/proc/{watch.program.pid}/status", encoding="ascii") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident < 400_000  # KiB
    (site.folder / "go").touch()
    watch.until(rows_of_writer[-1])
    check_all(watch, bridge, above=first - 1)
    end = watch.stop()
    assert end["repaired"] > 1000
    assert end["lost"] < 100  # marks, which nothing brings back


def test_position_says_where_to_go_on(site, workshop):
    """Nothing twice, nothing missing, whatever the loop was at when it was left."""
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    writer = site.writer(bridge, count=150, pause=0.005)
    generator = random.Random(7)
    seen, positions, at = {kind: [] for kind in ROWS}, 0, 0
    while at < 240:
        at += generator.randint(20, 60)
        watch = Watch(workshop, bridge, after=positions, until=at)
        watch.until(at)
        for kind in ROWS:
            seen[kind] += watch.ids(kind)
        end = watch.end()
        positions = end["positions"]
        assert end["position"] == min(positions.values())
        for kind, wanted in rows(bridge).items():
            assert seen[kind] == [row for row in wanted if row <= positions[kind]]
    finished(writer)
    bridge.wait_replies(150)
    watch = Watch(workshop, bridge, after=positions, until=max(map(max, filter(None, rows(bridge).values()))))
    watch.end()
    for kind, wanted in rows(bridge).items():
        assert seen[kind] + watch.ids(kind) == wanted


def test_position_is_one_number_once_all_is_told(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    for n in range(5):
        bridge.ask(f"q{n}")
    bridge.wait_replies(5)
    watch = Watch(workshop, bridge, kinds=["query", "response"]).here()
    last = bridge.ask("q5")
    bridge.reply(last)
    watch.said(f"at {last + 1}")
    assert watch.stop()["positions"] == {"query": last + 1, "response": last + 1}
    watch = Watch(workshop, bridge, after=last + 1).here()
    more = bridge.send("more")
    assert watch.until(more).ids() == [more]
    watch.stop()


def test_other_events_come_as_they_are(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    watch = Watch(workshop, bridge, kinds=["partial", "worker", "retry", "query"])
    watch.here()
    worker = site.mdp(bridge, "law", name="w1", heartbeats=True, interval=30000)
    asked = bridge.ask("?", service="law")
    query = worker.request()
    worker.partial(query.token, b"It is. ")
    worker.final(query.token, json.dumps({"type": "error", "error": "no"}))
    wait_for(lambda: "retry" in [event[0] for event in watch.events], "the retry")
    kinds = [event[:2] for event in watch.events]
    assert ["partial", asked] in kinds and ["query", asked] in kinds and ["worker", None] in kinds
    assert ["partial", asked, False, "It is. "] in watch.events
    watch.stop()


def test_gateway_that_comes_later_is_waited_for(site, workshop):
    bridge = site.bridge()
    watch = Watch(workshop, bridge, after=0)
    row = bridge.send("early")
    site.serve(bridge)
    watch.until(row)
    watch.stop()


def test_example_prints_what_happens(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    row = bridge.send("good morning")
    program = workshop.start(SOURCE / "examples" / "observe.mjs", bridge.path, "0")
    program.stdout.wait(lambda line: f" {row} " in line and "good morning" in line, "the row")
    program.stop()


# ── its end ─────────────────────────────────────────────────────────────────────────────────────────

def test_loop_that_is_left_ends_the_process(site, workshop):
    bridge = site.bridge()
    site.serve(bridge)
    first, _ = bridge.send("one"), bridge.send("two")
    watch = Watch(workshop, bridge, after=0, until=first)
    assert watch.end()["positions"]["message"] == first
    assert watch.ids() == [first]


@pytest.mark.parametrize("gateway", [True, False], ids=["observing", "connecting"])
def test_signal_ends_the_loop_with_its_reason(site, workshop, gateway):
    bridge = site.bridge()
    if gateway:
        site.serve(bridge)
    watch = Watch(workshop, bridge, abort=700)
    watch.said("failed TimeoutError")
    watch.end()


@pytest.mark.parametrize("gateway", [True, False], ids=["observing", "connecting"])
def test_closed_observer_keeps_no_process_alive(site, workshop, gateway):
    bridge = site.bridge()
    if gateway:
        site.serve(bridge)
        bridge.send("one")
    program = workshop.start(
        'import { observe } from "tailgate"; const options = JSON.parse(process.argv[2]);'
        'const all = [0, 1, 2].map(() => observe(options, { after: 0 }));'
        'const loops = all.map(async (one) => { for await (const event of one) console.log(event.id); });'
        'setTimeout(() => all.forEach((one) => one.close()), 400);'
        'await Promise.all(loops); all[0].close(); console.log("over");', json.dumps({"db": str(bridge.path)}))
    program.said("over")
    assert program.wait(20) == 0


@pytest.mark.parametrize("end, code", [("process.exit(7)", 7), ('throw new Error("over")', 1)], ids=["exit", "throw"])
def test_process_that_exits_while_it_observes_exits_as_it_says(site, workshop, end, code):
    bridge = site.bridge()
    site.serve(bridge)
    for n in range(4):
        program = workshop.start('import { observe } from "tailgate";'
                                 'const observer = observe({ db: process.argv[2] }, { after: 0 });'
                                 f'setTimeout(() => {{ {end}; }}, {100 + 37 * n});'
                                 'for await (const event of observer) console.log(event.id);', bridge.path)
        assert program.wait(20) == code, program.stderr.text()


# ── the rules ───────────────────────────────────────────────────────────────────────────────────────

def test_each_row_is_given_once_whatever_is_lost():
    seed = int(os.environ.get("TAILGATE_SEED", random.randrange(1 << 30)))
    done = run("node", HERE / "node_follow.mjs", SOURCE, seed, 1000)
    assert "1000 worlds" in done.stdout, done.stdout
