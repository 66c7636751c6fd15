"""200 clients and workers of every protocol that come, go, crash and give up, while the gateway is killed: nothing is
lost, nothing is answered twice, and everybody gets the answer to its own question."""

import asyncio
import os

import storm_check
from harness import LONG, wait_for
from soak import SERVICES, Peers

ASKS = 200 if LONG else 15
KILLS = 20 if LONG else 3
# What a stock worker has when the gateway is killed waits for its lease, where it was written down.
SETTINGS = {"backoff.first": "100ms", "backoff.max": "1s", "attempts": "100", "lease": "5s"}


def test_two_hundred_peers_that_come_and_go(site):
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    bridge = site.bridge()
    gateways = [site.serve(bridge, settings=SETTINGS)]
    peers = Peers(bridge.gate, seed, clients=100, workers=100, asks=ASKS)

    async def kill(peers):
        for n in range(KILLS):
            while peers.answered < (n + 1) * peers.clients * peers.asks // (KILLS + 1):
                await asyncio.sleep(0.05)
            gateways[-1].kill()
            gateways.append(await asyncio.to_thread(
                site.serve, bridge, settings=SETTINGS))

    peers.run(kill)
    print({name: getattr(peers, name) for name in ("asked", "answered", "given_up", "served", "left")})
    assert not peers.wrong, peers.wrong[:5]
    assert peers.answered == peers.asked == 100 * ASKS
    assert len(gateways) == KILLS + 1
    for service in SERVICES:  # whoever gave up has left questions behind
        site.answerer(bridge, service)

    def rest():
        with bridge.reading() as db:
            return db.execute("SELECT count(*) FROM messages WHERE to_session = 'b' AND read = 0").fetchone()[0] == 0
    wait_for(rest, "the last questions to be answered")
    gateways[-1].stop()
    broken, tally = storm_check.check(bridge.path, site.folder, final=False)
    assert not broken, broken[:20]
    print(tally)
    assert tally["answered"] >= 100 * ASKS and tally["lost"] == 0 and tally["double replies"] == 0
