"""A gateway with keys, a worker and a client of it, and where it is told who they are."""

import json
import os

import pytest

from keys import World
from process import tailgate

UID = f"uid:{os.getuid()}"


@pytest.fixture
def world(site):
    """A gateway with keys; of a worker and a client there are certificates."""
    world = World(site)
    for name in ("worker", "client"):
        world.key(name, name)
    return world.serve()


def door(world, name):
    """Where the holder of that certificate connects."""
    return world.context(world.site.folder / f"{name}.cert"), world.gate


def fingerprint(cert):
    return json.loads(tailgate("keygen", "--show", cert, "--json").stdout)["fingerprint"]


def audit(bridge):
    with bridge.reading() as db:
        return [json.loads(row["details"]) for row in
                db.execute("SELECT details FROM audit_log WHERE action = 'send_message' ORDER BY id")]


def query_row(bridge, message):
    return json.loads(bridge.row(message)["metadata"])["gate"]


def served(worker, answer="yes"):
    query = worker.request()
    worker.final(query.token, answer)
    return query
