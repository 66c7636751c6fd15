"""/metrics: what Prometheus reads of a gateway and of a relay at work, and of one that is away; the alert rules and the
dashboard that come with it name nothing that is not there."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from harness import wait_for
from http_helper import TOKENS, HttpHelper, http_of, token_file
from relays import Relay

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SAMPLE = re.compile(r'(tailgate_[a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\["\\n])*",?)+)\})? (\S+)')
CONSTANT = {"le", "reason", "result", "state", "kind", "code", "program", "version", "sqlite"}


def text_of(http, **keywords):
    answer = http.get("/metrics", **keywords)
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.body.decode("utf-8")


def until(http, matches, what, **keywords):
    """The metrics {(name, labels): value}, as soon as MATCHES is true of them."""
    return wait_for(lambda: matches(now := read(text_of(http, **keywords))) and now, what)


def read(text):
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", ""), lint
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        assert (name, labels or "") not in found, line
        found[name, labels or ""] = float(value)
    return found


def test_a_gateway_at_work_tells_everything_that_its_status_counts(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge, "law", name="lawyer")
    for n in range(5):
        bridge.reply(bridge.ask(f"{n}?", service="law"))
    bridge.ask("nobody?", service="nobody")
    site.dealer(bridge).send_multipart([b"", b"nonsense"])
    http = HttpHelper(site, bridge)
    found = until(http, lambda now: now.get(("tailgate_answered_total", "")) == 5
                      and now.get(("tailgate_backlog", 'service="nobody"')) == 1
                      and now.get(("tailgate_refused_total", 'reason="stranger"')) == 1, "all of it to be told")
    assert found["tailgate_up", ""] == 1
    assert found["tailgate_workers", 'service="law"'] == 1 and found["tailgate_workers", 'service="nobody"'] == 0
    assert found["tailgate_worker_served_total", 'worker="lawyer",service="law"'] == 5
    assert found["tailgate_query_seconds_count", ""] == 5 and found["tailgate_commit_to_tail_seconds_count", ""] == 6
    assert found["tailgate_start_time_seconds", ""] > 1e9 and found["tailgate_resident_memory_bytes", ""] > 1 << 20
    counters = [key for key in found if key[0].endswith("_total")]
    assert len(counters) > len(gateway.status()["counters"]) > 50
    assert not any(name == "tailgate_other_total" for name, _ in found), "a counter has no help of its own"


def test_no_label_names_a_conversation_or_an_id_and_all_are_bounded(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, name="w")
    for n in range(230):
        bridge.ask("secret words?", service=f"s{n:03d}")
    http = HttpHelper(site, bridge)
    found = until(http, lambda now: now.get(("tailgate_answered_total", "")) == 230, "all to be answered")
    assert bridge.conversation not in text_of(http) and "secret words" not in text_of(http)
    labels = {}
    for name, text in found:
        for label, value in re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', text):
            labels.setdefault((name, label), set()).add(value)
    assert {label for _, label in labels} <= CONSTANT | {"service", "worker", "adapter"}
    assert max(len(values) for values in labels.values()) <= 201


def test_names_from_outside_cannot_forge_a_metric(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.mdp(bridge, "quiet", name='w"} 1\ntailgate_up 0\n\u202e\\', heartbeats=True, interval=30000)
    bridge.ask("?", service='s"} 7 \\')
    wait_for(lambda: gateway.status()["workers"], "the worker to be registered")
    http = HttpHelper(site, bridge)
    found = until(http, lambda now: ("tailgate_backlog", 'service="s\\"} 7 \\\\"') in now, "the service to be told")
    assert found["tailgate_up", ""] == 1
    assert any('worker="w\\"} 1' in labels for _, labels in found)
    assert "\u202e" not in text_of(http)


def test_a_gateway_that_is_away_is_down_and_the_scrape_is_not(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    http = HttpHelper(site, bridge)
    until(http, lambda now: now["tailgate_up", ""] == 1, "the gateway to be told")
    gateway.kill()
    found = until(http, lambda now: now["tailgate_up", ""] == 0, "the gateway's end to be told")
    assert found["tailgate_http_requests_total", 'code="2xx"'] >= 1
    assert not any(name.startswith("tailgate_backlog") for name, _ in found)
    site.serve(bridge)
    until(http, lambda now: now["tailgate_up", ""] == 1, "the next gateway to be told")


def test_with_a_token_file_metrics_are_for_observers(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, "--http", "127.0.0.1:0", "--http-tokens", token_file(site))
    http = http_of(gateway)
    assert http.get("/metrics").status == 401 and http.get("/metrics", token=TOKENS["client"]).status == 403
    until(http, lambda now: now["tailgate_up", ""] == now["tailgate_helpers", 'state="running"'] == 1,
          "the gateway that keeps it running", token=TOKENS["observer"])


# What comes with it.

def in_use():
    """(where, expression) of the alert rules and the dashboard."""
    rules = re.findall(r"expr: (?:>-\n\s+)?(.*?)\n\s+(?:for|labels):", (DEPLOY / "alerts.yml").read_text(), re.DOTALL)
    found = [("alerts.yml", " ".join(rule.split())) for rule in rules]
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    return found


def test_every_metric_of_alerts_and_dashboard_is_told_by_a_gateway_or_a_relay(site):
    bridge = site.bridge()
    site.serve(bridge)
    relay = Relay(site, "above", bridge)
    site.answerer(bridge, adapter="exec")
    site.answerer(relay.gate, "there")
    bridge.reply(bridge.ask("?"))
    here = HttpHelper(site, bridge)
    below = HttpHelper(site, ["--gate", relay.gate, "--events", relay.events_at])
    until(here, lambda now: ("tailgate_adapter_failed_total", 'adapter="exec"') in now, "the worker's adapter")
    told = until(below, lambda now: now.get(("tailgate_workers", 'service="there"')) == 1 and
                       now["tailgate_source_up", ""] == 1, "the relay's worker")
    names = {name for name, _ in read(text_of(here))} | {name for name, _ in told}
    assert "tailgate_other_total" not in names
    used = in_use()
    assert len(used) > 70
    for where, expression in used:
        for name in re.findall(r"tailgate_[a-z_]+", re.sub(r'"[^"]*"', '""', expression)):
            assert name in names, f"{name} in {where} is no metric"


def test_expressions_of_the_dashboard_can_be_evaluated(tmp_path):
    rules = [{"record": f"panel:{n}", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
             for n, (_, expression) in enumerate(in_use())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
                         ids=["check", "test"])
def test_alert_rules_are_right_and_do_what_they_should(words):
    done = subprocess.run(["promtool", *words], cwd=DEPLOY, capture_output=True, text=True)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire():
    rules = re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text())
    tested = re.findall(r'alertname="(\w+)"', (DEPLOY / "alerts_test.yml").read_text())
    assert len(rules) > 20 and sorted(rules) == sorted(tested)
