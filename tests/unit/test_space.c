#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <ctype.h>

#include "proto/space.h"

static void json_has_four_and_text_six(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool json = byte != 0 && strchr(" \t\n\r", byte) != NULL;
        assert_int_equal(space_in_json((char)byte), json);
        /* isspace() of the C locale, which is that of this program. */
        assert_int_equal(space_in_text((char)byte), isspace(byte) != 0);
    }
}

static void ends_are_trimmed_and_the_inside_stays(void **state)
{
    (void)state;
    assert_true(span_is(space_trim(span_str(" \t\n\v\f\ra \t b\r\n")), "a \t b"));
    assert_true(span_is(space_skip(span_str(" \t\n\v\f\ra \t b\r\n")), "a \t b\r\n"));
    assert_true(span_is(space_trim(span_str("a")), "a"));
    assert_int_equal(space_trim(span_str(" \n ")).size, 0);
    assert_int_equal(space_trim(span_of(NULL, 0)).size, 0);
}

static void nothing_and_blanks_are_only_space_and_a_nul_is_not(void **state)
{
    (void)state;
    assert_true(space_only(span_of(NULL, 0)));
    assert_true(space_only(span_str(" \t\n\v\f\r")));
    assert_false(space_only(span_str("  x ")));
    assert_false(space_only(span_of(" \0 ", 3)));
    assert_false(space_only(span_str("\xc2\xa0"))); /* a no-break space is text */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_four_and_text_six),
        cmocka_unit_test(ends_are_trimmed_and_the_inside_stays),
        cmocka_unit_test(nothing_and_blanks_are_only_space_and_a_nul_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
