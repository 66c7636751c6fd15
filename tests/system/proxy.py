"""A TCP proxy that misbehaves when it is told to. As a program:

    proxy.py LISTEN-ADDRESS TARGET-ADDRESS:PORT [...]

one listener for each target; prints {"listens": [port, ...]}. Each line on stdin is a mode, confirmed on stdout:

    pass          bytes go through, also those that were kept
    stall         connections are accepted, bytes read and kept; nothing goes on
    reset         every connection gets a RST, and so does every new one
    cut N         connections from now on, and those that are: a RST after N more bytes to the target
    half          to both sides the end of the stream, while both may go on sending, which nobody hears

As a module: Proxy, which starts that program on a host of hosts.py, or here."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys

PIECE = 1 << 16
KEPT = 4 << 20  # bytes that a stalled direction reads; then TCP stalls the sender


class Relayed:
    """One connection: two directions."""

    def __init__(self, state, client):
        self.state = state
        self.client = client
        self.server = None
        self.left = state.cut_after

    def reset(self):
        for side in (self.client, self.server):
            if side and side[1].transport.get_extra_info("socket"):
                raw = side[1].transport.get_extra_info("socket")
                if raw.fileno() >= 0:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side[1].transport.abort()

    def half(self):
        for side in (self.client, self.server):
            if side and not side[1].transport.is_closing():
                side[1].write_eof()

    async def read(self, reader, kept):
        piece = b"?"
        while piece:
            piece = await reader.read(PIECE)
            await kept.put(piece)

    async def write(self, kept, writer, to_target):
        while piece := await kept.get():
            await self.state.passing.wait()
            if to_target and self.left is not None:
                piece, self.left = piece[:self.left], max(0, self.left - len(piece))
            if not self.state.half:
                writer.write(piece)
                await writer.drain()
            if to_target and self.left == 0:
                self.reset()
        if not writer.transport.is_closing():
            writer.write_eof()

    def pumps(self):
        for (reader, _), (_, writer) in ((self.client, self.server), (self.server, self.client)):
            kept = asyncio.Queue(KEPT // PIECE)
            yield self.read(reader, kept)
            yield self.write(kept, writer, writer is self.server[1])


class State:
    """The mode, and the connections."""

    def __init__(self):
        self.passing = asyncio.Event()
        self.passing.set()
        self.resetting = self.half = False
        self.cut_after = None
        self.open = set()

    def set(self, mode):
        word, _, number = mode.partition(" ")
        assert word in ("pass", "stall", "reset", "cut", "half"), mode
        (self.passing.clear if word == "stall" else self.passing.set)()
        self.resetting, self.half = word == "reset", word == "half"
        self.cut_after = int(number) if word == "cut" else None
        for relayed in list(self.open):
            relayed.left = self.cut_after
            if self.resetting:
                relayed.reset()
            elif self.half:
                relayed.half()


async def relay(state, target, reader, writer):
    relayed = Relayed(state, (reader, writer))
    state.open.add(relayed)
    try:
        if state.resetting:
            return
        relayed.server = await asyncio.open_connection(*target)
        if state.resetting:
            return
        await asyncio.gather(*relayed.pumps())
    except (OSError, RuntimeError):
        pass
    finally:
        if state.resetting:
            relayed.reset()
        for side in (relayed.client, relayed.server):
            if side:
                side[1].close()
        state.open.discard(relayed)


async def listen(address, targets):
    state = State()
    ports = []
    for target in targets:
        host, _, port = target.rpartition(":")
        server = await asyncio.start_server(
            lambda reader, writer, to=(host, int(port)): relay(state, to, reader, writer), address, 0, backlog=1024)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps({"listens": ports}), flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        state.set(line.decode().strip())
        print(json.dumps({"mode": line.decode().strip(), "open": len(state.open)}), flush=True)


class Proxy:
    """The program above. PREFIX: a host's prefix, to be there."""

    def __init__(self, address, *targets, prefix=()):
        self.process = subprocess.Popen([*prefix, sys.executable, os.path.abspath(__file__), address, *targets],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = address
        self.ports = json.loads(self.process.stdout.readline())["listens"]

    def endpoint(self, number=0):
        return f"tcp://{self.address}:{self.ports[number]}"

    def set(self, mode):
        """Returns how many connections there were when the mode changed."""
        self.process.stdin.write(mode + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        assert told["mode"] == mode, told
        return told["open"]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


if __name__ == "__main__":
    asyncio.run(listen(sys.argv[1], sys.argv[2:]))
