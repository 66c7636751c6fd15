/* A child process that is started once and speaks JSON lines: one query object per line on its
 * stdin, one answer per line on its stdout, words for people on its stderr.
 *
 * Invariants
 *   1. Every pipe is non-blocking: a child that reads nothing, or writes without end, costs memory
 *      up to a limit and never the loop's time.
 *   2. The child leads a process group. When it has ended, what is left of the group is killed
 *      before the child is reaped, so that the group's number cannot have become somebody else's.
 *   3. What the child wrote before it ended is reported before GONE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/child.h"
#include "adapters/worker/jsonl.h"
#include "adapters/worker/lines.h"
#include "adapters/worker/outlet.h"
#include "proto/limits.h"
#include "proto/space.h"

#define GRACE_US 2000000 /* between SIGTERM and SIGKILL; and to end after closing a pipe */
#define SAID_SIZE 4096   /* bytes of one line on stderr; a longer one is shown in pieces */
#define TURN_READS 2     /* reads at most in one call of take() */
/* Reads at most of what an ended child left in its pipes: who left its group may still write. */
#define LAST_READS 64

enum phase {
    STOPPED, /* no child */
    RUNNING,
    CLOSED, /* it closed stdin or stdout; it has until END_US to end by itself */
    ENDING, /* SIGTERM sent; SIGKILL follows at END_US */
    KILLED, /* SIGKILL sent */
    ENDED   /* reaped; what it left in its pipes is being read */
};

struct exec {
    char *const *command;
    enum phase phase;
    struct child child;
    struct outlet input; /* lines for its stdin */
    struct lines answer; /* its stdout */
    struct buffer part;  /* what a report's text is made of */
    bool ready;          /* READY was reported */
    struct lines said;   /* its stderr */
    bool said_first;     /* whose turn it is: neither stream can silence the other */
    int reads;           /* that may still be made in this call or, when ENDED, at all */
    bool well;           /* ENDED: with exit status 0 */
    int64_t end_us;
    char reason[200]; /* text of BROKEN and GONE */
};

static void *exec_make(const struct adapter_setup *setup)
{
    struct exec *self = memory_zero(1, sizeof *self);
    self->command = setup->command;
    self->child = (struct child){0, -1, -1, -1};
    outlet_init(&self->input);
    buffer_init(&self->part);
    lines_init(&self->answer, LIMIT_FRAME_SIZE);
    lines_init(&self->said, SAID_SIZE);
    return self;
}

/* Forgets everything of a child that has ended. */
static void clear(struct exec *self)
{
    child_close(&self->child);
    outlet_done(&self->input);
    buffer_done(&self->part);
    lines_done(&self->answer);
    lines_done(&self->said);
    self->ready = false;
    self->phase = STOPPED;
}

static void exec_destroy(void **state)
{
    struct exec *self = *state;
    *state = NULL;
    if (!self)
        return;
    if (self->child.pid > 0) {
        child_signal(&self->child, SIGKILL);
        waitpid(self->child.pid, NULL, 0);
    }
    clear(self);
    free(self);
}

static int exec_start(void *state)
{
    struct exec *self = state;
    int code = child_start(&self->child, self->command);
    if (code == 0)
        self->phase = RUNNING;
    return code;
}

static void exec_offer(void *state, struct span token, struct span query)
{
    struct exec *self = state;
    (void)token; /* rides in the query's member "delivery" */
    if (self->phase != RUNNING)
        return;
    jsonl_add_query(&self->input.bytes, query);
}

static size_t exec_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct exec *self = state;
    size_t count = 0;
    if (self->child.input >= 0 && outlet_waiting(&self->input) > 0)
        ret_poll[count++] = (struct pollfd){self->child.input, POLLOUT, 0};
    if (self->child.output >= 0)
        ret_poll[count++] = (struct pollfd){self->child.output, POLLIN, 0};
    if (self->child.errors >= 0)
        ret_poll[count++] = (struct pollfd){self->child.errors, POLLIN, 0};
    return count;
}

/* A child that closes a pipe is most likely about to end: its exit status will say more than we
 * can. */
static void pipe_closed(struct exec *self, int64_t now_us, const char *which)
{
    if (self->phase != RUNNING)
        return;
    snprintf(self->reason, sizeof self->reason, "worker process closed its standard %s", which);
    self->phase = CLOSED;
    self->end_us = now_us + GRACE_US;
}

static void terminate(struct exec *self, int64_t now_us)
{
    child_signal(&self->child, SIGTERM);
    self->phase = ENDING;
    self->end_us = now_us + GRACE_US;
}

static void feed(struct exec *self, int64_t now_us)
{
    if (self->child.input < 0 || outlet_write(&self->input, self->child.input) == 0)
        return;
    child_close_end(&self->child.input);
    pipe_closed(self, now_us, "input");
}

static bool report_broken(struct exec *self, struct adapter_report *ret_report)
{
    *ret_report = (struct adapter_report){.kind = ADAPTER_BROKEN, .text = span_str(self->reason)};
    return true;
}

static bool report_too_long(struct exec *self, int64_t now_us, struct adapter_report *ret_report)
{
    child_close_end(&self->child.output);
    lines_done(&self->answer);
    if (self->phase == ENDED)
        return false;
    snprintf(self->reason, sizeof self->reason,
             "worker process wrote a line of more than %u bytes and was ended", LIMIT_FRAME_SIZE);
    terminate(self, now_us);
    return report_broken(self, ret_report);
}

static bool report_line(struct exec *self, struct span line, struct adapter_report *ret_report)
{
    jsonl_report(line, JSONL_TEXT, &self->part, ret_report);
    return true;
}

static bool take_answer(struct exec *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct span line;
    int found = lines_take(&self->answer, self->child.output, &self->reads, &line);
    if (found > 0)
        return report_line(self, line, ret_report);
    if (found == -EMSGSIZE)
        return report_too_long(self, now_us, ret_report);
    if (found < 0) {
        child_close_end(&self->child.output);
        pipe_closed(self, now_us, "output");
    }
    return false;
}

static bool report_said(struct span line, struct adapter_report *ret_report)
{
    *ret_report = (struct adapter_report){.kind = ADAPTER_SAID, .text = line};
    return true;
}

static bool take_said(struct exec *self, struct adapter_report *ret_report)
{
    for (;;) {
        struct span line;
        int found;
        while ((found = lines_next(&self->said, &line)) != 0) {
            if (!space_only(line))
                return report_said(line, ret_report);
        }
        if (self->child.errors < 0 || self->reads-- <= 0)
            return false;
        ssize_t got = lines_read(&self->said, self->child.errors);
        if (got == -EAGAIN)
            return false;
        if (got <= 0)
            child_close_end(&self->child.errors);
    }
}

static bool take_line(struct exec *self, int64_t now_us, struct adapter_report *ret_report)
{
    self->said_first = !self->said_first;
    if (self->said_first)
        return take_said(self, ret_report) || take_answer(self, now_us, ret_report);
    return take_answer(self, now_us, ret_report) || take_said(self, ret_report);
}

static bool ended(struct exec *self)
{
    siginfo_t how;
    if (!child_ended(&self->child, &how))
        return false;
    self->well = how.si_code == CLD_EXITED && how.si_status == 0;
    if (self->phase != RUNNING && self->phase != CLOSED)
        snprintf(self->reason, sizeof self->reason, "worker process was ended");
    else if (how.si_code == CLD_EXITED)
        snprintf(self->reason, sizeof self->reason, "worker process exited with status %d",
                 how.si_status);
    else
        snprintf(self->reason, sizeof self->reason, "worker process was killed by signal %d",
                 how.si_status);
    self->phase = ENDED;
    self->reads = LAST_READS;
    return true;
}

/* After ENDED: an unfinished last line counts when nothing says that it was cut short. */
static bool take_rest(struct exec *self, struct adapter_report *ret_report)
{
    struct span line;
    if (lines_rest(&self->said, &line) && !space_only(line))
        return report_said(line, ret_report);
    if (self->well && lines_rest(&self->answer, &line) && !space_only(line))
        return report_line(self, line, ret_report);
    clear(self);
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE, .text = span_str(self->reason)};
    return true;
}

/* What time alone brings about. */
static bool press(struct exec *self, int64_t now_us, struct adapter_report *ret_report)
{
    if (now_us < self->end_us)
        return false;
    if (self->phase == CLOSED) {
        terminate(self, now_us);
        return report_broken(self, ret_report);
    }
    if (self->phase == ENDING) {
        child_signal(&self->child, SIGKILL);
        self->phase = KILLED;
    }
    return false;
}

static bool exec_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct exec *self = state;
    if (self->phase == STOPPED)
        return false;
    if (!self->ready) { /* a child that comes up slowly finds its queries in the pipe */
        self->ready = true;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    if (self->phase != ENDED && !ended(self)) {
        self->reads = TURN_READS;
        feed(self, now_us);
    }
    if (take_line(self, now_us, ret_report))
        return true;
    return self->phase == ENDED ? take_rest(self, ret_report) : press(self, now_us, ret_report);
}

static int64_t exec_due(const void *state)
{
    const struct exec *self = state;
    return self->phase == CLOSED || self->phase == ENDING ? self->end_us : INT64_MAX;
}

static void exec_stop(void *state, int64_t now_us, bool at_once)
{
    struct exec *self = state;
    if (self->phase == STOPPED || self->phase == ENDED || self->phase == KILLED)
        return;
    child_close_end(&self->child.input);
    if (at_once) {
        child_signal(&self->child, SIGKILL);
        self->phase = KILLED;
    } else if (self->phase != ENDING) {
        terminate(self, now_us);
    }
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
