/* No program at all: the question is the answer, at once. For tests and for measuring everything
 * else. */
#include <stdlib.h>

#include "adapters/c/letterbox.h"
#include "adapters/worker/adapter.h"
#include "proto/jtext.h"
#include "proto/limits.h"

struct echo {
    bool running;
    bool ready, gone;        /* started, or stopped, and not yet said so */
    bool given;              /* the first letter has been given out */
    struct letterbox answer; /* to be taken */
};

static void *echo_make(const struct adapter_setup *setup)
{
    (void)setup;
    struct echo *self = memory_zero(1, sizeof *self);
    letterbox_init(&self->answer, LIMIT_SLOTS + 1); /* + 1: the one given out */
    return self;
}

static void echo_destroy(void **state)
{
    struct echo *self = *state;
    *state = NULL;
    if (!self)
        return;
    letterbox_done(&self->answer);
    free(self);
}

static int echo_start(void *state)
{
    struct echo *self = state;
    self->running = true;
    self->ready = true;
    return 0;
}

static void echo_offer(void *state, struct span token, struct span query)
{
    struct echo *self = state;
    if (!self->running)
        return;
    struct buffer answer;
    struct span question;
    buffer_init(&answer);
    buffer_byte(&answer, '{');
    if (jtext_check(query) == JTEXT_OBJECT && jtext_find(query, "question", &question))
        jtext_member_raw(&answer, "answer", question);
    else
        jtext_member(&answer, "answer", query);
    buffer_byte(&answer, '}');
    letterbox_put(&self->answer, token, buffer_span(&answer));
    buffer_done(&answer);
}

static size_t echo_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    (void)state;
    (void)ret_poll;
    return 0;
}

static bool echo_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct echo *self = state;
    (void)now_us;
    if (self->ready) {
        self->ready = false;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    if (self->given)
        letterbox_drop(&self->answer);
    const struct letter *letter = letterbox_first(&self->answer);
    self->given = letter != NULL;
    if (letter) {
        *ret_report = (struct adapter_report){
            .kind = ADAPTER_ANSWER, .token = letter->token, .text = letter->text};
        return true;
    }
    if (!self->gone)
        return false;
    self->gone = false;
    *ret_report =
        (struct adapter_report){.kind = ADAPTER_GONE, .text = span_str("echo was stopped")};
    return true;
}

static int64_t echo_due(const void *state)
{
    (void)state;
    return INT64_MAX;
}

static void echo_stop(void *state, int64_t now_us, bool at_once)
{
    struct echo *self = state;
    (void)now_us;
    (void)at_once;
    self->gone = self->gone || self->running;
    self->running = false;
}

const struct adapter adapter_echo = {
    .name = "echo",
    .about = "no program at all: the question is the answer, for tests",
    .make = echo_make,
    .destroy = echo_destroy,
    .start = echo_start,
    .offer = echo_offer,
    .descriptors = echo_descriptors,
    .take = echo_take,
    .due = echo_due,
    .stop = echo_stop,
};
