#!/usr/bin/python3
"""Roles × doors × actions: what each key may do, each found out by a real attempt.

    TAILGATE_BUILD=build/release python3 tests/system/roles_table.py     prints the table

Three things can come of an attempt: it is allowed, refused with a reason, or the key does not get in at all."""

import json
import sys
import tempfile
from pathlib import Path

import zmq
from zmq.utils.monitor import recv_monitor_message

from majordomo import Client02
from observer import Feed
from process import WAIT, wait_for
from workers import DISCONNECT, FINAL, HEARTBEAT, MDP, READY

OUTCOME = (zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
           | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH)
ALLOWED, REFUSED, OUT = "allowed", "refused", "not let in"
ROLES = ("worker", "worker of law", "client", "client of law", "observer", "operator", "unlisted key")

EVERYBODY = {role: ALLOWED for role in ROLES if role != "unlisted key"}


def only(*roles):
    return {role: ALLOWED for role in roles}


# (door, action): who may; everybody else is refused, and an unlisted key is not let in.
TABLE = {
    ("gate", "register for law"): only("worker", "worker of law"),
    ("gate", "register for art"): only("worker"),
    ("gate", "register for all"): only("worker"),
    ("gate", "answer"): only("worker", "worker of law"),
    ("gate", "ask law"): only("client", "client of law"),
    ("gate", "ask art"): only("client"),
    ("gate", "titanic.request for art"): only("client"),
    ("gate", "titanic.reply"): only("client", "client of law"),
    ("gate", "titanic.close"): only("client", "client of law"),
    ("gate", "mmi.service"): EVERYBODY,
    ("gate", "tailgate.status"): only("client", "client of law", "observer", "operator"),
    ("gate", "tailgate.replay"): only("observer", "operator"),
    ("gate", "tailgate.story"): only("observer", "operator"),
    ("gate", "tailgate.dead"): only("observer", "operator"),
    ("gate", "tailgate.converse for law"): only("client", "client of law"),
    ("gate", "tailgate.converse for art"): only("client"),
    ("gate", "tailgate.submit for law"): only("client", "client of law"),
    ("gate", "tailgate.submit for art"): only("client"),
    ("gate", "tailgate.query"): only("client", "client of law"),
    ("gate", "tailgate.session"): only("client", "client of law"),
    ("gate", "tailgate.redrive"): only("operator"),
    ("gate", "tailgate.drop"): only("operator"),
    ("gate", "tailgate.pause"): only("operator"),
    ("gate", "tailgate.resume"): only("operator"),
    ("gate", "tailgate.rescan"): only("operator"),
    ("events", "subscribe"): only("observer", "operator"),
}


# How the answer begins to who may.
ANSWER = {
    "ask law": "re: ?",
    "ask art": "re: ?",
    "titanic.request for art": "200",
    "titanic.reply": "400",  # what is asked for is no ticket
    "titanic.close": "400",
    "mmi.service": "404",
    "tailgate.status": '{"type":"status",',
    "tailgate.replay": '{"type":"replayed",',
    "tailgate.dead": '{"type":"dead",',
    "tailgate.converse for law": '{"type":"conversation",',
    "tailgate.converse for art": '{"type":"conversation",',
    "tailgate.submit for law": '{"type":"submitted",',
    "tailgate.submit for art": '{"type":"submitted",',
    "tailgate.query": '{"type":"error","error":"there is no such query',
    "tailgate.session": '{"type":"session",',
    "tailgate.story": '{"type":"error","error":"no query has',
    "tailgate.redrive": '{"type":"error","error":"no dead query',
    "tailgate.drop": '{"type":"error","error":"no dead query',
    "tailgate.pause": '{"type":"done","done":"pause",',
    "tailgate.resume": '{"type":"done","done":"resume",',
    "tailgate.rescan": '{"type":"done","done":"rescan",',
}


def expected(door, action, role):
    """At the events door only observers and operators get through the handshake."""
    if role == "unlisted key" or (door == "events" and role not in TABLE[door, action]):
        return OUT
    return TABLE[door, action].get(role, REFUSED)


def certificate(world, role):
    """The files of a fresh key with that role; one that is not in the list, for the unlisted key."""
    kind, _, service = role.partition(" of ")
    name = role.replace(" ", "-")
    if role == "unlisted key":
        return world.key(name, "worker", allow=False)
    return world.key(name, kind, services=[service] if service else [])


def _says(socket, *frames):
    """What comes back; None when the door lets nothing in."""
    socket.send_multipart(list(frames))
    while socket.poll(WAIT * 1000):
        got = socket.recv_multipart()
        if got[:2] != [MDP, HEARTBEAT]:
            return got
        if frames[1] == READY:
            return got
    return None


def _answer(world, socket):
    before = world.gateway.status()["counters"]
    if _says(socket, MDP, FINAL, b"1.1.AAAAAAAAAAAAAAAAAAAAAA", b"", b"x") is None:
        return OUT

    def counted():
        now = world.gateway.status()["counters"]
        if now["refused_roles"] > before["refused_roles"]:
            return REFUSED
        return ALLOWED if now["refused_forged"] > before["refused_forged"] else None
    return wait_for(counted, "the answer to be counted")


def _request(world, action):
    """The service that ACTION asks for, and what it says to it."""
    service, *of = action.split(" for ")
    if service.startswith("ask "):
        return service[4:], ["?"]
    if service == "titanic.request":
        return service, [*of, "?"]
    name = service.rpartition(".")[2]
    if name not in ("converse", "submit", "query", "session", "story", "dead", "redrive", "drop"):
        return service, [""]
    with world.bridge.reading() as db:
        conversation, token = db.execute("SELECT id, session_a_token FROM conversations"
                                         " WHERE session_a_role = 'asker'").fetchone()
    said = {"conversation_id": conversation, "session_token": token, "message_id": 10 ** 9}
    if name == "converse":
        said = {"responder": of[0]}
    elif name == "submit":
        said["query"] = {"question": "?", "service": of[0]}
    return service, [json.dumps(said)]


def _gate(world, context, action):
    socket = context.socket(zmq.DEALER)
    socket.connect(world.gate)
    try:
        if action.startswith("register"):
            service = action.split()[-1].replace("all", "*").encode()
            got = _says(socket, MDP, READY, service, b'{"interval":100}')
            return OUT if got is None else REFUSED if got[1] == DISCONNECT else ALLOWED
        if action == "answer":  # with a token that is nobody's: of who may, it is told that it is forged
            return _answer(world, socket)
    finally:
        socket.close(0)
    service, body = _request(world, action)
    client = Client02(context, world.gate)
    try:
        client.send(service, *body)
        got = client.receive()
    finally:
        client.close()
    if got is None:
        return OUT
    text = got[-1].decode(errors="replace")
    if "this key" in text:
        return REFUSED
    assert got[0].decode().startswith(ANSWER[action]), got
    return ALLOWED


def _passes(context, kind, endpoint):
    """The other side of a handshake that is to be refused: whether it succeeds, all the same."""
    socket = context.socket(kind)
    monitor = socket.get_monitor_socket(OUTCOME)
    socket.connect(endpoint)
    try:
        assert monitor.poll(WAIT * 1000), "nothing comes of the handshake"
        return recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    finally:
        socket.disable_monitor()
        socket.close(0)


def attempt(world, context, door, action, let_in=True):
    """One real attempt. LET_IN: it is expected to get through the handshake, so wait for what comes back."""
    if not let_in:
        refused = world.refused()
        if _passes(context, zmq.DEALER if door == "gate" else zmq.SUB, world.gate if door == "gate" else world.events):
            return ALLOWED
        wait_for(lambda: world.refused() > refused, "the refusal to be counted")
        return OUT
    if door == "gate":
        return _gate(world, context, action)
    feed = Feed(context, world.events, b"")
    try:
        return ALLOWED if feed.next() else OUT
    finally:
        feed.close()


def prepare(world):
    """Every role's key, a gateway, and somebody who answers law and art."""
    certificates = {role: certificate(world, role) for role in ROLES}
    world.serve()
    for service in ("law", "art"):
        world.site.answerer(world.bridge, service, format="query")
    return {role: world.context(cert) for role, cert in certificates.items()}


def main():
    from harness import Site
    from keys import World
    with tempfile.TemporaryDirectory(prefix="tg", dir="/tmp") as folder:
        site = Site(Path(folder))
        try:
            world = World(site)
            contexts = prepare(world)
            print(f"{'DOOR':7} {'ACTION':25}" + "".join(f"{role:15}" for role in ROLES))
            wrong = 0
            for door, action in TABLE:
                line = f"{door:7} {action:25}"
                for role in ROLES:
                    want = expected(door, action, role)
                    got = attempt(world, contexts[role], door, action, want != OUT)
                    wrong += got != want
                    line += f"{got + ('' if got == want else ' !'):15}"
                print(line)
            print(json.dumps({"attempts": len(TABLE) * len(ROLES), "not as specified": wrong}))
        finally:
            site.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
