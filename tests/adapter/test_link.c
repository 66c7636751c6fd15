/* A worker's link and a gateway that is lost in the middle of a batch (adapters/c/link.h). The
 * gateway is a ROUTER of the test's; times are the test's, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "adapters/c/link.h"
#include "adapters/zmq/frameset.h"
#include "proto/buffer.h"
#include "proto/mdp.h"

#define HANG_MS 60000 /* only a hang misses it */
#define TOKEN_1 "1.1.AAAAAAAAAAAAAAAAAAAAAA"
#define TOKEN_2 "2.1.AAAAAAAAAAAAAAAAAAAAAA"
#define TOKEN_3 "3.1.AAAAAAAAAAAAAAAAAAAAAA"
#define TOKEN_4 "4.1.AAAAAAAAAAAAAAAAAAAAAA"
#define AGAIN_3 "3.2.AAAAAAAAAAAAAAAAAAAAAA"
#define AGAIN_4 "4.2.AAAAAAAAAAAAAAAAAAAAAA"

struct world {
    void *context, *others;
    void *router; /* the gateway; NULL: there is none */
    char peer[64];
    size_t peer_size; /* the link's routing id there */
    struct frameset heard;
    struct span frame[MDP_FRAMES_MAX]; /* of a message in a BATCH in it */
    struct link *link;
    int64_t now_us;
    struct span holds[4];
    size_t held;
    char directory[64], path[128], endpoint[160];
};

static size_t holding(const void *holder, struct span *ret_token, size_t room)
{
    const struct world *world = holder;
    assert_true(world->held <= room);
    memcpy(ret_token, world->holds, world->held * sizeof *ret_token);
    return world->held;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    if (!world)
        return -1;
    snprintf(world->directory, sizeof world->directory, "/tmp/link-test-XXXXXX");
    if (!mkdtemp(world->directory))
        return -1;
    snprintf(world->path, sizeof world->path, "%s/gate", world->directory);
    snprintf(world->endpoint, sizeof world->endpoint, "ipc://%s", world->path);
    world->context = zmq_ctx_new();
    world->others = zmq_ctx_new();
    world->now_us = 1000000000;
    frameset_init(&world->heard);
    *state = world;
    return 0;
}

static void end_gateway(struct world *world)
{
    int linger = 0;
    if (!world->router)
        return;
    zmq_setsockopt(world->router, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(world->router);
    world->router = NULL;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    link_destroy(&world->link);
    end_gateway(world);
    frameset_done(&world->heard);
    zmq_ctx_term(world->context);
    zmq_ctx_term(world->others);
    unlink(world->path);
    rmdir(world->directory);
    free(world);
    return 0;
}

static void given_gateway(struct world *world)
{
    world->router = zmq_socket(world->others, ZMQ_ROUTER);
    assert_return_code(zmq_bind(world->router, world->endpoint), errno);
}

static void given_link(struct world *world)
{
    const struct link_setup setup = {
        .context = world->context,
        .endpoint = world->endpoint,
        .service = "*",
        .options = {.slots = 4, .interval_ms = 60000, .batches = true},
        .keep = 8,
        .holding = holding,
        .holder = world,
    };
    world->link = link_new(&setup);
    link_join(world->link);
}

/* The next news other than LINK_NOTHING, as the worker's loop waits for it. */
static struct link_news next(struct world *world)
{
    zmq_pollitem_t item[LINK_ITEMS];
    struct link_news news;
    while ((news = link_next(world->link, world->now_us)).kind == LINK_NOTHING) {
        int items = (int)link_items(world->link, item);
        if (items > 0)
            assert_true(zmq_poll(item, items, HANG_MS) > 0);
        else
            world->now_us = link_due(world->link);
        world->now_us++; /* the link looks at its connection once in an instant */
    }
    return news;
}

static void expect_query(struct world *world, const char *token)
{
    struct link_news news = next(world);
    assert_int_equal(news.kind, LINK_QUERY);
    assert_true(span_is(news.token, token));
    assert_true(span_is(news.text, "?"));
}

/* Nothing more is to be read: what the gateway says after everything else comes next. */
static void expect_no_more(struct world *world)
{
    const struct span odd[] = {span_of(world->peer, world->peer_size), span_str("odd")};
    assert_int_equal(frameset_send(world->router, odd, 2), 0);
    assert_int_equal(next(world).kind, LINK_ODD);
}

/* The link's next message, which it sends when it is called again. */
static void hear(struct world *world, struct mdp_message *ret_message)
{
    zmq_pollitem_t item = {.socket = world->router, .events = ZMQ_POLLIN};
    const struct span *frame = world->heard.frame;
    assert_true(zmq_poll(&item, 1, HANG_MS) > 0);
    assert_int_equal(frameset_receive(&world->heard, world->router), 1);
    world->peer_size = frame[0].size;
    memcpy(world->peer, frame[0].data, frame[0].size);
    assert_int_equal(mdp_read(MDP_02, &frame[2], world->heard.count - 2, ret_message), 0);
}

/* READY, in which COUNT tokens are named that are still held. */
static void expect_ready(struct world *world, size_t count)
{
    struct mdp_message message;
    struct worker_options options;
    struct token token;
    struct link_news news = next(world);
    assert_int_equal(news.kind, LINK_READY);
    assert_int_equal(news.count, count);
    hear(world, &message);
    assert_int_equal(message.command, MDP_READY);
    assert_int_equal(options_read(message.options, &options), 0);
    for (size_t i = 0; i < count; i++)
        assert_true(options_holding(&options.holding, &token));
    assert_true(count == 0 || !options_holding(&options.holding, &token));
}

/* One REQUEST for each of COUNT tokens, in one message. */
static void say_batch(struct world *world, const char *const *token, size_t count)
{
    struct span question = span_str("?"), frame[MDP_FRAMES_MAX + 1], body;
    struct buffer batch;
    buffer_init(&batch);
    for (size_t i = 0; i < count; i++) {
        const struct mdp_message request = {.command = MDP_REQUEST,
                                            .address = span_str(token[i]),
                                            .body = &question,
                                            .body_count = 1};
        mdp_batch_add(&request, &batch);
    }
    body = buffer_span(&batch);
    const struct mdp_message message = {.command = MDP_BATCH, .body = &body, .body_count = 1};
    frame[0] = span_of(world->peer, world->peer_size);
    size_t frames = mdp_write(MDP_02, &message, &frame[1]);
    assert_int_equal(frameset_send(world->router, frame, frames + 1), 0);
    buffer_done(&batch);
}

static void answer(struct world *world, const char *token)
{
    assert_int_equal(link_final(world->link, span_str(token), span_str("!")), 0);
}

static void expect_final(const struct mdp_message *message, const char *token)
{
    assert_int_equal(message->command, MDP_FINAL);
    assert_true(span_is(message->address, token));
    assert_true(span_is(message->body[0], "!"));
}

/* It is lost with half of it read: the other half is the next gateway's, which gives it again.
 * Nothing is read of the old one then, and READY does not name it. */
static void what_was_not_read_of_a_batch_is_forgotten_with_its_gateway(void **state)
{
    static const char *const first[] = {TOKEN_1, TOKEN_2, TOKEN_3, TOKEN_4};
    static const char *const second[] = {AGAIN_3, AGAIN_4};
    struct world *world = *state;
    zmq_pollitem_t item[LINK_ITEMS];
    given_gateway(world);
    given_link(world);
    expect_ready(world, 0);
    say_batch(world, first, 4);
    expect_query(world, TOKEN_1);
    expect_query(world, TOKEN_2);
    world->holds[world->held++] = span_str(TOKEN_1);
    world->holds[world->held++] = span_str(TOKEN_2);
    end_gateway(world);
    assert_int_equal(link_items(world->link, item), LINK_ITEMS);
    assert_true(zmq_poll(item, 1, HANG_MS) > 0); /* what becomes of the connection */
    world->now_us++;
    assert_int_equal(next(world).kind, LINK_LOST);
    given_gateway(world);
    expect_ready(world, 2);
    say_batch(world, second, 2);
    expect_query(world, AGAIN_3);
    expect_query(world, AGAIN_4);
    expect_no_more(world);
}

/* The next gateway may not know BATCH: it is first heard to send one. */
static void answers_go_together_only_to_a_gateway_that_has_sent_a_batch(void **state)
{
    static const char *const both[] = {TOKEN_1, TOKEN_2};
    struct world *world = *state;
    struct mdp_message message;
    struct span rest;
    given_gateway(world);
    given_link(world);
    expect_ready(world, 0);
    say_batch(world, both, 2);
    expect_query(world, TOKEN_1);
    expect_query(world, TOKEN_2);
    answer(world, TOKEN_1);
    answer(world, TOKEN_2);
    expect_no_more(world);
    hear(world, &message);
    assert_int_equal(message.command, MDP_BATCH);
    rest = message.body[0];
    assert_int_equal(mdp_batch_take(&rest, world->frame, &message), 1);
    expect_final(&message, TOKEN_1);
    assert_int_equal(mdp_batch_take(&rest, world->frame, &message), 1);
    expect_final(&message, TOKEN_2);
    end_gateway(world);
    assert_int_equal(next(world).kind, LINK_LOST);
    given_gateway(world);
    expect_ready(world, 2); /* nothing says that they have arrived */
    expect_no_more(world);
    hear(world, &message);
    expect_final(&message, TOKEN_1);
    hear(world, &message);
    expect_final(&message, TOKEN_2);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(what_was_not_read_of_a_batch_is_forgotten_with_its_gateway),
        PROMISE(answers_go_together_only_to_a_gateway_that_has_sent_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
