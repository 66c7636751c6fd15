"""What --rep may name, and what is not a REP socket although one was expected."""

import pytest
import zmq

import ledger
from harness import one_line, tailgate, wait_for
from rep import Fake, name_of, serve, states


# What is not a REP.

MALFORMED = {
    "no token": lambda peer, token: [peer, b"", b"answer"],
    "no empty frame": lambda peer, token: [peer, token, b"answer"],
    "nothing behind the empty frame": lambda peer, token: [peer, token, b""],
    "a token that is none": lambda peer, token: [peer, token + b"x", b"", b"answer"],
    "two frames before the empty one": lambda peer, token: [peer, token, token, b"", b"answer"],
    "too many frames": lambda peer, token: [peer, token, b"", *[b"x"] * 62 + [b"x"]],
    "far too many frames": lambda peer, token: [peer, token, b"", *[b"x"] * 500],
    "too large": lambda peer, token: [peer, token, b"", b"x" * (9 << 20), b"x" * (9 << 20)],
}


@pytest.mark.parametrize("what", MALFORMED)
def test_reply_that_is_malformed_expels_it_and_it_is_dialled_again(site, what):
    bridge = site.bridge()
    fake = Fake(site)
    gateway = serve(site, bridge, fake)
    message = bridge.ask("?")
    peer, token, _ = fake.request()
    fake.send(*MALFORMED[what](peer, token))
    told = gateway.wait_event("rep-expelled")
    assert told["endpoint"] == fake.endpoint
    assert ("too many" if "too many" in what else "too large" if "large" in what else "begin with") in told["why"]
    peer, token, query = fake.request()  # by a connection of its own
    assert query["delivery"]["attempt"] == 2
    fake.send(peer, token, b"", b"well formed")
    assert "well formed" in bridge.reply(message)["text"]
    assert ledger.counters(gateway)["bad_frames"] == 1
    bridge.check_exactly_once(1)


def test_reply_with_a_token_that_we_did_not_make_is_refused(site):
    bridge = site.bridge()
    fake = Fake(site)
    gateway = serve(site, bridge, fake)
    message = bridge.ask("?")
    peer, token, _ = fake.request()
    fake.send(peer, token[:-22] + b"A" * 22, b"", b"forged")
    gateway.wait_event("refused", why="forged", id=message)
    assert not bridge.replies()


def test_socket_that_echoes_is_not_an_answer(site):
    """A DEALER: our own, where TCP has connected it with itself."""
    bridge = site.bridge()
    dealer = site.context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.bind(site.rep_endpoint())
    site.workers.append(dealer)
    gateway = serve(site, bridge, site.rep_endpoint())
    message = bridge.ask("?")
    assert dealer.poll(60_000)
    dealer.send_multipart(dealer.recv_multipart())
    assert "not a REP" in gateway.wait_event("rep-expelled")["why"]
    dealer.close()
    site.answerer(bridge, name="rescuer")
    assert bridge.reply(message)["metadata"]["worker"] == "rescuer"


def test_socket_of_another_kind_is_told_once_and_dialled_with_pauses(site):
    bridge = site.bridge()
    pub = site.context.socket(zmq.PUB)
    site.workers.append(pub)
    pub.bind(site.rep_endpoint())
    gateway = serve(site, bridge, site.rep_endpoint(), joined=False)
    gateway.wait_event("rep-refused")
    wait_for(lambda: states(gateway) == ["waiting"], "the pause")
    pub.close()
    message = bridge.ask("?")
    rep = site.rep()
    rep.serve()
    bridge.reply(message)
    assert len(gateway.events("rep-refused")) == 1


# The word.

@pytest.mark.parametrize("word", ["tcp://192.0.2.1:5555", "tcp://example.org:5555", "tcp://eth0:5555,service=law",
                                  "tcp://127.0.0.1.example:1"])
def test_rep_on_another_host_is_refused_without_insecure(site, word):
    bridge = site.bridge()
    done = tailgate("serve", "--db", bridge.path, "--rep", word)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "--insecure" in one_line(done)


def test_rep_on_another_host_is_dialled_with_insecure(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--insecure", "--rep", "tcp://localhost.localdomain.invalid:5555")
    assert "in clear" in gateway.wait_event("insecure")["say"]
    assert states(gateway) == ["down"]


@pytest.mark.parametrize("word", ["inproc://rep", "ipc://@abstract", "ipc://", "tcp://127.0.0.1", "tcp://127.0.0.1:*",
                                  "tcp://127.0.0.1:0", "tcp://*:5555", "udp://127.0.0.1:1", "rep", "", ",service=law",
                                  "ipc://rep,service=", "ipc://rep,service=" + "x" * 101, "ipc://rep,service=a\tb",
                                  "ipc:///" + "x" * 108, "ipc:///" + "x" * 1000])
def test_word_that_cannot_be_dialled_is_refused_even_with_insecure(site, word):
    bridge = site.bridge()
    done = tailgate("serve", "--db", bridge.path, "--insecure", "--rep", word)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "--rep" in one_line(done)


def test_sixty_four_can_be_dialled_and_no_more(site):
    bridge = site.bridge()
    reps = [site.rep_endpoint(f"r{n}") for n in range(65)]
    words = [word for rep in reps for word in ("--rep", rep)]
    done = tailgate("serve", "--db", bridge.path, *words)
    assert done.returncode == 2 and "64" in one_line(done)
    last = site.rep(reps[63])
    gateway = serve(site, bridge, *reps[:64], joined=False)
    message = bridge.ask("?")
    last.serve()
    assert bridge.reply(message)["metadata"]["worker"] == name_of(last)
    assert [rep["endpoint"] for rep in gateway.status()["reps"]] == reps[:64]
    bridge.check_exactly_once(1)
