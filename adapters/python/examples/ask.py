#!/usr/bin/env python3
"""Asks a question through the gate, and prints the answer while it comes.

    python3 ask.py bridge.db explain "What is a lease?"      # or the gate's endpoint instead of bridge.db
"""

import sys

import tailgate


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    where, service, question = sys.argv[1:]
    with tailgate.Client(where) if "://" in where else tailgate.Client(db=where) as client:
        try:
            for piece in client.stream(service, question, timeout=60):
                if isinstance(piece, str):
                    print(piece, end="", flush=True)
                else:  # the whole Answer, at the end
                    print("", *piece.sources, sep="\n  ")
        except tailgate.AskError as error:
            sys.exit(f"ask.py: {error}")


if __name__ == "__main__":
    main()
