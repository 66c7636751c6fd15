"""The repair of what an observer missed (the Python library's _follow.py), without sockets and clocks: by hand, and in
a random world in which events, marks and connections get lost."""

import random
import sys

import pytest

from python_lossy_world import KINDS, World, final, mark, row, told
from python_world import LIBRARY

sys.path.insert(0, str(LIBRARY))

import tailgate  # noqa: E402  (the line above makes it findable)
from tailgate._box import Box  # noqa: E402
from tailgate._event import Choice, Live, live_in, told_in  # noqa: E402
from tailgate._follow import Follow, Replay  # noqa: E402


def follower(after=None, since=None, can_replay=True, **choice):
    return Follow(Choice(**choice), after if isinstance(after, dict) else
                  {} if after is None else dict.fromkeys(KINDS, after), since, can_replay)


def given(follow):
    """The ids of the events that were given since this was asked last."""
    events = [event for event, _ in follow.given if event]
    follow.given.clear()
    return [event.id for event in events]


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────

def test_from_now_on_begins_behind_the_welcome_and_needs_no_replay():
    follow = follower()
    follow.hear(mark(9, (7, 8, 9), welcome=True))
    follow.hear(row("query", 10, 7))
    follow.hear(row("response", 11, 8))
    assert follow.ask() is None and given(follow) == [10, 11]


def test_rows_from_the_beginning_come_by_a_replay_of_all_kinds():
    follow = follower(after=0)
    follow.hear(mark(9, (7, 8, 9), welcome=True))
    follow.hear(row("query", 10, 7))
    assert follow.ask() == Replay(KINDS, 0, 9) and given(follow) == []
    for kind, number in (("query", 7), ("response", 8), ("message", 9)):
        follow.told(told(kind, number))
    assert follow.ended(final(9))
    assert given(follow) == [7, 8, 9, 10] and follow.repaired == 0  # nothing was missed


def test_row_whose_predecessor_is_missing_waits_for_it():
    follow = follower()
    follow.hear(mark(1, (1, 0, 0), welcome=True))
    follow.hear(row("query", 6, 4))
    assert follow.ask() == Replay(KINDS, 1, 5)
    follow.told(told("response", 3))
    follow.told(told("query", 4))
    follow.ended(final(5))
    assert given(follow) == [3, 4, 6] and follow.repaired == 2


def test_last_row_is_missed_at_the_mark():
    follow = follower()
    follow.hear(mark(1, (1, 0, 0), welcome=True))
    follow.hear(mark(2, (1, 2, 0)))
    assert follow.ask() == Replay(KINDS, 1, 2)
    follow.told(told("response", 2))
    follow.ended(final(2))
    assert given(follow) == [2]


def test_replay_that_has_more_is_asked_again_from_there():
    follow = follower(after=0, kinds=["query"])
    follow.hear(mark(9, (9, 0, 0), welcome=True))
    assert follow.ask() == Replay(("query",), 0, 9)
    follow.told(told("query", 4))
    assert follow.ended(final(5, last=9, more=True))
    assert follow.ask() == Replay(("query",), 5, 9)
    follow.told(told("query", 4))  # it comes again, after a lost connection
    follow.told(told("query", 9))
    assert follow.ended(final(9))
    assert follow.ask() is None and given(follow) == [4, 9]


@pytest.mark.parametrize("end", [{}, {"type": "error", "error": "x"}, final(0, last=9, more=True),
                                 {"type": "replayed", "upto": "9", "last": 9}, {"type": "replayed", "upto": True}])
def test_final_that_says_nothing_has_the_same_asked_again(end):
    follow = follower(after=0)
    follow.hear(mark(9, (9, 0, 0), welcome=True))
    before = follow.ask()
    assert not follow.ended(end)
    assert follow.ask() == before


@pytest.mark.parametrize("strange", [
    {}, told("query", 10), told("query", 0), told("partial", 5), told("message", 5)], ids=repr)
def test_what_was_not_asked_for_is_passed_over(strange):
    follow = follower(after=0, kinds=["query", "response"])
    follow.hear(mark(9, (9, 0, 0), welcome=True))
    follow.ask()
    follow.told(strange)
    assert given(follow) == []


def test_run_that_tells_unsettled_rows_again_gives_nothing_twice():
    follow = follower()
    follow.hear(mark(0, (0, 0, 0), welcome=True))
    for number in range(1, 6):
        follow.hear(row("query", number, number - 1))
    follow.hear(mark(3, (3, 3, 3), "e2", welcome=True))  # lower than what we have, and yet the same file
    assert follow.ask() == Replay(KINDS, 5, 5)
    follow.ended(final(5, last=5))
    assert follow.ask() == Replay(("response", "message"), 0, 3)
    follow.ended(final(3))
    for number in range(4, 7):
        follow.hear(row("query", number, number - 1))
    assert given(follow) == [1, 2, 3, 4, 5, 6] and follow.ask() is None


@pytest.mark.parametrize("can_replay", [True, False])
def test_file_that_was_put_back_begins_behind_its_last_row(can_replay):
    follow = follower(can_replay=can_replay)
    follow.hear(mark(50, (50, 49, 48), welcome=True))
    follow.hear(row("query", 51, 50))
    follow.hear(mark(20, (20, 19, 18), "e2", welcome=True))
    if can_replay:
        follow.ask()
        follow.ended(final(20, last=20))
    follow.hear(row("query", 21, 20))
    follow.hear(row("response", 22, 19))
    assert given(follow) == [51, 21, 22]
    assert any("put back" in text for text in follow.news)


def test_conversation_cannot_go_by_prev_alone():
    follow = follower(after=0, conversation="c")
    follow.hear(row("query", 9, 8))
    assert follow.ask() == Replay(KINDS, 0, 8)
    assert follow.ask().members(Choice(conversation="c"), 7) == {
        "after": 0, "upto": 8, "kinds": KINDS, "conversation": "c", "limit": 7}
    follow.told(told("query", 3))
    follow.told(told("query", 4, conversation="cc"))
    follow.ended(final(8))
    follow.hear(row("query", 12, 11, conversation="cc"))  # the same start of a topic
    follow.hear(mark(12, (12, 0, 0)))
    assert follow.ask() == Replay(KINDS, 8, 12)
    follow.ended(final(12))
    assert given(follow) == [3, 9]


@pytest.mark.parametrize("first", [1, 2])
def test_rows_that_a_run_tells_again_and_that_are_older_than_since_are_passed_over(first):
    """A run that begins tells what is unsettled: an observer that is there already hears it."""
    follow = follower(since="2026-01-01T00:00:00", kinds=["query"])
    follow.hear(mark(0, (0, 0, 0), welcome=True))
    for number in range(first, 6):
        follow.hear(row("query", number, number - 1))
    asked = follow.ask()
    assert asked.since and given(follow) == []
    follow.ended({**final(asked.upto, last=5), "after": 3})
    assert follow.ask() == Replay(("query",), 3, 3) and given(follow) == []  # is it still that file?
    follow.ended(final(3, last=5))
    assert follow.ask() is None and given(follow) == [4, 5]


def test_since_asks_for_rows_from_then_on_once():
    follow = follower(since="2026-01-01T00:00:00")
    follow.hear(mark(9, (9, 8, 7), welcome=True))
    assert follow.ask().members(Choice(), 5) == {"since": "2026-01-01T00:00:00", "upto": 9, "kinds": KINDS, "limit": 5}
    follow.told(told("response", 8))
    follow.ended(final(8, last=9, more=True))
    assert follow.ask() == Replay(KINDS, 8, 9)
    follow.told(told("query", 9))
    follow.ended(final(9))
    follow.hear(row("message", 10, 7))
    assert given(follow) == [8, 9, 10]


def test_without_a_gate_what_is_missing_is_told_and_passed_over():
    follow = follower(can_replay=False)
    follow.hear(mark(1, (1, 0, 0), welcome=True))
    follow.hear(row("query", 6, 4, seq=4))
    follow.hear(mark(6, (6, 0, 0), seq=5))
    assert follow.ask() is None and given(follow) == [6] and follow.lost == 2
    assert any("may be missing" in text for text in follow.news)


def test_service_leaves_rows_that_name_it_and_passes_the_others():
    follow = follower(service="law")
    follow.hear(mark(1, (1, 0, 0), welcome=True))
    follow.hear(row("query", 2, 1, service="law"))
    follow.hear(row("query", 3, 2, service="tax"))
    follow.hear(Live("worker/w", "worker", 3, {"service": "*"}))
    follow.hear(Live("partial/c", "partial", 3, {"service": "tax"}))
    assert given(follow) == [2, 0] and follow.have["query"] == 3


@pytest.mark.parametrize("frames", [
    [], [b""], [b"gateway/welcome"], [b"gateway/welcome {}"], [b"gateway/welcome " + b"[" * 100000],
    [b"query/c", b"1", b"{}"], [b"query/c", b"x", b'{"event":"query","id":1,"prev":0}'],
    [b"query/c", b"1", b'{"event":"query","id":1,"prev":1}'],
    [b"query/c", b"1", b'{"event":"query","id":true,"prev":0}'],
    [b"query/c", b"1", b'{"event":"response","id":1,"prev":0}'], [b"query/c", b"1", b'{"event":7}'],
    [b"query/c", b"1", b'{"event":"query","id":1e3,"prev":0}'],
    [b"query/c", b"9" * 21, b'{"event":"query","id":1,"prev":0}'],
    [b"query/c", b"1", b'{"event":"query","id":%d,"prev":0}' % (1 << 63)], [b"query/c", b"1", b"\xff\xfe"],
    [b"gateway/mark", b"1", b'{"event":"gateway/mark","epoch":"e","id":1,"last":{"query":1}}'],
    [b"query/c", b"1", b'{"event":"query","id":1,"prev":0}', b""], [b"x", b"1", b"9" * 5000]],
    ids=lambda frames: repr(frames)[:60])
def test_frames_that_are_no_event_are_none(frames):
    assert live_in(frames) is None


def test_frames_of_a_replay_that_are_no_row_are_none():
    assert told_in(b'{"event":"query","id":7}')
    for frame in (b"", b"7", b'{"event":"partial","id":7}', b'{"event":"query"}', b'{"event":"query","id":"7"}'):
        assert not told_in(frame)


@pytest.mark.parametrize("words, topics", [
    ({}, ["gateway/", ""]), ({"kinds": ["response", "query"]}, ["gateway/", "query/", "response/"]),
    ({"kinds": "partial", "conversation": "a%b\n\x7fé"}, ["gateway/", "partial/a%25b%0A%7Fé"]),
    ({"kinds": ["gateway/paused", "worker"], "conversation": "c"}, ["gateway/"])])
def test_subscriptions(words, topics):
    assert Choice(**words).subscriptions() == [topic.encode() for topic in topics]


def test_subscription_to_a_long_conversation_is_the_start_of_its_topic():
    assert {len(topic) for topic in Choice(conversation="x" * 500).subscriptions()} == {8, 240}


@pytest.mark.parametrize("kinds", [[], ["querys"], ["query/"], [""]])
def test_kind_that_there_is_not_is_refused(kinds):
    with pytest.raises(ValueError):
        tailgate.Observer("ipc:///x", kinds=kinds)


def test_box_says_when_there_is_room_at_the_highest_count_that_was_asked_for():
    calls, box = [], Box({})
    box.low = lambda: calls.append(len(box))
    box.put([(tailgate.Event("query/c", "query", number, {}), {"query": number}) for number in range(1, 7)])
    assert not box.is_low(2) and not box.is_low(4) and not box.is_low(1) and box.is_low(6)
    for _ in range(4):
        box.take_now()
    assert calls == [4] and box.is_low(2) and not box.is_low(1)
    box.put([(None, {"response": 9})])  # counts when what is there has been taken
    assert box.position() == {"query": 4}
    assert [box.take(0).id, box.take(0).id, len(calls)] == [5, 6, 2] and box.position() == {"query": 6, "response": 9}


# ── a random world ──────────────────────────────────────────────────────────────────────────────────

def expected(world, after):
    chosen = [(number, *columns) for number, columns in enumerate(world.rows, 1)]
    return {kind: [number for number, one, conversation, service in chosen
                   if one == kind and number > after.get(kind, 0) and kind in world.choice.durable()
                   and conversation in (world.choice.conversation or "cd")
                   and service in (world.choice.service or "st")] for kind in KINDS}


def taken(world):
    return {kind: [event.id for event in world.taken if event.kind == kind] for kind in KINDS}


@pytest.mark.parametrize("seed", range(400))
def test_each_row_once_and_in_order_in_a_world_where_things_get_lost(seed):
    dice = random.Random(seed)
    choice = Choice(dice.choice([None, None, ["query"], ["response", "message", "worker"]]),
                    dice.choice([None, None, "c"]), dice.choice([None, None, "s"]))
    begin = dice.choice([None, 0, 0, 7])
    after = {} if begin is None else dict.fromkeys(KINDS, begin)
    world = World(dice, Follow(choice, after, None, True), Box(after), choice, quiet=seed % 3 == 0)
    for _ in range(20):
        world.write()
    world.told = dice.randint(7, 20)
    world.last = dict.fromkeys(KINDS, world.told)
    world.welcome()
    if begin is None:
        after = dict(world.last)
    for _ in range(dice.randint(1, 3)):
        world.run(300)
        # The application ends, whatever was under way, and another goes on where it was.
        world.follow.given.clear()
        world.box = Box(world.box.position())
        world.follow = Follow(choice, world.box.position(), None, True)
        world.page, world.unsure, world.lost = [], 0, 0
        world.welcome()
    world.run(300)
    world.settle()
    assert taken(world) == expected(world, after)
    position = world.box.position()
    assert all(position[kind] == world.told for kind in choice.durable())
    if world.quiet and choice.everything:
        assert world.follow.lost == world.lost
