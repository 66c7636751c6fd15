#!/usr/bin/env python3
"""A program that is started for each query: it reads the question, prints the answer, and ends.

    tailgate work --db bridge.db --per-query --slots 4 --time-limit 30s -- python3 once.py

    stdin   the question, as text, to its end
    stdout  the answer: text, or an object {"answer": "…", "sources": […]}
    stderr  words for people; they appear in the log
    status  0, or the query is reported as failed and tried again

This suits a program that exists, that you do not want to change, and that starts fast; what takes long to
load (a model) is better kept: see document_worker.py. To try it without anything else:

    echo "How many words is this?" | python3 once.py
"""

import sys


def main():
    question = sys.stdin.read().strip()
    if not question:
        sys.exit("there is no question on the standard input")  # a line on stderr, and status 1
    words = question.split()
    print(f"{len(words)} words, the longest is \"{max(words, key=len)}\"")


if __name__ == "__main__":
    main()
