"""One connection after another to a gateway: a DEALER socket to its gate, or a SUB socket to its events, with a
monitor, and what becomes of it.

    DOWN ──back-off──▶ CONNECTING ──handshake──▶ UP
     ▲                  │  ▲   │                  │
     │                  └──┘   └──refused──┐      └── connection lost, or drop()
     │       ZeroMQ tries again            │                 │
     └────────────── fresh socket ─────────┴─────────────────┘

One socket is one connection: what was left in it goes with it, and nothing that the next one brings can be about
this one. Belongs to one thread and never blocks."""

from __future__ import annotations

import enum
import math
import random
import struct
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence

import zmq

from ._keys import Keys

Frames = List[bytes]
if TYPE_CHECKING:
    Context = zmq.Context[Any]
    Socket = zmq.Socket[Any]
else:
    Context, Socket = zmq.Context, zmq.Socket

FRAME_MAX = 16 << 20     # bytes of a frame that a gateway takes; and of all frames of one message
FRAMES_MAX = 60          # of one message, ours: a gateway takes 64 with all that goes round them
BACKOFF_FIRST = 0.1
BACKOFF_MAX = 5.0
LOST_PAUSE = 0.2         # after a lost connection: the gateway was most likely ended, and soon is another
LINGER_MS = 1000
QUEUE = 1000             # messages waiting in the socket, each way
TURNED_AWAY_MAX = 3      # times that we are let in and closed before the handshake
CLOSED = 1.0             # seconds: far more than ZeroMQ takes to try again after a connection was closed
MECHANISM_MISMATCH = 0x11000002  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH

WATCHED = (zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
           | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED)


class Event(enum.Enum):
    UP = "connected"
    LOST = "the connection to the gateway was lost"
    WAITING = "cannot connect for now"  # said once until it can
    REFUSED = "what listens there is no gateway, or lets us not in"  # said once until it changes


KEY = "the gateway does not let our key in: its public certificate belongs into the gateway's allow-list"
NEEDS_KEY = "the gateway wants a key (CURVE) and we have none: give cert= and server_cert="
NO_CURVE = ("what listens there does not speak CURVE, and we do: check the endpoint, or leave out cert= and "
            "server_cert=")
TURNED_AWAY = ("what listens there closes before we are known: the gateway has another certificate than server_cert, "
               "or it is no gateway")
STRANGE = Event.REFUSED.value + ", perhaps for want of a key (CURVE)"


class Connection:
    def __init__(self, context: Context, find: Callable[[], str], probe: bool = False,
                 subscriptions: Sequence[bytes] = (), keys: Keys | None = None) -> None:
        """FIND says where to connect, each time. PROBE: for a protocol without heartbeats of its own, ZeroMQ's
        notice that a host has vanished. With SUBSCRIPTIONS it is a SUB socket, and nothing can be sent. KEYS: it speaks CURVE."""
        self.up = False
        self.endpoint = ""
        self.reason = ""             # of WAITING and REFUSED, where there is one
        self._context = context
        self._find = find
        self._probe = probe
        self._subscriptions = subscriptions
        self._socket: Optional[Socket] = None
        self._monitor: Optional[Socket] = None
        self._keys = keys
        self._told = False           # WAITING was what was said last
        self._refusal = ""           # the same of REFUSED, and why
        self._turned_away = 0        # how often we were let in and closed before the handshake
        self._closed = math.inf      # that was the last that happened: when ZeroMQ should have tried again
        self._retry = 0.0            # without a socket: when to try again
        self._backoff = BACKOFF_FIRST

    def sockets(self) -> list[Socket]:
        """What to poll for reading: the monitor first, then the socket."""
        found = [self._monitor, self._socket if self.up else None]
        return [socket for socket in found if socket is not None]

    def due(self) -> float:
        """When step() is to be called although nothing is ready."""
        return self._retry if self._socket is None else self._closed

    def step(self, now: float) -> Event | None:
        """Opens a fresh socket when it is time, and tells what became of the one there is."""
        if self._socket is None and now >= self._retry:
            try:
                self._open()
            except (zmq.ZMQError, ValueError, OSError) as error:
                self.reason = str(error)
                self.back_off(now)
                return self._wait()
        while self._monitor is not None:
            try:
                head, *_ = self._monitor.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            number, value = struct.unpack("=HI", head[:6])
            event = self._translate(number, value, now)
            if event is not None:
                return event
        return self._refuse(self._vague(), now) if now >= self._closed else None

    def send(self, frames: Frames) -> bool:
        """False when there is no connection or ZeroMQ takes no more: poll for writing then."""
        if self._socket is None or not self.up:
            return False
        try:
            self._socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def receive(self) -> Frames | None:
        """The next message, or None when none waits."""
        if self._socket is None or not self.up:
            return None
        try:
            return self._socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None

    def trust(self) -> None:
        """The gateway is one: the next back-off begins at the shortest pause again."""
        self._backoff = BACKOFF_FIRST

    def drop(self, now: float, pause: float, flush: bool = True) -> None:
        """Gives the socket up; a fresh one follows after PAUSE seconds, or half of that, so that many do not come
        back in step. FLUSH: what was handed over is still sent, for a second."""
        self.close(flush)
        self._retry = now + pause * random.uniform(0.5, 1.0)

    def back_off(self, now: float) -> None:
        """The same with a pause that doubles from one time to the next."""
        self.drop(now, self._backoff)
        self._backoff = min(BACKOFF_MAX, self._backoff * 2)

    def close(self, flush: bool = True) -> None:
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close(LINGER_MS if flush else 0)
        if self._monitor is not None:
            self._monitor.close(0)
        self._socket = self._monitor = None
        self.up = False
        self._turned_away, self._closed = 0, math.inf

    def _open(self) -> None:
        self.endpoint = self._find()
        self._socket = socket = self._context.socket(zmq.SUB if self._subscriptions else zmq.DEALER)
        options: dict[int, Any] = {
            zmq.LINGER: LINGER_MS, zmq.SNDHWM: QUEUE, zmq.RCVHWM: QUEUE, zmq.MAXMSGSIZE: 2 * FRAME_MAX,
            zmq.RECONNECT_IVL: 50, zmq.RECONNECT_IVL_MAX: 200, zmq.CONNECT_TIMEOUT: 5000,
            zmq.HANDSHAKE_IVL: 5000, zmq.IPV6: int("[" in self.endpoint)}
        if self._probe:
            options.update({zmq.HEARTBEAT_IVL: 5000, zmq.HEARTBEAT_TIMEOUT: 15000, zmq.HEARTBEAT_TTL: 30000})
        for option, value in options.items():
            socket.setsockopt(option, value)
        for start in self._subscriptions:
            socket.setsockopt(zmq.SUBSCRIBE, start)
        if self._keys is not None:
            socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = self._keys
        self._monitor = socket.get_monitor_socket(WATCHED)
        socket.connect(self.endpoint)

    def _translate(self, number: int, value: int, now: float) -> Event | None:
        if number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.up, self._told, self._refusal, self.reason = True, False, "", ""
            self._turned_away, self._closed = 0, math.inf
            return Event.UP
        if number == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return self._refuse(KEY, now)
        if number == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            mismatch = NO_CURVE if self._keys else NEEDS_KEY
            return self._refuse(mismatch if value == MECHANISM_MISMATCH else STRANGE, now)
        if self.up:  # what waits in the socket is not to reach whoever listens next
            self.drop(now, LOST_PAUSE, flush=False)
            return Event.LOST
        if number == zmq.EVENT_DISCONNECTED:
            self._turned_away += 1
            self._closed = now + CLOSED
            return self._refuse(self._vague(), now) if self._turned_away >= TURNED_AWAY_MAX else None
        nobody, self._closed = self._closed == math.inf, math.inf
        if not nobody:
            return None
        self._turned_away, self.reason = 0, ""
        return self._wait()

    def _vague(self) -> str:
        return TURNED_AWAY if self._keys else STRANGE

    def _refuse(self, why: str, now: float) -> Event | None:
        """A fresh socket follows. One side closes when both find that they have no mechanism in common: whether we see
        that it was so or only the end is a matter of luck, so the vague is not said after the exact."""
        self.back_off(now)
        self._told = False
        if self._refusal and why in (self._refusal, STRANGE, TURNED_AWAY):
            return None
        self._refusal = self.reason = why
        return Event.REFUSED

    def _wait(self) -> Event | None:
        if self._told:
            return None
        self._told, self._refusal = True, ""
        return Event.WAITING
