#include "adapters/worker/agent_formats.h"

#include <stdlib.h>

#include "proto/jtext.h"

/* --- the table --- */

/* Claude Code, `claude -p`: https://code.claude.com/docs/en/headless and the messages of its Agent
 * SDK. A sub-agent's events name the tool use that has called it. Its total_cost_usd grows from
 * result to result of a session; its input_tokens are those that came from no cache. */
static const struct agent_rule claude_rules[] = {
    {.type = "system", .test = {{"subtype", "init"}}, .kind = AGENT_BEGUN},
    {.type = "stream_event",
     .test = {{"parent_tool_use_id", "null"},
              {"event.type", "content_block_delta"},
              {"event.delta.type", "text_delta"}},
     .kind = AGENT_PART,
     .text = {"event.delta.text"}},
    {.type = "result",
     .test = {{"subtype", "success"}, {"is_error", "false"}},
     .kind = AGENT_RESULT,
     .text = {"result"}},
    {.type = "result", .kind = AGENT_ERROR, .text = {"result", "errors.0", "subtype"}},
    {.type = NULL},
};

/* Codex CLI, `codex exec --json`: https://developers.openai.com/codex/noninteractive. An event
 * "error" is not the end: turn.failed follows when it was one. */
static const struct agent_rule codex_rules[] = {
    {.type = "thread.started", .kind = AGENT_BEGUN},
    {.type = "item.completed",
     .test = {{"item.type", "agent_message"}},
     .kind = AGENT_MESSAGE,
     .text = {"item.text"}},
    {.type = "turn.completed", .kind = AGENT_RESULT},
    {.type = "turn.failed", .kind = AGENT_ERROR, .text = {"error.message"}},
    {.type = NULL},
};

static const struct agent_format formats[] = {
    {.name = "claude",
     .start = {"-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
               "--include-partial-messages"},
     .resume = {"--resume="},
     .before = "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"text\","
               "\"text\":",
     .after = "}]}}\n",
     .session = "session_id",
     .model = "model",
     .prompt_tokens = {"usage.input_tokens", "usage.cache_creation_input_tokens",
                       "usage.cache_read_input_tokens"},
     .completion_tokens = {"usage.output_tokens"},
     .cost = "total_cost_usd",
     .rules = claude_rules},
    {.name = "codex",
     .start = {"exec", "--json"},
     .resume = {"resume", ""},
     .end = {"-"},
     .once = true,
     .session = "thread_id",
     .prompt_tokens = {"usage.input_tokens"},
     .completion_tokens = {"usage.output_tokens"},
     .rules = codex_rules},
    {.name = NULL},
};

const struct agent_format *agent_format_find(const char *name)
{
    for (const struct agent_format *row = formats; row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

void agent_format_names(struct buffer *ret_text)
{
    for (const struct agent_format *row = formats; row->name; row++) {
        buffer_text(ret_text, row == formats ? "" : ", ");
        buffer_text(ret_text, row->name);
    }
}

/* --- what the process is told --- */

static size_t count_words(char *const *word)
{
    size_t count = 0;
    while (word[count])
        count++;
    return count;
}

/* Appends WORDS to ARGV, whose first COUNT are there, and returns how many there are now. */
static size_t add_words(char **argv, size_t count, const char *const words[AGENT_WORDS])
{
    for (size_t i = 0; words[i]; i++)
        argv[count++] = memory_text(span_str(words[i]));
    return count;
}

static void glue(char **word, const char *end)
{
    struct buffer whole;
    buffer_init(&whole);
    buffer_text(&whole, *word);
    buffer_text(&whole, end);
    free(*word);
    *word = memory_text(buffer_span(&whole));
    buffer_done(&whole);
}

char **agent_command_new(const struct agent_format *format, char *const *command,
                         const char *session)
{
    char **argv = memory_zero(1 + 3 * AGENT_WORDS + count_words(command), sizeof *argv);
    argv[0] = memory_text(span_str(command[0] ? command[0] : format->name));
    size_t count = add_words(argv, 1, format->start);
    for (size_t i = 1; command[0] && command[i]; i++)
        argv[count++] = memory_text(span_str(command[i]));
    if (session) {
        count = add_words(argv, count, format->resume);
        glue(&argv[count - 1], session);
    }
    add_words(argv, count, format->end);
    return argv;
}

void agent_command_free(char ***self)
{
    for (char **word = *self; word && *word; word++)
        free(*word);
    free(*self);
    *self = NULL;
}

void agent_message(const struct agent_format *format, struct span question,
                   struct buffer *ret_input)
{
    if (!format->before) {
        buffer_add(ret_input, question);
        return;
    }
    buffer_text(ret_input, format->before);
    jtext_quote(ret_input, question);
    buffer_text(ret_input, format->after);
}
