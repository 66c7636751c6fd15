"""The log: entries of the journal under systemd, else lines for people or programs. One line for each query, with its
whole timing; what repeats is folded; nothing that a row or a worker says makes another line or field."""

import json
import re
import signal
import subprocess

import pytest

from gate_services import Services
from harness import TAILGATE, tailgate, wait_for
from journald import Journald, elsewhere

FORGED = 'x"\nMESSAGE=forged\nTAILGATE_EVENT=forged\n<0>forged\n12:00:00.000 error forged\r\x1b[2J\u202e\u2028 event=forged'
INFO = ("--log-level", "info")


def die(site, bridge):
    """A query that a worker gives up with hostile words, in a conversation with a hostile name."""
    worker = site.mdp(bridge, "doomed")
    conversation = bridge.converse(conversation="c\nTAILGATE_EVENT=forged")
    message = bridge.ask("?", conversation=conversation, service="doomed")
    worker.final(worker.request().token, {"type": "error", "error": FORGED, "retry": False})
    bridge.reply(message)
    return message


def test_under_systemd_each_line_is_an_entry_with_fields(request, site):
    if elsewhere(request):
        return
    journal = Journald(site)
    bridge = site.bridge()
    stream, environment = journal.stderr()
    process = subprocess.Popen([TAILGATE, "serve", "--db", bridge.path, "--work", "--name w1 --service default --echo"], env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stream)
    site.processes.append(process)
    message = bridge.ask("?")
    entry = journal.wait("SYSLOG_IDENTIFIER=tailgate", "TAILGATE_EVENT=answered")
    assert entry["TAILGATE_ID"] == str(message) and entry["TAILGATE_WORKER"] == "w1"
    assert entry["MESSAGE"].startswith(f"answered id={message} ")
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"], entry["_TRANSPORT"]) == ("6", "tailgate", "journal")
    parts = [int(entry[f"TAILGATE_{part}_US"]) for part in ("WAITED", "WORKED", "COMMITTED")]
    assert sum(parts) == int(entry["TAILGATE_TOTAL_US"])
    assert journal.wait("SYSLOG_IDENTIFIER=tailgate-work", "TAILGATE_EVENT=answered")["TAILGATE_WORKER"] == "w1"
    dead = die(site, bridge)
    [entry] = wait_for(lambda: journal.entries("TAILGATE_EVENT=dead"), "the dead query")
    assert (entry["PRIORITY"], entry["TAILGATE_ID"]) == ("4", str(dead))
    assert all(isinstance(value, str) for value in entry.values()), "control characters"
    assert "\\nMESSAGE=forged" in entry["TAILGATE_WHY"]
    assert not [entry for entry in journal.entries() if "forged" in (entry.get("TAILGATE_EVENT"), entry["MESSAGE"])]
    process.terminate()
    process.wait()
    assert journal.wait("TAILGATE_EVENT=stopped")["TAILGATE_CODE"] == "0"


@pytest.mark.parametrize("form", ["human", "json", "journal"])
def test_no_row_and_no_worker_can_forge_a_line(site, form):
    """`journal` without a journal: lines with a priority."""
    bridge = site.bridge()
    gateway = site.serve(bridge, "--log-level", "info", log_format=form, wait=False)
    gateway.wait_line(r"\bserving\b")
    die(site, bridge)
    gateway.wait_line(r"\bdead\b")
    gateway.stop()
    start = {"human": r"\d\d:\d\d:\d\d\.\d{3} (?:info|warn) ([a-z-]+) ", "json": r'\{"time":"[^"]*","level":"[a-z]*","event":"([a-z-]+)"',
             "journal": r"<[46]>([a-z-]+) "}
    lines = gateway.stderr.lines
    assert all(line.isprintable() for line in lines), lines
    events = [re.match(start[form], line)[1] for line in lines]
    assert events.count("dead") == 1 and "forged" not in events
    if form == "json":
        assert json.loads(lines[events.index("dead")])["why"] == FORGED


def test_each_query_is_one_line_with_its_timing(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, *INFO, settings={"attempts": 2, "backoff.first": "10ms"})
    worker = site.mdp(bridge)

    def work(**answer):
        worker.final(worker.request().token, answer)

    answered = bridge.ask("good")
    work(answer="!")
    dead = bridge.ask("bad")
    for _ in range(2):
        work(type="error", error="no", retry=True)
    read = bridge.ask("somebody else has it")
    query = worker.request()
    bridge.run("UPDATE messages SET read = 1 WHERE id = ?", read)
    worker.final(query.token, {"answer": "late"})
    gone = bridge.ask("no more")
    query = worker.request()
    bridge.run("DELETE FROM messages WHERE id = ?", gone)
    worker.final(query.token, {"answer": "late"})
    ends = {answered: "answered", dead: "dead", read: "superseded", gone: "deleted"}
    for message, name in ends.items():
        gateway.wait_event(name, id=message)
    gateway.stop()
    for message, name in ends.items():
        lines = [event for event in gateway.events() if event.get("id") == message]
        assert [event["event"] for event in lines if event["event"] != "retry"] == [name], lines
        assert lines[-1]["total_us"] > 0
    [line] = gateway.events("answered")
    assert line["waited_us"] + line["worked_us"] + line["committed_us"] == line["total_us"]
    assert [event["attempt"] for event in gateway.events("retry")] == [1]


def test_submitted_query_is_one_line_too(site):
    gate = Services(site, *INFO)
    site.answerer(gate.bridge)
    message = gate.submit(gate.converse(), key="k")["message_id"]
    gate.gateway.wait_event("answered", id=message)
    assert [event["event"] for event in gate.gateway.events() if event.get("id") == message] == ["answered"]


def test_what_repeats_is_folded_and_the_counters_are_not(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, *INFO)
    worker = site.mdp(bridge)
    message = bridge.ask("?")
    query = worker.request()
    for _ in range(300):
        worker.final(query.token, {"answer": "!"})
    bridge.reply(message)
    refused = wait_for(lambda: gateway.status()["counters"]["refused_duplicate"] >= 299 and gateway.events("refused"),
                       "the answers that come too late")
    assert len(refused) == 10
    gateway.stop()
    [line] = gateway.events("repeated")
    assert (line["of"], line["why"], line["count"]) == ("refused", "duplicate", 289)


def test_what_was_folded_is_told_when_a_second_signal_stops_it_at_once(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, *INFO)
    worker = site.mdp(bridge)
    bridge.ask("?")
    query = worker.request()
    for _ in range(20):
        worker.final(query.token, {"answer": "!"})
    wait_for(lambda: gateway.status()["counters"]["refused_duplicate"] == 19, "the answers that come too late")
    bridge.ask("which keeps it from ending")
    worker.request()
    gateway.signal(signal.SIGTERM)
    gateway.wait_event("draining")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 128 + signal.SIGTERM
    [line] = wait_for(lambda: gateway.events("repeated"), "what was folded")
    assert line["count"] == 9




def test_format_is_one_of_four():
    for form in ("xml", "", "Human"):
        done = tailgate("serve", "--db", "x.db", "--log-format", form)
        assert done.returncode == 2 and "human|json|journal|auto" in done.stderr
