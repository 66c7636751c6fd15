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

WATCHED = (zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
           | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED)


class Event(enum.Enum):
    UP = "connected"
    LOST = "the connection to the gateway was lost"
    WAITING = "cannot connect for now"  # said once until it can
    REFUSED = "what listens there is no gateway, or lets us not in"


class Connection:
    def __init__(self, context: Context, find: Callable[[], str], probe: bool = False,
                 subscriptions: Sequence[bytes] = ()) -> None:
        """FIND says where to connect, each time. PROBE: for a protocol without heartbeats of its own, ZeroMQ's
        notice that a host has vanished. With SUBSCRIPTIONS it is a SUB socket, and nothing can be sent."""
        self.up = False
        self.endpoint = ""
        self.reason = ""             # of WAITING, where there is one
        self._context = context
        self._find = find
        self._probe = probe
        self._subscriptions = subscriptions
        self._socket: Optional[Socket] = None
        self._monitor: Optional[Socket] = None
        self._told = False           # WAITING was said since it was last up
        self._retry = 0.0            # without a socket: when to try again
        self._backoff = BACKOFF_FIRST

    def sockets(self) -> list[Socket]:
        """What to poll for reading: the monitor first, then the socket."""
        found = [self._monitor, self._socket if self.up else None]
        return [socket for socket in found if socket is not None]

    def due(self) -> float:
        """When step() is to be called although nothing is ready."""
        return self._retry if self._socket is None else math.inf

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
            event = self._translate(struct.unpack("=H", head[:2])[0], now)
            if event is not None:
                return event
        return None

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
        self._monitor = socket.get_monitor_socket(WATCHED)
        socket.connect(self.endpoint)

    def _translate(self, number: int, now: float) -> Event | None:
        if number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.up, self._told, self.reason = True, False, ""
            return Event.UP
        if number in (zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL):
            self.back_off(now)
            return Event.REFUSED
        if self.up:  # what waits in the socket is not to reach whoever listens next
            self.drop(now, LOST_PAUSE, flush=False)
            return Event.LOST
        return self._wait()

    def _wait(self) -> Event | None:
        if self._told:
            return None
        self._told = True
        return Event.WAITING
