/* What the CLIs of agents say, how they are started, and which of their sessions are remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/worker/agent_event.h"
#include "adapters/worker/agent_sessions.h"

/* --- events --- */

static const struct {
    const char *format, *line;
    enum agent_event_kind kind;
    const char *text; /* as JSON; "": none */
} known[] = {
    {"claude", "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s1\",\"model\":\"m1\"}",
     AGENT_BEGUN, ""},
    {"claude", "{\"type\":\"system\",\"subtype\":\"status\",\"session_id\":\"s1\"}", AGENT_IGNORED,
     ""},
    {"claude",
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{"
     "\"type\":\"text_delta\",\"text\":\" \\n\"}},\"parent_tool_use_id\":null}",
     AGENT_PART, "\" \\n\""},
    {"claude",
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{"
     "\"type\":\"text_delta\",\"text\":\"a\"}}}",
     AGENT_PART, "\"a\""},
    {"claude",
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{"
     "\"type\":\"text_delta\",\"text\":\"a\"}},\"parent_tool_use_id\":\"toolu_1\"}",
     AGENT_IGNORED, ""},
    {"claude",
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{"
     "\"type\":\"thinking_delta\",\"thinking\":\"a\"}}}",
     AGENT_IGNORED, ""},
    {"claude",
     "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}}",
     AGENT_IGNORED, ""},
    {"claude",
     "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"a\\u0000\"}",
     AGENT_RESULT, "\"a\\u0000\""},
    {"claude", "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\" \"}",
     AGENT_RESULT, ""},
    {"claude", "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":7}",
     AGENT_RESULT, ""},
    {"claude", "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"a\"}",
     AGENT_ERROR, "\"a\""},
    {"claude", "{\"type\":\"result\",\"subtype\":\"error_max_turns\",\"is_error\":false}",
     AGENT_ERROR, "\"error_max_turns\""},
    {"claude",
     "{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,"
     "\"errors\":[\"a\",\"b\"]}",
     AGENT_ERROR, "\"a\""},
    {"claude", "{\"type\":\"result\",\"errors\":[]}", AGENT_ERROR, ""},
    {"claude", "{\"type\":\"brand_new\",\"result\":\"a\"}", AGENT_IGNORED, ""},
    {"claude", "{\"type\":[\"result\"]}", AGENT_IGNORED, ""},
    {"claude", "{}", AGENT_IGNORED, ""},
    {"codex", "{\"type\":\"thread.started\",\"thread_id\":\"s1\"}", AGENT_BEGUN, ""},
    {"codex", "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"a\"}}",
     AGENT_MESSAGE, "\"a\""},
    {"codex", "{\"type\":\"item.completed\",\"item\":{\"type\":\"reasoning\",\"text\":\"a\"}}",
     AGENT_IGNORED, ""},
    {"codex", "{\"type\":\"item.completed\",\"item\":\"agent_message\"}", AGENT_IGNORED, ""},
    {"codex", "{\"type\":\"turn.completed\",\"usage\":{}}", AGENT_RESULT, ""},
    {"codex", "{\"type\":\"turn.failed\",\"error\":{\"message\":\"a\"}}", AGENT_ERROR, "\"a\""},
    {"codex", "{\"type\":\"error\",\"message\":\"a\"}", AGENT_IGNORED, ""},
};

static void assert_span(struct span span, const char *text)
{
    if (!span_is(span, text))
        fail_msg("%.*s is not %s", (int)span.size, span.size ? span.data : "", text);
}

static void events_mean_what_the_row_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct agent_event event;
        const struct agent_format *format = agent_format_find(known[i].format);
        assert_int_equal(agent_event_read(format, span_str(known[i].line), &event), 0);
        if (event.kind != known[i].kind)
            fail_msg("%s is %d, not %d", known[i].line, event.kind, known[i].kind);
        assert_span(event.text, known[i].text);
    }
}

static void lines_that_are_no_objects_are_no_events(void **state)
{
    static const char *const lines[] = {"", "words", "{\"type\":", "[\"type\"]", "null", "{}}"};
    struct agent_event event;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_int_equal(agent_event_read(agent_format_find("claude"), span_str(lines[i]), &event),
                         -1);
}

static void session_and_model_are_told_at_the_beginning(void **state)
{
    struct agent_event event;
    (void)state;
    assert_int_equal(agent_event_read(agent_format_find("claude"), span_str(known[0].line), &event),
                     0);
    assert_span(event.session, "\"s1\"");
    assert_span(event.model, "\"m1\"");
    assert_int_equal(
        agent_event_read(agent_format_find("codex"),
                         span_str("{\"type\":\"thread.started\",\"thread_id\":\"s2\"}"), &event),
        0);
    assert_span(event.session, "\"s2\"");
    assert_int_equal(event.model.size, 0);
}

/* --- answers --- */

/* The answer that is made of the members MORE of a result of claude. */
static void assert_answer(const char *more, struct span model, double cost, const char *expected)
{
    struct buffer line, answer;
    struct agent_event event;
    buffer_init(&line);
    buffer_init(&answer);
    buffer_format(&line,
                  "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,"
                  "\"result\":\"a\\n\"%s}",
                  more);
    assert_int_equal(agent_event_read(agent_format_find("claude"), buffer_span(&line), &event), 0);
    agent_event_answer(&event, event.text, model, cost, &answer);
    assert_span(buffer_span(&answer), expected);
    buffer_done(&line);
    buffer_done(&answer);
}

static void usage_is_what_is_told_and_no_more(void **state)
{
    const struct span none = span_of(NULL, 0);
    (void)state;
    assert_answer("", none, -1, "{\"answer\":\"a\\n\"}");
    assert_answer(",\"usage\":{\"input_tokens\":3,\"output_tokens\":4}", none, -1,
                  "{\"answer\":\"a\\n\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,"
                  "\"total_tokens\":7}}");
    assert_answer(",\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":10,"
                  "\"cache_read_input_tokens\":100,\"output_tokens\":-4}",
                  none, -1, "{\"answer\":\"a\\n\",\"usage\":{\"prompt_tokens\":113}}");
    assert_answer(",\"usage\":{\"output_tokens\":4.5,\"input_tokens\":\"3\"}", span_str("\"m\""),
                  0.3 - 0.1, "{\"answer\":\"a\\n\",\"usage\":{\"model\":\"m\",\"cost_usd\":0.2}}");
    assert_answer(",\"usage\":[]", none, 0, "{\"answer\":\"a\\n\",\"usage\":{\"cost_usd\":0}}");
}

static void cost_is_a_number_or_not_told(void **state)
{
    static const struct {
        const char *json;
        double cost;
    } costs[] = {{"0.25", 0.25}, {"1e-3", 0.001}, {"-1", -1},    {"1e999", -1},
                 {"\"1\"", -1},  {"null", -1},    {"[0.5]", -1}, {"0", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        char line[100];
        struct agent_event event;
        snprintf(line, sizeof line, "{\"type\":\"result\",\"total_cost_usd\":%s}", costs[i].json);
        assert_int_equal(agent_event_read(agent_format_find("claude"), span_str(line), &event), 0);
        assert_true(event.cost == costs[i].cost);
    }
}

/* --- what it is told --- */

static void assert_command(const char *format, const char *const *command, const char *session,
                           const char *expected)
{
    struct buffer words;
    char **argv = agent_command_new(agent_format_find(format), (char *const *)command, session);
    buffer_init(&words);
    for (char **word = argv; *word; word++) {
        buffer_text(&words, words.size ? " " : "");
        buffer_text(&words, *word);
    }
    assert_span(buffer_span(&words), expected);
    buffer_done(&words);
    agent_command_free(&argv);
    assert_null(argv);
}

#define CLAUDE_WORDS                                                                               \
    "-p --input-format stream-json --output-format stream-json --verbose "                         \
    "--include-partial-messages"

static void users_words_stand_between_the_rows(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const own[] = {"/opt/agent", "--model", "x", NULL};
    (void)state;
    assert_command("claude", none, NULL, "claude " CLAUDE_WORDS);
    assert_command("claude", own, NULL, "/opt/agent " CLAUDE_WORDS " --model x");
    assert_command("claude", own, "s1", "/opt/agent " CLAUDE_WORDS " --model x --resume=s1");
    assert_command("codex", none, NULL, "codex exec --json -");
    assert_command("codex", own, "s1", "/opt/agent exec --json --model x resume s1 -");
}

static void question_is_one_line_for_claude_and_bare_for_codex(void **state)
{
    struct buffer input;
    (void)state;
    buffer_init(&input);
    agent_message(agent_format_find("claude"), span_str("say \"a\"\nb"), &input);
    assert_span(buffer_span(&input),
                "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                "\"text\":\"say \\\"a\\\"\\nb\"}]}}\n");
    buffer_reset(&input);
    agent_message(agent_format_find("codex"), span_str("say \"a\"\nb"), &input);
    assert_span(buffer_span(&input), "say \"a\"\nb");
    buffer_done(&input);
}

static void only_rows_of_the_table_are_known(void **state)
{
    struct buffer names;
    (void)state;
    assert_null(agent_format_find("nobody"));
    assert_null(agent_format_find(""));
    buffer_init(&names);
    agent_format_names(&names);
    assert_span(buffer_span(&names), "claude, codex");
    buffer_done(&names);
}

/* --- sessions --- */

static const char *name_of(const struct agent_sessions *sessions, const char *conversation)
{
    const struct agent_session *found = agent_sessions_find(sessions, conversation);
    return found ? found->name : "none";
}

static void sessions_are_found_changed_and_forgotten(void **state)
{
    struct agent_sessions sessions;
    (void)state;
    agent_sessions_init(&sessions);
    assert_string_equal(name_of(&sessions, "a"), "none");
    agent_sessions_put(&sessions, "a", "s1", 0.5);
    agent_sessions_put(&sessions, "b", "s2", 0);
    agent_sessions_put(&sessions, "a", "s3", 1.5);
    assert_string_equal(name_of(&sessions, "a"), "s3");
    assert_true(agent_sessions_find(&sessions, "a")->cost == 1.5);
    assert_string_equal(name_of(&sessions, "b"), "s2");
    agent_sessions_forget(&sessions, "a");
    agent_sessions_forget(&sessions, "a");
    assert_string_equal(name_of(&sessions, "a"), "none");
    assert_string_equal(name_of(&sessions, "b"), "s2");
    agent_sessions_done(&sessions);
}

static void the_session_that_was_not_used_for_longest_is_forgotten(void **state)
{
    struct agent_sessions sessions;
    char name[20];
    (void)state;
    agent_sessions_init(&sessions);
    for (int i = 0; i < AGENT_SESSIONS; i++) {
        snprintf(name, sizeof name, "%d", i);
        agent_sessions_put(&sessions, name, name, 0);
    }
    agent_sessions_put(&sessions, "0", "used again", 0);
    agent_sessions_put(&sessions, "one more", "s", 0);
    assert_int_equal(sessions.count, AGENT_SESSIONS);
    assert_string_equal(name_of(&sessions, "0"), "used again");
    assert_string_equal(name_of(&sessions, "1"), "none");
    assert_string_equal(name_of(&sessions, "2"), "2");
    agent_sessions_done(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_mean_what_the_row_says),
        cmocka_unit_test(lines_that_are_no_objects_are_no_events),
        cmocka_unit_test(session_and_model_are_told_at_the_beginning),
        cmocka_unit_test(usage_is_what_is_told_and_no_more),
        cmocka_unit_test(cost_is_a_number_or_not_told),
        cmocka_unit_test(users_words_stand_between_the_rows),
        cmocka_unit_test(question_is_one_line_for_claude_and_bare_for_codex),
        cmocka_unit_test(only_rows_of_the_table_are_known),
        cmocka_unit_test(sessions_are_found_changed_and_forgotten),
        cmocka_unit_test(the_session_that_was_not_used_for_longest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
