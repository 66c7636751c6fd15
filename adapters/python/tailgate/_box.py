"""What an application has not taken yet. The observer's thread puts in; any thread takes out."""

from __future__ import annotations

import collections
import threading
import time
from typing import Callable, Deque, Dict, Iterable, Optional

from ._answer import AskError
from ._event import Event
from ._follow import Given


class Box:
    def __init__(self, position: Dict[str, int]) -> None:
        self.listener: Callable[[], None] = _nothing  # called, in the thread that puts in, when there is news
        self.low: Callable[[], None] = _nothing       # called, in the thread that takes out: is_low() now
        self.closed = False                           # by the application, and not by what went wrong
        self._position = dict(position)
        self._items: Deque[Given] = collections.deque()  # the first one has an event
        self._count = 0                                  # of events
        self._wish: Optional[int] = None                 # call low() when there are as few as this
        self._reason: Optional[Exception] = None         # there will be no more
        self._more = threading.Condition()

    def __len__(self) -> int:
        return self._count

    def put(self, given: Iterable[Given]) -> None:
        with self._more:
            for event, rows in given:
                if self._reason is not None:
                    return
                if event is not None:
                    self._count += 1
                    self._items.append((event, rows))
                elif self._items:  # counts when what was there before has been taken
                    last, known = self._items[-1]
                    self._items[-1] = (last, {**known, **rows})
                else:
                    self._position.update(rows)
            if self._items:
                self._more.notify()
        self.listener()

    def is_low(self, count: int) -> bool:
        """True when COUNT events or less are waiting; else low() is called as soon as that is so. (Once, for the
        highest COUNT of those that were asked for: whoever has others asks again.)"""
        with self._more:
            if self._count <= count:
                return True
            self._wish = max(count, self._wish or 0)
            return False

    def take(self, timeout: float | None) -> Event:
        """The next event. TimeoutError when there was none in TIMEOUT seconds, and what close() gave at the end."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._more:
            while (event := self._pop()) is None:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"no event within {timeout} s")
                self._more.wait(left)
        self._tell_low()
        return event

    def take_now(self) -> Optional[Event]:
        """The same, or None when none waits."""
        with self._more:
            event = self._pop()
        self._tell_low()
        return event

    def _pop(self) -> Optional[Event]:
        if not self._items:
            if self._reason is not None:
                raise self._reason
            return None
        event, rows = self._items.popleft()
        self._position.update(rows)
        self._count -= 1
        return event

    def _tell_low(self) -> None:
        with self._more:
            is_low = self._wish is not None and self._count <= self._wish
            if is_low:
                self._wish = None
        if is_low:  # and the lock is free: it wakes a thread that may want it
            self.low()

    def position(self) -> Dict[str, int]:
        with self._more:
            return dict(self._position)

    def close(self, failure: Exception | None = None) -> None:
        """There will be no more. Without a FAILURE the application wants none, not even what waits."""
        with self._more:
            if failure is None:
                self.closed = True
                self._items.clear()
                self._count = 0
            if self._reason is None:
                self._reason = failure or AskError("the observer is closed")
            self._more.notify_all()
        self.listener()


def _nothing() -> None:
    pass
