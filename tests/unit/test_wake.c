/* When to look for a commit: W1 to W3 of wake.h, the times of a series, and the safety net. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/bridge/wake.h"

#define START_US INT64_C(5000000)

/* A policy that has had its first check, with nothing found. */
static struct wake quiet(void)
{
    struct wake wake;
    wake_init(&wake, START_US);
    wake_checked(&wake, START_US, false);
    return wake;
}

/* Checks at the times the policy asks for until END_US, finding nothing; returns how often. */
static unsigned check_until(struct wake *wake, int64_t end_us)
{
    unsigned checks = 0;
    while (wake_next(wake) <= end_us) {
        int64_t at_us = wake_next(wake);
        assert_true(wake_due(wake, at_us));
        assert_false(wake_due(wake, at_us - 1));
        wake_checked(wake, at_us, false);
        assert_true(wake_next(wake) > at_us);
        checks++;
    }
    return checks;
}

static void the_first_check_is_due_at_once(void **state)
{
    struct wake wake;
    (void)state;
    wake_init(&wake, START_US);
    assert_true(wake_due(&wake, START_US));
    wake_checked(&wake, START_US, true);
    assert_false(wake_due(&wake, START_US));
    assert_int_equal(wake.net_hits, 0);
    assert_int_equal(wake.proofs, 1);
}

static void without_hints_only_the_safety_net_looks(void **state)
{
    struct wake wake = quiet();
    (void)state;
    assert_true(wake_next(&wake) == START_US + WAKE_NET_US);
    assert_int_equal(check_until(&wake, START_US + 60 * 1000000), 60 * 2);
    assert_int_equal(wake.rechecks, 0);
}

static void what_the_safety_net_finds_is_counted(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_checked(&wake, START_US + WAKE_NET_US, true);
    assert_int_equal(wake.net_hits, 1);
    assert_int_equal(wake.proofs, 1);
    wake_checked(&wake, START_US + 2 * WAKE_NET_US, false);
    assert_int_equal(wake.net_hits, 1);
}

static void a_hint_is_followed_by_checks_that_slow_down(void **state)
{
    struct wake wake = quiet();
    int64_t at_us = START_US + 100, pause_us = WAKE_FIRST_US;
    (void)state;
    wake_hint(&wake, at_us);
    assert_true(wake_next(&wake) == at_us); /* at once */
    for (int i = 0; i < 40; i++) {
        wake_checked(&wake, at_us, false);
        assert_true(wake_next(&wake) == at_us + pause_us);
        at_us += pause_us;
        pause_us += pause_us / WAKE_GROWTH;
        if (pause_us > WAKE_SLOWEST_US)
            pause_us = WAKE_SLOWEST_US;
    }
    assert_int_equal(pause_us, WAKE_SLOWEST_US);
    assert_int_equal(wake.rechecks, 40);
}

static void what_becomes_visible_is_seen_a_quarter_later_at_most(void **state)
{
    (void)state;
    for (int64_t after_us = 0; after_us < 150000; after_us += after_us / 50 + 1) {
        struct wake wake = quiet();
        int64_t at_us = START_US;
        wake_hint(&wake, START_US);
        while (at_us < START_US + after_us) {
            wake_checked(&wake, at_us, false);
            at_us = wake_next(&wake);
        }
        assert_true(at_us - START_US - after_us <= after_us / 4 + WAKE_FIRST_US);
    }
}

static void a_hint_without_proof_is_followed_for_ten_seconds(void **state)
{
    struct wake wake = quiet();
    unsigned checks;
    (void)state;
    wake_hint(&wake, START_US);
    checks = check_until(&wake, START_US + WAKE_UNPROVEN_US);
    assert_in_range(checks, 415, 435); /* 32 that slow down, then one in 25 ms */
    assert_false(wake.following);
    assert_int_equal(check_until(&wake, START_US + WAKE_UNPROVEN_US + 10 * WAKE_NET_US), 10);
}

static void a_proof_late_in_the_series_is_no_hit_of_the_net(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_hint(&wake, START_US);
    check_until(&wake, START_US + 9 * 1000000);
    wake_checked(&wake, wake_next(&wake), true);
    assert_int_equal(wake.net_hits, 0);
    assert_int_equal(wake.proofs, 1);
}

static void w1_a_proof_after_a_denial_ends_the_series(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_hint(&wake, START_US);
    wake_checked(&wake, START_US, false);
    wake_checked(&wake, START_US + 20, true);
    assert_false(wake.following);
    assert_true(wake_next(&wake) == START_US + 20 + WAKE_NET_US);
}

static void w1_a_hint_after_the_denial_is_not_settled_by_the_proof(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_hint(&wake, START_US);
    wake_checked(&wake, START_US, false);
    wake_hint(&wake, START_US + 10); /* a second writer */
    wake_checked(&wake, START_US + 10, true);
    assert_true(wake.following);
    assert_true(wake_next(&wake) == START_US + 10 + WAKE_FIRST_US);
}

static void w2_a_proof_that_may_hide_another_is_followed_for_one_second(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_hint(&wake, START_US);
    wake_checked(&wake, START_US, true);
    assert_true(wake_next(&wake) == START_US + WAKE_FIRST_US);
    check_until(&wake, START_US + WAKE_DOUBT_US + WAKE_SLOWEST_US);
    assert_false(wake.following);
    assert_true(wake_next(&wake) > START_US + WAKE_DOUBT_US + WAKE_SLOWEST_US);
}

static void w2_the_second_writer_is_found_within_that_second(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_hint(&wake, START_US);
    wake_checked(&wake, START_US, true);
    check_until(&wake, START_US + WAKE_DOUBT_US / 2);
    wake_checked(&wake, wake_next(&wake), true); /* after a denial: W1 */
    assert_false(wake.following);
    assert_int_equal(wake.net_hits, 0);
    assert_int_equal(wake.proofs, 2);
}

static void w3_a_close_is_one_look(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_glance(&wake);
    assert_true(wake_due(&wake, START_US));
    wake_checked(&wake, START_US + 5, false);
    assert_false(wake.following);
    assert_true(wake_next(&wake) == START_US + 5 + WAKE_NET_US);
    assert_int_equal(wake.hints, 1);
    assert_int_equal(wake.rechecks, 0);
}

static void w3_what_a_look_finds_is_no_hit_of_the_net(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_glance(&wake);
    wake_checked(&wake, START_US + 5, true);
    assert_int_equal(wake.net_hits, 0);
    assert_int_equal(wake.proofs, 1);
    assert_false(wake.following);
}

static void a_look_does_not_end_a_series(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_hint(&wake, START_US);
    wake_checked(&wake, START_US, false);
    wake_glance(&wake);
    wake_checked(&wake, START_US + 3, false);
    assert_true(wake.following);
    assert_true(wake_next(&wake) <= START_US + WAKE_SLOWEST_US);
}

static void every_hint_starts_the_series_anew(void **state)
{
    struct wake wake = quiet();
    (void)state;
    wake_hint(&wake, START_US);
    check_until(&wake, START_US + 8 * 1000000);
    wake_hint(&wake, START_US + 8 * 1000000);
    assert_true(wake_next(&wake) == START_US + 8 * 1000000);
    wake_checked(&wake, START_US + 8 * 1000000, false);
    assert_true(wake_next(&wake) == START_US + 8 * 1000000 + WAKE_FIRST_US);
    check_until(&wake, START_US + 17 * 1000000);
    assert_true(wake.following);
    assert_int_equal(wake.hints, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_check_is_due_at_once),
        cmocka_unit_test(without_hints_only_the_safety_net_looks),
        cmocka_unit_test(what_the_safety_net_finds_is_counted),
        cmocka_unit_test(a_hint_is_followed_by_checks_that_slow_down),
        cmocka_unit_test(what_becomes_visible_is_seen_a_quarter_later_at_most),
        cmocka_unit_test(a_hint_without_proof_is_followed_for_ten_seconds),
        cmocka_unit_test(a_proof_late_in_the_series_is_no_hit_of_the_net),
        cmocka_unit_test(w1_a_proof_after_a_denial_ends_the_series),
        cmocka_unit_test(w1_a_hint_after_the_denial_is_not_settled_by_the_proof),
        cmocka_unit_test(w2_a_proof_that_may_hide_another_is_followed_for_one_second),
        cmocka_unit_test(w2_the_second_writer_is_found_within_that_second),
        cmocka_unit_test(w3_a_close_is_one_look),
        cmocka_unit_test(w3_what_a_look_finds_is_no_hit_of_the_net),
        cmocka_unit_test(a_look_does_not_end_a_series),
        cmocka_unit_test(every_hint_starts_the_series_anew),
    };
    return cmocka_run_group_tests_name("wake", tests, NULL, NULL);
}
