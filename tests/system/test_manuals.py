"""The manual: a page for every command and every option in it, each page clean under mandoc, every page that is named
there."""

import re
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, TAILGATE, environment

MAN = Path(__file__).resolve().parents[2] / "deploy" / "man"
PAGES = sorted(MAN.glob("*.[1-9]"))


def offered(*words):
    """What can stand behind `tailgate WORDS`, as the program says it to shells."""
    done = subprocess.run([TAILGATE, "--complete", *words, ""], env=environment(), capture_output=True, text=True,
                          check=True)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def rendered(page):
    """PAGE as a reader sees it, in one line, without how its words are emphasized."""
    shown = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=900", page], capture_output=True, text=True,
                           check=False).stdout
    return " ".join(re.sub(".\b", "", shown).split())


def lint(page, folder):
    """What mandoc says of PAGE; that pages of ours are not installed here is not the page's fault."""
    done = subprocess.run(["mandoc", "-T", "lint", page], cwd=folder, capture_output=True, text=True)
    own = {f"{path.stem} {path.suffix[1:]}" for path in PAGES} | {"tailgate-resume 1", "tailgate-drain 1"}
    said = []
    for line in done.stdout.splitlines():
        missing = re.search(r"referenced manual not found: Xr (\S+ \d)", line)
        if not missing or missing[1].startswith("tailgate") and missing[1] not in own:
            said.append(line)
    return said


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", folder], check=True, capture_output=True)
    return folder / "share" / "man"


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_page_is_clean_under_lint(page):
    assert lint(page, MAN) == []


def test_every_page_is_installed_in_its_section(installed):
    there = {str(path.relative_to(installed)) for path in installed.glob("man*/*")}
    extra = {"man1/tailgate-resume.1", "man1/tailgate-drain.1"}
    assert there == {f"man{path.suffix[1:]}/{path.name}" for path in PAGES} | extra


def test_the_two_pages_about_all_of_it_are_there():
    assert {"tailgate.cfg.5", "tailgate.7", "tailgate.1"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("command", offered())
def test_command_has_a_page_with_all_its_options(command, installed):
    text = rendered(installed / "man1" / f"tailgate-{command}.1")
    assert f"tailgate-{command}" in text
    below = offered(command)
    commands = [[command, word] for word in below] if below and below[0][:1] not in "-:" else [[command]]
    for words in commands:
        page = subprocess.run([TAILGATE, *words, "--help"], env=environment(), capture_output=True, text=True,
                              check=True).stdout
        assert "tailgate " + " ".join(words) in text
        options = set(re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", page, re.MULTILINE)) - {"--help"}
        missing = [option for option in sorted(options) if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)]
        assert options and not missing, f"tailgate-{command}(1) does not have {missing} of {words}"


def test_first_page_names_every_command():
    text = rendered(MAN / "tailgate.1")
    assert not [command for command in offered() if f"tailgate-{command}(1)" not in text]


@pytest.mark.parametrize("number", range(1, 11))
def test_every_guarantee_is_explained(number):
    assert re.search(rf"\bI{number} [A-Z]", rendered(MAN / "tailgate.7"))


def test_every_setting_that_is_named_exists():
    printed = subprocess.run([TAILGATE, "serve", "--print-config"], env=environment(), capture_output=True, text=True,
                             check=True).stdout
    known = set(re.findall(r"^(?:# )?([a-z._]+) =", printed, re.MULTILINE))
    told = set(re.findall(r"^\.Li ([a-z]+\.[a-z._]+)\b(?! =)", (MAN / "tailgate.7").read_text(), re.MULTILINE))
    told -= {"tailgate.replay"}
    assert told and told <= known, told - known
