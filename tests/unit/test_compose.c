/* Replies redacted and cut. What they are otherwise stands in test_answer.c and the vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "adapters/text/redact.h"
#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/utf8.h"

#define U_UMLAUT "\xc3\xbc"
#define GRIN "\xf0\x9f\x98\x80"
#define AWS_KEY "AKIAIOSFODNN7EXAMPLE"

static struct redact *redact;
static struct rewriter redactor;
static struct buffer text, metadata, whole, body;

static const struct message json_query = {.kind = MESSAGE_QUERY,
                                          .query_id = {"\"" AWS_KEY "\"", 22}};
static const struct message plain_query = {.kind = MESSAGE_QUESTION};

static int set_up(void **state)
{
    (void)state;
    redact = redact_new(true);
    redactor = redact_rewriter(redact);
    buffer_init(&text);
    buffer_init(&metadata);
    buffer_init(&whole);
    buffer_init(&body);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redact_destroy(&redact);
    buffer_done(&text);
    buffer_done(&metadata);
    buffer_done(&whole);
    buffer_done(&body);
    return 0;
}

static struct reply_facts facts_of(const struct message *query)
{
    struct reply_facts facts = {.message_id = 17,
                                .query = query,
                                .service = span_str("law"),
                                .worker = span_str("w1"),
                                .attempt = 2,
                                .took_us = 1234567,
                                .redactor = &redactor};
    return facts;
}

/* Composes the reply to what is in BODY, and checks what holds for every reply. */
static int compose(const struct message *query)
{
    struct reply_facts facts = facts_of(query);
    struct answer answer;
    struct span value;
    int64_t number = -1;

    buffer_reset(&text);
    buffer_reset(&metadata);
    buffer_reset(&whole);
    answer_read(buffer_span(&body), &answer);
    int count = answer_compose(&answer, &facts, &text, &metadata, &whole);
    assert_true(utf8_valid(buffer_span(&text)) && utf8_valid(buffer_span(&whole)));
    assert_true(utf8_count(buffer_span(&text)) <= LIMIT_REPLY_CHARS);
    assert_int_equal(jtext_check(buffer_span(&metadata)), JTEXT_OBJECT);
    assert_int_equal(jtext_find(buffer_span(&metadata), "truncated", &value), whole.size > 0);
    if (whole.size) {
        assert_true(jtext_find(buffer_span(&metadata), "full_length", &value));
        assert_int_equal(jtext_integer(value, &number), 0);
        assert_true(number > 0);
    }
    if (query->kind == MESSAGE_QUERY) {
        assert_int_equal(jtext_check(buffer_span(&text)), JTEXT_OBJECT);
        assert_true(jtext_find(buffer_span(&text), "type", &value) && jtext_is(value, "response"));
        assert_true(jtext_find(buffer_span(&text), "query_id", &value));
        assert_true(jtext_find(buffer_span(&text), "answer", &value));
    }
    return count;
}

static struct span member(const struct buffer *json, const char *name)
{
    struct span value = {NULL, 0};
    jtext_find(buffer_span(json), name, &value);
    return value;
}

static int64_t full_length(void)
{
    int64_t number = -1;
    assert_int_equal(jtext_integer(member(&metadata, "full_length"), &number), 0);
    return number;
}

static void repeat(const char *unit, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_text(&body, unit);
}

static void all_that_a_worker_gives_is_redacted_but_not_the_askers_id(void **state)
{
    (void)state;
    buffer_text(&body,
                "{\"query_id\":\"" AWS_KEY "\",\"delivery\":{\"token\":\"" AWS_KEY "\"},"
                "\"answer\":{\"password\":\"p w\"},\"sources\":[\"" AWS_KEY "\"],\"n\":1.0}");
    assert_int_equal(compose(&json_query), 2);
    assert_string_equal(
        text.data, "{\"type\":\"response\",\"query_id\":\"" AWS_KEY "\","
                   "\"answer\":{\"password\":\"PASSWORD_REDACTED w\"},"
                   "\"sources\":[\"AWS_KEY_REDACTED\"],\"n\":1.0,"
                   "\"shard_id\":\"w1\",\"llm_type\":\"unknown\",\"response_time_sec\":1.235}");
    assert_int_equal(compose(&plain_query), 2);
    assert_string_equal(text.data, "{\"password\":\"PASSWORD_REDACTED w\"}");
    assert_true(span_is(member(&metadata, "sources"), "[\"AWS_KEY_REDACTED\"]"));
}

static void usage_goes_into_the_metadata_if_it_is_a_small_object(void **state)
{
    (void)state;
    static const char *const kept = "{\"total_tokens\":12,\"model\":\"m1\"}";
    buffer_format(&body, "{\"answer\":\"a\",\"usage\":%s}", kept);
    compose(&json_query);
    assert_true(span_is(member(&metadata, "usage"), kept));
    assert_true(span_is(member(&text, "usage"), kept)); /* any member stays in a response */
    compose(&plain_query);
    assert_true(span_is(member(&metadata, "usage"), kept));
    assert_string_equal(text.data, "a");
    static const char *const left_out[] = {"12", "\"12\"", "null", "[1]"};
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++) {
        buffer_reset(&body);
        buffer_format(&body, "{\"answer\":\"a\",\"usage\":%s}", left_out[i]);
        compose(&plain_query);
        assert_int_equal(member(&metadata, "usage").size, 0);
    }
    buffer_reset(&body);
    buffer_text(&body, "{\"answer\":\"a\",\"usage\":{\"model\":\"");
    repeat("m", LIMIT_USAGE);
    buffer_text(&body, "\"}}");
    compose(&plain_query);
    assert_int_equal(member(&metadata, "usage").size, 0);
}

static void text_and_bare_json_are_redacted(void **state)
{
    (void)state;
    buffer_text(&body, "the secret=x\xff here");
    assert_int_equal(compose(&plain_query), 1);
    assert_string_equal(text.data, "the SECRET_REDACTED here");
    assert_int_equal(compose(&json_query), 1);
    assert_true(jtext_is(member(&text, "answer"), "the SECRET_REDACTED here"));
    buffer_reset(&body);
    buffer_text(&body, "[\"Bearer x\"]");
    assert_int_equal(compose(&plain_query), 1);
    assert_string_equal(text.data, "[\"BEARER_TOKEN_REDACTED\"]");
}

static void names_in_metadata_are_redacted(void **state)
{
    (void)state;
    struct reply_facts facts = facts_of(&json_query);
    facts.worker = facts.service = span_str(AWS_KEY);
    assert_int_equal(dead_compose(span_str("password: x"), &facts, &text, &metadata), 3);
    assert_true(jtext_is(member(&metadata, "worker"), "AWS_KEY_REDACTED"));
    assert_true(jtext_is(member(&metadata, "service"), "AWS_KEY_REDACTED"));
    assert_true(jtext_is(member(&text, "error"), "PASSWORD_REDACTED"));
    assert_true(jtext_is(member(&text, "query_id"), AWS_KEY));
}

static void reason_is_redacted_before_it_is_cut(void **state)
{
    (void)state;
    struct answer answer;
    buffer_text(&body, "{\"error\":\"");
    repeat("x", LIMIT_REASON - 10);
    buffer_text(&body, AWS_KEY "\"}");
    answer_read(buffer_span(&body), &answer);
    answer_reason(&answer, &redactor, &text);
    assert_int_equal(text.size, LIMIT_REASON);
    assert_null(strstr(text.data, "AKIA"));
}

static void kept_answer_is_redacted_and_readable(void **state)
{
    (void)state;
    struct answer answer;
    buffer_text(&body, "{\"answer\":\"a\",\"password\":\"x\"}");
    answer_read(buffer_span(&body), &answer);
    assert_int_equal(answer_keep(&answer, &redactor, &text), 1);
    assert_string_equal(text.data, "{\"answer\":\"a\",\"password\":\"PASSWORD_REDACTED\"}");
    buffer_reset(&text);
    answer_read(span_str("secret: \xff y"), &answer);
    assert_int_equal(answer_keep(&answer, &redactor, &text), 1);
    assert_string_equal(text.data, "SECRET_REDACTED y");
    buffer_reset(&text);
    assert_int_equal(answer_keep(&answer, NULL, &text), 0);
    assert_string_equal(text.data, "secret: \xef\xbf\xbd y");
}

static void plain_text_is_cut_on_a_character(void **state)
{
    (void)state;
    repeat(U_UMLAUT, LIMIT_REPLY_CHARS);
    assert_int_equal(compose(&plain_query), 0);
    assert_int_equal(whole.size, 0);
    assert_int_equal(text.size, body.size);
    buffer_text(&body, GRIN);
    compose(&plain_query);
    assert_int_equal(utf8_count(buffer_span(&text)), LIMIT_REPLY_CHARS);
    assert_int_equal(text.size, body.size - 4);
    assert_true(span_equal(buffer_span(&whole), buffer_span(&body)));
    assert_int_equal(full_length(), LIMIT_REPLY_CHARS + 1);
}

static void cut_text_and_its_whole_are_both_redacted(void **state)
{
    (void)state;
    buffer_text(&body, "password: hunter2 ");
    repeat("x ", LIMIT_REPLY_CHARS);
    buffer_text(&body, AWS_KEY);
    assert_int_equal(compose(&plain_query), 2);
    assert_null(strstr(whole.data, "hunter2"));
    assert_null(strstr(whole.data, "AKIA"));
    assert_non_null(strstr(whole.data, "AWS_KEY_REDACTED"));
    assert_memory_equal(text.data, whole.data, text.size);
}

/* Whatever the answer's characters and escapes, from one text that fits to some that do not. */
static void answer_is_cut_so_that_the_response_stays_one(void **state)
{
    (void)state;
    static const char *const units[] = {"x",           U_UMLAUT,  GRIN,
                                        "\\n",         "\\u00fc", "\\ud83d\\ude00",
                                        "ab\\\"\\\\c", "\\ud83d", "1234567\\ud83d\\ude00"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        for (size_t shift = 0; shift < 13; shift++) {
            buffer_reset(&body);
            buffer_text(&body, "{\"answer\":\"");
            for (size_t n = 0; n < shift; n++)
                buffer_byte(&body, '.');
            repeat(units[i], LIMIT_REPLY_CHARS);
            buffer_text(&body, "\",\"sources\":[\"a.md\"],\"more\":{\"n\":1.0}}");
            compose(&json_query);
            assert_true(whole.size > text.size);
            assert_int_equal(full_length(), utf8_count(buffer_span(&whole)));
            /* At most one unit's length less than all the room. */
            assert_true(utf8_count(buffer_span(&text)) > LIMIT_REPLY_CHARS - 12);
            assert_true(span_is(member(&text, "sources"), "[\"a.md\"]"));
            assert_true(span_is(member(&text, "more"), "{\"n\":1.0}"));
            struct span cut = member(&text, "answer"), full = member(&whole, "answer");
            assert_memory_equal(cut.data, full.data, cut.size - 1);
            /* Neither a backslash alone nor half of a pair is left at its end. */
            struct buffer decoded;
            buffer_init(&decoded);
            jtext_decode(&decoded, cut);
            assert_true(i == 7 || !strstr(decoded.data, "\xef\xbf\xbd"));
            buffer_done(&decoded);
        }
    }
}

static void answer_that_is_no_string_is_cut_as_its_json(void **state)
{
    (void)state;
    buffer_text(&body, "{\"answer\":[0");
    repeat(",\"a\"", LIMIT_REPLY_CHARS);
    buffer_text(&body, "]}");
    compose(&json_query);
    assert_int_equal(jtext_type(member(&text, "answer")), JTEXT_STRING);
    assert_memory_equal(member(&text, "answer").data, "\"[0,\\\"a\\\",", 10);
    assert_int_equal(jtext_type(member(&whole, "answer")), JTEXT_ARRAY);
    buffer_reset(&body);
    buffer_text(&body, "[0");
    repeat(",1", LIMIT_REPLY_CHARS);
    buffer_text(&body, "]");
    compose(&json_query);
    assert_memory_equal(member(&text, "answer").data, "\"[0,1,", 6);
}

static void other_members_make_room_for_the_answer(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t length;
        bool sources_stay, more_stays, shard_stays;
    } huge[] = {{"sources", LIMIT_REPLY_CHARS, false, true, true},
                {"more", LIMIT_REPLY_CHARS, false, false, true},
                {"shard_id", LIMIT_REPLY_CHARS, false, false, false},
                {"sources", LIMIT_REPLY_CHARS / 4, true, true, true}};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        buffer_reset(&body);
        buffer_text(&body,
                    "{\"sources\":[\"s\"],\"more\":\"m\",\"shard_id\":\"7\",\"answer\":\"words\"");
        if (i == 3) { /* the answer itself is what is long */
            buffer_text(&body, ",\"answer\":\"");
            repeat("w", LIMIT_REPLY_CHARS);
            buffer_text(&body, "\"");
        }
        buffer_format(&body, ",\"%s\":\"", huge[i].name);
        repeat("x", huge[i].length);
        buffer_text(&body, "\"}");
        compose(&json_query);
        assert_int_equal(!span_is(member(&text, "sources"), "[]"), huge[i].sources_stay);
        assert_int_equal(member(&text, "more").size > 0, huge[i].more_stays);
        assert_int_equal(span_is(member(&text, "shard_id"), "\"7\""), huge[i].shard_stays);
        assert_true(i == 3 || jtext_is(member(&text, "answer"), "words"));
        assert_true(member(&whole, huge[i].name).size > huge[i].length);
    }
}

static void long_sources_of_a_plain_text_reply_are_kept_in_its_whole(void **state)
{
    (void)state;
    buffer_text(&body, "{\"answer\":\"words\",\"sources\":[\"");
    repeat("x", LIMIT_REPLY_CHARS);
    buffer_text(&body, "\"]}");
    compose(&plain_query);
    assert_string_equal(text.data, "words");
    assert_true(span_is(member(&metadata, "sources"), "[]"));
    assert_int_equal(full_length(), 5);
    assert_true(jtext_is(member(&whole, "answer"), "words"));
    assert_true(member(&whole, "sources").size > LIMIT_REPLY_CHARS);
}

int main(void)
{
#define WITH_RULES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_RULES(all_that_a_worker_gives_is_redacted_but_not_the_askers_id),
        WITH_RULES(usage_goes_into_the_metadata_if_it_is_a_small_object),
        WITH_RULES(text_and_bare_json_are_redacted),
        WITH_RULES(names_in_metadata_are_redacted),
        WITH_RULES(reason_is_redacted_before_it_is_cut),
        WITH_RULES(kept_answer_is_redacted_and_readable),
        WITH_RULES(plain_text_is_cut_on_a_character),
        WITH_RULES(cut_text_and_its_whole_are_both_redacted),
        WITH_RULES(answer_is_cut_so_that_the_response_stays_one),
        WITH_RULES(answer_that_is_no_string_is_cut_as_its_json),
        WITH_RULES(other_members_make_room_for_the_answer),
        WITH_RULES(long_sources_of_a_plain_text_reply_are_kept_in_its_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
