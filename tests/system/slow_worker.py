"""A worker whose work a test can see and steer: `slow_worker.py FORM FOLDER [ENDPOINT [SERVICE]]`.

FORM child: a program of `tailgate work`, JSON lines on stdin and stdout. mdp: a stock Majordomo worker, whose READY
has no options, and which neither hears nor says anything while it works. req: a plain REQ worker that puts the
query's token into its answer. Each execution is a line "<pid> <message> <attempt>" in FOLDER/executed, written
before the work begins; a question "slow …" lasts until there is a file FOLDER/go."""

import json
import os
import sys
import time

import zmq

MDP, READY, REQUEST, FINAL, HEARTBEAT, DISCONNECT = b"MDPW02", b"\x01", b"\x02", b"\x04", b"\x05", b"\x06"


def work(folder, query):
    delivery = query["delivery"]
    with open(os.path.join(folder, "executed"), "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {delivery['message_id']} {delivery['attempt']}\n")
    while query["question"].startswith("slow") and not os.path.exists(os.path.join(folder, "go")):
        if not os.path.isdir(folder):  # the test is over, and who started this was killed
            sys.exit(1)
        time.sleep(0.01)
    return {"answer": f"{os.getpid()}: {query['question']}", "delivery": {"token": delivery["token"]}}


def child(folder):
    for line in sys.stdin:
        answer = work(folder, json.loads(line))
        answer.pop("delivery")
        print(json.dumps(answer), flush=True)


def mdp(folder, endpoint, service):
    context = zmq.Context()
    socket = None
    while True:
        if socket is None:  # the first time, or the gateway said DISCONNECT
            socket = context.socket(zmq.DEALER)
            socket.linger = 0
            socket.connect(endpoint)
            socket.send_multipart([MDP, READY, service.encode()])
        if not socket.poll(200):
            socket.send_multipart([MDP, HEARTBEAT])
            continue
        frames = socket.recv_multipart()
        if frames[1] == REQUEST:
            answer = json.dumps(work(folder, json.loads(frames[4]))).encode()
            socket.send_multipart([MDP, FINAL, frames[2], b"", answer])
        elif frames[1] == DISCONNECT:
            socket.close()
            socket = None


def req(folder, endpoint, service):
    context = zmq.Context()
    socket = None
    while True:
        if socket is None:
            socket = context.socket(zmq.REQ)
            socket.linger = 0
            socket.connect(endpoint)
            socket.send_multipart([b"READY", service.encode()])
        query = json.loads(socket.recv())
        if query["type"] == "error":  # the gateway does not know this connection
            socket.close()
            socket = None
            continue
        socket.send_json(work(folder, query))


if __name__ == "__main__":
    {"child": child, "mdp": mdp, "req": req}[sys.argv[1]](*sys.argv[2:])
