"""SIGHUP: a running gateway reads its settings file again, takes over what it can, and says what it cannot."""

import os
import signal
import time

import pytest

import ledger
import writer
from harness import wait_for
from test_control import service

HELD = {"heartbeats": True, "interval": 30000}
START = "attempts = 5\nbackoff.first = 1ms\n"


class Settings:
    """A settings file and the gateway that was started with it."""

    def __init__(self, site, bridge, text=START, *options, **keywords):
        self.path = site.folder / "tailgate.cfg"
        self.path.write_text(text)
        # The harness's own --set would win over the file.
        self.gateway = site.serve(bridge, "-c", self.path, *options, **keywords)

    def reload(self, text=None):
        """SIGHUP, after TEXT was written; returns what the gateway says of it: {key: say}."""
        if text is not None:
            self.path.write_text(text)
        return reload(self.gateway)


def reload(gateway):
    since = len(gateway.events("reload"))
    gateway.signal(signal.SIGHUP)
    wait_for(lambda: len(gateway.events("reload")) > since, "the gateway to say that it reloads")
    gateway.status()  # its lines are all out when it answers
    return {entry.get("key"): entry.get("why", entry["say"]) for entry in gateway.events("reload")[since:]}


def fail(worker, query=None):
    query = query or worker.request()
    worker.final(query.token, {"type": "error", "error": "no"})
    return query


def die(bridge, worker, attempts, **keywords):
    """A query whose every attempt fails is dead after so many."""
    message = bridge.ask("?", **keywords)
    for attempt in range(1, attempts + 1):
        query = fail(worker)
        assert (query.id, query.attempt) == (message, attempt)
    reply = bridge.reply(message)["metadata"]
    assert reply["dead"] and reply["attempt"] == attempts


# What holds from then on.

def test_attempts_hold_from_then_on(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "attempts = 3\nbackoff.first = 1ms\n")
    worker = site.mdp(bridge, **HELD)
    die(bridge, worker, 3)
    assert settings.reload("attempts = 1\nbackoff.first = 1ms\n") == {"attempts": "its new value holds from now on"}
    die(bridge, worker, 1)
    settings.reload("attempts = 2\nbackoff.first = 1ms\n")
    die(bridge, worker, 2)


def test_attempts_hold_for_what_waits_and_what_is_in_flight(site):
    bridge = site.bridge()
    settings = Settings(site, bridge)
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("?")
    query = worker.request()
    settings.reload("attempts = 1\n")
    fail(worker, query)
    assert bridge.reply(message)["metadata"]["dead"]


def test_backoff_holds_from_then_on(site):
    """The first pause would outlast the test."""
    bridge = site.bridge()
    settings = Settings(site, bridge, "backoff.first = 1h\nbackoff.max = 1h\n")
    worker = site.mdp(bridge, **HELD)
    told = settings.reload("backoff.first = 1ms\nbackoff.max = 2ms\n")
    assert set(told) == {"backoff.first", "backoff.max"}
    message = bridge.ask("?")
    fail(worker)
    query = worker.request()
    assert (query.id, query.attempt) == (message, 2)
    worker.final(query.token, "yes")
    bridge.reply(message)


def test_lease_holds_from_then_on(site):
    bridge = site.bridge()
    settings = Settings(site, bridge)
    settings.reload("backoff.first = 1ms\nlease = 200ms\n")
    worker = site.mdp(bridge)  # no heartbeats: its lease is all there is
    message = bridge.ask("?")
    worker.request()
    settings.gateway.wait_event("retry", id=message)


def test_rules_of_one_service_come_and_go(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, START)
    render, law = site.mdp(bridge, "render", **HELD), site.mdp(bridge, "law", **HELD)
    die(bridge, render, 5, service="render")
    assert settings.reload(START + "service.render.attempts = 2\n") == {
        "service.render.attempts": "its new value holds from now on"}
    die(bridge, render, 2, service="render")
    die(bridge, law, 5, service="law")
    settings.reload(START + "service.render.attempts = 1\nservice.law.attempts = 1\n")
    die(bridge, render, 1, service="render")
    die(bridge, law, 1, service="law")
    settings.reload(START)
    die(bridge, render, 5, service="render")


def test_service_with_dots_and_blanks_in_its_name_has_rules_of_its_own(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, START)
    for name in ("a.b.c", "v1.attempts", "lease"):
        worker = site.mdp(bridge, name, **HELD)
        settings.reload(START + f"service.{name}.attempts = 2\n")
        die(bridge, worker, 2, service=name)
        worker.disconnect()
    spaced = site.mdp(bridge, "two words", **HELD)
    again = site.serve(site.bridge("other.db"), "--set", "service.two words.attempts=1")
    assert again.running()
    spaced.disconnect()


def test_word_on_the_command_line_still_wins_over_the_file(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, START, settings={"attempts": 1})
    worker = site.mdp(bridge, **HELD)
    assert settings.reload(START.replace("5", "3")) == {None: "nothing has changed"}
    die(bridge, worker, 1)


def test_order_holds_for_what_waits_already(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "order = fair\n")
    one, two = bridge.conversation, bridge.converse()
    order = [bridge.ask(f"{n}?", conversation=conversation) for conversation in (one, two) for n in range(4)]
    wait_for(lambda: (service(settings.gateway, "default") or {}).get("backlog") == 8, "the queries")
    settings.reload("order = fifo\n")
    worker = site.mdp(bridge, **HELD)
    seen = []
    for _ in order:
        query = worker.request()
        seen.append(query.id)
        worker.final(query.token, "yes")
    assert seen == order


def test_presence_can_be_switched_on(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "presence = off\n")
    site.answerer(bridge)
    bridge.reply(bridge.ask("off?"))
    assert ledger.status_of(bridge) is None
    settings.reload("presence = on\n")
    bridge.reply(bridge.ask("on?"))
    wait_for(lambda: ledger.status_of(bridge), "a heartbeat of the served session")


def test_presence_can_be_switched_off(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "presence = on\n")
    site.answerer(bridge)
    bridge.reply(bridge.ask("on?"))
    wait_for(lambda: ledger.status_of(bridge), "a heartbeat of the served session")
    settings.reload("presence = off\n")
    other = bridge.converse()
    bridge.reply(bridge.ask("off?", conversation=other))
    settings.gateway.stop()
    assert ledger.status_of(bridge, other) is None


def test_sessions_of_living_agents_are_served_from_then_on(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "serve.agents = leave\n")
    ledger.set_status(bridge, "working", age=1)
    site.answerer(bridge)
    left = bridge.ask("left?")
    settings.gateway.wait_event("left-alone", id=left)
    settings.reload("serve.agents = serve\n")
    bridge.reply(bridge.ask("served?"))
    assert bridge.row(left)["read"] == 0


def test_drain_timeout_holds_from_then_on(site):
    bridge = site.bridge()
    path = site.folder / "tailgate.cfg"
    path.write_text("drain.timeout = 1h\n")
    # Without the harness's own drain.timeout, which would win.
    gateway = site.program("serve", "--db", bridge.path, "-c", path, "--log-format", "json")
    gateway.wait_event("serving")
    worker = site.mdp(bridge, **HELD)
    bridge.ask("never answered?")
    worker.request()
    path.write_text("drain.timeout = 100ms\n")
    gateway.signal(signal.SIGHUP)
    gateway.wait_event("reload", key="drain.timeout")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0


def test_smaller_window_applies_to_what_comes(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "backlog.window = 1000\n")
    bridge.ask_many(f"{n}?" for n in range(200))
    wait_for(lambda: (service(settings.gateway, "default") or {}).get("in_memory") == 200, "the queries")
    settings.reload("backlog.window = 10\n")
    bridge.ask_many(f"{n}?" for n in range(100))
    wait_for(lambda: service(settings.gateway, "default")["backlog"] == 300, "the other queries")
    assert service(settings.gateway, "default")["in_memory"] <= 200
    site.answerer(bridge)
    bridge.wait_replies(300)
    bridge.check_exactly_once(300)


def test_reload_says_what_was_and_what_is(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, START + "commit.duty = 40\nservice.law.order = fifo\n")
    settings.reload("commit.duty = 30\nlease = 90s\nservice.render.attempts = 2\n")
    told = {entry["key"]: (entry["was"], entry["now"], entry["say"].split(" ")[-2:])
            for entry in settings.gateway.events("reload")}
    now, restart = ["now", "on"], ["restart", "only"]
    assert told == {"commit.duty": ("40", "30", restart), "lease": ("10m", "90s", now),
                    "backoff.first": ("1ms", "1s", now), "service.law.order": ("fifo", "fair", now),
                    "service.render.attempts": ("5", "2", now)}, "also of keys that went away"


# What does not.

@pytest.mark.parametrize("line", ["commit.duty = 20", "commit.group = 10", "commit.queue = 77", "claim = dispatch",
                                  "lease.persist_after = 1s", "heartbeat.interval = 1s", "restart.grace = 1s",
                                  "serve.session = c", "park.after = 5s"])
def test_what_needs_a_restart_is_said_each_time_and_does_not_hold(site, line):
    bridge = site.bridge()
    settings = Settings(site, bridge)
    key = line.split(" ")[0]
    for _ in range(2):
        told = settings.reload(START + line + "\nattempts = 4\n")
        assert "after a restart" in told.pop(key)
        told.pop("attempts", None)
        assert not told
    site.answerer(bridge)
    bridge.reply(bridge.ask("as before?"))
    settings.gateway.stop()
    again = site.serve(bridge, "-c", settings.path)
    assert reload(again) == {None: "nothing has changed"}


@pytest.mark.parametrize("text, why", [
    ("attempts = many\n", "attempts"),
    ("attempts = 0\n", "attempts"),
    ("attempts = 99999999999999999999\n", "attempts"),
    ("atempts = 3\n", "did you mean attempts"),
    ("backoff.first = 1 parsec\n", "backoff.first"),
    ("order = random\n", "fair|fifo|conversation"),
    ("service.render.commit.duty = 3\n", "service.render.commit.duty"),
    ("service.attempts = 3\n", "service.attempts"),
    ("attempts = 1\norder = random\n", "order"),
    ("no equals sign at all\n", "ZPL"),
    ("   attempts = 1\n", "ZPL"),
])
def test_broken_file_changes_nothing_and_says_why(site, text, why):
    bridge = site.bridge()
    settings = Settings(site, bridge, "attempts = 2\nbackoff.first = 1ms\n")
    worker = site.mdp(bridge, **HELD)
    told = settings.reload(text)
    assert list(told) == [None] and why in told[None], told
    entry = settings.gateway.events("reload")[-1]
    assert entry["level"] == "error" and "nothing was changed" in entry["say"]
    assert settings.gateway.status()["counters"]["reloads_refused"] == 1
    die(bridge, worker, 2)
    assert settings.reload("attempts = 1\n").keys() == {"attempts", "backoff.first"}, "mended, it is taken"
    die(bridge, worker, 1)


@pytest.mark.parametrize("kind", ["gone", "folder", "unreadable", "binary", "device", "pipe", "deep",
                                  "long", "endless", "nul"])
def test_file_that_cannot_be_read_changes_nothing(site, kind):
    if kind == "unreadable" and os.geteuid() == 0:
        kind = "gone"  # root reads everything
    bridge = site.bridge()
    settings = Settings(site, bridge, "attempts = 1\n")
    path = settings.path
    if kind in ("gone", "folder", "device", "pipe"):
        path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "unreadable":
        path.chmod(0)
    elif kind == "binary":
        path.write_bytes(os.urandom(65536))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)  # nobody writes into it
    elif kind == "endless":
        path.write_text("# padding\n" * 200000 + "attempts = 3\n")
    elif kind == "nul":
        path.write_bytes(b"attempts = 3\n\0\n")
    elif kind == "deep":
        path.write_text("".join(f"{'    ' * n}s{n}\n" for n in range(200)) + "    " * 200 + "attempts = 3\n")
    elif kind == "long":
        path.write_text("attempts = " + "9" * 100000 + "\n")
    told = settings.reload()
    assert list(told) == [None] and "nothing" not in told[None], told
    die(bridge, site.mdp(bridge, **HELD), 1)


def test_empty_file_says_the_defaults(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, "attempts = 1\nbackoff.first = 1ms\n")
    assert set(settings.reload("")) == {"attempts", "backoff.first"}
    assert set(settings.reload("# nothing\n")) == {None}


def test_without_a_file_nothing_has_changed(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"attempts": 1})
    assert reload(gateway) == {None: "nothing has changed"}
    die(bridge, site.mdp(bridge, **HELD), 1)


def test_hostile_text_of_the_file_reaches_the_log_escaped(site):
    bridge = site.bridge()
    settings = Settings(site, bridge)
    settings.path.write_bytes(b"attempts = \"\x1b[2J\x07\xff\xfe\"\n")
    told = settings.reload()
    assert list(told) == [None]
    assert "\x1b" not in settings.gateway.stderr.lines[-1]


def test_sighup_while_draining_does_not_stop_it_at_once(site):
    bridge = site.bridge()
    settings = Settings(site, bridge, START, settings={"drain.timeout": "60s"})
    worker = site.mdp(bridge, **HELD)
    message = bridge.ask("?")
    query = worker.request()
    settings.gateway.signal(signal.SIGTERM)
    settings.gateway.wait_event("draining")
    settings.reload()
    worker.final(query.token, "just in time")
    assert settings.gateway.wait() == 0
    bridge.reply(message)


def test_many_reloads_under_load_lose_and_double_nothing(site):
    """Windows, orders and rules change all the time while queries come, wait, fail and are answered."""
    bridge = site.bridge()
    texts = ["backlog.window = 20\norder = conversation\nservice.s1.order = fifo\nattempts = 900\n"
             "backoff.first = 1ms\nbackoff.max = 3ms\nservice.s2.backlog.window = 3\n",
             "backlog.window = 3\norder = fifo\nattempts = 900\nbackoff.first = 1ms\nbackoff.max = 2ms\n",
             "backlog.window = 500\norder = fair\nattempts = 900\nbackoff.first = 2ms\nbackoff.max = 2ms\n"
             "service.s0.order = conversation\nservice.s0.backlog.window = 1\n",
             "order = random\n"]
    settings = Settings(site, bridge, texts[0])
    conversations = [bridge.conversation, bridge.converse(), bridge.converse()]
    count = 600
    db = writer.connect(str(bridge.path))
    for n in range(count):
        writer.insert(db, conversations[n % 3], "a", writer.query(f"{n}", f"q{n}", service=f"s{n % 4}"))
    db.commit()
    db.close()

    def answer(query):
        if query.attempt == 1 and query.id % 7 == 0:
            return {"type": "error", "error": "not yet"}
        return "yes"
    site.answerer(bridge, answer=answer, slots=5)
    site.answerer(bridge, service="s1", answer=answer, slots=3, name="second")
    rounds, written = 0, writer_of(site, bridge, conversations[1])
    with bridge.reading() as db:
        while rounds < 40 or written.poll() is None:
            settings.path.write_text(texts[rounds % len(texts)])
            settings.gateway.signal(signal.SIGHUP)
            rounds += 1
            time.sleep(0.01)  # signals that come together are one
            db.execute("SELECT 1").fetchone()
    settings.path.write_text(texts[0])
    settings.reload()
    bridge.wait_replies(count + 100)
    bridge.check_exactly_once(count + 100)


def writer_of(site, bridge, conversation):
    return site.writer(bridge, conversation=conversation, count=100, name="w", pause=0.005)
