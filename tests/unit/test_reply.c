/* What `ask` makes of the rows of a conversation: its own reply is found, another one's never, and
 * whatever a row holds can be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/reply_sources.h"
#include "proto/jtext.h"

static const struct reply_key key = {17, "q_1"};

static struct message_row row(const char *text, const char *metadata)
{
    const struct message_row columns = {span_str(text), true, span_str(metadata), true};
    return columns;
}

static bool answers(const char *text, const char *metadata)
{
    const struct message_row columns = row(text, metadata);
    return reply_answers(&columns, &key);
}

static void our_row_in_the_metadata_decides(void **state)
{
    (void)state;
    assert_true(answers("anything", "{\"in_reply_to\":17}"));
    assert_true(answers("{\"query_id\":\"another\"}", "{\"in_reply_to\": 17, \"worker\":\"w\"}"));
    assert_false(answers("{\"query_id\":\"q_1\"}", "{\"in_reply_to\":18}"));
    assert_false(answers("{\"query_id\":\"q_1\"}", "{\"in_reply_to\":\"17\"}"));
    assert_false(answers("{\"query_id\":\"q_1\"}", "{\"in_reply_to\":null}"));
    assert_false(answers("x", "{\"in_reply_to\":17.5}"));
    assert_false(answers("x", "{\"in_reply_to\":99999999999999999999}"));
}

static void a_responder_of_before_is_known_by_the_query_id(void **state)
{
    (void)state;
    assert_true(answers("{\"type\":\"response\",\"query_id\":\"q_1\",\"answer\":1}", NULL));
    assert_true(answers("{\"query_id\":\"\\u0071_1\"}", "{\"shard\":1}"));
    assert_true(answers("{\"query_id\":\"q_1\"}", "not json"));
    assert_false(answers("{\"query_id\":\"q_2\"}", NULL));
    assert_false(answers("{\"query_id\":1}", NULL));
    assert_false(answers("[\"query_id\",\"q_1\"]", NULL));
    assert_false(answers("{\"query_id\":\"q_1\"", NULL));
    assert_false(answers("", NULL));
    struct message_row blob = row("{\"query_id\":\"q_1\"}", NULL);
    blob.text_is_text = false;
    assert_false(reply_answers(&blob, &key));
}

/* What a person reads of a reply, and its sources. */
static struct buffer words, sources;

static void read_reply(struct reply *reply, const char *text, const char *metadata)
{
    const struct message_row columns = row(text, metadata);
    reply_take(reply, 42, &columns);
    buffer_reset(&words);
    buffer_reset(&sources);
    reply_words(reply, &words);
    reply_source_lines(reply, &sources);
}

static void answers_errors_and_texts_are_told_apart(void **state)
{
    (void)state;
    struct reply reply;
    reply_init(&reply);
    read_reply(&reply, "{\"answer\":\"yes\\n\",\"sources\":[\"a:1\",{\"b\":2}],\"error\":\"x\"}",
               NULL);
    assert_false(reply.is_error);
    assert_string_equal(words.data, "yes");
    assert_string_equal(sources.data, "  a:1\n  {\"b\":2}\n");
    read_reply(&reply, "{\"type\":\"error\",\"error\":\"no paper\",\"answer\":\"half\"}", NULL);
    assert_true(reply.is_error);
    assert_string_equal(words.data, "no paper");
    read_reply(&reply, "{\"error\":{\"code\":7}}", NULL);
    assert_true(reply.is_error);
    assert_string_equal(words.data, "{\"code\":7}");
    read_reply(&reply, "{\"answer\":[1,2]}", NULL);
    assert_string_equal(words.data, "[1,2]");
    read_reply(&reply, "plain\r\n", "{\"in_reply_to\":17,\"sources\":\"one\"}");
    assert_false(reply.is_error);
    assert_string_equal(words.data, "plain");
    assert_string_equal(sources.data, "  one\n");
    assert_int_equal(reply.id, 42);
    reply_done(&reply);
}

static void any_row_can_be_shown(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     "{",  "{\"answer\":", "\xff\xfe",
        "\n\n", "[]", "null",         "{\"answer\":\"\\ud800\",\"sources\":[\"\\ud800\"]}"};
    struct reply reply;
    reply_init(&reply);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buffer json;
        buffer_init(&json);
        read_reply(&reply, texts[i], "{\"sources\":{\"a\":[null]}}");
        assert_false(reply.is_error);
        reply_json(&reply, "q_\"1", &json);
        assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
        buffer_done(&json);
    }
    reply_done(&reply);
}

static void a_text_becomes_a_response_object(void **state)
{
    (void)state;
    struct reply reply;
    struct buffer json;
    reply_init(&reply);
    buffer_init(&json);
    read_reply(&reply, "say \"hi\"", "{\"in_reply_to\":17,\"sources\":[\"a:1\"]}");
    reply_json(&reply, "m17", &json);
    assert_string_equal(json.data, "{\"type\":\"response\",\"query_id\":\"m17\","
                                   "\"answer\":\"say \\\"hi\\\"\",\"sources\":[\"a:1\"]}");
    buffer_done(&json);
    reply_done(&reply);
}

static int free_buffers(void **state)
{
    (void)state;
    buffer_done(&words);
    buffer_done(&sources);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_row_in_the_metadata_decides),
        cmocka_unit_test(a_responder_of_before_is_known_by_the_query_id),
        cmocka_unit_test(answers_errors_and_texts_are_told_apart),
        cmocka_unit_test(any_row_can_be_shown),
        cmocka_unit_test(a_text_becomes_a_response_object),
    };
    return cmocka_run_group_tests(tests, NULL, free_buffers);
}
