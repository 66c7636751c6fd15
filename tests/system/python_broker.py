"""The gateway's client side of MDP/0.2 in a few raw frames, for tests of clients: a ROUTER socket in the test's own
thread. It answers nothing by itself."""

import threading

import zmq

from harness import WAIT

CLIENT = b"MDPC02"
ASKED, PART, WHOLE = (bytes([n]) for n in range(1, 4))


class Broker:
    def __init__(self, context, endpoint):
        self.context = context
        self.endpoint = endpoint
        self.socket = None
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 1000
        self.socket.bind(self.endpoint)

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def request(self, timeout=WAIT):
        """The next request: (peer, service, body frames)."""
        assert self.socket.poll(timeout * 1000), f"waited {timeout:.0f} s for a request"
        peer, header, command, service, *body = self.socket.recv_multipart()
        assert (header, command) == (CLIENT, ASKED)
        return peer, service.decode(), body

    def silent(self, seconds):
        return not self.socket.poll(seconds * 1000)

    def partial(self, peer, service, *body):
        self.socket.send_multipart([peer, CLIENT, PART, service.encode(), *body])

    def final(self, peer, service, *body):
        self.socket.send_multipart([peer, CLIENT, WHOLE, service.encode(), *body])


class Background(threading.Thread):
    """CALL in a thread; result() gives what it returned, or raises what it raised."""

    def __init__(self, call, *words, **keywords):
        super().__init__(daemon=True)
        self.task = lambda: call(*words, **keywords)
        self.value = self.failure = None
        self.start()

    def run(self):
        try:
            self.value = self.task()
        except Exception as failure:  # handed on to the test's own thread
            self.failure = failure

    def result(self, timeout=WAIT):
        self.join(timeout)
        assert not self.is_alive(), "it does not end"
        if self.failure:
            raise self.failure
        return self.value
