/* Which rows nobody looks at any more: an unread query in a live conversation at or below the
 * low-water mark that is not parked, because a person has reset its read flag (upkeep.h, U1).
 *
 * What is parked is read before the rows: a query that is answered meanwhile may then be seen read
 * and parked, never unread and not parked. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "adapters/bridge/records.h"
#include "adapters/bridge/tail.h"
#include "adapters/host/clock.h"
#include "gateway/doctor.h"
#include "gateway/server.h"

#define ROWS_AT_ONCE 1000
#define PARKED_AT_ONCE 1000
#define AGAIN_MS 20 /* between tries while somebody holds the lock (rollback journal only) */
#define TELL_US 200000

struct scan {
    struct doctor_scan *result;
    size_t room;
    const char *session;
    int64_t mark, utc_us, at;
    int64_t *parked; /* in id order */
    size_t parked_count, parked_room;
    size_t next; /* the first parked one that is not below the row in hand */
};

static int64_t *room_for(int64_t *id_take, size_t needed, size_t *room)
{
    if (needed <= *room)
        return id_take;
    *room = needed > 2 * *room ? needed : 2 * *room;
    return memory_grow(id_take, *room * sizeof id_take[0]);
}

static int read_parked(sqlite3 *db, struct scan *scan)
{
    size_t count = PARKED_AT_ONCE;
    int64_t after = 0;
    int error = BRIDGE_OK;
    while (!error && count == PARKED_AT_ONCE && after < scan->mark) {
        scan->parked =
            room_for(scan->parked, scan->parked_count + PARKED_AT_ONCE, &scan->parked_room);
        error =
            records_parked(db, after, PARKED_AT_ONCE, scan->parked + scan->parked_count, &count);
        if (!error && count > 0)
            after = scan->parked[scan->parked_count + count - 1];
        scan->parked_count += error ? 0 : count;
    }
    return error;
}

static bool is_parked(struct scan *scan, int64_t id)
{
    while (scan->next < scan->parked_count && scan->parked[scan->next] < id)
        scan->next++;
    return scan->next < scan->parked_count && scan->parked[scan->next] == id;
}

static void see(void *context, const struct tail_row *row)
{
    struct scan *scan = context;
    struct doctor_scan *result = scan->result;
    struct message message;
    scan->at = row->id;
    if (row->read || !span_is(row->to_session, scan->session) || !intake_is_live(row, scan->utc_us))
        return;
    message_read(&row->columns, &message);
    if (!message_is_query(message.kind))
        return;
    result->unread++;
    if (row->id > scan->mark || is_parked(scan, row->id))
        return;
    result->unknown = room_for(result->unknown, result->unknown_count + 1, &scan->room);
    result->unknown[result->unknown_count++] = row->id;
}

/* True when ERROR is a lock that may be gone soon; the last look then is at END_US. */
static bool wait_for_lock(int error, int64_t end_us)
{
    if (error != BRIDGE_BUSY || clock_mono_us() >= end_us)
        return false;
    const struct timespec pause = {0, AGAIN_MS * 1000000L};
    nanosleep(&pause, NULL);
    return true;
}

static int64_t patience_end(void)
{
    return clock_mono_us() + DOCTOR_BUSY_MS * INT64_C(1000);
}

static int open_tail(const struct place *place, struct tail **ret_tail)
{
    int64_t end_us = patience_end();
    int error;
    while (wait_for_lock(error = tail_open(place, ret_tail), end_us))
        ;
    return error;
}

/* One page; nothing of it counts before it is whole, so that it can be read again. */
static int read_page(struct tail *tail, struct scan *scan, size_t *ret_count)
{
    int64_t end_us = patience_end(), after = scan->at;
    struct doctor_scan before = *scan->result;
    int error;
    while (wait_for_lock(
        error = tail_range(tail, after, INT64_MAX, ROWS_AT_ONCE, see, scan, ret_count), end_us)) {
        scan->result->unread = before.unread;
        scan->result->unknown_count = before.unknown_count;
        scan->at = after;
    }
    return error;
}

static int read_rows(struct tail *tail, struct scan *scan, bool progress)
{
    size_t count = ROWS_AT_ONCE;
    int64_t last = 0, told_us = clock_mono_us();
    bool told = false;
    int error = progress ? tail_last_id(tail, &last) : BRIDGE_OK;
    while (!error && count == ROWS_AT_ONCE) {
        error = read_page(tail, scan, &count);
        if (!progress || clock_mono_us() < told_us + TELL_US)
            continue;
        told_us = clock_mono_us();
        told = true;
        fprintf(stderr, "\r\033[Klooking at message %lld of %lld", (long long)scan->at,
                (long long)last);
        fflush(stderr);
    }
    if (told)
        fprintf(stderr, "\r\033[K");
    return error;
}

int doctor_scan_run(const struct place *place, sqlite3 *db, const char *session, int64_t mark,
                    bool progress, struct doctor_scan *ret_scan)
{
    struct doctor_scan result = {0};
    struct scan scan = {
        .result = &result, .session = session, .mark = mark, .utc_us = clock_utc_us()};
    struct tail *tail = NULL;
    int error = read_parked(db, &scan);
    if (!error)
        error = open_tail(place, &tail);
    if (!error)
        error = read_rows(tail, &scan, progress);
    tail_close(&tail);
    free(scan.parked);
    if (error)
        doctor_scan_done(&result);
    else
        *ret_scan = result;
    return error;
}

void doctor_scan_done(struct doctor_scan *self)
{
    free(self->unknown);
    memset(self, 0, sizeof *self);
}
