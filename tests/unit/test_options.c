#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/jtext.h"
#include "proto/options.h"

static void nothing_given_is_the_defaults(void **state)
{
    (void)state;
    static const char *const none[] = {"", "{}", " { } ", "{\"format\":\"raw\"}",
                                       "{\"holding\":[],\"x\":1}"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct worker_options options;
        assert_int_equal(options_read(span_str(none[i]), &options), 0);
        assert_string_equal(options.name, "");
        assert_int_equal(options.slots, 1);
        assert_false(options.heartbeats);
        assert_int_equal(options.interval_ms, 0);
        assert_false(options.wants_query);
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const struct worker_options given[] = {
        {"w1", 1, true, 2500, {NULL, 0}, true, "tcp", false, {""}, 0, true},
        {"", LIMIT_SLOTS, false, 0, {"[]", 2}, false, "", true, {""}, 0, false},
        {"gr\xc3\xbc\xc3\x9f\"e",
         7,
         true,
         60000,
         {"[\"a\",\"b\"]", 9},
         false,
         "a-9",
         true,
         {"0123456789abcdef", "00000000000000ff"},
         2,
         true}};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        struct worker_options options;
        struct buffer json;
        buffer_init(&json);
        options_write(&given[i], &json);
        assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
        assert_int_equal(options_read(buffer_span(&json), &options), 0);
        assert_string_equal(options.name, given[i].name);
        assert_int_equal(options.slots, given[i].slots);
        assert_int_equal(options.heartbeats, given[i].heartbeats);
        assert_int_equal(options.interval_ms, given[i].interval_ms);
        assert_true(span_equal(options.holding, given[i].holding));
        assert_int_equal(options.wants_query, given[i].wants_query);
        assert_string_equal(options.adapter, given[i].adapter);
        assert_int_equal(options.relays, given[i].relays);
        assert_int_equal(options.batches, given[i].batches);
        assert_int_equal(options.relay_count, given[i].relay_count);
        for (size_t k = 0; k < given[i].relay_count; k++)
            assert_string_equal(options.relay[k], given[i].relay[k]);
        buffer_done(&json);
    }
}

static void a_heartbeat_says_how_many_queries_are_taken_at_once(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "3",
                                      "{}",
                                      "{\"slots\":-1}",
                                      "{\"slots\":1001}",
                                      "{\"slots\":1.5}",
                                      "{\"slots\":\"3\"}",
                                      "{\"slots\":3"};
    uint32_t slots = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(options_read_slots(span_str(bad[i]), &slots), -1);
    assert_int_equal(slots, 42);
    assert_int_equal(options_read_slots(span_str("{\"slots\":0}"), &slots), 0);
    assert_int_equal(slots, 0);
    assert_int_equal(options_read_slots(span_str("{\"x\":1,\"slots\":1000}"), &slots), 0);
    assert_int_equal(slots, 1000);
}

static void a_heartbeat_may_name_relays_anew(void **state)
{
    static const char *const bad[] = {"{\"slots\":1,\"relay\":3}", "{\"slots\":1,\"relay\":[3]}",
                                      "{\"slots\":1,\"relay\":[\"0123456789ABCDEF\"]}"};
    struct worker_options options = {.relay_count = 1};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(options_read_relays(span_str(bad[i]), &options), -1);
    assert_int_equal(options_read_relays(span_str("{\"slots\":1}"), &options), 0);
    assert_int_equal(options.relay_count, 1);
    assert_int_equal(
        options_read_relays(
            span_str("{\"relay\":[\"0123456789abcdef\",\"fedcba9876543210\"],\"slots\":1}"),
            &options),
        1);
    assert_int_equal(options.relay_count, 2);
    assert_string_equal(options.relay[1], "fedcba9876543210");
    assert_int_equal(options_read_relays(span_str("{\"slots\":1,\"relay\":[]}"), &options), 1);
    assert_int_equal(options.relay_count, 0);
}

static void bad_options_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{",
        "[]",
        "null",
        " ",
        "{\"format\":\"relays\"}",
        "{\"relay\":\"0123456789abcdef\"}",
        "{\"relay\":[1]}",
        "{\"relay\":[\"0123456789abcde\"]}",
        "{\"relay\":[\"0123456789abcdef0\"]}",
        "{\"relay\":[\"0123456789ABCDEF\"]}",
        "\xff",
        "{\"name\":7}",
        "{\"name\":null}",
        "{\"slots\":0}",
        "{\"slots\":-1}",
        "{\"slots\":1001}",
        "{\"slots\":1e2}",
        "{\"slots\":\"1\"}",
        "{\"slots\":99999999999999999999}",
        "{\"heartbeats\":1}",
        "{\"heartbeats\":null}",
        "{\"interval\":99}",
        "{\"interval\":60001}",
        "{\"interval\":true}",
        "{\"slots\":1,\"slots\":0}",
        "{\"holding\":{}}",
        "{\"holding\":null}",
        "{\"holding\":\"1.1.AAAAAAAAAAAAAAAAAAAAAA\"}",
        "{\"holding\":[1]}",
        "{\"holding\":[\"a\",null]}",
        "{\"holding\":[[\"a\"]]}",
        "{\"adapter\":\"\"}",
        "{\"adapter\":7}",
        "{\"adapter\":\"TCP\"}",
        "{\"adapter\":\"a b\"}",
        "{\"adapter\":\"abcdefghijklmnopqrstuvwxyz-0123456\"}",
        "{\"format\":\"json\"}",
        "{\"format\":\"\"}",
        "{\"batches\":1}",
        "{\"format\":null}",
        "{\"format\":true}",
        "{\"format\":[\"query\"]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct worker_options options = {"untouched", 42,    true, 42, {NULL, 0}, true,
                                         "x",         false, {""}, 0,  true};
        assert_int_equal(options_read(span_str(bad[i]), &options), -1);
        assert_string_equal(options.name, "untouched");
        assert_int_equal(options.slots, 42);
    }
}

static void options_beyond_their_size_are_refused(void **state)
{
    (void)state;
    struct worker_options options;
    struct buffer json;
    buffer_init(&json);
    buffer_text(&json, "{}");
    while (json.size < LIMIT_OPTIONS_SIZE)
        buffer_byte(&json, ' ');
    assert_int_equal(options_read(buffer_span(&json), &options), 0);
    buffer_byte(&json, ' ');
    assert_int_equal(options_read(buffer_span(&json), &options), -1);
    buffer_done(&json);
}

#define MAC "AAAAAAAAAAAAAAAAAAAAAA"

static void holding_gives_the_tokens_and_passes_over_the_rest(void **state)
{
    (void)state;
    struct worker_options options;
    struct token token;
    struct span json =
        span_str("{\"holding\": [ \"17.2." MAC "\" , \"\", \"no token\",\"] , \\\"\","
                 "\"\\u0031.1." MAC "\",\"0.1." MAC "\",\"1.1." MAC
                 "A\",\"9223372036854775807.4294967295." MAC "\" ] }");
    assert_int_equal(options_read(json, &options), 0);
    struct span rest = options.holding;
    assert_true(options_holding(&rest, &token));
    assert_int_equal(token.message_id, 17);
    assert_int_equal(token.attempt, 2);
    assert_true(options_holding(&rest, &token));
    assert_int_equal(token.message_id, 1);
    assert_true(options_holding(&rest, &token));
    assert_int_equal(token.message_id, INT64_MAX);
    assert_false(options_holding(&rest, &token));
    assert_false(options_holding(&rest, &token));
    rest = span_of(NULL, 0);
    assert_false(options_holding(&rest, &token));
}

static void holding_beyond_the_slots_there_are_is_refused(void **state)
{
    (void)state;
    struct worker_options options;
    struct buffer json;
    buffer_init(&json);
    buffer_text(&json, "{\"holding\":[\"\"");
    for (int i = 1; i < LIMIT_SLOTS; i++)
        buffer_text(&json, ",\"\"");
    size_t size = json.size;
    buffer_text(&json, "]}");
    assert_int_equal(options_read(buffer_span(&json), &options), 0);
    json.size = size;
    buffer_text(&json, ",\"\"]}");
    assert_int_equal(options_read(buffer_span(&json), &options), -1);
    buffer_done(&json);
}

/* The longest tokens, one more than there may be, and the longest name. */
static void fullest_ready_is_read(void **state)
{
    (void)state;
    struct worker_options options = {"", LIMIT_SLOTS, true, 60000, {NULL, 0}, true,
                                     "", false,       {""}, 0,     true};
    static struct span token[LIMIT_SLOTS + 2];
    struct buffer holding, json;
    struct token read;
    size_t count = 0;
    buffer_init(&holding);
    buffer_init(&json);
    memset(options.name, '"', LIMIT_WORKER_NAME);
    token[0] = span_str("no token at all, however long it may be, takes the place of one");
    for (size_t i = 1; i < LIMIT_SLOTS + 2; i++)
        token[i] = span_str("9223372036854775807.4294967295." MAC);
    assert_int_equal(options_hold(token, LIMIT_SLOTS + 2, &holding), LIMIT_SLOTS);
    options.holding = buffer_span(&holding);
    options_write(&options, &json);
    assert_true(json.size <= LIMIT_OPTIONS_SIZE);
    assert_int_equal(options_read(buffer_span(&json), &options), 0);
    struct span rest = options.holding;
    while (options_holding(&rest, &read))
        count++;
    assert_int_equal(count, LIMIT_SLOTS);
    buffer_done(&json);
    buffer_done(&holding);
}

static void name_is_cut_on_a_code_point_and_cleaned(void **state)
{
    (void)state;
    struct worker_options options;
    struct buffer json;
    buffer_init(&json);
    buffer_text(&json, "{\"name\":\"");
    for (int i = 0; i < 63; i++)
        buffer_byte(&json, 'n');
    buffer_text(&json, "\xc3\xbctail\"}");
    assert_int_equal(options_read(buffer_span(&json), &options), 0);
    assert_int_equal(strlen(options.name), 63);
    buffer_done(&json);
    assert_int_equal(
        options_read(span_str("{\"name\":\"a\\n\\u001b[2J\\u007f\\u0085z\"}"), &options), 0);
    assert_string_equal(options.name, "a??[2J??z");
    assert_int_equal(options_read(span_str("{\"name\":\"a\\u0000\"}"), &options), 0);
    assert_string_equal(options.name, "a\xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_is_the_defaults),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_heartbeat_may_name_relays_anew),
        cmocka_unit_test(bad_options_are_refused_and_change_nothing),
        cmocka_unit_test(a_heartbeat_says_how_many_queries_are_taken_at_once),
        cmocka_unit_test(options_beyond_their_size_are_refused),
        cmocka_unit_test(holding_gives_the_tokens_and_passes_over_the_rest),
        cmocka_unit_test(holding_beyond_the_slots_there_are_is_refused),
        cmocka_unit_test(fullest_ready_is_read),
        cmocka_unit_test(name_is_cut_on_a_code_point_and_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
