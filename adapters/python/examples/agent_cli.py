#!/usr/bin/env python3
"""A stand-in for the CLI of an agent, to try `tailgate work --agent` without one.

    tailgate work --db bridge.db --agent claude -- ./agent_cli.py --sessions /tmp/sessions

It reads and writes what `claude -p --input-format stream-json --output-format stream-json` does, as far as
`tailgate work` looks at it, but does not think: the answer says what it was told in this session. Each line of
its stdin is a message of the user, each line of its stdout an event:

    system, subtype init    the session is there; its session_id is what --resume wants later
    stream_event            a piece of the answer, as it comes
    assistant               a whole message
    result                  the end of one query: its answer, or why there is none

It stays and goes on in its session until its stdin ends. Standard library only.
"""

import argparse
import json
import os
import re
import sys
import uuid

PRICE = 0.001  # of a message, in US dollars


class Refused(Exception):
    """There is no answer; subtype and text say why."""

    def __init__(self, subtype, text):
        super().__init__(text)
        self.subtype = subtype


class Agent:
    def __init__(self, folder, resume=None):
        """A new session, or the one called RESUME as it was left in FOLDER."""
        self.folder = folder
        self.session = resume or str(uuid.uuid4())
        self.told = []  # what the user said
        if resume:
            if not re.fullmatch(r"[0-9a-f-]{36}", resume) or not os.path.exists(self.path()):
                raise Refused("error_during_execution", f"No conversation found with session ID: {resume}")
            with open(self.path(), encoding="utf-8") as file:
                self.told = json.load(file)

    def path(self):
        return os.path.join(self.folder, self.session + ".json")

    def hear(self, question):
        self.told.append(question)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        with open(self.path(), "w", encoding="utf-8") as file:
            json.dump(self.told, file)

    def think(self, question):
        """The answer in pieces."""
        yield f"You said: {question}\n"
        yield f"That is message {len(self.told)} of this session."


def emit(**event):
    print(json.dumps(event), flush=True)


def emit_result(agent, error=None, **members):
    """The cost is that of the whole session, the usage that of this query."""
    emit(type="result", is_error=error is not None, num_turns=1, session_id=agent.session if agent else "",
         total_cost_usd=round(PRICE * len(agent.told), 6) if agent else 0, **members)


def answer(agent, question):
    """Answers QUESTION with events."""
    agent.hear(question)
    emit(type="system", subtype="init", session_id=agent.session, model="stand-in-1", tools=[])
    pieces = []
    try:
        for piece in agent.think(question):
            pieces.append(piece)
            emit(type="stream_event", session_id=agent.session, parent_tool_use_id=None,
                 event={"type": "content_block_delta", "index": 0,
                        "delta": {"type": "text_delta", "text": piece}})
    except Refused as refused:
        emit_result(agent, error=refused, subtype=refused.subtype, errors=[str(refused)])
        return
    text = "".join(pieces)
    emit(type="assistant", session_id=agent.session, parent_tool_use_id=None,
         message={"role": "assistant", "content": [{"type": "text", "text": text}]})
    emit_result(agent, subtype="success", result=text,
                usage={"input_tokens": len(question.split()), "output_tokens": len(text.split())})


def text_of(line):
    """What the user says in a line of input."""
    content = json.loads(line)["message"]["content"]
    return "".join(block["text"] for block in content if block["type"] == "text")


def main(make=Agent):
    parser = argparse.ArgumentParser(description="A stand-in for the CLI of an agent.")
    parser.add_argument("-p", "--print", action="store_true", required=True)
    parser.add_argument("--input-format", choices=["stream-json"], required=True)
    parser.add_argument("--output-format", choices=["stream-json"], required=True)
    parser.add_argument("--verbose", action="store_true", required=True)
    parser.add_argument("--include-partial-messages", action="store_true", required=True)
    parser.add_argument("--resume", metavar="SESSION")
    parser.add_argument("--sessions", metavar="FOLDER", required=True, help="where sessions are kept")
    options = parser.parse_args()
    try:
        agent = make(options.sessions, options.resume)
    except Refused as refused:
        emit_result(None, error=refused, subtype=refused.subtype, errors=[str(refused)])
        sys.exit(1)
    for line in sys.stdin:
        answer(agent, text_of(line))


if __name__ == "__main__":
    main()
