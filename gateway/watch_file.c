#include "gateway/watch_file.h"

#include <assert.h>
#include <stdlib.h>

#include "adapters/bridge/since.h"
#include "adapters/bridge/wake.h"
#include "adapters/bridge/watch.h"
#include "adapters/host/clock.h"
#include "gateway/row_event.h"

/* Rows of one short read transaction: it ends before anything is printed, because whoever reads our
 * output may be slow. */
#define READ_AT_ONCE 16

struct watch_file {
    struct place place;
    struct place_identity identity;
    struct watch *watch; /* NULL: commits cannot be watched, the safety net remains */
    struct tail *tail;
    struct wake wake;
    struct redact *redact; /* borrowed */
    struct row_event row;
    bool reading; /* there may be more rows than were read */
};

int watch_file_new(const struct place *place, struct redact *redact, struct watch_file **ret_file)
{
    struct watch_file *self = memory_zero(1, sizeof *self);
    self->place = *place;
    self->redact = redact;
    row_event_init(&self->row);
    if (watch_new(place, &self->watch))
        self->watch = NULL;
    int error = place_identify(place, &self->identity) ? BRIDGE_ABSENT : BRIDGE_OK;
    if (!error)
        error = tail_open(place, &self->tail);
    if (!error)
        db_leave_wal(tail_connection(self->tail));
    if (!error && place_verify(place, &self->identity))
        error = BRIDGE_BUSY; /* it was replaced between the two */
    if (error) {
        watch_file_destroy(&self);
        return error;
    }
    wake_init(&self->wake, clock_mono_us());
    *ret_file = self;
    return BRIDGE_OK;
}

void watch_file_destroy(struct watch_file **self)
{
    if (!*self)
        return;
    tail_close(&(*self)->tail);
    watch_destroy(&(*self)->watch);
    row_event_done(&(*self)->row);
    free(*self);
    *self = NULL;
}

int watch_file_find(struct watch_file *self, const struct watch_since *since, int64_t *ret_after)
{
    if (since->kind == WATCH_SINCE_NOW)
        return watch_file_last(self, ret_after);
    if (since->kind == WATCH_SINCE_TIME)
        return since_find(tail_connection(self->tail), span_str(since->stamp), ret_after);
    *ret_after = since->after;
    return BRIDGE_OK;
}

int watch_file_last(struct watch_file *self, int64_t *ret_id)
{
    return tail_last_id(self->tail, ret_id);
}

void watch_file_start(struct watch_file *self, int64_t after)
{
    tail_start_at(self->tail, after);
}

int64_t watch_file_position(const struct watch_file *self)
{
    return tail_cursor(self->tail);
}

int watch_file_fd(const struct watch_file *self)
{
    return self->watch ? watch_fd(self->watch) : -1;
}

int64_t watch_file_due(const struct watch_file *self)
{
    return self->reading ? INT64_MIN : wake_next(&self->wake);
}

/* A row on its way into a buffer. */
struct seeing {
    struct watch_file *file;
    struct buffer *lines;
};

static void see(void *context, const struct tail_row *row)
{
    struct seeing *seeing = context;
    struct watch_file *file = seeing->file;
    row_event_read(&file->row, row);
    row_event_make(&file->row, file->redact, row, true);
    event_row(&file->row.event, NULL, seeing->lines);
    buffer_byte(seeing->lines, '\n');
}

static int read_some(struct watch_file *self, struct buffer *lines)
{
    struct seeing seeing = {self, lines};
    size_t count = 0;
    int error = tail_read(self->tail, READ_AT_ONCE, see, &seeing, &count);
    if (!error && count < READ_AT_ONCE) {
        tail_settle(self->tail);
        self->reading = false;
    }
    assert(tail_is_quiet(self->tail));
    return error;
}

int watch_file_look(struct watch_file *self, int64_t now_us, struct buffer *ret_lines)
{
    bool changed = false;
    int error = BRIDGE_OK;
    unsigned flags = self->watch ? watch_drain(self->watch) : 0;
    if (flags & ~(unsigned)WATCH_CLOSED)
        wake_hint(&self->wake, now_us);
    else if (flags)
        wake_glance(&self->wake);
    if (!self->reading) {
        if (!wake_due(&self->wake, now_us))
            return BRIDGE_OK;
        error = tail_changed(self->tail, &changed);
        wake_checked(&self->wake, now_us, changed && !error);
        self->reading = changed && !error;
    }
    if (self->reading)
        error = read_some(self, ret_lines);
    if (error == BRIDGE_BUSY) { /* the proof is not settled: the next look finds it again */
        self->reading = false;
        error = BRIDGE_OK;
    }
    return error;
}

struct place_identity watch_file_identity(const struct watch_file *self)
{
    return self->identity;
}

bool watch_file_is_replaced(const struct watch_file *self)
{
    return place_verify(&self->place, &self->identity) != 0;
}
