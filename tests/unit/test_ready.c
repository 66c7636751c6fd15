/* Waiting for sockets with one call of the kernel: nothing that has come may be slept through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdbool.h>

#include "adapters/zmq/ready.h"

#define HANG_MS 10000

struct world {
    void *context, *reader, *writer;
};

static int set_up(void **state)
{
    static struct world world;

    world.context = zmq_ctx_new();
    world.reader = zmq_socket(world.context, ZMQ_PAIR);
    world.writer = zmq_socket(world.context, ZMQ_PAIR);
    *state = &world;
    return zmq_bind(world.reader, "inproc://ready") || zmq_connect(world.writer, "inproc://ready");
}

static int tear_down(void **state)
{
    struct world *world = *state;

    zmq_close(world->reader);
    zmq_close(world->writer);
    return zmq_ctx_term(world->context);
}

static void say(const struct world *world)
{
    assert_int_equal(zmq_send(world->writer, "x", 1, ZMQ_DONTWAIT), 1);
}

static bool hear(const struct world *world)
{
    char byte;

    return zmq_recv(world->reader, &byte, 1, ZMQ_DONTWAIT) == 1;
}

static void nothing_waits_after_the_time_out(void **state)
{
    const struct world *world = *state;
    zmq_pollitem_t item[] = {{world->reader, 0, ZMQ_POLLIN, 0}, {NULL, -1, ZMQ_POLLIN, 0}};

    ready_wait(item, 2, 0); /* what connecting did */
    assert_false(hear(world));
    assert_int_equal(ready_wait(item, 2, 1), 0);
}

/* Its descriptor is silent then: what it told of was taken in by other calls. */
static void message_that_other_calls_took_in_is_not_slept_through(void **state)
{
    const struct world *world = *state;
    zmq_pollitem_t item = {world->reader, 0, ZMQ_POLLIN, 0};
    struct pollfd ask = {.fd = ready_descriptor(world->reader), .events = POLLIN};

    say(world);
    say(world);
    assert_true(hear(world));
    assert_int_equal(poll(&ask, 1, 0), 0);
    assert_int_equal(ready_wait(&item, 1, HANG_MS), 1);
    assert_true(hear(world));
}

/* It asks no socket: their descriptors have to be enough. */
static void what_comes_after_a_wait_in_vain_ends_the_next_one(void **state)
{
    const struct world *world = *state;
    zmq_pollitem_t item[] = {{world->reader, 0, ZMQ_POLLIN, 0}, {NULL, -1, ZMQ_POLLIN, 0}};

    while (ready_wait(item, 2, 0) != 0)
        assert_false(hear(world)); /* what connecting did */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ready_wait_on(item, 2, 0), 0);
        assert_int_equal(ready_wait_on(item, 2, 1), 0);
        say(world);
        assert_int_equal(ready_wait_on(item, 2, HANG_MS), 1);
        assert_int_equal(item[0].revents, ZMQ_POLLIN);
        assert_true(hear(world));
        assert_false(hear(world));
        assert_int_equal(ready_wait(item, 2, 0), 0);
    }
}

static void descriptor_tells_of_all_that_comes_after_the_end(void **state)
{
    const struct world *world = *state;
    zmq_pollitem_t item = {NULL, ready_descriptor(world->reader), ZMQ_POLLIN, 0};

    for (int i = 0; i < 3; i++) {
        while (hear(world))
            continue;
        assert_int_equal(ready_wait(&item, 1, 0), 0);
        say(world);
        assert_int_equal(ready_wait(&item, 1, HANG_MS), 1);
    }
}

int main(void)
{
    const struct CMUnitTest test[] = {
        cmocka_unit_test_setup_teardown(nothing_waits_after_the_time_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(message_that_other_calls_took_in_is_not_slept_through,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_after_a_wait_in_vain_ends_the_next_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(descriptor_tells_of_all_that_comes_after_the_end, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(test, NULL, NULL);
}
