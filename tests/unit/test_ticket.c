#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/ticket.h"
#include "proto/token.h"

static int setup(void **state)
{
    (void)state;
    return token_init();
}

static void ticket_is_32_upper_case_digits_and_no_two_are_the_same(void **state)
{
    (void)state;
    char ticket[TICKET_SIZE], other[TICKET_SIZE];
    for (int i = 0; i < 100; i++) {
        ticket_new(ticket);
        ticket_new(other);
        assert_int_equal(strlen(ticket), 32);
        assert_int_equal(strspn(ticket, "0123456789ABCDEF"), 32);
        assert_true(ticket_ok(span_str(ticket)));
        assert_string_not_equal(ticket, other);
    }
}

static void either_case_is_the_same_ticket(void **state)
{
    (void)state;
    char ticket[TICKET_SIZE] = "untouched";
    assert_int_equal(ticket_read(span_str("0123456789abcdefABCDEF0123456789"), ticket), 0);
    assert_string_equal(ticket, "0123456789ABCDEFABCDEF0123456789");
}

static void what_is_no_ticket_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0123456789ABCDEF0123456789ABCDE",
        "0123456789ABCDEF0123456789ABCDEF0",
        "0123456789ABCDEF0123456789ABCDEG",
        "0123456789ABCDEF0123456789ABCDE ",
        "0x23456789ABCDEF0123456789ABCDEF",
        "01234567-9ABCDEF0123456789ABCDEF",
        "\377123456789ABCDEF0123456789ABCDEF",
    };
    char ticket[TICKET_SIZE] = "untouched";
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ticket_ok(span_str(bad[i])));
        assert_int_equal(ticket_read(span_str(bad[i]), ticket), -1);
    }
    assert_false(ticket_ok(span_of("0123456789ABCDE\0000000000000000", 32)));
    assert_string_equal(ticket, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticket_is_32_upper_case_digits_and_no_two_are_the_same),
        cmocka_unit_test(either_case_is_the_same_ticket),
        cmocka_unit_test(what_is_no_ticket_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
