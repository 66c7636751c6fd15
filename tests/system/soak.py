"""Clients and workers of every protocol that come and go, as coroutines in one process: test_soak.py runs them.

Every question is a JSON query object with an id of its own, so that storm_check.sql can tell whose answer is whose."""

import asyncio
import json
import random

import zmq
import zmq.asyncio

SERVICES = ["one", "two", "three"]


def answer_to(query):
    """What every worker answers, whatever it speaks."""
    return json.dumps({"type": "response", "query_id": query["query_id"], "answer": "re: " + query["question"]}).encode()


class Peers:
    """Starts them, counts what they do, and ends them."""

    def __init__(self, endpoint, seed, clients, workers, asks):
        self.endpoint = endpoint
        self.random = random.Random(seed)
        self.context = zmq.asyncio.Context()
        self.clients, self.workers, self.asks = clients, workers, asks
        self.asked = self.answered = self.given_up = self.served = self.left = 0
        self.wrong = []
        self.names = 0

    def run(self, disturb):
        """DISTURB(peers): a coroutine beside them, ended with them."""
        asyncio.run(self._run(disturb))

    async def _run(self, disturb):
        disturbing = asyncio.create_task(disturb(self))
        workers = [asyncio.create_task(self._worker()) for _ in range(self.workers)]
        await asyncio.gather(*[self._client() for _ in range(self.clients)])
        disturbing.cancel()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(disturbing, *workers, return_exceptions=True)
        self.context.destroy(linger=0)

    def _socket(self, kind):
        socket = self.context.socket(kind)
        socket.linger = 200
        if self.random.random() < 0.2:
            self.names += 1
            socket.identity = b"peer-%d" % self.names
        socket.connect(self.endpoint)
        return socket

    # Clients.

    async def _client(self):
        for _ in range(self.asks):
            self.asked += 1
            query = {"type": "query", "query_id": f"q_{self.asked}", "service": self.random.choice(SERVICES),
                     "question": "?" * self.random.choice([1, 10, 1000, 20000]) + str(self.asked)}
            ask = self.random.choice([self._ask_01, self._ask_02, self._ask_bare])
            for _ in range(200):  # as long as it takes, as a client that means it would
                reply = await ask(query, self.random.choice([0.05, 1.0, 5.0, 5.0]))
                if reply is not None:
                    break
                self.given_up += 1
            self._judge(query, reply)

    def _judge(self, query, reply):
        reply = json.loads(reply) if reply else {}
        if reply.get("answer") == "re: " + query["question"] and reply.get("query_id") == query["query_id"]:
            self.answered += 1
        else:
            self.wrong.append((query["query_id"], str(reply)[:200]))

    async def _exchange(self, kind, frames, patience):
        socket = self._socket(kind)
        try:
            await socket.send_multipart(frames)
            while await socket.poll(patience * 1000):
                got = await socket.recv_multipart()
                if b"\2" not in got[1:2]:  # not a PARTIAL
                    return got[-1]
            return None
        finally:
            socket.close()

    async def _ask_01(self, query, patience):
        return await self._exchange(zmq.REQ, [b"MDPC01", query["service"].encode(), json.dumps(query).encode()],
                                    patience)

    async def _ask_02(self, query, patience):
        return await self._exchange(zmq.DEALER, [b"MDPC02", b"\1", query["service"].encode(),
                                                 json.dumps(query).encode()], patience)

    async def _ask_bare(self, query, patience):
        return await self._exchange(zmq.REQ, [json.dumps(query).encode()], patience)

    # Workers.

    async def _worker(self):
        while True:
            live = self.random.choice([self._worker_01, self._worker_02, self._worker_req])
            await live(self.random.choice([*SERVICES, "*"]), self.random.randrange(1, 30))
            self.left += 1
            await asyncio.sleep(self.random.random() * 0.2)

    async def _worker_01(self, service, many):
        await self._majordomo([b"", b"MDPW01"], {"READY": 1, "REQUEST": 2, "FINAL": 3, "BEAT": 4, "BYE": 5},
                              service, many)

    async def _worker_02(self, service, many):
        await self._majordomo([b"MDPW02"], {"READY": 1, "REQUEST": 2, "PARTIAL": 3, "FINAL": 4, "BEAT": 5, "BYE": 6},
                              service, many)

    async def _majordomo(self, lead, command, service, many):
        def message(name, *frames):
            return [*lead, bytes([command[name]]), *frames]

        socket = self._socket(zmq.DEALER)
        try:
            await socket.send_multipart(message("READY", service.encode()))
            while many > 0:
                if not await socket.poll(500):
                    await socket.send_multipart(message("BEAT"))
                    continue
                got = (await socket.recv_multipart())[len(lead):]
                if got[0] == bytes([command["BYE"]]):
                    return
                if got[0] != bytes([command["REQUEST"]]):
                    continue
                many -= 1
                if many == 0 and self.random.random() < 0.3:
                    return  # it dies with the query in its hands
                if "PARTIAL" in command and self.random.random() < 0.3:
                    await socket.send_multipart(message("PARTIAL", got[1], b"", b"a part"))
                await asyncio.sleep(self.random.random() * 0.01)
                await socket.send_multipart(message("FINAL", got[1], b"", answer_to(json.loads(got[3]))))
                self.served += 1
            await socket.send_multipart(message("BYE"))
        finally:
            socket.close()

    async def _worker_req(self, service, many):
        socket = self._socket(zmq.REQ)
        try:
            await socket.send_multipart([b"READY", service.encode()])
            while many > 0 and await socket.poll(3000):
                query = json.loads(await socket.recv())
                if query["type"] == "error":
                    return
                many -= 1
                await asyncio.sleep(self.random.random() * 0.01)
                answer = {**json.loads(answer_to(query)), "delivery": query["delivery"]}
                await socket.send(json.dumps(answer).encode())
                self.served += 1
        finally:
            socket.close()
