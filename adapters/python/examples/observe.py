#!/usr/bin/env python3
"""Prints the rows of a bridge: all that are there, and then each one that comes. The second word names a file in which
it notes how far it is; started again, it goes on there.

    python3 observe.py bridge.db position.json
"""

import json
import os
import sys

import tailgate


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return 0  # from the first row on


def write(path, position):
    """Whole or not at all, whenever this program is ended."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(position, file)
    os.replace(path + ".new", path)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    db, note = sys.argv[1:]
    rows = ["query", "response", "message"]
    with tailgate.Observer(db=db, kinds=rows, after=read(note), notice=lambda text: print(text, file=sys.stderr)
                           ) as observer:
        for event in observer:
            print(event.data["timestamp"], event.kind, event.id, event.data.get("text", ""), flush=True)
            write(note, observer.position)


if __name__ == "__main__":
    main()
