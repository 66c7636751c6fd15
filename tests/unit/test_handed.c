/* What is known of the queries that workers have: for a second for their parts, and of no other
 * row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/handed.h"

static struct handed handed;

static int set_up(void **state)
{
    (void)state;
    memset(&handed, 0, sizeof handed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    handed_done(&handed);
    return 0;
}

static const struct token_digest digest = {.bytes = {1, 2, 3}};

static void keep(int64_t id, struct span conversation, struct span from, struct span query_id)
{
    const struct tail_row row = {.id = id,
                                 .conversation_id = conversation,
                                 .from_session = from,
                                 .to_session = span_str("b")};
    struct message message = {.kind = MESSAGE_QUERY, .ticket = true, .query_id = query_id};

    handed_keep(&handed, 1000, 7, &row, &message, &digest);
}

static void expect(const struct handed_row *known, const char *conversation, const char *from,
                   const char *query_id)
{
    struct tail_row row;
    struct message message;

    assert_non_null(known);
    assert_memory_equal(&known->digest, &digest, sizeof digest);
    assert_int_equal(known->others, 7);
    handed_show(known, &row, &message);
    assert_int_equal(row.id, known->id);
    assert_true(span_is(row.conversation_id, conversation));
    assert_true(span_is(row.from_session, from));
    assert_true(span_is(message.query_id, query_id));
    assert_int_equal(message.kind, MESSAGE_QUERY);
    assert_true(message.ticket && !message.request && !message.majordomo);
}

static void a_part_is_judged_by_what_was_read_a_second_ago_at_most(void **state)
{
    (void)state;
    assert_null(handed_part(&handed, 0, 7));
    assert_null(handed_answer(&handed, 7));
    keep(7, span_str("conv"), span_str("a"), span_str("\"q1\""));
    expect(handed_part(&handed, 1000 + HANDED_FRESH_US - 1, 7), "conv", "a", "\"q1\"");
    assert_null(handed_part(&handed, 1000 + HANDED_FRESH_US, 7));
    expect(handed_answer(&handed, 7), "conv", "a", "\"q1\"");
}

static void a_row_is_never_taken_for_another_one(void **state)
{
    (void)state;
    keep(7, span_str("conv"), span_str("a"), span_str("1"));
    assert_null(handed_part(&handed, 1000, 8));
    assert_null(handed_answer(&handed, 7 + HANDED));
    keep(7 + HANDED, span_str("other"), span_str(""), span_str(""));
    assert_null(handed_part(&handed, 1000, 7));
    assert_null(handed_answer(&handed, 7));
    expect(handed_answer(&handed, 7 + HANDED), "other", "", "");
}

static void what_has_no_room_is_not_kept_half(void **state)
{
    static char text[2 * HANDED_TEXT];
    const size_t room = HANDED_TEXT - LIMIT_CONVERSATION_ID - 1; /* beside session b */

    (void)state;
    memset(text, 'c', sizeof text - 1);
    keep(7, span_of(text, LIMIT_CONVERSATION_ID + 1), span_str("a"), span_str("1"));
    assert_null(handed_part(&handed, 1000, 7));
    keep(7, span_of(text, LIMIT_CONVERSATION_ID), span_str(""), span_of(text, room + 1));
    assert_non_null(handed_part(&handed, 1000, 7)); /* parts ask for no more than this */
    assert_null(handed_answer(&handed, 7));
    keep(7, span_of(text, LIMIT_CONVERSATION_ID), span_str(""), span_of(text, room));
    assert_non_null(handed_answer(&handed, 7));
    keep(7, span_str("c"), span_of(text, sizeof text - 1), span_of(NULL, 0));
    assert_null(handed_answer(&handed, 7));
    keep(7, span_str("c"), span_str("a"), span_of(text, sizeof text - 1));
    assert_null(handed_answer(&handed, 7));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_part_is_judged_by_what_was_read_a_second_ago_at_most),
        TEST(a_row_is_never_taken_for_another_one),
        TEST(what_has_no_room_is_not_kept_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
