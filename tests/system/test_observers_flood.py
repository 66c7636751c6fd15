"""An observer that subscribes without end is cut; the others get their events, and the gateway does its work. The
flooders are bare sockets that speak ZMTP by hand, as fast as they can."""

import json
import socket
import struct
import threading

import pytest
import zmq

from harness import WAIT, environment, wait_for
from test_partial_events import Observer, counter, given, subscriptions, take

LIMIT = 1000
MANY = 300_000
SLACK_KB = 100_000  # of memory: what MANY subscriptions take is far more, under a sanitizer too


class Cut(Exception):
    """The connection ended before its handshake did."""


class Flooder:
    """A connection to the events at ENDPOINT: VERSION is that of ZMTP."""

    def __init__(self, endpoint, version=(3, 0)):
        if endpoint.startswith("ipc://"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(endpoint[6:])
        else:
            host, port = endpoint[6:].rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(WAIT)
        self.version = version
        if version < (3, 0):
            self.socket.sendall(b"\xff" + bytes(7) + b"\x01\x7f\x01\x02\x00\x00")  # 2.0, SUB, no identity
            self._read(12)
        else:
            self.socket.sendall(b"\xff" + bytes(8) + b"\x7f" + bytes(version) + b"NULL".ljust(20, b"\0") + bytes(32))
            self._read(64)
            ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 3) + b"SUB"
            self.socket.sendall(bytes([4, len(ready)]) + ready)
            self._read(self._read(2)[1])

    def _read(self, size):
        found = b""
        while len(found) < size:
            part = self.socket.recv(size - len(found))
            if not part:
                raise Cut
            found += part
        return found

    def frame(self, topic, begins=True):
        if self.version >= (3, 1):
            body = (b"\x09SUBSCRIBE" if begins else b"\x06CANCEL") + topic
            return bytes([4, len(body)]) + body
        return bytes([0, len(topic) + 1, begins]) + topic

    def send(self, frames):
        """All FRAMES, whatever comes back. True: they could be sent, which does not say that they were read."""
        try:
            self.socket.sendall(b"".join(frames))
            return True
        except OSError:
            return False

    def is_cut(self):
        """Waits until the other side ends the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True


def resident(gateway):
    """Kilobytes."""
    with open(f"/proc/{gateway.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def endpoints(gateway):
    return gateway.status()["events"]["endpoints"]


class World:
    """A gateway that publishes over ipc and tcp, a worker, and an observer that is there all the time."""

    def __init__(self, site):
        self.site = site
        env = environment()
        # What is freed is not in use, and goes back to the system soon.
        env["ASAN_OPTIONS"] += ":quarantine_size_mb=1:allocator_release_to_os_interval_ms=100"
        self.bridge, self.gateway, self.worker = given(site, "--events", "tcp://127.0.0.1:*", env=env)
        self.ipc, self.tcp = endpoints(self.gateway)
        self.observer = Observer(site, self.gateway, self.bridge, b"partial/")
        self.before = resident(self.gateway)
        self.index = 0

    def works(self):
        """A query is answered, and the observer gets its event."""
        query = take(self.bridge, self.worker)
        self.index += 1
        self.worker.partial(query.token, b"part %d." % self.index)
        assert self.observer.event()[2]["text"] == f"part {self.index}."
        self.worker.final(query.token, "done")
        assert self.bridge.reply(query.id)

    def cut(self):
        return counter(self.gateway, "observers_cut")

    def wait_cut(self, count):
        """Status may be a moment old."""
        wait_for(lambda: self.cut() >= count, f"{count} observers to be cut")
        assert self.cut() == count

    def wait_calm(self):
        """Nothing is left of anybody but the observer."""
        def told():
            events = self.gateway.status()["events"]
            return events["observers"] == 1 and events["subscriptions"] == 1
        wait_for(told, "the flooders to be gone from status")
        wait_for(lambda: resident(self.gateway) - self.before < SLACK_KB, "the gateway to be as small as before")


@pytest.fixture
def world(site):
    return World(site)


@pytest.mark.parametrize("version", [(3, 0), (3, 1)])
@pytest.mark.parametrize("door", ["ipc", "tcp"])
def test_flood_of_subscriptions_is_cut_and_the_gateway_goes_on(world, door, version):
    flooder = Flooder(getattr(world, door), version)
    data = [flooder.frame(b"partial/%08d" % n) for n in range(MANY)]
    flood = threading.Thread(target=flooder.send, args=[data])
    flood.start()
    world.works()
    assert flooder.is_cut()
    flood.join(WAIT)
    assert not flood.is_alive()
    world.wait_cut(1)
    line = world.gateway.wait_event("cut")
    assert line["who"] == "an observer" and "subscriptions" in line["say"]
    world.works()
    world.wait_calm()


def test_flooders_that_come_again_are_cut_again(world):
    def flood(number):
        for turn in range(5):
            flooder = connected(world.ipc if number % 2 else world.tcp)
            flooder.send([flooder.frame(b"query/%d/%d/%08d" % (number, turn, n)) for n in range(MANY // 5)])
            flooder.is_cut()

    def connected(endpoint):
        """Who comes by the descriptor of one that was cut may be cut for what that one had said: it comes again."""
        for _ in range(100):
            try:
                return Flooder(endpoint)
            except (ConnectionError, Cut):
                pass
        raise Cut

    floods = [threading.Thread(target=flood, args=[number]) for number in range(6)]
    for thread in floods:
        thread.start()
    while any(thread.is_alive() for thread in floods):
        world.works()
    wait_for(lambda: world.cut() >= 6, "them all to be cut")
    world.works()
    world.wait_calm()


def test_stock_sub_socket_with_too_many_subscriptions_is_cut(world):
    greedy = world.site.context.socket(zmq.SUB)
    greedy.linger, greedy.sndhwm = 0, 0  # it would pass over its own subscriptions beyond that
    world.site.workers.append(greedy)
    for n in range(5 * LIMIT):
        greedy.subscribe(b"query/%d" % n)
    greedy.connect(world.ipc)
    # It subscribes afresh on its new connection when its program looks at it.
    wait_for(lambda: greedy.poll(1) or world.cut() >= 2, "it to be cut, connected again, and cut once more")
    world.works()
    greedy.close(0)
    world.wait_calm()


def test_as_many_as_may_be_are_taken_and_one_more_is_not(world):
    flooder = Flooder(world.ipc)
    assert flooder.send([flooder.frame(b"query/%d" % n) for n in range(LIMIT)])
    wait_for(lambda: subscriptions(world.gateway) == LIMIT + 1, "all subscriptions")
    for _ in range(3):  # what ends makes room
        assert flooder.send([flooder.frame(b"query/0", False), flooder.frame(b"query/0")])
    other = Flooder(world.ipc)
    assert other.send([other.frame(b"query/%d" % n) for n in range(LIMIT)])
    wait_for(lambda: subscriptions(world.gateway) == 2 * LIMIT + 1, "another one's")
    assert world.cut() == 0
    assert flooder.send([flooder.frame(b"query/more")])
    assert flooder.is_cut()
    wait_for(lambda: subscriptions(world.gateway) == LIMIT + 1, "the first one's to be forgotten")
    world.wait_cut(1)
    world.works()


def test_ends_of_what_never_began_hide_nothing(world):
    flooder = Flooder(world.ipc)
    for n in range(LIMIT + 1):
        flooder.send([flooder.frame(b"query/%d" % n), flooder.frame(b"query/never", False)])
    assert flooder.is_cut()
    world.wait_cut(1)
    world.works()
    world.wait_calm()


def test_subscription_that_is_repeated_without_end_is_cut(world):
    flooder = Flooder(world.ipc)
    flooder.send([flooder.frame(b"query/")] * MANY)
    assert flooder.is_cut()
    world.wait_cut(1)
    world.works()
    world.wait_calm()


def test_what_is_no_subscription_is_cut_when_it_does_not_end(world):
    flooder = Flooder(world.ipc)
    flooder.send([b"\0\5hello"] * MANY)
    assert flooder.is_cut()
    world.wait_cut(1)
    world.works()
    world.wait_calm()


def test_long_subscriptions_are_bounded_together(world):
    flooder = Flooder(world.ipc)
    long = [b"\2" + struct.pack(">Q", 4001) + b"\1" + (b"%d" % n).ljust(4000, b"x") for n in range(LIMIT)]
    flooder.send(long)
    assert flooder.is_cut()
    world.wait_cut(1)
    world.works()
    world.wait_calm()


def test_subscriptions_that_begin_and_end_for_ever_hold_nobody_up(world):
    """It is never many at once; some of them may be cut when reading them does not keep up."""
    flooders = [Flooder(world.ipc) for _ in range(6)]
    pair = flooders[0].frame(b"query/1") + flooders[0].frame(b"query/1", False)
    floods = [threading.Thread(target=flooder.send, args=[[pair] * (MANY // 10)]) for flooder in flooders]
    for thread in floods:
        thread.start()
    while any(thread.is_alive() for thread in floods):
        world.works()
    for flooder in flooders:
        flooder.socket.close()
    world.works()
    world.wait_calm()


def test_protocol_whose_subscriptions_cannot_be_told_apart_is_cut(world):
    old = Flooder(world.ipc, (2, 0))
    old.send([old.frame(b"query/%d" % n) for n in range(MANY)])
    assert old.is_cut()
    wait_for(lambda: world.cut() >= 1, "the cut to be counted")
    world.works()
    world.wait_calm()


def test_descriptors_that_are_used_again_begin_with_nothing(world):
    for turn in range(20):
        flooder = Flooder(world.ipc)
        flooder.send([flooder.frame(b"query/%d/%d" % (turn, n)) for n in range(LIMIT - 1)])
        flooder.socket.close()
    world.works()
    world.wait_calm()
    assert world.cut() == 0


def test_observers_are_in_status(world):
    assert world.gateway.status()["events"]["observers"] == 1
    more = [Observer(world.site, world.gateway, where, b"") for where in (world.ipc, world.tcp)]
    events = world.gateway.status()["events"]
    assert (events["observers"], events["subscriptions"]) == (3, 3)
    more[0].socket.close(0)
    wait_for(lambda: world.gateway.status()["events"]["observers"] == 2, "it to be gone")
    assert json.dumps(world.gateway.status()["counters"]["observers_cut"]) == "0"
