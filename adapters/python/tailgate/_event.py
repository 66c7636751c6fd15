"""What an observer is given, and how it comes on the wire (proto/WIRE.md, "Events"). What is not as it says there is
nobody's event: it is passed over."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from ._connection import Frames

DURABLE = ("query", "response", "message")
IN_CONVERSATIONS = (*DURABLE, "partial", "retry", "dead", "expired", "superseded", "deleted", "dropped")
KINDS = (*IN_CONVERSATIONS, "worker", "gateway")
MARKS = ("gateway/mark", "gateway/welcome")

TOPIC_MAX = 245         # bytes; a longer topic is cut, somewhere there
SUBSCRIPTION_MAX = 240  # so that one is a start of its topics however that is cut; the JSON has the whole id
ROW_MAX = (1 << 63) - 1
SEQ_DIGITS = 20
BATCH = b"batch/"
BATCH_HEAD = struct.Struct("<4I")  # of an event in a batch: its frames, and the size of each


@dataclass(frozen=True)
class Event:
    """Something that happened: a row of the bridge (`query`, `response`, `message`) or anything else of which
    proto/WIRE.md tells under "Events"."""

    #: What it is about: `query/conv_0123456789abcdef`, `worker/w1`, `gateway/paused`.
    topic: str
    #: `query`, `partial`, `worker`, …; of what is about the gateway, the topic.
    kind: str
    #: The row's id; 0 for what is no row.
    id: int
    #: Its members, as they came: `text`, `service`, `conversation_id`, …
    data: Dict[str, Any]
    #: It was missed, or is older than the observer, and came by a replay: without `seq`, `time` and `prev`.
    replayed: bool = False


class Live(NamedTuple):
    """An event as it was published."""

    topic: str
    kind: str
    seq: int
    data: Dict[str, Any]

    @property
    def is_mark(self) -> bool:
        return self.kind in MARKS


def number_in(data: Mapping[str, Any], name: str, least: int = 0) -> Optional[int]:
    value = data.get(name)
    return value if type(value) is int and least <= value <= ROW_MAX else None


def object_in(text: bytes) -> Dict[str, Any]:
    """The JSON object in TEXT; an empty one when there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def live_in(frames: Frames) -> Optional[Live]:
    """The event, mark or welcome in FRAMES, or None."""
    if len(frames) == 1:
        head, _, text = frames[0].partition(b" ")
        data = object_in(text)
        seq = number_in(data, "seq")
        if head != b"gateway/welcome" or seq is None or not _is_mark(data):
            return None
        return Live("gateway/welcome", "gateway/welcome", seq, data)
    if len(frames) != 3 or not frames[1].isdigit() or len(frames[1]) > SEQ_DIGITS:
        return None
    topic, data = frames[0].decode("utf-8", "replace"), object_in(frames[2])
    kind = data.get("event")
    if not isinstance(kind, str) or not (topic.startswith(kind + "/") or kind == topic):
        return None
    if kind in MARKS and not _is_mark(data) or kind in DURABLE and not _is_row(data):
        return None
    return Live(topic, kind, int(frames[1]), data)


def lives_in(frames: Frames) -> Iterator[Live]:
    """The events in FRAMES, of a batch all of them up to what is none."""
    for event in _unpacked(frames[1]) if len(frames) == 2 and frames[0] == BATCH else [frames]:
        live = live_in(event)
        if live is not None:
            yield live


def _unpacked(events: bytes) -> Iterator[List[bytes]]:
    at = 0
    while len(events) - at >= BATCH_HEAD.size:
        count, *sizes = BATCH_HEAD.unpack_from(events, at)
        at += BATCH_HEAD.size
        if count != len(sizes) or sum(sizes) > len(events) - at:
            return
        ends = [at + sum(sizes[:i]) for i in range(len(sizes) + 1)]
        yield [events[start:end] for start, end in zip(ends, ends[1:])]
        at = ends[-1]


def told_in(frame: bytes) -> Dict[str, Any]:
    """The row's event that a replay brought; empty when it is none."""
    data = object_in(frame)
    return data if data.get("event") in DURABLE and number_in(data, "id", 1) is not None else {}


def _is_row(data: Mapping[str, Any]) -> bool:
    row, prev = number_in(data, "id", 1), number_in(data, "prev")
    return row is not None and prev is not None and prev < row


def _is_mark(data: Mapping[str, Any]) -> bool:
    last = data.get("last")
    return (isinstance(last, dict) and isinstance(data.get("epoch"), str) and number_in(data, "id") is not None
            and all(number_in(last, kind) is not None for kind in DURABLE))


def _in_topic(conversation: str) -> str:
    return "".join(f"%{ord(letter):02X}" if letter < " " or letter in "%\x7f" else letter for letter in conversation)


def replayed(data: Dict[str, Any]) -> Event:
    """The Event of what told_in() found."""
    topic = f"{data['event']}/{_in_topic(str(data.get('conversation_id', '')))}"
    return Event(topic.encode("utf-8", "replace")[:TOPIC_MAX].decode("utf-8", "replace"), data["event"], data["id"],
                 data, True)


class Choice:
    """Which events an observer takes."""

    def __init__(self, kinds: Iterable[str] | None = None, conversation: str | None = None,
                 service: str | None = None) -> None:
        """ValueError for a kind that there is not."""
        self.kinds: Optional[FrozenSet[str]] = None
        if kinds is not None:
            self.kinds = frozenset([kinds] if isinstance(kinds, str) else kinds)
            odd = [kind for kind in self.kinds if kind not in KINDS and not kind.startswith("gateway/")]
            if odd or not self.kinds:
                raise ValueError(f"{', '.join(sorted(odd)) or 'nothing'}: kinds of events are {', '.join(KINDS)}")
        self.conversation = conversation
        self.service = service

    @property
    def everything(self) -> bool:
        return self.kinds is None and self.conversation is None and self.service is None

    def durable(self) -> Tuple[str, ...]:
        return tuple(kind for kind in DURABLE if self.kinds is None or kind in self.kinds)

    def subscriptions(self) -> List[bytes]:
        """Marks always come along, and the welcome: without them nobody sees that a last event is missing."""
        if self.conversation is None:
            chosen = [""] if self.kinds is None else [f"{kind}/" for kind in KINDS if kind in self.kinds]
        else:
            chosen = [f"{kind}/{_in_topic(self.conversation)}" for kind in IN_CONVERSATIONS
                      if self.kinds is None or kind in self.kinds]
        return [topic.encode("utf-8", "replace")[:SUBSCRIPTION_MAX] for topic in dict.fromkeys(["gateway/", *chosen])]

    def is_about(self, data: Mapping[str, Any]) -> bool:
        """A subscription is only the start of a topic: another conversation's may have the same."""
        return self.conversation is None or data.get("conversation_id") == self.conversation

    def wants(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Whether the application is given it."""
        if kind in MARKS or not self.is_about(data):
            return False
        if self.kinds is not None and kind not in self.kinds and kind.partition("/")[0] not in self.kinds:
            return False
        return self.service is None or data.get("service") == self.service \
            or (kind == "worker" and data.get("service") == "*")
