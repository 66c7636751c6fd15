"""`tailgate status`: what a person and a machine are told, with a gateway and without."""

import json

import pytest

import writer
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


STAGES = ("commit_to_tail", "tail_to_dispatch", "dispatch_to_reply", "reply_to_commit", "total")


def test_every_answer_is_in_the_histograms_and_a_person_sees_the_times(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    assert "Times" not in status(bridge).stdout, "nothing was answered yet"
    site.answerer(bridge)
    for n in range(5):
        bridge.reply(bridge.ask(f"{n}?"))
    told = wait_for(lambda: (now := gateway.status())["counters"]["answered"] == 5 and now, "five answers")
    histograms = told["histograms"]
    for name in STAGES:
        assert histograms[name]["count"] == sum(histograms[name]["counts"]) == 5, (name, histograms[name])
    for histogram in histograms.values():
        assert len(histogram["counts"]) == len(histogram["bounds"]) + 1
        assert histogram["bounds"] == sorted(histogram["bounds"])
    parts = sum(histograms[name]["sum"] for name in STAGES[1:4])
    assert parts == pytest.approx(histograms["total"]["sum"]), "the parts make up the whole"
    assert histograms["group_size"]["count"] == told["committer"]["groups"]
    assert 0 <= told["committer"]["lock_duty"] <= 1
    shown = status(bridge).stdout
    assert "Times      median (p99): seen after" in shown and "Lock       held" in shown


def test_rows_of_before_the_start_and_clocks_that_run_ahead_do_not_spoil_the_times(site):
    bridge = site.bridge()
    bridge.ask("before?")
    gateway = site.serve(bridge)
    site.answerer(bridge)
    wait_for(lambda: gateway.status()["counters"]["answered"] == 1, "its answer")
    assert gateway.status()["histograms"]["commit_to_tail"]["count"] == 0
    bridge.run("INSERT INTO messages (conversation_id, from_session, to_session, message, timestamp, read)"
               " VALUES (?, 'a', 'b', ?, '2999-01-01T00:00:00', 0)", bridge.conversation, writer.query("ahead?", "q_1"))
    told = wait_for(lambda: (now := gateway.status())["counters"]["answered"] == 2 and now, "its answer")
    assert told["histograms"]["commit_to_tail"]["counts"][0] == 1 and told["histograms"]["commit_to_tail"]["sum"] == 0


def test_what_the_process_uses_is_told(site):
    gateway = site.serve(site.bridge())
    told = gateway.status()["gateway"]
    assert told["rss_bytes"] > 1 << 20
    assert 3 < told["open_fds"] < told["max_fds"]
    assert told["cpu_seconds"] > 0
