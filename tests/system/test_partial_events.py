"""What a worker says before its final answer is published as it says it: in order, numbered, and without secrets.
The observers are bare SUB sockets that read proto/WIRE.md by hand."""

import calendar
import json
import os
import stat
import time

import pytest
import zmq

from harness import WAIT, one_line, tailgate, wait_for
from test_reload import Settings
from test_signals import rate

BUSY = {"heartbeats": True, "interval": 30000}


class Observer:
    """A SUB socket at the events of WHERE (a Bridge or an endpoint). Ready when the gateway knows its topics."""

    def __init__(self, site, gateway, where, *topics, hwm=0):
        endpoint = where if isinstance(where, str) else where.gate.replace("-gate/gate", "-gate/events")
        self.socket = site.context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = hwm
        before = subscriptions(gateway)
        for topic in topics:
            self.socket.subscribe(topic)
        self.socket.connect(endpoint)
        site.workers.append(self.socket)
        wait_for(lambda: subscriptions(gateway) == before + len(topics), "the gateway to hear of the observer")

    def event(self, timeout=WAIT):
        """The next event: (topic, seq, JSON), or None."""
        if not self.socket.poll(timeout * 1000):
            return None
        topic, seq, body = self.socket.recv_multipart()
        event = json.loads(body)
        assert event["seq"] == int(seq) and seq == b"%d" % int(seq)
        return topic.decode(), int(seq), event

    def text(self, count):
        """The texts of the next COUNT events."""
        return [self.event()[2]["text"] for _ in range(count)]

    def silent(self):
        """Nothing comes: what the gateway had published by now would be here."""
        return self.event(timeout=0.5) is None


def subscriptions(gateway):
    return gateway.status()["events"]["subscriptions"]


def counter(gateway, name):
    return gateway.status()["counters"][name]


def given(site, *options, **keywords):
    """A gateway, a busy worker with the query it was given, and whoever asked."""
    bridge = site.bridge()
    gateway = site.serve(bridge, *options, **keywords)
    worker = site.mdp(bridge, "law", name="w1", **BUSY)
    return bridge, gateway, worker


def take(bridge, worker, question="?"):
    message = bridge.ask(question, service="law")
    query = worker.request()
    assert query.id == message
    return query


def test_partials_come_in_order_under_the_conversations_topic(site):
    bridge, gateway, worker = given(site)
    observer = Observer(site, gateway, bridge, b"partial/")
    query = take(bridge, worker)
    for text in ("It is ", "a matter of ", "taste. "):
        worker.partial(query.token, text.encode())
    events = [observer.event() for _ in range(3)]
    assert [topic for topic, _, _ in events] == [f"partial/{bridge.conversation}"] * 3
    assert [seq for _, seq, _ in events] == [1, 2, 3]
    assert [event["text"] for _, _, event in events] == ["It is ", "a matter of ", "taste. "]
    for index, (_, seq, event) in enumerate(events, 1):
        moment = event.pop("time")
        assert abs(time.time() - calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))) < WAIT
        del event["text"]
        assert event == {"event": "partial", "seq": seq, "message_id": query.id, "service": "law", "worker": "w1",
                         "conversation_id": bridge.conversation, "attempt": 1, "index": index,
                         "verified": {"principal": f"uid:{os.getuid()}"}}
    worker.final(query.token, "It is a matter of taste.")
    assert "matter" in bridge.reply(query.id)["text"]
    assert observer.silent()
    assert gateway.status()["events"]["published"] == 3


def test_secret_that_is_split_over_partials_does_not_pass(site):
    bridge, gateway, worker = given(site)
    observer = Observer(site, gateway, bridge, b"partial/")
    query = take(bridge, worker)
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA\n" * 20 + "-----END RSA PRIVATE KEY-----"
    answer = f"The key is AKIAIOSFODNN7EXAMPLE, the pass\u017fword=hunter2 of old; and \u00fc {key} is all."
    body = answer.encode()
    for at in range(0, len(body), 7):
        worker.partial(query.token, body[at:at + 7])
    published = ""
    while not published.endswith("all."):
        published += observer.event()[2]["text"]
    assert published == ("The key is AWS_KEY_REDACTED, the pass\u017fword=hunter2 of old; and \u00fc "
                         "PRIVATE_KEY_REDACTED is all.")
    worker.final(query.token, answer)
    assert published in json.loads(bridge.reply(query.id)["text"])["answer"]


def test_password_does_not_pass_and_what_follows_does(site):
    bridge, gateway, worker = given(site)
    observer = Observer(site, gateway, bridge, b"partial/")
    query = take(bridge, worker)
    for piece in (b"log in with pass", b"word: hun", b"ter2", b", or ask."):
        worker.partial(query.token, piece)
    worker.final(query.token, "done")
    assert observer.text(2) == ["log in with ", "PASSWORD_REDACTED or ask."]
    assert observer.silent()


def test_observer_of_one_conversation_gets_that_one(site):
    bridge, gateway, worker = given(site)
    other = bridge.converse()
    observer = Observer(site, gateway, bridge, b"partial/" + other.encode())
    first = take(bridge, worker)
    worker.partial(first.token, b"not this.")
    worker.final(first.token, "no")
    bridge.ask("?", service="law", conversation=other)
    second = worker.request()
    worker.partial(second.token, b"this.")
    topic, seq, event = observer.event()
    assert (topic, event["text"], seq) == (f"partial/{other}", "this.", 2)


def test_each_attempt_begins_anew(site):
    bridge, gateway, worker = given(site, settings={"backoff.first": "1ms"})
    observer = Observer(site, gateway, bridge, b"partial/")
    query = take(bridge, worker)
    worker.partial(query.token, b"first. secret: x")
    worker.final(query.token, {"type": "error", "error": "no"})
    again = worker.request()
    assert again.attempt == 2
    worker.partial(again.token, b"second.")
    events = [observer.event()[2] for _ in range(2)]
    assert [(event["attempt"], event["index"], event["text"]) for event in events] == [
        (1, 1, "first. "), (2, 1, "second.")]


# Switching it off.

def test_partials_can_be_switched_off_and_on(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "events.partials = off\n")
    worker = site.mdp(bridge, "law", **BUSY)
    observer = Observer(site, settings.gateway, bridge, b"partial/")
    query = take(bridge, worker)
    worker.partial(query.token, b"off.")
    wait_for(lambda: counter(settings.gateway, "partials") == 1, "the partial")
    assert settings.reload("events.partials = on\n") == {"events.partials": "its new value holds from now on"}
    worker.partial(query.token, b"on.")
    assert observer.text(1) == ["on."]
    settings.reload("events.partials = off\n")
    worker.partial(query.token, b"off again.")
    worker.final(query.token, "x")
    bridge.reply(query.id)
    assert observer.silent()
    assert settings.gateway.status()["events"]["published"] == 1


# Who listens, and who does not.

def test_without_observers_nothing_is_published_and_all_goes_on(site):
    bridge, gateway, worker = given(site)
    query = take(bridge, worker)
    for _ in range(100):
        worker.partial(query.token, b"nobody hears this. ")
    worker.final(query.token, "done")
    bridge.reply(query.id)
    assert counter(gateway, "partials") == 100
    assert gateway.status()["events"]["published"] == 0


def test_observer_that_comes_late_hears_how_it_goes_on(site):
    bridge, gateway, worker = given(site)
    query = take(bridge, worker)
    worker.partial(query.token, b"Before. secre")
    wait_for(lambda: counter(gateway, "partials") == 1, "the partial")
    observer = Observer(site, gateway, bridge, b"partial/")
    worker.partial(query.token, b"t: hunter2 After.")
    _, seq, event = observer.event()
    assert (seq, event["index"], event["text"]) == (1, 2, "SECRET_REDACTED After.")


def test_observer_that_does_not_read_loses_events_and_holds_nobody_up(site):
    bridge, gateway, worker = given(site)
    slow = Observer(site, gateway, bridge, b"partial/", hwm=10)
    reader = Observer(site, gateway, bridge, b"partial/")
    query = take(bridge, worker)
    total, batch, text = 10_000, 250, b"." * 4000
    for sent in range(0, total, batch):
        for _ in range(batch):
            worker.partial(query.token, text)
        for index in range(sent, sent + batch):
            assert reader.event()[2]["index"] == index + 1
    worker.final(query.token, "done")
    bridge.reply(query.id)
    found = []
    while (event := slow.event(timeout=0.5)) is not None:
        found.append(event[1])
    assert found[:999] == list(range(1, 1000)), "what was there first, behind the welcome, is whole and in order"
    assert len(found) < total / 2, "nothing bounds what waits for it"
    assert gateway.status()["events"]["published"] == total


def test_observer_that_goes_is_noticed(site):
    bridge, gateway, _ = given(site)
    observer = Observer(site, gateway, bridge, b"partial/", b"dead/")
    assert subscriptions(gateway) == 2
    observer.socket.close(0)
    wait_for(lambda: subscriptions(gateway) == 0, "the gateway to notice that nobody listens")


def test_gateway_that_is_listened_to_does_not_poll(site):
    bridge, gateway, _ = given(site, settings={"heartbeat.interval": "60s"})
    Observer(site, gateway, bridge, b"partial/")
    wait_for(lambda: rate(gateway.pid, 1) < 20, "the gateway to become quiet", timeout=40)
    measured = rate(gateway.pid, 5)
    assert measured < 20, f"{measured:.0f} wake-ups a second while nothing happens"


# After a restart.

def test_answer_whose_beginning_another_run_has_seen_is_not_published(site):
    """The rest of a secret has no beginning by which it would be known."""
    bridge, gateway, worker = given(site, settings={"lease.persist_after": "0ms"})
    Observer(site, gateway, bridge, b"partial/")
    query = take(bridge, worker)
    worker.partial(query.token, b"the password: ")
    wait_for(lambda: counter(gateway, "leases_recorded") == 1, "the lease to be recorded")
    gateway.kill()
    second = site.serve(bridge)
    observer = Observer(site, second, bridge, b"partial/")
    worker = site.mdp(bridge, "law", name="w1", holding=[query.token.decode()], **BUSY)
    second.wait_event("resumed", id=query.id)
    worker.partial(query.token, b"hunter2")
    wait_for(lambda: counter(second, "unfollowed") == 1, "the partial")
    worker.final(query.token, "done")
    bridge.reply(query.id)
    query = take(bridge, worker)
    worker.partial(query.token, b"anew.")
    _, seq, event = observer.event()
    assert (seq, event["message_id"], event["text"]) == (1, query.id, "anew.")


def test_answer_that_was_interrupted_is_not_published_any_more(site):
    """What its worker said while nobody heard it may have been the first half of a secret."""
    bridge, gateway, worker = given(site, settings={"backoff.first": "1h", "backoff.max": "1h"})
    observer = Observer(site, gateway, bridge, b"partial/")
    query = take(bridge, worker)
    worker.partial(query.token, b"Before. ")
    assert observer.text(1) == ["Before. "]
    worker.close()
    gateway.wait_event("retry", id=query.id)
    worker = site.mdp(bridge, "law", name="w1", holding=[query.token.decode()], **BUSY)
    gateway.wait_event("resumed", id=query.id)
    worker.partial(query.token, b"hunter2")
    worker.final(query.token, "done")
    bridge.reply(query.id)
    assert observer.silent()
    assert counter(gateway, "unfollowed") == 1


# Where it is.

@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_socket_is_as_open_as_the_gate(site, mode):
    bridge = site.bridge()
    os.chmod(bridge.path, mode)
    site.serve(bridge)
    folder = f"{bridge.path}-gate"
    gate, events = (stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode) for name in ("gate", "events"))
    assert events == gate
    assert events & (0o007 if mode == 0o640 else 0o077) == 0


def test_lock_file_and_status_name_the_endpoints(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--events", "tcp://127.0.0.1:*", "--events", f"ipc://{site.folder}/more")
    first = f"ipc://{os.path.realpath(bridge.path)}-gate/events"
    with open(f"{bridge.path}-gate/lock", encoding="utf-8") as lock:
        assert f"events {first}\n" in lock.readlines()
    endpoints = gateway.status()["events"]["endpoints"]
    assert (endpoints[0], endpoints[2]) == (first, f"ipc://{site.folder}/more")
    assert endpoints[1].startswith("tcp://127.0.0.1:") and not endpoints[1].endswith((":0", ":*"))


def test_every_endpoint_has_every_event(site):
    bridge, gateway, worker = given(site, "--events", "tcp://127.0.0.1:*")
    observers = [Observer(site, gateway, endpoint, b"partial/") for endpoint in gateway.status()["events"]["endpoints"]]
    query = take(bridge, worker)
    worker.partial(query.token, b"for all.")
    assert [observer.event()[1] for observer in observers] == [1, 1]


@pytest.mark.parametrize("endpoint,word", [("tcp://0.0.0.0:0", "--insecure"), ("tcp://example.org:5555", "--insecure"),
                                           ("inproc://events", "--events"), ("ipc://@abstract", "--events"),
                                           (f"ipc:///tmp/{'x' * 110}", "107")])
def test_endpoint_that_may_not_be_is_refused_by_name(site, endpoint, word):
    done = tailgate("serve", "--db", site.bridge().path, "--events", endpoint)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert word in one_line(done)


def test_insecure_opens_events_to_others_and_says_so(site):
    gateway = site.serve(site.bridge(), "--insecure", "--events", "tcp://0.0.0.0:*")
    assert gateway.wait_event("insecure")["events"] == "tcp://0.0.0.0:*"
    assert gateway.status()["events"]["endpoints"][1].startswith("tcp://0.0.0.0:")


def test_endpoint_that_cannot_be_bound_is_one_line(site):
    bridge = site.bridge()
    path = site.folder / "file"
    path.write_text("mine")
    done = tailgate("serve", "--db", bridge.path, "--events", f"ipc://{path}")
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert str(path) in one_line(done) and path.read_text() == "mine"


def test_path_that_is_too_long_for_events_alone_is_told_and_served(site):
    """The gate's path has 107 bytes, which is all that a socket may have."""
    folder = site.folder / ("e" * (107 - len(str(site.folder)) - len("//b-gate/gate")))
    folder.mkdir()
    bridge = site.bridge(folder / "b")
    gateway = site.serve(bridge)
    assert "--events" in gateway.wait_event("no-events")["say"]
    assert gateway.status()["events"]["endpoints"] == []
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    gateway.stop()
    again = site.serve(bridge, "--events", f"ipc://{site.folder}/e")
    assert again.status()["events"]["endpoints"] == [f"ipc://{site.folder}/e"]


@pytest.mark.parametrize("command", ["final", "partial"])
def test_what_is_said_of_a_row_that_has_become_another_one_is_refused(site, command):
    """An answer at once; a part, whose row is not read each time, soon."""
    bridge, gateway, worker = given(site)
    query = take(bridge, worker)
    worker.partial(query.token, b"part")
    wait_for(lambda: counter(gateway, "partials") == 1, "the first part")
    bridge.run("UPDATE messages SET message = ? WHERE id = ?", "another text", query.id)

    def refused():
        if command == "partial":
            worker.partial(query.token, b"part")
        return counter(gateway, "refused_forged") > 0
    if command == "final":
        worker.final(query.token, "the answer to what it was")
    wait_for(refused, "its refusal")
    assert counter(gateway, "answered") == 0
    parts = counter(gateway, "partials")
    worker.partial(query.token, b"part")
    wait_for(lambda: counter(gateway, "refused_forged") + counter(gateway, "refused_past") > 1, "another refusal")
    assert command == "final" or counter(gateway, "partials") == parts
