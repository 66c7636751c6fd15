/* The histogram's buckets, and the share of the last seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/duty.h"
#include "gateway/histogram.h"

#define SECOND INT64_C(1000000)

static void a_value_counts_in_the_first_bucket_whose_bound_it_does_not_exceed(void **state)
{
    (void)state;
    struct histogram histogram;
    for (int64_t value = 0; value <= 13000; value++) {
        histogram_init(&histogram, 100, 7);
        histogram_add(&histogram, value);
        size_t index = 0;
        while (index < 7 && (uint64_t)value > histogram_bound(&histogram, index))
            index++;
        assert_int_equal(histogram.count[index], 1);
        assert_int_equal(histogram_total(&histogram), 1);
        assert_int_equal(histogram.sum, value);
    }
}

static void bounds_double(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram, 100, 26);
    assert_int_equal(histogram_bound(&histogram, 0), 100);
    assert_int_equal(histogram_bound(&histogram, 1), 200);
    assert_int_equal(histogram_bound(&histogram, 25), INT64_C(100) << 25);
}

static void a_bound_itself_is_within_its_bucket(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram, 1, HISTOGRAM_BOUNDS_MAX);
    for (size_t i = 0; i < HISTOGRAM_BOUNDS_MAX; i++) {
        histogram_add(&histogram, (int64_t)histogram_bound(&histogram, i));
        assert_int_equal(histogram.count[i], 1);
    }
    assert_int_equal(histogram.count[HISTOGRAM_BOUNDS_MAX], 0);
}

static void a_clock_that_was_set_back_counts_as_nothing(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram, 100, 26);
    histogram_add(&histogram, -1);
    histogram_add(&histogram, INT64_MIN);
    assert_int_equal(histogram.count[0], 2);
    assert_int_equal(histogram.sum, 0);
}

static void a_clock_that_is_wrong_by_years_does_not_spoil_the_sum(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram, 100, 26);
    histogram_add(&histogram, INT64_MAX);
    assert_int_equal(histogram.count[26], 1);
    assert_int_equal(histogram.sum, HISTOGRAM_VALUE_MAX);
}

static void the_share_is_of_the_last_ten_seconds(void **state)
{
    (void)state;
    struct duty duty = {.second = {0}};
    const int64_t start = 1000 * SECOND;
    assert_true(duty_share(&duty, start) == 0.0);
    duty_add(&duty, start, start + SECOND / 2); /* half of the first second */
    assert_true(duty_share(&duty, start + SECOND - 1) > 0.049);
    assert_true(duty_share(&duty, start + SECOND - 1) < 0.051);
    assert_true(duty_share(&duty, start + 10 * SECOND - 1) > 0.049);
    assert_true(duty_share(&duty, start + 10 * SECOND) == 0.0);
}

static void what_lasts_over_several_seconds_counts_in_each(void **state)
{
    (void)state;
    struct duty duty = {.second = {0}};
    const int64_t start = 1000 * SECOND;
    duty_add(&duty, start + SECOND / 2, start + 3 * SECOND + SECOND / 2);
    assert_true(duty_share(&duty, start + 10 * SECOND - 1) > 0.299);
    assert_true(duty_share(&duty, start + 11 * SECOND) > 0.16); /* 1.5 of 9 s are left */
    assert_true(duty_share(&duty, start + 11 * SECOND) < 0.17);
}

static void what_lasts_for_ever_is_the_whole(void **state)
{
    (void)state;
    struct duty duty = {.second = {0}};
    const int64_t start = 1000 * SECOND + 7;
    duty_add(&duty, 0, start);
    assert_true(duty_share(&duty, start) == 1.0);
    duty_add(&duty, start, start + 100 * SECOND);
    assert_true(duty_share(&duty, start + 100 * SECOND) == 1.0);
    assert_true(duty_share(&duty, start + 200 * SECOND) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_counts_in_the_first_bucket_whose_bound_it_does_not_exceed),
        cmocka_unit_test(bounds_double),
        cmocka_unit_test(a_bound_itself_is_within_its_bucket),
        cmocka_unit_test(a_clock_that_was_set_back_counts_as_nothing),
        cmocka_unit_test(a_clock_that_is_wrong_by_years_does_not_spoil_the_sum),
        cmocka_unit_test(the_share_is_of_the_last_ten_seconds),
        cmocka_unit_test(what_lasts_over_several_seconds_counts_in_each),
        cmocka_unit_test(what_lasts_for_ever_is_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
