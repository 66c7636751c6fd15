"""`tailgate status`: what a person and a machine are told, with a gateway and without."""

import json

import pytest

from harness import find_member, tailgate, wait_for


def status(bridge, *words):
    return tailgate("status", "--db", bridge.path, *words)


def test_backlog_in_flight_workers_and_totals_are_told(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    answerer = site.answerer(bridge, "quick", name="q1")
    for n in range(3):
        bridge.reply(bridge.ask(f"{n}?", service="quick"))
    held = site.mdp(bridge, "slow", name="s1", heartbeats=True, interval=30000)
    for n in range(4):
        bridge.ask(f"{n}?", service="slow")
    query = held.request()

    def seen():  # the counts follow what the file shows, and may be 100 ms old
        told = gateway.status()
        slow = [service for service in told["services"] if service["name"] == "slow"]
        return told if find_member(told, "committed") == 3 and slow and slow[0]["backlog"] == 3 else None
    told = wait_for(seen, "the backlog to be seen")
    text = json.dumps(told)
    for word in ("quick", "slow", "q1", "s1", str(gateway.pid)):
        assert word in text, f"{word} is missing in {text}"
    workers = find_member(told, "workers")
    by_name = {worker["name"]: worker for worker in workers}
    assert by_name["q1"]["service"] == "quick" and by_name["q1"]["served"] == 3
    assert by_name["s1"]["service"] == "slow" and by_name["s1"]["served"] == 0
    assert find_member(told, "committed") == 3
    held.final(query.token, "x")
    bridge.wait_replies(4)
    wait_for(lambda: find_member(gateway.status(), "committed") == 4, "the count to follow")
    assert answerer.is_alive()


def test_human_table_names_services_and_workers(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, "law", name="lawyer")
    bridge.reply(bridge.ask("?", service="law"))
    done = status(bridge)
    assert done.returncode == 0, done.stderr
    assert "law" in done.stdout and "lawyer" in done.stdout
    assert "\x1b" not in done.stdout, "colours only on a terminal"


def test_without_gateway_it_says_so_and_shows_what_the_file_shows(site):
    bridge = site.bridge()
    for n in range(5):
        bridge.ask(f"{n}?")
    done = status(bridge)
    assert "no gateway" in (done.stdout + done.stderr).lower()
    assert "5" in done.stdout
    done = status(bridge, "--json")
    told = json.loads(done.stdout)
    assert told["gateway"] is None
    assert "5" in json.dumps(told)


def test_gateway_that_was_killed_is_not_said_to_run(site):
    bridge = site.bridge()
    site.serve(bridge).kill()
    done = status(bridge)
    assert "no gateway" in (done.stdout + done.stderr).lower()


def test_names_from_outside_cannot_forge_the_table(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    name = "w\n\x1b[2Jforged\u202e"
    site.mdp(bridge, "s\x1b[31m").wait_disconnect()  # such a service is refused
    site.mdp(bridge, name=name, heartbeats=True, interval=30000)
    wait_for(lambda: gateway.status()["workers"], "the worker to be registered")
    done = status(bridge)
    assert done.returncode == 0
    assert "forged" in done.stdout
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert isinstance(gateway.status(), dict)


def test_status_refuses_what_is_not_a_bridge(site):
    path = site.folder / "notes.txt"
    path.write_text("notes\n" * 1000)
    done = tailgate("status", "--db", path)
    assert done.returncode == 6, (done.returncode, done.stderr)
    done = tailgate("status", "--db", site.folder / "nowhere.db")
    assert done.returncode != 0
    assert not (site.folder / "nowhere.db").exists()


@pytest.mark.parametrize("role, service", [("docs", "docs"), ("a\x01b", "default"), ("x" * 101, "default")])
def test_file_alone_names_the_service_that_a_gateway_would(site, role, service):
    bridge = site.bridge(roles=("asker", role))
    bridge.ask("?")
    unread = json.loads(status(bridge, "--json").stdout)["file"]["unread"]
    assert [line["service"] for line in unread] == [service]
    gateway = site.serve(bridge)
    gateway.wait_event("query", service=service)
