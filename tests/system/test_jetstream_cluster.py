"""`tailgate jetstream` on a cluster of three NATS servers, with three bridges and three worker hosts: whatever is
killed or cut off, every query is answered once. With TAILGATE_LONG only; test_jetstream.py does it all with one server."""

import pytest

from harness import LONG, wait_for
from jetstreams import Wire, bridge_at, far  # noqa: F401  (a fixture)

EACH = 200  # queries of each bridge before the trouble, and after it began

pytestmark = pytest.mark.skipif(not LONG, reason="three servers, with TAILGATE_LONG only")


class World:
    def __init__(self, site, far):  # noqa: F811
        self.site, self.far = site, far
        far.cluster(3)
        far.made("--replicas", "3")
        self.bridges = [bridge_at(site, f"b{n}.db") for n in range(3)]
        self.publishers = [far.publish(bridge) for bridge in self.bridges]
        self.hosts = [far.serve(f"h{n}") for n in range(3)]
        for n in range(3):
            far.work(f"h{n}", "--echo")

    def ask(self, word):
        for bridge in self.bridges:
            bridge.ask_many(f"{word} {n}" for n in range(EACH))

    def wait(self, count):
        for bridge in self.bridges:
            bridge.wait_replies(count, timeout=180)

    def server(self, leads):
        """The server that leads the stream of queries, or one that does not."""
        with Wire(self.far.servers[0]) as wire:
            leader = wait_for(lambda: wire.leader("tailgate-q-law"), "a leader")
        return next(server for server in self.far.servers if (server.name == leader) == leads)

    def server_of(self, publisher):
        url = publisher.wait_event("connected")["nats"]
        return next(server for server in self.far.servers if url.endswith(f":{server.port}"))

    def close(self):
        for bridge in self.bridges:
            bridge.check_exactly_once(expect=2 * EACH)


@pytest.fixture
def world(site, far):  # noqa: F811
    return World(site, far)


@pytest.mark.parametrize("leads", [False, True], ids=["follower", "leader"])
def test_a_server_that_is_killed_and_comes_back_costs_no_answer(world, leads):
    world.ask("before")
    world.wait(EACH // 4)
    server = world.server(leads)
    server.kill()
    world.ask("after")
    world.wait(2 * EACH)
    server.start()
    world.close()


def test_a_gateway_that_is_killed_costs_no_answer(world):
    world.ask("before")
    world.wait(EACH // 4)
    world.bridges[0].gateway.kill()
    world.ask("after")
    world.bridges[0].gateway = world.site.serve(world.bridges[0])
    world.wait(2 * EACH)
    world.close()


def test_a_server_a_host_a_publisher_and_a_gateway_that_are_killed_at_the_same_time_cost_no_answer(world):
    world.ask("before")
    world.wait(EACH // 4)
    server = world.server(True)
    for killed in (server, world.hosts[0], world.publishers[1], world.bridges[2].gateway):
        killed.kill()
    world.ask("after")
    world.publishers[1] = world.far.publish(world.bridges[1])
    world.bridges[2].gateway = world.site.serve(world.bridges[2])
    world.wait(2 * EACH)  # without that server
    server.start()
    world.close()


@pytest.mark.parametrize("mode", ["stall", "reset"])
def test_who_is_at_a_server_that_is_cut_off_from_the_others_goes_to_one_of_them(world, mode):
    world.ask("before")
    world.wait(EACH // 4)
    server = world.server_of(world.publishers[0])
    world.far.part(server, mode)
    world.ask("after")
    world.wait(2 * EACH)  # while it is cut off
    world.far.part(server, "pass")
    world.close()


def test_a_server_that_stands_still_costs_no_answer(world):
    world.ask("before")
    world.wait(EACH // 4)
    server = world.server(True)
    server.freeze()
    world.ask("after")
    world.wait(2 * EACH)
    server.thaw()
    world.close()
