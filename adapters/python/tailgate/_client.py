"""Asking through the gate, in threads."""

from __future__ import annotations

import math
import queue
import threading
import time
from typing import Dict, Iterator, Optional, Tuple, Union

import zmq

from ._answer import (Answer, AskError, AskTimeout, Question, answer_in, available_in, body_of, closed_in, fetched_in,
                      rest_of, text_in, ticket_in)
from ._connection import Connection, Frames
from ._keys import Keys, keys_of
from ._line import Kind, Line, Report, Request
from ._place import Path, finder
from ._worker import service_name

PARTIALS = 10000  # that nobody has read yet, at most: what is beyond is left out, the answer has it all
FETCH_FIRST, FETCH_MAX = 0.05, 2.0  # seconds between looks at a ticket; doubles
BUILT_IN = ("mmi.", "tailgate.", "titanic.")


class Lines:
    """The connections of a client: one for questions and one for the gateway's own services, whose replies need
    not wait for somebody's answer. Any thread may use them."""

    def __init__(self, endpoint: str | None, db: Path | None, keys: Keys | None = None) -> None:
        self._keys = keys
        self._find = finder(endpoint, db)
        self._lock = threading.Lock()
        self._lines: Dict[bool, Line] = {}
        self._closed = False

    def send(self, service: str, body: Frames, report: Report) -> Tuple[Line, Request]:
        request = Request(service_name(service), body, report)
        built_in = service.startswith(BUILT_IN)
        with self._lock:
            if self._closed:
                raise AskError("the client is closed")
            if built_in not in self._lines:
                context = zmq.Context.instance()
                self._lines[built_in] = Line(context, Connection(context, self._find, probe=True, keys=self._keys))
                self._lines[built_in].start()
            line = self._lines[built_in]
        line.ask(request)
        return line, request

    def close(self) -> None:
        """Whoever still waits gets an AskError."""
        with self._lock:
            self._closed = True
            lines = list(self._lines.values())
            self._lines.clear()
        for line in lines:
            line.stop()
            line.join()
            line.close_alarm()


class Client:
    """Asks through the gate of the gateway at ENDPOINT, or of that which serves the database DB, whether it is there
    already or comes later. Any number of threads may ask at once; but replies of one client come in the order of its
    questions: one that need not wait for another's answer has a Client of its own. A gateway that restarts is asked
    again, and nothing is worked on twice for that. Close it, or use it in a `with` block.

    CERT and SERVER_CERT are for a gateway that wants a key (CURVE): the file of our certificate, with its secret half
    beside it (CERT_secret), and the gateway's public certificate. ValueError when they cannot be used; why a gateway
    lets nobody in goes to logging.getLogger("tailgate")."""

    def __init__(self, endpoint: str | None = None, *, db: Path | None = None, cert: Path | None = None,
                 server_cert: Path | None = None) -> None:
        self._lines = Lines(endpoint, db, keys_of(cert, server_cert))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the client; whoever still waits gets an AskError."""
        self._lines.close()

    def ask(self, service: str, question: Question, *, timeout: float | None = None) -> Answer:
        """Asks SERVICE and waits for the answer: AskError when that is an error, AskTimeout when TIMEOUT seconds were
        not enough (None: as long as it takes)."""
        return answer_in(self._final(service, body_of(question), timeout))

    def stream(self, service: str, question: Question, *, timeout: float | None = None
               ) -> Iterator[Union[str, Answer]]:
        """The same, but gives the answer's text in parts while they come, and the Answer last. (A gateway keeps the
        end of a stream back until it has seen the whole; it comes as the last part.) The parts make up the text,
        unless another worker had to take over and began anew: then only the Answer has it right."""
        shown = ""
        for kind, frames in self._events(service, body_of(question), timeout):
            if kind is Kind.PARTIAL:
                shown += text_in(frames)
                yield text_in(frames)
                continue
            answer = answer_in(frames)
            if rest := rest_of(shown, answer.text):
                yield rest
            yield answer

    def submit(self, service: str, question: Question, *, timeout: float | None = None) -> str:
        """Leaves a question to be answered whenever that may be (Titanic), and returns its ticket. It is safe in the
        bridge then. Where the connection is lost before the ticket came, it is sent again."""
        return ticket_in(self._final("titanic.request", [service_name(service), *body_of(question)], timeout))

    def fetch(self, ticket: str, *, wait: float = 0.0, timeout: float | None = None) -> Optional[Answer]:
        """The answer to what was submitted, or None while there is none, after WAIT seconds. It can be fetched again
        until the ticket is closed. AskError when nobody could answer, UnknownTicket when there is no such ticket."""
        end, pause = time.monotonic() + wait, FETCH_FIRST
        while True:
            answer = fetched_in(self._final("titanic.reply", [ticket.encode()], timeout))
            left = end - time.monotonic()
            if answer is not None or left <= 0:
                return answer
            time.sleep(min(pause, left))
            pause = min(FETCH_MAX, pause * 2)

    def close_ticket(self, ticket: str, *, timeout: float | None = None) -> bool:
        """Lets go of a ticket, and of its question when no worker has it yet. False when there was none."""
        return closed_in(self._final("titanic.close", [ticket.encode()], timeout))

    def available(self, service: str, *, timeout: float | None = None) -> bool:
        """Whether a worker for SERVICE is registered."""
        return available_in(self._final("mmi.service", [service_name(service)], timeout))

    def _final(self, service: str, body: Frames, timeout: float | None) -> Frames:
        for kind, frames in self._events(service, body, timeout):
            if kind is Kind.FINAL:
                return frames
        raise AskError("the client is closed")

    def _events(self, service: str, body: Frames, timeout: float | None) -> Iterator[Tuple[Kind, Frames]]:
        """PARTIALs, and the FINAL last. Leaving it before that abandons the request."""
        inbox: queue.SimpleQueue[Tuple[Kind, Frames]] = queue.SimpleQueue()

        def report(kind: Kind, frames: Frames) -> None:
            if kind is not Kind.PARTIAL or inbox.qsize() < PARTIALS:
                inbox.put((kind, frames))

        end = math.inf if timeout is None else time.monotonic() + timeout
        line, request = self._lines.send(service, body, report)
        over = False
        try:
            while not over:
                left = None if timeout is None else max(0.0, end - time.monotonic())
                try:
                    kind, frames = inbox.get(timeout=left)
                except queue.Empty:
                    raise AskTimeout(f"no answer of {service} within {timeout} s") from None
                if kind is Kind.CLOSED:
                    raise AskError(text_in(frames))
                over = kind is Kind.FINAL
                yield kind, frames
        finally:
            if not over:
                line.abandon(request)
