"""A stock Majordomo worker of the storm: RFC 18 as it stands, nothing of ours. One query at a time, beats while
it waits, starts afresh when its broker has been silent. `storm_worker.py ENDPOINT SERVICE`"""

import json
import sys
import time

import zmq

import storm_child

BEAT = 0.2
SILENCE = 1.0
MDP, READY, REQUEST, FINAL, HEARTBEAT, DISCONNECT = b"MDPW02", b"\x01", b"\x02", b"\x04", b"\x05", b"\x06"


class Worker:
    def __init__(self, endpoint, service):
        self.context = zmq.Context()
        self.endpoint = endpoint
        self.service = service.encode()
        self.socket = None
        self.connect()

    def connect(self):
        if self.socket:
            self.socket.close(0)
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.connect(self.endpoint)
        self.say(READY, self.service)

    def say(self, *frames):
        try:
            self.socket.send_multipart([b"", MDP, *frames], zmq.DONTWAIT)
        except zmq.Again:
            pass

    def run(self):
        heard = time.monotonic()
        while True:
            if not self.socket.poll(BEAT * 1000):
                self.say(HEARTBEAT)
                if time.monotonic() - heard > SILENCE:
                    self.connect()
                    heard = time.monotonic()
                continue
            frames = self.socket.recv_multipart()
            heard = time.monotonic()
            if frames[2] == REQUEST:
                answer = storm_child.work(json.loads(frames[5]))
                self.say(FINAL, frames[3], b"", json.dumps(answer).encode())
            elif frames[2] == DISCONNECT:
                self.connect()


if __name__ == "__main__":
    Worker(*sys.argv[1:3]).run()
