"""Peers that want nothing from a gateway, in a process of their own:

    crowd.py HOST:PORT idle MUTE DEALERS [CERT SERVER_CERT]
                                             so many connections that never say a word, or no more than a greeting,
                                             each opened again when it is closed, and so many DEALERs that wait (with
                                             a key); until the end of stdin
    crowd.py HOST:PORT flood SECONDS         connections that break off their handshake, one after the other;
                                             prints how many
"""

import itertools
import resource
import selectors
import socket
import struct
import sys
import time

import zmq
import zmq.auth

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
CURVE = GREETING.replace(b"NULL\0", b"CURVE")
WORDS = (b"", b"\xff", b"GET / HTTP/1.0\r\n\r\n", GREETING[:11], GREETING, CURVE,
         GREETING + b"\x04" + bytes([len(READY)]) + READY,
         GREETING + b"\x06" + struct.pack(">Q", 1 << 62),  # a command of 4 EiB
         bytes(range(256)) * 16)


def mute(address, selector, word):
    """A connection, while it lasts, that has said no more than WORD; False when there is no room for it now."""
    peer = socket.socket()
    peer.settimeout(1)
    try:
        peer.connect(address)
        peer.sendall(word)
    except OSError:
        peer.close()
        return False
    peer.setblocking(False)
    selector.register(peer, selectors.EVENT_READ)
    return True


def idle(address, mutes, dealers, cert=None, server_cert=None):
    keys = (*zmq.auth.load_certificate(f"{cert}_secret"), zmq.auth.load_certificate(server_cert)[0]) if cert else None
    context = zmq.Context()
    context.max_sockets = dealers + 10
    waiting = []
    for _ in range(dealers):
        dealer = context.socket(zmq.DEALER)
        dealer.linger = 0
        if keys:
            dealer.curve_publickey, dealer.curve_secretkey, dealer.curve_serverkey = keys
        dealer.connect("tcp://%s:%d" % address)
        waiting.append(dealer)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    words = itertools.cycle((b"", CURVE))
    there = sum(mute(address, selector, next(words)) for _ in range(mutes))
    print("there", flush=True)
    while True:
        for key, _ in selector.select(0.2):
            if key.fileobj is sys.stdin:
                context.destroy(linger=0)
                return
            try:
                alive = key.fileobj.recv(4096)
            except OSError:
                alive = b""
            if not alive:
                selector.unregister(key.fileobj)
                key.fileobj.close()
                there -= 1
        while there < mutes and mute(address, selector, next(words)):
            there += 1


def flood(address, seconds):
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        peer = socket.socket()
        peer.settimeout(1)
        try:
            if count % 2:  # a reset, not the end of a stream
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.connect(address)
            peer.sendall(WORDS[count % len(WORDS)])
        except OSError:
            pass
        peer.close()
        count += 1
    print(count, flush=True)


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    host, _, port = sys.argv[1].rpartition(":")
    if sys.argv[2] == "idle":
        idle((host, int(port)), int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
    else:
        flood((host, int(port)), float(sys.argv[3]))


if __name__ == "__main__":
    main()
