"""What waits beyond a service's window waits in the file: it delays nobody, costs no memory, and is not forgotten."""

import pytest

import ledger
import writer
from harness import environment, wait_for
from test_control import control, service
from test_signals import rate

WINDOW = 100
QUARTER = WINDOW // 4
SETTINGS = {"backlog.window": WINDOW}
HELD = {"heartbeats": True, "interval": 30000}


def fill(bridge, counts, conversations=None):
    """Queries in one transaction: COUNTS {service: how many}, in turn over CONVERSATIONS. Returns {service: ids}."""
    conversations = conversations or [bridge.conversation]
    ids = {name: [] for name in counts}
    db = writer.connect(str(bridge.path))
    try:
        for n in range(max(counts.values())):
            for name, count in counts.items():
                if n < count:
                    ids[name].append(writer.insert(db, conversations[n % len(conversations)], "a",
                                                   writer.query(f"{n}", f"{name}{n}", service=name)))
        db.commit()
    finally:
        db.close()
    return ids


def part(gateway, name, member):
    return (service(gateway, name) or {}).get(member, 0)


def wait_backlog(gateway, name, count):
    wait_for(lambda: part(gateway, name, "backlog") >= count, f"{count} waiting queries of {name}")


def check_window(gateway, name, window=WINDOW):
    row = service(gateway, name)
    assert row["in_memory"] <= window + max(1, window // 4), row


def check_order(bridge, ids):
    """The replies to the queries IDS came in their order, within each conversation."""
    rank = {message: place for place, message in enumerate(ids)}
    last = {}
    for reply in bridge.replies():
        if reply["reply_to"] in rank:
            assert rank[reply["reply_to"]] > last.get(reply["conversation"], -1), f"{reply['reply_to']} came too late"
            last[reply["conversation"]] = rank[reply["reply_to"]]


def test_full_service_delays_nobody_and_is_answered_when_its_worker_comes(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=SETTINGS)
    conversations = [bridge.conversation, bridge.converse(), bridge.converse()]
    count = 20000
    fill(bridge, {"full": count}, conversations)
    law = site.answerer(bridge, "law", slots=10)
    for _ in range(3):  # while the tail still reads, and when it is through
        bridge.reply(bridge.ask("at once?", service="law"))
    wait_backlog(gateway, "full", count)
    bridge.reply(bridge.ask("and now?", service="law"))
    check_window(gateway, "full")
    assert part(gateway, "full", "backlog") == count
    assert gateway.status()["tail"]["lag"] == 0
    assert all(query.json["service"] == "law" for query in law.queries)
    site.answerer(bridge, "full", slots=20)
    bridge.wait_replies(4 + count)
    bridge.check_exactly_once(4 + count)
    wait_for(lambda: part(gateway, "full", "backlog") == 0 and part(gateway, "full", "in_memory") == 0,
             "the status to say that nothing waits")


@pytest.mark.parametrize("order", ["fair", "fifo", "conversation"])
def test_order_holds_across_the_window(site, order):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**SETTINGS, "order": order})
    conversations = [bridge.conversation] + [bridge.converse() for _ in range(4)]
    ids = fill(bridge, {"full": 1500}, conversations)["full"]
    wait_backlog(gateway, "full", 1500)
    worker = site.answerer(bridge, "full")
    more = fill(bridge, {"full": 300}, conversations)["full"]  # while it is being refilled
    bridge.wait_replies(1800)
    check_order(bridge, ids + more)
    if order == "fifo":
        seen = [query.id for query in worker.queries]
        assert seen == sorted(seen)
    bridge.check_exactly_once(1800)


def test_one_conversations_thousands_do_not_bury_another_ones_first(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=SETTINGS)
    fill(bridge, {"full": 5000})
    wait_backlog(gateway, "full", 5000)
    late = bridge.ask("first of mine?", conversation=bridge.converse(), service="full")
    wait_backlog(gateway, "full", 5001)
    worker = site.mdp(bridge, "full", **HELD)
    for place in range(1, 4):
        query = worker.request()
        worker.final(query.token, "yes")
        if query.id == late:
            break
    assert query.id == late, "conversations take turns"
    bridge.reply(late)


def test_newcomers_come_first_only_within_their_share(site):
    """Each of 300 conversations that come late has one question; what waited before them is not starved."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=SETTINGS)
    old = fill(bridge, {"full": 1000})["full"]
    wait_backlog(gateway, "full", 1000)
    late = fill(bridge, {"full": 300}, [bridge.converse() for _ in range(300)])["full"]
    wait_backlog(gateway, "full", 1300)
    check_window(gateway, "full")
    site.answerer(bridge, "full", slots=5)
    bridge.wait_replies(1300)
    check_order(bridge, old + late)
    bridge.check_exactly_once(1300)


def test_newcomers_that_never_end_do_not_starve_what_waits_in_the_file(site):
    """For each answer there is a question of yet another conversation."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backlog.window": 8})
    old = fill(bridge, {"full": 40})["full"]
    wait_backlog(gateway, "full", 40)
    worker = site.mdp(bridge, "full", **HELD)
    seen = set()
    for _ in range(400):
        query = worker.request()
        seen.add(query.id)
        if seen.issuperset(old):
            break
        bridge.ask("new?", conversation=bridge.converse(), service="full")
        worker.final(query.token, "yes")
    assert seen.issuperset(old), f"{len(set(old) - seen)} have not had their turn"


def test_conversation_that_waits_in_the_file_is_not_overtaken_by_its_own_next_question(site):
    """The memory has room for it, and is not so empty that more is read from the file; then a worker comes who takes
    everything."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"backlog.window": 20})
    ids = fill(bridge, {"full": 60})["full"]
    wait_backlog(gateway, "full", 60)
    first = site.mdp(bridge, "full", **HELD)
    for _ in range(5):
        first.final(first.request().token, "yes")
    first.request()
    ids.append(bridge.ask("one more?", service="full"))
    site.answerer(bridge, "law")
    bridge.reply(bridge.ask("is it seen?", service="law"))
    second = site.mdp(bridge, "full", slots=100, **HELD)
    assert [second.request().id for _ in ids[6:]] == ids[6:]


def test_several_services_beyond_their_windows_are_refilled_in_turn(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**SETTINGS, "service.small.backlog.window": 7,
                                           "service.one.backlog.window": 1})
    counts = {"a": 2000, "b": 2000, "small": 700, "one": 60}
    ids = fill(bridge, counts)
    for name, count in counts.items():
        wait_backlog(gateway, name, count)
    for name, window in (("a", WINDOW), ("b", WINDOW), ("small", 7), ("one", 1)):
        check_window(gateway, name, window)
    workers = [site.answerer(bridge, name, slots=3) for name in counts] + [site.answerer(bridge, slots=3)]
    bridge.wait_replies(sum(counts.values()))
    assert all(worker.queries for worker in workers[:-1])
    bridge.check_exactly_once(sum(counts.values()))
    assert set().union(*map(set, ids.values())) == {reply["reply_to"] for reply in bridge.replies()}


def test_paused_service_beyond_its_window_is_served_after_it(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=SETTINGS)
    control(bridge, "pause", "--service", "full")
    fill(bridge, {"full": 1000})
    site.answerer(bridge, slots=5)
    wait_backlog(gateway, "full", 1000)
    bridge.reply(bridge.ask("?", service="law"))
    check_window(gateway, "full")
    control(bridge, "resume", "--service", "full")
    bridge.wait_replies(1001)
    bridge.check_exactly_once(1001)


def test_failed_attempts_of_a_full_service_come_back_to_their_place(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={**SETTINGS, "backoff.first": "1ms", "backoff.max": "5ms"})
    fill(bridge, {"full": 1000})
    wait_backlog(gateway, "full", 1000)

    def answer(query):
        return {"type": "error", "error": "no"} if query.attempt == 1 and query.id % 5 == 0 else "yes"
    site.answerer(bridge, "full", answer=answer, slots=5)
    bridge.wait_replies(1000)
    assert not any(reply["metadata"].get("dead") for reply in bridge.replies())
    bridge.check_exactly_once(1000)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_gateway_that_ends_in_the_middle_goes_on_after_its_restart(site, end):
    bridge = site.bridge()
    settings = {**SETTINGS, "restart.grace": "0s", "heartbeat.interval": "200ms", "backoff.first": "1ms"}
    gateway = site.serve(bridge, settings=settings)
    count = 3000
    fill(bridge, {"full": count}, [bridge.conversation, bridge.converse()])
    site.answerer(bridge, slots=5)
    for done in (300, 900, 1800):
        bridge.wait_replies(done)
        getattr(gateway, end)()
        gateway = site.serve(bridge, settings=settings)
    bridge.wait_replies(count)
    bridge.check_exactly_once(count)


def test_queries_that_wait_in_the_file_keep_nobody_awake(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=SETTINGS)
    fill(bridge, {"full": 2000, "other": 2000})
    wait_backlog(gateway, "other", 2000)
    site.mdp(bridge, "law")
    wait_for(lambda: rate(gateway.pid, 1) < 20, "the gateway to become quiet", timeout=40)


# What is parked.

PARKING = {**SETTINGS, "park.after": "200ms"}


def park(site, bridge, count):
    """A gateway that has parked COUNT queries, of which most are beyond the window."""
    gateway = site.serve(bridge, settings=PARKING)
    ids = fill(bridge, {"full": count}, [bridge.conversation, bridge.converse()])["full"]
    wait_for(lambda: len(ledger.parked(bridge)) == count, "the queries to be parked")
    ledger.wait_mark(bridge, ids[-1])
    return gateway, ids


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_parked_queries_beyond_the_window_are_refilled_after_a_restart(site, end):
    bridge = site.bridge()
    gateway, ids = park(site, bridge, 2000)
    getattr(gateway, end)()
    again = site.serve(bridge, settings=PARKING)
    wait_backlog(again, "full", 2000)
    check_window(again, "full")
    site.answerer(bridge, "full")
    more = fill(bridge, {"full": 50})["full"]  # not parked yet: above the mark
    bridge.wait_replies(2050)
    check_order(bridge, ids + more)
    bridge.check_exactly_once(2050)
    wait_for(lambda: not ledger.parked(bridge), "the list of parked queries to be empty")


def test_parked_queries_are_answered_by_the_gateway_that_parked_them(site):
    bridge = site.bridge()
    gateway, ids = park(site, bridge, 1500)
    assert gateway.status()["tail"]["parked"] == 1500
    site.answerer(bridge, "full")
    bridge.wait_replies(1500)
    check_order(bridge, ids)
    bridge.check_exactly_once(1500)


def test_second_looks_do_not_count_what_waits_again(site):
    """What waits beyond the window is not lost, and so not found again: however often it is looked at."""
    bridge = site.bridge()
    gateway, ids = park(site, bridge, 1000)
    since = gateway.status()["counters"]
    since_lines = len(gateway.events("query"))
    # A conversation that ends is seen by the second look alone: one round is over then.
    for _ in range(3):
        other = bridge.converse()
        message = bridge.ask("?", conversation=other, service="full")
        wait_for(lambda: message in ledger.parked(bridge), "the query to be parked")
        ledger.expire(bridge, other)
        ledger.wait_audit(bridge, message, "query_expired")
    row, now = service(gateway, "full"), gateway.status()["counters"]
    assert row["backlog"] <= len(ids) + 3, row
    assert now["found_again"] == since["found_again"]
    assert now["queries"] <= since["queries"] + 3
    assert len(gateway.events("query")) <= since_lines + 3


# Memory.

def anonymous(pid):
    """The process's own memory, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def test_waiting_queries_cost_no_memory_beyond_the_window(site):
    bridge = site.bridge()
    # Without the memory that a sanitizer keeps back when it was freed.
    env = environment(ASAN_OPTIONS="exitcode=99:detect_leaks=1:quarantine_size_mb=1")
    gateway = site.serve(bridge, "--log-level", "warn", settings=SETTINGS, wait=False, env=env)
    batch, batches = 20000, 10
    fill(bridge, {"full": batch})
    wait_backlog(gateway, "full", batch)
    before = anonymous(gateway.pid)
    for n in range(1, batches):
        fill(bridge, {"full": batch})
        wait_backlog(gateway, "full", (n + 1) * batch)
    after = anonymous(gateway.pid)
    # With all of them in memory it would be 11 MiB.
    assert after - before < 7 * 1024, f"{before} KiB with {batch} waiting queries, {after} KiB with {batch * batches}"
    check_window(gateway, "full")
