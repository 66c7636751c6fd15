#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "adapters/worker/http_chat.h"

static void expect_answer(const struct http_chat *chat, const char *json)
{
    struct buffer got;
    buffer_init(&got);
    http_chat_answer(chat, buffer_span(&chat->text), &got);
    assert_true(span_is(buffer_span(&got), json));
    buffer_done(&got);
}

static void pieces_add_up(void **state)
{
    struct http_chat chat;
    (void)state;
    http_chat_init(&chat);
    const char *more[] = {
        "{\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a \\u00fc\"},\"finish_reason\":null}],"
        "\"usage\":null}",
        "{\"choices\":[{\"delta\":{\"content\":null,\"reasoning_content\":\"hm\"}}]}",
        "",
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1.5,"
        "\"total_tokens\":-4}}",
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        assert_int_equal(http_chat_piece(&chat, span_str(more[i])), HTTP_CHAT_MORE);
    assert_int_equal(http_chat_piece(&chat, span_str(" [DONE]")), HTTP_CHAT_END);
    expect_answer(&chat, "{\"answer\":\"a ü\",\"usage\":{\"model\":\"m\",\"prompt_tokens\":3,"
                         "\"finish_reason\":\"length\"}}");
    http_chat_done(&chat);
}

static void odd_pieces_are_told_from_errors(void **state)
{
    struct http_chat chat;
    (void)state;
    http_chat_init(&chat);
    assert_int_equal(http_chat_piece(&chat, span_str("[1]")), HTTP_CHAT_BAD);
    assert_int_equal(http_chat_piece(&chat, span_str("{")), HTTP_CHAT_BAD);
    assert_int_equal(http_chat_piece(&chat, span_str("{\"error\":\"x\"}")), HTTP_CHAT_ERROR);
    assert_int_equal(http_chat_piece(&chat, span_str("{\"error\":null}")), HTTP_CHAT_MORE);
    assert_int_equal(http_chat_piece(&chat, span_str("{\"choices\":[7]}")), HTTP_CHAT_MORE);
    assert_int_equal(http_chat_piece(&chat, span_str("{\"choices\":{\"delta\":1}}")),
                     HTTP_CHAT_MORE);
    assert_int_equal(chat.text.size, 0);
    http_chat_done(&chat);
}

static void whole_completion_has_a_text(void **state)
{
    struct http_chat chat;
    (void)state;
    http_chat_init(&chat);
    assert_int_equal(http_chat_whole(&chat, span_str("{\"choices\":[]}")), HTTP_CHAT_BAD);
    assert_int_equal(http_chat_whole(&chat, span_str("words")), HTTP_CHAT_BAD);
    assert_int_equal(http_chat_whole(&chat, span_str("{\"error\":{}}")), HTTP_CHAT_ERROR);
    assert_int_equal(
        http_chat_whole(&chat, span_str("{\"choices\":[{\"message\":{\"content\":\"x\"},"
                                        "\"finish_reason\":\"stop\"}]}")),
        HTTP_CHAT_END);
    expect_answer(&chat, "{\"answer\":\"x\",\"usage\":{}}");
    http_chat_done(&chat);
}

static void expect_explained(const char *body, const char *words)
{
    struct buffer got;
    buffer_init(&got);
    http_chat_explain(span_str(body), &got);
    assert_true(span_is(buffer_span(&got), words));
    buffer_done(&got);
}

static void errors_are_explained_in_the_servers_words(void **state)
{
    (void)state;
    expect_explained("{\"error\":{\"message\":\"no\\u001b[31m\\nsuch\"}}", "no\\x1b[31m\\nsuch");
    expect_explained("{\"error\":\"no\"}", "no");
    expect_explained("{\"detail\":\" no \"}", "no");
    expect_explained("{\"error\":{}}", "\"{\\\"error\\\":{}}\"");
    expect_explained("<html>", "\"<html>\"");
    expect_explained("", "nothing");
}

static void question_and_context_share_a_message(void **state)
{
    struct buffer got;
    const struct http_chat_ask ask = {.model = "m\"",
                                      .system = span_str("s"),
                                      .context = span_str("c"),
                                      .question = span_str("q\n")};
    (void)state;
    buffer_init(&got);
    http_chat_ask(&ask, &got);
    assert_true(span_is(buffer_span(&got),
                        "{\"model\":\"m\\\"\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"}"
                        ",{\"role\":\"user\",\"content\":\"c\\n\\nq\\n\"}]}"));
    buffer_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_add_up),
        cmocka_unit_test(odd_pieces_are_told_from_errors),
        cmocka_unit_test(whole_completion_has_a_text),
        cmocka_unit_test(errors_are_explained_in_the_servers_words),
        cmocka_unit_test(question_and_context_share_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
