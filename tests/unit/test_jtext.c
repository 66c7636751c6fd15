#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/utf8.h"

static void grammar_is_rfc_8259(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum jtext_type type;
    } known[] = {
        {"null", JTEXT_NULL},
        {" true\n", JTEXT_BOOL},
        {"false", JTEXT_BOOL},
        {"0", JTEXT_NUMBER},
        {"-0.5e+10", JTEXT_NUMBER},
        {"1E400", JTEXT_NUMBER},
        {"\"\"", JTEXT_STRING},
        {"\"\\u00e9\\\"\\/\\b\\f\\n\\r\\t \xc3\xa9 \x7f\"", JTEXT_STRING},
        {"\"\\ud800\"", JTEXT_STRING}, /* lone surrogates are the decoder's business */
        {"[]", JTEXT_ARRAY},
        {"[ 1 , [ ] , { } ]", JTEXT_ARRAY},
        {"{}", JTEXT_OBJECT},
        {"\t{ \"a\" : 1 , \"a\" : { \"b\" : [ null ] } } ", JTEXT_OBJECT},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (jtext_check(span_str(known[i].text)) != known[i].type)
            fail_msg("jtext_check says %d of %s", jtext_check(span_str(known[i].text)),
                     known[i].text);
}

static void what_rfc_8259_does_not_have_is_refused(void **state)
{
    (void)state;
    static const char *const known[] = {
        "",
        "  ",
        "nul",
        "nulll",
        "True",
        "NaN",
        "01",
        "+1",
        "-",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x10",
        "\"",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"a\x01\"",
        "\"\xff\"",
        "\"\xed\xa0\x80\"",
        "\"\xc3\"",
        "'a'",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1]",
        "{} {}",
        "1 2",
        "\xef\xbb\xbf{}", /* a byte order mark is not white space */
        "\v{}",
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (jtext_check(span_str(known[i])) != JTEXT_INVALID)
            fail_msg("jtext_check says %d of %s", jtext_check(span_str(known[i])), known[i]);
    assert_int_equal(jtext_check(span_of("\"a\0\"", 4)), JTEXT_INVALID);
    assert_int_equal(jtext_check(span_of("1\0", 2)), JTEXT_INVALID);
    assert_int_equal(jtext_check(span_of(NULL, 0)), JTEXT_INVALID);
}

/* Every proper prefix of a text lies in a block of its own size, so that a sanitizer sees a read
 * beyond its end. */
static void no_prefix_is_valid_or_read_beyond_its_end(void **state)
{
    (void)state;
    static const char text[] = "{\"a\\u00e9\\n\":[true,false,null,-1.5e-3,\"\xf0\x9f\x98\x80\"]}";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char *exact = memory_new(size);
        memcpy(exact, text, size);
        assert_int_equal(jtext_check(span_of(exact, size)), JTEXT_INVALID);
        free(exact);
    }
    assert_int_equal(jtext_check(span_str(text)), JTEXT_OBJECT);
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    for (size_t depth = 1; depth <= 100000; depth = depth < 70 ? depth + 1 : depth * 10) {
        struct buffer text;
        buffer_init(&text);
        for (size_t i = 0; i < depth; i++)
            buffer_text(&text, i % 2 ? "[" : "{\"a\":");
        buffer_text(&text, "1");
        for (size_t i = depth; i-- > 0;)
            buffer_byte(&text, i % 2 ? ']' : '}');
        bool deep = depth > LIMIT_JSON_DEPTH;
        assert_int_equal(jtext_check(buffer_span(&text)), deep ? JTEXT_INVALID : JTEXT_OBJECT);
        deep = depth > 10;
        assert_int_equal(jtext_check_depth(buffer_span(&text), 10),
                         deep ? JTEXT_INVALID : JTEXT_OBJECT);
        buffer_done(&text);
    }
    assert_int_equal(jtext_check_depth(span_str("1"), 0), JTEXT_NUMBER);
    assert_int_equal(jtext_check_depth(span_str("[]"), 0), JTEXT_INVALID);
}

/* Python's json refuses whole numbers of more than 4300 digits: one in the metadata of a reply
 * would break the bridge's fetch for ever. */
static void numbers_have_a_limit(void **state)
{
    (void)state;
    char digits[LIMIT_JSON_NUMBER + 1];
    memset(digits, '1', sizeof digits);
    assert_int_equal(jtext_check(span_of(digits, LIMIT_JSON_NUMBER)), JTEXT_NUMBER);
    assert_int_equal(jtext_check(span_of(digits, LIMIT_JSON_NUMBER + 1)), JTEXT_INVALID);
}

static void walk_brings_every_member_as_written(void **state)
{
    (void)state;
    struct span object =
        span_str(" { \"a\" : [1, \"]}\"] ,\"b\\\"\":{\"c\":\"}\"}, \"d\":-1.5 ,\"e\":\"\" }");
    static const char *const expected[] = {"\"a\"", "[1, \"]}\"]", "\"b\\\"\"", "{\"c\":\"}\"}",
                                           "\"d\"", "-1.5",        "\"e\"",     "\"\""};
    struct span name, value;
    size_t cursor = 0;
    assert_int_equal(jtext_check(object), JTEXT_OBJECT);
    for (size_t i = 0; i < 8; i += 2) {
        assert_true(jtext_next(object, &cursor, &name, &value));
        assert_true(span_is(name, expected[i]));
        assert_true(span_is(value, expected[i + 1]));
    }
    assert_false(jtext_next(object, &cursor, &name, &value));
    assert_false(jtext_next(object, &cursor, &name, &value));
    cursor = 0;
    assert_false(jtext_next(span_str("{ }"), &cursor, &name, &value));
}

static void last_member_of_a_name_is_found_escaped_or_not(void **state)
{
    (void)state;
    struct span value = span_str("untouched");
    struct span object =
        span_str("{\"type\":1,\"x\":{\"type\":2},\"t\\u0079pe\":3,\"typ\":4,\"types\":5}");
    assert_true(jtext_find(object, "type", &value));
    assert_true(span_is(value, "3"));
    value = span_str("untouched");
    assert_false(jtext_find(object, "y", &value));
    assert_true(span_is(value, "untouched"));
}

static void several_members_are_picked_in_one_walk(void **state)
{
    (void)state;
    struct span first = span_str("untouched"), second = span_str("untouched"), none = {NULL, 0};
    const struct jtext_wanted wanted[] = {{"a", &first}, {"b", &second}, {"c", &none}};
    jtext_pick(span_str("{\"b\":[1],\"a\":1,\"x\":{\"c\":0},\"\\u0061\":2}"), wanted, 2);
    assert_true(span_is(first, "2"));
    assert_true(span_is(second, "[1]"));
    jtext_pick(span_str("{\"x\":{\"c\":0}}"), wanted, 3);
    assert_true(span_is(first, "2"));
    assert_int_equal(none.size, 0);
}

/* The three values, a line of them; "-" for one that is not there. */
static const char *picked_of(const char *text, char line[100])
{
    struct span a = span_str("-"), b = a, c = a;
    const struct jtext_wanted wanted[] = {{"a", &a}, {"b", &b}, {"", &c}};
    enum jtext_type type = jtext_check_pick(span_str(text), wanted, 3);
    assert_int_equal(type, jtext_check(span_str(text)));
    snprintf(line, 100, "%.*s %.*s %.*s", (int)a.size, a.data, (int)b.size, b.data, (int)c.size,
             c.data);
    return line;
}

static void members_are_picked_while_they_are_checked(void **state)
{
    (void)state;
    char line[100];
    assert_string_equal(picked_of(" { \"b\" : [ 1 , {\"a\":7} ] , \"a\" : 1 } ", line),
                        "1 [ 1 , {\"a\":7} ] -");
    assert_string_equal(picked_of("{\"a\":{},\"x\":{\"b\":0},\"\\u0061\":\"}\"}", line),
                        "\"}\" - -");
    assert_string_equal(picked_of("{\"\":[],\"b\":null}", line), "- null []");
    assert_string_equal(picked_of("{}", line), "- - -");
    assert_string_equal(picked_of("[\"a\",{\"b\":1}]", line), "- - -");
    assert_string_equal(picked_of("[[],{}]", line), "- - -");
    assert_string_equal(picked_of("\"a\"", line), "- - -");
    (void)picked_of("{\"a\":1,\"b\":", line); /* invalid, as jtext_check() says */
    (void)picked_of("{\"a\":1}}", line);
}

static void names_are_compared_decoded(void **state)
{
    (void)state;
    assert_true(jtext_is(span_str("\"\""), ""));
    assert_false(jtext_is(span_str("\"a\""), ""));
    assert_false(jtext_is(span_str("\"\""), "a"));
    assert_false(jtext_is(span_str("\"ab\""), "a"));
    assert_false(jtext_is(span_str("\"a\""), "ab"));
    assert_true(jtext_is(span_str("\"\\ud83d\\ude00\\u00fc\""), "\xf0\x9f\x98\x80\xc3\xbc"));
    assert_true(jtext_is(span_str("\"\\/\\\\\\\"\\n\""), "/\\\"\n"));
    assert_false(jtext_is(span_str("\"a\\u0000\""), "a"));
}

static void assert_decoded(const char *literal, const char *expected)
{
    struct buffer text;
    char copy[100];
    buffer_init(&text);
    assert_int_equal(jtext_check(span_str(literal)), JTEXT_STRING);
    jtext_decode(&text, span_str(literal));
    assert_true(utf8_valid(buffer_span(&text)));
    assert_true(span_is(buffer_span(&text), expected));
    assert_int_equal(jtext_copy(span_str(literal), copy, sizeof copy), strlen(expected));
    assert_string_equal(copy, expected);
    assert_int_equal(jtext_copy(span_str(literal), copy, strlen(expected) + 1), strlen(expected));
    assert_int_equal(jtext_copy(span_str(literal), copy, strlen(expected)), -1);
    buffer_done(&text);
}

static void strings_are_decoded_and_repaired(void **state)
{
    (void)state;
    assert_decoded("\"\"", "");
    assert_decoded("\"plain\"", "plain");
    assert_decoded("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    assert_decoded("\"x\\u00FC\\u20aCy\"", "x\xc3\xbc\xe2\x82\xacy");
    assert_decoded("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
    assert_decoded("\"\\u0000\"", "\xef\xbf\xbd");
    assert_decoded("\"\\ud83d\"", "\xef\xbf\xbd");
    assert_decoded("\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd");
    assert_decoded("\"\\ud83dx\\u0041\"", "\xef\xbf\xbdxA");
    assert_decoded("\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80");
    char copy[8];
    assert_int_equal(jtext_copy(span_str("17"), copy, sizeof copy), -1);
}

static void whole_numbers_are_read_to_their_limits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t number;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"17", 17},
                {"-1", -1},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999",
                                      "1.0",
                                      "1e3",
                                      "\"1\"",
                                      "true",
                                      "-",
                                      ""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t number = 42;
        assert_int_equal(jtext_integer(span_str(good[i].text), &number), 0);
        assert_true(number == good[i].number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t number = 42;
        assert_int_equal(jtext_integer(span_str(bad[i]), &number), -1);
        assert_int_equal(number, 42);
    }
}

static void any_bytes_are_quoted_as_valid_json(void **state)
{
    (void)state;
    char bytes[256];
    struct buffer json, text, repaired;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    buffer_init(&json);
    buffer_init(&text);
    buffer_init(&repaired);
    jtext_quote(&json, span_of(bytes, sizeof bytes));
    assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_STRING);
    jtext_decode(&text, buffer_span(&json));
    utf8_repair(&repaired, span_of(bytes, sizeof bytes));
    assert_true(span_equal(buffer_span(&text), buffer_span(&repaired)));
    buffer_reset(&json);
    jtext_quote(&json, span_str("a\"b\\c\n\x1f\xc3\xbc"));
    assert_string_equal(json.data, "\"a\\\"b\\\\c\\n\\u001f\xc3\xbc\"");
    buffer_done(&json);
    buffer_done(&text);
    buffer_done(&repaired);
}

static void members_get_their_commas(void **state)
{
    (void)state;
    struct buffer json;
    buffer_init(&json);
    buffer_byte(&json, '{');
    jtext_member(&json, "a", span_str("{"));
    jtext_member_integer(&json, "b", INT64_MIN);
    jtext_member_raw(&json, "c", span_str("["));
    buffer_byte(&json, '{');
    jtext_member_raw(&json, "d", span_str("null"));
    buffer_text(&json, "}]}");
    assert_string_equal(json.data, "{\"a\":\"{\",\"b\":-9223372036854775808,\"c\":[{\"d\":null}]}");
    assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
    buffer_done(&json);
}

static void assert_members_left(const char *object, const char *expected)
{
    static const char *const except[] = {"x", "y", NULL};
    struct buffer json;
    buffer_init(&json);
    assert_int_equal(jtext_check(span_str(object)), JTEXT_OBJECT);
    buffer_byte(&json, '{');
    jtext_members_except(&json, span_str(object), except);
    buffer_byte(&json, '}');
    assert_string_equal(json.data, expected);
    buffer_done(&json);
}

static void members_are_left_out_and_the_others_kept_byte_for_byte(void **state)
{
    (void)state;
    assert_members_left("{}", "{}");
    assert_members_left("{\"x\":1}", "{}");
    assert_members_left("{ \"x\" : 1 , \"y\" : 2 }", "{}");
    assert_members_left("{ \"a\" : 1 ,\n \"b\" : 2 }", "{\"a\" : 1 ,\n \"b\" : 2}");
    assert_members_left("{\"x\":1, \"a\" : 1 , \"b\":2}", "{\"a\" : 1 , \"b\":2}");
    assert_members_left("{\"a\":1 , \"x\":1}", "{\"a\":1}");
    assert_members_left("{\"a\":1 , \"y\":{\"x\":\",\"} , \"b\":[ ],\"\\u0078\":0}",
                        "{\"a\":1,\"b\":[ ]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar_is_rfc_8259),
        cmocka_unit_test(what_rfc_8259_does_not_have_is_refused),
        cmocka_unit_test(no_prefix_is_valid_or_read_beyond_its_end),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(numbers_have_a_limit),
        cmocka_unit_test(walk_brings_every_member_as_written),
        cmocka_unit_test(last_member_of_a_name_is_found_escaped_or_not),
        cmocka_unit_test(several_members_are_picked_in_one_walk),
        cmocka_unit_test(members_are_picked_while_they_are_checked),
        cmocka_unit_test(names_are_compared_decoded),
        cmocka_unit_test(strings_are_decoded_and_repaired),
        cmocka_unit_test(whole_numbers_are_read_to_their_limits),
        cmocka_unit_test(any_bytes_are_quoted_as_valid_json),
        cmocka_unit_test(members_get_their_commas),
        cmocka_unit_test(members_are_left_out_and_the_others_kept_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
