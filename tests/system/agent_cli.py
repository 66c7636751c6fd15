#!/usr/bin/env python3
"""The CLI of an agent that does what the question says. The events and the sessions of `claude` are those of the
example agent_cli.py; started as `codex exec` it writes that one's events, into the same sessions. --notes is the
folder where it meets the test."""

import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "adapters" / "python" / "examples" / "agent_cli.py"
spec = importlib.util.spec_from_file_location("example", EXAMPLE)
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)

folder = None


def note(name):
    with open(os.path.join(folder, name + ".part"), "w") as file:
        file.write(str(os.getpid()))
    os.rename(os.path.join(folder, name + ".part"), os.path.join(folder, name))


class Faulty(example.Agent):
    def think(self, question):
        word, _, rest = question.partition(" ")
        if word == "hang":
            yield "let me see"
            note("hanging")
            time.sleep(3600)
        elif word == "exit":
            yield "let me see"
            sys.stdout.flush()
            os._exit(int(rest))
        elif word == "fail":
            yield "let me see"
            raise example.Refused(*rest.split(" ", 1))
        elif word == "helped":
            example.emit(type="stream_event", parent_tool_use_id="toolu_1",
                         event={"type": "content_block_delta",
                                "delta": {"type": "text_delta", "text": "a sub-agent's words"}})
            example.emit(type="assistant", parent_tool_use_id="toolu_1",
                         message={"content": [{"type": "text", "text": "a sub-agent's message"}]})
            example.emit(type="stream_event", parent_tool_use_id=None,
                         event={"type": "content_block_delta",
                                "delta": {"type": "thinking_delta", "thinking": "hm"}})
            example.emit(type="something_new", result="not this")
            yield "own words"
        elif word == "garbage":
            print(b"\x1b[31m\xffnot JSON".decode("latin-1") + "\n[1, 2]\n\"type\"\n{\"type\":7}\n{}", flush=True)
            yield "after garbage"
        elif word == "shout":
            print(rest, file=sys.stderr, flush=True)
            yield "shouted"
        elif word == "large":
            yield "x" * int(rest)
        elif word == "endless":
            while True:
                sys.stdout.write("x" * 65536)
        elif word == "empty":
            return
        else:
            yield f"{os.getpid()} {len(self.told)} "
            yield question


def codex(words):
    """One query, which is all of stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", required=True)
    parser.add_argument("--sessions", required=True)
    parser.add_argument("rest", nargs="+")
    options = parser.parse_args(words)
    session = options.rest[1] if options.rest[0] == "resume" else None
    assert options.rest == (["resume", session, "-"] if session else ["-"])
    agent = Faulty(options.sessions, session)
    question = sys.stdin.read()
    agent.hear(question)
    example.emit(type="thread.started", thread_id=agent.session)
    example.emit(type="turn.started")
    example.emit(type="item.completed", item={"id": "item_0", "type": "reasoning", "text": "hm"})
    try:
        for piece in [*agent.think(question)]:
            example.emit(type="item.completed", item={"id": "item_1", "type": "agent_message", "text": piece})
    except example.Refused as refused:
        example.emit(type="error", message="stream disconnected")
        example.emit(type="turn.failed", error={"message": str(refused)})
        sys.exit(1)
    example.emit(type="turn.completed",
                 usage={"input_tokens": 20, "cached_input_tokens": 5, "output_tokens": 3})


if __name__ == "__main__":
    at = sys.argv.index("--notes")
    folder = sys.argv[at + 1]
    del sys.argv[at:at + 2]
    if sys.argv[1] == "exec":
        codex(sys.argv[2:])
    else:
        example.main(Faulty)
