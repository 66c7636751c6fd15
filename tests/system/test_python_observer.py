"""An observer on the Python library with a real gateway: each row of the bridge, whoever wrote it, exactly once and in
order, whatever is killed, lost or late."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from datetime import datetime, timezone

import pytest

from harness import PYTHON, WAIT, Program, finished, wait_for
from python_broker import Background
from python_world import EXAMPLES, LIBRARY, library_environment

sys.path.insert(0, str(LIBRARY))

import tailgate  # noqa: E402  (the line above makes it findable)

ROWS = ("query", "response", "message")


@pytest.fixture
def bridge(site):
    return site.bridge()


@pytest.fixture
def observe(bridge):
    opened = []

    def begin(**words):
        observer = tailgate.Observer(**{"db": bridge.path, "kinds": ROWS, **words})
        opened.append(observer)
        return observer

    yield begin
    for observer in opened:
        observer.close()


def started(observer):
    """It has heard from the gateway: what is written from now on is seen."""
    wait_for(lambda: observer.position, "the observer to be welcomed")
    return observer


def rows_in(bridge, where="1"):
    with bridge.reading() as db:
        return [row["id"] for row in db.execute(f"SELECT id FROM messages WHERE {where} ORDER BY id")]


def take(observer, until):
    """Events until the rows UNTIL are among them, all others of that time too."""
    missing, found = set(until), []
    while missing:
        event = observer.next(WAIT)
        found.append(event)
        missing.discard(event.id)
    return found


def check(events, expected):
    """EVENTS are the rows EXPECTED, each once, in the order of ids in each kind."""
    assert sorted(event.id for event in events) == sorted(expected)
    for kind in ROWS:
        ids = [event.id for event in events if event.kind == kind]
        assert ids == sorted(ids)


def nothing_more(observer, bridge):
    """A row that is written now is the next to be given."""
    row = bridge.ask("is there anything before this?")
    assert observer.next(WAIT).id == row


# ── where it begins ─────────────────────────────────────────────────────────────────────────────────

def test_from_now_on_gives_what_is_written_from_now_on(site, bridge, observe):
    bridge.ask("before")
    site.serve(bridge).wait_event("serving")
    observer = started(observe())
    row = bridge.ask("after", query_id="q_1")
    event = take(observer, [row])[-1]
    assert (event.kind, event.id, event.topic) == ("query", row, f"query/{bridge.conversation}")
    assert json.loads(event.data["text"])["question"] == "after" and event.data["from"] == "a"
    nothing_more(observer, bridge)


def test_after_0_gives_all_rows_of_the_file_and_then_the_new_ones(site, bridge, observe):
    bridge.ask_many(["x"] * 700)
    bridge.send("a message")
    bridge.send('{"type":"response","query_id":"q_0","answer":"an answer"}', session="b")
    site.serve(bridge)
    observer = observe(after=0)
    old = take(observer, rows_in(bridge))
    check(old, rows_in(bridge))
    assert [event.id for event in old] == rows_in(bridge)  # also among the kinds
    assert {event.kind for event in old} >= {"query", "response"}
    nothing_more(observer, bridge)


def test_since_gives_rows_from_that_time_on(site, bridge, observe):
    rows = [bridge.ask(f"{n}") for n in range(6)]
    stamp = bridge.row(rows[3])["timestamp"]
    site.serve(bridge)
    for since in (stamp, datetime.fromisoformat(stamp), datetime.fromisoformat(stamp).replace(tzinfo=timezone.utc)):
        observer = observe(since=since)
        check(take(observer, rows[3:]), rows[3:])
        assert set(observer.position) == set(ROWS)
    nothing_more(observer, bridge)


def test_observer_that_was_there_before_the_gateway_has_all_rows(site, bridge, observe):
    observer = observe(after=0)
    rows = [bridge.ask("early") for _ in range(3)]
    site.serve(bridge)
    check(take(observer, rows), rows)


# ── exactly once ────────────────────────────────────────────────────────────────────────────────────

def test_rows_of_other_processes_are_given(site, bridge, observe):
    site.serve(bridge)
    site.answerer(bridge)
    observer = started(observe())
    writers = [site.writer(bridge, count=60, name=f"w{n}") for n in range(2)]
    for one in writers:
        finished(one)
    bridge.wait_replies(120)
    check(take(observer, rows_in(bridge)), rows_in(bridge))
    nothing_more(observer, bridge)


def test_gateway_killed_twice_while_rows_are_written_loses_and_doubles_nothing(site, bridge, observe):
    gateway = site.serve(bridge)
    site.answerer(bridge)
    observer = observe(after=0)
    found, last = [], threading.Event()

    def collect():
        while not (last.is_set() and {event.id for event in found} >= set(rows_in(bridge))):
            try:
                found.append(observer.next(0.2))
            except TimeoutError:
                pass

    collecting = Background(collect)
    writing = site.writer(bridge, count=400, pause=0.005)
    for count in (60, 200):
        wait_for(lambda count=count: len(found) > count, "rows to be observed")
        gateway.kill()
        written = len(rows_in(bridge))
        wait_for(lambda written=written: len(rows_in(bridge)) > written + 10, "rows that nobody publishes")
        gateway = site.serve(bridge)
    finished(writing)
    bridge.wait_replies(400)
    last.set()
    collecting.result()
    check(found, rows_in(bridge))
    assert observer.repaired > 0
    nothing_more(observer, bridge)


def test_restart_tells_unsettled_rows_again_and_they_are_given_once(site, bridge, observe):
    """Its run begins below what was given already, as one on a file that was put back does."""
    gateway, notices = site.serve(bridge), []
    observer = started(observe(notice=notices.append))
    rows = [row for _ in range(6) for row in bridge.ask_many(["nobody answers"] * 1000)]
    check(take(observer, rows), rows)
    for count in (1, 2):
        gateway.kill()
        gateway = site.serve(bridge)
        wait_for(lambda count=count: len([text for text in notices if "anew" in text]) == count, "it to be noticed")
        nothing_more(observer, bridge)
    assert not any("put back" in text for text in notices)


def test_application_that_does_not_read_has_all_rows_later(site, bridge, observe):
    site.serve(bridge)
    observer = started(observe())
    rows = []
    for _ in range(10):
        rows += bridge.ask_many(["x" * 200] * 500)
    other = observe(after=0)  # when this one has them all they were published, and dropped on the way to that one
    check(take(other, rows), rows)
    check(take(observer, rows), rows)
    nothing_more(observer, bridge)


def test_position_has_another_observer_go_on_there(site, bridge, observe):
    gateway = site.serve(bridge)
    site.answerer(bridge)
    found, position = [], 0
    writing = site.writer(bridge, count=300, pause=0.002)
    for count in (1, 7, 40, 80, 120):
        with tailgate.Observer(db=bridge.path, kinds=ROWS, after=position) as observer:
            found += [observer.next(WAIT) for _ in range(count)]
        position = json.loads(json.dumps(observer.position))  # what is kept in a file
        if count == 40:
            gateway.kill()
            gateway = site.serve(bridge)
    finished(writing)
    bridge.wait_replies(300)
    observer = observe(after=position)
    found += take(observer, set(rows_in(bridge)) - {event.id for event in found})
    check(found, rows_in(bridge))
    nothing_more(observer, bridge)


def test_file_that_is_put_back_to_an_older_one_is_followed_from_there(site, bridge, observe):
    gateway = site.serve(bridge)
    notices = []
    observer = started(observe(notice=notices.append))
    rows = [bridge.ask("kept") for _ in range(3)]
    check(take(observer, rows), rows)
    gateway.stop()
    for end in ("", "-wal", "-shm"):
        if (bridge.path.parent / (bridge.path.name + end)).exists():
            shutil.copy(f"{bridge.path}{end}", f"{site.folder}/kept{end}")
    gateway = site.serve(bridge)
    lost = [bridge.ask("not in the older file") for _ in range(4)]
    check(take(observer, lost), lost)
    gateway.stop()
    for end in ("", "-wal", "-shm"):
        (site.folder / f"bridge.db{end}").unlink(missing_ok=True)
        if (site.folder / f"kept{end}").exists():
            shutil.copy(f"{site.folder}/kept{end}", f"{bridge.path}{end}")
    site.serve(bridge)
    wait_for(lambda: any("put back" in text for text in notices), "the notice")
    row = bridge.ask("new in the older file")
    assert row == lost[0]
    assert take(observer, [row])[-1].data["text"] == bridge.row(row)["message"]


# ── filters ─────────────────────────────────────────────────────────────────────────────────────────

def test_conversation_and_service_leave_rows_that_name_them(site, bridge, observe):
    other = bridge.converse()

    def write():
        for conversation in (bridge.conversation, other):
            for service in ("law", "tax"):
                bridge.ask("?", conversation=conversation, service=service)

    for _ in range(5):
        write()
    gateway = site.serve(bridge)
    observers = {name: observe(after=0, **words) for name, words in {
        "conversation": {"conversation": other}, "service": {"service": "law"},
        "both": {"conversation": other, "service": "tax"}, "kind": {"kinds": ["response"]}}.items()}
    for round in range(3):
        if round == 1:
            gateway.kill()
        for _ in range(5):
            write()
        if round == 1:
            gateway = site.serve(bridge)
    is_law = "message LIKE '%\"service\": \"law\"%'"
    wanted = {"conversation": f"conversation_id = '{other}'", "service": is_law,
              "both": f"conversation_id = '{other}' AND NOT {is_law}"}
    for name, where in wanted.items():
        rows = rows_in(bridge, where)
        assert rows
        check(take(observers[name], rows), rows)
    site.answerer(bridge)
    bridge.wait_replies(80)
    replies = rows_in(bridge, "from_session = 'b'")
    events = take(observers["kind"], replies)
    check(events, replies)
    assert {event.kind for event in events} == {"response"}


def test_everything_has_workers_and_parts_of_answers_between_the_rows(site, bridge, observe):
    site.serve(bridge)
    observer = started(observe(kinds=None))
    worker = site.mdp(bridge)
    while observer.next(WAIT).kind != "worker":
        pass
    row = bridge.ask("?")
    query = worker.request()
    worker.partial(query.token, b"It is ")
    worker.final(query.token, "It is so.")
    found = []
    while not found or found[-1].kind != "response":
        found.append(observer.next(WAIT))
    assert [event.kind for event in found] == ["query", "partial", "response"]
    assert (found[1].id, found[1].data["message_id"], found[1].data["text"]) == (0, row, "It is ")
    assert found[2].data["in_reply_to"] == row and observer.lost == 0


# ── the end, and other ways to use it ───────────────────────────────────────────────────────────────

def test_close_from_another_thread_ends_the_iteration(site, bridge, observe):
    site.serve(bridge)
    observer = observe(after=0)
    bridge.ask_many(["x"] * 3000)
    iterating = Background(list, observer)
    wait_for(lambda: observer.position.get("query", 0) > 100, "rows to be taken")
    observer.close()
    assert [event.id for event in iterating.result()] == rows_in(bridge)[:len(iterating.value)]


def test_async_observer_gives_each_row_once(site, bridge):
    gateway = site.serve(bridge)
    site.answerer(bridge)

    async def main():
        found = []
        async with tailgate.AsyncObserver(db=bridge.path, kinds=ROWS, after=0) as observer:
            async for event in observer:
                found.append(event)
                if len(found) == 200:
                    return found

    observing = Background(asyncio.run, main())
    writing = site.writer(bridge, count=100, pause=0.002)
    wait_for(lambda: len(rows_in(bridge)) > 40, "rows")
    gateway.kill()
    site.serve(bridge)
    finished(writing)
    check(observing.result(), rows_in(bridge))


def test_example_goes_on_where_it_was(site, bridge):
    def start():
        program = Program([PYTHON, EXAMPLES / "observe.py", bridge.path, site.folder / "position"],
                          env=library_environment(), stdout=subprocess.PIPE)
        site.processes.append(program.process)
        return program

    def is_noted(row):
        try:
            return json.loads((site.folder / "position").read_text()).get("query") == row
        except FileNotFoundError:
            return False

    site.serve(bridge)
    for number in range(2):
        row = bridge.ask(f"number {number}")
        program = start()
        assert f"query {row} ".encode() in program.process.stdout.readline()
        wait_for(lambda row=row: is_noted(row), "its note")
        program.kill()
