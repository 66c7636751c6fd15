"""The page about performance is what its JSON files say, and making it again changes nothing."""

import contextlib
import io
import json
import runpy
import shutil
import sys
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "deploy" / "performance.md"
PLOTS = runpy.run_path(str(HERE / "plots"), run_name="plots")["main"]


def plots(*words, code=0):
    """What the program prints with these WORDS; in this process, for its library takes a second to load."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), mock.patch.object(sys, "argv", ["plots", *map(str, words)]):
        assert PLOTS() == code, printed.getvalue()
    return printed.getvalue()


@pytest.fixture
def page(tmp_path):
    """The page with the sample's numbers still to be put in."""
    shutil.copytree(HERE / "plots_sample", tmp_path / "page")
    return Path(shutil.copy(PAGE, tmp_path / "page.md"))


def contents(page):
    return {path.name: path.read_bytes() for path in [page, *page.with_suffix("").iterdir()]}


def test_page_and_pictures_are_made_once_and_the_same_again(page):
    assert "is not what it would be" in plots("--page", page, "--check", code=1)
    plots("--page", page)
    first = contents(page)
    assert plots("--page", page) == ""
    plots("--page", page, "--check")
    for picture in page.with_suffix("").glob("*.svg"):
        picture.unlink()
    plots("--page", page)
    assert contents(page) == first
    for name in ("sizes", "scaling", "disks"):
        assert ElementTree.fromstring(first[f"{name}.svg"]).tag.endswith("}svg")
        assert f"](page/{name}.svg)" in first["page.md"].decode()


def test_a_target_stands_with_its_medians_ratio_and_verdict(page):
    plots("--page", page)
    text = page.read_text()
    assert ("| backlog | tailgate, answers | 71,000/s (70,000 – 72,000) "
            "| bare, answers: 160,000/s (150,000 – 170,000) | 0.44 | ≥ 0.4 × | met |") in text
    assert "| ≤ 5 MB | **missed** |" in text
    assert "| 8.5 % | `sqlite3VdbeExec` | libsqlite3.so.0.8.6 |" in text
    assert "| disk + 20 ms (ext4) | 140,000/s | 50,000/s | 12.5 µs |" in text


def test_what_has_changed_is_noticed(page):
    plots("--page", page)
    figures = page.with_suffix("") / "figures.json"
    run = json.loads(figures.read_text())
    run["machine"]["cores"] = 64
    figures.write_text(json.dumps(run))
    assert plots("--page", page, "--check", code=1).count("is not what it would be") == 1
    plots("--page", page)
    assert "64 cores" in page.read_text()


def test_the_page_that_is_published_is_what_its_files_say():
    plots("--check")


def test_one_run_of_all_figures_will_do(page):
    plots("--page", page)
    first = contents(page)
    figures, scaling = (page.with_suffix("") / f"{name}.json" for name in ("figures", "scaling"))
    run = json.loads(figures.read_text())
    run["figures"] += json.loads(scaling.read_text())["figures"]
    figures.write_text(json.dumps(run))
    scaling.unlink()
    plots("--page", page)
    assert page.read_bytes() == first["page.md"]
    assert "| 1,000 | 12 µs (11 – 13) |" in page.read_text()
