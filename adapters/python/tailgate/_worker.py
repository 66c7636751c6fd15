"""A function as a worker."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
from typing import Any, Callable

import zmq

from ._connection import Connection, Context
from ._desk import Desk
from ._hands import Function, Tasks, Threads
from ._keys import keys_of
from ._place import Path, finder
from ._query import Query

SERVICE_MAX = 100
NAME_MAX = 64
SLOTS_MAX = 1000


def service_name(service: str) -> bytes:
    """The name of a service as a frame; ValueError when it cannot be one."""
    name = service.encode()
    if not 1 <= len(name) <= SERVICE_MAX or any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in service):
        raise ValueError(f"{service!r}: a service's name has 1 to {SERVICE_MAX} bytes and no control characters")
    return name


class Worker:
    """A function that answers the queries of one service, made by @worker. Calling it calls the function."""

    def __init__(self, function: Function, service: str = "*", *, slots: int = 1, name: str | None = None,
                 interval: float = 2.5, grace: float = 10.0) -> None:
        if not callable(function):
            raise TypeError("a worker is made of a function: @worker(\"service\")")
        functools.update_wrapper(self, function)
        if not 1 <= slots <= SLOTS_MAX or not 0.1 <= interval <= 60 or grace < 0:
            raise ValueError(f"slots are 1 to {SLOTS_MAX}, interval is 0.1 to 60 seconds, grace not negative")
        self.service = service
        self.slots = slots
        self.grace = grace
        self.interval = interval
        if name is not None and not 1 <= len(name.encode()) <= NAME_MAX:
            raise ValueError(f"a worker's name has 1 to {NAME_MAX} bytes")
        self._name = name
        self._function = function
        self._service = service_name(service)
        self._desk: Desk | None = None
        self._lock = threading.Lock()

    def __call__(self, query: Query) -> Any:
        return self._function(query)

    @property
    def name(self) -> str:
        """What logs, status and replies call it: as it was given, or the function's name and the process's id."""
        return self._name or f"{getattr(self._function, '__name__', 'worker')[:40]}-{os.getpid()}"

    @property
    def is_async(self) -> bool:
        """Whether the function is async: run() then makes an event loop for it."""
        both: tuple[Any, ...] = (self._function, getattr(self._function, "__call__", None))
        return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in both)

    def run(self, endpoint: str | None = None, *, db: Path | None = None, cert: Path | None = None,
            server_cert: Path | None = None) -> None:
        """Serves the gateway at ENDPOINT, or that of the database DB, whether it is there already or comes later,
        until SIGINT, SIGTERM or stop(). An async function gets an event loop. CERT and SERVER_CERT are
        for a gateway that wants a key (CURVE): see Client. ValueError when ENDPOINT, DB or one of these cannot be
        one."""
        if self.is_async:
            asyncio.run(self.serve(endpoint, db=db, cert=cert, server_cert=server_cert))
            return
        context, desk = self._open(endpoint, db, cert, server_cert)
        hands = Threads(desk, self._function, self.slots)
        desk.hands = hands
        try:
            hands.serve()
        finally:
            self._close(desk)
            context.term()  # what was said last is sent, within a second
        self._check(desk)

    async def serve(self, endpoint: str | None = None, *, db: Path | None = None, cert: Path | None = None,
                    server_cert: Path | None = None) -> None:
        """The same for an async function, in the event loop that runs."""
        if not self.is_async:
            raise TypeError(f"{self.name}: serve() is for async functions; run() serves with this one")
        context, desk = self._open(endpoint, db, cert, server_cert)
        hands = Tasks(desk, self._function, self.slots)
        desk.hands = hands
        try:
            await hands.serve()
        finally:
            self._close(desk)
            await asyncio.shield(asyncio.to_thread(context.term))
        self._check(desk)

    def stop(self) -> None:
        """Ends run() or serve(), from any thread: what is in work may be finished within `grace` seconds and is
        given back then; a second call gives it back at once."""
        desk = self._desk
        if desk is not None:
            desk.stop()

    def _open(self, endpoint: str | None, db: Path | None, cert: Path | None, server_cert: Path | None
              ) -> tuple[Context, Desk]:
        find, keys = finder(endpoint, db), keys_of(cert, server_cert)
        options = {"name": self.name, "slots": self.slots, "heartbeats": True, "format": "query",
                   "interval": round(self.interval * 1000)}
        with self._lock:
            if self._desk is not None:
                raise RuntimeError(f"{self.name} runs already")
            context: Context = zmq.Context()
            connection = Connection(context, find, keys=keys)
            self._desk = Desk(context, connection, self._service, options, self.grace)
        return context, self._desk

    def _close(self, desk: Desk) -> None:
        """However it came here, the desk gives back what is left and ends."""
        desk.stop()
        desk.stop()
        desk.join()
        desk.close_alarm()
        with self._lock:
            self._desk = None

    def _check(self, desk: Desk) -> None:
        if desk.failure is not None:
            raise RuntimeError(f"{self.name}: the thread that talks to the gateway has failed") from desk.failure


def worker(service: str = "*", *, slots: int = 1, name: str | None = None, interval: float = 2.5,
           grace: float = 10.0) -> Callable[[Function], Worker]:
    """Makes a worker for SERVICE ("*": for all) of the function below it, which is called with each Query.

    What it returns is the answer: text, an object with `answer` and perhaps `sources`, or other JSON. A generator
    sends each text that it yields ahead, as a partial; what it returns, or else all that it has yielded, is the
    answer. It may be async. An exception costs the query one of its attempts; Fatal ends it; GiveBack passes it on.

    SLOTS queries are taken at once: one runs in the thread that calls run(), several in a thread each, or as tasks.
    NAME is what logs, status and replies call the worker. INTERVAL seconds lie between heartbeats, which come
    from a thread of their own: a function may compute for minutes, as long as it lets other Python threads run; one
    that keeps the interpreter to itself for three intervals is given up. GRACE seconds are there to finish what is
    in work when the program is told to stop."""
    if not isinstance(service, str):
        raise TypeError("write @worker(\"service\"), or @worker() for all services")
    return lambda function: Worker(function, service, slots=slots, name=name, interval=interval, grace=grace)
