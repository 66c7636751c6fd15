/* What the process of an agent writes: any line. Whatever it is, what is made of it for the gateway
 * is an object that holds the answer. */
#include <stdint.h>
#include <stdlib.h>

#include "adapters/worker/agent_event.h"
#include "proto/jtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void check_string(struct span text)
{
    check(text.size == 0 || jtext_check(text) == JTEXT_STRING);
}

static void check_line(const struct agent_format *format, struct span line)
{
    struct agent_event event;
    struct buffer answer;
    struct span value;
    if (agent_event_read(format, line, &event) != 0) {
        check(jtext_check(line) != JTEXT_OBJECT);
        return;
    }
    check_string(event.text);
    check_string(event.session);
    check_string(event.model);
    check(event.prompt_tokens >= -1 && event.completion_tokens >= -1);
    check(event.cost == -1 || event.cost >= 0);
    if (event.text.size == 0)
        return;
    buffer_init(&answer);
    agent_event_answer(&event, event.text, event.model, event.cost, &answer);
    check(jtext_check(buffer_span(&answer)) == JTEXT_OBJECT);
    check(jtext_find(buffer_span(&answer), "answer", &value) && span_equal(value, event.text));
    buffer_done(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_line(agent_format_find("claude"), span_of(data, size));
    check_line(agent_format_find("codex"), span_of(data, size));
    return 0;
}
