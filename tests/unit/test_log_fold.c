/* What folding promises: the first lines of each kind are written, the rest is counted and told at
 * the window's end, and memory is bounded whatever the reasons are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/log_fold.h"

#define WARN 1
#define START INT64_C(5000000)
#define END (START + LOG_FOLD_WINDOW_US)

static struct log_fold fold;

static int fresh(void **state)
{
    (void)state;
    memset(&fold, 0, sizeof fold);
    return 0;
}

/* How many of COUNT lines are written. */
static unsigned admitted(unsigned count, int64_t now_us, const char *event, const char *why)
{
    unsigned written = 0;

    for (unsigned i = 0; i < count; i++)
        written += log_fold_admit(&fold, now_us, WARN, event, span_str(why));
    return written;
}

static void the_first_are_written_and_the_rest_is_told_at_the_end(void **state)
{
    struct log_fold_slot sum;

    (void)state;
    assert_int_equal(log_fold_due(&fold), INT64_MAX);
    assert_int_equal(admitted(LOG_FOLD_FIRST, START, "refused", "forged"), LOG_FOLD_FIRST);
    assert_int_equal(log_fold_due(&fold), INT64_MAX);
    assert_int_equal(admitted(812, START + 1, "refused", "forged"), 0);
    assert_int_equal(log_fold_due(&fold), END);
    assert_false(log_fold_take(&fold, END - 1, &sum));
    assert_true(log_fold_take(&fold, END, &sum));
    assert_string_equal(sum.event, "refused");
    assert_string_equal(sum.why, "forged");
    assert_int_equal(sum.held, 812);
    assert_int_equal(sum.level, WARN);
    assert_false(log_fold_take(&fold, INT64_MAX, &sum));
    assert_int_equal(admitted(1, END, "refused", "forged"), 1);
}

static void other_events_and_other_reasons_are_not_kept_from_being_told(void **state)
{
    (void)state;
    admitted(100, START, "refused", "forged");
    assert_int_equal(admitted(3, START, "refused", "duplicate"), 3);
    assert_int_equal(admitted(3, START, "retry", "forged"), 3);
    assert_int_equal(admitted(3, START, "retry", ""), 3);
}

static void a_window_ends_by_itself_when_nothing_was_held_back(void **state)
{
    (void)state;
    assert_int_equal(admitted(LOG_FOLD_FIRST, START, "refused", "forged"), LOG_FOLD_FIRST);
    assert_int_equal(admitted(LOG_FOLD_FIRST, END, "refused", "forged"), LOG_FOLD_FIRST);
}

static void reasons_without_end_are_a_bounded_number_of_lines(void **state)
{
    char why[400];
    unsigned written = 0;
    struct log_fold_slot sum;
    uint64_t held = 0;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(why, sizeof why, "%u", i);
        written += admitted(1, START, "failed", why);
    }
    assert_int_equal(written, LOG_FOLD_REASONS + LOG_FOLD_FIRST);
    assert_int_equal(admitted(2, START, "refused", "forged"), 2);
    while (log_fold_take(&fold, INT64_MAX, &sum))
        held += sum.held;
    assert_int_equal(written + held, 10000);
}

static void events_without_end_are_a_bounded_number_of_lines(void **state)
{
    char event[100];
    unsigned written = 0;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(event, sizeof event, "event-%u", i);
        written += admitted(1, START, event, "");
    }
    assert_int_equal(written, LOG_FOLD_SLOTS + LOG_FOLD_FIRST);
}

static void reasons_that_begin_alike_are_alike_and_any_byte_may_be_in_one(void **state)
{
    char why[1000];

    (void)state;
    memset(why, 'x', sizeof why);
    assert_true(log_fold_admit(&fold, START, WARN, "odd", span_of(why, sizeof why)));
    why[900] = 'y';
    for (unsigned i = 1; i < LOG_FOLD_FIRST; i++)
        assert_true(log_fold_admit(&fold, START, WARN, "odd", span_of(why, sizeof why)));
    assert_false(log_fold_admit(&fold, START, WARN, "odd", span_of(why, sizeof why)));
    assert_true(log_fold_admit(&fold, START, WARN, "odd", span_of("\0\xff", 2)));
    assert_true(log_fold_admit(&fold, START, WARN, "odd", span_of(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_are_written_and_the_rest_is_told_at_the_end, fresh),
        cmocka_unit_test_setup(other_events_and_other_reasons_are_not_kept_from_being_told, fresh),
        cmocka_unit_test_setup(a_window_ends_by_itself_when_nothing_was_held_back, fresh),
        cmocka_unit_test_setup(reasons_without_end_are_a_bounded_number_of_lines, fresh),
        cmocka_unit_test_setup(events_without_end_are_a_bounded_number_of_lines, fresh),
        cmocka_unit_test_setup(reasons_that_begin_alike_are_alike_and_any_byte_may_be_in_one,
                               fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
