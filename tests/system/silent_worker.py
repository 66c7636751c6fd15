"""A worker that takes one query and never answers: `silent_worker.py ENDPOINT mdp|req|rep SERVICE`.
Prints "got" and the query when it has it, then waits to be killed."""

import json
import sys
import time

import zmq


def main():
    endpoint, form, service = sys.argv[1:4]
    context = zmq.Context()
    if form == "req":
        socket = context.socket(zmq.REQ)
        socket.connect(endpoint)
        socket.send_multipart([b"READY", service.encode()])
        body = socket.recv_multipart()[-1]
    elif form == "rep":  # it is dialled, and told its service by nobody
        socket = context.socket(zmq.REP)
        socket.bind(endpoint)
        body = socket.recv()
    else:
        socket = context.socket(zmq.DEALER)
        socket.connect(endpoint)
        options = json.dumps({"name": "silent", "heartbeats": True, "interval": 200}).encode()
        ready = [b"MDPW02", b"\x01", service.encode(), options]
        socket.send_multipart(ready)
        while True:
            if socket.poll(100):
                frames = socket.recv_multipart()
                if frames[1] == b"\x02":
                    body = frames[-1]
                    break
                if frames[1] == b"\x06":  # it was too slow to beat
                    socket.send_multipart(ready)
            socket.send_multipart([b"MDPW02", b"\x05"])
    print("got", body.decode(), flush=True)
    while True:
        if form == "mdp":
            socket.send_multipart([b"MDPW02", b"\x05"])
        time.sleep(0.1)


if __name__ == "__main__":
    main()
