/* What `tailgate bench` makes of what it has measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/bench/bench_stats.h"

static struct bench_spread spread_of(size_t count, const double *values)
{
    double copy[8];
    struct bench_spread spread;

    for (size_t i = 0; i < count; i++)
        copy[i] = values[i];
    bench_spread_of(copy, count, &spread);
    return spread;
}

static void the_median_is_the_one_in_the_middle(void **state)
{
    (void)state;
    struct bench_spread spread = spread_of(5, (double[]){9, 1, 7, 100, 3});
    assert_float_equal(spread.median, 7, 0);
    assert_float_equal(spread.least, 1, 0);
    assert_float_equal(spread.most, 100, 0);
}

static void the_median_of_an_even_number_is_between_the_two_in_the_middle(void **state)
{
    (void)state;
    assert_float_equal(spread_of(4, (double[]){4, 1, 2, 10}).median, 3, 0);
    assert_float_equal(spread_of(2, (double[]){5, 6}).median, 5.5, 0);
}

static void one_round_is_its_own_median_and_spread(void **state)
{
    (void)state;
    struct bench_spread spread = spread_of(1, (double[]){-2.5});
    assert_float_equal(spread.median, -2.5, 0);
    assert_float_equal(spread.least, -2.5, 0);
    assert_float_equal(spread.most, -2.5, 0);
}

static void a_percentile_is_a_value_that_was_there(void **state)
{
    (void)state;
    int64_t value[200];

    for (size_t i = 0; i < 200; i++)
        value[i] = 200 - (int64_t)i;
    bench_order(value, 200);
    assert_int_equal(value[0], 1);
    assert_int_equal(bench_percentile(value, 200, 50), 100);
    assert_int_equal(bench_percentile(value, 200, 99), 198);
    assert_int_equal(bench_percentile(value, 200, 99.9), 200);
    assert_int_equal(bench_percentile(value, 200, 100), 200);
    assert_int_equal(bench_percentile(value, 200, 0), 1);
    assert_int_equal(bench_percentile(value, 1, 99), 1);
    assert_int_equal(bench_percentile(value, 0, 99), 0);
}

static void a_target_without_another_side_is_about_the_value_itself(void **state)
{
    (void)state;
    const struct bench_target target = {.side = "tailgate", .value = "p99_us", .limit = 1000};
    struct bench_verdict verdict;

    bench_judge(&target, 1000, 1, &verdict);
    assert_true(verdict.met);
    assert_float_equal(verdict.bound, 1000, 0);
    bench_judge(&target, 1001, 1, &verdict);
    assert_false(verdict.met);
}

static void a_ratio_is_judged_with_its_slack(void **state)
{
    (void)state;
    const struct bench_target target = {
        .side = "tailgate", .value = "p50_us", .against = "bare", .limit = 1.5, .slack = 150};
    struct bench_verdict verdict;

    bench_judge(&target, 450, 200, &verdict);
    assert_true(verdict.met);
    assert_float_equal(verdict.bound, 450, 1e-9);
    assert_float_equal(verdict.ratio, 2.25, 1e-9);
    bench_judge(&target, 450.5, 200, &verdict);
    assert_false(verdict.met);
}

static void at_least_is_the_other_way_round(void **state)
{
    (void)state;
    const struct bench_target target = {
        .side = "tailgate", .value = "per_s", .against = "bare", .limit = 0.5, .at_least = true};
    struct bench_verdict verdict;

    bench_judge(&target, 50, 100, &verdict);
    assert_true(verdict.met);
    bench_judge(&target, 49, 100, &verdict);
    assert_false(verdict.met);
    bench_judge(&target, 49, 0, &verdict); /* no bare limit, no ratio */
    assert_float_equal(verdict.ratio, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_is_the_one_in_the_middle),
        cmocka_unit_test(the_median_of_an_even_number_is_between_the_two_in_the_middle),
        cmocka_unit_test(one_round_is_its_own_median_and_spread),
        cmocka_unit_test(a_percentile_is_a_value_that_was_there),
        cmocka_unit_test(a_target_without_another_side_is_about_the_value_itself),
        cmocka_unit_test(a_ratio_is_judged_with_its_slack),
        cmocka_unit_test(at_least_is_the_other_way_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
