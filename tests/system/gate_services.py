"""The gate's built-in services for conversations, queries and dead letters, asked as any client asks."""

import json

from harness import wait_for
from majordomo import Client02


class Services:
    """A bridge, its gateway, and one client of the gate."""

    def __init__(self, site, *options, bridge=None, **settings):
        self.site = site
        self.bridge = bridge or site.bridge(conversation=False)
        self.settings = settings
        self.gateway = site.serve(self.bridge, *options, settings=settings)
        self.client = self.connect()

    def connect(self, endpoint=None):
        client = Client02(self.site.context, endpoint or self.bridge.gate)
        self.site.workers.append(client)
        return client

    def restart(self):
        self.gateway.kill()
        self.gateway = self.site.serve(self.bridge, settings=self.settings)
        self.client = self.connect()

    def ask(self, service, body=b"{}"):
        """The one object that comes back; BODY an object, or bytes as they are."""
        if not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        (frame,) = self.client.ask("tailgate." + service, body)
        return json.loads(frame)

    def refused(self, code, service, body=b"{}"):
        told = self.ask(service, body)
        assert (told["type"], told.get("code")) == ("error", code), told
        assert told["error"] and not told["error"].endswith(".")
        return told["error"]

    def converse(self, **members):
        told = self.ask("converse", members)
        assert told["type"] == "conversation", told
        return told

    def submit(self, talk, question="?", key=None, session="a", **members):
        """What tailgate.submit says to QUESTION in the conversation that converse() has told."""
        return self.ask("submit", submission(talk, question, key, session, **members))

    def query(self, talk, message, session="a"):
        return self.ask("query", {"conversation_id": talk["conversation_id"],
                                  "session_token": talk[f"session_{session}_token"], "message_id": message})

    def story(self, message):
        told = self.ask("story", {"message_id": message})
        assert told["type"] == "story", told
        return told

    def wait_state(self, talk, message, state):
        return wait_for(lambda: (lambda told: told if told.get("state") == state else None)(self.query(talk, message)),
                        f"query {message} to be {state}")

    def rows(self, sql="SELECT * FROM messages ORDER BY id", *values):
        with self.bridge.reading() as db:
            return [dict(row) for row in db.execute(sql, values)]


def submission(talk, question="?", key=None, session="a", **members):
    body = {"conversation_id": talk["conversation_id"], "session_token": talk[f"session_{session}_token"],
            "query": {"question": question, **members}}
    return body if key is None else {**body, "idempotency_key": key}
