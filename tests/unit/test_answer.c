#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/vectors.h"

#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/utf8.h"

/* A reply's two texts. */
struct composed {
    struct buffer text;
    struct buffer metadata;
    struct buffer whole;
};

static void composed_done(struct composed *self)
{
    buffer_done(&self->text);
    buffer_done(&self->metadata);
    buffer_done(&self->whole);
}

static const struct message json_query = {.kind = MESSAGE_QUERY, .query_id = {"\"q_1\"", 5}};
static const struct message plain_query = {.kind = MESSAGE_QUESTION};

static struct reply_facts facts_of(const struct message *query)
{
    struct reply_facts facts = {.message_id = 17,
                                .query = query,
                                .service = span_str("law"),
                                .worker = span_str("w1"),
                                .attempt = 2,
                                .took_us = 1234567};
    return facts;
}

/* Composes the reply to BODY and checks what holds for every reply. */
static void compose(struct span body, const struct message *query, struct composed *ret)
{
    struct reply_facts facts = facts_of(query);
    struct answer answer;
    buffer_init(&ret->text);
    buffer_init(&ret->metadata);
    buffer_init(&ret->whole);
    answer_read(body, &answer);
    assert_int_not_equal(answer.kind, ANSWER_ERROR);
    answer_compose(&answer, &facts, &ret->text, &ret->metadata, &ret->whole);
    assert_true(utf8_valid(buffer_span(&ret->text)));
    assert_null(ret->text.size ? memchr(ret->text.data, 0, ret->text.size) : NULL);
    if (query->kind == MESSAGE_QUERY)
        assert_int_equal(jtext_check(buffer_span(&ret->text)), JTEXT_OBJECT);
    assert_int_equal(jtext_check(buffer_span(&ret->metadata)), JTEXT_OBJECT);
}

static void check_error(const json_t *vector, const struct answer *answer)
{
    struct buffer reason;
    buffer_init(&reason);
    answer_reason(answer, NULL, &reason);
    vector_same(vector, "reason", buffer_span(&reason), vector_span(vector, "reason"));
    if (answer->kind == ANSWER_ERROR)
        assert_int_equal(answer->retry, json_is_true(json_object_get(vector, "retry")));
    buffer_done(&reason);
}

static void check_reply(const json_t *vector)
{
    bool plain = span_is(vector_span(vector, "query"), "plain");
    struct composed reply;
    compose(vector_span(vector, "answer"), plain ? &plain_query : &json_query, &reply);
    vector_same(vector, "text", buffer_span(&reply.text), vector_span(vector, "text"));
    if (json_object_get(vector, "metadata"))
        vector_same(vector, "metadata", buffer_span(&reply.metadata),
                    vector_span(vector, "metadata"));
    composed_done(&reply);
}

static void answers_become_what_the_vectors_say(void **state)
{
    (void)state;
    static const char *const kind[] = {"object", "json", "text", "error", "return"};
    json_t *vectors = vectors_load("answers.json"), *vector;
    size_t i;
    json_array_foreach(vectors, i, vector)
    {
        struct answer answer;
        answer_read(vector_span(vector, "answer"), &answer);
        vector_same(vector, "kind", span_str(kind[answer.kind]), vector_span(vector, "kind"));
        vector_same(vector, "token", answer.token, vector_span(vector, "token"));
        if (answer.kind == ANSWER_ERROR || answer.kind == ANSWER_RETURN)
            check_error(vector, &answer);
        else
            check_reply(vector);
    }
    json_decref(vectors);
}

static void bytes_that_python_could_not_read_are_repaired(void **state)
{
    (void)state;
    static const struct span bad[] = {{"bad \xff\xfe bytes", 12},
                                      {"a NUL \0 inside", 14},
                                      {"cut \xe2\x82", 6},
                                      {"{\"answer\": \"\xc3\x28\"}", 16},
                                      {"\0", 1},
                                      {"\xed\xa0\x80", 3},
                                      {"[\"\xff\"]", 5}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct composed reply;
        compose(bad[i], &json_query, &reply); /* asserts that it is UTF-8 without NUL */
        composed_done(&reply);
        compose(bad[i], &plain_query, &reply);
        composed_done(&reply);
    }
}

static void repaired_body_is_json_again(void **state)
{
    (void)state;
    struct buffer body;
    struct composed reply;
    buffer_init(&body);
    utf8_repair(&body, span_str("{\"answer\":\"\xff\"}"));
    compose(buffer_span(&body), &plain_query, &reply);
    assert_string_equal(reply.text.data, "\xef\xbf\xbd");
    composed_done(&reply);
    buffer_done(&body);
}

/* JSON that is nested to the limit cannot be wrapped in a response; it is passed on as text. */
static void answer_nested_to_the_limit_still_makes_a_valid_reply(void **state)
{
    (void)state;
    for (int depth = LIMIT_JSON_DEPTH - 1; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
        struct buffer body;
        struct answer answer;
        struct composed reply;
        buffer_init(&body);
        for (int i = 0; i < depth; i++)
            buffer_byte(&body, '[');
        for (int i = 0; i < depth; i++)
            buffer_byte(&body, ']');
        answer_read(buffer_span(&body), &answer);
        assert_int_equal(answer.kind, depth < LIMIT_JSON_DEPTH ? ANSWER_JSON : ANSWER_TEXT);
        compose(buffer_span(&body), &json_query, &reply);
        composed_done(&reply);
        compose(buffer_span(&body), &plain_query, &reply);
        assert_true(span_equal(buffer_span(&reply.text), buffer_span(&body)));
        composed_done(&reply);
        buffer_done(&body);
    }
}

static void query_without_id_is_answered_under_its_row(void **state)
{
    (void)state;
    const struct message query = {.kind = MESSAGE_QUERY};
    struct composed reply;
    struct span id;
    compose(span_str("{\"answer\":1,\"query_id\":\"the worker's\"}"), &query, &reply);
    assert_true(jtext_find(buffer_span(&reply.text), "query_id", &id));
    assert_true(span_is(id, "\"m17\""));
    composed_done(&reply);
}

static void seconds_are_rounded_to_three_decimals(void **state)
{
    (void)state;
    static const struct {
        int64_t took_us;
        const char *text;
    } known[] = {
        {-5, "0.000"},     {0, "0.000"},      {499, "0.000"},       {500, "0.001"},
        {999499, "0.999"}, {999500, "1.000"}, {19200000, "19.200"}, {3600000000, "3600.000"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct reply_facts facts = facts_of(&plain_query);
        struct answer answer;
        struct buffer text, metadata, whole;
        struct span took;
        buffer_init(&text);
        buffer_init(&metadata);
        buffer_init(&whole);
        facts.took_us = known[i].took_us;
        answer_read(span_str("x"), &answer);
        answer_compose(&answer, &facts, &text, &metadata, &whole);
        assert_true(jtext_find(buffer_span(&metadata), "response_time_sec", &took));
        assert_true(span_is(took, known[i].text));
        buffer_done(&text);
        buffer_done(&metadata);
    }
}

static void reason_is_cut_on_a_code_point(void **state)
{
    (void)state;
    struct buffer body, reason;
    struct answer answer;
    buffer_init(&body);
    buffer_init(&reason);
    buffer_text(&body, "{\"error\":\"x");
    for (int i = 0; i < LIMIT_REASON; i++)
        buffer_text(&body, "\xc3\xbc");
    buffer_text(&body, "\"}");
    answer_read(buffer_span(&body), &answer);
    buffer_text(&reason, "before: ");
    answer_reason(&answer, NULL, &reason);
    assert_int_equal(reason.size, 8 + LIMIT_REASON - 1);
    assert_true(utf8_valid(buffer_span(&reason)));
    assert_int_equal(strlen(reason.data), reason.size);
    buffer_done(&body);
    buffer_done(&reason);
}

static void dead_query_gets_one_form_of_error_reply(void **state)
{
    (void)state;
    struct reply_facts facts = facts_of(&json_query);
    struct buffer text, metadata;
    buffer_init(&text);
    buffer_init(&metadata);
    facts.attempt = 5;
    dead_compose(span_str("no \"luck\"\xff"), &facts, &text, &metadata);
    assert_string_equal(text.data, "{\"type\":\"error\",\"query_id\":\"q_1\",\"error\":"
                                   "\"no \\\"luck\\\"\xef\xbf\xbd\",\"attempts\":5}");
    assert_string_equal(metadata.data, "{\"in_reply_to\":17,\"service\":\"law\",\"worker\":\"w1\","
                                       "\"attempt\":5,\"response_time_sec\":1.235,\"dead\":true}");
    buffer_reset(&text);
    buffer_reset(&metadata);
    facts.query = &plain_query;
    dead_compose(span_str("no"), &facts, &text, &metadata);
    assert_string_equal(
        text.data, "{\"type\":\"error\",\"query_id\":\"m17\",\"error\":\"no\",\"attempts\":5}");
    buffer_done(&text);
    buffer_done(&metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_become_what_the_vectors_say),
        cmocka_unit_test(bytes_that_python_could_not_read_are_repaired),
        cmocka_unit_test(repaired_body_is_json_again),
        cmocka_unit_test(answer_nested_to_the_limit_still_makes_a_valid_reply),
        cmocka_unit_test(query_without_id_is_answered_under_its_row),
        cmocka_unit_test(seconds_are_rounded_to_three_decimals),
        cmocka_unit_test(reason_is_cut_on_a_code_point),
        cmocka_unit_test(dead_query_gets_one_form_of_error_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
