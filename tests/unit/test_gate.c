/* The gate with real sockets: what an endpoint may be, frames as they come and go, and a peer that
 * is gone or full told apart. Ports and directories are the system's choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "adapters/zmq/gate.h"

#define HANG_MS 60000 /* only a hang misses it */

/* A gate, and clients in a context of their own. */
struct world {
    struct gate *gate;
    struct frameset set;
    void *clients;
    void *client[GATE_DOORS];
    size_t count;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    if (!world)
        return -1;
    world->gate = gate_new();
    world->clients = zmq_ctx_new();
    frameset_init(&world->set);
    *state = world;
    return world->gate && world->clients ? 0 : -1;
}

static void close_client(struct world *world, size_t at)
{
    int linger = 0;
    zmq_setsockopt(world->client[at], ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(world->client[at]);
    world->client[at] = NULL;
}

static int teardown(void **state)
{
    struct world *world = *state;
    frameset_done(&world->set);
    for (size_t i = 0; i < world->count; i++)
        if (world->client[i])
            close_client(world, i);
    gate_destroy(&world->gate, 0);
    assert_null(world->gate);
    gate_destroy(&world->gate, 0);
    zmq_ctx_term(world->clients);
    free(world);
    return 0;
}

static void *connect_to(struct world *world, int type, const char *endpoint)
{
    void *socket = zmq_socket(world->clients, type);
    int ms = HANG_MS;
    world->client[world->count++] = socket;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &ms, sizeof ms);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &ms, sizeof ms);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

/* A door on a tcp port that the system chose, and a client there. */
static void *given_client(struct world *world, int type)
{
    if (gate_doors(world->gate) == 0)
        assert_int_equal(gate_bind(world->gate, "tcp://127.0.0.1:*", false), 0);
    return connect_to(world, type, gate_endpoint(world->gate, 0));
}

static void send_text(void *socket, const char *text, int flags)
{
    assert_int_equal(zmq_send(socket, text, strlen(text), flags), strlen(text));
}

/* Receives one frame, which must be TEXT, and after which more must follow or not. */
static void expect_frame(void *socket, const char *text, bool more)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    assert_return_code(zmq_msg_recv(&frame, socket, 0), errno);
    assert_int_equal(zmq_msg_size(&frame), strlen(text));
    assert_memory_equal(zmq_msg_data(&frame), text, strlen(text));
    assert_int_equal(zmq_msg_more(&frame), more);
    zmq_msg_close(&frame);
}

static void wait_for_message(struct world *world, size_t door)
{
    zmq_pollitem_t item = {.socket = gate_socket(world->gate, door), .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
}

/* What the gate's next message holds. */
struct message {
    struct peer peer;
    struct span *frame;
    size_t count;
    bool first; /* of its connection */
};

static struct message take(struct world *world, size_t door)
{
    struct message message;
    wait_for_message(world, door);
    assert_int_equal(gate_receive(world->gate, door, &world->set, &message.frame, &message.count,
                                  &message.peer, &message.first),
                     1);
    return message;
}

static int reply(struct world *world, const struct peer *peer, const char *text)
{
    const struct span frame = span_str(text);
    return gate_send(world->gate, peer, &frame, 1);
}

/* Messages. */

static void nothing_waiting_is_no_message(void **state)
{
    struct world *world = *state;
    struct message message;
    given_client(world, ZMQ_DEALER);
    assert_int_equal(gate_receive(world->gate, 0, &world->set, &message.frame, &message.count,
                                  &message.peer, &message.first),
                     0);
}

static void frames_come_and_go_as_they_are(void **state)
{
    struct world *world = *state;
    void *client = given_client(world, ZMQ_DEALER);
    const struct span answer[3] = {span_str("one"), span_str(""), span_str("three")};
    struct message message;

    send_text(client, "MDPW02", ZMQ_SNDMORE);
    send_text(client, "", ZMQ_SNDMORE);
    assert_int_equal(zmq_send(client, "\0\xff\0", 3, 0), 3);
    message = take(world, 0);
    assert_int_equal(message.count, 3);
    assert_true(span_is(message.frame[0], "MDPW02"));
    assert_int_equal(message.frame[1].size, 0);
    assert_true(span_equal(message.frame[2], span_of("\0\xff\0", 3)));
    assert_int_equal(gate_send(world->gate, &message.peer, answer, 3), 0);
    expect_frame(client, "one", true);
    expect_frame(client, "", true);
    expect_frame(client, "three", false);
}

static void a_req_peer_has_its_empty_frame_in_front(void **state)
{
    struct world *world = *state;
    void *client = given_client(world, ZMQ_REQ);
    const struct span answer[2] = {span_str(""), span_str("query")};
    struct message message;

    send_text(client, "READY", 0);
    message = take(world, 0);
    assert_int_equal(message.count, 2);
    assert_int_equal(message.frame[0].size, 0);
    assert_true(span_is(message.frame[1], "READY"));
    assert_int_equal(gate_send(world->gate, &message.peer, answer, 2), 0);
    expect_frame(client, "query", false);
}

static void every_peer_gets_its_own(void **state)
{
    struct world *world = *state;
    void *client[2] = {given_client(world, ZMQ_DEALER), given_client(world, ZMQ_DEALER)};
    struct peer peer[2];

    for (int i = 0; i < 2; i++) {
        send_text(client[i], "hello", 0);
        peer[i] = take(world, 0).peer;
    }
    assert_false(peer_equal(&peer[0], &peer[1]));
    assert_int_equal(reply(world, &peer[1], "second"), 0);
    assert_int_equal(reply(world, &peer[0], "first"), 0);
    expect_frame(client[0], "first", false);
    expect_frame(client[1], "second", false);
}

static void a_peer_belongs_to_its_door(void **state)
{
    struct world *world = *state;
    void *client[2];
    struct message message;

    for (int door = 0; door < 2; door++) {
        assert_int_equal(gate_bind(world->gate, "tcp://127.0.0.1:*", false), door);
        client[door] = connect_to(world, ZMQ_DEALER, gate_endpoint(world->gate, (size_t)door));
    }
    send_text(client[1], "hello", 0);
    message = take(world, 1);
    assert_int_equal(message.peer.door, 1);
    assert_int_equal(reply(world, &message.peer, "back"), 0);
    expect_frame(client[1], "back", false);
    message.peer.door = 0;
    assert_int_equal(reply(world, &message.peer, "lost"), -EHOSTUNREACH);
}

/* Bounds. */

static void send_frames(void *socket, size_t count)
{
    for (size_t i = 0; i < count; i++)
        send_text(socket, "frame", i + 1 < count ? ZMQ_SNDMORE : 0);
}

static void as_many_frames_as_the_limit_are_taken(void **state)
{
    struct world *world = *state;
    send_frames(given_client(world, ZMQ_DEALER), LIMIT_FRAMES);
    assert_int_equal(take(world, 0).count, LIMIT_FRAMES);
}

static void one_frame_too_many_is_dropped_whole_and_the_next_message_is_whole(void **state)
{
    struct world *world = *state;
    void *client = given_client(world, ZMQ_DEALER);
    struct message message;

    send_frames(client, LIMIT_FRAMES + 1);
    send_frames(client, 1000);
    send_text(client, "hello", 0);
    for (int i = 0; i < 2; i++) {
        wait_for_message(world, 0);
        assert_int_equal(gate_receive(world->gate, 0, &world->set, &message.frame, &message.count,
                                      &message.peer, &message.first),
                         -E2BIG);
        assert_int_equal(world->set.count, 0);
    }
    message = take(world, 0);
    assert_int_equal(message.count, 1);
    assert_true(span_is(message.frame[0], "hello"));
}

static void a_frame_beyond_the_limit_costs_its_sender_the_link_and_nobody_else(void **state)
{
    struct world *world = *state;
    void *bad = given_client(world, ZMQ_DEALER), *good = given_client(world, ZMQ_DEALER);
    char *large = calloc(1, LIMIT_FRAME_SIZE + 1);
    struct peer before;

    assert_non_null(large);
    send_text(bad, "before", 0);
    before = take(world, 0).peer;
    assert_int_equal(zmq_send(bad, large, LIMIT_FRAME_SIZE, 0), LIMIT_FRAME_SIZE);
    assert_int_equal(take(world, 0).frame[0].size, LIMIT_FRAME_SIZE);
    assert_int_equal(zmq_send(bad, large, LIMIT_FRAME_SIZE + 1, 0), LIMIT_FRAME_SIZE + 1);
    free(large);
    for (int waited_ms = 0; reply(world, &before, "are you there") == 0; waited_ms += 10) {
        assert_true(waited_ms < HANG_MS);
        zmq_poll(NULL, 0, 10);
    }
    assert_int_equal(reply(world, &before, "are you there"), -EHOSTUNREACH);
    send_text(good, "hello", 0);
    assert_true(span_is(take(world, 0).frame[0], "hello"));
}

static void a_peer_that_was_never_there_is_gone(void **state)
{
    struct world *world = *state;
    const struct peer nobody = {.size = 6, .id = "nobody"};
    given_client(world, ZMQ_DEALER);
    assert_int_equal(reply(world, &nobody, "hello"), -EHOSTUNREACH);
    assert_int_equal(gate_send(world->gate, &nobody, (struct span[]){{"a", 1}, {"b", 1}}, 2),
                     -EHOSTUNREACH);
}

static void a_peer_that_has_closed_is_gone(void **state)
{
    struct world *world = *state;
    void *client = given_client(world, ZMQ_DEALER);
    struct peer peer;

    send_text(client, "hello", 0);
    peer = take(world, 0).peer;
    close_client(world, 0);
    for (int waited_ms = 0; reply(world, &peer, "are you there") == 0; waited_ms += 10) {
        assert_true(waited_ms < HANG_MS);
        zmq_poll(NULL, 0, 10);
    }
    assert_int_equal(reply(world, &peer, "are you there"), -EHOSTUNREACH);
}

static void a_peer_that_does_not_read_is_full_and_does_not_block_another(void **state)
{
    struct world *world = *state;
    void *lazy = given_client(world, ZMQ_DEALER), *good = given_client(world, ZMQ_DEALER);
    struct peer lazy_peer, good_peer;
    int error = 0;

    send_text(lazy, "hello", 0);
    lazy_peer = take(world, 0).peer;
    send_text(good, "hello", 0);
    good_peer = take(world, 0).peer;
    for (int sent = 0; error == 0 && sent < 1000000; sent++)
        error = reply(world, &lazy_peer, "a query that nobody takes, and many more like it");
    assert_int_equal(error, -EAGAIN);
    assert_int_equal(reply(world, &good_peer, "for you"), 0);
    expect_frame(good, "for you", false);
    expect_frame(lazy, "a query that nobody takes, and many more like it", false);
}

#define gate_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gate_test(nothing_waiting_is_no_message),
        gate_test(frames_come_and_go_as_they_are),
        gate_test(a_req_peer_has_its_empty_frame_in_front),
        gate_test(every_peer_gets_its_own),
        gate_test(a_peer_belongs_to_its_door),
        gate_test(as_many_frames_as_the_limit_are_taken),
        gate_test(one_frame_too_many_is_dropped_whole_and_the_next_message_is_whole),
        gate_test(a_frame_beyond_the_limit_costs_its_sender_the_link_and_nobody_else),
        gate_test(a_peer_that_was_never_there_is_gone),
        gate_test(a_peer_that_has_closed_is_gone),
        gate_test(a_peer_that_does_not_read_is_full_and_does_not_block_another),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
