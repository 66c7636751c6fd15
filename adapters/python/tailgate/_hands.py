"""Who runs a worker's function: the thread that called run(), a thread for each query, or an event loop."""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
from types import FrameType
from typing import Any, Callable

from ._desk import Desk, Flight
from ._query import Cancelled, Fatal, GiveBack, Outcome, Query, answered, call, call_async, explained, given_back
from ._reactor import log

Function = Callable[[Query], Any]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def judge(error: Exception, flight: Flight, worker: str) -> Outcome:
    if not isinstance(error, GiveBack):
        log.warning("%s: query %d failed: %s: %s", worker, flight.query.message_id, type(error).__name__, error,
                    exc_info=None if isinstance(error, Fatal) else error)
    return explained(error)


class Threads:
    """With one slot the function runs in the thread that calls serve(), usually the main one: what must run there
    (much that draws or computes) does. With more, each query has a thread of its own."""

    patient = True

    def __init__(self, desk: Desk, function: Function, slots: int) -> None:
        self.slots = slots
        self.spare = 0 if slots == 1 else slots
        self._desk = desk
        self._function = function
        self._work: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._busy = False     # the function runs in the thread of serve()
        self._over = False
        self._main: int | None = None  # that thread, where it is the one that gets the signals

    def begin(self, flight: Flight) -> None:
        if self.slots == 1:
            self._work.put(flight)
        else:
            threading.Thread(target=self._perform, args=(flight,), daemon=True, name=f"query {flight.query.message_id}"
                             ).start()

    def abandon(self, flight: Flight) -> None:
        pass  # `cancelled` is set: nothing else reaches a thread

    def finish(self) -> None:
        self._over = True
        self._work.put(None)
        if self._busy and self._main is not None:
            signal.pthread_kill(self._main, signal.SIGTERM)  # see _on_signal; ends a wait in the kernel, too

    def serve(self) -> None:
        """Starts the desk and returns when the worker has ended. SIGINT and SIGTERM end it, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            self._desk.start()
            self._loop()
            return
        before = [signal.getsignal(number) for number in SIGNALS]
        # The signal's number goes to the desk even while the function does not return to Python.
        wakeup = signal.set_wakeup_fd(self._desk.alarm.fileno(), warn_on_full_buffer=False)
        try:
            for number in SIGNALS:
                signal.signal(number, self._on_signal)
            self._main = threading.get_ident()
            self._desk.start()  # not before: who sees that it is ready may send a signal
            self._loop()
        except Cancelled:
            pass
        finally:
            self._main = None
            signal.set_wakeup_fd(wakeup)
            for number, handler in zip(SIGNALS, before):
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """The desk knows it already. What is left to do once it has given the query back: end the function."""
        if self._over and self._busy:
            raise Cancelled

    def _loop(self) -> None:
        while (flight := self._work.get()) is not None:
            self._busy = True
            try:
                self._perform(flight)
            finally:
                self._busy = False

    def _perform(self, flight: Flight) -> None:
        outcome = given_back("the worker is ending")
        try:
            outcome = answered(call(self._function, flight.query))
        except Exception as error:
            outcome = judge(error, flight, self._desk.name)
        except BaseException:  # SystemExit, KeyboardInterrupt: the program is ending
            self._desk.stop()
            raise
        finally:
            self._desk.finished(flight, outcome)


class Tasks:
    """Each query is a task of the running event loop. That the loop stands still for a while does no harm."""

    patient = False

    def __init__(self, desk: Desk, function: Function, slots: int) -> None:
        self.slots = self.spare = slots
        self.over = asyncio.Event()
        self._desk = desk
        self._function = function
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[Flight, asyncio.Task[None]] = {}

    def begin(self, flight: Flight) -> None:
        self._call(self._start, flight)

    def abandon(self, flight: Flight) -> None:
        self._call(self._cancel, flight)

    def finish(self) -> None:
        self._call(self.over.set)

    async def serve(self) -> None:
        """Starts the desk and returns when the worker has ended. SIGINT and SIGTERM end it, where the loop gets them."""
        taken = []
        try:
            for number in SIGNALS:
                self._loop.add_signal_handler(number, self._desk.stop)
                taken.append(number)
        except (NotImplementedError, RuntimeError, ValueError):
            pass  # not the main thread, or no such loop
        try:
            self._desk.start()
            await self.over.wait()
        except asyncio.CancelledError:  # the query that is in work goes back, at once
            self._desk.stop()
            self._desk.stop()
            raise
        finally:
            for number in taken:
                self._loop.remove_signal_handler(number)

    def _call(self, action: Callable[..., Any], *words: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(action, *words)
        except RuntimeError:  # the loop is closed: nobody is left to tell
            pass

    def _start(self, flight: Flight) -> None:
        self._tasks[flight] = self._loop.create_task(self._perform(flight))

    def _cancel(self, flight: Flight) -> None:
        task = self._tasks.get(flight)
        if task is not None:
            task.cancel()

    async def _room(self) -> None:
        while self._desk.crowded():
            await asyncio.sleep(0.005)

    async def _perform(self, flight: Flight) -> None:
        outcome = given_back("its task was cancelled")
        try:
            outcome = answered(await call_async(self._function, flight.query, self._room))
        except Exception as error:
            outcome = judge(error, flight, self._desk.name)
        finally:
            self._tasks.pop(flight, None)
            self._desk.finished(flight, outcome)
