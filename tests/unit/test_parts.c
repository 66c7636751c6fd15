/* What is known of the rows that parts are about: for a second, and of no other row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/parts.h"

static struct parts parts;

static int set_up(void **state)
{
    (void)state;
    memset(&parts, 0, sizeof parts);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    parts_done(&parts);
    return 0;
}

static const struct token_digest digest = {.bytes = {1, 2, 3}};

static void a_row_is_known_until_it_was_read_a_second_ago(void **state)
{
    const struct part_row *row;

    (void)state;
    assert_null(parts_find(&parts, 0, 7));
    parts_keep(&parts, 1000, 7, span_str("conv"), &digest, true);
    row = parts_find(&parts, 1000 + PARTS_FRESH_US - 1, 7);
    assert_non_null(row);
    assert_memory_equal(&row->digest, &digest, sizeof digest);
    assert_true(row->raw);
    assert_true(span_equal(span_of(row->conversation_id, row->size), span_str("conv")));
    assert_null(parts_find(&parts, 1000 + PARTS_FRESH_US, 7));
}

static void a_row_is_never_taken_for_another_one(void **state)
{
    (void)state;
    parts_keep(&parts, 1000, 7, span_str("conv"), &digest, false);
    assert_null(parts_find(&parts, 1000, 8));
    assert_null(parts_find(&parts, 1000, 7 + PARTS));
    parts_keep(&parts, 1000, 7 + PARTS, span_str("other"), &digest, false);
    assert_null(parts_find(&parts, 1000, 7));
    assert_non_null(parts_find(&parts, 1000, 7 + PARTS));
}

static void a_conversation_without_room_is_not_kept_half(void **state)
{
    char text[LIMIT_CONVERSATION_ID + 1];

    (void)state;
    memset(text, 'c', sizeof text);
    parts_keep(&parts, 1000, 7, span_of(text, sizeof text), &digest, false);
    assert_null(parts_find(&parts, 1000, 7));
    parts_keep(&parts, 1000, 7, span_of(text, sizeof text - 1), &digest, false);
    assert_int_equal(parts_find(&parts, 1000, 7)->size, LIMIT_CONVERSATION_ID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_is_known_until_it_was_read_a_second_ago, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_row_is_never_taken_for_another_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_conversation_without_room_is_not_kept_half, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
