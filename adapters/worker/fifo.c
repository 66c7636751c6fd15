/* A program that opens two named pipes: it reads lines from `queries` and writes lines to
 * `answers`. What each side may expect of the other is in proto/WIRE.md, "Named pipes".
 *
 *            somebody reads `queries`             that reader has closed it
 *   LOOKING ──────────────────────────▶ RUNNING ────────────────────────────▶ LEFT ──▶ GONE
 *
 * Either side may die at any byte and come back. That cannot bring queries and answers out of step:
 *   1. An answer counts by its token alone. What an earlier program, or an earlier question of
 * ours, has left in `answers` names no query that is in flight.
 *   2. What is in `answers` before the first query goes out is thrown away, half lines included.
 *   3. The first byte that we write is a line feed: it ends the half line that one of us has left.
 *   4. The end of the reader is seen even if the next one is there before we look (pipes.h). What
 * it had in flight has failed then, and what it wrote before is reported first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/excerpt.h"
#include "adapters/worker/jsonl.h"
#include "adapters/worker/lines.h"
#include "adapters/worker/outlet.h"
#include "adapters/worker/pipes.h"
#include "adapters/worker/search.h"
#include "proto/limits.h"

#define TURN_READS 2 /* reads at most in one call of take() */
/* Reads at most of what is found in `answers`: more than a pipe can hold, unless somebody writes.
 */
#define OLD_READS 64

enum phase {
    STOPPED,
    LOOKING,
    RUNNING,
    LEFT, /* what it wrote last is being read; then GONE */
    ENDED /* GONE is to be reported */
};

struct fifo {
    const char *folder;
    struct pipes pipes;
    struct outlet out;
    struct lines in;
    struct buffer part; /* what a report's text is made of */
    enum phase phase;
    struct search search; /* LOOKING */
    int reads;            /* LEFT: that may still be made */
    char reason[PIPES_WHY + 50];
};

static int fifo_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    char why[PIPES_WHY];
    if (setup->target[0] != '\0' && pipes_check(setup->target, why) == 0)
        return 0;
    snprintf(ret_why, ADAPTER_WHY, "--fifo %s",
             setup->target[0] == '\0' ? "needs the name of a folder" : why);
    return -1;
}

static void *fifo_make(const struct adapter_setup *setup)
{
    struct fifo *self = memory_zero(1, sizeof *self);
    self->folder = setup->target;
    pipes_init(&self->pipes);
    outlet_init(&self->out);
    lines_init(&self->in, LIMIT_FRAME_SIZE);
    buffer_init(&self->part);
    return self;
}

static void clear(struct fifo *self, enum phase phase)
{
    pipes_close(&self->pipes);
    outlet_done(&self->out);
    lines_done(&self->in);
    self->phase = phase;
}

static void fifo_destroy(void **state)
{
    struct fifo *self = *state;
    *state = NULL;
    if (!self)
        return;
    clear(self, STOPPED);
    buffer_done(&self->part);
    free(self);
}

static int fifo_start(void *state)
{
    struct fifo *self = state;
    self->phase = LOOKING;
    search_begin(&self->search);
    return 0;
}

static void fifo_offer(void *state, struct span token, struct span query)
{
    struct fifo *self = state;
    (void)token; /* rides in the query's member "delivery" */
    if (self->phase != RUNNING)
        return;
    if (outlet_waiting(&self->out) <= OUTLET_MAX) {
        jsonl_add_query(&self->out.bytes, query);
        return;
    }
    snprintf(self->reason, sizeof self->reason, "the program at %.150s does not read its queries",
             self->folder);
    clear(self, ENDED);
}

/* Its answer, should it still come, names a query that is in flight no more. */
static bool fifo_drop(void *state, struct span token, int64_t now_us)
{
    (void)state;
    (void)token;
    (void)now_us;
    return true;
}

static size_t fifo_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct fifo *self = state;
    if (self->phase != RUNNING)
        return 0;
    short writing = outlet_waiting(&self->out) > 0 ? POLLOUT : 0;
    ret_poll[0] = (struct pollfd){self->pipes.queries, writing, 0};
    ret_poll[1] = (struct pollfd){self->pipes.answers, POLLIN, 0};
    ret_poll[2] = (struct pollfd){self->pipes.watch, POLLIN, 0};
    return 3;
}

static bool report_gone(struct fifo *self, struct adapter_report *ret_report)
{
    clear(self, STOPPED);
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE, .text = span_str(self->reason)};
    return true;
}

/* Point 2 above. */
static void discard_old(struct fifo *self)
{
    for (int i = 0; i < OLD_READS && lines_read(&self->in, self->pipes.answers) > 0; i++)
        lines_done(&self->in);
}

static bool look(struct fifo *self, int64_t now_us, struct adapter_report *ret_report)
{
    char why[PIPES_WHY];
    if (now_us < self->search.again_us)
        return false;
    if (pipes_open(&self->pipes, self->folder, why) == 0) {
        discard_old(self);
        buffer_byte(&self->out.bytes, '\n'); /* point 3 */
        self->phase = RUNNING;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    if (!search_failed(&self->search, now_us))
        return false;
    snprintf(self->reason, sizeof self->reason, "waiting for a program at %s", why);
    *ret_report = (struct adapter_report){.kind = ADAPTER_NOTE, .text = span_str(self->reason)};
    return true;
}

/* Point 1: an object that is no answer to a query by its token is none to any. */
static bool report_line(struct fifo *self, struct span line, struct adapter_report *ret_report)
{
    jsonl_report(line, JSONL_OBJECTS, &self->part, ret_report);
    if (ret_report->kind == ADAPTER_FAILED || ret_report->token.size > 0)
        return true;
    char shown[EXCERPT_SIZE];
    excerpt_write(line, shown);
    buffer_reset(&self->part);
    buffer_text(&self->part, "the program's answer does not repeat delivery.token: ");
    buffer_text(&self->part, shown);
    *ret_report = (struct adapter_report){.kind = ADAPTER_FAILED, .text = buffer_span(&self->part)};
    return true;
}

static bool hear(struct fifo *self, int *reads, struct adapter_report *ret_report)
{
    struct span line;
    int found = lines_take(&self->in, self->pipes.answers, reads, &line);
    if (found > 0)
        return report_line(self, line, ret_report);
    if (found == 0)
        return false;
    if (found == -EMSGSIZE)
        snprintf(self->reason, sizeof self->reason,
                 "the program at %.150s wrote a line of more than %u bytes", self->folder,
                 LIMIT_FRAME_SIZE);
    else
        snprintf(self->reason, sizeof self->reason, "%.150s/answers: %s", self->folder,
                 strerror(-found));
    return report_gone(self, ret_report);
}

static bool run(struct fifo *self, struct adapter_report *ret_report)
{
    int reads = TURN_READS;
    if (outlet_write(&self->out, self->pipes.queries) == 0 && !pipes_left(&self->pipes))
        return hear(self, &reads, ret_report);
    snprintf(self->reason, sizeof self->reason, "the program at %.150s has gone", self->folder);
    self->phase = LEFT;
    self->reads = OLD_READS;
    return false;
}

static bool fifo_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct fifo *self = state;
    if (self->phase == RUNNING && run(self, ret_report))
        return true;
    switch (self->phase) {
    case LOOKING:
        return look(self, now_us, ret_report);
    case LEFT:
        return hear(self, &self->reads, ret_report) || report_gone(self, ret_report);
    case ENDED:
        return report_gone(self, ret_report);
    case RUNNING:
    case STOPPED:
        break;
    }
    return false;
}

static int64_t fifo_due(const void *state)
{
    const struct fifo *self = state;
    if (self->phase == LOOKING)
        return self->search.again_us;
    return self->phase == LEFT || self->phase == ENDED ? 0 : INT64_MAX;
}

static void fifo_stop(void *state, int64_t now_us, bool at_once)
{
    struct fifo *self = state;
    (void)now_us;
    (void)at_once;
    if (self->phase == STOPPED)
        return;
    snprintf(self->reason, sizeof self->reason, "the pipes in %.150s were closed", self->folder);
    clear(self, ENDED);
}

const struct adapter adapter_fifo = {
    .name = "fifo",
    .value = "DIR",
    .about = "a program that opens a pair of named pipes in DIR: JSON lines on both",
    .alone = true,
    .check = fifo_check,
    .make = fifo_make,
    .destroy = fifo_destroy,
    .start = fifo_start,
    .offer = fifo_offer,
    .drop = fifo_drop,
    .descriptors = fifo_descriptors,
    .take = fifo_take,
    .due = fifo_due,
    .stop = fifo_stop,
};
