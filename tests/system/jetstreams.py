"""NATS servers and the three parts of `tailgate jetstream` as processes."""

import base64
import json
import signal
import socket
import subprocess
import threading

import pytest

from process import BUILD, TAILGATE, TAILGATE_WORK, WAIT, Program, free_port, tailgate, wait_for
from proxy import Proxy

TAILGATE_JETSTREAM = BUILD / "gateway" / "tailgate-jetstream"


class NatsServer:
    """A nats-server with JetStream in a folder of its own; CONFIG is added to its configuration."""

    def __init__(self, folder, name="n1", config="", scheme="nats", jetstream=True):
        self.folder, self.name, self.port, self.scheme = folder, name, free_port(), scheme
        self.config = folder / f"{name}.conf"
        self.config.write_text(f'server_name: {name}\nlisten: "127.0.0.1:{self.port}"\n'
                               + (f'jetstream {{ store_dir: "{folder}/{name}", max_mem: 64MB, max_file: 4GB }}\n'
                                  if jetstream else "") + config + "\n")
        self.process = None
        self.user = ""
        self.start(wait=not config.startswith("cluster"))

    @property
    def url(self):
        return f"{self.scheme}://{self.user}127.0.0.1:{self.port}"

    def start(self, wait=True):
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(["nats-server", "-c", str(self.config)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, (self.folder / f"{self.name}.log").read_text()[-2000:]
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                return False
        wait_for(ready, "nats-server to listen")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def headers_of(block):
    lines = block.decode().split("\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


class Deafening:
    """A proxy to PORT; while it is `deaf`, nothing that the server says gets through."""

    def __init__(self, port):
        self.port, self.deaf, self.open = port, False, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "nats://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            self.open += [client, server]
            for source, target, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pass_on, args=(source, target, answers), daemon=True).start()

    def pass_on(self, source, target, answers):
        try:
            while data := source.recv(1 << 16):
                if not (answers and self.deaf):
                    target.sendall(data)
        except OSError:
            pass

    def cut(self):
        """Ends the connections that there are."""
        ended, self.open = self.open, []
        for side in ended:
            side.shutdown(socket.SHUT_RDWR)
            side.close()

    def close(self):
        self.listener.close()
        self.cut()


class Wire:
    """A client of the NATS protocol by hand (docs.nats.io, client protocol), so that no code of ours is on both
    sides."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), WAIT)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # INFO
        self.number = 0
        self.send(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB box.> 1\r\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, subject, body=b"", headers=None):
        """Publishes, and returns the JSON of the answer. BODY: bytes, text, or an object."""
        raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        head = ("NATS/1.0\r\n" + "".join(f"{key}: {value}\r\n" for key, value in (headers or {}).items())
                + "\r\n").encode()
        self.number += 1
        self.send(f"HPUB {subject} box.{self.number} {len(head)} {len(head) + len(raw)}\r\n".encode()
                  + head + raw + b"\r\n")
        return json.loads(self.answer())

    def answer(self):
        while True:
            words = self.file.readline().split()
            assert words, "the server closed the connection"
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                data = self.file.read(int(words[-1]) + 2)[:-2]
                return data[int(words[-2]):] if words[0] == b"HMSG" else data

    def watch(self, subject):
        """From now on published() returns what anybody publishes to SUBJECT."""
        self.send(f"SUB {subject} 2\r\nPING\r\n".encode())
        while self.file.readline() != b"PONG\r\n":
            pass
        return self

    def published(self, timeout=WAIT):
        """(subject, headers, body) of the next one."""
        self.socket.settimeout(timeout)
        while True:
            words = self.file.readline().split()
            assert words, "the server closed the connection"
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                data = self.file.read(int(words[-1]) + 2)[:-2]
                head = int(words[-2]) if words[0] == b"HMSG" else 0
                return words[1].decode(), headers_of(data[:head]), data[head:]

    def stream(self, name):
        """The state of a stream."""
        return self.request(f"$JS.API.STREAM.INFO.{name}")["state"]

    def message(self, stream, number):
        """A stored message: its headers, and its body as bytes."""
        found = self.request(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": number})["message"]
        return headers_of(base64.b64decode(found["hdrs"])), base64.b64decode(found["data"])

    def leader(self, stream):
        """Who leads STREAM in its cluster, by name; None while nobody does."""
        return self.request(f"$JS.API.STREAM.INFO.{stream}").get("cluster", {}).get("leader")


class Far:
    """What a test has beside its gateways: servers, publishers, serving hosts and their workers."""

    def __init__(self, site):
        self.site = site
        self.servers = []
        self.proxies = []
        self.programs = []
        self.options = []

    def server(self, **keywords):
        self.servers.append(NatsServer(self.site.folder, f"n{len(self.servers) + 1}", **keywords))
        return self.servers[-1]

    def cluster(self, count=3):
        """Servers with routes from each to the others, each through a proxy that can cut it. What they tell each other
        of themselves leads nowhere, so that there is no other way."""
        ports = [free_port() for _ in range(count)]
        for number, port in enumerate(ports):
            made = {other: Proxy("127.0.0.1", f"127.0.0.1:{ports[other]}") for other in range(count) if other != number}
            self.proxies += [(number, other, proxy) for other, proxy in made.items()]
            routes = ", ".join(f'"nats-route://127.0.0.1:{proxy.ports[0]}"' for proxy in made.values())
            self.server(config=f'cluster {{ name: c, listen: "127.0.0.1:{port}", advertise: "127.0.0.1:1", '
                               f'no_advertise: true, routes: [{routes}] }}')
        for server in self.servers:
            server.wait_ready()
        return self.servers

    def part(self, server, mode):
        """MODE (proxy.py) for every route of SERVER."""
        number = self.servers.index(server)
        for one, other, proxy in self.proxies:
            if number in (one, other):
                proxy.set(mode)

    def urls(self):
        return [word for server in self.servers for word in ("--nats", server.url)] + self.options

    def setup(self, *words, services=("law",), **keywords):
        named = [word for service in services for word in ("--service", service)]
        return tailgate("jetstream", "setup", *self.urls(), *named, "--max-bytes", str(64 << 20), "--ack-wait", "2s",
                        *words, **keywords)

    def made(self, *words, **keywords):
        """The streams, as soon as the servers can make them."""
        done = wait_for(lambda: next((done for done in [self.setup("--json", *words, **keywords)]
                                      if done.returncode == 0), None), "the streams to be made")
        return json.loads(done.stdout)

    def program(self, *words):
        return self.started(Program([TAILGATE, *words]))

    def started(self, program):
        self.site.processes.append(program.process)
        self.programs.append(program)
        return program

    def publish(self, bridge, *words, service="law", nats=None):
        return self.program("jetstream", "publish", "--db", bridge.path, "--service", service,
                            *(["--nats", nats] if nats else self.urls()), "--log-format", "json", *words)

    def gate(self, name):
        return f"ipc://{self.site.folder}/{name}.gate"

    def serve(self, name, *words, service="law", wait=True):
        program = self.program("jetstream", "serve", *self.urls(), "--service", service, "--gate", self.gate(name),
                               "--name", name, "--settle", "200ms", "--drain", "3s", "--log-format", "json", *words)
        if wait:
            program.wait_event("serving")
        return program

    def work(self, name, *words, slots=4):
        return self.started(Program([TAILGATE_WORK, "--gate", self.gate(name), "--name", f"at-{name}", "--slots",
                                     str(slots), "--log-format", "json", *words]))

    def end(self):
        """Every program that still runs ends when it is told to, with what is out given back."""
        running = [program for program in self.programs if program.running()]
        for program in running:
            program.signal(signal.SIGTERM)
        for program in running:
            try:
                program.process.wait(0.5)
            except subprocess.TimeoutExpired:
                program.signal(signal.SIGTERM)  # at once
            program.stop()

    def close(self):
        try:
            self.end()
        finally:
            self.close_servers()

    def close_servers(self):
        for server in self.servers:
            server.stop()
        for _, _, proxy in self.proxies:
            proxy.close()


@pytest.fixture
def far(site):
    made = Far(site)
    yield made
    made.close()


def bridge_at(site, name="bridge.db", **keywords):
    bridge = site.bridge(name, roles=("asker", "law"))
    bridge.gateway = site.serve(bridge, **keywords)
    return bridge
