"""A query as a worker's function sees it, and what the function may do with it."""

from __future__ import annotations

import inspect
import json
import threading
from datetime import datetime, timezone
from typing import Any, AsyncGenerator, Callable, Dict, Generator, NamedTuple

from ._connection import FRAME_MAX


class Fatal(Exception):
    """Raised by a worker's function: the query cannot be answered, and trying again is useless. It is *dead* at
    once, and the text is the reason its asker reads. (Any other exception costs one of its attempts.)"""


class GiveBack(Exception):
    """Raised by a worker's function: not this worker, not now. The query goes to another one, and loses no attempt
    (20 times; after that it counts as an error)."""


class Cancelled(BaseException):
    """Raised in a worker's function that runs in the main thread when the program was told to stop and the time to
    finish is over. Let it pass."""


class Sender(NamedTuple):
    """Who asks, as the gateway has verified it."""

    principal: str            # "key:<fingerprint>", or "uid:<number>" behind a unix socket
    name: str                 # that the gateway's list has for the key; "" when there is none
    content: str = "unverified"  # what they ask: nobody has checked that


class Query:
    """One question. Everything in it but what comes from `delivery` is the asker's word."""

    def __init__(self, token: bytes, body: bytes, partial: Callable[[str], None] = lambda text: None) -> None:
        """TOKEN and BODY as a gateway sends them; a test may make its own: Query(b"", b'{"question": "Why?"}')."""
        self.token = token.decode("ascii", "replace")
        self.raw: Dict[str, Any] = {}
        text = body.decode("utf-8", "replace")
        try:
            value = json.loads(text)
            if isinstance(value, dict):
                self.raw = value
        except (ValueError, RecursionError):
            pass
        delivery = _object(self.raw.get("delivery"))
        asked = self.raw.get("question", "" if self.raw else text)
        #: What is asked, as text; the whole body when that is no JSON object.
        self.question: str = asked if isinstance(asked, str) else json.dumps(asked)
        #: As the asker wrote it, any JSON value; None when it is missing.
        self.query_id: Any = self.raw.get("query_id")
        #: The row's metadata, where the gateway passes it on (questions in plain text), or the asker's own.
        self.metadata: Dict[str, Any] = _object(self.raw.get("metadata"))
        self.service: str = _text(delivery.get("service"))
        self.message_id: int = _number(delivery.get("message_id"))
        self.conversation_id: str = _text(delivery.get("conversation_id"))
        #: Who asks; None where the gateway has not verified it.
        self.sender: Sender | None = _sender(_object(delivery.get("sender")))
        #: 1 the first time, and more when it was somebody's before.
        self.attempt: int = _number(delivery.get("attempt")) or 1
        #: When this attempt ends whatever the worker does (partial() moves it); None when that is not known.
        self.deadline: datetime | None = _stamp(delivery.get("deadline"))
        #: Set when nobody waits for this attempt any more: end the work soon. (An answer may still count.)
        self.cancelled = threading.Event()
        self._partial = partial

    @property
    def time_left(self) -> float | None:
        """Seconds until the deadline, negative when it is over; None when there is none."""
        return None if self.deadline is None else (self.deadline - datetime.now(timezone.utc)).total_seconds()

    def partial(self, text: str) -> None:
        """Sends a part of the answer ahead, which also says that work goes on. The function's answer must hold the
        whole nevertheless. Waits while the gateway does not keep up, except in an async function."""
        if not isinstance(text, str):
            raise TypeError(f"a partial is text, not {type(text).__name__}")
        if text:
            self._partial(text)

    def __repr__(self) -> str:
        return f"<Query {self.message_id}, attempt {self.attempt}: {self.question[:60]!r}>"


def _sender(value: Dict[str, Any]) -> Sender | None:
    principal = _text(value.get("principal"))
    return Sender(principal, _text(value.get("name"))) if principal else None


def _object(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _stamp(value: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


# ── from what a function returned to a FINAL ────────────────────────────────────────────────────────

class Outcome:
    """The body of a FINAL. `again`: it is an answer, to be sent again if it may have been lost."""

    def __init__(self, body: bytes, again: bool) -> None:
        self.body = body
        self.again = again


def answered(value: Any) -> Outcome:
    """What a function returned: text is the answer itself, whatever it looks like; an object is as proto/WIRE.md
    says ("The answer"); bytes go as they are; anything else is the answer as JSON."""
    if value is None:
        return failed("the worker's function returned nothing")
    if isinstance(value, (bytes, bytearray, memoryview)):
        body, again = bytes(value), True
    else:
        if not isinstance(value, dict):
            value = {"answer": value}
        body = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        again = "answer" in value or not (value.get("type") in ("error", "return") or value.get("error") is not None)
    if len(body) > FRAME_MAX:
        return failed(f"the answer has {len(body)} bytes, and a gateway takes {FRAME_MAX}", retry=False)
    return Outcome(body, again)


def failed(reason: str, retry: bool = True) -> Outcome:
    return Outcome(json.dumps({"type": "error", "error": reason[:1000], "retry": retry}).encode(), False)


def given_back(reason: str) -> Outcome:
    return Outcome(json.dumps({"type": "return", "error": reason[:1000]}).encode(), False)


def explained(error: Exception) -> Outcome:
    """What becomes of an exception that a function raised."""
    if isinstance(error, GiveBack):
        return given_back(str(error) or "the worker gave it back")
    if isinstance(error, Fatal):
        return failed(str(error) or "the worker cannot answer it", retry=False)
    name, text = type(error).__name__, str(error)
    return failed(f"{name}: {text}" if text else name)


# ── calling it ──────────────────────────────────────────────────────────────────────────────────────

def call(function: Callable[[Query], Any], query: Query) -> Any:
    """The answer of a plain or generator function, whose yields are sent as partials."""
    result = function(query)
    return _stream(result, query) if inspect.isgenerator(result) else result


def _stream(pieces: Generator[Any, None, Any], query: Query) -> Any:
    parts: list[str] = []
    try:
        while not query.cancelled.is_set():
            piece = next(pieces)
            query.partial(piece)
            parts.append(piece)
    except StopIteration as stop:
        return "".join(parts) if stop.value is None else stop.value
    finally:
        pieces.close()
    raise GiveBack("its attempt is over")


async def call_async(function: Callable[[Query], Any], query: Query, room: Callable[[], Any]) -> Any:
    """The same of an async function or async generator. ROOM is awaited before each partial of a generator."""
    result = function(query)
    if not inspect.isasyncgen(result):
        return await result
    return await _stream_async(result, query, room)


async def _stream_async(pieces: AsyncGenerator[Any, None], query: Query, room: Callable[[], Any]) -> str:
    parts: list[str] = []
    try:
        async for piece in pieces:
            await room()
            query.partial(piece)
            parts.append(piece)
    finally:
        await pieces.aclose()
    return "".join(parts)
