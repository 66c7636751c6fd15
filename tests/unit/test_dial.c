/* A dialled socket against real REP sockets: when it is up, and what comes by it. */
#include <stdlib.h>

#include "tests/unit/dial_world.h"

static void what_is_sent_comes_back_behind_its_token(void **state)
{
    struct world *world = *state;
    void *rep = *given_up(world);
    ask(world, TOKEN, "query");
    rep_expects(rep, "query");
    rep_says(rep, "answer");
    expect_message(world, TOKEN, "answer");
    assert_true(dial_due(world->dial) == INT64_MAX);
}

static void nothing_is_sent_before_it_is_up(void **state)
{
    struct world *world = *state;
    const struct span frame[] = {span_str(TOKEN), span_str(""), span_str("query")};
    given_dial(world);
    assert_int_equal(dial_state(world->dial), DIAL_DOWN);
    assert_int_equal(dial_send(world->dial, frame, 3), -EHOSTUNREACH);
}

static void nobody_there_is_told_once_and_whoever_comes_is_found(void **state)
{
    struct world *world = *state;
    zmq_pollitem_t item[DIAL_ITEMS];
    given_dial(world);
    expect_next(world, DIAL_ABSENT);
    for (int i = 0; i < 2; i++) { /* more attempts fail, and nothing is told */
        int items = (int)dial_items(world->dial, item);
        assert_true(zmq_poll(item, items, HANG_MS) > 0);
        assert_int_equal(dial_next(world->dial, world->now_us, &world->set), DIAL_NOTHING);
    }
    assert_int_equal(dial_state(world->dial), DIAL_DOWN);
    given_up(world);
}

static void absence_is_told_again_after_it_was_up(void **state)
{
    struct world *world = *state;
    given_dial(world);
    expect_next(world, DIAL_ABSENT);
    close_other(given_up(world));
    expect_next(world, DIAL_WENT);
    expect_pause(world, DIAL_PAUSE_FIRST_US);
    expect_next(world, DIAL_ABSENT);
}

static void what_came_before_the_loss_is_read_before_it(void **state)
{
    struct world *world = *state;
    int linger = HANG_MS;
    void **rep = given_up(world);
    ask(world, TOKEN, "query");
    rep_expects(*rep, "query");
    rep_says(*rep, "answer");
    zmq_setsockopt(*rep, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(*rep);
    *rep = NULL;
    expect_message(world, TOKEN, "answer");
    expect_next(world, DIAL_WENT);
}

static void a_message_of_too_many_frames_is_bad(void **state)
{
    struct world *world = *state;
    void *router = *given_bound(world, ZMQ_ROUTER);
    char id[64];
    given_dial(world);
    expect_next(world, DIAL_CAME);
    ask(world, TOKEN, "query");
    int size = zmq_recv(router, id, sizeof id, 0);
    assert_true(size > 0);
    assert_return_code(zmq_send(router, id, (size_t)size, ZMQ_SNDMORE), errno);
    for (int i = 0; i < 2 * LIMIT_FRAMES; i++)
        assert_return_code(zmq_send(router, "x", 1, ZMQ_SNDMORE), errno);
    assert_return_code(zmq_send(router, "x", 1, 0), errno);
    expect_next(world, DIAL_BAD);
    assert_int_equal(dial_state(world->dial), DIAL_UP); /* what follows is the caller's decision */
}

static void what_may_be_our_own_socket_is_not_taken_for_an_answer(void **state)
{
    struct world *world = *state;
    void *dealer = *given_bound(world, ZMQ_DEALER);
    const struct span frame[] = {span_str(TOKEN), span_str(""), span_str("query")};
    given_dial(world);
    expect_next(world, DIAL_CAME);
    ask(world, TOKEN, "query");
    rep_expects(dealer, TOKEN);
    assert_int_equal(frameset_send(dealer, frame, 3), 0); /* an echo */
    expect_next(world, DIAL_STRANGE);
}

static void a_router_may_stand_in_front_of_reps(void **state)
{
    struct world *world = *state;
    void *router = *given_bound(world, ZMQ_ROUTER);
    char id[64];
    given_dial(world);
    expect_next(world, DIAL_CAME);
    ask(world, TOKEN, "query");
    int size = zmq_recv(router, id, sizeof id, 0);
    assert_true(size > 0);
    const struct span frame[] = {span_of(id, (size_t)size), span_str(TOKEN), span_str(""),
                                 span_str("answer")};
    assert_int_equal(frameset_send(router, frame, 4), 0);
    expect_message(world, TOKEN, "answer");
}

static void a_frame_that_is_too_large_costs_the_connection(void **state)
{
    struct world *world = *state;
    void *rep = *given_up(world);
    size_t size = LIMIT_FRAME_SIZE + 1;
    char *large = calloc(1, size);
    ask(world, TOKEN, "query");
    rep_expects(rep, "query");
    assert_return_code(zmq_send(rep, large, size, 0), errno);
    free(large);
    expect_next(world, DIAL_WENT);
    expect_pause(world, DIAL_PAUSE_FIRST_US);
}

static void an_endpoint_that_cannot_be_dialled_is_an_error_at_once(void **state)
{
    struct world *world = *state;
    assert_int_equal(dial_new(world->context, "tcp://127.0.0.1:*", 1, &world->dial), -EINVAL);
    assert_null(world->dial);
    assert_int_equal(dial_new(world->context, "nonsense", 1, &world->dial), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        dial_test(what_is_sent_comes_back_behind_its_token),
        dial_test(nothing_is_sent_before_it_is_up),
        dial_test(nobody_there_is_told_once_and_whoever_comes_is_found),
        dial_test(absence_is_told_again_after_it_was_up),
        dial_test(what_came_before_the_loss_is_read_before_it),
        dial_test(a_message_of_too_many_frames_is_bad),
        dial_test(what_may_be_our_own_socket_is_not_taken_for_an_answer),
        dial_test(a_router_may_stand_in_front_of_reps),
        dial_test(a_frame_that_is_too_large_costs_the_connection),
        dial_test(an_endpoint_that_cannot_be_dialled_is_an_error_at_once),
    };
    return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
