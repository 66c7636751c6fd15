"""The order in which queries of several conversations are given out: `order`, for all services or for one."""

import pytest

from harness import wait_for
from test_control import service

HELD = {"heartbeats": True, "interval": 30000}


class Asked:
    """Queries of three conversations that wait, before there is a worker: three in a row from each."""

    def __init__(self, site, order=None, name="default", settings=None, rows=3):
        self.bridge = site.bridge()
        self.gateway = site.serve(self.bridge, settings={**({"order": order} if order else {}), **(settings or {}),
                                                         "backoff.first": "300ms", "backoff.max": "300ms"})
        self.conversations = [self.bridge.conversation, self.bridge.converse(), self.bridge.converse()]
        self.ids = []
        self.conversation_of = {}
        self.name = name
        for conversation in self.conversations:
            for _ in range(rows):
                self.ask(conversation)
        wait_for(lambda: (service(self.gateway, name) or {}).get("backlog") == 3 * rows, "the queries")

    def ask(self, conversation):
        message = self.bridge.ask("?", conversation=conversation, service=self.name)
        self.ids.append(message)
        self.conversation_of[message] = conversation
        return message

    def check(self):
        self.bridge.wait_replies(len(self.ids))
        self.bridge.check_exactly_once(len(self.ids))


def serve_all(worker, count):
    """Answers COUNT queries one by one; returns their ids in the order in which they came."""
    seen = []
    for _ in range(count):
        query = worker.request()
        seen.append(query.id)
        worker.final(query.token, "yes")
    return seen


def take(worker, count):
    return [worker.request() for _ in range(count)]


def check_nothing_comes(worker):
    assert worker.request(timeout=0.3) is None


def in_turn(ids, rows=3):
    """Of three conversations with ROWS rows each: the first of each, then the second of each, …"""
    return [ids[conversation * rows + row] for row in range(rows) for conversation in range(3)]


def test_fair_is_the_default_and_lets_conversations_take_turns(site):
    asked = Asked(site)
    assert serve_all(site.mdp(asked.bridge, **HELD), 9) == in_turn(asked.ids)
    asked.check()


def test_fifo_is_the_order_of_arrival_over_all_conversations(site):
    asked = Asked(site, "fifo")
    worker = site.mdp(asked.bridge, **HELD)
    seen = serve_all(worker, 4)
    late = asked.ask(asked.conversations[0])
    seen += serve_all(worker, 6)
    assert seen == asked.ids and seen[-1] == late
    asked.check()


def test_fifo_gives_what_failed_its_old_place(site):
    asked = Asked(site, "fifo")
    worker = site.mdp(asked.bridge, **HELD)
    first = worker.request()
    worker.final(first.token, {"type": "error", "error": "no"})
    seen = []
    query = worker.request()
    seen.append(query.id)
    assert query.id == asked.ids[1], "others do not wait for its pause"
    wait_for(lambda: asked.gateway.status()["backing_off"] == 0, "the end of its pause")
    worker.final(query.token, "yes")
    seen = serve_all(worker, 8)
    assert seen == [asked.ids[0], *asked.ids[2:]]
    asked.check()


def test_conversation_has_one_query_in_flight_of_each(site):
    asked = Asked(site, "conversation")
    worker = site.mdp(asked.bridge, slots=9, **HELD)
    seen = []
    for row in range(3):
        queries = take(worker, 3)
        assert {query.id for query in queries} == set(asked.ids[row::3])
        check_nothing_comes(worker)
        for query in queries:
            seen.append(query.id)
            worker.final(query.token, "yes")
    asked.check()


def test_conversation_goes_on_when_its_reply_is_committed_and_others_do_not_wait(site):
    asked = Asked(site, "conversation")
    worker = site.mdp(asked.bridge, slots=9, **HELD)
    queries = {asked.conversation_of[query.id]: query for query in take(worker, 3)}
    slow, quick = asked.conversations[0], asked.conversations[1]
    for row in (1, 2):
        query = queries[quick]
        worker.final(query.token, "yes")
        queries[quick] = worker.request()
        assert queries[quick].id == asked.ids[3 + row]
        assert asked.bridge.row(query.id)["read"] == 1, "its next one came before it was committed"
    worker.final(queries[quick].token, "yes")
    check_nothing_comes(worker)
    worker.final(queries[slow].token, "yes")
    assert worker.request().id == asked.ids[1]


def test_conversation_waits_for_its_failed_query_and_others_go_on(site):
    asked = Asked(site, "conversation")
    worker = site.mdp(asked.bridge, slots=9, **HELD)
    queries = {query.id: query for query in take(worker, 3)}
    worker.final(queries[asked.ids[0]].token, {"type": "error", "error": "no"})
    worker.final(queries[asked.ids[3]].token, "yes")
    seen = []
    while True:
        query = worker.request()
        seen.append(query.id)
        if asked.conversation_of[query.id] == asked.conversations[0]:
            break
        worker.final(query.token, "yes")
    assert (query.id, query.attempt) == (asked.ids[0], 2), "its second one overtook it"
    assert asked.ids[4] in seen, "another conversation waited for it"
    worker.final(query.token, "yes")
    wait_for(lambda: asked.bridge.row(asked.ids[0])["read"] == 1, "its reply")
    while True:
        query = worker.request()
        worker.final(query.token, "yes")
        if asked.conversation_of[query.id] == asked.conversations[0]:
            break
    assert query.id == asked.ids[1]


def test_conversation_goes_on_after_its_query_was_given_up(site):
    asked = Asked(site, "conversation", settings={"attempts": 1})
    worker = site.mdp(asked.bridge, **HELD)
    for _ in range(9):
        worker.final(worker.request().token, {"type": "error", "error": "no"})
    asked.bridge.wait_replies(9)
    assert all(reply["metadata"]["dead"] for reply in asked.bridge.replies())


def test_conversation_goes_on_after_somebody_else_answered_its_query(site):
    asked = Asked(site, "conversation")
    worker = site.mdp(asked.bridge, slots=9, **HELD)
    queries = {query.id: query for query in take(worker, 3)}
    asked.bridge.run("UPDATE messages SET read = 1 WHERE id = ?", asked.ids[0])
    worker.final(queries[asked.ids[0]].token, "too late")
    assert worker.request().id == asked.ids[1]


def test_conversation_goes_on_after_its_worker_was_lost(site):
    asked = Asked(site, "conversation")
    lost = site.mdp(asked.bridge, slots=9, **HELD)
    take(lost, 3)
    lost.disconnect()
    site.answerer(asked.bridge, slots=9)
    asked.check()
    order = [reply["reply_to"] for reply in asked.bridge.replies()]
    for start in (0, 3, 6):
        mine = [message for message in order if message in asked.ids[start:start + 3]]
        assert mine == asked.ids[start:start + 3]


def test_conversation_holds_over_a_restart_of_the_gateway(site):
    """What is in flight at a worker that comes back keeps its conversation waiting."""
    asked = Asked(site, "conversation", settings={"lease.persist_after": "0ms", "restart.grace": "60s"})
    lasting = site.mdp(asked.bridge, slots=9, name="lasting", **HELD)
    first = {query.id: query for query in take(lasting, 3)}
    wait_for(lambda: asked.gateway.status()["counters"]["leases_recorded"] == 3, "the leases on record")
    asked.gateway.kill()
    again = site.serve(asked.bridge, settings={"order": "conversation", "restart.grace": "60s"})
    wait_for(lambda: again.status()["held"] == 3, "what was in flight to be waited for")
    other = site.mdp(asked.bridge, slots=9, name="other", **HELD)
    new = asked.bridge.ask("new?", conversation=asked.bridge.converse())
    query = other.request()
    assert query.id == new, "the next one of a conversation that has one in flight was given out"
    other.final(query.token, "yes")
    asked.bridge.reply(new)
    lasting.final(first[asked.ids[3]].token, "yes")  # of a peer that has not said READY: it counts
    asked.bridge.reply(asked.ids[3])
    assert other.request().id == asked.ids[4]


@pytest.mark.parametrize("name", ["render", "a.b.c"])
def test_order_of_one_service_is_its_own(site, name):
    asked = Asked(site, name=name, settings={f"service.{name}.order": "fifo"})
    assert serve_all(site.mdp(asked.bridge, name, **HELD), 9) == asked.ids
    asked.check()
    one, two = asked.conversations[:2]
    ids = [asked.bridge.ask("?", conversation=conversation, service="law") for conversation in (one, one, two, two)]
    wait_for(lambda: (service(asked.gateway, "law") or {}).get("backlog") == 4, "the queries")
    assert serve_all(site.mdp(asked.bridge, "law", **HELD), 4) == [ids[0], ids[2], ids[1], ids[3]]
    asked.bridge.check_exactly_once()


def test_services_take_turns_at_a_worker_for_all_whatever_their_order(site):
    asked = Asked(site, name="render", settings={"service.render.order": "fifo"})
    law = [asked.bridge.ask("?", service="law") for _ in range(3)]
    wait_for(lambda: (service(asked.gateway, "law") or {}).get("backlog") == 3, "the queries")
    seen = serve_all(site.mdp(asked.bridge, **HELD), 6)
    assert [message for message in seen if message in law] == law
    assert [message for message in seen if message not in law] == asked.ids[:3]
