/* What a service manager is told: beats only while the committer gets on, and a status that is told
 * seldom and only when it has changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/vitals.h"

#define NOW INT64_C(1000000000)
#define WATCHDOG INT64_C(60000000)
#define HALF (WATCHDOG / 2)

static struct vitals vitals;

static void without_a_manager_nothing_is_due_or_told(void **state)
{
    (void)state;
    vitals_init(&vitals, false, WATCHDOG, NOW);
    assert_int_equal(vitals_due(&vitals), INT64_MAX);
    assert_false(vitals_beats(&vitals, NOW + WATCHDOG, 0));
    assert_false(vitals_looks(&vitals, NOW + VITALS_LOOK_US));
    assert_false(vitals_changed(&vitals, NOW, "serving"));
}

static void without_a_watchdog_there_are_no_beats(void **state)
{
    (void)state;
    vitals_init(&vitals, true, 0, NOW);
    assert_int_equal(vitals_due(&vitals), INT64_MAX);
    assert_false(vitals_beats(&vitals, NOW + WATCHDOG, 0));
}

static void it_beats_at_half_of_the_watchdogs_time(void **state)
{
    (void)state;
    vitals_init(&vitals, true, WATCHDOG, NOW);
    assert_true(vitals_beats(&vitals, NOW, 0));
    assert_int_equal(vitals_due(&vitals), NOW + HALF);
    assert_false(vitals_beats(&vitals, NOW + HALF - 1, 0));
    assert_true(vitals_beats(&vitals, NOW + HALF, 0));
}

static void a_transaction_that_does_not_end_ends_the_beats(void **state)
{
    int64_t since = NOW + 1;

    (void)state;
    vitals_init(&vitals, true, WATCHDOG, NOW);
    assert_true(vitals_beats(&vitals, since + HALF - 1, since));
    assert_true(vitals_beats(&vitals, since + WATCHDOG - 1, since));
    assert_false(vitals_beats(&vitals, since + 2 * WATCHDOG, since));
    assert_int_equal(vitals_due(&vitals), since + 2 * WATCHDOG + WATCHDOG / 10);
    assert_true(vitals_beats(&vitals, since + 3 * WATCHDOG, 0));
}

static void a_status_is_looked_at_seldom_and_told_when_it_has_changed(void **state)
{
    (void)state;
    vitals_init(&vitals, true, 0, NOW);
    assert_true(vitals_looks(&vitals, NOW));
    assert_true(vitals_changed(&vitals, NOW, "serving: 1"));
    assert_false(vitals_looks(&vitals, NOW + VITALS_LOOK_US - 1));
    assert_true(vitals_looks(&vitals, NOW + VITALS_LOOK_US));
    assert_false(vitals_changed(&vitals, NOW + VITALS_LOOK_US, "serving: 1"));
    assert_true(vitals_looks(&vitals, NOW + 2 * VITALS_LOOK_US));
    assert_true(vitals_changed(&vitals, NOW + 2 * VITALS_LOOK_US, "serving: 2"));
    assert_string_equal(vitals.status, "serving: 2");
}

static void a_long_status_is_cut_and_still_compares(void **state)
{
    char text[2 * VITALS_STATUS_SIZE];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    vitals_init(&vitals, true, 0, NOW);
    assert_true(vitals_changed(&vitals, NOW, text));
    assert_int_equal(strlen(vitals.status), VITALS_STATUS_SIZE - 1);
    assert_false(vitals_changed(&vitals, NOW, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_manager_nothing_is_due_or_told),
        cmocka_unit_test(without_a_watchdog_there_are_no_beats),
        cmocka_unit_test(it_beats_at_half_of_the_watchdogs_time),
        cmocka_unit_test(a_transaction_that_does_not_end_ends_the_beats),
        cmocka_unit_test(a_status_is_looked_at_seldom_and_told_when_it_has_changed),
        cmocka_unit_test(a_long_status_is_cut_and_still_compares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
