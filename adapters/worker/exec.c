/* A child process that is started once and speaks JSON lines: one query object per line on its
 * stdin, one answer per line on its stdout, words for people on its stderr. */
#include <stdlib.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/dialog.h"
#include "adapters/worker/jsonl.h"

struct exec {
    char *const *command;
    struct dialog dialog;
    struct buffer part; /* what a report's text is made of */
    bool ready;         /* READY was reported */
};

static void *exec_make(const struct adapter_setup *setup)
{
    struct exec *self = memory_zero(1, sizeof *self);
    self->command = setup->command;
    dialog_init(&self->dialog);
    buffer_init(&self->part);
    return self;
}

static void exec_destroy(void **state)
{
    struct exec *self = *state;
    *state = NULL;
    if (!self)
        return;
    dialog_done(&self->dialog);
    buffer_done(&self->part);
    free(self);
}

static int exec_start(void *state)
{
    struct exec *self = state;
    self->ready = false;
    return dialog_start(&self->dialog, self->command);
}

static void exec_offer(void *state, struct span token, struct span query)
{
    struct exec *self = state;
    (void)token; /* rides in the query's member "delivery" */
    if (self->dialog.phase != DIALOG_RUNNING)
        return;
    jsonl_add_query(&self->dialog.input.bytes, query);
}

static size_t exec_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct exec *self = state;
    return dialog_descriptors(&self->dialog, ret_poll);
}

static bool exec_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct exec *self = state;
    struct span text;
    if (self->dialog.phase == DIALOG_STOPPED)
        return false;
    if (!self->ready) { /* a child that comes up slowly finds its queries in the pipe */
        self->ready = true;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    switch (dialog_take(&self->dialog, now_us, &text)) {
    case DIALOG_NOTHING:
        return false;
    case DIALOG_LINE:
        jsonl_report(text, JSONL_TEXT, &self->part, ret_report);
        return true;
    case DIALOG_SAID:
        *ret_report = (struct adapter_report){.kind = ADAPTER_SAID, .text = text};
        return true;
    case DIALOG_BROKEN:
        *ret_report = (struct adapter_report){.kind = ADAPTER_BROKEN, .text = text};
        return true;
    case DIALOG_GONE:
        buffer_done(&self->part);
        *ret_report = (struct adapter_report){.kind = ADAPTER_GONE, .text = text};
        return true;
    }
    return false;
}

static int64_t exec_due(const void *state)
{
    const struct exec *self = state;
    return dialog_due(&self->dialog);
}

static void exec_stop(void *state, int64_t now_us, bool at_once)
{
    struct exec *self = state;
    dialog_stop(&self->dialog, now_us, at_once);
}

const struct adapter adapter_exec = {
    .name = "exec",
    .about = "a program of yours that stays running: JSON lines on its standard input and output",
    .takes_command = true,
    .make = exec_make,
    .destroy = exec_destroy,
    .start = exec_start,
    .offer = exec_offer,
    .descriptors = exec_descriptors,
    .take = exec_take,
    .due = exec_due,
    .stop = exec_stop,
};
