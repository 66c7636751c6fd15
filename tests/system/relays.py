"""Relays as processes, and chains of them."""

import json

from majordomo import Client02
from process import BUILD, TAILGATE, WAIT, Program, wait_for

TAILGATE_RELAY = BUILD / "gateway" / "tailgate-relay"


class Relay(Program):
    """`tailgate relay` below FROM, a Bridge's gateway or another relay."""

    def __init__(self, site, name, above, *options, wait=True, env=None):
        self.site, self.name, self.above = site, name, above
        self.gate = f"ipc://{site.folder}/{name}.gate"
        self.events_at = f"ipc://{site.folder}/{name}.events"
        above_events = getattr(above, "events_at", None) or above.gate.replace("-gate/gate", "-gate/events")
        self.words = [TAILGATE, "relay", "--from", above.gate, "--from-events", above_events, "--gate", self.gate,
                      "--events", self.events_at, "--name", name, "--settle", "200ms", "--drain", "3s",
                      "--log-format", "json", *options]
        super().__init__(self.words, env=env)
        site.processes.append(self.process)
        if wait:
            self.wait_event("serving")

    def again(self):
        """The same relay, started anew."""
        made = Relay.__new__(Relay)
        made.__dict__.update(site=self.site, name=self.name, above=self.above, gate=self.gate,
                             events_at=self.events_at, words=self.words)
        Program.__init__(made, self.words)
        self.site.processes.append(made.process)
        made.wait_event("serving")
        return made

    def ask(self, service, *body):
        client = Client02(self.site.context, self.gate)
        try:
            reply = client.ask(service, *body)
            return reply[0]
        finally:
            client.close()

    def status(self):
        return json.loads(self.ask("tailgate.status", b""))

    def wait_status(self, matches, what, timeout=WAIT):
        return wait_for(lambda: (lambda status: status if matches(status) else None)(self.status()), what, timeout)

    def wait_up(self):
        return self.wait_status(lambda status: status["source"]["up"], "the relay to be registered above")

    def wait_replays(self):
        """Waits until replays are taken: the way up for them is open."""
        return wait_for(lambda: json.loads(self.ask("tailgate.replay", b'{"after":0,"limit":1}'))["type"] == "replayed",
                        "replays through the relay")


def keyed(site, name, world, cert, *options, server=None, gate=None):
    """A relay with a key, below the gateway of WORLD (keys.py); .gate is where its workers connect."""
    program = Program([TAILGATE, "relay", "--from", world.gate, "--cert", cert, "--server-cert",
                       server or world.dir / "gateway.cert", "--gate", gate or f"ipc://{site.folder}/{name}.gate",
                       "--name", name, "--settle", "0", "--log-format", "json", *options])
    site.processes.append(program.process)
    program.gate = program.wait_event("serving")["gate"]
    return program
