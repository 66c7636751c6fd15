#include "gateway/watch_run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/host/clock.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/cli.h"
#include "gateway/problem.h"

#define REOPEN_US 20000 /* between two attempts at a file that is locked */

/* Says why the file is read and no gateway heard: again only when that changes. */
static int say_file(struct watch_run *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int say_file(struct watch_run *self, const char *format, ...)
{
    char why[sizeof self->why_file];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    if (strcmp(why, self->why_file) == 0)
        return -1;
    memcpy(self->why_file, why, sizeof why);
    return watch_show_notice(&self->show, "watch/file", -1, false, "%s", why);
}

/* --- LIVE and back --- */

static bool is_same(const struct place_holder *one, const struct place_holder *other)
{
    return one->pid == other->pid && strcmp(one->since, other->since) == 0 &&
           strcmp(one->events, other->events) == 0 && strcmp(one->batches, other->batches) == 0 &&
           strcmp(one->gate, other->gate) == 0;
}

/* Who takes everything takes it in batches. */
static const char *events_of(const struct watch_run *self, const struct place_holder *holder)
{
    bool all = self->wish.kinds == 0 && !self->wish.conversation;

    return all && *holder->batches ? holder->batches : holder->events;
}

static int enter_live(struct watch_run *self, const struct place_holder *holder, int64_t now_us)
{
    if (self->file)
        self->after = watch_file_position(self->file);
    watch_file_destroy(&self->file);
    self->holder = *holder;
    self->look_us = now_us + WATCH_LOOK_US;
    int code = watch_live_open(self, events_of(self, holder), holder->gate, now_us);
    if (code < 0 && self->why_file[0])
        code = watch_show_notice(&self->show, "watch/live", -1, false,
                                 "a gateway runs (pid %ld): going on with its events", holder->pid);
    self->why_file[0] = '\0';
    return code;
}

/* Looks whether a gateway can be heard, and goes over to it. */
static int look_for_gateway(struct watch_run *self, int64_t now_us)
{
    struct place_holder holder;
    int error = place_holder(&self->place, &holder);
    self->look_us = now_us + WATCH_LOOK_US;
    if (error == -ESRCH && self->why_file[0])
        return -1; /* why we are here was said */
    if (error == -ESRCH)
        return say_file(self, "no gateway runs: reading the file itself; life-cycle events and "
                              "partial answers come with a gateway");
    if (error)
        return say_file(self,
                        "whether a gateway runs cannot be told (%s: %s): reading the file "
                        "itself",
                        self->place.lock, strerror(-error));
    if (!*holder.gate)
        return -1; /* it is starting */
    if (endpoint_read(holder.events) == ENDPOINT_BAD || endpoint_read(holder.gate) == ENDPOINT_BAD)
        return say_file(self,
                        "the gateway (pid %ld) names no endpoint for events: reading the "
                        "file itself; give it one with --events",
                        holder.pid);
    if (self->given_up.pid && is_same(&holder, &self->given_up) && now_us < self->shun_us)
        return -1;
    return enter_live(self, &holder, now_us);
}

static int leave_live(struct watch_run *self, int64_t now_us, bool gave_up)
{
    struct place_holder holder;
    bool runs = place_holder(&self->place, &holder) == 0;
    watch_live_close(self);
    self->look_us = now_us;
    if (!gave_up)
        return -1;
    self->why_away[0] = '\0'; /* what is said now says it, too */
    self->given_up = self->holder;
    self->shun_us = now_us + WATCH_SHUN_US;
    if (runs && is_same(&holder, &self->holder))
        return say_file(self, "the gateway (pid %ld) cannot be heard: reading the file itself",
                        holder.pid);
    return say_file(self, "the gateway has not come back: reading the file itself until it does");
}

/* A gateway that comes back may be found at another endpoint. */
static bool has_moved(struct watch_run *self, int64_t now_us)
{
    struct place_holder holder;
    if (now_us < self->look_us)
        return false;
    self->look_us = now_us + WATCH_LOOK_US;
    return place_holder(&self->place, &holder) == 0 && *holder.gate &&
           (strcmp(holder.events, self->holder.events) != 0 ||
            strcmp(holder.batches, self->holder.batches) != 0 ||
            strcmp(holder.gate, self->holder.gate) != 0);
}

static int step_live(struct watch_run *self, int64_t now_us)
{
    int code = watch_live_step(self, now_us);
    if (code >= 0 || !self->db || !self->away_us)
        return code;
    if (now_us >= self->away_us + WATCH_PATIENCE_US)
        return leave_live(self, now_us, true);
    return has_moved(self, now_us) ? leave_live(self, now_us, false) : -1;
}

/* --- FILE --- */

/* Behind which row to begin, in `after`. Ids are never given twice in one file, but where another
 * one has taken its place, what we have shown may lie beyond its end. */
static int begin(struct watch_run *self, bool *ret_reset)
{
    const struct place_identity now = watch_file_identity(self->file), was = self->identity;
    bool first = self->after < 0, other = now.device != was.device || now.inode != was.inode;
    int64_t last = 0;
    int error = watch_file_last(self->file, &last);
    if (!error && first)
        error = watch_file_find(self->file, &self->since, &self->after);
    if (error)
        return error;
    *ret_reset = !first && other && self->after > last;
    if (self->after > last && (first || other))
        self->after = last;
    self->identity = now;
    return BRIDGE_OK;
}

/* Opens the file, and passes over what was shown. */
static int open_file(struct watch_run *self, int64_t now_us)
{
    bool first = self->after < 0, reset = false;
    int error = watch_file_new(&self->place, self->redact, &self->file);
    if (!error)
        error = begin(self, &reset);
    if (!error) {
        watch_file_start(self->file, self->after);
        self->locked_us = 0;
        return reset ? watch_reset(self, self->after) : -1;
    }
    watch_file_destroy(&self->file);
    if (first)
        self->after = TAILGATE_FROM_NOW;
    /* later it may be away for a moment, while it is replaced */
    if (error != BRIDGE_BUSY && (error != BRIDGE_ABSENT || first))
        return problem_bridge("watch", &self->place, error, NULL);
    if (!self->locked_us)
        self->locked_us = now_us;
    return now_us < self->locked_us + WATCH_PATIENCE_US
               ? -1
               : problem_bridge("watch", &self->place, error, NULL);
}

static int show_lines(struct watch_run *self)
{
    struct span rest = buffer_span(&self->lines);
    int code = -1;
    while (code < 0 && rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = end ? (size_t)(end - rest.data) : rest.size;
        code = watch_show_event(&self->show, span_of(rest.data, size));
        size += end != NULL;
        rest = span_of(rest.data + size, rest.size - size);
    }
    return code;
}

static int read_file(struct watch_run *self, int64_t now_us)
{
    buffer_reset(&self->lines);
    if (watch_file_is_replaced(self->file)) {
        self->after = watch_file_position(self->file);
        watch_file_destroy(&self->file);
        return watch_show_notice(&self->show, "watch/file", -1, false,
                                 "the file was replaced: going on with the new one");
    }
    int error = watch_file_look(self->file, now_us, &self->lines);
    int code = show_lines(self);
    return code < 0 && error ? problem_bridge("watch", &self->place, error, NULL) : code;
}

static int step_file(struct watch_run *self, int64_t now_us)
{
    int code = -1;
    if (!self->file)
        code = open_file(self, now_us);
    if (code < 0 && self->after >= 0 && now_us >= self->look_us)
        code = look_for_gateway(self, now_us);
    if (code < 0 && self->file)
        code = read_file(self, now_us);
    return code;
}

/* --- both --- */

static int64_t due(const struct watch_run *self, int64_t now_us)
{
    if (self->observer && (!self->db || !self->away_us))
        return INT64_MAX;
    if (self->observer)
        return self->look_us;
    if (!self->file)
        return now_us + REOPEN_US;
    int64_t due_us = watch_file_due(self->file);
    return due_us < self->look_us ? due_us : self->look_us;
}

/* Sleeps until something is to be done. */
static int sleep_until(struct watch_run *self, int64_t until_us)
{
    struct pollfd item[3];
    watch_out_items(&self->out, item);
    item[2] = (struct pollfd){-1, POLLIN, 0};
    if (self->observer)
        item[2].fd = tailgate_observer_fd(self->observer);
    else if (self->file)
        item[2].fd = watch_file_fd(self->file);
    int64_t now_us = clock_mono_us();
    int64_t left = until_us == INT64_MAX || until_us < now_us ? 0 : until_us - now_us;
    const struct timespec pause = {left / 1000000, left % 1000000 * 1000};
    int count = ppoll(item, 3, until_us == INT64_MAX ? NULL : &pause, NULL);
    if (count < 0 && errno != EINTR)
        return cli_fail("watch", CLI_FAILED, "poll: %s", strerror(errno));
    return count > 0 && watch_out_is_over(item) ? CLI_OK : -1;
}

/* Gets ready. Returns -1 to go on. */
static int begin_run(struct watch_run *self)
{
    int error = self->db ? place_find(self->db, &self->place) : 0;
    if (error)
        return problem_place("watch", self->db, error);
    self->redact = self->db ? redact_new(true) : NULL;
    if (self->db && !self->redact)
        return cli_fail("watch", CLI_FAILED, "cannot start PCRE2: it was built without Unicode");
    error = watch_out_open(&self->out);
    if (error)
        return cli_fail("watch", CLI_FAILED, "signals: %s", strerror(-error));
    self->after = TAILGATE_FROM_NOW;
    if (self->db)
        return -1;
    if (self->since.kind == WATCH_SINCE_ID)
        self->after = self->since.after;
    return watch_live_open(self, self->events_given, self->gate_given, clock_mono_us());
}

int watch_run(struct watch_run *self)
{
    self->out.signal_fd = -1;
    buffer_init(&self->lines);
    watch_show_init(&self->show, &self->wish, &self->out);
    int code = begin_run(self);
    while (code < 0) {
        int64_t now_us = clock_mono_us();
        code = self->observer ? step_live(self, now_us) : step_file(self, now_us);
        if (code < 0)
            code = sleep_until(self, due(self, now_us));
    }
    watch_file_destroy(&self->file);
    tailgate_observer_destroy(&self->observer);
    redact_destroy(&self->redact);
    watch_show_done(&self->show);
    watch_out_close(&self->out);
    buffer_done(&self->lines);
    return code;
}
