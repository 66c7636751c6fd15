"""tailgate-http as a process, and what asks it: http.client, and raw sockets for what no client would send."""

import http.client
import json
import re
import socket

from harness import BUILD, TAILGATE, WAIT, Bridge, Program, wait_for

TAILGATE_HTTP = BUILD / "gateway" / "tailgate-http"
TOKENS = {role: f"{role}-0123456789abcdef0123" for role in ("observer", "client", "operator")}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Http:
    """What can be asked at URL, "http://address:port" or "unix:PATH"."""

    def __init__(self, url):
        self.url = url
        self.path = url[5:] if url.startswith("unix:") else None
        self.place = None if self.path else re.fullmatch(r"http://\[?([^]]*?)\]?:(\d+)", url).groups()

    def connect(self):
        """A connection of http.client."""
        if self.path:
            return UnixConnection(self.path)
        return http.client.HTTPConnection(self.place[0], int(self.place[1]), timeout=WAIT)

    def raw(self):
        """A bare socket."""
        connection = self.connect()
        connection.connect()
        return connection.sock

    def ask(self, method, target, body=None, token=None, **headers):
        """One request on a connection of its own; a header's - is written _."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection = self.connect()
        connection.request(method, target, body, headers)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def get(self, target, **keywords):
        return self.ask("GET", target, **keywords)

    def exchange(self, sent):
        """What comes back for these bytes until the connection is closed from there."""
        with self.raw() as client:
            try:
                client.sendall(sent)
            except OSError:
                pass  # it was closed while we sent: there may still be an answer
            return read_all(client)

    def wait_ready(self):
        def ready():
            try:
                return self.get("/readyz").status == 200
            except (ConnectionRefusedError, FileNotFoundError):
                return False  # a process that was started anew does not listen yet
        return wait_for(ready, "the gateway to be ready")


def read_all(client):
    got = b""
    try:
        while piece := client.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


class HttpHelper(Program, Http):
    """`tailgate http` by itself, beside or without a gateway. WHERE: a Bridge, or the words that name the doors."""

    def __init__(self, site, where, *options, listen="127.0.0.1:0", wait=True, **keywords):
        doors = ["--db", where.path] if isinstance(where, Bridge) else where
        Program.__init__(self, [TAILGATE, "http", *doors, "--listen", listen, "--log-format", "json", *options],
                         **keywords)
        site.gateways.insert(0, self)  # ended with them, by SIGTERM, to exit 0; first, while they can hear its last words
        if wait:
            Http.__init__(self, self.wait_event("http-listening")["url"])


def token_file(site, mode=0o600, lines=None):
    path = site.folder / "tokens"
    path.write_text(lines or "".join(f"{role} {token}\n" for role, token in TOKENS.items()))
    path.chmod(mode)
    return path


def http_of(gateway, since=0):
    """The door of the `--http` of GATEWAY."""
    return Http(gateway.wait_event("http-listening", since=since)["url"])
