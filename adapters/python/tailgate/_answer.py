"""What a client sends and what it gets, without the way between."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ._connection import FRAME_MAX, FRAMES_MAX, Frames

#: Text becomes a JSON query. A mapping is one (`type` is filled in); it may say `conversation_id` and `session_token`,
#: and anything that its worker understands. Bytes, or a sequence of them, are the frames of the request as they are.
Question = Union[str, Mapping[str, Any], bytes, Sequence[bytes]]


class AskError(Exception):
    """The answer is an error, or there is none. `reply` is the gateway's error object, where it sent one."""

    def __init__(self, reason: str, reply: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(reason)
        self.reply: Dict[str, Any] = reply or {}


class AskTimeout(AskError, TimeoutError):
    """No answer in time. The question stays where it is; asking the same again soon attaches to it."""


class UnknownTicket(AskError):
    """There is no such ticket: never was, closed, or its time is over."""


@dataclass(frozen=True)
class Answer:
    """What was answered. str() of it is its text."""

    #: The answer: text as it is, other JSON as JSON, frames that are neither joined and read as UTF-8.
    text: str
    #: What the worker cites.
    sources: List[Any] = field(default_factory=list)
    #: The response object, when it came as one.
    raw: Optional[Dict[str, Any]] = None
    #: The reply as it came.
    frames: Tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return self.text


def body_of(question: Question) -> Frames:
    """QUESTION as frames; ValueError or TypeError when it cannot be sent."""
    if isinstance(question, str):
        question = {"question": question}
    if isinstance(question, Mapping):
        whole = {"type": "query", **question}
        frames = [json.dumps(whole, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")]
    elif isinstance(question, (bytes, bytearray)):
        frames = [bytes(question)]
    else:
        frames = list(question)
    if not all(isinstance(frame, bytes) for frame in frames):
        raise TypeError("a question is text, a mapping, bytes or a sequence of bytes")
    if not 1 <= len(frames) <= FRAMES_MAX or sum(map(len, frames)) > FRAME_MAX:
        raise ValueError(f"a question has 1 to {FRAMES_MAX} frames, and at most {FRAME_MAX} bytes")
    return frames


def _object_in(frames: Sequence[bytes]) -> Dict[str, Any]:
    if len(frames) == 1 and frames[0].lstrip()[:1] == b"{":
        try:
            value = json.loads(frames[0])
            if isinstance(value, dict):
                return value
        except (ValueError, RecursionError):
            pass
    return {}


def answer_in(frames: Sequence[bytes]) -> Answer:
    """The reply FRAMES as an Answer; raises AskError when it is an error."""
    value = _object_in(frames)
    if value.get("type") == "error" and "answer" not in value:
        raise AskError(str(value.get("error", "an error without words")), value)
    if "answer" not in value:
        return Answer(text_in(frames), frames=tuple(frames))
    told, sources = value["answer"], value.get("sources")
    return Answer(told if isinstance(told, str) else json.dumps(told, ensure_ascii=False),
                  sources if isinstance(sources, list) else [], value, tuple(frames))


def rest_of(shown: str, whole: str) -> str:
    """What of the text WHOLE has not been SHOWN in parts yet; nothing when they are not parts of it."""
    return whole[len(shown):] if whole.startswith(shown) else ""


def text_in(frames: Sequence[bytes]) -> str:
    return b"".join(frames).decode("utf-8", "replace")


# ── the services with a status frame: Titanic (RFC 9) and MMI (RFC 8) ────────────────────────────────────

def _status(frames: Sequence[bytes], *expected: bytes) -> bytes:
    """The status in front of FRAMES, one of EXPECTED; else raises what it means."""
    if frames and frames[0] in expected:
        return frames[0]
    answer_in(frames)  # an error object says more
    reason = text_in(frames[1:])
    if frames and frames[0] == b"400":
        raise UnknownTicket(reason or "there is no such ticket")
    raise AskError(reason or f"the gateway says {text_in(frames[:1]) or 'nothing'}")


def ticket_in(frames: Sequence[bytes]) -> str:
    _status(frames, b"200")
    return text_in(frames[1:2])


def fetched_in(frames: Sequence[bytes]) -> Optional[Answer]:
    return answer_in(frames[1:]) if _status(frames, b"200", b"300") == b"200" else None


def closed_in(frames: Sequence[bytes]) -> bool:
    return _status(frames, b"200", b"400") == b"200"


def available_in(frames: Sequence[bytes]) -> bool:
    return _status(frames, b"200", b"404") == b"200"
