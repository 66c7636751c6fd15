/* Questions of one bridge in another: one row each, whoever carries it; and what is remembered of
 * where rows come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "adapters/bridge/forward.h"
#include "adapters/bridge/origins.h"
#include "adapters/host/clock.h"
#include "proto/buffer.h"
#include "tests/adapter/support.h"

#define BRIDGE "00112233445566ff"

static char folder[PATH_MAX];
static struct place place;

static int set_up(void **state)
{
    (void)state;
    support_mkdir(folder);
    place = support_bridge(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_rmdir(folder);
    return 0;
}

static const char through[1][BRIDGE_ID_SIZE] = {BRIDGE};

static void origins_are_found_while_the_table_grows_and_old_ones_are_forgotten(void **state)
{
    (void)state;
    struct origins origins;
    origins_init(&origins);
    assert_int_equal(origins_find(&origins, origins_message(span_str(BRIDGE), 1)), 0);
    for (int64_t id = 1; id <= 5000; id++)
        origins_note(&origins, origins_message(span_str(BRIDGE), id), 10 * id, id, 0);
    for (int64_t id = 1; id <= 5000; id++)
        assert_int_equal(origins_find(&origins, origins_message(span_str(BRIDGE), id)), 10 * id);
    assert_int_equal(origins_find(&origins, origins_message(span_str("0000000000000001"), 1)), 0);
    origins_note(&origins, origins_message(span_str(BRIDGE), 7), 71, 5001, 0);
    assert_int_equal(origins_find(&origins, origins_message(span_str(BRIDGE), 7)), 71);
    size_t room = origins.room;
    for (int64_t id = 5001; id <= 100000; id++)
        origins_note(&origins, origins_message(span_str(BRIDGE), id), id, id, id - 1000);
    assert_true(origins.room <= room);
    assert_int_equal(origins_find(&origins, origins_message(span_str(BRIDGE), 100000)), 100000);
    assert_int_equal(origins_find(&origins, origins_message(span_str(BRIDGE), 1)), 0);
    origins_done(&origins);
}

static void metadata_that_is_not_ours_is_no_origin(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",
        "\"bridged\"",
        "{\"bridged\":7}",
        "{\"bridged\":{}}",
        "{\"bridged\":{\"bridge\":\"00112233445566FF\",\"message_id\":1,\"conversation_id\":\"c\"}"
        "}",
        "{\"bridged\":{\"bridge\":\"" BRIDGE "\",\"message_id\":0,\"conversation_id\":\"c\"}}",
        "{\"bridged\":{\"bridge\":\"" BRIDGE "\",\"message_id\":\"1\",\"conversation_id\":\"c\"}}",
        "{\"bridged\":{\"bridge\":\"" BRIDGE "\",\"message_id\":1,\"conversation_id\":2}}",
        "{\"bridged\":{\"bridge\":\"" BRIDGE "\",\"message_id\":1,\"conversation_id\":\"c\"}",
    };
    struct origin origin[2];
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_false(origins_read(span_str(odd[i]), origin));
    assert_true(origins_read(span_str("{\"bridged\":{\"bridge\":\"" BRIDGE "\",\"message_id\":1,"
                                      "\"conversation_id\":\"c\"}}"),
                             origin));
    assert_int_equal(origin[0].message_id, 1);
}

static void see_nothing(void *context, const struct tail_row *row)
{
    (void)context, (void)row;
}

static enum forward_outcome put(struct forward *forward, int64_t message_id, const char *from,
                                struct forward_row *ret_row)
{
    enum forward_outcome outcome;
    struct buffer metadata;
    buffer_init(&metadata);
    buffer_format(&metadata,
                  "{\"bridged\":{\"bridge\":\"" BRIDGE
                  "\",\"message_id\":%lld,\"conversation_id\":\"%s\"}}",
                  (long long)message_id, from);
    const struct forward_query query = {.bridge = span_str(BRIDGE),
                                        .message_id = message_id,
                                        .conversation = span_str(from),
                                        .through = through,
                                        .through_count = 1,
                                        .service = span_str("law"),
                                        .text = span_str("?"),
                                        .metadata = buffer_span(&metadata)};
    assert_int_equal(
        forward_put(forward, &query, clock_utc_us(), see_nothing, NULL, &outcome, ret_row),
        BRIDGE_OK);
    buffer_done(&metadata);
    return outcome;
}

static void two_carriers_of_a_question_write_one_row(void **state)
{
    (void)state;
    struct forward *first = NULL, *second = NULL;
    struct forward_row a, b, c;
    assert_int_equal(forward_open(&place, &first), BRIDGE_OK);
    assert_int_equal(forward_open(&place, &second), BRIDGE_OK);
    assert_int_equal(put(first, 1, "conv_1", &a), FORWARD_ASKED);
    assert_int_equal(put(second, 1, "conv_1", &b), FORWARD_ATTACHED);
    assert_int_equal(a.id, b.id);
    assert_string_equal(a.conversation, b.conversation);
    assert_int_equal(put(second, 2, "conv_1", &b), FORWARD_ASKED);
    assert_string_equal(a.conversation, b.conversation);
    assert_int_equal(put(first, 3, "conv_2", &c), FORWARD_ASKED);
    assert_string_not_equal(a.conversation, c.conversation);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM messages"), 3);
    file_run(&place, "CREATE TABLE tailgate_meta (key TEXT PRIMARY KEY, value NOT NULL)");
    file_run(&place, "INSERT INTO tailgate_meta VALUES('bridge', '" BRIDGE "')");
    assert_int_equal(put(first, 4, "conv_1", &c), FORWARD_LOOP);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM messages"), 3);
    forward_close(&first);
    forward_close(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_are_found_while_the_table_grows_and_old_ones_are_forgotten),
        cmocka_unit_test(metadata_that_is_not_ours_is_no_origin),
        cmocka_unit_test_setup_teardown(two_carriers_of_a_question_write_one_row, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
