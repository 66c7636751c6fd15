"""Observing a gateway, in threads and in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import datetime, timezone
from typing import Callable, Dict, Iterable, Mapping, Union

from ._answer import AskError
from ._box import Box
from ._client import Lines
from ._event import DURABLE, ROW_MAX, Choice, Event
from ._feed import Feed
from ._follow import Follow
from ._keys import keys_of
from ._place import Path, finder

#: Rows up to this one are not wanted any more: of all kinds, or by kind, as `position` says it.
After = Union[int, Mapping[str, int], None]


class _Observing:
    """What both have."""

    def __init__(self, endpoint: str | None = None, *, gate: str | None = None, db: Path | None = None,
                 kinds: Iterable[str] | None = None, conversation: str | None = None, service: str | None = None,
                 after: After = None, since: datetime | str | None = None,
                 notice: Callable[[str], None] | None = None, cert: Path | None = None,
                 server_cert: Path | None = None) -> None:
        find = finder(endpoint, db, "events")
        if gate is not None and db is not None:
            raise ValueError("db= names the gate, too")
        begin, stamp = _rows(after), _stamp(since)
        can_replay = db is not None or gate is not None
        if (begin or stamp) and not can_replay:
            raise ValueError("after and since need the gate: without it there is nobody to ask for older rows")
        choice = Choice(kinds, conversation, service)
        keys = keys_of(cert, server_cert)
        self._lines = Lines(gate, db, keys) if can_replay else None
        self._follow = Follow(choice, begin, stamp, can_replay)
        self._box = Box({kind: row for kind, row in begin.items() if kind in choice.durable()})
        self._feed = Feed(find, self._lines, choice, self._follow, self._box, notice, keys)
        self._starting = threading.Lock()
        self._started = self._closing = False

    @property
    def position(self) -> Dict[str, int]:
        """For each kind of rows, the row up to which all were given. Kept, and given to another observer as `after`, it
        goes on there: nothing twice, nothing missing. (By kind, because events that are lost are noticed by kind.)"""
        return self._box.position()

    @property
    def repaired(self) -> int:
        """How many rows were missed, and came by a replay."""
        return self._follow.repaired

    @property
    def lost(self) -> int:
        """How many events were lost that are no rows, as far as it can be told: where everything is taken."""
        return self._follow.lost

    def _start(self) -> None:
        with self._starting:
            if not self._started and not self._box.closed:
                self._started = True
                self._feed.start()

    def _close(self) -> None:
        self._box.close()
        with self._starting:
            started, self._started = self._started, True  # it is not started any more
            closing, self._closing = self._closing, True
        if closing:
            return
        self._feed.stop()
        if self._lines is not None:
            self._lines.close()
        if started and threading.current_thread() is not self._feed.thread:
            self._feed.join()
            self._feed.close_alarm()


class Observer(_Observing):
    """An iterator of what happens: each row of the bridge exactly once, in order, across restarts of the gateway and
    whatever gets lost on the way; and all other events, as far as they come.

    It listens at ENDPOINT, where the gateway publishes, and asks for what was missed at GATE; without that nothing can
    be repaired. DB stands for both: those of the gateway that serves this database, whether it is there already or
    comes later.

    KINDS are `query`, `response`, `message` (the rows), `partial`, `retry`, `dead`, `expired`, `superseded`, `deleted`,
    `dropped`, `worker`, `gateway` (or one of these: `gateway/paused`); None is all of them. CONVERSATION and SERVICE
    leave only events that name it.

    AFTER is the row behind which to begin, or the `position` of an earlier observer; None: from now on. SINCE, where
    AFTER says nothing, is the time from which on: a datetime (in UTC, if it does not say otherwise), or text in UTC as
    2026-11-21T01:00:00.

    What happens in between (rows that were repaired, events that were lost, a gateway that is away) goes to
    logging.getLogger("tailgate") and to NOTICE, which is called with a line of text, in a thread of the observer's.

    CERT and SERVER_CERT are for a gateway that wants a key (CURVE), at both endpoints: see Client.

    At most about 1000 events wait for an application that is slow. Any thread may take the next event, or close it:
    that ends the iteration."""

    def __init__(self, endpoint: str | None = None, *, gate: str | None = None, db: Path | None = None,
                 kinds: Iterable[str] | None = None, conversation: str | None = None, service: str | None = None,
                 after: After = None, since: datetime | str | None = None,
                 notice: Callable[[str], None] | None = None, cert: Path | None = None,
                 server_cert: Path | None = None) -> None:
        super().__init__(endpoint, gate=gate, db=db, kinds=kinds, conversation=conversation, service=service,
                         after=after, since=since, notice=notice, cert=cert, server_cert=server_cert)
        self._start()

    def __enter__(self) -> "Observer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> "Observer":
        return self

    def __next__(self) -> Event:
        try:
            return self.next()
        except AskError:
            if self._box.closed:
                raise StopIteration from None
            raise

    def next(self, timeout: float | None = None) -> Event:
        """The next event. TimeoutError when there was none in TIMEOUT seconds (None: as long as it takes); AskError
        when the observer is closed, or when the gateway refuses to tell what was missed."""
        return self._box.take(timeout)

    def close(self) -> None:
        """Ends the observer, and whoever waits for an event."""
        self._close()


class AsyncObserver(_Observing):
    """Observer for an event loop: `async for event in observer`, with the same arguments. It begins with its `async
    with` block, or the first event that is waited for; NOTICE is called in the loop."""

    def __init__(self, endpoint: str | None = None, *, gate: str | None = None, db: Path | None = None,
                 kinds: Iterable[str] | None = None, conversation: str | None = None, service: str | None = None,
                 after: After = None, since: datetime | str | None = None,
                 notice: Callable[[str], None] | None = None, cert: Path | None = None,
                 server_cert: Path | None = None) -> None:
        super().__init__(endpoint, gate=gate, db=db, kinds=kinds, conversation=conversation, service=service,
                         after=after, since=since, notice=None if notice is None else self._forward,
                         cert=cert, server_cert=server_cert)
        self._told = notice
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = asyncio.Event()

    async def __aenter__(self) -> "AsyncObserver":
        self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> "AsyncObserver":
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.next()
        except AskError:
            if self._box.closed:
                raise StopAsyncIteration from None
            raise

    async def next(self, timeout: float | None = None) -> Event:
        """See Observer.next()."""
        self._begin()
        async with asyncio.timeout(timeout):
            while True:
                self._ready.clear()
                event = self._box.take_now()
                if event is not None:
                    return event
                await self._ready.wait()

    async def close(self) -> None:
        """Ends the observer, and whoever waits for an event."""
        self._close()  # takes no longer than its threads' turns

    def _begin(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._box.listener = lambda: self._call(self._ready.set)
            self._start()

    def _call(self, action: Callable[..., None], *words: str) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(action, *words)

    def _forward(self, text: str) -> None:
        if self._told is not None:
            self._call(self._told, text)


def _rows(after: After) -> Dict[str, int]:
    rows = dict(after) if isinstance(after, Mapping) else {} if after is None else dict.fromkeys(DURABLE, after)
    if not all(kind in DURABLE and type(row) is int and 0 <= row <= ROW_MAX for kind, row in rows.items()):
        raise ValueError(f"after is the id of a row, or says one for some of {', '.join(DURABLE)}")
    return rows


def _stamp(since: datetime | str | None) -> str | None:
    if not isinstance(since, datetime):
        return since
    return (since.astimezone(timezone.utc) if since.tzinfo else since).replace(tzinfo=None).isoformat()
