"""Workers whose frames are written by hand from proto/WIRE.md, so that no code of ours is on both sides."""

import json
import threading
import time

import zmq

from process import WAIT

MDP = b"MDPW02"
READY, REQUEST, PARTIAL, FINAL, HEARTBEAT, DISCONNECT, BATCH = (bytes([n]) for n in range(1, 8))


def batch(*messages):
    """The body of a BATCH: each of MESSAGES is a list of frames, its command first."""
    packed = b""
    for frames in messages:
        numbers = [len(frames), *map(len, frames)]
        packed += b"".join(number.to_bytes(4, "little") for number in numbers) + b"".join(frames)
    return packed


def unbatch(packed):
    """The messages in a BATCH's body."""
    messages, at = [], 0

    def number():
        nonlocal at
        at += 4
        return int.from_bytes(packed[at - 4:at], "little")

    while at < len(packed):
        sizes = [number() for _ in range(number())]
        messages.append([packed[at + sum(sizes[:n]):at + sum(sizes[:n + 1])] for n in range(len(sizes))])
        at += sum(sizes)
    assert at == len(packed), "a batch that ends in the middle of a message"
    return messages


class Query:
    """What a worker was given: token and body as bytes, and the body as JSON."""

    def __init__(self, token, body):
        self.token = token
        self.body = body
        self.json = json.loads(body)
        self.delivery = self.json["delivery"]
        self.id = self.delivery["message_id"]
        self.attempt = self.delivery["attempt"]


class MdpWorker:
    """An MDP/0.2 worker on a bare DEALER socket. It beats while it waits in request()."""

    def __init__(self, context, endpoint, service="*", ready=True, beat=0.5, rcvhwm=1000, **options):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.rcvhwm = rcvhwm
        self.socket.sndtimeo = 5000
        self.socket.connect(endpoint)
        self.service = service
        self.options = options
        self.beat = beat
        self.ready_sent = 0
        if ready:
            self.ready()

    def close(self):
        self.socket.close(0)

    def send(self, *frames):
        self.socket.send_multipart(list(frames))

    def ready(self):
        frames = [MDP, READY, self.service.encode()]
        if self.options:
            frames.append(json.dumps(self.options).encode())
        self.send(*frames)
        self.ready_sent += 1

    def heartbeat(self):
        """Never blocks: a gateway may have gone for good."""
        try:
            self.socket.send_multipart([MDP, HEARTBEAT], zmq.DONTWAIT)
        except zmq.Again:
            pass

    def disconnect(self):
        self.send(MDP, DISCONNECT)

    def partial(self, token, body):
        self.send(MDP, PARTIAL, token, b"", body)

    def final(self, token, answer):
        """ANSWER: bytes, text, or an object that is sent as JSON."""
        if not isinstance(answer, bytes):
            answer = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send(MDP, FINAL, token, b"", answer)

    def receive(self, timeout=WAIT):
        """The next message's frames, or None when there is none in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        frames = self.socket.recv_multipart()
        assert frames[0] == MDP, f"not an MDP frame: {frames!r}"
        return frames

    def request(self, timeout=WAIT, again=True):
        """The next query, beating meanwhile; None when none came in time. AGAIN: say READY after a
        DISCONNECT, as a worker does after a gateway restart."""
        end = time.monotonic() + timeout
        while True:
            frames = self.receive(max(0.0, min(self.beat, end - time.monotonic())))
            if frames is None:
                if time.monotonic() >= end:
                    return None
                self.heartbeat()
            elif frames[1] == REQUEST:
                assert len(frames) == 5 and frames[3] == b"", f"a strange REQUEST: {frames!r}"
                return Query(frames[2], frames[4])
            elif frames[1] == DISCONNECT:
                assert again, "the gateway sent DISCONNECT"
                self.ready()
            else:
                assert frames[1] == HEARTBEAT and len(frames) == 2, f"unexpected frames: {frames!r}"

    def wait_disconnect(self, timeout=WAIT):
        """Beats until the gateway says DISCONNECT."""
        end = time.monotonic() + timeout
        while True:
            frames = self.receive(0.1)
            if frames is not None and frames[1] == DISCONNECT:
                return
            assert time.monotonic() < end, "no DISCONNECT came"
            if frames is None:
                self.heartbeat()


class ReqWorker:
    """A plain REQ worker: READY, query, answer, query, …"""

    def __init__(self, context, endpoint, service=None, ready=True, one_frame=False, **options):
        self.context = context
        self.endpoint = endpoint
        self.service = service
        self.options = options
        self.one_frame = one_frame
        self.socket = None
        if ready:
            self.ready()

    def close(self):
        if self.socket:
            self.socket.close(0)
        self.socket = None

    def ready(self):
        """A fresh socket that says READY: also what a REQ worker does when a receive timed out."""
        self.close()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.linger = 0
        self.socket.connect(self.endpoint)
        if self.one_frame:
            self.socket.send(b"READY" if self.service is None else b"READY " + self.service.encode())
            return
        frames = [b"READY"]
        if self.service is not None or self.options:
            frames.append((self.service or "*").encode())
        if self.options:
            frames.append(json.dumps(self.options).encode())
        self.socket.send_multipart(frames)

    def request(self, timeout=WAIT):
        """The next query, or None when none came in time (then only ready() helps)."""
        if not self.socket.poll(timeout * 1000):
            return None
        frames = self.socket.recv_multipart()
        assert len(frames) == 1, f"a REQ worker wants one frame: {frames!r}"
        query = Query(None, frames[0])
        query.token = query.delivery["token"].encode()
        return query

    def final(self, _token, answer):
        if not isinstance(answer, bytes):
            answer = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.socket.send(answer)


class RepWorker:
    """A REP socket that is bound and waits to be asked. It sees no token but the one in `delivery`."""

    def __init__(self, context, endpoint):
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 1000
        self.socket.bind(endpoint)
        self.endpoint = self.socket.last_endpoint.decode()  # tcp: the port

    def close(self):
        self.socket.close()

    def request(self, timeout=WAIT):
        """The next query, or None when none came in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        frames = self.socket.recv_multipart()
        assert len(frames) == 1, f"a REP worker is given one frame: {frames!r}"
        return Query(None, frames[0])

    def final(self, answer):
        """ANSWER as in MdpWorker.final()."""
        if not isinstance(answer, bytes):
            answer = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.socket.send(answer)

    def serve(self, answer=None):
        """Answers one query, as an Answerer would unless told otherwise; returns it."""
        query = self.request()
        assert query is not None, "no query came"
        self.final(answer or echo(query))
        return query


def echo(query):
    """The answer that Answerer gives unless told otherwise."""
    return {"answer": "re: " + query.json["question"]}


class Answerer(threading.Thread):
    """A worker in a thread of its own that answers everything until stop(). It beats, and says READY again
    after DISCONNECT, so that gateways may come and go. ANSWER(query) returns an answer, or None to say
    nothing."""

    def __init__(self, context, endpoint, service="*", answer=echo, beat=0.2, **options):
        super().__init__(daemon=True)
        self.context = context
        self.endpoint = endpoint
        self.service = service
        self.answer = answer
        self.beat = beat
        self.options = {"name": "answerer", "heartbeats": True, "interval": 5000, **options}
        self.queries = []
        self.failure = None
        self.stopping = threading.Event()
        self.start()

    def run(self):
        worker = MdpWorker(self.context, self.endpoint, self.service, beat=self.beat, **self.options)
        try:
            last_beat = time.monotonic()
            while not self.stopping.is_set():
                query = worker.request(timeout=self.beat)
                if query is not None:
                    self.queries.append(query)
                    answer = self.answer(query)
                    if answer is not None:
                        worker.final(query.token, answer)
                if time.monotonic() - last_beat >= self.beat:
                    worker.heartbeat()
                    last_beat = time.monotonic()
            worker.disconnect()
        except zmq.Again:  # no gateway to say it to
            pass
        except Exception as failure:  # shown by stop(), in the test's own thread
            self.failure = failure
        finally:
            worker.socket.close(100)

    def stop(self):
        self.stopping.set()
        self.join(WAIT)
        assert not self.is_alive(), "a worker thread does not end"
        if self.failure:
            raise self.failure
