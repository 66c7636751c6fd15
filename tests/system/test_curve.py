"""Keys: who gets in at a CURVE endpoint, and who does not, or not any longer."""

import json
import os
import socket
import stat

import pytest
import zmq

from gate import descriptors
from harness import WAIT, one_line, tailgate, wait_for
from keys import Keyed, World, keygen
from observer import Feed


@pytest.fixture
def world(site):
    return World(site)


def is_cut(monitor):
    """Waits until the monitor's connection has ended. (libzmq does not always try again then.)"""
    assert monitor.poll(WAIT * 1000), "the connection stands"


def test_allowed_key_works_at_the_gate_and_listens_at_events(world):
    worker, observer = world.key("w1", "worker"), world.key("o1", "observer")
    world.serve()
    feed = Feed(world.context(observer), world.events, b"").joined()
    world.serves()
    feed.named("response")
    feed.close()


def test_subscriptions_made_later_are_heard_through_curve(world):
    observer = world.key("o1", "operator")
    world.serve()
    feed = Feed(world.context(observer), world.events, b"gateway/").joined()
    for i in range(20):
        feed.socket.subscribe(f"response/{i}/")
    wait_for(lambda: world.gateway.status()["events"]["subscriptions"] == 21, "all subscriptions to be heard")
    feed.close()


def test_no_key_and_wrong_server_key_get_nowhere(world):
    world.key("w1", "worker")
    keygen("--gateway", world.site.folder / "other")
    world.serve()
    plain = world.stranger(None)
    misled = world.stranger(world.site.folder / "w1.cert", server=world.site.folder / "other" / "gateway.cert")
    is_cut(plain)
    is_cut(misled)
    assert world.workers() == 0
    world.serves()
    assert world.workers() == 1


def test_unknown_key_and_worker_at_events_are_refused_and_counted(world):
    stranger, worker = world.key("s", "worker", allow=False), world.key("w1", "worker")
    world.serve()
    world.worker(stranger)
    wait_for(lambda: world.refused() >= 1, "the refusal to be counted")
    line = world.gateway.wait_event("key-refused")
    shown = json.loads(tailgate("keygen", "--show", stranger, "--json").stdout)
    assert (line["fingerprint"], line["address"]) == (shown["fingerprint"], "127.0.0.1")
    before = world.refused()
    feed = Feed(world.context(worker), world.events, b"")
    wait_for(lambda: world.refused() > before, "a worker's key to be refused at events")
    assert world.gateway.status()["events"]["subscriptions"] == 0 and world.workers() == 0
    feed.close()


def test_key_added_while_running_gets_in_and_removed_is_cut_at_once(world):
    world.serve()
    worker, observer = world.key("w1", "worker"), world.key("o1", "observer")
    world.gateway.wait_event("key", what="added", name="o1")
    monitor = world.stranger(worker)
    feed = Feed(world.context(observer), world.events, b"").joined()
    wait_for(lambda: world.workers() == 1, "the worker to be there")
    assert not monitor.poll(0) and world.refused() == 0
    (world.dir / "worker" / "w1.cert").unlink()
    (world.dir / "observer" / "o1.cert").unlink()
    is_cut(monitor)
    wait_for(lambda: world.workers() == 0, "the revoked worker to be gone")
    wait_for(lambda: world.refused() >= 2, "both to be refused when they come again")
    wait_for(lambda: world.gateway.status()["events"]["subscriptions"] == 0, "the revoked observer to be cut")
    feed.close()


def test_role_folder_that_is_replaced_revokes_at_once(world):
    """There are so many files that without a hint it would be seconds; and it is heard again what changes in the new one."""
    worker = world.key("w1", "worker")
    folder = world.dir / "worker"
    for number in range(300):
        (folder / f"{number}").write_text("no certificate")
    world.serve()
    world.worker(worker)
    wait_for(lambda: world.workers() == 1, "the worker to be there")
    new = world.site.folder / "new"
    new.mkdir()
    folder.rename(world.site.folder / "old")
    new.rename(folder)
    world.gateway.wait_event("key", what="revoked", name="w1")
    wait_for(lambda: world.workers() == 0, "the revoked worker to be gone")
    later = world.key("w2", "worker")
    world.gateway.wait_event("key", what="added", name="w2")
    world.worker(later)
    wait_for(lambda: world.workers() == 1, "the new key's worker to be there")


def test_file_of_the_same_size_and_time_revokes_as_well(world):
    worker, other = world.key("w1", "worker"), world.key("w2", "worker", allow=False)
    world.serve()
    world.worker(worker)
    wait_for(lambda: world.workers() == 1, "the worker to be there")
    file = world.dir / "worker" / "w1.cert"
    before = file.stat()
    text = other.read_text().replace('"w2"', '"w1"')
    assert len(text.encode()) == before.st_size
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    wait_for(lambda: world.workers() == 0, "the replaced key to be cut")


def test_flood_of_handshakes_leaves_the_worker_its_queries_and_no_descriptors(world):
    world.key("w1", "worker")
    stranger = world.key("s", "worker", allow=False)
    world.serve()
    worker = world.serves()
    before = descriptors(world.gateway.pid)
    crowd = zmq.Context()
    keyed = Keyed(world.site, stranger, world.dir / "gateway.cert")
    keyed.context = crowd
    peers = [keyed.socket(zmq.DEALER) for _ in range(40)]
    for peer in peers:
        peer.reconnect_ivl = 20
        peer.connect(world.gate)
        peer.send(b"let me in")
    address = world.gate[len("tcp://"):].rsplit(":", 1)
    silent = [socket.create_connection((address[0], int(address[1]))) for _ in range(20)]
    for line in silent:
        line.send(b"\xff\0\0\0\0\0\0\0\1\x7f")  # a greeting's beginning
    for i in range(10):
        message = world.bridge.ask(str(i))
        worker.final(worker.request().token, f"no. {i}")
        assert f"no. {i}" in world.bridge.reply(message)["text"]
    wait_for(lambda: world.refused() >= len(peers), "the flood to be refused")
    assert 1 <= len(world.gateway.events("key-refused")) < len(peers)
    crowd.destroy(linger=0)
    wait_for(lambda: descriptors(world.gateway.pid) <= before, "half-made connections to be cut and all else to go")
    for line in silent:
        line.close()


def test_secret_that_others_can_read_is_not_used(world):
    secret = world.dir / "gateway.cert_secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    secret.chmod(0o644)
    done = tailgate("serve", "--db", world.bridge.path, "--curve", world.dir)
    assert done.returncode == 1 and "chmod 600" in one_line(done)


def test_plain_endpoint_beyond_this_host_needs_insecure_all_the_same(world):
    done = tailgate("serve", "--db", world.bridge.path, "--curve", world.dir, "--gate", "tcp://*:0,plain")
    assert done.returncode == 2 and "--insecure" in one_line(done)


def test_insecure_endpoint_is_shouted_in_log_and_status(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--gate", "tcp://0.0.0.0:*", "--insecure")
    assert "anyone" in gateway.wait_event("insecure")["say"]
    door = [row for row in gateway.status()["gateway"]["doors"] if row["security"] == "plain"]
    assert [row["insecure"] for row in door] == [True]
    shown = tailgate("status", "--db", bridge.path).stdout
    assert f"INSECURE   gate {door[0]['endpoint']} lets in anyone" in shown


def test_key_that_cannot_go_into_the_list_is_not_made(world):
    world.key("w1", "worker")
    again = world.site.folder / "again.cert"
    done = tailgate("keygen", again, "--role", "worker", "--name", "w1", "--allow", world.dir)
    assert done.returncode == 1 and "a key of that name is there" in one_line(done)
    done = tailgate("keygen", again, "--role", "worker", "--name", "w2", "--allow", world.site.folder / "none")
    assert done.returncode == 1 and "keygen --gateway" in one_line(done)
    assert not list(world.site.folder.glob("again.cert*"))


@pytest.mark.parametrize("text", [
    "a b c", "  two = 3", "x = \"a\" junk", 'curve\n    public-key = "x', "a\n        deep = 1", "%%%$", "/a = 1", "a/ = 1",
    "curve\n\tpublic-key = 3", "    first = 1", "x" * 2000, "curve\n    secret-key", "\x7f", "a = 1\n    b\n            c = 2"])
def test_file_that_is_no_certificate_is_one_line_and_says_nothing_on_its_own(world, text):
    file = world.site.folder / "odd.cert"
    file.write_text(f"{text}\n")
    done = tailgate("keygen", "--show", file)
    assert done.returncode == 1 and done.stdout == "" and "odd.cert is not used" in one_line(done)


def test_certificate_that_another_program_has_made_is_used(world):
    public, _ = zmq.auth.create_certificates(world.site.folder, "w1", metadata={"name": "w1", "role": "worker"})
    (world.dir / "worker" / "w1.cert").write_text(open(public, encoding="utf8").read())
    world.serve()
    worker = world.worker(world.site.folder / "w1.key")
    wait_for(lambda: world.workers() == 1, "the worker to be there")
    worker.close()


def test_keys_are_never_overwritten(world):
    before = (world.dir / "gateway.cert_secret").read_bytes()
    done = tailgate("keygen", "--gateway", world.dir)
    assert done.returncode == 1 and "never overwritten" in one_line(done)
    assert (world.dir / "gateway.cert_secret").read_bytes() == before
