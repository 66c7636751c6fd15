"""REST as a program uses it; and every answer is held against proto/openapi.yaml."""

import json
import shutil
import tempfile

import pytest

from harness import TAILGATE, Program, Site, wait_for
from http_helper import Http
from openapi import Document

DOCUMENT = Document()


class Answer:
    def __init__(self, method, target, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body
        DOCUMENT.check_answer(method, target, self.status, self.headers, body)
        self.kind = (self.headers["Content-Type"] or "").split(";")[0]
        self.json = json.loads(body) if body and self.kind.endswith("json") else None

    @property
    def problem(self):
        """The last word of a problem's type."""
        assert self.kind == "application/problem+json", self.body
        return self.json["type"].rsplit("/", 1)[1]

    def demand(self, status, problem=None):
        assert self.status == status, f"{self.status} instead of {status}: {self.body[:1000]!r}"
        assert problem is None or self.problem == problem
        return self


class Rest(Http):
    """A client of the door at URL."""

    def __init__(self, url, token=None):
        super().__init__(url)
        self.token = token

    def begin(self, method, target, body=None, token=None, **headers):
        """Sends a request; returns the connection. BODY: bytes, or what becomes JSON."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        token = token or self.token
        if token:
            headers.setdefault("Authorization", f"Bearer {token}")
        connection = self.connect()
        connection.request(method, target, body, headers)
        return connection

    def ask(self, method, target, body=None, token=None, **headers):
        connection = self.begin(method, target, body, token, **headers)
        try:
            response = connection.getresponse()
            return Answer(method, target, response, response.read())
        finally:
            connection.close()

    def get(self, target, **keywords):
        return self.ask("GET", target, **keywords)

    def converse(self, **members):
        """A new conversation; the client is its asker."""
        made = self.ask("POST", "/v1/conversations", members).demand(201)
        return Conversation(self, made)


class Conversation:
    def __init__(self, rest, made):
        self.rest, self.made = rest, made
        self.id = made.json["conversation_id"]
        self.token = made.json["session_token"]
        self.responder = made.json["responder_token"]
        self.path = f"/v1/conversations/{self.id}"

    def post(self, body, token=None, key=None, **headers):
        if key is not None:
            headers["Idempotency_Key"] = key
        return self.rest.ask("POST", self.path + "/queries", body, token or self.token, **headers)

    def ask(self, question, key=None, **members):
        """Its answer's JSON: a query was written."""
        return self.post({"question": question, **members}, key=key).demand(201).json

    def target(self, message_id, wait=None):
        return f"{self.path}/queries/{message_id}" + (f"?wait={wait}" if wait is not None else "")

    def read(self, message_id, wait=None):
        return self.rest.get(self.target(message_id, wait), token=self.token)

    def begin_read(self, message_id, wait):
        return Waiting(self, message_id, wait)

    def events(self, after=None, last=None, token=None):
        query = f"?after={after}" if after is not None else ""
        return Stream(self.rest, f"{self.path}/events{query}", token or self.token, last)


class Waiting:
    """A read that waits."""

    def __init__(self, conversation, message_id, wait):
        self.target = conversation.target(message_id, wait)
        self.connection = conversation.rest.begin("GET", self.target, token=conversation.token)

    def answer(self):
        response = self.connection.getresponse()
        try:
            return Answer("GET", self.target, response, response.read())
        finally:
            self.close()

    def close(self):
        self.connection.close()


class Stream:
    """Server-sent events, until it is closed by either side."""

    def __init__(self, rest, target, token, last=None):
        headers = {} if last is None else {"Last_Event_ID": str(last)}
        self.connection = rest.begin("GET", target, token=token, **headers)
        self.response = self.connection.getresponse()
        streams = self.response.status == 200
        self.answer = Answer("GET", target, self.response, None if streams else self.response.read())

    @property
    def status(self):
        return self.answer.status

    def demand(self, status, problem=None):
        self.answer.demand(status, problem)
        return self

    def next(self):
        """The next event: (id, event, data) with DATA from JSON; or None at the end. The id is that of the last
        event that had one, as a number."""
        fields = {}
        while True:
            line = self.response.readline()
            if not line:
                return None
            assert line.endswith(b"\n")
            name, _, value = line.rstrip(b"\n").decode("utf-8").partition(":")
            if name:
                fields.setdefault(name, []).append(value.removeprefix(" "))
            elif not line.strip() and "data" in fields:
                break
        data = json.loads("\n".join(fields["data"]))
        event = fields["event"][0]
        DOCUMENT.check_value("End" if event == "end" else "Row", data)
        number = int(fields["id"][0]) if "id" in fields else None
        assert event == "end" or (number == data["id"] and event == data["event"])
        return number, event, data

    def take(self, count):
        """COUNT events' ids and texts."""
        taken = [self.next() for _ in range(count)]
        return [(number, data["text"]) for number, _, data in taken]

    def close(self):
        self.response.close()
        self.connection.close()


def url_of(program):
    """Where PROGRAM, or one that it supervises, serves HTTP."""
    return program.wait_event("http-listening")["url"]


def when_there(attempt):
    """The first answer of ATTEMPT() that is not 503: the gateway is back for such requests."""
    def answer():
        made = attempt()
        return made if made.status != 503 else None
    return wait_for(answer, "the gateway to be back")


NO_LIMITS = "0/0/0"


class Door(Program):
    """`tailgate http` by itself, at a socket that is the same when it is started again."""

    def __init__(self, site, bridge, *options, rate=NO_LIMITS):
        self.words = (site, bridge, *options)
        self.rate = rate
        super().__init__([TAILGATE, "http", "--db", bridge.path, "--listen", f"unix:{site.folder}/http", "--rate",
                          rate, "--log-format", "json", *options])
        site.processes.append(self.process)
        self.rest = Rest(url_of(self))

    def again(self):
        self.kill()
        return Door(*self.words, rate=self.rate)


def shared():
    """A bridge, and a gateway with its door, for a fixture of a whole file."""
    folder = tempfile.mkdtemp(prefix="tg", dir="/tmp")
    site = Site(folder)
    try:
        site.here = site.bridge(conversation=False)
        site.gateway = site.serve(site.here, "--http", "127.0.0.1:0", "--http-rate", NO_LIMITS)
        site.rest = Rest(url_of(site.gateway))
        yield site
    finally:
        site.close()
        shutil.rmtree(folder, ignore_errors=True)


def alone(site):
    """The same for one test, which ends and restarts its gateway and its door."""
    site.here = site.bridge(conversation=False)
    site.gateway = site.serve(site.here)
    site.door = Door(site, site.here)
    site.rest = site.door.rest
    return site


def check_all_seen(request, names, only=None, all_but=()):
    """The tests of a file, whose names are NAMES, have seen every answer that is described of these operations: all
    but those to requests that no test makes of every operation."""
    here = [item for item in request.session.items if item.path == request.path]
    if len(here) < sum(name.startswith("test_") for name in names):
        pytest.skip("only after all tests of this file")
    described = {(operation["operationId"], int(status)) for _, _, operation, _ in DOCUMENT.operations()
                 for status in operation["responses"]}
    unseen = {(name, status) for name, status in described - DOCUMENT.seen if status not in (400, 403, 421, 503)
              and name not in all_but and (only is None or name in only)}
    assert not unseen, f"never seen: {sorted(unseen)}"
