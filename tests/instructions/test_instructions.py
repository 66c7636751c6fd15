"""No part of a query's path has become much more expensive, in instructions; and the check can fail."""

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def count(*words):
    return subprocess.run([HERE / "count", *words], capture_output=True, text=True, timeout=200)


def test_every_part_costs_at_most_1_3_times_what_is_recorded():
    run = count()
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    for part in json.loads((HERE / "recorded.json").read_text())["instructions"]:
        assert f"\n{part} " in run.stdout


def test_what_costs_twice_as_much_is_complained_about_and_the_same_binary_costs_the_same_again(tmp_path):
    half = tmp_path / "half.json"
    assert count("codec", "--record", "--recorded", half).returncode == 0
    recorded = json.loads(half.read_text())
    cost = recorded["instructions"]["codec"]
    recorded["instructions"]["codec"] = cost // 2
    half.write_text(json.dumps(recorded))
    run = count("codec", "--recorded", half)
    assert run.returncode == 1
    assert f"codec costs {cost:,} instructions a query, 2.00 times" in run.stderr
