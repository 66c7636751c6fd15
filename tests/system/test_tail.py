"""Nothing committed is missed, nothing rolled back is seen, whenever and however it was written."""

import os
import time

import writer
from harness import LONG, WAIT, finished


def test_query_committed_before_the_first_start_is_served(site):
    bridge = site.bridge()
    message = bridge.ask("already there?")
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(message)
    bridge.check_exactly_once(1)


def test_backlog_skip_leaves_what_was_there(site):
    bridge = site.bridge()
    old = bridge.ask("old?")
    site.serve(bridge, "--backlog", "skip")
    answerer = site.answerer(bridge)
    new = bridge.ask("new?")
    bridge.reply(new)
    assert [query.id for query in answerer.queries] == [new]
    assert bridge.row(old)["read"] == 0


def test_query_committed_while_down_is_served_after_the_start(site):
    bridge = site.bridge()
    for n, end in enumerate(["stop", "kill", "stop"]):
        gateway = site.serve(bridge)
        answerer = site.answerer(bridge)
        bridge.reply(bridge.ask(f"up {n}?"))
        getattr(gateway, end)()
        answerer.stop()
        bridge.ask(f"down {n}?")
    site.serve(bridge)
    site.answerer(bridge)
    bridge.wait_replies(6)
    bridge.check_exactly_once(6)


def test_quick_restarts_under_a_steady_writer_miss_nothing(site):
    """Rows land before, during and right after each start-up scan: every one is answered, once."""
    bridge = site.bridge()
    settings = {"heartbeat.interval": "200ms", "backoff.first": "50ms"}
    count = 3000 if LONG else 600
    site.answerer(bridge)
    process = site.writer(bridge, count=count, pause=0.005)
    starts = 0
    while process.poll() is None or starts < 4:
        gateway = site.serve(bridge, settings=settings)
        with bridge.reading() as db:
            seen = db.execute("SELECT count(*) FROM messages WHERE from_session = 'b'").fetchone()[0]
        if process.poll() is None:
            bridge.wait_replies(min(seen + 5, count))  # the writer may be at its end
        # Every second end is a crash; the next start must not differ.
        (gateway.kill if starts % 2 else gateway.stop)()
        starts += 1
    finished(process)
    site.serve(bridge, settings=settings)
    bridge.wait_replies(count)
    bridge.check_exactly_once(count)


def test_rolled_back_rows_are_never_dispatched(site):
    bridge = site.bridge()
    site.serve(bridge)
    answerer = site.answerer(bridge)
    # Big enough that the rows reach the -wal (and wake the gateway) before they are taken back.
    for n in range(3):
        finished(site.writer(bridge, count=300, padding=4000, once=True, rollback=True, name=f"gone{n}"))
        finished(site.writer(bridge, count=20, once=True, name=f"kept{n}"))
    bridge.wait_replies(60)
    bridge.reply(bridge.ask("last?"))
    asked = [query.json["question"] for query in answerer.queries]
    assert not [question for question in asked if "gone" in question]
    assert len(asked) == 61
    bridge.check_exactly_once(61)


def test_half_written_transaction_is_not_seen_before_its_commit(site):
    bridge = site.bridge()
    site.serve(bridge)
    answerer = site.answerer(bridge)
    bridge.reply(bridge.ask("awake?"))
    db = writer.connect(str(bridge.path))
    db.execute("PRAGMA cache_size = 10")
    for n in range(300):
        writer.insert(db, bridge.conversation, "a", writer.query(f"{n}?", f"q{n}", padding="x" * 4000))
    assert os.path.getsize(f"{bridge.path}-wal") > 500_000, "the rows are in the -wal before the commit"
    assert len(answerer.queries) == 1
    db.commit()
    db.close()
    bridge.wait_replies(301)
    bridge.check_exactly_once(301)


def test_burst_of_10000_rows_in_one_transaction_is_served_in_order(site):
    bridge = site.bridge()
    site.serve(bridge)
    answerer = site.answerer(bridge, slots=500, interval=30000)
    ids = bridge.ask_many(f"{n}?" for n in range(10_000))
    bridge.wait_replies(10_000, timeout=4 * WAIT)
    served = [query.id for query in answerer.queries]
    assert served == sorted(served), "served out of order"
    assert served == ids
    bridge.check_exactly_once(10_000)


def test_10000_transactions_from_four_processes_are_served_once_each(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    answerers = [site.answerer(bridge, slots=50, interval=30000, name=f"w{n}") for n in range(2)]
    began = time.monotonic()
    writers = [site.writer(bridge, count=2_500, name=f"p{n}") for n in range(4)]
    for process in writers:
        finished(process, timeout=6 * WAIT)
    bridge.wait_replies(10_000, timeout=4 * WAIT)
    print(f"10,000 transactions and replies in {time.monotonic() - began:.1f} s")
    assert sum(len(answerer.queries) for answerer in answerers) == 10_000, "somebody was asked twice"
    gateway.stop()
    bridge.check_exactly_once(10_000)
