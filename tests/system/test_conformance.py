"""Every test that proto/WIRE.md's Conformance names is one, where it says so; and every paragraph has a test or its
deviation."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
WIRE = (HERE.parents[1] / "proto" / "WIRE.md").read_text(encoding="utf-8")
CONFORMANCE = re.search(r"^## Conformance\n(.*?)^## ", WIRE, re.MULTILINE | re.DOTALL).group(1)
ROWS = [line.strip("| ").split(" | ", 2) for line in CONFORMANCE.splitlines() if re.match(r"\| [0-9]", line)]
NAMED = sorted(set(re.findall(r"`(test_\w+?)`( \*c\*)?", CONFORMANCE)))
FILES = sorted(set(re.findall(r"`(test_\w+\.py)`", CONFORMANCE)))


def has(file, name):
    return re.search(rf"^def {name}\(", (HERE / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_table_is_found():
    assert len(ROWS) >= 30 and len(NAMED) >= 25


@pytest.mark.parametrize("row", ROWS, ids=[row[1][:40] for row in ROWS])
def test_a_paragraph_has_a_test_or_says_why_not(row):
    assert len(row) == 3 and ("`test_" in row[2] or row[2].startswith("deviates: "))


@pytest.mark.parametrize("name, mark", NAMED)
def test_a_named_test_is_there(name, mark):
    assert has("test_clients.py" if mark else "test_majordomo.py", name)


@pytest.mark.parametrize("file", FILES)
def test_a_named_file_is_there(file):
    assert (HERE / file).is_file()
