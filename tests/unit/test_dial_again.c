/* When a dialled socket dials again, and what may still come by the old connection. */
#include "tests/unit/dial_world.h"

static void a_lost_connection_takes_what_was_not_sent_with_it(void **state)
{
    struct world *world = *state;
    const struct span late[] = {span_str("t"), span_str(""), span_str("late")};
    close_other(given_up(world));
    expect_next(world, DIAL_WENT);
    assert_int_equal(dial_send(world->dial, late, 3), -EHOSTUNREACH);
    void *again = *given_bound(world, ZMQ_REP);
    expect_pause(world, DIAL_PAUSE_FIRST_US);
    expect_next(world, DIAL_CAME);
    ask(world, TOKEN, "fresh");
    rep_expects(again, "fresh");
}

static void pauses_double_up_to_a_bound_and_an_answer_sets_them_back(void **state)
{
    struct world *world = *state;
    int64_t span_us = DIAL_PAUSE_FIRST_US;
    given_up(world);
    for (int i = 0; i < 9; i++) {
        dial_hang_up(world->dial, world->now_us, false);
        expect_pause(world, span_us);
        span_us = span_us * 2 < DIAL_PAUSE_MAX_US ? span_us * 2 : DIAL_PAUSE_MAX_US;
        expect_next(world, DIAL_CAME);
    }
    assert_true(span_us == DIAL_PAUSE_MAX_US);
    dial_answered(world->dial, world->now_us);
    dial_hang_up(world->dial, world->now_us, false);
    expect_pause(world, DIAL_PAUSE_FIRST_US);
}

static void one_that_goes_while_it_is_idle_is_dialled_soon_every_time(void **state)
{
    struct world *world = *state;
    void **rep = given_up(world);
    for (int i = 0; i < 5; i++) {
        close_other(rep);
        expect_next(world, DIAL_WENT);
        rep = given_bound(world, ZMQ_REP);
        expect_pause(world, DIAL_PAUSE_FIRST_US);
        expect_next(world, DIAL_CAME);
    }
}

static void one_that_goes_with_a_query_each_time_is_dialled_later_and_later(void **state)
{
    struct world *world = *state;
    int64_t span_us = DIAL_PAUSE_FIRST_US;
    void **rep = given_up(world);
    for (int i = 0; i < 4; i++, span_us *= 2) {
        ask(world, TOKEN, "poison");
        rep_expects(*rep, "poison");
        close_other(rep);
        expect_next(world, DIAL_WENT);
        rep = given_bound(world, ZMQ_REP);
        expect_pause(world, span_us);
        expect_next(world, DIAL_CAME);
    }
}

static void one_of_another_kind_is_refused_with_longer_and_longer_pauses(void **state)
{
    struct world *world = *state;
    given_bound(world, ZMQ_PUB);
    given_dial(world);
    for (int64_t span_us = DIAL_PAUSE_FIRST_US, i = 0; i < 3; i++, span_us *= 2) {
        expect_next(world, DIAL_REFUSED);
        expect_pause(world, span_us);
    }
}

static void a_late_answer_is_heard_beside_the_fresh_connection(void **state)
{
    struct world *world = *state;
    void *rep = *given_up(world);
    ask(world, "one", "1");
    rep_expects(rep, "1");
    dial_hang_up(world->dial, world->now_us, true);
    assert_true(has_item(world));
    expect_pause(world, DIAL_PAUSE_FIRST_US);
    expect_next(world, DIAL_CAME);
    ask(world, "two", "2");
    rep_says(rep, "first");
    rep_expects(rep, "2");
    rep_says(rep, "second");
    for (int i = 0; i < 2; i++) { /* two connections: in any order */
        expect_next(world, DIAL_MESSAGE);
        bool first = span_is(world->set.frame[0], "one");
        assert_true(first || span_is(world->set.frame[0], "two"));
        assert_true(span_is(world->set.frame[2], first ? "first" : "second"));
    }
}

static void a_late_answer_ends_the_pause(void **state)
{
    struct world *world = *state;
    void *rep = *given_up(world);
    ask(world, "one", "1");
    rep_expects(rep, "1");
    dial_hang_up(world->dial, world->now_us, true);
    assert_true(dial_due(world->dial) > world->now_us);
    rep_says(rep, "late");
    expect_message(world, "one", "late");
    dial_answered(world->dial, world->now_us);
    expect_next(world, DIAL_CAME); /* without time passing */
}

static void one_that_owes_nothing_is_not_listened_to_any_more(void **state)
{
    struct world *world = *state;
    given_up(world);
    dial_hang_up(world->dial, world->now_us, true);
    assert_false(has_item(world));
    expect_pause(world, DIAL_PAUSE_FIRST_US);
}

static void one_that_is_thrown_out_is_not_listened_to_any_more(void **state)
{
    struct world *world = *state;
    void *rep = *given_up(world);
    ask(world, "one", "1");
    rep_expects(rep, "1");
    dial_hang_up(world->dial, world->now_us, true);
    expect_pause(world, DIAL_PAUSE_FIRST_US);
    expect_next(world, DIAL_CAME);
    ask(world, "two", "2");
    dial_hang_up(world->dial, world->now_us, false);
    assert_false(has_item(world));
}

static void a_late_connection_that_closes_is_let_go(void **state)
{
    struct world *world = *state;
    void **rep = given_up(world);
    zmq_pollitem_t item[DIAL_ITEMS];
    ask(world, "one", "1");
    rep_expects(*rep, "1");
    dial_hang_up(world->dial, world->now_us, true);
    close_other(rep);
    while (has_item(world)) {
        int items = (int)dial_items(world->dial, item);
        assert_true(zmq_poll(item, items, HANG_MS) > 0);
        assert_int_equal(dial_next(world->dial, world->now_us, &world->set), DIAL_NOTHING);
    }
    expect_pause(world, DIAL_PAUSE_FIRST_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        dial_test(a_lost_connection_takes_what_was_not_sent_with_it),
        dial_test(pauses_double_up_to_a_bound_and_an_answer_sets_them_back),
        dial_test(one_that_goes_while_it_is_idle_is_dialled_soon_every_time),
        dial_test(one_that_goes_with_a_query_each_time_is_dialled_later_and_later),
        dial_test(one_of_another_kind_is_refused_with_longer_and_longer_pauses),
        dial_test(a_late_answer_is_heard_beside_the_fresh_connection),
        dial_test(a_late_answer_ends_the_pause),
        dial_test(one_that_owes_nothing_is_not_listened_to_any_more),
        dial_test(one_that_is_thrown_out_is_not_listened_to_any_more),
        dial_test(a_late_connection_that_closes_is_let_go),
    };
    return cmocka_run_group_tests_name("dial: again", tests, NULL, NULL);
}
