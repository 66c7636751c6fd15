#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>

#include "proto/buffer.h"

static void every_call_leaves_a_c_string(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    assert_null(buffer.data);
    buffer_add(&buffer, span_of(NULL, 0));
    assert_string_equal(buffer.data, "");
    buffer_text(&buffer, "one");
    assert_string_equal(buffer.data, "one");
    buffer_byte(&buffer, '-');
    assert_string_equal(buffer.data, "one-");
    buffer_format(&buffer, "%d %s", 7, "x");
    assert_string_equal(buffer.data, "one-7 x");
    assert_int_equal(buffer.size, 7);
    buffer_reset(&buffer);
    assert_string_equal(buffer.data, "");
    assert_int_equal(buffer_span(&buffer).size, 0);
    buffer_done(&buffer);
    assert_null(buffer.data);
    buffer_done(&buffer);
}

static void growth_loses_nothing(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    for (int i = 0; i < 5000; i++) {
        size_t before = buffer.size;
        buffer_format(&buffer, "%04d", i);
        assert_int_equal(buffer.size, before + 4);
        assert_true(buffer.room > buffer.size);
    }
    for (int i = 0; i < 5000; i++) {
        char expected[12];
        snprintf(expected, sizeof expected, "%04d", i);
        assert_memory_equal(buffer.data + 4 * i, expected, 4);
    }
    buffer_done(&buffer);
}

static void any_byte_is_kept(void **state)
{
    (void)state;
    struct buffer buffer;
    char bytes[256];
    buffer_init(&buffer);
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    buffer_add(&buffer, span_of(bytes, sizeof bytes));
    assert_true(span_equal(buffer_span(&buffer), span_of(bytes, sizeof bytes)));
    char *copy = memory_text(buffer_span(&buffer));
    assert_memory_equal(copy, bytes, sizeof bytes);
    assert_int_equal(copy[256], 0);
    free(copy);
    buffer_done(&buffer);
}

static void numbers_are_written_as_printf_does(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 1, -1, 9, 10, 99, 1234567, -1234567, INT64_MAX, INT64_MIN};
    struct buffer buffer;
    char expected[32];
    buffer_init(&buffer);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        buffer_reset(&buffer);
        buffer_number(&buffer, numbers[i]);
        snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
        assert_string_equal(buffer.data, expected);
    }
    buffer_done(&buffer);
}

static void decimals_keep_their_zeros(void **state)
{
    (void)state;
    static const struct {
        int64_t number;
        unsigned decimals;
        const char *text;
    } cases[] = {
        {1234, 3, "1.234"},   {5, 3, "0.005"},
        {0, 3, "0.000"},      {-5, 1, "-0.5"},
        {120, 1, "12.0"},     {1000, 3, "1.000"},
        {-1001, 3, "-1.001"}, {INT64_MIN, 18, "-9.223372036854775808"},
    };
    struct buffer buffer;
    buffer_init(&buffer);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buffer_reset(&buffer);
        buffer_decimal(&buffer, cases[i].number, cases[i].decimals);
        assert_string_equal(buffer.data, cases[i].text);
    }
    buffer_done(&buffer);
}

static void what_is_reserved_does_not_move(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_reserve(&buffer, 1000);
    const char *data = buffer.data;
    for (int i = 0; i < 1000; i++)
        buffer_byte(&buffer, 'x');
    assert_ptr_equal(buffer.data, data);
    assert_int_equal(strlen(buffer.data), 1000);
    buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_leaves_a_c_string),
        cmocka_unit_test(growth_loses_nothing),
        cmocka_unit_test(any_byte_is_kept),
        cmocka_unit_test(numbers_are_written_as_printf_does),
        cmocka_unit_test(decimals_keep_their_zeros),
        cmocka_unit_test(what_is_reserved_does_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
