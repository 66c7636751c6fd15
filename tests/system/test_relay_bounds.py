"""A relay's memory has bounds, whatever floods it and whoever does not read (proto/WIRE.md, Relays)."""

import os
import re
from pathlib import Path

import pytest

from harness import LONG
from observer import Feed
from process import environment
from relays import Relay

MIB = 1 << 20
PART = b"x" * (256 << 10)
PARTS = 2000 if LONG else 600
ROWS = 20000 if LONG else 4000


@pytest.fixture
def served(site):
    bridge = site.bridge()
    bridge.gateway = site.serve(bridge)
    return bridge


def relay_below(site, served):
    """Its sanitizer keeps no freed memory: what it holds is its own."""
    options = os.environ.get("ASAN_OPTIONS", "exitcode=99:detect_leaks=1") + ":quarantine_size_mb=0"
    return Relay(site, "site-a", served, env=environment(ASAN_OPTIONS=options))


def peak(program):
    """The most memory that it ever had, bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{program.pid}/status").read_text())[1]) << 10


def test_parts_that_the_gateway_does_not_take_are_dropped(site, served):
    relay = relay_below(site, served)
    worker = site.mdp(relay.gate, heartbeats=True, name="floods", interval=60000)
    served.ask("endlessly?")
    query = worker.request()
    worker.partial(query.token, PART)
    relay.wait_status(lambda status: status["counters"]["partials"] == 1, "the first part")
    before = peak(relay)
    served.gateway.freeze()
    for sent in range(2, PARTS + 1):
        worker.partial(query.token, PART)
        if sent % 20 == 0:  # what waits at the relay's own door is none of this
            relay.wait_status(lambda status: status["counters"]["partials"] >= sent or not status["in_flight"],
                              "the parts to be heard")
    grown = peak(relay) - before
    served.gateway.thaw()
    assert grown < 100 * MIB < PARTS * len(PART), f"grown by {grown / MIB:.0f} MiB"


def test_an_observer_that_does_not_read_loses_events_and_the_others_none(site, served):
    relay = relay_below(site, served)
    deaf = Feed(site.context, relay.events_at, "query/", "gateway/", hwm=1).joined()
    feed = Feed(site.context, relay.events_at, "query/", "gateway/").joined()
    before = peak(relay)
    ids = []
    while len(ids) < ROWS:  # no faster than the link to the gateway is read
        ids += served.ask_many(["x" * 500] * 500)
        relay.wait_status(lambda status: status["counters"]["events"] >= len(ids), "the events to pass")
    seen = [event["id"] for event in feed.until(lambda event: event.get("id") == ids[-1]) if event["event"] == "query"]
    assert seen == ids
    assert peak(relay) - before < 50 * MIB
    late = served.ask("and now?")
    heard = deaf.until(lambda event: event.get("id") == late or
                       event["event"] == "gateway/mark" and event["last"]["query"] >= late)
    assert sum(event["event"] == "query" for event in heard) < ROWS, "nothing was dropped for it"
    deaf.close()
    feed.close()
