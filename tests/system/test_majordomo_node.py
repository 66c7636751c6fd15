"""Majordomo peers in another language with another binding (npm's zeromq), in every mixture of versions and sides with
pyzmq's: bodies of random bytes in several frames come back as they were."""

import json
import shutil

import pytest

import node
from harness import HERE, finished
from majordomo import WORKER_01, WORKER_02, Client01, Client02, Worker

COUNT = 20


@pytest.fixture
def peer(site):
    """Starts node_majordomo.mjs beside the installed packages, where node looks for them."""
    folder = node.installed() / "use"
    program = folder / "node_majordomo.mjs"
    shutil.copyfile(HERE / "node_majordomo.mjs", program)
    return lambda *words: site.spawn("node", program, *words)


@pytest.mark.parametrize("client", ["1", "2"])
@pytest.mark.parametrize("worker", ["1", "2"])
def test_node_asks_node(site, peer, client, worker):
    bridge = site.bridge()
    site.serve(bridge)
    serving = peer("worker", worker, bridge.gate, "back", COUNT)
    asking = peer("client", client, bridge.gate, "back", COUNT)
    assert json.loads(finished(asking)) == {"same": COUNT, "different": []}
    finished(serving)
    bridge.check_exactly_once(COUNT)


@pytest.mark.parametrize("client,version", [(Client01, "2"), (Client02, "1")])
def test_python_asks_node(site, peer, client, version):
    bridge = site.bridge()
    site.serve(bridge)
    serving = peer("worker", version, bridge.gate, "back", COUNT)
    asker = client(site.context, bridge.gate)
    site.workers.append(asker)
    for n in range(COUNT):
        assert asker.ask("back", b"\xff%d" % n, b"\0two", b"") == [b"", b"\0two", b"\xff%d" % n]
    finished(serving)


@pytest.mark.parametrize("version,client", [(WORKER_01, "2"), (WORKER_02, "1")])
def test_node_asks_python(site, peer, version, client):
    bridge = site.bridge()
    site.serve(bridge)
    worker = Worker(site.context, bridge.gate, "back", version)
    site.workers.append(worker)
    asking = peer("client", client, bridge.gate, "back", COUNT)
    for _ in range(COUNT):
        address, body = worker.request()
        worker.final(address, *reversed(body))
    assert json.loads(finished(asking)) == {"same": COUNT, "different": []}
