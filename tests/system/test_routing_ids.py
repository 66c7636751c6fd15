"""Peers that set their own routing ids at a CURVE gate: whoever sets another one's gets nothing that is for that one,
whatever its own key may do, and nothing that it says counts as said by that one."""

import pytest
import zmq

from harness import WAIT, wait_for
from keys import World
from majordomo import Client02
from workers import MdpWorker

NAME = b"the-same"


class Named:
    """A context whose sockets set their routing id; the monitor is that of the last one."""

    def __init__(self, context):
        self.context = context

    def socket(self, kind):
        socket = self.context.socket(kind)
        socket.routing_id = NAME
        self.monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        return socket


class Trial:
    """A worker that has set a routing id, and its key."""

    def __init__(self, site):
        self.world = World(site)
        cert = self.world.key("first", "worker")
        self.other = {role: self.world.key(f"other-{role}", role) for role in ("worker", "client", "operator")}
        self.world.serve()
        self.worker = self.named(cert)
        wait_for(lambda: self.world.workers() == 1, "the worker to be there")

    def named(self, cert, ready=True):
        """Somebody with that routing id, who has got through the handshake."""
        context = Named(self.world.context(cert))
        worker = self.world.site._worker(MdpWorker(context, self.world.gate, "*", ready=ready))
        assert context.monitor.poll(WAIT * 1000)
        return worker

    def thief(self, role):
        return self.named(self.other[role], ready=False)


@pytest.fixture
def trial(site):
    return Trial(site)


@pytest.mark.parametrize("role", ["worker", "client", "operator"])
def test_second_one_of_a_name_gets_no_query_and_its_answer_does_not_count(trial, role):
    thief = trial.thief(role)
    for number in range(3):
        message = trial.world.bridge.ask(f"{number}?")
        query = trial.worker.request()
        thief.final(query.token, "mine")
        thief.disconnect()
        thief.ready()
        trial.worker.final(query.token, f"no. {number}")
        assert f"no. {number}" in trial.world.bridge.reply(message)["text"]
    assert thief.receive(0) is None
    assert trial.world.workers() == 1
    trial.world.bridge.check_exactly_once(3)


def test_client_of_a_workers_name_gets_neither_its_queries_nor_an_answer_in_its_stead(trial):
    client = Client02(Named(trial.world.context(trial.other["client"])), trial.world.gate)
    client.send("mmi.service", "x")
    message = trial.world.bridge.ask("?")
    trial.worker.final(trial.worker.request().token, "yes")
    assert "yes" in trial.world.bridge.reply(message)["text"]
    assert client.receive(0) is None
    client.close()


def test_name_is_to_be_had_again_when_its_peer_has_gone(trial):
    successor = trial.named(trial.other["worker"])
    message = trial.world.bridge.ask("first?")
    trial.worker.final(trial.worker.request().token, "of the first")
    assert "of the first" in trial.world.bridge.reply(message)["text"]
    trial.worker.close()
    wait_for(lambda: trial.world.workers() == 0, "the first one to be gone")
    message = trial.world.bridge.ask("second?")

    def let_in():
        successor.ready()
        return trial.world.workers()
    wait_for(let_in, "the second one to be let in anew")
    successor.final(successor.request().token, "of the second")
    assert "of the second" in trial.world.bridge.reply(message)["text"]


def test_thief_that_waits_for_the_end_of_its_victim_gets_none_of_its_queries(trial):
    """With a key that may not work at all: whenever the victim's name becomes free, what is for it is not sent there."""
    thief = trial.thief("client")
    messages = [trial.world.bridge.ask(f"{number}?") for number in range(5)]
    trial.worker.close()
    honest = trial.world.worker(trial.other["worker"])
    for _ in messages:
        honest.final(honest.request().token, "honest")
    for message in messages:
        assert "honest" in trial.world.bridge.reply(message)["text"]
    assert thief.receive(0) is None
    trial.world.bridge.check_exactly_once(5)
