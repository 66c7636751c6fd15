#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "adapters/text/redact.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

static struct redact *redact;
static struct buffer result;

static int set_up(void **state)
{
    (void)state;
    redact = redact_new(true);
    buffer_init(&result);
    return redact ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    redact_destroy(&redact);
    buffer_done(&result);
    return 0;
}

/* TEXT must become EXPECTED by COUNT replacements. */
static void becomes(const char *text, const char *expected, int count)
{
    buffer_reset(&result);
    assert_int_equal(redact_text(redact, span_str(text), &result), count);
    assert_string_equal(count ? result.data : text, expected);
    assert_true(count > 0 || result.size == 0);
}

static void json_becomes(const char *json, const char *expected, int count)
{
    assert_int_not_equal(jtext_check(span_str(json)), JTEXT_INVALID);
    buffer_reset(&result);
    assert_int_equal(redact_json(redact, span_str(json), &result), count);
    assert_string_equal(count ? result.data : json, expected);
    assert_int_not_equal(jtext_check(span_str(expected)), JTEXT_INVALID);
}

static void each_rule_replaces_what_it_names(void **state)
{
    (void)state;
    becomes("id AKIAIOSFODNN7EXAMPLE.", "id AWS_KEY_REDACTED.", 1);
    becomes("a -----BEGIN RSA PRIVATE KEY-----\nM-II\n-----END RSA PRIVATE KEY----- b",
            "a PRIVATE_KEY_REDACTED b", 1);
    becomes("Authorization: Bearer ab-c.d~e+f/g_==!", "Authorization: BEARER_TOKEN_REDACTED!", 1);
    becomes("PassWord : hunter2 and more", "PASSWORD_REDACTED and more", 1);
    becomes("api_key=a API-KEY:\"b\" apikey c",
            "API_KEY_REDACTED API_KEY_REDACTED\" API_KEY_REDACTED", 3);
    becomes("SECRET=\n x, client_secret: y", "SECRET_REDACTED client_SECRET_REDACTED", 2);
    becomes("ghp_0123456789abcdefghijABCDEFGHIJ012345.", "GITHUB_TOKEN_REDACTED.", 1);
    becomes("sk-0123456789abcdefghijABCDEFGHIJ0123456789abcdefgh.", "OPENAI_KEY_REDACTED.", 1);
}

static void what_only_resembles_a_secret_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "a",
                                        "password",
                                        "the password",
                                        "secret",
                                        "secrets: x",
                                        "AKIAIOSFODNN7EXAMPL",
                                        "akiaiosfodnn7example",
                                        "-----BEGIN PRIVATE KEY----- without an end",
                                        "-----BEGINPRIVATE KEY-----x-----ENDPRIVATE KEY-----",
                                        "Bearer",
                                        "Bearer !",
                                        "bearer abc",
                                        "api__key=x",
                                        "ghp_0123456789abcdefghijABCDEFGHIJ01234",
                                        "password\"\"  \n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        becomes(texts[i], texts[i], 0);
}

static void rules_follow_each_other_in_their_order(void **state)
{
    (void)state;
    becomes("password=AKIAIOSFODNN7EXAMPLE", "PASSWORD_REDACTED", 2);
    becomes("secret: password: x", "SECRET_REDACTED", 2);
    becomes("password: Bearer abc x", "PASSWORD_REDACTED x", 2);
}

static void json_stays_json_where_the_text_would_not(void **state)
{
    (void)state;
    json_becomes("{\"password\": \"hunter2\", \"n\": 1.50}",
                 "{\"password\": \"PASSWORD_REDACTED\", \"n\": 1.50}", 1);
    json_becomes("[\"see password: a\\\"b\", \"\\u00e9\"]",
                 "[\"see PASSWORD_REDACTED\\\"b\", \"\\u00e9\"]", 1);
    json_becomes("\"secret=\\u0041\"", "\"SECRET_REDACTED\"", 1);
    json_becomes("{\"a\":{\"b\":[{\"c\":\"Bearer x\"}]}}",
                 "{\"a\":{\"b\":[{\"c\":\"BEARER_TOKEN_REDACTED\"}]}}", 1);
    json_becomes(" {\"a\" : [1e5 ,\"\\/\", null]} ", " {\"a\" : [1e5 ,\"\\/\", null]} ", 0);
}

static void value_under_the_name_of_a_secret_is_one(void **state)
{
    (void)state;
    json_becomes("{\"db_PASSWORD\":\"a b\"}", "{\"db_PASSWORD\":\"PASSWORD_REDACTED b\"}", 1);
    json_becomes("{\"api_key\":\"a\",\"api-key\":\"b\",\"apikey\":\"c\",\"x\":\"d\"}",
                 "{\"api_key\":\"API_KEY_REDACTED\",\"api-key\":\"API_KEY_REDACTED\","
                 "\"apikey\":\"API_KEY_REDACTED\",\"x\":\"d\"}",
                 3);
    json_becomes("{\"client\\u005fsecret\":\" = x\"}",
                 "{\"client\\u005fsecret\":\"SECRET_REDACTED\"}", 1);
    json_becomes("{\"password\":\"AKIAIOSFODNN7EXAMPLE\"}", "{\"password\":\"PASSWORD_REDACTED\"}",
                 2);
}

static void value_that_the_name_does_not_reach_stays(void **state)
{
    (void)state;
    json_becomes("{\"password\":\"\"}", "{\"password\":\"\"}", 0);
    json_becomes("{\"password\":\" \\\" \"}", "{\"password\":\" \\\" \"}", 0);
    json_becomes("{\"password\":12345}", "{\"password\":12345}", 0);
    json_becomes("{\"password\":[\"a\"]}", "{\"password\":[\"a\"]}", 0);
    json_becomes("{\"passwords\":\"a\",\"secret_of\":\"b\"}",
                 "{\"passwords\":\"a\",\"secret_of\":\"b\"}", 0);
    json_becomes("[\"password\",\"a\"]", "[\"password\",\"a\"]", 0);
}

static void name_that_is_a_secret_is_replaced(void **state)
{
    (void)state;
    json_becomes("{\"AKIAIOSFODNN7EXAMPLE\":{\"user\":\"u\"}}",
                 "{\"AWS_KEY_REDACTED\":{\"user\":\"u\"}}", 1);
}

static void what_cannot_be_searched_is_not_passed_on(void **state)
{
    (void)state;
    becomes("password: \xff", REDACT_FAILED, 1);
    assert_int_equal(redact_failures(redact), 1);
    redact_set_limit(redact, 1);
    becomes("-----BEGIN A PRIVATE KEY-----abcdef-----END A PRIVATE KEY-----", REDACT_FAILED, 1);
    json_becomes(
        "{\"a\":\"-----BEGIN A PRIVATE KEY-----abc-----END A PRIVATE KEY-----\",\"b\":\"x\"}",
        "{\"a\":\"" REDACT_FAILED "\",\"b\":\"x\"}", 1);
    assert_int_equal(redact_failures(redact), 3);
    assert_true(redact_shows(buffer_span(&result)));
}

static void words_of_the_rules_are_known_again(void **state)
{
    (void)state;
    assert_true(redact_shows(span_str("x PASSWORD_REDACTED y")));
    assert_true(redact_shows(span_str(REDACT_FAILED)));
    assert_false(redact_shows(span_str("REDACTED")));
    assert_false(redact_shows(span_of(NULL, 0)));
}

/* Redacts a text of SIZE bytes, copies of UNIT behind HEAD; returns how many were replaced. */
static int redact_copies(const char *head, const char *unit, size_t size, bool jit)
{
    struct redact *one = redact_new(jit);
    struct buffer text;

    buffer_init(&text);
    buffer_text(&text, head);
    while (text.size < size)
        buffer_text(&text, unit);
    buffer_reset(&result);
    int count = redact_text(one, buffer_span(&text), &result);
    assert_int_equal(redact_failures(one), 0);
    redact_destroy(&one);
    buffer_done(&text);
    return count;
}

/* What takes quadratic time at this size does not end within the test's. Without JIT all is slower.
 */
static int redact_many(const char *head, const char *unit)
{
    int count = redact_copies(head, unit, 8u << 20, true);
    redact_copies(head, unit, 1u << 20, false);
    return count;
}

static void time_is_linear_whatever_stands_in_the_text(void **state)
{
    (void)state;
    assert_int_equal(redact_many("", "-----BEGIN A PRIVATE KEY-----"), 0);
    assert_int_equal(redact_many("-----BEGIN A PRIVATE KEY-----", "-----END PRIVATE KE"), 0);
    assert_int_equal(redact_many("-----BEGIN", "PRIVATE KEY"), 0);
    assert_int_equal(redact_many("", "-----BEGIN"), 0);
    assert_int_equal(redact_many("password", " "), 0);
    assert_int_equal(redact_many("password", "\""), 0);
    assert_true(redact_many("", "password ") > 400000);
    assert_true(redact_many("", "Bearer a ") > 800000);
    assert_int_equal(redact_many("Bearer ", "a"), 1);
    assert_int_equal(redact_many("secret:", "a"), 1);
}

static void hostile_json_takes_linear_time(void **state)
{
    (void)state;
    struct buffer json;
    buffer_init(&json);
    buffer_text(&json, "[\"\"");
    while (json.size < 2u << 20)
        buffer_text(&json, ",{\"password\":\"\\\"secret\"}");
    buffer_byte(&json, ']');
    assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_ARRAY);
    int count = redact_json(redact, buffer_span(&json), &result);
    assert_true(count > 50000);
    assert_int_equal(jtext_check(buffer_span(&result)), JTEXT_ARRAY);
    buffer_done(&json);
}

int main(void)
{
#define WITH_RULES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_RULES(each_rule_replaces_what_it_names),
        WITH_RULES(what_only_resembles_a_secret_stays),
        WITH_RULES(rules_follow_each_other_in_their_order),
        WITH_RULES(json_stays_json_where_the_text_would_not),
        WITH_RULES(value_under_the_name_of_a_secret_is_one),
        WITH_RULES(value_that_the_name_does_not_reach_stays),
        WITH_RULES(name_that_is_a_secret_is_replaced),
        WITH_RULES(what_cannot_be_searched_is_not_passed_on),
        WITH_RULES(words_of_the_rules_are_known_again),
        WITH_RULES(time_is_linear_whatever_stands_in_the_text),
        WITH_RULES(hostile_json_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
