"""Which endpoints the gate opens, and which it refuses."""

import pytest

from harness import one_line, tailgate


@pytest.mark.parametrize("endpoint", ["tcp://*:0", "tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://192.0.2.1:5555",
                                      "tcp://example.org:5555", "tcp://eth0:5555", "tcp://127.0.0.1.example:1"])
def test_endpoint_beyond_this_host_is_refused_without_insecure(site, endpoint):
    bridge = site.bridge()
    done = tailgate("serve", "--db", bridge.path, "--gate", endpoint)
    assert done.returncode in (1, 2), (done.returncode, done.stderr)
    assert "--insecure" in one_line(done)


@pytest.mark.parametrize("endpoint", ["inproc://gate", "ipc://@abstract", "tcp://127.0.0.1", "udp://127.0.0.1:1",
                                      "gate", "", "tcp://", "ipc://"])
def test_endpoint_of_another_kind_is_refused_even_with_insecure(site, endpoint):
    bridge = site.bridge()
    done = tailgate("serve", "--db", bridge.path, "--insecure", "--gate", endpoint)
    assert done.returncode in (1, 2), (done.returncode, done.stderr)
    one_line(done)


def tcp_port(gateway):
    """The port that the system chose for the gateway's tcp endpoint."""
    gates = gateway.status()["gateway"]["gates"]
    return next(gate for gate in gates if gate.startswith("tcp://")).rsplit(":", 1)[1]


def test_loopback_tcp_is_allowed_and_serves(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:*")
    port = tcp_port(gateway)
    assert port != "0"
    site.answerer(f"tcp://127.0.0.1:{port}")
    bridge.reply(bridge.ask("?"))
    bridge.check_exactly_once(1)


def test_insecure_opens_what_it_says(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--insecure", "--gate", "tcp://0.0.0.0:*")
    port = tcp_port(gateway)
    site.answerer(f"tcp://127.0.0.1:{port}")
    bridge.reply(bridge.ask("?"))


def test_several_gates_serve_together_with_the_default_one(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--gate", f"ipc://{site.folder}/one", "--gate", f"ipc://{site.folder}/two",
                         "--gate", "tcp://127.0.0.1:*")
    port = tcp_port(gateway)
    gates = {"zero": bridge.gate, "one": f"ipc://{site.folder}/one", "two": f"ipc://{site.folder}/two",
             "three": f"tcp://127.0.0.1:{port}"}
    for name, gate in gates.items():
        site.answerer(gate, name, name=name)
    for name in gates:
        assert bridge.reply(bridge.ask("?", service=name))["metadata"]["worker"] == name
    bridge.check_exactly_once(4)


def test_late_answer_counts_through_whatever_gate_it_comes(site):
    """The token is the proof, not the door."""
    bridge = site.bridge()
    site.serve(bridge, "--gate", f"ipc://{site.folder}/one")
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    query = worker.request()
    other = site.mdp(f"ipc://{site.folder}/one", ready=False)
    other.final(query.token, "by the other door")
    assert "by the other door" in bridge.reply(message)["text"]
    bridge.check_exactly_once(1)


def test_gate_that_cannot_be_bound_is_one_line(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--gate", "tcp://127.0.0.1:*")
    port = tcp_port(gateway)
    second = site.bridge("second.db")
    done = tailgate("serve", "--db", second.path, "--gate", f"tcp://127.0.0.1:{port}")
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert port in one_line(done)
