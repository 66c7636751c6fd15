"""What README.md says is true: its workers work and survive a restart of the gateway, its settings are the
gateway's, and the files of its tour exist."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, PYTHON, environment, tailgate, wait_for

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WORKERS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_both_forms_of_worker_are_there():
    assert ["zmq.REQ" in worker for worker in WORKERS] == [True, False]
    assert ["MDPW02" in worker for worker in WORKERS] == [False, True]


@pytest.mark.parametrize("code", WORKERS, ids=["req", "mdp"])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_worker_of_the_readme_answers_and_survives_a_gateway_restart(site, code, end):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    program = site.folder / "worker.py"
    program.write_text(code, encoding="utf-8")
    site.spawn(PYTHON, program, bridge.gate)
    first = bridge.reply(bridge.ask("louder?"))
    assert '"LOUDER?"' in first["text"]
    assert first["metadata"]["worker"] == "shouter"
    getattr(gateway, end)()
    message = bridge.ask("and now?")
    site.serve(bridge)
    assert '"AND NOW?"' in bridge.reply(message)["text"]
    assert '"AGAIN?"' in bridge.reply(bridge.ask("again?"))["text"]
    bridge.check_exactly_once(3)


HOLD = """
import pathlib
import time


def held(text):
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return text


"""


@pytest.mark.parametrize("code", WORKERS, ids=["req", "mdp"])
def test_answer_found_while_the_gateway_was_away_is_committed(site, code):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    program = site.folder / "worker.py"
    slow = code.replace('query["question"].upper()', 'held(query["question"].upper())')
    assert slow != code
    program.write_text(HOLD + slow, encoding="utf-8")
    worker = site.spawn(PYTHON, program, bridge.gate, cwd=site.folder)
    message = bridge.ask("how long?")
    wait_for(lambda: (site.folder / "begun").exists(), "the worker to begin")
    gateway.kill()
    site.serve(bridge)
    (site.folder / "go").touch()
    assert '"HOW LONG?"' in bridge.reply(message)["text"]
    assert '"AND NOW?"' in bridge.reply(bridge.ask("and now?"))["text"]
    assert worker.poll() is None
    bridge.check_exactly_once(2)


def test_settings_are_the_gateways(site):
    printed = tailgate("serve", "--print-config")
    assert printed.returncode == 0, printed.stderr
    given = {key: value for value, key in
             re.findall(r"\(default ([^)]+)\)[^\n]*\n([a-z._]+) = ", printed.stdout)}
    section = README.split("\n## Settings\n")[1].split("\n## ")[0]
    told = {}
    for names, values in re.findall(r"^\| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE):
        found = re.findall(r"`([a-z._]+)`", names)
        told.update(zip(found, values.split(", ")))
    assert told and {key: value.strip() for key, value in told.items()} == given


def test_example_worker_is_installed_where_readme_and_help_say(site):
    prefix = site.folder / "prefix"
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, capture_output=True)
    place = "share/doc/tailgate/examples"
    assert os.access(prefix / place / "document_worker.py", os.X_OK)
    assert f"{place}/document_worker.py" in README
    done = subprocess.run([prefix / "bin" / "tailgate", "work", "--help"], env=environment(), check=True,
                          capture_output=True, text=True)
    assert place in done.stdout


def test_files_of_the_tour_exist():
    named = re.findall(r"`((?:proto|gateway|adapters|tests|deploy)/[^`]*)`", README)
    assert len(named) > 10
    for name in named:
        assert list(ROOT.glob(name.rstrip("/"))), f"README.md names {name}"
