"""A program for `tailgate work`: notes in FOLDER that it has begun, and answers when the file `go` is there."""

import json
import pathlib
import sys
import time

folder = pathlib.Path(sys.argv[1])
for line in sys.stdin:
    with open(folder / "began", "a") as note:
        note.write(json.loads(line)["delivery"]["token"] + "\n")
    while not (folder / "go").exists():
        time.sleep(0.01)
    print(json.dumps({"answer": "done"}), flush=True)
