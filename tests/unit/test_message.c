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

static const struct delivery delivery = {
    .message_id = 17,
    .conversation_id = {"conv_\"0\"", 8},
    .bridge = {"00112233445566ff", 16},
    .service = {"law", 3},
    .from = {"a", 1},
    .attempt = 2,
    .deadline = {"2026-11-21T01:00:00.123456", 26},
    .token = {"17.2.AAAAAAAAAAAAAAAAAAAAAA", 27},
};

#define DELIVERED                                                                                  \
    "{\"message_id\":17,\"conversation_id\":\"conv_\\\"0\\\"\",\"bridge\":\"00112233445566ff\","   \
    "\"service\":\"law\",\"from\":"                                                                \
    "\"a\",\"attempt\":2,\"deadline\":\"2026-11-21T01:00:00.123456\","                             \
    "\"token\":\"17.2.AAAAAAAAAAAAAAAAAAAAAA\"}"

static struct message_row row_of(const json_t *vector)
{
    struct message_row row = {.text = vector_span(vector, "message"),
                              .text_is_text = true,
                              .metadata = vector_span(vector, "metadata"),
                              .metadata_is_text = true};
    return row;
}

/* EXPECTED has D for the value of the member delivery. */
static void check_query(const json_t *vector, const struct message_row *row,
                        const struct message *message)
{
    struct span expected = vector_span(vector, "query");
    const char *mark = expected.size ? strrchr(expected.data, 'D') : NULL;
    struct buffer query, whole;

    buffer_init(&query);
    buffer_init(&whole);
    message_compose_query(row, message, &delivery, &query);
    assert_int_equal(jtext_check(buffer_span(&query)), JTEXT_OBJECT);
    assert_null(memchr(query.data, '\n', query.size));
    if (mark) {
        buffer_add(&whole, span_of(expected.data, (size_t)(mark - expected.data)));
        buffer_text(&whole, DELIVERED);
        buffer_text(&whole, mark + 1);
        vector_same(vector, "query", buffer_span(&query), buffer_span(&whole));
    }
    buffer_done(&query);
    buffer_done(&whole);
}

static void messages_are_what_the_vectors_say(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("messages.json"), *vector;
    size_t i;
    json_array_foreach(vectors, i, vector)
    {
        struct message_row row = row_of(vector);
        struct message message;
        message_read(&row, &message);
        vector_same(vector, "kind", span_str(message_kind_name(message.kind)),
                    vector_span(vector, "kind"));
        vector_same(vector, "service", span_str(message.service), vector_span(vector, "service"));
        vector_same(vector, "query_id", message.query_id, vector_span(vector, "query_id"));
        assert_int_equal(message.metadata_odd, json_is_true(json_object_get(vector, "odd")));
        if (message_is_query(message.kind))
            check_query(vector, &row, &message);
    }
    json_decref(vectors);
}

static void only_queries_are_served(void **state)
{
    (void)state;
    for (int kind = 0; kind < MESSAGE_KINDS; kind++) {
        assert_non_null(message_kind_name((enum message_kind)kind));
        assert_int_equal(message_is_query((enum message_kind)kind),
                         kind == MESSAGE_QUERY || kind == MESSAGE_QUESTION);
    }
}

static enum message_kind kind_of(struct span text, bool is_text, const char *metadata,
                                 bool metadata_is_text)
{
    struct message_row row = {text, is_text, span_str(metadata), metadata_is_text};
    struct message message;
    message_read(&row, &message);
    return message.kind;
}

static void columns_of_other_types_are_told_apart(void **state)
{
    (void)state;
    static const char asks[] = "{\"action_type\":\"question\"}";
    assert_int_equal(kind_of(span_str("{\"type\":\"query\"}"), false, NULL, true),
                     MESSAGE_NOT_TEXT);
    assert_int_equal(kind_of(span_str("What?"), false, asks, true), MESSAGE_NOT_TEXT);
    assert_int_equal(kind_of(span_str("What?"), true, asks, true), MESSAGE_QUESTION);
    assert_int_equal(kind_of(span_str("What?"), true, asks, false), MESSAGE_OTHER);
    assert_int_equal(kind_of(span_str("\xc3\x28"), true, asks, true), MESSAGE_NOT_UTF8);
    assert_int_equal(kind_of(span_str("{\"type\":\"query\",\"x\":\"\xff\"}"), true, NULL, true),
                     MESSAGE_NOT_UTF8);
    assert_int_equal(kind_of(span_of("\0", 1), true, NULL, true), MESSAGE_OTHER);
    assert_int_equal(kind_of(span_of(NULL, 0), true, asks, true), MESSAGE_EMPTY);
}

static void query_id_beyond_its_limit_is_absent(void **state)
{
    (void)state;
    for (size_t size = LIMIT_QUERY_ID - 1; size <= LIMIT_QUERY_ID + 1; size++) {
        struct buffer text;
        struct message message;
        buffer_init(&text);
        buffer_text(&text, "{\"type\":\"query\",\"query_id\":\"");
        for (size_t i = 0; i < size - 2; i++)
            buffer_byte(&text, 'q');
        buffer_text(&text, "\"}");
        struct message_row row = {buffer_span(&text), true, {NULL, 0}, true};
        message_read(&row, &message);
        assert_int_equal(message.kind, MESSAGE_QUERY);
        assert_int_equal(message.query_id.size, size <= LIMIT_QUERY_ID ? size : 0);
        buffer_done(&text);
    }
}

static void service_has_a_limit_and_a_form(void **state)
{
    (void)state;
    char name[LIMIT_SERVICE + 1];
    memset(name, 's', sizeof name);
    assert_true(message_service_ok(span_of(name, LIMIT_SERVICE)));
    assert_false(message_service_ok(span_of(name, LIMIT_SERVICE + 1)));
    assert_true(message_service_ok(span_str("*")));
    assert_true(message_service_ok(span_str("gr\xc3\xbc\xc3\x9f"
                                            "e, all")));
    assert_false(message_service_ok(span_str("")));
    assert_false(message_service_ok(span_str("a\nb")));
    assert_false(message_service_ok(span_str("a\xc2\x85z")));
    assert_false(message_service_ok(span_str("a\xff")));
    assert_false(message_service_ok(span_str("a\xef\xbf\xbd")));
    assert_false(message_service_ok(span_of("a\0b", 3)));
}

/* A question whose metadata is nested as deeply as JSON may be cannot carry it one level down. */
static void metadata_too_deep_to_wrap_is_left_out(void **state)
{
    (void)state;
    for (int depth = LIMIT_JSON_DEPTH - 1; depth <= LIMIT_JSON_DEPTH; depth++) {
        struct buffer metadata, query;
        struct message message;
        struct span value;
        buffer_init(&metadata);
        buffer_init(&query);
        buffer_text(&metadata, "{\"action_type\":\"question\",\"x\":");
        for (int i = 1; i < depth; i++)
            buffer_byte(&metadata, '[');
        for (int i = 1; i < depth; i++)
            buffer_byte(&metadata, ']');
        buffer_byte(&metadata, '}');
        struct message_row row = {span_str("?"), true, buffer_span(&metadata), true};
        message_read(&row, &message);
        assert_int_equal(message.kind, MESSAGE_QUESTION);
        message_compose_query(&row, &message, &delivery, &query);
        assert_int_equal(jtext_check(buffer_span(&query)), JTEXT_OBJECT);
        assert_int_equal(jtext_find(buffer_span(&query), "metadata", &value),
                         depth < LIMIT_JSON_DEPTH);
        buffer_done(&metadata);
        buffer_done(&query);
    }
}

static void hostile_names_in_the_delivery_stay_inside_their_strings(void **state)
{
    (void)state;
    struct delivery hostile = delivery;
    struct message_row row = {span_str("{\"type\":\"query\"}"), true, {NULL, 0}, true};
    struct message message;
    struct buffer query;
    struct span value, from;
    buffer_init(&query);
    hostile.conversation_id = span_of("\"},\"x\":\"\xff\0\n", 12);
    hostile.from = span_str("");
    message_read(&row, &message);
    message_compose_query(&row, &message, &hostile, &query);
    assert_int_equal(jtext_check(buffer_span(&query)), JTEXT_OBJECT);
    assert_false(jtext_find(buffer_span(&query), "x", &value));
    assert_true(jtext_find(buffer_span(&query), "delivery", &value));
    assert_true(jtext_find(value, "from", &from));
    assert_true(span_is(from, "\"\""));
    assert_null(memchr(query.data, '\n', query.size));
    buffer_done(&query);
}

static void read_request(const char *text, const char *metadata, struct message *ret_message)
{
    const struct message_row row = {.text = span_str(text),
                                    .text_is_text = true,
                                    .metadata = span_str(metadata),
                                    .metadata_is_text = true};
    message_read(&row, ret_message);
}

#define GATE(more)                                                                                 \
    "{\"action_type\":\"question\",\"service\":\"law\",\"gate\":{\"protocol\":\"MDP/0.1\","        \
    "\"from\":\"uid:7\"" more "}}"

static void gate_that_is_written_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *protocol;
        bool majordomo;
    } known[] = {{"MDP/0.1", true}, {"MDP/0.2", true}, {"REQ", false}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        for (int form = BODY_TEXT; form <= BODY_BLOB; form++) {
            struct message message;
            struct buffer metadata;
            buffer_init(&metadata);
            message_compose_gate(span_str("law"), known[i].protocol, (enum body_form)form,
                                 span_str("uid:7"), span_str(""), form == BODY_BLOB, &metadata);
            read_request("?", metadata.data, &message);
            assert_true(message.request);
            assert_int_equal(message.majordomo, known[i].majordomo);
            assert_int_equal(message.body, form);
            assert_int_equal(message.ticket, form == BODY_BLOB);
            assert_int_equal(message.kind, MESSAGE_QUESTION);
            assert_string_equal(message.service, "law");
            buffer_done(&metadata);
        }
    }
}

static void gate_is_written_as_the_document_has_it(void **state)
{
    (void)state;
    struct buffer metadata;
    buffer_init(&metadata);
    message_compose_gate(span_str("la\"w"), "MDP/0.2", BODY_TEXT, span_str("tcp"), span_str(""),
                         true, &metadata);
    assert_string_equal(
        metadata.data,
        "{\"action_type\":\"question\",\"service\":\"la\\\"w\",\"gate\":{\"protocol\":"
        "\"MDP/0.2\",\"body\":\"text\",\"from\":\"tcp\",\"ticket\":true}}");
    buffer_done(&metadata);
}

static void odd_gate_makes_no_request(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",
        "{}",
        "[]",
        "{\"gate\":null}",
        "{\"gate\":\"MDP/0.1\"}",
        "{\"gate\":{}}",
        "{\"gate\":[{\"protocol\":\"REQ\",\"body\":\"blob\",\"from\":\"tcp\"}]}",
        "{\"gate\":{\"protocol\":\"MDP/0.3\",\"body\":\"blob\",\"from\":\"tcp\"}}",
        "{\"gate\":{\"protocol\":1,\"body\":\"blob\",\"from\":\"tcp\"}}",
        "{\"gate\":{\"protocol\":\"REQ\",\"body\":\"blob\"}}",
        "{\"gate\":{\"protocol\":\"REQ\",\"body\":\"blob\",\"from\":7}}",
        GATE(""),
        GATE(",\"body\":\"Blob\""),
        GATE(",\"body\":\"\""),
        GATE(",\"body\":null"),
        GATE(",\"body\":\"blob\",\"ticket\":1"),
        GATE(",\"body\":\"blob\",\"ticket\":\"true\""),
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct message message;
        read_request("{\"type\":\"query\"}", odd[i], &message);
        assert_false(message.request || message.ticket || message.majordomo);
        assert_int_equal(message.body, BODY_TEXT);
        assert_int_equal(message.kind, MESSAGE_QUERY);
    }
}

static void request_whose_body_is_no_text_is_a_question(void **state)
{
    (void)state;
    static const char *const text[] = {"{\"type\":\"query\",\"query_id\":\"q\"}", "", "{", "words",
                                       "{\"type\":\"response\"}"};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        struct message message;
        read_request(text[i], GATE(",\"body\":\"base64\""), &message);
        assert_int_equal(message.kind, MESSAGE_QUESTION);
        assert_int_equal(message.query_id.size, 0);
        read_request(text[i], GATE(",\"body\":\"blob\",\"ticket\":false"), &message);
        assert_int_equal(message.kind, MESSAGE_QUESTION);
        assert_false(message.ticket);
    }
}

static void request_in_text_is_asked_whatever_it_says(void **state)
{
    (void)state;
    static const char *const text[] = {"", " \n", "{", "words", "{\"type\":\"response\"}", "[]"};
    struct message message;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        read_request(text[i], GATE(",\"body\":\"text\""), &message);
        assert_true(message.request);
        assert_int_equal(message.kind, MESSAGE_QUESTION);
    }
    read_request("{\"type\":\"query\",\"query_id\":7}", GATE(",\"body\":\"text\""), &message);
    assert_int_equal(message.kind, MESSAGE_QUERY);
    assert_true(span_is(message.query_id, "7"));
    read_request("\xff", GATE(",\"body\":\"text\""), &message);
    assert_int_equal(message.kind, MESSAGE_NOT_UTF8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_what_the_vectors_say),
        cmocka_unit_test(only_queries_are_served),
        cmocka_unit_test(columns_of_other_types_are_told_apart),
        cmocka_unit_test(query_id_beyond_its_limit_is_absent),
        cmocka_unit_test(service_has_a_limit_and_a_form),
        cmocka_unit_test(metadata_too_deep_to_wrap_is_left_out),
        cmocka_unit_test(hostile_names_in_the_delivery_stay_inside_their_strings),
        cmocka_unit_test(gate_that_is_written_is_read),
        cmocka_unit_test(gate_is_written_as_the_document_has_it),
        cmocka_unit_test(odd_gate_makes_no_request),
        cmocka_unit_test(request_whose_body_is_no_text_is_a_question),
        cmocka_unit_test(request_in_text_is_asked_whatever_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
