/* The HTTP server over real sockets, with a clock of the test's (adapters/http/server.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/http/listen.h"
#include "adapters/http/server_inside.h"
#include "proto/buffer.h"

#define SECOND INT64_C(1000000)
#define TURNS 2000 /* of a millisecond, at most, until what must happen has happened */

struct world {
    char folder[32];
    struct listen_address address;
    char url[LISTEN_URL_SIZE];
    int listener;
    struct http_server *server;
    int64_t now_us;
    unsigned begun, handled, over;
    struct http_exchange *last;
    size_t room;
    enum { ANSWER, KEEP, STREAM } how;
};

static size_t begin(void *context, struct http_exchange *exchange, int64_t size)
{
    struct world *world = context;

    (void)exchange, (void)size;
    world->begun++;
    return world->room;
}

static void answer(struct http_exchange *exchange, const char *body)
{
    http_exchange_answer(exchange, 200, NULL, 0, span_str(body));
}

static void handle(void *context, struct http_exchange *exchange)
{
    struct world *world = context;

    world->handled++;
    world->last = exchange;
    if (world->how == ANSWER)
        answer(exchange, http_exchange_crowded(exchange)      ? "no room"
                         : http_exchange_overflowed(exchange) ? "too much"
                                                              : "fine");
    if (world->how == STREAM)
        http_exchange_stream(exchange, 200, NULL, 0);
}

static void over(void *context, struct http_exchange *exchange)
{
    struct world *world = context;

    world->over++;
    if (world->last == exchange)
        world->last = NULL;
}

static int set_up(void **state)
{
    struct world *world = memory_zero(1, sizeof *world);
    char text[64];

    strcpy(world->folder, "/tmp/tghsXXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(text, sizeof text, "unix:%s/http", world->folder);
    assert_int_equal(listen_read(text, &world->address), 0);
    world->listener = listen_open(&world->address, world->url);
    assert_true(world->listener >= 0);
    const struct http_server_setup setup = {.listener = world->listener,
                                            .connections = 4,
                                            .head = 16384,
                                            .swallow = 100000,
                                            .bodies = 1500,
                                            .receive_us = 10 * SECOND,
                                            .send_us = 20 * SECOND,
                                            .context = world,
                                            .begin = begin,
                                            .handle = handle,
                                            .over = over};
    world->server = http_server_new(&setup);
    assert_non_null(world->server);
    world->room = 1000;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    http_server_destroy(&world->server);
    assert_int_equal(world->over, world->begun);
    listen_close(&world->address, world->listener);
    assert_int_equal(rmdir(world->folder), 0); /* the socket's file is gone */
    free(world);
    return 0;
}

static int dial(const struct world *world)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(name.sun_path, world->address.path, sizeof name.sun_path);
    assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof name), 0);
    return client;
}

static void say(int client, const char *text)
{
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void run(struct world *world)
{
    struct pollfd item = {.fd = http_server_fd(world->server), .events = POLLIN};
    int64_t due_us = http_server_due(world->server, world->now_us);

    if (poll(&item, 1, due_us <= world->now_us ? 0 : 1) > 0 || due_us <= world->now_us)
        http_server_run(world->server, world->now_us);
}

/* Serves until CLIENT has read something that ends in END; "" stands for the end of it all. */
static void expect(struct world *world, int client, const char *end, struct buffer *ret_text)
{
    const size_t size = strlen(end);

    for (int turn = 0; turn < TURNS; turn++) {
        char block[4096];
        ssize_t got = recv(client, block, sizeof block, MSG_DONTWAIT);
        if (got > 0)
            buffer_add(ret_text, span_of(block, (size_t)got));
        if ((got == 0 || (got < 0 && errno != EAGAIN)) && size == 0)
            return;
        if (size > 0 && ret_text->size >= size &&
            memcmp(ret_text->data + ret_text->size - size, end, size) == 0)
            return;
        assert_true(got != 0);
        run(world);
    }
    fail_msg("no %s in %s", end, ret_text->data ? ret_text->data : "");
}

static void expect_text(struct world *world, int client, const char *end)
{
    struct buffer text;

    buffer_init(&text);
    expect(world, client, end, &text);
    buffer_done(&text);
}

static void expect_count(struct world *world, const unsigned *count, unsigned wanted)
{
    for (int turn = 0; turn < TURNS && *count != wanted; turn++)
        run(world);
    assert_int_equal(*count, wanted);
}

static const char get[] = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

static void requests_on_one_connection_are_answered_in_turn(void **state)
{
    struct world *world = *state;
    int client = dial(world);
    struct buffer text;

    buffer_init(&text);
    say(client, get);
    expect_text(world, client, "fine");
    say(client, get); /* two at once */
    say(client, get);
    expect_count(world, &world->over, 3);
    expect(world, client, "fine", &text);
    assert_int_equal(world->begun, 3);
    buffer_done(&text);
    close(client);
}

static void answer_may_come_later_and_waiting_costs_no_turn(void **state)
{
    struct world *world = *state;
    int client = dial(world);

    world->how = KEEP;
    say(client, get);
    expect_count(world, &world->handled, 1);
    run(world);
    assert_true(http_server_due(world->server, world->now_us) == INT64_MAX);
    world->now_us += 1000 * SECOND;
    run(world);
    answer(world->last, "later");
    assert_true(http_server_due(world->server, world->now_us) <= world->now_us);
    expect_text(world, client, "later");
    close(client);
}

static void hang_up_of_who_waits_is_noticed(void **state)
{
    struct world *world = *state;
    int client = dial(world), half = dial(world);

    world->how = KEEP;
    say(client, get);
    say(half, get);
    expect_count(world, &world->handled, 2);
    close(client);
    expect_count(world, &world->over, 1);
    shutdown(half, SHUT_WR);
    expect_count(world, &world->over, 2);
    close(half);
}

static void stream_is_sent_piece_by_piece_and_ends(void **state)
{
    struct world *world = *state;
    int client = dial(world);

    world->how = STREAM;
    say(client, get);
    expect_count(world, &world->handled, 1);
    http_exchange_write(world->last, span_str("one\n"));
    expect_text(world, client, "one\n\r\n");
    for (int turn = 0; turn < 10; turn++)
        run(world);
    assert_true(http_server_due(world->server, world->now_us) == INT64_MAX);
    http_exchange_write(world->last, span_str("two\n"));
    http_exchange_write(world->last, span_str("three\n"));
    expect_text(world, client, "three\n\r\n");
    http_exchange_write(world->last, span_str("end"));
    http_exchange_finish(world->last);
    expect_text(world, client, "end\r\n0\r\n\r\n");
    expect_count(world, &world->over, 1);
    close(client);
}

static void hang_up_on_a_stream_is_noticed(void **state)
{
    struct world *world = *state;
    int client = dial(world);

    world->how = STREAM;
    say(client, get);
    expect_count(world, &world->handled, 1);
    http_exchange_write(world->last, span_str("one\n"));
    expect_text(world, client, "one\n\r\n");
    close(client);
    expect_count(world, &world->over, 1);
}

static void stream_that_is_not_taken_is_cut(void **state)
{
    struct world *world = *state;
    int client = dial(world);
    char *much = memory_zero(1, 8 << 20);

    world->how = STREAM;
    say(client, get);
    expect_count(world, &world->handled, 1);
    http_exchange_write(world->last, span_of(much, 8 << 20));
    for (int turn = 0; turn < 100; turn++)
        run(world);
    assert_true(http_exchange_waiting(world->last) > 0);
    world->now_us += 20 * SECOND;
    expect_count(world, &world->over, 1);
    assert_int_equal(http_server_cut(world->server), 1);
    free(much);
    close(client);
}

/* The client takes what is sent, but for a rest that stays. */
static void stream_whose_client_is_always_a_little_behind_holds_what_waits_only(void **state)
{
    enum { PIECE = 64 * 1024, PIECES = 400 };
    struct world *world = *state;
    int client = dial(world);
    char *piece = memory_zero(1, PIECE);
    size_t room = 0;

    world->how = STREAM;
    say(client, get);
    expect_count(world, &world->handled, 1);
    for (int i = 0; i < 16; i++) /* more than the kernel takes */
        http_exchange_write(world->last, span_of(piece, PIECE));
    for (int i = 0; i < PIECES; i++) {
        http_exchange_write(world->last, span_of(piece, PIECE));
        while (http_exchange_waiting(world->last) > 8 * PIECE) {
            (void)recv(client, piece, PIECE, MSG_DONTWAIT);
            memset(piece, 0, PIECE);
            run(world);
        }
        assert_true(http_exchange_waiting(world->last) > 0);
        room = world->last->out.room > room ? world->last->out.room : room;
    }
    assert_true(room <= 64 * PIECE);
    free(piece);
    close(client);
}

static void stream_may_be_cut_by_its_writer_in_every_state(void **state)
{
    struct world *world = *state;

    world->how = STREAM;
    for (unsigned writes = 0; writes < 3; writes++) {
        int client = dial(world);
        say(client, get);
        expect_count(world, &world->handled, writes + 1);
        for (unsigned i = 0; i < writes; i++)
            http_exchange_write(world->last, span_str("x"));
        http_exchange_cut(world->last);
        expect_count(world, &world->over, writes + 1);
        expect_text(world, client, "");
        close(client);
    }
}

static void who_sends_its_request_too_slowly_is_cut(void **state)
{
    struct world *world = *state;
    int client = dial(world);

    for (size_t i = 0; i < 9; i++) { /* a byte a second */
        assert_int_equal(send(client, &get[i], 1, MSG_NOSIGNAL), 1);
        run(world);
        world->now_us += SECOND;
    }
    assert_int_equal(http_server_connections(world->server), 1);
    world->now_us += SECOND;
    expect_text(world, client, "");
    assert_int_equal(http_server_cut(world->server), 1);
    assert_int_equal(world->begun, 0);
    close(client);
}

static void who_is_silent_after_an_answer_is_cut(void **state)
{
    struct world *world = *state;
    int client = dial(world);

    say(client, get);
    expect_text(world, client, "fine");
    expect_count(world, &world->over, 1);
    world->now_us += 9 * SECOND;
    run(world);
    assert_int_equal(http_server_connections(world->server), 1);
    world->now_us += SECOND;
    expect_text(world, client, "");
    close(client);
}

static void more_connections_than_allowed_wait_until_one_has_gone(void **state)
{
    struct world *world = *state;
    int client[6];

    for (int i = 0; i < 6; i++)
        client[i] = dial(world);
    for (int i = 0; i < 6; i++)
        say(client[i], get);
    expect_count(world, &world->over, 4);
    for (int turn = 0; turn < 50; turn++)
        run(world);
    assert_int_equal(world->over, 4);
    assert_int_equal(http_server_connections(world->server), 4);
    close(client[0]);
    close(client[1]);
    expect_count(world, &world->over, 6);
    for (int i = 2; i < 6; i++)
        close(client[i]);
}

static void body_beyond_its_room_is_told_and_one_without_end_is_cut(void **state)
{
    struct world *world = *state;
    int client = dial(world);
    char *body = memory_zero(1, 200001), head[128];

    memset(body, 'x', 200000);
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
    say(client, head);
    say(client, body + 198000);
    expect_text(world, client, "too much");
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
    say(client, head);
    say(client, body + 50000);
    expect_text(world, client, "");
    assert_int_equal(world->handled, 1);
    close(client);
    free(body);
}

static void bodies_share_their_room(void **state)
{
    struct world *world = *state;
    int first = dial(world), second = dial(world);
    char body[1001] = "";

    memset(body, 'x', 1000);
    say(first, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    say(first, body + 1); /* a byte is to come */
    for (int turn = 0; turn < TURNS && world->server->bodies < 999; turn++)
        run(world);
    say(second, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    say(second, body);
    expect_text(world, second, "no room");
    say(first, "x");
    expect_text(world, first, "fine");
    expect_count(world, &world->over, 2);
    say(second, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    say(second, body);
    expect_text(world, second, "fine");
    close(first);
    close(second);
}

static void head_that_is_too_large_is_refused(void **state)
{
    struct world *world = *state;
    int client = dial(world);
    char *field = memory_zero(1, 40001);
    struct buffer text;

    buffer_init(&text);
    memset(field, 'x', 40000);
    say(client, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    say(client, field);
    say(client, "\r\n\r\n");
    expect(world, client, "", &text);
    assert_true(text.size == 0 || span_starts(buffer_span(&text), "HTTP/1.1 4"));
    assert_int_equal(world->handled, 0);
    buffer_done(&text);
    free(field);
    close(client);
}

static void destruction_ends_what_waits_and_what_is_sent(void **state)
{
    struct world *world = *state;
    int client[2] = {dial(world), dial(world)};

    world->how = KEEP;
    say(client[0], get);
    expect_count(world, &world->handled, 1);
    world->how = STREAM;
    say(client[1], get);
    expect_count(world, &world->handled, 2);
    http_exchange_write(world->last, span_str("x"));
    http_server_destroy(&world->server);
    assert_int_equal(world->over, 2);
    for (int i = 0; i < 2; i++)
        close(client[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(requests_on_one_connection_are_answered_in_turn),
        TEST(answer_may_come_later_and_waiting_costs_no_turn),
        TEST(hang_up_of_who_waits_is_noticed),
        TEST(stream_is_sent_piece_by_piece_and_ends),
        TEST(hang_up_on_a_stream_is_noticed),
        TEST(stream_that_is_not_taken_is_cut),
        TEST(stream_whose_client_is_always_a_little_behind_holds_what_waits_only),
        TEST(stream_may_be_cut_by_its_writer_in_every_state),
        TEST(who_sends_its_request_too_slowly_is_cut),
        TEST(who_is_silent_after_an_answer_is_cut),
        TEST(more_connections_than_allowed_wait_until_one_has_gone),
        TEST(body_beyond_its_room_is_told_and_one_without_end_is_cut),
        TEST(bodies_share_their_room),
        TEST(head_that_is_too_large_is_refused),
        TEST(destruction_ends_what_waits_and_what_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
