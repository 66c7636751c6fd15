"""Asking through the gate, in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import AsyncGenerator, AsyncIterator, Optional, Tuple, Union

from ._answer import (Answer, AskError, AskTimeout, Question, answer_in, available_in, body_of, closed_in, fetched_in,
                      rest_of, text_in, ticket_in)
from ._client import FETCH_FIRST, FETCH_MAX, PARTIALS, Lines
from ._connection import Frames
from ._keys import keys_of
from ._line import Kind
from ._place import Path
from ._worker import service_name


class AsyncClient:
    """Client for an event loop: the same calls with the same meaning, to be awaited. A cancelled call abandons its
    request. Close it, or use it in an `async with` block."""

    def __init__(self, endpoint: str | None = None, *, db: Path | None = None, cert: Path | None = None,
                 server_cert: Path | None = None) -> None:
        self._lines = Lines(endpoint, db, keys_of(cert, server_cert))

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the client; whoever still waits gets an AskError."""
        self._lines.close()  # takes no longer than its thread's turn

    async def ask(self, service: str, question: Question, *, timeout: float | None = None) -> Answer:
        """See Client.ask()."""
        return answer_in(await self._final(service, body_of(question), timeout))

    async def stream(self, service: str, question: Question, *, timeout: float | None = None
                     ) -> AsyncIterator[Union[str, Answer]]:
        """See Client.stream(): `async for`."""
        async with contextlib.aclosing(self._events(service, body_of(question), timeout)) as events:
            shown = ""
            async for kind, frames in events:
                if kind is Kind.PARTIAL:
                    shown += text_in(frames)
                    yield text_in(frames)
                    continue
                answer = answer_in(frames)
                if rest := rest_of(shown, answer.text):
                    yield rest
                yield answer

    async def submit(self, service: str, question: Question, *, timeout: float | None = None) -> str:
        """See Client.submit()."""
        return ticket_in(await self._final("titanic.request", [service_name(service), *body_of(question)], timeout))

    async def fetch(self, ticket: str, *, wait: float = 0.0, timeout: float | None = None) -> Optional[Answer]:
        """See Client.fetch()."""
        end, pause = time.monotonic() + wait, FETCH_FIRST
        while True:
            answer = fetched_in(await self._final("titanic.reply", [ticket.encode()], timeout))
            left = end - time.monotonic()
            if answer is not None or left <= 0:
                return answer
            await asyncio.sleep(min(pause, left))
            pause = min(FETCH_MAX, pause * 2)

    async def close_ticket(self, ticket: str, *, timeout: float | None = None) -> bool:
        """See Client.close_ticket()."""
        return closed_in(await self._final("titanic.close", [ticket.encode()], timeout))

    async def available(self, service: str, *, timeout: float | None = None) -> bool:
        """See Client.available()."""
        return available_in(await self._final("mmi.service", [service_name(service)], timeout))

    async def _final(self, service: str, body: Frames, timeout: float | None) -> Frames:
        async with contextlib.aclosing(self._events(service, body, timeout)) as events:
            async for kind, frames in events:
                if kind is Kind.FINAL:
                    return frames
        raise AskError("the client is closed")

    async def _events(self, service: str, body: Frames, timeout: float | None
                      ) -> AsyncGenerator[Tuple[Kind, Frames], None]:
        """PARTIALs, and the FINAL last. Leaving it before that abandons the request."""
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[Tuple[Kind, Frames]] = asyncio.Queue()

        def report(kind: Kind, frames: Frames) -> None:
            if kind is Kind.PARTIAL and inbox.qsize() >= PARTIALS:
                return
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(inbox.put_nowait, (kind, frames))

        end = time.monotonic() + (timeout or 0.0)
        line, request = self._lines.send(service, body, report)
        over = False
        try:
            while not over:
                left = None if timeout is None else max(0.0, end - time.monotonic())
                try:
                    kind, frames = await asyncio.wait_for(inbox.get(), left)
                except asyncio.TimeoutError:
                    raise AskTimeout(f"no answer of {service} within {timeout} s") from None
                if kind is Kind.CLOSED:
                    raise AskError(text_in(frames))
                over = kind is Kind.FINAL
                yield kind, frames
        finally:
            if not over:
                line.abandon(request)
