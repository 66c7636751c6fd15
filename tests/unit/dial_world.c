#include "tests/unit/dial_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_US 1000000000

int dial_world_begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    if (!world)
        return -1;
    snprintf(world->directory, sizeof world->directory, "/tmp/dial-test-XXXXXX");
    if (!mkdtemp(world->directory))
        return -1;
    snprintf(world->path, sizeof world->path, "%s/rep", world->directory);
    snprintf(world->endpoint, sizeof world->endpoint, "ipc://%s", world->path);
    world->context = zmq_ctx_new();
    world->others = zmq_ctx_new();
    world->now_us = START_US;
    frameset_init(&world->set);
    *state = world;
    return 0;
}

void close_other(void **socket)
{
    int linger = 0;
    if (!*socket)
        return;
    zmq_setsockopt(*socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(*socket);
    *socket = NULL;
}

int dial_world_end(void **state)
{
    struct world *world = *state;
    frameset_done(&world->set);
    dial_destroy(&world->dial);
    dial_destroy(&world->dial);
    for (size_t i = 0; i < world->count; i++)
        close_other(&world->socket[i]);
    zmq_ctx_term(world->others);
    zmq_ctx_term(world->context);
    unlink(world->path);
    rmdir(world->directory);
    free(world);
    return 0;
}

void **given_bound(struct world *world, int type)
{
    int ms = HANG_MS;
    void **socket = &world->socket[world->count++];
    *socket = zmq_socket(world->others, type);
    zmq_setsockopt(*socket, ZMQ_RCVTIMEO, &ms, sizeof ms);
    assert_return_code(zmq_bind(*socket, world->endpoint), errno);
    return socket;
}

void given_dial(struct world *world)
{
    assert_int_equal(dial_new(world->context, world->endpoint, 42, &world->dial), 0);
}

bool has_item(const struct world *world)
{
    zmq_pollitem_t item[DIAL_ITEMS];
    return dial_items(world->dial, item) > 0;
}

/* The next news other than DIAL_NOTHING, as the loop waits for it. */
static enum dial_news next(struct world *world)
{
    zmq_pollitem_t item[DIAL_ITEMS];
    enum dial_news news;
    while ((news = dial_next(world->dial, world->now_us, &world->set)) == DIAL_NOTHING) {
        int items = (int)dial_items(world->dial, item);
        if (dial_due(world->dial) <= world->now_us)
            continue;
        assert_true(items > 0);
        assert_true(zmq_poll(item, items, HANG_MS) > 0);
    }
    return news;
}

void expect_next(struct world *world, enum dial_news news)
{
    assert_int_equal(next(world), news);
}

void **given_up(struct world *world)
{
    void **rep = given_bound(world, ZMQ_REP);
    if (!world->dial)
        given_dial(world);
    expect_next(world, DIAL_CAME);
    assert_int_equal(dial_state(world->dial), DIAL_UP);
    return rep;
}

void ask(struct world *world, const char *token, const char *query)
{
    const struct span frame[] = {span_str(token), span_str(""), span_str(query)};
    assert_int_equal(dial_send(world->dial, frame, 3), 0);
}

void rep_expects(void *rep, const char *query)
{
    char bytes[64];
    int size = zmq_recv(rep, bytes, sizeof bytes, 0);
    assert_int_equal(size, strlen(query));
    assert_memory_equal(bytes, query, strlen(query));
}

void rep_says(void *rep, const char *answer)
{
    assert_return_code(zmq_send(rep, answer, strlen(answer), 0), errno);
}

void expect_message(struct world *world, const char *token, const char *answer)
{
    expect_next(world, DIAL_MESSAGE);
    assert_int_equal(world->set.count, 3);
    assert_true(span_is(world->set.frame[0], token));
    assert_true(span_is(world->set.frame[1], ""));
    assert_true(span_is(world->set.frame[2], answer));
}

void expect_pause(struct world *world, int64_t span_us)
{
    int64_t due_us = dial_due(world->dial);
    assert_int_equal(dial_state(world->dial), DIAL_WAITING);
    assert_in_range(due_us - world->now_us, span_us / 2, span_us);
    world->now_us = due_us - 1;
    assert_int_equal(dial_next(world->dial, world->now_us, &world->set), DIAL_NOTHING);
    assert_int_equal(dial_state(world->dial), DIAL_WAITING);
    world->now_us = due_us;
}
