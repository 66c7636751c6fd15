"""Workers and clients for a Tailgate gateway, on pyzmq.

A worker answers the queries of a service. Its function may compute for minutes: heartbeats come from a thread of
their own. It survives restarts of the gateway, and what it was asked once it does once:

    import tailgate

    @tailgate.worker("law")
    def answer(query):
        return {"answer": f"You asked: {query.question}", "sources": []}

    answer.run(db="bridge.db")

A generator streams: `yield` sends a part ahead. `async def` works as well. See worker() and Query.

A client asks; what it asks is a row in the bridge before a worker sees it:

    with tailgate.Client(db="bridge.db") as client:
        print(client.ask("law", "What is a lease?", timeout=60).text)

See Client for streams, and for questions that are fetched later; AsyncClient for event loops.

An observer sees what happens in the bridge, whoever wrote it: each row once, whatever was restarted meanwhile:

    with tailgate.Observer(db="bridge.db", kinds=["query", "response"], after=0) as observer:
        for event in observer:
            print(event.kind, event.id, event.data["text"])

See Observer for where it begins and goes on, and what else there is to see; AsyncObserver for event loops. What goes
wrong with the gateway in between is told to logging.getLogger("tailgate"). The protocol is in proto/WIRE.md."""

from ._answer import Answer, AskError, AskTimeout, Question, UnknownTicket
from ._async_client import AsyncClient
from ._client import Client
from ._event import Event
from ._observer import AsyncObserver, Observer
from ._place import gate_of
from ._query import Cancelled, Fatal, GiveBack, Query, Sender
from ._worker import Worker, worker

__version__ = "0.1.0"

__all__ = ["Answer", "AskError", "AskTimeout", "AsyncClient", "AsyncObserver", "Cancelled", "Client", "Event", "Fatal",
           "GiveBack", "Observer", "Query", "Question", "Sender", "UnknownTicket", "Worker", "gate_of", "worker",
           "__version__"]
