"""`tailgate bench`: every figure measures something, says what it ran on, and leaves nothing behind. What the numbers
are is no matter of a test: other programs run beside it, with sanitizers."""

import json
import os
import signal
import subprocess
import sys

import pytest

from harness import HERE, TAILGATE, environment, one_line, tailgate, wait_for

# A side of each figure, and a value of it that is not 0.
FIGURES = {
    "wake": ("tailgate", "p50_us"),
    "wake-million": ("tailgate", "p50_us"),
    "lone": ("bare", "sum_us"),
    "backlog": ("bare, same duty", "replies_per_s"),
    "backlog-90": ("tailgate", "replies_per_s"),
    "lockstep": ("tailgate, REQ", "answers_per_s"),
    "guests": ("tailgate", "inserts_per_s"),
    "flood": ("tailgate", "inserts_per_s"),
    "idle": ("tailgate", "anonymous_bytes"),
    "crowd": ("1,000 and 1,000", "p99_us"),
    "streams": ("tailgate", "parts_per_s"),
    "history": ("10000000", "start_ms"),
    "scale-workers": ("1000", "cpu_us"),
    "scale-observers": ("1000", "cpu_us"),
}
ALIKE = {  # which differ from one of these in numbers only
    "observers", "million", "scale-backlog", "scale-history", "scale-services", "scale-conversations",
}
HEAVY = {"wake-million", "history", "million"}
SCALE = {"wake-million": "0.0001"}  # of 1,000,000
GUEST = f"{sys.executable} {HERE.parent / 'bench' / 'guest.py'}"


def measure(folder, *words, scale="0.001"):
    done = tailgate("bench", "--folder", folder, "--scale", scale, "--json", *words)
    assert done.returncode == 0, done.stderr
    assert os.listdir(folder) == []
    return json.loads(done.stdout)


def value_of(figure, side, name):
    (found,) = [value for each in figure["sides"] if each["name"] == side
                for value in each["values"] if value["name"] == name]
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_measured(tmp_path, name):
    side, value = FIGURES[name]
    (figure,) = measure(tmp_path, name, "--rounds", "1", scale=SCALE.get(name, "0.001"))["figures"]
    assert figure["name"] == name and figure["about"]
    assert value_of(figure, side, value)["median"] > 0
    for each in figure["sides"]:
        assert each["values"], each
        for found in each["values"]:
            assert 0 <= found["least"] <= found["median"] <= found["most"] and len(found["rounds"]) == 1
    for target in figure["targets"]:
        median = value_of(figure, target["side"], target["value"])["median"]
        against = target["against"] and value_of(figure, target["against"], target["against_value"])["median"]
        bound = target["limit"] * (against if target["against"] else 1) + target["slack"]
        assert target["bound"] == pytest.approx(bound)
        if not median == pytest.approx(bound):
            assert target["met"] == (median >= bound if target["has_to_be"] == "at least" else median <= bound)
        if against:
            assert target["ratio"] == pytest.approx(median / against)


def test_a_lone_question_is_judged_beside_the_sum_of_its_lone_parts(tmp_path):
    (figure,) = measure(tmp_path, "lone", "--rounds", "1")["figures"]
    bare = {name: value_of(figure, "bare", name)["median"] for name in (
        "question_commit_us", "reply_commit_us", "two_hops_us", "two_hops_lockstep_us", "sum_us")}
    assert all(value > 0 for value in bare.values()), bare
    parts = bare["question_commit_us"] + bare["reply_commit_us"] + bare["two_hops_us"]
    assert bare["sum_us"] == pytest.approx(parts)
    (target,) = figure["targets"]
    assert (target["value"], target["against_value"], target["slack"]) == ("p50_us", "sum_us", 150)


def test_every_figure_is_in_the_list():
    lines = tailgate("bench", "--list").stdout.splitlines()
    names = {line.split()[0] for line in lines}
    assert names == set(FIGURES) | ALIKE
    heavy = {line.split()[0] for line in lines if "--all" in line}
    assert heavy == HEAVY | {name for name in names if name.startswith("scale-")}


def test_guests_may_be_another_program(tmp_path):
    told = measure(tmp_path, "flood", "--rounds", "1", "--guest", GUEST)
    assert told["options"]["guest"] == GUEST
    for side in ("alone", "tailgate"):
        assert value_of(told["figures"][0], side, "inserts_per_s")["median"] > 0
    assert value_of(told["figures"][0], "tailgate", "locked")["median"] == 0


def test_a_guest_that_fails_is_said(tmp_path):
    done = tailgate("bench", "guests", "--folder", tmp_path, "--scale", "0.001", "--guest", "echo nothing;")
    assert done.returncode == 1
    assert "a guest is to say that it is ready, not: nothing" in done.stderr
    assert os.listdir(tmp_path) == []


def test_json_has_each_round_and_what_it_ran_on(tmp_path):
    told = measure(tmp_path, "wake", "--rounds", "3", "--size", "180,4096", "--duty", "60")
    assert set(told) == {"machine", "options", "figures", "met"}
    assert told["options"] == {"rounds": 3, "scale": 0.001, "duty": 60, "guest": None, "sizes": [180, 4096]}
    machine = told["machine"]
    assert machine["cores"] == len(os.sched_getaffinity(0))
    assert machine["sqlite"].startswith("3.") and machine["libzmq"].startswith("4.")
    assert machine["file_system"] and machine["kernel"].startswith("Linux")
    assert [(figure["name"], figure["size"]) for figure in told["figures"]] == [("wake", 180), ("wake", 4096)]
    for figure in told["figures"]:
        found = value_of(figure, "tailgate", "p50_us")
        rounds = sorted(found["rounds"])
        assert [found["least"], found["median"], found["most"]] == rounds
    assert told["met"] == all(target["met"] for figure in told["figures"] for target in figure["targets"])


def test_table_has_sides_spreads_and_targets(tmp_path):
    done = tailgate("bench", "wake", "--folder", tmp_path, "--scale", "0.001", "--rounds", "2")
    assert done.returncode == 0 and done.stderr == ""
    assert "SQLite 3." in done.stdout and "SPREAD" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("wake")]
    assert "bare" in line and " us " in line
    assert "<= 1.50" in done.stdout and ("met" in done.stdout or "MISSED" in done.stdout)


def test_a_missed_target_is_the_exit_status_where_it_is_asked_for(tmp_path):
    """No gateway keeps up with the bare loop when it commits one reply at a time."""
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\nexec '{TAILGATE}' \"$@\" --set commit.group=1\n", encoding="utf-8")
    slow.chmod(0o700)
    done = tailgate("bench", "backlog", "--folder", tmp_path, "--scale", "0.001", "--rounds", "1", "--tailgate", slow,
                    "--judge", "--json")
    assert done.returncode == 8, done.stderr
    assert json.loads(done.stdout)["met"] is False


@pytest.mark.parametrize("words, say", [
    (["wakee"], "there is no figure wakee; did you mean: wake"),
    (["qqqqqqqq"], "there is no figure qqqqqqqq; see: tailgate bench --list"),
    (["--size", "180,"], "--size: up to 8 numbers from 1 to 1000000 with commas between them"),
    (["--scale", "0"], "--scale 0: a number from 0.0001 to 1000"),
])
def test_wrong_words(words, say):
    done = tailgate("bench", *words)
    assert done.returncode == 2 and one_line(done) == f"tailgate bench: {say}"


def test_a_folder_that_is_not_there_is_said(tmp_path):
    done = tailgate("bench", "wake", "--folder", tmp_path / "none")
    assert done.returncode == 1 and one_line(done).endswith("none: No such file or directory")


def test_a_gateway_that_does_not_start_is_said_with_its_own_words(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no disk today' >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o700)
    done = tailgate("bench", "wake-million", "--folder", tmp_path, "--scale", "0.0001", "--tailgate", broken)
    assert done.returncode == 1
    assert "the gateway did not start: no disk today" in done.stderr
    assert os.listdir(tmp_path) == ["broken"]


def processes_below(folder):
    """The processes with FOLDER on their command line: the run, its roles and its gateway."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as words:
                if os.fsencode(folder) in words.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_process_and_no_folder(tmp_path, number):
    run = subprocess.Popen([TAILGATE, "bench", "wake-million", "--folder", tmp_path], env=environment(),
                           stdout=subprocess.DEVNULL)
    wait_for(lambda: any("serve" in open(f"/proc/{pid}/cmdline", encoding="utf-8").read().split("\0")
                         for pid in processes_below(tmp_path)), "the gateway of the run")
    run.send_signal(number)
    assert run.wait(60) == -number
    assert processes_below(tmp_path) == [] and os.listdir(tmp_path) == []
