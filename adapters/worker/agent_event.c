#include "adapters/worker/agent_event.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/space.h"

/* One step of a path: into the array VALUE at the place that STEP says. */
static bool step_into_array(struct span *value, const char *step)
{
    struct span rest = *value;
    unsigned long place = strtoul(step, NULL, 10);
    for (unsigned long i = 0; jtext_item(&rest, value); i++) {
        if (i == place)
            return true;
    }
    return false;
}

/* The raw value at PATH in a valid EVENT; false when there is none. */
static bool find(struct span event, const char *path, struct span *ret_value)
{
    char step[64];
    struct span value = event;
    while (*path) {
        size_t size = strcspn(path, ".");
        if (size >= sizeof step)
            return false;
        memcpy(step, path, size);
        step[size] = '\0';
        path += size + (path[size] == '.');
        enum jtext_type type = jtext_type(value);
        if (type == JTEXT_ARRAY ? !step_into_array(&value, step)
                                : type != JTEXT_OBJECT || !jtext_find(value, step, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

static bool fits(struct span event, const struct agent_rule *rule)
{
    for (const struct agent_test *test = rule->test; test < rule->test + AGENT_TESTS && test->path;
         test++) {
        struct span value = span_str("null");
        (void)find(event, test->path, &value);
        if (jtext_type(value) == JTEXT_STRING ? !jtext_is(value, test->value)
                                              : !span_is(value, test->value))
            return false;
    }
    return true;
}

/* A string with more than white space in it. */
static bool find_text(struct span event, const char *path, struct span *ret_text)
{
    struct span value;
    if (!path || !find(event, path, &value) || jtext_type(value) != JTEXT_STRING)
        return false;
    struct buffer text;
    buffer_init(&text);
    jtext_decode(&text, value);
    bool any = !space_only(buffer_span(&text));
    buffer_done(&text);
    if (any)
        *ret_text = value;
    return any;
}

/* The sum of those members that are there; -1 when none is. */
static int64_t add_up(struct span event, const char *const path[AGENT_PATHS])
{
    int64_t sum = -1, number;
    struct span value;
    for (size_t i = 0; i < AGENT_PATHS && path[i]; i++) {
        if (!find(event, path[i], &value) || jtext_integer(value, &number) != 0 || number < 0 ||
            number > INT32_MAX)
            continue;
        sum = (sum < 0 ? 0 : sum) + number;
    }
    return sum;
}

static double read_cost(struct span event, const char *path)
{
    char digits[64];
    struct span value;
    if (!path || !find(event, path, &value) || jtext_type(value) != JTEXT_NUMBER ||
        value.size >= sizeof digits)
        return -1;
    memcpy(digits, value.data, value.size);
    digits[value.size] = '\0';
    double cost = strtod(digits, NULL);
    return isfinite(cost) && cost >= 0 ? cost : -1;
}

static void read_members(const struct agent_format *format, const struct agent_rule *rule,
                         struct span line, struct agent_event *ret_event)
{
    /* A part may be a blank, which counts. */
    struct span text;
    if (rule->kind == AGENT_PART && find(line, rule->text[0], &text) &&
        jtext_type(text) == JTEXT_STRING)
        ret_event->text = text;
    for (size_t i = 0; i < AGENT_PATHS && ret_event->text.size == 0; i++)
        (void)find_text(line, rule->text[i], &ret_event->text);
    if (rule->kind == AGENT_BEGUN) {
        (void)find_text(line, format->session, &ret_event->session);
        (void)find_text(line, format->model, &ret_event->model);
    }
    if (rule->kind == AGENT_RESULT || rule->kind == AGENT_ERROR) {
        ret_event->prompt_tokens = add_up(line, format->prompt_tokens);
        ret_event->completion_tokens = add_up(line, format->completion_tokens);
        ret_event->cost = read_cost(line, format->cost);
    }
}

int agent_event_read(const struct agent_format *format, struct span line,
                     struct agent_event *ret_event)
{
    struct span type = span_of(NULL, 0);
    *ret_event = (struct agent_event){
        .kind = AGENT_IGNORED, .prompt_tokens = -1, .completion_tokens = -1, .cost = -1};
    if (jtext_check(line) != JTEXT_OBJECT)
        return -1;
    if (!jtext_find(line, "type", &type) || jtext_type(type) != JTEXT_STRING)
        return 0;
    for (const struct agent_rule *rule = format->rules; rule->type; rule++) {
        if (!jtext_is(type, rule->type) || !fits(line, rule))
            continue;
        ret_event->kind = rule->kind;
        read_members(format, rule, line, ret_event);
        return 0;
    }
    return 0;
}

static void add_tokens(struct buffer *usage, const struct agent_event *result)
{
    if (result->prompt_tokens >= 0)
        jtext_member_integer(usage, "prompt_tokens", result->prompt_tokens);
    if (result->completion_tokens >= 0)
        jtext_member_integer(usage, "completion_tokens", result->completion_tokens);
    if (result->prompt_tokens >= 0 && result->completion_tokens >= 0)
        jtext_member_integer(usage, "total_tokens",
                             result->prompt_tokens + result->completion_tokens);
}

void agent_event_answer(const struct agent_event *result, struct span text, struct span model,
                        double cost, struct buffer *ret_answer)
{
    struct buffer usage;
    char dollars[32];
    buffer_init(&usage);
    buffer_byte(&usage, '{');
    add_tokens(&usage, result);
    if (model.size > 0)
        jtext_member_raw(&usage, "model", model);
    if (cost >= 0) {
        snprintf(dollars, sizeof dollars, "%.9g", cost); /* differences have noise behind that */
        jtext_member_raw(&usage, "cost_usd", span_str(dollars));
    }
    buffer_byte(ret_answer, '{');
    jtext_member_raw(ret_answer, "answer", text);
    if (usage.size > 1) {
        buffer_byte(&usage, '}');
        jtext_member_raw(ret_answer, "usage", buffer_span(&usage));
    }
    buffer_byte(ret_answer, '}');
    buffer_done(&usage);
}
