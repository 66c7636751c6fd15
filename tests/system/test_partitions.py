"""Between the gateway's host and its worker's, or a relay's, everything may be cut, and heal: no query is lost, none is
answered twice, and no observer misses a row. `network` needs the right to make network namespaces (hosts.py)."""

import contextlib
import json

import pytest

from harness import LONG, wait_for
from hosts import network  # noqa: F401  (a fixture)
from partitions import KINDS, PLACES, Partition

CUTS = 20 if LONG else 1


def cut_again_and_again(world):
    world.write()
    for _ in range(CUTS):
        world.outage()
    tally = world.finish()
    assert tally["answered"] > CUTS
    assert (tally["lost"], tally["double replies"], tally["missing"]) == (0, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_a_cut_loses_and_doubles_nothing(network, site, place, kind):  # noqa: F811
    with contextlib.closing(Partition(network, site, kind, place)) as world:
        cut_again_and_again(world)


@pytest.mark.parametrize("place", PLACES)
def test_a_cut_loses_and_doubles_nothing_without_keys(network, site, place):  # noqa: F811
    with contextlib.closing(Partition(network, site, "reset", place, keys=False)) as world:
        cut_again_and_again(world)


@pytest.mark.parametrize("kind", KINDS if LONG else ("blackhole", "reset"))
@pytest.mark.parametrize("place", PLACES)
def test_answer_found_during_the_cut_counts_when_it_heals(network, site, place, kind):  # noqa: F811
    with contextlib.closing(Partition(network, site, kind, place)) as world:
        message = world.ask(f"wait {site.folder}/go")
        wait_for(lambda: (message, 1) in world.executed(), "the worker to begin")
        world.cut()
        (site.folder / "go").touch()
        world.wait_kept()
        world.between.heal()
        reply = world.bridge.reply(message)
        assert json.loads(reply["text"])["answer"] == f"re: wait {site.folder}/go"
        assert reply["metadata"]["attempt"] == 1
        assert world.executed()[(message, 1)] == 1 and (message, 2) not in world.executed()
        world.finish()
