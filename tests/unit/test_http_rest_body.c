/* What REST makes of a body: members of a table and nothing else, written anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/http_rest_body.h"

static const struct rest_member table[] = {{"question", REST_PROSE, true, 1, 6},
                                           {"service", REST_NAME, false, 1, 4},
                                           {"ttl", REST_INTEGER, false, 60, 100},
                                           {NULL, REST_PROSE, false, 0, 0}};
static const struct rest_member optional[] = {{"role", REST_NAME, false, 1, 10},
                                              {NULL, REST_PROSE, false, 0, 0}};

static void fine(const struct rest_member *members, const char *body, const char *becomes)
{
    struct buffer json, why;

    buffer_init(&json);
    buffer_init(&why);
    buffer_text(&json, "{");
    assert_int_equal(rest_body_read(span_str(body), members, &json, &why), REST_FINE);
    assert_string_equal(json.data, becomes);
    assert_int_equal(why.size, 0);
    buffer_done(&json);
    buffer_done(&why);
}

static void refused_of(struct span body, enum rest_fault fault, const char *names)
{
    struct buffer json, why;

    buffer_init(&json);
    buffer_init(&why);
    buffer_text(&json, "{");
    assert_int_equal(rest_body_read(body, table, &json, &why), fault);
    assert_string_equal(json.data, "{");
    assert_non_null(strstr(why.data, names));
    buffer_done(&json);
    buffer_done(&why);
}

static void refused(const char *body, enum rest_fault fault, const char *names)
{
    refused_of(span_str(body), fault, names);
}

static void members_are_written_anew_in_the_order_of_the_table(void **state)
{
    (void)state;
    fine(table, " {\"ttl\" : 60, \"question\":\"a\\u0062\\n\" }\n",
         "{\"question\":\"ab\\n\",\"ttl\":60");
    fine(table, "{\"que\\u0073tion\":\"x\",\"service\":\"\xc3\xa9\"}",
         "{\"question\":\"x\",\"service\":\"\xc3\xa9\"");
    fine(optional, "", "{");
    fine(optional, "{}", "{");
}

static void a_length_is_counted_in_characters(void **state)
{
    (void)state;
    fine(table,
         "{\"question\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\\ud83d\\ude00x\"}",
         "{\"question\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80x\"");
    refused("{\"question\":\"1234567\"}", REST_TOO_LONG, "has 7");
    refused("{\"question\":\"\"}", REST_NOT_VALID, "1 to 6 characters");
    refused("{\"question\":\"a\",\"service\":\"\xc3\xa9\xc3\xa9\xc3\xa9\"}", REST_NOT_VALID,
            "\"service\"");
}

static void what_is_no_json_is_told_from_json_that_is_not_valid(void **state)
{
    char deep[400];
    (void)state;

    refused("{\"question\":\"a\"", REST_NOT_JSON, "JSON");
    refused("{\"question\":\"a\"}}", REST_NOT_JSON, "JSON");
    refused("{\"question\":\"\xff\"}", REST_NOT_JSON, "UTF-8");
    refused_of(span_of("{\"question\":\"a\0\"}", 17), REST_NOT_JSON, "JSON");
    memset(deep, '[', sizeof deep);
    refused_of(span_of(deep, sizeof deep), REST_NOT_JSON, "JSON");
    refused("[]", REST_NOT_VALID, "an object");
    refused("\"question\"", REST_NOT_VALID, "an object");
    refused("", REST_NOT_VALID, "\"question\" must be there");
}

static void unknown_and_doubled_members_are_named(void **state)
{
    (void)state;
    refused("{\"question\":\"a\",\"qestion\":1}", REST_NOT_VALID, "unknown member \"qestion\"");
    refused("{\"a\\u0000\\u202e\":1}", REST_NOT_VALID, "unknown member \"a\\u0000");
    refused("{\"question\":\"a\",\"question\":\"a\"}", REST_NOT_VALID,
            "\"question\" is there twice");
    refused("{\"question\":\"a\",\"\\u0071uestion\":\"b\"}", REST_NOT_VALID, "twice");
}

static void no_text_holds_what_the_bridge_cannot_read(void **state)
{
    (void)state;
    refused("{\"question\":\"a\\u0000\"}", REST_NOT_VALID, "U+0000");
    refused("{\"question\":\"\\ud800\"}", REST_NOT_VALID, "surrogate");
    refused("{\"question\":\"\\\\\\u0000\"}", REST_NOT_VALID, "U+0000");
    refused("{\"question\":\"a\",\"service\":\"b\\n\"}", REST_NOT_VALID, "control");
    /* The replacement character itself is a character like others. */
    fine(table, "{\"question\":\"\\uFFFD\xef\xbf\xbd\"}",
         "{\"question\":\"\xef\xbf\xbd\xef\xbf\xbd\"");
    fine(table, "{\"question\":\"\\\\ufffd\"}", "{\"question\":\"\\\\ufffd\"");
}

static void types_and_ranges_are_held(void **state)
{
    (void)state;
    refused("{\"question\":1}", REST_NOT_VALID, "a string");
    refused("{\"question\":null}", REST_NOT_VALID, "a string");
    refused("{\"question\":\"a\",\"ttl\":59}", REST_NOT_VALID, "60 to 100");
    refused("{\"question\":\"a\",\"ttl\":101}", REST_NOT_VALID, "60 to 100");
    refused("{\"question\":\"a\",\"ttl\":60.0}", REST_NOT_VALID, "whole number");
    refused("{\"question\":\"a\",\"ttl\":\"60\"}", REST_NOT_VALID, "whole number");
    refused("{\"question\":\"a\",\"ttl\":99999999999999999999}", REST_NOT_VALID, "whole number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_written_anew_in_the_order_of_the_table),
        cmocka_unit_test(a_length_is_counted_in_characters),
        cmocka_unit_test(what_is_no_json_is_told_from_json_that_is_not_valid),
        cmocka_unit_test(unknown_and_doubled_members_are_named),
        cmocka_unit_test(no_text_holds_what_the_bridge_cannot_read),
        cmocka_unit_test(types_and_ranges_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
