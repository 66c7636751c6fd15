"""Keys that are wrong, missing, revoked, mixed up or moved, for each role at each door: each by real connections. What a
sound key may do with an action of another role is the table of test_roles."""

import pytest
import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

import roles_table
from harness import WAIT, wait_for
from keys import World, keygen
from roles_table import ALLOWED

ACTION = {"worker": "register for art", "client": "ask law", "observer": "tailgate.replay", "operator": "tailgate.rescan"}
ROLES = list(ACTION)
OUTCOME = (zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
           | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from harness import Site
    site = Site(tmp_path_factory.mktemp("k"))
    made = World(site)
    roles_table.prepare(made)
    keygen("--gateway", site.folder / "other")
    yield made
    site.close()


class Guest:
    """A connection, and how it goes with it."""

    def __init__(self, context, world, door):
        self.socket = context.socket(zmq.DEALER if door == "gate" else zmq.SUB)
        self.monitor = self.socket.get_monitor_socket(OUTCOME)
        self.socket.connect(world.gate if door == "gate" else world.events)
        if door == "events":
            self.socket.subscribe(b"")

    def next(self):
        assert self.monitor.poll(WAIT * 1000), "nothing comes of the handshake"
        return recv_monitor_message(self.monitor)["event"]

    def close(self):
        self.socket.disable_monitor()
        self.socket.close(0)


def is_let_in(world, context, door):
    guest = Guest(context, world, door)
    try:
        return guest.next() == zmq.EVENT_HANDSHAKE_SUCCEEDED
    finally:
        guest.close()


def may_enter(role, door):
    return door == "gate" or role in ("observer", "operator")


class Mixed:
    """A context whose sockets have the public half of one key and the secret one of another."""

    def __init__(self, site, public, secret, server):
        self.site, self.server = site, zmq.auth.load_certificate(server)[0]
        self.public = zmq.auth.load_certificate(public)[0]
        self.secret = zmq.auth.load_certificate(f"{secret}_secret")[1]

    def socket(self, kind):
        socket = self.site.context.socket(kind)
        socket.linger = 0
        socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = self.public, self.secret, self.server
        return socket


def wrong(world, case, role, door):
    """The context of somebody who is not to get in."""
    site, server = world.site, world.dir / "gateway.cert"
    listed = site.folder / f"{role}.cert"  # roles_table.prepare() has made it
    if case == "no key":
        return world.context(None)
    if case == "wrong server key":
        return world.context(listed, server=site.folder / "other" / "gateway.cert")
    stranger = world.key(f"stranger-{case.replace(' ', '-')}-{role}-{door}", role, allow=False)
    if case == "unknown key":
        return world.context(stranger)
    public, secret = (listed, stranger) if case == "secret half of another key" else (stranger, listed)
    return Mixed(site, public, secret, server)


@pytest.mark.parametrize("door", ["gate", "events"])
@pytest.mark.parametrize("role", ROLES)
def test_listed_key_gets_in_where_its_role_belongs(world, role, door):
    assert is_let_in(world, world.context(world.site.folder / f"{role}.cert"), door) == may_enter(role, door)


@pytest.mark.parametrize("door", ["gate", "events"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("case", ["no key", "unknown key", "wrong server key", "secret half of another key",
                                  "public half of another key"])
def test_wrong_key_does_not_get_in(world, case, role, door):
    assert not is_let_in(world, wrong(world, case, role, door), door)


def enter(world, role, door):
    """A key of that role in the list, its certificate there, and a connection that it has at DOOR."""
    cert = world.key(f"live-{role}-{door}-{len(list(world.site.folder.glob('live-*.cert')))}", role)
    file = world.dir / role / cert.name
    context = world.context(cert)
    wait_for(lambda: is_let_in(world, context, door), "the new key to be known")
    guest = Guest(context, world, door)
    assert guest.next() == zmq.EVENT_HANDSHAKE_SUCCEEDED
    return context, file, guest


def cells():
    return [(role, door) for role in ROLES for door in ("gate", "events") if may_enter(role, door)]


@pytest.mark.parametrize("role, door", cells())
def test_revoked_key_is_cut_and_does_not_get_in_again(world, role, door):
    context, file, guest = enter(world, role, door)
    assert roles_table.attempt(world, context, door, ACTION[role] if door == "gate" else "subscribe") == ALLOWED
    file.unlink()
    assert guest.next() == zmq.EVENT_DISCONNECTED
    guest.close()
    assert not is_let_in(world, context, door)


@pytest.mark.parametrize("role, door", cells())
def test_key_that_moves_to_another_roles_folder_is_cut_and_can_do_what_that_role_can(world, role, door):
    other = ROLES[(ROLES.index(role) + 1) % len(ROLES)]
    context, file, guest = enter(world, role, door)
    file.rename(world.dir / other / file.name)
    assert guest.next() == zmq.EVENT_DISCONNECTED
    guest.close()
    if not may_enter(other, door):
        assert not is_let_in(world, context, door)
        return
    wait_for(lambda: is_let_in(world, context, door), "the key to be known in its new folder")
    for action in ACTION.values() if door == "gate" else ():
        got = roles_table.attempt(world, context, door, action)
        assert got == roles_table.expected(door, action, other), action
