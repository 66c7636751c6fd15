#!/usr/bin/env python3
"""A worker that answers questions from documents, and cites the lines it quotes.

    tailgate work --db bridge.db -- python3 document_worker.py README.md proto/WIRE.md

It is also the pattern for a worker of your own. `tailgate work` starts it once and talks to it in lines:

    stdin   one query    {"type": "query", "question": "What is a lease?", …, "delivery": {…}}
    stdout  one answer   {"answer": "…", "sources": ["README.md:10-15"]}
            or an error  {"type": "error", "error": "…", "retry": false}
    stderr  words for people; they appear in the log

So a worker is: load what is slow to load (here: documents; elsewhere: a model), then read a line, write a
line, flush, until stdin ends. Heartbeats, time limits and starting it again are `tailgate work`'s business.
To try it without anything else:

    echo '{"question": "What is a lease?"}' | python3 document_worker.py README.md

The first half of this file knows documents and nothing of the protocol; the second half, from reply() on,
is the other way round: put your own program behind it. Standard library only.
"""

import json
import math
import re
import sys
from collections import Counter, defaultdict

BEST = 3               # passages quoted at most
NEAR = 0.4             # … each with at least this share of the best one's score
PASSAGE_LINES = 20     # longer paragraphs and tables are cut into pieces
ITEM_CHARACTERS = 120  # a list is cut before an item when there is this much above it
QUOTE_CHARACTERS = 2000
K1, B = 1.2, 0.75      # BM25: how soon repetition stops to count, how much length matters
HEADING_WEIGHT = 1.0  # of a word in the headings above a passage, in occurrences

STOP_WORDS = frozenset("""a about all also am an and any are as at be been being but by can could did do does
    for from had has have how i if in into is it its may me might must my no not of on or our shall should so
    such tell than that the their them then there these they this to too us was we were what when where which
    while who whom whose why will with would you your""".split())


# ── documents ───────────────────────────────────────────────────────────────────────────────────────

def words(text):
    """The words of TEXT that say something, in a form in which singular and plural are the same. Of a name
    like session_status both the whole and its parts count."""
    for whole in re.findall(r"\w+", text.casefold()):
        for word in {whole, *whole.split("_")}:
            if word and word not in STOP_WORDS:
                yield stem(word)


def stem(word):
    """Takes off the commonest endings: queries = query, leases = leased = lease, committing = commit; but
    calling = call, adding = add: a word may end in these doubled letters by itself."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed", "e"):
        root = word[:-len(ending)]
        whole = root.endswith(("ll", "ss", "dd", "zz"))
        if word.endswith(ending) and len(root) >= 3 + (ending != "e" and not whole):
            return root[:-1] if ending != "e" and root[-1] == root[-2] and not whole else root
    return word


class Passage:
    """Lines FIRST to LAST (counted from 1) of document NAME, below the headings in PATH."""

    def __init__(self, name, first, lines, path):
        while lines and not lines[-1].strip():
            lines = lines[:-1]
        self.lines = lines
        self.source = f"{name}:{first}-{first + len(lines) - 1}"
        self.path = path
        self.own = Counter(words("\n".join(lines)))

    def weights(self):
        """How much each word counts here: where it stands, and a little below a heading that has it."""
        weights = Counter(self.own)
        for word in set(words(" ".join(self.path))):
            weights[word] += HEADING_WEIGHT
        return weights

    def quote(self):
        text = "\n".join(self.lines)
        if len(text) > QUOTE_CHARACTERS:
            text = text[:QUOTE_CHARACTERS] + " …"
        return "\n".join("> " + line for line in text.split("\n"))


FENCE, HEADING = re.compile(r"\s*(```+|~~~+)"), re.compile(r"#{1,6}\s")
ITEM = re.compile(r"([-*+]|\d+[.)])\s")


def paragraph_end(lines, at):
    """Where the paragraph that starts at AT ends. A list or table is cut when it gets long."""
    end = at + 1
    while end < len(lines) and end - at < PASSAGE_LINES and lines[end].strip() and \
            not FENCE.match(lines[end]) and not HEADING.match(lines[end]) and \
            not (ITEM.match(lines[end]) and sum(map(len, lines[at:end])) > ITEM_CHARACTERS):
        end += 1
    return end


def blocks(lines):
    """Cuts LINES into (index, kind, end): headings, fenced code (never cut) and paragraphs."""
    at = 0
    while at < len(lines):
        end, kind = at + 1, "blank"
        fence = FENCE.match(lines[at])
        if fence:
            while end < len(lines) and not lines[end].strip().startswith(fence[1]):
                end += 1
            end, kind = min(end + 1, len(lines)), "code"
        elif HEADING.match(lines[at]):
            kind = "heading"
        elif lines[at].strip():
            end, kind = paragraph_end(lines, at), "text"
        yield at, kind, end
        at = end


def passages(name, text):
    """The passages of a document: a paragraph each, with the headings directly above it and the code
    directly below it when it ends in a colon."""
    lines = text.split("\n")
    path = []     # the headings that are open, as (level, title)
    start = None  # where the passage begins whose body has not come yet
    found = []    # [first index, end index, titles]
    for at, kind, end in blocks(lines):
        if kind == "blank":
            continue
        if kind == "heading":
            level = len(lines[at]) - len(lines[at].lstrip("#"))
            path = [open_ for open_ in path if open_[0] < level] + [(level, lines[at].strip("# \t\r"))]
            start = at if start is None else start
            continue
        if kind == "code" and start is None and found and lines[found[-1][1] - 1].rstrip().endswith(":"):
            found[-1][1] = end
            continue
        found.append([at if start is None else start, end, [title for _, title in path]])
        start = None
    if start is not None:  # headings with nothing below them
        found.append([start, len(lines), [title for _, title in path]])
    return [Passage(name, first + 1, lines[first:end], titles) for first, end, titles in found]


class Index:
    """Passages, ranked by BM25: rare words count more than common ones, and short passages more than long
    ones with the same words."""

    def __init__(self, found):
        self.passages = found
        self.postings = defaultdict(list)  # word -> [(passage number, weight)]
        lengths = []
        for number, passage in enumerate(found):
            weights = passage.weights()
            lengths.append(sum(weights.values()))
            for word, weight in weights.items():
                self.postings[word].append((number, weight))
        mean = sum(lengths) / max(1, len(lengths)) or 1
        self.norms = [K1 * (1 - B + B * length / mean) for length in lengths]

    def best(self, question):
        """The passages that answer QUESTION best, best first; none when no word of it occurs."""
        asked = set(words(question))
        scores = defaultdict(float)
        for word in asked:
            hits = self.postings.get(word, ())
            rarity = math.log(1 + (len(self.passages) - len(hits) + 0.5) / (len(hits) + 0.5))
            for number, weight in hits:
                scores[number] += rarity * weight * (K1 + 1) / (weight + self.norms[number])
        # A passage that has none of the words itself, only below a heading that has, is no answer.
        ranked = sorted((-score, number) for number, score in scores.items()
                        if not asked.isdisjoint(self.passages[number].own))
        return [self.passages[number] for score, number in ranked[:BEST] if score <= NEAR * ranked[0][0]]


def load(names):
    """The index of the documents NAMES; ends the program when one cannot be read."""
    found = []
    for name in names:
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                found += passages(name, file.read())
        except OSError as error:
            sys.exit(f"document_worker.py: {name}: {error.strerror}")
    return Index(found)


# ── the protocol ────────────────────────────────────────────────────────────────────────────────────

def reply(index, line):
    """The answer to one line of JSON."""
    try:
        question = json.loads(line)["question"]
        if not isinstance(question, str):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"type": "error", "error": "not a JSON object with a text \"question\"", "retry": False}
    best = index.best(question)
    if not best:
        return {"answer": "Nothing in these documents matches the question.", "sources": []}
    quotes = [f"{passage.source} ({' › '.join(passage.path)})\n{passage.quote()}" if passage.path
              else f"{passage.source}\n{passage.quote()}" for passage in best]
    return {"answer": "\n\n".join(quotes), "sources": [passage.source for passage in best]}


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    index = load(sys.argv[1:])
    print(f"{len(index.passages)} passages in {len(sys.argv) - 1} documents", file=sys.stderr, flush=True)
    for line in sys.stdin.buffer:  # bytes: whatever comes in, the loop goes on
        if line.strip():
            # ensure_ascii keeps the line one line, and independent of the locale; flush sends it now
            print(json.dumps(reply(index, line.decode("utf-8", "replace"))), flush=True)


if __name__ == "__main__":
    main()
