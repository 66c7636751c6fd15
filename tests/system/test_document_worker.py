"""adapters/python/examples/document_worker.py as a real process, spoken to in lines as `tailgate work` does."""

import json
import re
import subprocess

import pytest

from gate import Gate
from harness import HERE, PYTHON, TAILGATE_WORK, WAIT, Program

ROOT = HERE.parent.parent
WORKER = ROOT / "adapters" / "python" / "examples" / "document_worker.py"

GUIDE = """\
# The orchard guide

Read this first. It says nothing about the lease of land, the least you need, or leases in general,
and mentions pruning once.

## Pruning

Cut the branches of apple trees in late winter. Old wood goes first, then
crossing branches.

Use a sharp saw:

```
saw --angle 45

saw --branch thick
```

## Watering

Young trees want forty litres a week. Old trees find water by themselves.

- Drip hoses save water and reach the roots. They are laid in a ring around the trunk, about an arm's length
  away from it, and are covered with straw so that the sun does not get at them in summer.
- Sprinklers waste half of it to the wind, and wet leaves invite mildew, which is the commonest of all
  diseases in orchards that are watered from above.
- Buckets are honest work.

## Diseases

Mildew shows as white dust. Spray sulphur.

### Canker

Cut back to healthy tissue; burn what was cut. The session_status of a tree is `sick` then.
"""

NOTES = "The harvest starts in September.\n\nCrates hold twenty kilos of apples.\n"


class Worker:
    def __init__(self, folder, *names):
        self.folder = folder
        self.process = subprocess.Popen([PYTHON, str(WORKER), *names], cwd=folder, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})

    def say(self, line):
        """One line in, one line out, while its stdin stays open: so it must flush."""
        self.process.stdin.write(line if isinstance(line, bytes) else line.encode())
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, question, **members):
        return self.say(json.dumps({"type": "query", "question": question, **members}))

    def cited(self, source):
        """The lines that SOURCE names."""
        name, first, last = re.fullmatch(r"(.+):(\d+)-(\d+)", source).groups()
        lines = (self.folder / name).read_text().split("\n")
        assert 1 <= int(first) <= int(last) <= len(lines), source
        return "\n".join(lines[int(first) - 1:int(last)])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def worker(site):
    (site.folder / "guide.md").write_text(GUIDE)
    (site.folder / "notes.txt").write_text(NOTES)
    made = Worker(site.folder, "guide.md", "notes.txt")
    yield made
    made.close()


def test_cited_lines_hold_what_is_quoted_and_asked_for(worker):
    for question, word in (("When do I prune apple trees?", "branches"), ("What about mildew?", "ildew"),
                           ("How much water?", "water"), ("How heavy is a crate?", "Crates")):
        reply = worker.ask(question)
        assert reply["sources"], question
        assert word in worker.cited(reply["sources"][0])
        for source in reply["sources"]:
            assert source in reply["answer"]
            for line in worker.cited(source).split("\n"):
                assert f"> {line}" in reply["answer"]


def test_question_finds_its_section_and_not_a_passing_mention(worker):
    assert "late winter" in worker.cited(worker.ask("pruning?")["sources"][0])
    assert "white dust" in worker.cited(worker.ask("Which diseases are there: mildew dust?")["sources"][0])
    assert "burn" in worker.cited(worker.ask("canker")["sources"][0])


def test_word_inside_another_word_is_no_match(worker):
    assert worker.ask("ease")["sources"] == []  # a substring of lease, leases, least
    assert worker.ask("rout")["sources"] == []


def test_singular_plural_and_letter_case_are_the_same(worker):
    assert worker.ask("CRATE")["sources"] == worker.ask("crates")["sources"] == ["notes.txt:3-3"]
    assert worker.ask("Disease")["sources"] == worker.ask("diseases")["sources"] != []
    assert worker.ask("part of a name: session")["sources"] == worker.ask("session_status")["sources"]


VERBS = """\
Somebody calls at noon.

They pass the gate.

Sums add up.

Bees buzz in May.

It commits at once.

The lease is renewed.
"""


@pytest.mark.parametrize("forms, line", [
    ("call calls called calling", 1), ("pass passes passed passing", 3), ("add adds added adding", 5),
    ("buzz buzzed buzzing", 7), ("commit commits committed committing", 9), ("lease leases leased leasing", 11)])
def test_forms_of_a_verb_are_the_same(site, forms, line):
    (site.folder / "verbs.md").write_text(VERBS)
    worker = Worker(site.folder, "verbs.md")
    try:
        for form in forms.split():
            assert worker.ask(form)["sources"] == [f"verbs.md:{line}-{line}"], form
    finally:
        worker.close()


def test_rare_word_counts_more_than_common_ones(worker):
    assert "sulphur" in worker.cited(worker.ask("trees trees trees sulphur")["sources"][0])


def test_code_is_kept_whole_with_the_sentence_that_introduces_it(worker):
    (source, *_) = worker.ask("sharp saw")["sources"]
    assert worker.cited(source).startswith("Use a sharp saw:")
    assert worker.cited(source).endswith("saw --branch thick\n```")


def test_long_list_is_cited_by_item(worker):
    (source, *_) = worker.ask("sprinklers and wind")["sources"]
    assert worker.cited(source).startswith("- Sprinklers")
    assert "Drip" not in worker.cited(source)


def test_heading_alone_is_not_cited_for_another_paragraph(worker):
    for source in worker.ask("orchard guide watering")["sources"]:
        assert re.search("orchard|guide|water", worker.cited(source), re.IGNORECASE)


@pytest.mark.parametrize("question", ["xyzzy plugh", "what is the", "", "?!", "\u2603"])
def test_no_match_says_so_and_cites_nothing(worker, question):
    assert worker.ask(question) == {"answer": "Nothing in these documents matches the question.",
                                    "sources": []}


@pytest.mark.parametrize("line", [b"{", b"words", b"[]", b"{}", b'{"question": 3}', b'{"question": null}',
                                  b'"question"', b"\xff\xfe", b'{"question": "a', b"[" * 100_000, b"NaN"])
def test_malformed_line_is_an_error_and_the_next_is_answered(worker, line):
    reply = worker.say(line)
    assert (reply["type"], reply["retry"]) == ("error", False)
    assert worker.ask("crates")["sources"] == ["notes.txt:3-3"]


def test_other_members_and_odd_characters_change_nothing(worker):
    plain = worker.ask("crates")
    assert worker.ask("crates", context_file="../../etc/passwd", delivery={"token": "1.1.x"}) == plain
    assert worker.ask("crates \ud800 \0 \u2028 grüße")["sources"] == plain["sources"]


def test_documents_are_read_once(worker):
    worker.ask("crates")
    (worker.folder / "notes.txt").unlink()
    assert worker.ask("crates")["sources"] == ["notes.txt:3-3"]


def test_worker_ends_well_when_its_input_ends(worker):
    out, err = worker.process.communicate(timeout=WAIT)
    assert worker.process.returncode == 0
    assert out == b""
    assert re.fullmatch(rb"\d+ passages in 2 documents\n", err)


def test_missing_document_is_one_clear_line(site):
    (site.folder / "there.md").write_text("words")
    for name in ("missing.md", "."):
        worker = Worker(site.folder, "there.md", name)
        out, err = worker.process.communicate(timeout=WAIT)
        assert worker.process.returncode == 1
        assert out == b""
        (line,) = err.decode().splitlines()
        assert name in line


def test_empty_and_broken_documents_are_no_trouble(site):
    (site.folder / "empty.md").write_text("")
    (site.folder / "odd.md").write_bytes(b"\xff\xfe\n# \n```\nnever closed crates\n\n\n")
    worker = Worker(site.folder, "empty.md", "odd.md")
    try:
        assert worker.ask("crates")["sources"] == ["odd.md:2-4"]
        assert worker.ask("anything")["sources"] == []
    finally:
        worker.close()


def test_it_answers_through_tailgate_work(site):
    (site.folder / "notes.txt").write_text(NOTES)
    gate = Gate(site.context, f"ipc://{site.folder}/gate")
    program = Program([TAILGATE_WORK, "--gate", gate.endpoint, "--log-format", "json", "--", PYTHON, WORKER,
                       "notes.txt"], cwd=site.folder)
    try:
        peer, _, _ = gate.ready()
        reply = json.loads(gate.answer(gate.ask(peer, "When does the harvest start?")))
        assert reply["sources"] == ["notes.txt:1-1"]
        program.stop()
    finally:
        if not program.ended:
            program.kill()
        gate.close()
