"""Thousands of connections that want nothing, and handshakes without end: honest workers keep answering, and when
the crowd has gone its descriptors and memory are free again."""

import os
import resource
import signal
import socket
import subprocess
import time

import pytest

from harness import HERE, LONG, PYTHON, TAILGATE_WORK, environment, finished, tailgate, wait_for

DEALERS, MUTE = (2000, 500) if LONG else (150, 150)
CROWD = DEALERS + MUTE
SECONDS = 60 if LONG else 2
MEGABYTE = 1024 * 1024
ROOM = 256 * MEGABYTE  # with a sanitizer, whose quarantine is small here


def descriptors(gateway):
    return len(os.listdir(f"/proc/{gateway.pid}/fd"))


def memory(gateway):
    with open(f"/proc/{gateway.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def tcp_gate(gateway):
    return next(gate for gate in gateway.status()["gateway"]["gates"] if gate.startswith("tcp://"))[6:]


def crowd(site, gate, *words):
    return site.spawn(PYTHON, HERE / "crowd.py", gate, *words, stdin=subprocess.PIPE)


def ask_some(bridge, count=20):
    for message in [bridge.ask(f"question {number}?") for number in range(count)]:
        bridge.reply(message)


def keys(site):
    folder = site.folder / "keys"
    done = tailgate("keygen", "--gateway", folder)
    assert done.returncode == 0, done.stderr
    for role, name in (("client", "guest"), ("worker", "honest")):
        done = tailgate("keygen", site.folder / f"{name}.cert", "--role", role, "--name", name, "--allow", folder)
        assert done.returncode == 0, done.stderr
    return ["--curve", folder]


def certificates(site, door, name="guest"):
    return [site.folder / f"{name}.cert", site.folder / "keys" / "gateway.cert"] if door == "curve" else []


def serve(site, door, **keywords):
    """A gateway with a worker at its tcp door, to which the crowd comes, too."""
    bridge, env = site.bridge(), environment()
    env["ASAN_OPTIONS"] += ":quarantine_size_mb=1:allocator_release_to_os_interval_ms=100"
    gateway = site.serve(bridge, *(keys(site) if door == "curve" else []), "--gate", "tcp://127.0.0.1:*", env=env,
                         **keywords)
    gate = tcp_gate(gateway)
    options = [word for pair in zip(("--cert", "--server-cert"), certificates(site, door, "honest")) for word in pair]
    site.spawn(TAILGATE_WORK, "--gate", f"tcp://{gate}", "--name", "honest", *options, "--echo")
    ask_some(bridge)
    return bridge, gateway, gate


def newcomer(site, gateway, gate, door="plain"):
    """Somebody honest is let in."""
    if door == "curve":
        cert, server_cert = certificates(site, door)
        done = tailgate("status", "--gate", f"tcp://{gate}", "--cert", cert, "--server-cert", server_cert)
        assert done.returncode == 0, done.stderr
        return
    before = gateway.mark()
    late = site.answerer(f"tcp://{gate}", "late", name="late")
    gateway.wait_event("joined", since=before, worker="late")
    late.stop()


@pytest.mark.parametrize("door", ["plain", "curve"])
def test_idle_and_unfinished_connections_hold_up_nobody_and_leave_nothing(site, door):
    bridge, gateway, gate = serve(site, door)
    before, room = descriptors(gateway), memory(gateway) + ROOM
    for _ in range(2):
        guests = crowd(site, gate, "idle", MUTE, DEALERS, *certificates(site, door))
        assert guests.stdout.readline() == "there\n"
        wait_for(lambda: descriptors(gateway) >= before + CROWD * 9 // 10, "the crowd to be there")
        ask_some(bridge)
        newcomer(site, gateway, gate, door)
        assert memory(gateway) < room
        guests.stdin.close()
        wait_for(lambda: descriptors(gateway) <= before + 2, "the descriptors to be free again")
    ask_some(bridge)
    bridge.check_exactly_once(20 * 4)


def test_handshake_that_is_never_finished_is_cut_off(site):
    _, gateway, gate = serve(site, "curve")
    before = descriptors(gateway)
    guests = crowd(site, gate, "idle", 20, 0)
    wait_for(lambda: descriptors(gateway) >= before + 20, "the crowd to be there")
    guests.send_signal(signal.SIGSTOP)  # it opens none again
    wait_for(lambda: descriptors(gateway) <= before, "the gateway to close them")


@pytest.mark.parametrize("door", ["plain", "curve"])
def test_flood_of_broken_handshakes_holds_up_nobody_and_leaves_nothing(site, door):
    bridge, gateway, gate = serve(site, door)
    before, room = descriptors(gateway), memory(gateway) + ROOM
    floods = [crowd(site, gate, "flood", SECONDS) for _ in range(2)]
    asked = 20
    while any(flood.poll() is None for flood in floods):
        ask_some(bridge)
        asked += 20
    assert all(int(finished(flood)) > 100 for flood in floods)
    wait_for(lambda: descriptors(gateway) <= before + 2, "the descriptors to be free again")
    assert memory(gateway) < room
    bridge.check_exactly_once(asked)


def busy(gateway, seconds):
    """The share of one core that it uses meanwhile. A slow machine makes it less, never more."""
    def used():
        with open(f"/proc/{gateway.pid}/stat", encoding="ascii") as stat:
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    before, start = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / (time.monotonic() - start)


@pytest.mark.parametrize("door", ["plain", "curve"])
def test_more_connections_than_descriptors_hold_up_nobody_who_is_there(site, door):
    """Some are kept back for the gateway's own use, and it does not spin; the rest are let in when there is room."""
    most = 200
    bridge, gateway, gate = serve(
        site, door, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
    room = memory(gateway) + ROOM
    guests = crowd(site, gate, "idle", most, most, *certificates(site, door))
    wait_for(lambda: gateway.status()["counters"]["turned_away"] > most, "the gateway to be full")
    assert "LimitNOFILE" in gateway.wait_event("out-of-descriptors")["say"]
    ask_some(bridge)
    assert busy(gateway, 2) < 0.6
    wait_for(lambda: descriptors(gateway) <= most - 20, "the reserve to be free")
    assert memory(gateway) < room
    assert len(gateway.events("out-of-descriptors")) < 10
    guests.stdin.close()
    wait_for(lambda: descriptors(gateway) < most // 2, "room")
    newcomer(site, gateway, gate, door)
    ask_some(bridge)
    bridge.check_exactly_once(60)


def test_more_local_connections_than_descriptors_end_nothing(site):
    most = 200
    bridge, gateway, _ = serve(
        site, "plain", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
    path = gateway.status()["gateway"]["gates"][0][len("ipc://"):]
    lines = []
    for _ in range(2 * most):
        lines.append(socket.socket(socket.AF_UNIX))
        lines[-1].connect(path)
    gateway.wait_event("out-of-descriptors")
    ask_some(bridge)
    for line in lines:
        line.close()
    wait_for(lambda: descriptors(gateway) < most // 2, "room")
    assert gateway.status()["counters"]["turned_away"] >= most
    bridge.check_exactly_once(40)
