#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/frames.h"
#include "proto/mdp.h"
#include "proto/pack.h"

static const struct span body[LIMIT_BODY_FRAMES + 1] = {{"one", 3}, {"", 0}, {"three", 5}};
static const char *const header[] = {[MDP_01] = MDP_WORKER_01, [MDP_02] = MDP_WORKER_02};

static void check_same(const struct mdp_message *read, const struct mdp_message *written)
{
    assert_int_equal(read->command, written->command);
    assert_true(span_equal(read->service, written->service));
    assert_true(span_equal(read->options, written->options));
    assert_true(span_equal(read->address, written->address));
    assert_int_equal(read->body_count, written->body_count);
    for (size_t i = 0; i < read->body_count; i++)
        assert_true(span_equal(read->body[i], written->body[i]));
}

static void mdp_that_is_written_is_read(void **state)
{
    (void)state;
    const struct mdp_message known[] = {
        {.command = MDP_READY, .service = span_str("*")},
        {.command = MDP_READY, .service = span_str("law"), .options = span_str("{}")},
        {.command = MDP_REQUEST, .address = span_str("t"), .body = body, .body_count = 1},
        {.command = MDP_REQUEST, .address = span_str("t"), .body = body, .body_count = 3},
        {.command = MDP_PARTIAL, .address = span_str("t"), .body = body, .body_count = 2},
        {.command = MDP_FINAL, .address = span_str("t"), .body = body, .body_count = MDP_BODY},
        {.command = MDP_HEARTBEAT},
        {.command = MDP_DISCONNECT},
        {.command = MDP_BATCH, .body = body, .body_count = 1},
    };
    for (int version = MDP_01; version <= MDP_02; version++) {
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            struct span frame[MDP_FRAMES_MAX];
            struct mdp_message message;
            if (version == MDP_01 &&
                (known[i].command == MDP_PARTIAL || known[i].command == MDP_BATCH))
                continue;
            size_t count = mdp_write((enum mdp_version)version, &known[i], frame);
            assert_true(count <= MDP_FRAMES_MAX);
            assert_true(span_is(frame[0], header[version]));
            assert_int_equal(mdp_read((enum mdp_version)version, frame + 1, count - 1, &message),
                             0);
            check_same(&message, &known[i]);
        }
    }
}

static void commands_have_the_bytes_of_their_version(void **state)
{
    (void)state;
    static const struct {
        enum mdp_version version;
        enum mdp_command command;
        char byte;
    } table[] = {
        {MDP_01, MDP_READY, 1},     {MDP_01, MDP_REQUEST, 2},    {MDP_01, MDP_FINAL, 3},
        {MDP_01, MDP_HEARTBEAT, 4}, {MDP_01, MDP_DISCONNECT, 5}, {MDP_02, MDP_READY, 1},
        {MDP_02, MDP_REQUEST, 2},   {MDP_02, MDP_PARTIAL, 3},    {MDP_02, MDP_FINAL, 4},
        {MDP_02, MDP_HEARTBEAT, 5}, {MDP_02, MDP_DISCONNECT, 6}, {MDP_02, MDP_BATCH, 7},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct mdp_message message = {
            .command = table[i].command, .body = body, .body_count = 1};
        struct span frame[MDP_FRAMES_MAX];
        mdp_write(table[i].version, &message, frame);
        assert_int_equal(frame[1].size, 1);
        assert_int_equal(frame[1].data[0], table[i].byte);
    }
}

static void batch_gives_its_messages_in_order(void **state)
{
    (void)state;
    const struct mdp_message put[] = {
        {.command = MDP_REQUEST, .address = span_str("1"), .body = body, .body_count = 3},
        {.command = MDP_PARTIAL, .address = span_str("2"), .body = body, .body_count = 1},
        {.command = MDP_FINAL, .address = span_str("3"), .body = body, .body_count = MDP_BODY},
    };
    struct span frame[MDP_FRAMES_MAX], rest;
    struct mdp_message message;
    struct buffer packed;
    buffer_init(&packed);
    for (size_t i = 0; i < 3; i++)
        mdp_batch_add(&put[i], &packed);
    rest = buffer_span(&packed);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mdp_batch_take(&rest, frame, &message), 1);
        check_same(&message, &put[i]);
    }
    assert_int_equal(mdp_batch_take(&rest, frame, &message), 0);
    buffer_done(&packed);
}

/* Cut anywhere it gives what is whole, and then says that it is malformed. */
static void batch_that_is_cut_is_refused_where_it_ends(void **state)
{
    (void)state;
    const struct mdp_message final = {
        .command = MDP_FINAL, .address = span_str("1"), .body = body, .body_count = 1};
    struct span frame[MDP_FRAMES_MAX];
    struct buffer packed;
    buffer_init(&packed);
    mdp_batch_add(&final, &packed);
    size_t one = packed.size;
    mdp_batch_add(&final, &packed);
    for (size_t size = 1; size < packed.size; size++) {
        struct span rest = span_of(packed.data, size);
        struct mdp_message message;
        int got, taken = 0;
        while ((got = mdp_batch_take(&rest, frame, &message)) == 1)
            taken++;
        assert_int_equal(taken, size >= one);
        assert_int_equal(got, size == one ? 0 : -1);
    }
    buffer_done(&packed);
}

static void batch_holds_nothing_but_queries_and_answers(void **state)
{
    (void)state;
    const struct span bad[][2] = {{span_str("\x05")},
                                  {span_str("\x06")},
                                  {span_str("\x07"), span_str("")},
                                  {span_str("\x01"), span_str("law")}};
    static const size_t count[] = {1, 1, 2, 2};
    for (size_t i = 0; i < 4; i++) {
        struct span frame[MDP_FRAMES_MAX], rest;
        struct mdp_message message;
        struct buffer packed;
        buffer_init(&packed);
        pack_write(bad[i], count[i], &packed);
        rest = buffer_span(&packed);
        assert_int_equal(mdp_batch_take(&rest, frame, &message), -1);
        assert_int_equal(rest.size, packed.size);
        buffer_done(&packed);
    }
}

static void client_commands_that_are_written_are_read(void **state)
{
    (void)state;
    for (int version = MDP_01; version <= MDP_02; version++) {
        for (int command = MDP_CLIENT_REQUEST; command <= MDP_CLIENT_FINAL; command++) {
            const struct mdp_client_message known = {.command = (enum mdp_client_command)command,
                                                     .service = span_str("echo"),
                                                     .body = body,
                                                     .body_count = LIMIT_BODY_FRAMES};
            struct span frame[MDP_FRAMES_MAX];
            struct mdp_client_message read;
            if (version == MDP_01 && command == MDP_CLIENT_PARTIAL)
                continue;
            size_t count = mdp_client_write((enum mdp_version)version, &known, frame);
            assert_int_equal(count, LIMIT_BODY_FRAMES + (version == MDP_01 ? 2 : 3));
            assert_true(span_is(frame[0], version == MDP_01 ? MDP_CLIENT_01 : MDP_CLIENT_02));
            assert_int_equal(
                mdp_client_read((enum mdp_version)version, frame + 1, count - 1, &read), 0);
            assert_int_equal(read.command, version == MDP_01 ? MDP_CLIENT_REQUEST : command);
            assert_true(span_is(read.service, "echo"));
            assert_int_equal(read.body_count, LIMIT_BODY_FRAMES);
            assert_true(span_equal(read.body[2], body[2]));
        }
    }
}

static void body_beyond_its_frames_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct span frame[MDP_CLIENT_BODY + 3] = {span_str("\x04"), span_str("t")};
    struct mdp_message message = {.command = MDP_HEARTBEAT};
    struct mdp_client_message client = {.command = MDP_CLIENT_PARTIAL};
    assert_int_equal(mdp_read(MDP_02, frame, MDP_BODY + 4, &message), -1);
    frame[0] = span_str("\x03");
    assert_int_equal(mdp_read(MDP_01, frame, MDP_BODY + 4, &message), -1);
    assert_int_equal(message.command, MDP_HEARTBEAT);
    assert_int_equal(mdp_read(MDP_01, frame, MDP_BODY + 3, &message), 0);
    assert_int_equal(mdp_client_read(MDP_02, frame, MDP_CLIENT_BODY + 3, &client), -1);
    assert_int_equal(mdp_client_read(MDP_01, frame, MDP_CLIENT_BODY + 2, &client), -1);
    assert_int_equal(client.command, MDP_CLIENT_PARTIAL);
    assert_int_equal(mdp_client_read(MDP_02, frame, MDP_CLIENT_BODY + 2, &client), 0);
    assert_int_equal(mdp_client_read(MDP_01, frame, MDP_CLIENT_BODY + 1, &client), 0);
}

static void no_frames_at_all_are_no_command(void **state)
{
    (void)state;
    struct mdp_message message;
    struct mdp_client_message client;
    assert_int_equal(mdp_read(MDP_01, NULL, 0, &message), -1);
    assert_int_equal(mdp_read(MDP_02, NULL, 0, &message), -1);
    assert_int_equal(mdp_client_read(MDP_01, NULL, 0, &client), -1);
    assert_int_equal(mdp_client_read(MDP_02, NULL, 0, &client), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mdp_that_is_written_is_read),
        cmocka_unit_test(commands_have_the_bytes_of_their_version),
        cmocka_unit_test(batch_gives_its_messages_in_order),
        cmocka_unit_test(batch_that_is_cut_is_refused_where_it_ends),
        cmocka_unit_test(batch_holds_nothing_but_queries_and_answers),
        cmocka_unit_test(client_commands_that_are_written_are_read),
        cmocka_unit_test(body_beyond_its_frames_is_refused_and_changes_nothing),
        cmocka_unit_test(no_frames_at_all_are_no_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
