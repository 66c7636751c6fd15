/* Looks at unread rows and says of each why nobody answers it.
 *
 * What is parked is read before the rows: a query that is answered meanwhile may then be seen read
 * and parked, never unread and not parked. So is what was tried already. */
#include "gateway/doctor_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapters/bridge/records.h"
#include "adapters/bridge/tail.h"
#include "adapters/host/clock.h"
#include "gateway/server.h"
#include "proto/stamp.h"

#define ROWS_AT_ONCE 1000
#define RECORDS_AT_ONCE 1000
#define AGAIN_MS 20 /* between tries while somebody holds the lock (rollback journal only) */
#define TELL_US 200000
#define GROUPS_MAX 200 /* of unread rows; what is beyond counts under the last one, "..." */
#define AGENT_LIVES_US 120000000 /* as the gateway sees it (intake.c) */

struct ids {
    int64_t *id; /* in order */
    size_t count, room;
    size_t next; /* the first one that is not below the row in hand */
};

struct scan {
    struct doctor *doctor;
    struct tail *tail;
    int64_t at;
    struct ids parked, leased, waiting;
};

const char *doctor_reason_name(int reason)
{
    static const char *const name[REASONS] = {
        [REASON_SERVED] = "served",
        [REASON_NO_GATEWAY] = "no-gateway",
        [REASON_SILENT_GATEWAY] = "silent-gateway",
        [REASON_NO_WORKER] = "no-worker",
        [REASON_PAUSED] = "paused",
        [REASON_BACK_OFF] = "back-off",
        [REASON_AGENT] = "agent",
        [REASON_EXPIRED] = "expired",
        [REASON_NO_CONVERSATION] = "no-conversation",
        [REASON_OTHER_SESSION] = "other-session",
        [REASON_NOT_A_QUERY] = "not-a-query",
        [REASON_BELOW_MARK] = "below-mark",
    };
    return name[reason];
}

static void ids_add(struct ids *ids, int64_t id)
{
    if (ids->count == ids->room) {
        ids->room = ids->room ? 2 * ids->room : 256;
        ids->id = memory_grow(ids->id, ids->room * sizeof ids->id[0]);
    }
    ids->id[ids->count++] = id;
}

/* ID does not go down from call to call. */
static bool ids_have(struct ids *ids, int64_t id)
{
    while (ids->next < ids->count && ids->id[ids->next] < id)
        ids->next++;
    return ids->next < ids->count && ids->id[ids->next] == id;
}

static int read_parked(struct scan *scan)
{
    int64_t id[RECORDS_AT_ONCE], after = 0;
    size_t count = RECORDS_AT_ONCE;
    int error = BRIDGE_OK;
    while (!error && count == RECORDS_AT_ONCE && after < scan->doctor->mark) {
        error = records_parked(scan->doctor->db, after, RECORDS_AT_ONCE, id, &count);
        for (size_t i = 0; i < count && !error; i++)
            ids_add(&scan->parked, after = id[i]);
    }
    return error;
}

static void see_record(void *context, const struct delivery_record *record)
{
    struct scan *scan = context;
    scan->at = record->message_id;
    if (record->state == DELIVERY_LEASED)
        ids_add(&scan->leased, record->message_id);
    else if (record->due_at_us > scan->doctor->utc_us)
        ids_add(&scan->waiting, record->message_id);
}

static int read_records(struct scan *scan)
{
    size_t count = RECORDS_AT_ONCE;
    int error = BRIDGE_OK;
    while (!error && count == RECORDS_AT_ONCE && scan->at < INT64_MAX)
        error = records_open(scan->doctor->db, scan->at, RECORDS_AT_ONCE, see_record, scan, &count);
    scan->at = 0;
    return error;
}

/* Why. */

static const json_t *find_service(const struct doctor *doctor, struct span name)
{
    const json_t *services = json_object_get(doctor->status, "services");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        const char *text = json_string_value(json_object_get(service, "name"));
        if (text && span_is(name, text))
            return service;
    }
    return NULL;
}

/* A worker of that very service, or one for all. */
static bool has_worker(const struct doctor *doctor, const json_t *service)
{
    const json_t *workers = json_object_get(doctor->status, "workers");
    if (json_integer_value(json_object_get(service, "workers")) > 0)
        return true;
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *of = json_object_get(json_array_get(workers, i), "service");
        if (json_is_string(of) && strcmp(json_string_value(of), "*") == 0)
            return true;
    }
    return false;
}

static bool is_agents(const struct doctor *doctor, const struct tail_row *row)
{
    int64_t at_us;
    return row->agent_at.size > 0 && stamp_parse(row->agent_at, &at_us) == 0 &&
           at_us > doctor->utc_us - AGENT_LIVES_US;
}

/* Of a query in a live conversation to the session that is served. */
static enum doctor_reason why_open(struct scan *scan, const struct tail_row *row,
                                   struct span service)
{
    const struct doctor *doctor = scan->doctor;
    const json_t *gateway = json_object_get(doctor->status, "gateway");
    const json_t *row_of = find_service(doctor, service);
    if (row->id <= doctor->mark && !ids_have(&scan->parked, row->id))
        return REASON_BELOW_MARK;
    if (!doctor->gateway)
        return REASON_NO_GATEWAY;
    if (!doctor->status)
        return REASON_SILENT_GATEWAY;
    if (ids_have(&scan->leased, row->id))
        return REASON_SERVED;
    if (ids_have(&scan->waiting, row->id))
        return REASON_BACK_OFF;
    if (json_is_true(json_object_get(gateway, "paused")) ||
        json_is_true(json_object_get(row_of, "paused")))
        return REASON_PAUSED;
    if (is_agents(doctor, row))
        return REASON_AGENT;
    return has_worker(doctor, row_of) ? REASON_SERVED : REASON_NO_WORKER;
}

static void count_row(struct doctor *doctor, enum doctor_reason reason, struct span word,
                      int64_t id)
{
    struct doctor_group *group = NULL;
    word = word.size < sizeof group->word ? word : span_of(word.data, sizeof group->word - 1);
    for (size_t i = 0; i < doctor->groups && !group; i++)
        if (doctor->group[i].reason == (int)reason && span_is(word, doctor->group[i].word))
            group = &doctor->group[i];
    if (doctor->groups == GROUPS_MAX - 1)
        word = span_str("...");
    if (!group && doctor->groups == GROUPS_MAX)
        group = &doctor->group[GROUPS_MAX - 1];
    if (!group) {
        doctor->group = memory_grow(doctor->group, (doctor->groups + 1) * sizeof doctor->group[0]);
        group = &doctor->group[doctor->groups++];
        memset(group, 0, sizeof *group);
        group->reason = (int)reason;
        memcpy(group->word, word.data, word.size);
    }
    if (group->count < DOCTOR_IDS)
        group->id[group->count] = id;
    group->count++;
}

static void note_unknown(struct doctor *doctor, int64_t id)
{
    struct ids ids = {doctor->unknown, doctor->unknown_count, doctor->unknown_room, 0};
    ids_add(&ids, id);
    doctor->unknown = ids.id;
    doctor->unknown_count = ids.count;
    doctor->unknown_room = ids.room;
}

static void see_row(struct doctor *doctor, struct scan *scan, const struct tail_row *row)
{
    bool ours = span_is(row->to_session, doctor->session);
    struct message message;
    if (row->read)
        return;
    message_read(&row->columns, &message);
    if (!message_is_query(message.kind)) {
        if (ours) /* to others it is their mail */
            count_row(doctor, REASON_NOT_A_QUERY, span_str(message_kind_name(message.kind)),
                      row->id);
        return;
    }
    if (!ours || !row->has_conversation || !intake_is_live(row, doctor->utc_us)) {
        count_row(doctor,
                  !ours                   ? REASON_OTHER_SESSION
                  : row->has_conversation ? REASON_EXPIRED
                                          : REASON_NO_CONVERSATION,
                  ours ? span_str("") : row->to_session, row->id);
        return;
    }
    struct span service = message_service_of(&message, row->role);
    enum doctor_reason reason = why_open(scan, row, service);
    doctor->unread++;
    count_row(doctor, reason, service, row->id);
    if (reason == REASON_BELOW_MARK)
        note_unknown(doctor, row->id);
}

static void see(void *context, const struct tail_row *row)
{
    struct scan *scan = context;
    scan->at = row->id;
    see_row(scan->doctor, scan, row);
}

/* The rows. */

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

static int open_tail(struct scan *scan)
{
    int64_t end_us = patience_end();
    int error;
    while (wait_for_lock(error = tail_open(&scan->doctor->place, &scan->tail), end_us))
        ;
    return error;
}

/* One page; after a lock was in the way it goes on behind the last row that was seen. */
static int read_page(struct scan *scan, size_t *ret_count)
{
    int64_t end_us = patience_end();
    int error;
    while (wait_for_lock(
        error = tail_range(scan->tail, scan->at, INT64_MAX, ROWS_AT_ONCE, see, scan, ret_count),
        end_us))
        ;
    return error;
}

static void tell(const struct scan *scan, int64_t last, int64_t *told_us)
{
    if (clock_mono_us() < *told_us + TELL_US)
        return;
    *told_us = clock_mono_us();
    fprintf(stderr, "\r\033[Klooking at message %lld of %lld", (long long)scan->at,
            (long long)last);
    fflush(stderr);
}

/* Rows above AT, at most DOCTOR_ROWS of them unless all are wanted. */
static int read_rows(struct scan *scan, int64_t last, bool progress)
{
    size_t count = ROWS_AT_ONCE, rows = 0;
    int64_t began_us = clock_mono_us(), told_us = began_us;
    int error = BRIDGE_OK;
    while (!error && count == ROWS_AT_ONCE && (scan->doctor->all || rows < DOCTOR_ROWS)) {
        error = read_page(scan, &count);
        rows += count;
        if (progress)
            tell(scan, last, &told_us);
    }
    if (told_us != began_us)
        fprintf(stderr, "\r\033[K");
    return error;
}

/* Of the rows up to the mark, those that are parked. */
static int read_parked_rows(struct scan *scan)
{
    struct tail_row row;
    int error = BRIDGE_OK;
    for (size_t i = 0; i < scan->parked.count && !error; i++) {
        if (scan->parked.id[i] > scan->doctor->mark)
            break;
        error = tail_load(scan->tail, scan->parked.id[i], &row);
        if (!error) {
            see(scan, &row);
            tail_unload(scan->tail);
        }
        error = error == BRIDGE_ABSENT ? BRIDGE_OK : error;
    }
    scan->at = scan->doctor->mark;
    return error;
}

int doctor_scan_run(struct doctor *self, bool progress)
{
    struct scan scan = {.doctor = self};
    int64_t last = 0;
    int error = read_parked(&scan);
    if (!error)
        error = read_records(&scan);
    if (!error)
        error = open_tail(&scan);
    if (!error)
        error = tail_last_id(scan.tail, &last);
    self->all = self->options->rescan || self->options->check || last <= DOCTOR_ROWS;
    if (!error && !self->all)
        error = read_parked_rows(&scan);
    if (!error)
        error = read_rows(&scan, last, progress);
    self->scanned = !error;
    tail_close(&scan.tail);
    free(scan.parked.id);
    free(scan.leased.id);
    free(scan.waiting.id);
    return error;
}
