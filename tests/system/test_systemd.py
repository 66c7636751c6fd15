"""What systemd is told: READY when a client can come, how the gateway is, reloading and stopping; and that the
watchdog hears from it while loop and committer get on, and only then."""

import shutil
import time

import pytest

import locker
from harness import BUILD, environment, tailgate, wait_for
from keys import World
from manager import Manager

STALL = BUILD / "tests" / "system" / "stall" / "libtailgate-stall.so"
WATCHDOG = 0.5  # seconds


@pytest.fixture
def manager(site):
    manager = Manager(site.folder)
    yield manager
    manager.close()


def test_ready_is_told_when_a_client_can_come(site, manager):
    bridge = site.bridge()
    held = locker.lock(site, bridge, "COMMIT")
    gateway = site.serve(bridge, wait=False, env=manager.environment())
    gateway.wait_event("waiting")
    assert not manager.messages(), "it is not ready while it cannot read"
    locker.release(held)
    assert manager.wait(READY="1")["STATUS"] == "serving"
    done = tailgate("status", "--db", bridge.path)
    assert done.returncode == 0, done.stderr


def test_standby_is_ready_and_then_serves(site, manager):
    bridge = site.bridge()
    first = site.serve(bridge)
    site.serve(bridge, "--standby", wait=False, env=manager.environment(WATCHDOG))
    manager.wait(READY="1", STATUS="standby*")
    beats = manager.beats()
    wait_for(lambda: manager.beats() >= beats + 2, "it to beat while it waits")
    first.kill()
    manager.wait(READY="1", STATUS="serving")


def test_waiting_for_a_bridge_holds_up_no_boot(site, manager):
    site.serve(site.folder / "later.db", wait=False, env=manager.environment())
    manager.wait(READY="1", STATUS="waiting until there is a bridge")
    assert tailgate("init", site.folder / "later.db").returncode == 0
    manager.wait(READY="1", STATUS="serving")


def test_reloading_and_stopping_are_told(site, manager):
    bridge = site.bridge()
    gateway = site.serve(bridge, env=manager.environment(), settings={"drain.timeout": "7s"})
    manager.wait(READY="1")
    before = len(manager.messages())
    gateway.signal(1)
    reloading = manager.wait(RELOADING="1", since=before)
    assert 0 < int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    at = manager.messages().index(reloading)
    manager.wait(READY="1", since=at + 1)
    gateway.stop()
    stopping = manager.wait(STOPPING="1")
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 7_000_000
    assert not [message for message in manager.messages()[at + 1:] if "RELOADING" in message]


def test_status_is_told_when_it_has_changed(site, manager):
    bridge = site.bridge()
    site.serve(bridge, env=manager.environment())
    manager.wait(READY="1")
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    manager.wait(STATUS="serving: 1 answered, 0 in flight, 0 waiting, 1 workers")
    assert manager.beats() == 0, "nobody has asked for beats"
    told = [message["STATUS"] for message in manager.messages() if "STATUS" in message]
    assert all(one != other for one, other in zip(told, told[1:])), told


def test_the_watchdog_hears_nothing_while_a_commit_hangs(site, manager):
    bridge = site.bridge()
    hang = site.folder / "hang"
    gateway = site.serve(bridge, env=manager.environment(WATCHDOG, LD_PRELOAD=str(STALL), TAILGATE_STALL=str(hang)))
    site.answerer(bridge)
    bridge.reply(bridge.ask("before"))
    hang.touch()
    message = bridge.ask("a disk that hangs")

    def is_silent():
        beats = manager.beats()
        time.sleep(3 * WATCHDOG)
        return manager.beats() == beats
    wait_for(is_silent, "the beats to stop")
    assert gateway.running() and gateway.status()["gateway"], "the loop goes on meanwhile"
    hang.unlink()
    beats = manager.beats()
    wait_for(lambda: manager.beats() > beats, "the beats to come back")
    bridge.reply(message)
    gateway.kill()  # it would leave the lock to the guests for as long as that commit has held it


def test_the_watchdog_hears_from_a_gateway_that_waits_for_a_guest(site, manager):
    """A guest that stands still in its transaction is no reason to restart the gateway."""
    bridge = site.bridge()
    gateway = site.serve(bridge, env=manager.environment(WATCHDOG))
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    query = worker.request()
    held = locker.lock(site, bridge, "COMMIT")
    worker.final(query.token, {"answer": "!"})
    gateway.wait_event("not-committing", state="locked")
    beats = manager.beats()
    wait_for(lambda: manager.beats() >= beats + 5, "five more beats")
    assert not bridge.replies()
    locker.release(held)
    bridge.reply(message)


def test_the_key_of_a_gateway_may_be_a_credential(site):
    """LoadCredential= hands it over in a folder; where it lies it cannot be read."""
    world = World(site)
    credentials = site.folder / "credentials"
    credentials.mkdir()
    shutil.move(world.dir / "gateway.cert_secret", credentials)
    world.gateway = site.serve(world.bridge, "--curve", world.dir, "--gate", "tcp://127.0.0.1:*",
                               env=environment(CREDENTIALS_DIRECTORY=str(credentials)))
    assert any(door["security"] == "curve" for door in world.gateway.status()["gateway"]["doors"])


def test_a_credential_that_is_none_leaves_the_key_where_it_was(site):
    world = World(site)
    credentials = site.folder / "credentials"
    credentials.mkdir()
    (credentials / "gateway.cert_secret").write_text("#\n")
    (credentials / "gateway.cert_secret").chmod(0o400)
    site.serve(world.bridge, "--curve", world.dir, "--gate", "tcp://127.0.0.1:*",
               env=environment(CREDENTIALS_DIRECTORY=str(credentials)))


def test_settings_that_may_be_there_are_read_when_they_are(site):
    path = site.folder / "maybe.cfg"
    bridge = site.bridge()
    gateway = site.serve(bridge, "--try-config", path)
    path.write_text("attempts = 3\n")
    gateway.signal(1)
    gateway.wait_event("reload", key="attempts")
    path.write_text("attempts = many\n")
    done = tailgate("serve", "--db", bridge.path, "--try-config", path)
    assert done.returncode == 2 and "attempts" in done.stderr
