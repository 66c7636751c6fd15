"""A disk whose fsync takes 20 ms longer, or most of a second (slow_disk/): throughput holds by grouping, what is told
was synced before, and dispatch and heartbeats do not notice. Writers and readers are on the real disk."""

import statistics
import threading
import time

from harness import BUILD, REQUEST, environment, wait_for
from majordomo import Client02
from observer import Feed

SLOW_DISK = BUILD / "tests" / "system" / "slow_disk" / "tailgate_slow_disk"


def serve_slowly(site, bridge, delay_ms, **settings):
    return site.serve(bridge, program=SLOW_DISK, settings=settings,
                      env=environment(TAILGATE_FSYNC_DELAY_US=str(1000 * delay_ms)))


def test_groups_grow_with_the_fsync(site):
    total = 2000
    bridge = site.bridge()
    bridge.ask_many(f"{n}?" for n in range(total))
    gateway = serve_slowly(site, bridge, 20)
    site.answerer(bridge, slots=500)
    bridge.wait_replies(total)
    wait_for(lambda: gateway.status()["committer"]["committed"] >= total, "all to be counted")
    committer = gateway.status()["committer"]
    assert committer["committed"] / committer["groups"] >= 10, committer
    gateway.stop()
    bridge.check_exactly_once(total)


def slow_pair(site, delay_ms):
    """A bridge that is served on a slow disk, and a worker."""
    bridge = site.bridge()
    serve_slowly(site, bridge, delay_ms)
    return bridge, site.mdp(bridge)


def test_no_observer_is_told_before_the_fsync(site):
    """From a worker's answer to whatever tells of it, the fsync of its reply must have come and gone."""
    delay_ms = 100
    bridge, worker = slow_pair(site, delay_ms)
    feed = Feed(site.context, bridge, b"")
    site.workers.append(feed)
    feed.joined()
    bridge.ask("is it so?")
    query = worker.request()
    answered = time.monotonic()
    worker.final(query.token, {"answer": "it is so"})
    feed.named("response")
    assert time.monotonic() - answered >= delay_ms / 1000
    assert bridge.reply(query.id)


def test_no_client_is_told_before_the_fsync(site):
    delay_ms = 100
    bridge, worker = slow_pair(site, delay_ms)
    client = Client02(site.context, bridge.gate)
    site.workers.append(client)
    client.send("default", "is it so?")
    while (frames := worker.receive())[1] != REQUEST:
        pass
    answered = time.monotonic()
    worker.final(frames[2], "it is so")
    assert client.receive() == [b"it is so"]
    assert time.monotonic() - answered >= delay_ms / 1000


def test_dispatch_and_heartbeats_do_not_notice(site):
    """An fsync lasts longer than the silence after which a worker is given up, and much longer than a dispatch."""
    delay_ms, interval_ms, total = 700, 200, 4
    bridge = site.bridge()
    gateway = serve_slowly(site, bridge, delay_ms)
    worker = site.mdp(bridge, beat=interval_ms / 3000, slots=10, heartbeats=True, interval=interval_ms)
    committed, arrived = {}, {}

    def ask():
        for n in range(total):
            committed[bridge.ask(f"{n}?")] = time.monotonic()

    asker = threading.Thread(target=ask)
    asker.start()
    while len(arrived) < total:
        query = worker.request(again=False)  # a DISCONNECT fails
        arrived[query.id] = time.monotonic()
        assert query.attempt == 1
        worker.final(query.token, {"answer": "it is so"})
    asker.join()
    while worker.request(timeout=0.1, again=False) or len(bridge.replies()) < total:
        pass
    took = [arrived[query] - committed[query] for query in arrived]
    assert statistics.median(took) < delay_ms / 1000, took
    gateway.stop()
    bridge.check_exactly_once(total)
