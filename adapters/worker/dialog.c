#include "adapters/worker/dialog.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>

#include "proto/limits.h"
#include "proto/space.h"

#define GRACE_US 2000000 /* between SIGTERM and SIGKILL; and to end after closing a pipe */
#define SAID_SIZE 4096   /* bytes of one line on stderr; a longer one is shown in pieces */
#define TURN_READS 2     /* reads at most in one call of dialog_take() */
/* Reads at most of what an ended child left in its pipes: who left its group may still write. */
#define LAST_READS 64

void dialog_init(struct dialog *self)
{
    *self = (struct dialog){.phase = DIALOG_STOPPED, .child = {0, -1, -1, -1}};
    outlet_init(&self->input);
    lines_init(&self->answer, LIMIT_FRAME_SIZE);
    lines_init(&self->said, SAID_SIZE);
}

/* Forgets everything of a child that has ended. */
static void clear(struct dialog *self)
{
    child_close(&self->child);
    outlet_done(&self->input);
    lines_done(&self->answer);
    lines_done(&self->said);
    self->last = false;
    self->phase = DIALOG_STOPPED;
}

void dialog_done(struct dialog *self)
{
    if (self->child.pid > 0) {
        child_signal(&self->child, SIGKILL);
        waitpid(self->child.pid, NULL, 0);
        self->child.pid = 0;
    }
    clear(self);
}

int dialog_start(struct dialog *self, char *const *command)
{
    int code = child_start(&self->child, command, NULL);
    if (code == 0)
        self->phase = DIALOG_RUNNING;
    return code;
}

size_t dialog_descriptors(const struct dialog *self, struct pollfd ret_poll[DIALOG_DESCRIPTORS])
{
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
static void pipe_closed(struct dialog *self, int64_t now_us, const char *which)
{
    if (self->phase != DIALOG_RUNNING)
        return;
    snprintf(self->reason, sizeof self->reason, "worker process closed its standard %s", which);
    self->phase = DIALOG_CLOSED;
    self->end_us = now_us + GRACE_US;
}

static void terminate(struct dialog *self, int64_t now_us)
{
    child_signal(&self->child, SIGTERM);
    self->phase = DIALOG_ENDING;
    self->end_us = now_us + GRACE_US;
}

static void feed(struct dialog *self, int64_t now_us)
{
    if (self->child.input < 0)
        return;
    if (outlet_write(&self->input, self->child.input) != 0) {
        child_close_end(&self->child.input);
        pipe_closed(self, now_us, "input");
    } else if (self->last && outlet_waiting(&self->input) == 0) {
        child_close_end(&self->child.input);
    }
}

static enum dialog_report report_broken(struct dialog *self, struct span *ret_text)
{
    *ret_text = span_str(self->reason);
    return DIALOG_BROKEN;
}

static enum dialog_report report_too_long(struct dialog *self, int64_t now_us,
                                          struct span *ret_text)
{
    child_close_end(&self->child.output);
    lines_done(&self->answer);
    if (self->phase == DIALOG_ENDED)
        return DIALOG_NOTHING;
    snprintf(self->reason, sizeof self->reason,
             "worker process wrote a line of more than %u bytes and was ended", LIMIT_FRAME_SIZE);
    terminate(self, now_us);
    return report_broken(self, ret_text);
}

static enum dialog_report take_answer(struct dialog *self, int64_t now_us, struct span *ret_text)
{
    int found = lines_take(&self->answer, self->child.output, &self->reads, ret_text);
    if (found > 0)
        return DIALOG_LINE;
    if (found == -EMSGSIZE)
        return report_too_long(self, now_us, ret_text);
    if (found < 0) {
        child_close_end(&self->child.output);
        pipe_closed(self, now_us, "output");
    }
    return DIALOG_NOTHING;
}

/* A line that is too long is shown in pieces. */
static enum dialog_report take_said(struct dialog *self, struct span *ret_text)
{
    int found = lines_take(&self->said, self->child.errors, &self->reads, ret_text);
    if (found > 0 || found == -EMSGSIZE)
        return DIALOG_SAID;
    if (found < 0)
        child_close_end(&self->child.errors);
    return DIALOG_NOTHING;
}

static enum dialog_report take_line(struct dialog *self, int64_t now_us, struct span *ret_text)
{
    enum dialog_report report = DIALOG_NOTHING;
    self->said_first = !self->said_first;
    if (self->said_first)
        report = take_said(self, ret_text);
    if (report == DIALOG_NOTHING)
        report = take_answer(self, now_us, ret_text);
    if (report == DIALOG_NOTHING && !self->said_first)
        report = take_said(self, ret_text);
    return report;
}

static bool ended(struct dialog *self)
{
    siginfo_t how;
    if (!child_ended(&self->child, &how))
        return false;
    self->exited = how.si_code == CLD_EXITED;
    self->well = self->exited && how.si_status == 0;
    if (self->phase != DIALOG_RUNNING && self->phase != DIALOG_CLOSED)
        snprintf(self->reason, sizeof self->reason, "worker process was ended");
    else if (self->exited)
        snprintf(self->reason, sizeof self->reason, "worker process exited with status %d",
                 how.si_status);
    else
        snprintf(self->reason, sizeof self->reason, "worker process was killed by signal %d",
                 how.si_status);
    self->phase = DIALOG_ENDED;
    self->reads = LAST_READS;
    return true;
}

/* After ENDED: an unfinished last line counts when nothing says that it was cut short. */
static enum dialog_report take_rest(struct dialog *self, struct span *ret_text)
{
    if (lines_rest(&self->said, ret_text) && !space_only(*ret_text))
        return DIALOG_SAID;
    if (self->well && lines_rest(&self->answer, ret_text) && !space_only(*ret_text))
        return DIALOG_LINE;
    clear(self);
    *ret_text = span_str(self->reason);
    return DIALOG_GONE;
}

/* What time alone brings about. */
static enum dialog_report press(struct dialog *self, int64_t now_us, struct span *ret_text)
{
    if (now_us < dialog_due(self))
        return DIALOG_NOTHING;
    if (self->phase == DIALOG_CLOSED) {
        terminate(self, now_us);
        return report_broken(self, ret_text);
    }
    if (self->phase == DIALOG_LEAVING) {
        terminate(self, now_us);
    } else {
        child_signal(&self->child, SIGKILL);
        self->phase = DIALOG_KILLED;
    }
    return DIALOG_NOTHING;
}

enum dialog_report dialog_take(struct dialog *self, int64_t now_us, struct span *ret_text)
{
    if (self->phase == DIALOG_STOPPED)
        return DIALOG_NOTHING;
    if (self->phase != DIALOG_ENDED && !ended(self)) {
        self->reads = TURN_READS;
        feed(self, now_us);
    }
    enum dialog_report report = take_line(self, now_us, ret_text);
    if (report != DIALOG_NOTHING)
        return report;
    return self->phase == DIALOG_ENDED ? take_rest(self, ret_text) : press(self, now_us, ret_text);
}

int64_t dialog_due(const struct dialog *self)
{
    return self->phase == DIALOG_CLOSED || self->phase == DIALOG_LEAVING ||
                   self->phase == DIALOG_ENDING
               ? self->end_us
               : INT64_MAX;
}

void dialog_leave(struct dialog *self, int64_t now_us)
{
    if (self->phase != DIALOG_RUNNING && self->phase != DIALOG_CLOSED)
        return;
    child_close_end(&self->child.input);
    self->phase = DIALOG_LEAVING;
    self->end_us = now_us + GRACE_US;
}

void dialog_stop(struct dialog *self, int64_t now_us, bool at_once)
{
    if (self->phase == DIALOG_STOPPED || self->phase == DIALOG_ENDED ||
        self->phase == DIALOG_KILLED)
        return;
    if (at_once) {
        child_signal(&self->child, SIGKILL);
        self->phase = DIALOG_KILLED;
    } else if (self->phase != DIALOG_ENDING) {
        terminate(self, now_us);
    }
    child_close_end(&self->child.input); /* behind the signal: its end may mean something */
}
