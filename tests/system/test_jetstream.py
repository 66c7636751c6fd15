"""`tailgate jetstream`: queries between hosts in NATS JetStream (proto/WIRE.md, JetStream)."""

import json

from harness import HERE, PYTHON, Answerer, answer_of, wait_for
from jetstreams import Wire, bridge_at, far  # noqa: F401  (a fixture)
from observer import Feed


def test_two_bridges_and_two_hosts_answer_each_query_once_and_where_it_was_asked(site, far):
    far.server()
    far.made()
    bridges = [bridge_at(site, f"b{n}.db") for n in range(2)]
    for bridge in bridges:
        far.publish(bridge)
    hosts = [far.serve(name) for name in ("h1", "h2")]
    for name in ("h1", "h2"):
        far.work(name, "--echo")
    asked = {bridge: [bridge.ask(f"{bridge.path.name} {n}") for n in range(40)] for bridge in bridges}
    for bridge, rows in asked.items():
        for n, row in enumerate(rows):
            assert f"{bridge.path.name} {n}" in answer_of(bridge.reply(row))
        bridge.check_exactly_once(expect=len(rows))
        assert {tuple(reply["metadata"]["through"]) for reply in bridge.replies()} <= {("h1",), ("h2",)}
    for host in hosts:
        host.stop()


def test_a_host_that_is_killed_at_work_loses_its_query_to_another_one(site, far):
    far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    first = far.serve("h1")
    stuck = site.mdp(far.gate("h1"), "law")
    row = bridge.ask("who?")
    query = stuck.request()
    first.kill()
    far.serve("h2")
    second = Answerer(site.context, far.gate("h2"), "law", name="w2")
    site.answerers.append(second)
    reply = bridge.reply(row)
    assert reply["metadata"]["worker"] == "w2" and reply["metadata"]["attempt"] == 1
    assert second.queries[0].token == query.token
    bridge.check_exactly_once(expect=1)


def test_a_serving_process_that_is_killed_finds_its_workers_work_again_and_none_is_done_twice(site, far):
    far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    host = far.serve("h1")
    worker = far.work("h1", "--", PYTHON, HERE / "work_child.py", site.folder)
    row = bridge.ask("wait for it")
    wait_for((site.folder / "waiting").exists, "the query at the worker")
    host.kill()
    far.serve("h1")
    (site.folder / "go").write_text("")
    assert answer_of(bridge.reply(row)) == "for it"
    bridge.check_exactly_once(expect=1)
    assert len(worker.events("query")) == 1


def test_a_query_whose_worker_left_before_it_came_again_goes_to_another_one(site, far):
    server = far.server()
    far.made("--ack-wait", "8s")
    bridge = bridge_at(site)
    far.publish(bridge)
    host = far.serve("h1")
    worker = site.mdp(far.gate("h1"), "law")
    row = bridge.ask("who?")
    query = worker.request()
    host.kill()
    worker.close()
    host = far.serve("h1")
    with Wire(server) as wire:
        holder = site.mdp(far.gate("h1"), "law", name="holder", holding=[query.token.decode()])
        host.wait_event("joined", worker="holder")
        assert wire.request("$JS.API.CONSUMER.INFO.tailgate-q-law.workers")["num_redelivered"] == 0
        holder.disconnect()
        host.wait_event("left", worker="holder")
    second = Answerer(site.context, far.gate("h1"), "law", name="w2")
    site.answerers.append(second)
    assert bridge.reply(row)["metadata"]["worker"] == "w2"
    assert [again.token for again in second.queries] == [query.token]
    bridge.check_exactly_once(expect=1)


def test_a_publisher_that_is_killed_gets_the_answers_when_it_is_started_again(site, far):
    far.server()
    far.made()
    bridge = bridge_at(site)
    first = far.publish(bridge)
    far.serve("h1")
    far.work("h1", "--", PYTHON, HERE / "work_child.py", site.folder, slots=10)
    asked = [bridge.ask(f"wait {n}") for n in range(10)]
    wait_for((site.folder / "waiting").exists, "the first query at the worker")
    first.kill()
    (site.folder / "go").write_text("")
    far.publish(bridge)
    for n, row in enumerate(asked):
        assert answer_of(bridge.reply(row)) == str(n)
    bridge.check_exactly_once(expect=10)


def test_a_gateway_that_is_killed_counts_the_answers_that_come_when_it_is_back(site, far):
    far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    far.serve("h1")
    worker = far.work("h1", "--", PYTHON, HERE / "work_child.py", site.folder, slots=10)
    asked = [bridge.ask(f"wait {n}") for n in range(4)]
    wait_for((site.folder / "waiting").exists, "the first query at the worker")
    bridge.gateway.kill()
    (site.folder / "go").write_text("")
    wait_for(lambda: len(worker.events("answered")) == 4, "the answers to be given")
    bridge.gateway = site.serve(bridge)
    for row in asked:
        bridge.reply(row)
    bridge.check_exactly_once(expect=4)


def test_a_server_that_is_killed_and_started_again_loses_nothing(site, far):
    server = far.server()
    far.made()
    bridge = bridge_at(site)
    publisher = far.publish(bridge)
    host = far.serve("h1")
    far.work("h1", "--", PYTHON, HERE / "work_child.py", site.folder, slots=10)
    asked = [bridge.ask(f"wait {n}") for n in range(10)]
    wait_for((site.folder / "waiting").exists, "the first query at the worker")
    server.kill()
    publisher.wait_event("disconnected", **{"from": "nats"})
    (site.folder / "go").write_text("")
    asked += [bridge.ask(f"more {n}") for n in range(5)]
    server.start()
    for row in asked:
        bridge.reply(row)
    bridge.check_exactly_once(expect=15)
    assert publisher.running() and host.running()


def test_nobody_there_yet_is_said_once_and_waited_for(site, far):
    server = far.server()
    server.kill()
    bridge = bridge_at(site)
    publisher, host = far.publish(bridge), far.serve("h1")
    publisher.wait_event("waiting", **{"from": "nats"})
    far.work("h1", "--echo")
    row = bridge.ask("is anybody there?")
    server.start()
    far.made()
    bridge.reply(row)
    assert len(publisher.events("waiting")) <= 2 and host.running()


def test_what_no_worker_can_do_comes_back_as_that(site, far):
    far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    far.serve("h1")
    tries = []

    def answer(query):
        tries.append(query.attempt)
        if len(tries) == 1:
            return {"type": "return", "error": "not me"}
        if len(tries) == 2:
            return {"type": "error", "error": "try again", "retry": True}
        return {"type": "error", "error": "never", "retry": False}

    site.answerers.append(Answerer(site.context, far.gate("h1"), "law", answer=answer))
    reply = json.loads(bridge.reply(bridge.ask("do it"))["text"])
    assert reply["type"] == "error" and "never" in reply["error"] and len(tries) == 3
    bridge.check_exactly_once(expect=1)


def test_parts_of_an_answer_reach_the_observers(site, far):
    far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    far.serve("h1")
    feed = Feed(site.context, bridge, "partial/", "gateway/").joined()
    worker = site.mdp(far.gate("h1"), "law")
    row = bridge.ask("slowly")
    query = worker.request()
    worker.partial(query.token, b"so far")
    assert feed.named("partial")["text"] == "so far"
    worker.final(query.token, {"answer": "all"})
    assert answer_of(bridge.reply(row)) == "all"


def test_without_a_stream_queries_go_back_to_the_gateway_unharmed(site, far):
    far.server()
    bridge = bridge_at(site)
    publisher = far.publish(bridge)
    row = bridge.ask("anybody?")
    line = publisher.wait_event("not-stored")
    assert "setup" in line["say"]
    site.answerers.append(Answerer(site.context, bridge.gate, "law", name="local"))
    assert bridge.reply(row)["metadata"]["worker"] == "local"
    returned = bridge.gateway.wait_event("returned")
    assert returned["worker"] == "jetstream" and not bridge.gateway.events("retry")


def test_a_long_question_is_renewed_beyond_the_ack_wait(site, far):
    server = far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    far.serve("h1")
    worker = site.mdp(far.gate("h1"), "law")
    with Wire(server) as wire, Wire(server).watch("$JS.ACK.tailgate-q-law.>") as acks:
        row = bridge.ask("think about it")
        query = worker.request()
        far.serve("h2")
        other = Answerer(site.context, far.gate("h2"), "law")
        site.answerers.append(other)
        for _ in range(4):  # one in each second; without them 2 s would be the end of it
            assert acks.published()[2] == b"+WPI"
        info = wire.request("$JS.API.CONSUMER.INFO.tailgate-q-law.workers")
        assert info["num_redelivered"] == 0 and info["num_ack_pending"] == 1
        assert not other.queries
    worker.final(query.token, {"answer": "42"})
    assert answer_of(bridge.reply(row)) == "42" and bridge.replies()[0]["metadata"]["attempt"] == 1
    bridge.check_exactly_once(expect=1)


def test_a_query_is_acknowledged_only_when_its_reply_is_stored(site, far):
    server = far.server()
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    host = far.serve("h1")
    worker = site.mdp(far.gate("h1"), "law")
    row = bridge.ask("where to?")
    query = worker.request()
    with Wire(server) as wire:
        wire.request("$JS.API.STREAM.DELETE.tailgate-r")
        worker.final(query.token, {"answer": "here"})
        refused = host.wait_event("refused-there")
        assert "replies" in refused["why"]
        assert wire.stream("tailgate-q-law")["messages"] == 1
        far.made()
        assert answer_of(bridge.reply(row)) == "here"
        wait_for(lambda: wire.stream("tailgate-q-law")["messages"] == 0, "the query to be acknowledged")
    host.wait_event("up", since=0)
    bridge.check_exactly_once(expect=1)


def test_two_services_of_one_bridge_get_what_became_of_their_own_queries(site, far):
    far.server()
    far.made(services=("law", "tax"))
    bridge = bridge_at(site, settings={"attempts": 2, "backoff.first": "20ms"})
    for service in ("law", "tax"):
        far.publish(bridge, "--name", service, service=service)
        far.serve(service, service=service)
        site.answerers.append(Answerer(
            site.context, far.gate(service), service,
            answer=lambda query, service=service: {"type": "error", "error": f"no {service}"}))
    rows = [(service, bridge.ask(f"{service} {n}", service=service)) for n in range(5) for service in ("law", "tax")]
    for service, row in rows:
        reply = json.loads(bridge.reply(row)["text"])
        assert reply["type"] == "error" and f"no {service}" in json.dumps(reply)
    wait_for(lambda: len(bridge.gateway.events("dead")) == len(rows), "each of them to be told dead")
