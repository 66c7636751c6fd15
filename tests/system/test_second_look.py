"""What is parked is looked at again: ends are recorded, and nobody is starved by what is gone."""

import datetime
import signal

import writer

import ledger
from harness import wait_for

QUICK = {"heartbeat.interval": "200ms", "park.after": "200ms", "backlog.window": 10}


def delete(bridge, messages):
    db = writer.connect(str(bridge.path), bridge.journal)
    try:
        db.executemany("DELETE FROM messages WHERE id = ?", [(message,) for message in messages])
        db.commit()
    finally:
        db.close()


def test_queries_behind_a_crowd_that_was_deleted_are_served(site):
    """A thousand beyond the window are gone from the file; thirty live ones stand behind them."""
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    gone = bridge.ask_many(f"{n}?" for n in range(1000))
    live = bridge.ask_many(f"live {n}?" for n in range(30))
    wait_for(lambda: len(ledger.parked(bridge)) == 1030, "all of them to be parked")
    delete(bridge, gone)
    site.answerer(bridge, service="default", slots=4)
    bridge.wait_replies(30)
    assert {reply["metadata"]["in_reply_to"] for reply in bridge.replies()} == set(live)
    wait_for(lambda: ledger.parked(bridge) == [], "what is gone to be parked no longer")
    assert ledger.counters(gateway)["deleted"] == 1000


def test_query_whose_time_was_over_while_the_gateway_was_down_is_recorded(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings=QUICK)
    site.answerer(bridge, service="default")
    bridge.reply(bridge.ask("known?"))
    ledger.wait_mark(bridge, 2)
    gateway.stop()
    message = bridge.ask("too late?")
    past = (datetime.datetime.utcnow() - datetime.timedelta(hours=1)).isoformat()
    bridge.run("UPDATE conversations SET expires_at = ? WHERE id = ?", past, bridge.conversation)
    again = site.serve(bridge, settings=QUICK)
    ledger.wait_audit(bridge, message, "query_expired")
    assert ledger.counters(again)["expired"] == 1


def test_old_rows_that_were_over_before_the_first_start_are_not_recorded(site):
    bridge = site.bridge()
    message = bridge.ask("long ago?")
    past = (datetime.datetime.utcnow() - datetime.timedelta(hours=1)).isoformat()
    bridge.run("UPDATE conversations SET expires_at = ? WHERE id = ?", past, bridge.conversation)
    site.serve(bridge, settings=QUICK)
    ledger.wait_mark(bridge, message)
    assert ledger.audits(bridge, message) == []


def test_reload_lets_out_what_the_old_order_held_back(site):
    bridge = site.bridge()
    config = site.folder / "tailgate.cfg"
    config.write_text("order = conversation\n", encoding="utf-8")
    gateway = site.serve(bridge, "-c", config, settings=QUICK)
    workers = [site.req(bridge, "default") for _ in range(2)]  # they say nothing while they wait
    bridge.ask("one?"), bridge.ask("two?")
    idle, = [worker for worker in workers if worker.request(timeout=2) is None]
    config.write_text("order = fair\n", encoding="utf-8")
    gateway.signal(signal.SIGHUP)
    assert idle.request()
