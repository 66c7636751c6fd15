"""The events' side of a gateway in a few raw frames, for tests of observers: an XPUB socket in the test's own
thread."""

import json

import zmq

from harness import WAIT

KINDS = ("query", "response", "message")


class Door:
    """The events' side of a gateway, with as much of its state as the frames need."""

    def __init__(self, site):
        self.context, self.endpoint = site.context, f"ipc://{site.folder}/events"
        self.epoch, self.socket = 0, None
        self.open()

    def open(self, row=0):
        """A run begins, behind ROW."""
        self.epoch += 1
        self.seq, self.row, self.last = 0, row, dict.fromkeys(KINDS, row)
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.linger = 1000
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # hear of each subscription, also where another has the same
        self.welcome()
        self.socket.bind(self.endpoint)

    def close(self):
        self.socket.close()

    def members(self):
        return {"seq": self.seq, "epoch": f"e{self.epoch}", "id": self.row, "last": self.last}

    def welcome(self):
        text = json.dumps({"event": "gateway/welcome", **self.members()})
        self.socket.setsockopt(zmq.XPUB_WELCOME_MSG, b"gateway/welcome " + text.encode())

    def subscribed(self, *topics):
        """Waits until subscriptions to TOPICS have come; returns them all."""
        found = []
        while not set(topics) <= set(found):
            assert self.socket.poll(WAIT * 1000), f"waited for subscriptions to {topics}, and {found} came"
            word = self.socket.recv()
            if word[:1] == b"\x01":
                found.append(word[1:].decode())
        return found

    def send(self, topic, **members):
        self.seq += 1
        self.socket.send_multipart([topic.encode(), b"%d" % self.seq,
                                    json.dumps({"seq": self.seq, **members}).encode()])

    def row_of(self, kind, lose=False, conversation="c", **members):
        """Publishes the next row, or only counts it."""
        prev, self.row = self.last[kind], self.row + 1
        self.last[kind] = self.row
        if lose:
            self.seq += 1
        else:
            self.send(f"{kind}/{conversation}", **row(kind, self.row, conversation, **members), prev=prev)

    def mark(self):
        self.send("gateway/mark", event="gateway/mark", **self.members())


def row(kind, number, conversation="c", **members):
    return {"event": kind, "id": number, "conversation_id": conversation, "text": f"row {number}", **members}
