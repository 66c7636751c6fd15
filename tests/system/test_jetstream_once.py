"""`tailgate jetstream`: what is published, delivered or answered twice is stored and counts once."""

import json

from harness import Answerer, answer_of, wait_for
from jetstreams import Deafening, Wire, bridge_at, far  # noqa: F401  (a fixture)


def test_the_same_query_or_reply_twice_is_stored_and_answered_once(site, far):
    server = far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    row = bridge.ask("once?")
    with Wire(server) as wire:
        state = wait_for(lambda: (lambda state: state if state["messages"] else None)(
            wire.stream("tailgate-q-law")), "the query in its stream")
        headers, body = wire.message("tailgate-q-law", state["last_seq"])
        assert headers["Tailgate-Bridge"] == json.loads(body)["delivery"]["bridge"]
        assert headers["Nats-Msg-Id"] == f'{headers["Tailgate-Bridge"]}-{headers["Tailgate-Token"]}'
        assert headers["Tailgate-Deadline"] == json.loads(body)["delivery"]["deadline"]
        again = wire.request("tailgate.q.law", body, headers)
        assert again["duplicate"] is True and wire.stream("tailgate-q-law")["messages"] == 1
        to = f'tailgate.r.{headers["Tailgate-Bridge"]}.law'
        for n in range(3):  # a redelivery to a second host, whose reply has another id
            reply = {"Tailgate-Token": headers["Tailgate-Token"], "Tailgate-Kind": "final", "Nats-Msg-Id": f"other-{n}"}
            wire.request(to, json.dumps({"answer": f"answer {n}"}), reply)
        assert answer_of(bridge.reply(row)) == "answer 0"
        wait_for(lambda: wire.stream("tailgate-r")["messages"] == 0, "the late replies to be taken away")
    bridge.check_exactly_once(expect=1)


def test_what_was_published_and_not_confirmed_is_published_again_and_stored_once(site, far):
    server = far.server()
    far.made()
    bridge = bridge_at(site)
    between = Deafening(server.port)
    publisher = far.publish(bridge, nats=between.url)
    publisher.wait_event("connected")
    between.deaf = True
    with Wire(server) as wire, Wire(server).watch("tailgate.q.law") as queries:
        row = bridge.ask("once?")
        first = queries.published()
        between.deaf = False
        between.cut()
        again = queries.published()
        assert first == again and first[1]["Nats-Msg-Id"]
        far.serve("h1")
        worker = Answerer(site.context, far.gate("h1"), "law")
        site.answerers.append(worker)
        bridge.reply(row)
        assert wire.stream("tailgate-q-law")["last_seq"] == 1 and len(worker.queries) == 1
    bridge.check_exactly_once(expect=1)
    between.close()


def test_the_late_answer_of_a_host_that_lost_its_query_is_not_stored_again(site, far):
    server = far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    frozen = far.serve("h1", "--heartbeat", "30s")
    late = site.mdp(far.gate("h1"), "law")
    with Wire(server) as wire, Wire(server).watch("tailgate.r.>") as replies:
        row = bridge.ask("who?")
        query = late.request()
        frozen.freeze()
        far.serve("h2")
        site.answerers.append(Answerer(site.context, far.gate("h2"), "law", name="w2"))
        assert bridge.reply(row)["metadata"]["worker"] == "w2"
        first = replies.published()[1]
        late.final(query.token, {"answer": "me, too"})
        frozen.thaw()
        again = replies.published()[1]
        assert first["Nats-Msg-Id"] == again["Nats-Msg-Id"] and first["Tailgate-Token"] == query.token.decode()
        assert wire.stream("tailgate-r")["last_seq"] == 1
    bridge.check_exactly_once(expect=1)


def test_the_answer_of_an_older_attempt_is_refused_once_there_is_one(site, far):
    server = far.server()
    far.made()
    bridge = bridge_at(site, settings={"backoff.first": "20ms"})
    publisher = far.publish(bridge)
    far.serve("h1")
    tokens = []

    def answer(query):
        tokens.append(query.token.decode())
        return {"type": "error", "error": "not yet", "retry": True} if len(tokens) == 1 else {"answer": "second"}
    site.answerers.append(Answerer(site.context, far.gate("h1"), "law", answer=answer))
    row = bridge.ask("twice?")
    assert answer_of(bridge.reply(row)) == "second"
    with Wire(server) as wire:
        to = wire.request("$JS.API.CONSUMER.NAMES.tailgate-r")["consumers"][0].replace("-", ".", 1)
        wire.request(f"tailgate.r.{to}", {"answer": "first"}, {"Tailgate-Token": tokens[0], "Tailgate-Kind": "final"})
        bridge.gateway.wait_event("refused", id=row, attempt=1)
        wire.request(f"tailgate.r.{to}", {"answer": "poison"}, {"Tailgate-Token": "no token", "Tailgate-Kind": "final"})
        publisher.wait_event("odd-reply")
        assert not bridge.gateway.events("left")
    bridge.check_exactly_once(expect=1)
