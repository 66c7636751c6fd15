/* What a worker sends again, and what it forgets (adapters/c/outbox.h). Times are the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/c/outbox.h"
#include "proto/buffer.h"

#define NOW INT64_C(5000000000)

static size_t put(struct outbox *box, const char *token, const char *text)
{
    return outbox_put(box, span_str(token), span_str(text));
}

/* The tokens of what waits must be those of EXPECTED, one letter each; the newest is named first.
 */
static void assert_waiting(const struct outbox *box, const char *expected)
{
    struct span token[8];
    size_t count = outbox_tokens(box, token, 8);
    assert_int_equal(count, strlen(expected));
    assert_int_equal(outbox_waiting(box), count);
    for (size_t i = 0; i < count; i++)
        assert_true(span_equal(token[count - 1 - i], span_of(expected + i, 1)));
    assert_true(count == 0 ? outbox_first(box) == NULL
                           : span_equal(outbox_first(box)->token, token[count - 1]));
}

static void hand_over(struct outbox *box, size_t count, int64_t now_us)
{
    for (size_t i = 0; i < count; i++)
        outbox_handed(box, now_us);
}

static void lost_connection_brings_back_what_is_in_doubt_in_its_order(void **state)
{
    (void)state;
    struct outbox box;
    outbox_init(&box, 4);
    put(&box, "a", "one");
    put(&box, "b", "two");
    put(&box, "c", "three");
    hand_over(&box, 2, NOW);
    assert_waiting(&box, "c");
    outbox_recall(&box, NOW + 1);
    assert_waiting(&box, "abc");
    hand_over(&box, 3, NOW + 2);
    assert_waiting(&box, "");
    outbox_recall(&box, NOW + 3);
    assert_waiting(&box, "abc");
    outbox_done(&box);
}

static void doubt_ends_with_time(void **state)
{
    (void)state;
    struct outbox box;
    outbox_init(&box, 4);
    put(&box, "a", "one");
    hand_over(&box, 1, NOW);
    put(&box, "b", "two");
    hand_over(&box, 1, NOW + 1);
    outbox_recall(&box, NOW + OUTBOX_DOUBT_US);
    assert_waiting(&box, "b");
    outbox_done(&box);
}

static void what_waits_is_never_forgotten_with_time(void **state)
{
    (void)state;
    struct outbox box;
    outbox_init(&box, 4);
    put(&box, "a", "one");
    outbox_forget(&box, INT64_MAX);
    outbox_recall(&box, INT64_MAX);
    assert_waiting(&box, "a");
    outbox_done(&box);
}

static void failures_and_returns_are_not_sent_twice(void **state)
{
    (void)state;
    struct outbox box;
    outbox_init(&box, 8);
    put(&box, "a", "{\"type\":\"error\",\"error\":\"x\"}");
    put(&box, "b", "{\"type\":\"return\"}");
    put(&box, "c", "{\"answer\":1}");
    put(&box, "d", "");
    put(&box, "e", "text");
    hand_over(&box, 5, NOW);
    put(&box, "f", "{\"type\":\"error\",\"error\":\"not said yet\"}");
    outbox_recall(&box, NOW);
    assert_waiting(&box, "cef");
    outbox_done(&box);
}

static void full_box_gives_up_doubt_first_and_counts_what_is_lost(void **state)
{
    (void)state;
    struct outbox box;
    outbox_init(&box, 2);
    assert_int_equal(put(&box, "a", "one"), 0);
    assert_int_equal(put(&box, "b", "two"), 0);
    hand_over(&box, 1, NOW);
    assert_int_equal(put(&box, "c", "three"), 0); /* in place of a, which was handed over */
    assert_waiting(&box, "bc");
    assert_int_equal(put(&box, "d", "four"), 1);
    assert_waiting(&box, "cd");
    outbox_done(&box);
}

static void bytes_are_bounded_too(void **state)
{
    (void)state;
    struct outbox box;
    const size_t size = OUTBOX_SIZE / 4;
    char *text = memory_zero(1, size);
    outbox_init(&box, 8);
    for (int i = 0; i < 3; i++)
        assert_int_equal(outbox_put(&box, span_str("a"), span_of(text, size)), 0);
    assert_int_equal(outbox_put(&box, span_str("b"), span_of(text, size)), 1);
    assert_waiting(&box, "aab");
    assert_true(box.bytes <= OUTBOX_SIZE);
    free(text);
    outbox_done(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_connection_brings_back_what_is_in_doubt_in_its_order),
        cmocka_unit_test(doubt_ends_with_time),
        cmocka_unit_test(what_waits_is_never_forgotten_with_time),
        cmocka_unit_test(failures_and_returns_are_not_sent_twice),
        cmocka_unit_test(full_box_gives_up_doubt_first_and_counts_what_is_lost),
        cmocka_unit_test(bytes_are_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
