#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>

#include "proto/utf8.h"

static const char *const valid[] = {
    "",
    "ascii that is longer than one machine word",
    "\xc2\x80 \xdf\xbf",
    "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf",
    "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf",
    "gr\xc3\xbcn from a longer text",
};

/* Each is one valid byte, the bytes that are not UTF-8, one valid byte. */
static const char *const invalid[] = {
    "a\x80z",             /* a tail alone */
    "a\xbfz",             /* another one */
    "a\xc0\x80z",         /* overlong NUL */
    "a\xc1\xbfz",         /* overlong */
    "a\xe0\x9f\xbfz",     /* overlong, three bytes */
    "a\xf0\x8f\xbf\xbfz", /* overlong, four bytes */
    "a\xed\xa0\x80z",     /* a surrogate */
    "a\xed\xbf\xbfz",     /* the last surrogate */
    "a\xf4\x90\x80\x80z", /* above U+10FFFF */
    "a\xf5\x80\x80\x80z",
    "a\xffz",
    "a\xc3z",         /* cut, two bytes */
    "a\xe2\x82z",     /* cut, three bytes */
    "a\xf0\x9f\x98z", /* cut, four bytes */
};

static void valid_text_is_valid_and_untouched_by_repair(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        struct buffer repaired;
        buffer_init(&repaired);
        assert_true(utf8_valid(span_str(valid[i])));
        utf8_repair(&repaired, span_str(valid[i]));
        assert_true(span_is(buffer_span(&repaired), valid[i]));
        buffer_done(&repaired);
    }
}

static void invalid_text_is_refused_and_repaired(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        struct span text = span_str(invalid[i]);
        struct buffer repaired;
        buffer_init(&repaired);
        assert_false(utf8_valid(text));
        utf8_repair(&repaired, text);
        assert_true(utf8_valid(buffer_span(&repaired)));
        /* one U+FFFD for each invalid byte */
        assert_int_equal(repaired.size, 2 + 3 * (text.size - 2));
        assert_int_equal(utf8_count(buffer_span(&repaired)), text.size);
        assert_int_equal(repaired.data[0], 'a');
        assert_int_equal(repaired.data[repaired.size - 1], 'z');
        buffer_done(&repaired);
    }
}

static void sequence_cut_by_the_end_is_not_read_beyond_it(void **state)
{
    (void)state;
    const char text[] = "\xf0\x9f\x98\x80";
    for (size_t size = 1; size < 4; size++) {
        char *exact = memory_new(size); /* so that a sanitizer sees a read beyond */
        memcpy(exact, text, size);
        assert_int_equal(utf8_length(exact, size), 0);
        assert_false(utf8_valid(span_of(exact, size)));
        free(exact);
    }
    assert_int_equal(utf8_length(text, 4), 4);
}

static void nul_is_valid_but_repaired(void **state)
{
    (void)state;
    struct buffer repaired;
    buffer_init(&repaired);
    assert_true(utf8_valid(span_of("a\0b", 3)));
    utf8_repair(&repaired, span_of("a\0b", 3));
    assert_string_equal(repaired.data, "a\xef\xbf\xbd"
                                       "b");
    buffer_done(&repaired);
}

static void every_code_point_is_put_as_it_is_read(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text);
    for (unsigned code = 1; code <= 0x10ffff; code++) {
        if (code == 0xd800)
            code = 0xe000;
        buffer_reset(&text);
        utf8_put(&text, code);
        assert_true(utf8_valid(buffer_span(&text)));
        assert_int_equal(utf8_count(buffer_span(&text)), 1);
        assert_int_equal(text.size, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
    }
    buffer_done(&text);
}

static void what_is_no_character_becomes_the_replacement(void **state)
{
    (void)state;
    const unsigned bad[] = {0, 0xd800, 0xdfff, 0x110000, 0xffffffff};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char bytes[4];
        assert_int_equal(utf8_encode(bad[i], bytes), 3);
        assert_memory_equal(bytes, "\xef\xbf\xbd", 3);
    }
}

static void cut_never_splits_a_code_point(void **state)
{
    (void)state;
    struct span text = span_str("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
    const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t size = 0; size < sizeof expected / sizeof expected[0]; size++)
        assert_int_equal(utf8_cut(text, size).size, expected[size]);
}

static void control_characters_are_seen(void **state)
{
    (void)state;
    assert_true(utf8_has_control(span_str("a\x1f")));
    assert_true(utf8_has_control(span_str("a\x7f")));
    assert_true(utf8_has_control(span_str("a\xc2\x80")));
    assert_true(utf8_has_control(span_str("a\xc2\x9f")));
    assert_true(utf8_has_control(span_of("\0", 1)));
    assert_false(utf8_has_control(span_str("a \xc2\xa0 \xe2\x82\xac")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_is_valid_and_untouched_by_repair),
        cmocka_unit_test(invalid_text_is_refused_and_repaired),
        cmocka_unit_test(sequence_cut_by_the_end_is_not_read_beyond_it),
        cmocka_unit_test(nul_is_valid_but_repaired),
        cmocka_unit_test(every_code_point_is_put_as_it_is_read),
        cmocka_unit_test(what_is_no_character_becomes_the_replacement),
        cmocka_unit_test(cut_never_splits_a_code_point),
        cmocka_unit_test(control_characters_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
