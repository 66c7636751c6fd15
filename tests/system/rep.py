"""What the tests of REP workers are written in."""

import json

import zmq

QUICK = {"backoff.first": "20ms", "backoff.max": "100ms"}


def serve(site, bridge, *reps, settings=None, joined=True, **keywords):
    """A gateway that dials REPS, RepWorkers or words of --rep, and has them all."""
    words = []
    for rep in reps:
        words += ["--rep", rep if isinstance(rep, str) else rep.endpoint]
    gateway = site.serve(bridge, *words, settings=settings or QUICK, **keywords)
    for rep in reps if joined else ():
        gateway.wait_event("joined", worker=name_of(rep))
    return gateway


def name_of(rep):
    word = rep if isinstance(rep, str) else rep.endpoint
    return word.partition("://")[2].partition(",service=")[0][:64]


def states(gateway):
    return [rep["state"] for rep in gateway.status()["reps"]]


class Fake:
    """A ROUTER where a REP is expected: what comes back is written by hand."""

    def __init__(self, site):
        self.socket = site.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.endpoint = site.rep_endpoint("fake")
        self.socket.bind(self.endpoint)
        site.workers.append(self.socket)

    def request(self):
        """(peer, token, query); the frames are what WIRE.md says."""
        assert self.socket.poll(60_000), "no query came"
        peer, token, empty, body = self.socket.recv_multipart()
        query = json.loads(body)
        assert empty == b"" and query["delivery"]["token"] == token.decode()
        return peer, token, query

    def send(self, *frames):
        self.socket.send_multipart(frames)
