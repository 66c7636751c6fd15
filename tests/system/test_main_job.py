"""The main job: a question that another process commits is answered by a worker, and the reply is committed."""

import json
import re

import pytest

import writer
from harness import TAILGATE, find_member, finished


def test_question_of_another_process_is_answered_and_committed(site):
    bridge = site.bridge(by="tailgate")
    site.serve(bridge)
    worker = site.req(bridge, name="w1")
    finished(site.writer(bridge, count=1, name="q"))
    query = worker.request()
    assert query.json["question"] == "question q-0"
    worker.final(None, {"answer": "it is so", "sources": ["notes.md:10-15"]})
    reply = bridge.reply(query.id)
    answer = json.loads(reply["text"])
    assert answer["type"] == "response"
    assert answer["query_id"] == "q-0"
    assert answer["answer"] == "it is so"
    assert answer["sources"] == ["notes.md:10-15"]
    assert answer["shard_id"] == "w1"
    assert answer["llm_type"] == "unknown"
    assert answer["response_time_sec"] >= 0
    assert (reply["from"], reply["to"], reply["read"]) == ("b", "a", 0)
    assert reply["metadata"]["in_reply_to"] == query.id
    assert reply["metadata"]["service"] == "default"
    assert reply["metadata"]["worker"] == "w1"
    assert reply["metadata"]["attempt"] == 1
    assert reply["metadata"]["response_time_sec"] >= 0
    bridge.check_exactly_once(1)


def test_reply_is_fetched_by_the_bridges_own_calls(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, answer=lambda query: {"answer": "grüße, 世界 \U0001f600"})
    message = bridge.ask("hello?")
    bridge.reply(message)
    fetched = writer.fetch(str(bridge.path), bridge.conversation, "a")
    assert [json.loads(one["message"])["answer"] for one in fetched] == ["grüße, 世界 \U0001f600"]
    assert fetched[0]["metadata"]["in_reply_to"] == message
    # And its time sorts and reads as the bridge's own do.
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?", bridge.row(fetched[0]["id"])["timestamp"])
    bridge.check_exactly_once(1)


def test_plain_text_question_gets_a_plain_text_answer(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask_text("What is the limit?", files_involved=["a.md"])
    query = worker.request()
    assert query.json["type"] == "query"
    assert query.json["query_id"] == f"m{message}"
    assert query.json["question"] == "What is the limit?"
    worker.final(query.token, {"answer": "ten a minute", "sources": ["a.md:1-2"]})
    reply = bridge.reply(message)
    assert reply["text"] == "ten a minute"
    assert reply["metadata"]["sources"] == ["a.md:1-2"]
    bridge.check_exactly_once(1)


def test_query_reaches_the_worker_byte_for_byte_with_its_delivery(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    text = ('{ "type": "query","query_id" :"q_1", "question":"wh\\u0061t?", "n":1.0e2,'
            ' "context_file": "notes.md", "deep": {"a": [1, 2]}, "delivery": {"token": "mine"} }')
    message = bridge.send(text)
    query = worker.request()
    for member in ('"question":"wh\\u0061t?"', '"n":1.0e2', '"deep": {"a": [1, 2]}'):
        assert member.encode() in query.body
    assert b"\n" not in query.body
    assert list(query.json)[-1] == "delivery" and query.body.count(b'"delivery"') == 1
    assert query.delivery["message_id"] == message
    assert query.delivery["conversation_id"] == bridge.conversation
    assert query.delivery["service"] == "default"
    assert query.delivery["from"] == "a"
    assert query.delivery["attempt"] == 1
    assert query.delivery["token"].encode() == query.token
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?", query.delivery["deadline"])
    worker.final(query.token, "yes")
    assert json.loads(bridge.reply(message)["text"])["query_id"] == "q_1"


def test_service_is_metadata_then_member_then_role(site):
    bridge = site.bridge(roles=("asker", "librarian"))
    site.serve(bridge)
    for service in ("law", "maths", "librarian"):
        site.answerer(bridge, service, answer=lambda query, name=service: {"answer": name}, name=service)
    asked = {
        bridge.ask("1?", metadata={"service": "law"}, service="maths"): "law",
        bridge.ask("2?", service="maths"): "maths",
        bridge.ask("3?"): "librarian",
        bridge.ask_text("4?", service="maths"): "maths",
        bridge.ask_text("5?"): "librarian",
        bridge.ask("6?", metadata={"service": ""}, service="maths"): "maths",
        bridge.ask("7?", metadata={"service": 7}, service=["maths"]): "librarian",
    }
    for message, service in asked.items():
        reply = bridge.reply(message)
        assert service in reply["text"]
        assert reply["metadata"]["service"] == service
        assert reply["metadata"]["worker"] == service
    bridge.check_exactly_once(len(asked))


def test_empty_role_is_the_default_service(site):
    bridge = site.bridge(roles=("", ""))
    site.serve(bridge)
    worker = site.mdp(bridge, "default")
    bridge.ask("who?")
    assert worker.request().delivery["service"] == "default"


def test_query_waits_for_a_worker_of_its_service(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge, "default")
    waiting = bridge.ask("rare?", service="rare")
    marker = bridge.ask("common?")
    bridge.reply(marker)
    assert not any(reply["reply_to"] == waiting for reply in bridge.replies())
    assert bridge.row(waiting)["read"] == 0
    site.answerer(bridge, "rare")
    bridge.reply(waiting)
    bridge.check_exactly_once(2)


def test_dedicated_worker_is_preferred_and_star_helps_when_it_is_busy(site):
    bridge = site.bridge()
    site.serve(bridge)
    star = site.mdp(bridge, "*", name="star", heartbeats=True, interval=5000)
    dedicated = site.mdp(bridge, "default", name="dedicated", heartbeats=True, interval=5000)
    # Both are known to the gateway once each has answered; the first answers come in either order.
    for message in (bridge.ask("a?"), bridge.ask("b?")):
        del message
    first, second = dedicated.request(), star.request()
    assert first and second, "with two questions waiting, both workers have one"
    dedicated.final(first.token, "1")
    star.final(second.token, "2")
    bridge.wait_replies(2)
    for n in range(4):
        message = bridge.ask(f"{n}?")
        query = dedicated.request()
        assert query.id == message
        dedicated.final(query.token, "dedicated")
        assert bridge.reply(message)["metadata"]["worker"] == "dedicated"
    bridge.ask("busy?")
    held = dedicated.request()
    message = bridge.ask("help?")
    query = star.request()
    assert query.id == message
    star.final(query.token, "star")
    dedicated.final(held.token, "at last")
    bridge.wait_replies(8)
    bridge.check_exactly_once(8)


def known(site, bridge, names):
    """Workers of these names, each of which has answered once."""
    for name in names:
        site.answerer(bridge, name=name)
    seen = set()
    while seen != set(names):
        seen.add(asked_in(bridge, bridge.converse(roles=("asker", "default"))))


def asked_in(bridge, conversation):
    """Who answers a question in that conversation."""
    return bridge.reply(bridge.ask("who?", conversation=conversation))["metadata"]["worker"]


def test_least_recently_used_worker_is_next(site):
    bridge = site.bridge()
    site.serve(bridge)
    names = ["w1", "w2", "w3"]
    known(site, bridge, names)
    served = [asked_in(bridge, bridge.converse(roles=("asker", "default"))) for _ in range(9)]
    assert sorted(served[:3]) == names, f"not in turn: {served}"
    assert served[3:6] == served[:3] and served[6:] == served[:3], f"not in turn: {served}"


def test_conversation_stays_with_the_worker_that_knows_it_while_it_is_free(site):
    bridge = site.bridge()
    site.serve(bridge)
    known(site, bridge, ["w1", "w2", "w3"])
    first = asked_in(bridge, bridge.conversation)
    assert [asked_in(bridge, bridge.conversation) for _ in range(6)] == [first] * 6


def test_worker_with_slots_holds_that_many_and_no_more(site):
    bridge = site.bridge()
    site.serve(bridge)
    wide = site.mdp(bridge, "*", slots=3, heartbeats=True, interval=5000)
    bridge.ask_many(f"{n}?" for n in range(5))
    held = [wide.request() for _ in range(3)]
    assert all(held)
    narrow = site.mdp(bridge, "*", heartbeats=True, interval=5000)
    fourth = narrow.request()
    assert fourth.id not in [query.id for query in held]
    wide.final(held[0].token, "0")
    fifth = wide.request()
    for worker, query in ((wide, held[1]), (wide, held[2]), (wide, fifth), (narrow, fourth)):
        worker.final(query.token, "x")
    bridge.wait_replies(5)
    bridge.check_exactly_once(5)


@pytest.mark.parametrize("one_frame", [False, True])
def test_req_worker_serves_one_service_query_after_query(site, one_frame):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.req(bridge, "law", one_frame=one_frame)
    bridge.ask("not mine?", service="maths")
    for n in range(3):
        message = bridge.ask(f"{n}?", service="law")
        query = worker.request()
        assert query.id == message
        worker.final(None, f"answer {n}")
        assert json.loads(bridge.reply(message)["text"])["answer"] == f"answer {n}"
    bridge.check_exactly_once(3)


def test_ready_without_service_is_for_all(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.req(bridge)
    for service in ("x", "y"):
        bridge.ask("?", service=service)
        assert worker.request().delivery["service"] == service
        worker.final(None, "ok")
    bridge.wait_replies(2)


def test_what_is_not_a_query_is_left_alone(site):
    bridge = site.bridge()
    site.serve(bridge)
    answerer = site.answerer(bridge)
    left = [
        bridge.send("just prose"),
        bridge.send("a proposal", {"action_type": "proposal"}),
        bridge.send("done", {"action_type": "complete"}),
        bridge.send(json.dumps({"type": "response", "query_id": "q", "answer": "x"})),
        bridge.send(json.dumps({"type": "heartbeat"})),
        bridge.send(json.dumps({"type": "error", "error": "x"}), {"action_type": "question"}),
        bridge.send(json.dumps([1, 2, 3])),
        bridge.send("17"),
        bridge.send(writer.query("to the asker?", "q"), session="b"),
        bridge.send(writer.query("to nobody?", "q"), to="observer"),
    ]
    message = bridge.ask("a query?")
    bridge.reply(message)
    assert [query.id for query in answerer.queries] == [message]
    assert [bridge.row(one)["read"] for one in left] == [0] * len(left)
    bridge.check_exactly_once(1)


def test_read_expired_and_orphan_queries_are_not_served(site):
    bridge = site.bridge()
    expired = bridge.converse(ttl=-5)
    left = [bridge.ask("expired?", conversation=expired),
            bridge.ask("orphan?", conversation="conv_0123456789abcdef")]
    taken = bridge.ask("taken?")
    bridge.run("UPDATE messages SET read = 1 WHERE id = ?", taken)
    site.serve(bridge)
    answerer = site.answerer(bridge)
    left += [bridge.ask("expired later?", conversation=expired)]
    message = bridge.ask("a query?")
    bridge.reply(message)
    assert [query.id for query in answerer.queries] == [message]
    assert len(bridge.replies()) == 1
    assert bridge.row(taken)["read"] == 1


def test_row_taken_by_somebody_else_meanwhile_is_not_answered_twice(site):
    """A poller that fetches a query while a worker thinks takes it away: the worker's answer is not committed."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, heartbeats=True, interval=5000)
    message = bridge.ask("contested?")
    query = worker.request()
    assert [one["id"] for one in writer.fetch(str(bridge.path), bridge.conversation, "b")] == [message]
    worker.final(query.token, "too late")
    gateway.wait_line("superseded")
    marker = bridge.ask("next?")
    worker.final(worker.request().token, "in time")
    bridge.reply(marker)
    assert [reply["reply_to"] for reply in bridge.replies()] == [marker]
    with bridge.reading() as db:
        actions = [row[0] for row in db.execute("SELECT action FROM audit_log")]
    assert actions.count("query_superseded") == 1


@pytest.mark.parametrize("how", ["row", "conversation"])
def test_row_deleted_meanwhile_gets_no_orphan_reply(site, how):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge, heartbeats=True, interval=5000)
    lost = bridge.converse()
    message = bridge.ask("deleted?", conversation=lost)
    query = worker.request()
    if how == "row":
        bridge.run("DELETE FROM messages WHERE id = ?", message)
    else:
        bridge.run("DELETE FROM conversations WHERE id = ?", lost)
    worker.final(query.token, "too late")
    gateway.wait_line("deleted")
    marker = bridge.ask("next?")
    worker.final(worker.request().token, "in time")
    bridge.reply(marker)
    assert [reply["reply_to"] for reply in bridge.replies()] == [marker]


def test_other_session_is_served_when_told(site):
    bridge = site.bridge()
    site.serve(bridge, settings={"serve.session": "a"})
    answerer = site.answerer(bridge)
    bridge.ask("to b?")
    message = bridge.send(writer.query("to a?", "q"), session="b")
    reply = bridge.reply(message)
    assert (reply["from"], reply["to"]) == ("a", "b")
    assert [query.id for query in answerer.queries] == [message]


def test_several_conversations_are_answered_each_in_its_own(site):
    bridge = site.bridge()
    site.serve(bridge)
    site.answerer(bridge)
    conversations = [bridge.converse() for _ in range(5)]
    asked = {bridge.ask(f"{n}?", conversation=name): name for n in range(4) for name in conversations}
    bridge.wait_replies(len(asked))
    for reply in bridge.replies():
        assert reply["conversation"] == asked[reply["reply_to"]]
    bridge.check_exactly_once(len(asked))


def test_commit_wakes_the_gateway_without_the_safety_net(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge)
    for n in range(50):
        bridge.reply(bridge.ask(f"{n}?"))
    status = gateway.status()
    hits = find_member(status, "safety_net_hits")
    assert hits == 0, f"the safety net found {hits} commits of 50: {status}"


def test_names_its_version_and_commands():
    import subprocess
    shown = subprocess.run([str(TAILGATE), "--help"], capture_output=True, text=True, timeout=60, check=True)
    for command in ("init", "serve", "work", "ask", "status"):
        assert command in shown.stdout
