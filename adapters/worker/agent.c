/* An agent's CLI in its streaming JSON mode: one process per worker that stays, where the CLI can,
 * and is given one query at a time. What differs from CLI to CLI is a row in agent_formats.c.
 *
 *   IDLE ──offer──▶ WAITING ──told to the process──▶ ASKED ──result, error, silence──▶ IDLE
 *                     │   ▲
 *                     └───┘ the process has the session of another conversation, or is old: it
 *                           leaves, and the next one starts
 *
 * Invariants
 *   1. A query is told to a process whose session is that of the query's conversation, or that was
 *      told nothing before.
 *   2. GONE is reported only when the process was not to be replaced: the gateway does not notice
 *      that one follows another. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/agent_event.h"
#include "adapters/worker/agent_process.h"
#include "adapters/worker/excerpt.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/space.h"

#define TURN_LINES 64 /* events looked at in one call of take() at most */
#define DAY_US (86400 * INT64_C(1000000))

enum scope { SCOPE_QUERY, SCOPE_WORKER, SCOPE_CONVERSATION, SCOPES };

static const char *const scope_name[SCOPES] = {"query", "worker", "conversation"};

enum stage {
    IDLE,
    WAITING, /* there is a query for the agent */
    ASKED    /* it was told the query */
};

struct agent {
    enum scope scope;
    int64_t silence_us;
    struct agent_process process;
    struct buffer text; /* what a report's text is made of */
    bool running;       /* between start() and GONE */
    bool ready;         /* READY was reported */
    bool ending;        /* GONE follows */
    bool lost;          /* so too: the next process could not be started, REASON says why */
    bool odd;           /* a line that is no event was told */
    bool more;          /* there are events to look at without waiting */
    char reason[300];

    enum stage stage;
    struct buffer token, question;
    char conversation[LIMIT_CONVERSATION_ID + 1]; /* whose session it goes into; "": a new one */
    struct buffer message; /* ASKED: the last message of the agent, JSON; empty: none yet */
    int64_t heard_us;      /* ASKED: when the agent said something, or was asked */
};

/* --- the command line --- */

static enum scope read_scope(const char *name)
{
    enum scope scope = SCOPE_QUERY;
    while (scope < SCOPES && strcmp(scope_name[scope], name) != 0)
        scope++;
    return scope;
}

static int agent_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    if (!agent_format_find(setup->target)) {
        struct buffer names;
        buffer_init(&names);
        agent_format_names(&names);
        snprintf(ret_why, ADAPTER_WHY, "--agent: known are %s", names.data);
        buffer_done(&names);
        return -1;
    }
    if (read_scope(setup->session) == SCOPES) {
        snprintf(ret_why, ADAPTER_WHY, "--session: query, worker or conversation");
        return -1;
    }
    return 0;
}

static void *agent_make(const struct adapter_setup *setup)
{
    struct agent *self = memory_zero(1, sizeof *self);
    self->scope = read_scope(setup->session);
    self->silence_us = setup->silence_us;
    agent_process_init(&self->process, setup);
    buffer_init(&self->text);
    buffer_init(&self->token);
    buffer_init(&self->question);
    buffer_init(&self->message);
    return self;
}

static void agent_destroy(void **state)
{
    struct agent *self = *state;
    *state = NULL;
    if (!self)
        return;
    agent_process_done(&self->process);
    buffer_done(&self->text);
    buffer_done(&self->token);
    buffer_done(&self->question);
    buffer_done(&self->message);
    free(self);
}

/* --- query and process --- */

/* When that was is known when READY is reported, which is at once. */
static int agent_start(void *state)
{
    struct agent *self = state;
    int code = agent_process_start(&self->process, 0);
    if (code != 0)
        return code;
    self->running = true;
    self->ready = false;
    self->ending = false;
    self->lost = false;
    self->odd = false;
    self->more = false;
    self->stage = IDLE;
    return 0;
}

/* Brings query and process together, as far as that goes now. */
static void tend(struct agent *self, int64_t now_us)
{
    struct agent_process *process = &self->process;
    if (self->stage == ASKED || process->replacing || process->dialog.phase != DIALOG_RUNNING)
        return;
    bool good = now_us < agent_process_old_us(process);
    if (self->stage == WAITING) {
        good = good && agent_process_suits(process, self->conversation);
        snprintf(process->topic, sizeof process->topic, "%s", self->conversation);
    }
    if (!good) {
        agent_process_replace(process, now_us);
    } else if (self->stage == WAITING) {
        agent_message(process->format, buffer_span(&self->question), &process->dialog.input.bytes);
        process->dialog.last = process->format->once;
        buffer_done(&self->question); /* which may be large */
        buffer_done(&self->message);
        self->stage = ASKED;
        self->heard_us = now_us;
    }
}

/* --- what it says --- */

static bool report(struct agent *self, enum adapter_report_kind kind, struct span text,
                   struct adapter_report *ret_report)
{
    *ret_report =
        (struct adapter_report){.kind = kind, .token = buffer_span(&self->token), .text = text};
    return true;
}

static bool report_failed(struct agent *self, const char *why, struct adapter_report *ret_report)
{
    buffer_reset(&self->text);
    buffer_text(&self->text, why);
    return report(self, ADAPTER_FAILED, buffer_span(&self->text), ret_report);
}

/* Tells the first one. */
static bool note_odd(struct agent *self, struct span line, struct adapter_report *ret_report)
{
    char shown[EXCERPT_SIZE];
    if (self->odd)
        return false;
    self->odd = true;
    excerpt_write(line, shown);
    buffer_reset(&self->text);
    buffer_format(&self->text, "lines that are no events are passed over, the first one is %s",
                  shown);
    return report(self, ADAPTER_NOTE, buffer_span(&self->text), ret_report);
}

static bool take_part(struct agent *self, const struct agent_event *event,
                      struct adapter_report *ret_report)
{
    if (event->text.size == 0)
        return false;
    buffer_reset(&self->text);
    jtext_decode(&self->text, event->text);
    return report(self, ADAPTER_PARTIAL, buffer_span(&self->text), ret_report);
}

static bool take_result(struct agent *self, const struct agent_event *event, int64_t now_us,
                        struct adapter_report *ret_report)
{
    double cost = agent_process_settle(&self->process, event, now_us);
    struct span text = event->text.size > 0 ? event->text : buffer_span(&self->message);
    self->stage = IDLE;
    if (text.size == 0)
        return report_failed(self, "the agent's result has no text", ret_report);
    buffer_reset(&self->text);
    agent_event_answer(event, text, buffer_span(&self->process.model), cost, &self->text);
    if (self->text.size > LIMIT_FRAME_SIZE)
        return report_failed(self, "the agent's answer is too long", ret_report);
    return report(self, ADAPTER_ANSWER, buffer_span(&self->text), ret_report);
}

static bool take_error(struct agent *self, const struct agent_event *event, int64_t now_us,
                       struct adapter_report *ret_report)
{
    (void)agent_process_settle(&self->process, event, now_us);
    self->stage = IDLE;
    if (event->text.size == 0)
        return report_failed(self, "the agent failed, and does not say why", ret_report);
    buffer_reset(&self->text);
    jtext_decode(&self->text, event->text);
    return report(self, ADAPTER_FAILED, escape_cut(buffer_span(&self->text), LIMIT_REASON),
                  ret_report);
}

static bool take_line(struct agent *self, struct span line, int64_t now_us,
                      struct adapter_report *ret_report)
{
    struct agent_event event;
    if (agent_event_read(self->process.format, line, &event) != 0)
        return note_odd(self, line, ret_report);
    if (self->stage != ASKED)
        return false;
    self->heard_us = now_us;
    switch (event.kind) {
    case AGENT_IGNORED:
        return false;
    case AGENT_BEGUN:
        agent_process_begun(&self->process, &event);
        return false;
    case AGENT_PART:
        return take_part(self, &event, ret_report);
    case AGENT_MESSAGE:
        buffer_reset(&self->message);
        buffer_add(&self->message, event.text);
        return false;
    case AGENT_RESULT:
        return take_result(self, &event, now_us, ret_report);
    case AGENT_ERROR:
        return take_error(self, &event, now_us, ret_report);
    }
    return false;
}

/* --- its end --- */

static bool report_gone(struct agent *self, struct span how, struct adapter_report *ret_report)
{
    self->running = false;
    self->stage = IDLE;
    return report(self, ADAPTER_GONE, how, ret_report);
}

/* The process has ended: another one follows, or the worker decides. A query that it was not told
 * is no reason to leave the gateway. */
static bool take_gone(struct agent *self, struct span how, int64_t now_us,
                      struct adapter_report *ret_report)
{
    struct agent_process *process = &self->process;
    if (!process->replacing && !self->ending)
        agent_process_ended(process);
    if (self->ending || (!process->replacing && self->stage != WAITING))
        return report_gone(self, how, ret_report);
    int code = agent_process_start(process, now_us);
    if (code == 0)
        return false;
    self->lost = true;
    snprintf(self->reason, sizeof self->reason, "cannot start %s: %s", agent_process_name(process),
             strerror(-code));
    return report(self, ADAPTER_BROKEN, span_str(self->reason), ret_report);
}

static bool take_broken(struct agent *self, struct span why, struct adapter_report *ret_report)
{
    if (self->process.replacing)
        return false;
    self->ending = true;
    self->stage = IDLE;
    return report(self, ADAPTER_BROKEN, why, ret_report);
}

static bool take_silence(struct agent *self, int64_t now_us, struct adapter_report *ret_report)
{
    agent_process_abandon(&self->process, now_us);
    self->stage = IDLE;
    buffer_reset(&self->text);
    buffer_format(&self->text, "the agent said nothing for %" PRId64 " s and was ended",
                  self->silence_us / 1000000);
    return report(self, ADAPTER_FAILED, buffer_span(&self->text), ret_report);
}

/* --- the adapter --- */

static void agent_offer(void *state, struct span token, struct span query)
{
    struct agent *self = state;
    struct span delivery, value;
    if (!self->running)
        return;
    buffer_reset(&self->token);
    buffer_add(&self->token, token);
    buffer_reset(&self->question);
    buffer_done(&self->text); /* of the last answer */
    snprintf(self->conversation, sizeof self->conversation, "%s",
             self->scope == SCOPE_WORKER ? "*" : "");
    self->stage = WAITING;
    if (jtext_check(query) != JTEXT_OBJECT) {
        buffer_add(&self->question, query);
        return;
    }
    if (jtext_find(query, "question", &value) && jtext_type(value) == JTEXT_STRING)
        jtext_decode(&self->question, value);
    if (self->scope == SCOPE_CONVERSATION && jtext_find(query, "delivery", &delivery) &&
        jtext_type(delivery) == JTEXT_OBJECT && jtext_find(delivery, "conversation_id", &value) &&
        jtext_copy(value, self->conversation, sizeof self->conversation) < 0)
        self->conversation[0] = '\0';
}

static bool agent_drop(void *state, struct span token, int64_t now_us)
{
    struct agent *self = state;
    if (self->stage == IDLE || !span_equal(token, buffer_span(&self->token)))
        return true;
    if (self->stage == ASKED)
        agent_process_abandon(&self->process, now_us);
    self->stage = IDLE;
    return true;
}

static size_t agent_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct agent *self = state;
    return dialog_descriptors(&self->process.dialog, ret_poll);
}

static bool take_dialog(struct agent *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct span text;
    for (int i = 0; i < TURN_LINES; i++) {
        bool found = false;
        tend(self, now_us);
        switch (dialog_take(&self->process.dialog, now_us, &text)) {
        case DIALOG_NOTHING:
            return false;
        case DIALOG_LINE:
            found = take_line(self, text, now_us, ret_report);
            break;
        case DIALOG_SAID:
            found = report(self, ADAPTER_SAID, text, ret_report);
            break;
        case DIALOG_BROKEN:
            found = take_broken(self, text, ret_report);
            break;
        case DIALOG_GONE:
            found = take_gone(self, text, now_us, ret_report);
            break;
        }
        if (found)
            return true;
    }
    self->more = true;
    return false;
}

static bool agent_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct agent *self = state;
    self->more = false;
    if (!self->running)
        return false;
    if (self->lost)
        return report_gone(self, span_str(self->reason), ret_report);
    if (!self->ready) { /* it says nothing before it is asked */
        self->ready = true;
        self->process.started_us = now_us;
        return report(self, ADAPTER_READY, span_of(NULL, 0), ret_report);
    }
    if (self->stage == WAITING && space_only(buffer_span(&self->question))) {
        self->stage = IDLE;
        report_failed(self, "the query has no question in plain text", ret_report);
        ret_report->final = true;
        return true;
    }
    if (take_dialog(self, now_us, ret_report))
        return true;
    if (self->stage == ASKED && self->silence_us > 0 && now_us - self->heard_us >= self->silence_us)
        return take_silence(self, now_us, ret_report);
    return false;
}

static int64_t agent_due(const void *state)
{
    const struct agent *self = state;
    if (!self->running)
        return INT64_MAX;
    if (self->more || self->lost || !self->ready)
        return 0;
    int64_t due_us = dialog_due(&self->process.dialog), own_us = INT64_MAX;
    if (self->stage == ASKED && self->silence_us > 0)
        own_us = self->heard_us + self->silence_us;
    else if (self->stage == IDLE && self->process.dialog.phase == DIALOG_RUNNING)
        own_us = agent_process_old_us(&self->process);
    return due_us < own_us ? due_us : own_us;
}

static void agent_stop(void *state, int64_t now_us, bool at_once)
{
    struct agent *self = state;
    self->ending = true;
    dialog_stop(&self->process.dialog, now_us, at_once);
}

#define SETUP(member) offsetof(struct adapter_setup, member)

static const struct adapter_option agent_options[] = {
    {"session", ADAPTER_TEXT, SETUP(session), "WHAT",
     "what shares a session of the agent: conversation, worker, or query for none (default "
     "conversation)",
     0, 0},
    {"restart-after", ADAPTER_NUMBER, SETUP(restart_after), "N",
     "start the agent anew after N queries (default 0: never)", 0, INT32_MAX},
    {"restart-every", ADAPTER_TIME, SETUP(restart_every_us), "TIME",
     "start the agent anew, between queries, when it is that old (default 0: never)", 0,
     365 * DAY_US},
    {"silence", ADAPTER_TIME, SETUP(silence_us), "TIME",
     "end an agent that says nothing for that long while it has a query (default 10m; 0: never)", 0,
     7 * DAY_US},
    {.name = NULL},
};

const struct adapter adapter_agent = {
    .name = "agent",
    .value = "NAME",
    .about = "the CLI of an agent, claude or codex, in its streaming JSON mode",
    .options = agent_options,
    .slots_max = 1,
    .takes_command = true,
    .check = agent_check,
    .make = agent_make,
    .destroy = agent_destroy,
    .start = agent_start,
    .offer = agent_offer,
    .drop = agent_drop,
    .descriptors = agent_descriptors,
    .take = agent_take,
    .due = agent_due,
    .stop = agent_stop,
};
