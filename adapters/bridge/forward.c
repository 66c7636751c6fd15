#include "adapters/bridge/forward.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/bridge/conversation.h"
#include "adapters/bridge/origins.h"
#include "adapters/bridge/schema.h"
#include "adapters/bridge/since.h"
#include "adapters/bridge/sql.h"
#include "adapters/bridge/wake.h"
#include "adapters/bridge/watch.h"
#include "adapters/host/clock.h"
#include "proto/buffer.h"
#include "proto/token.h"

#define HOUR_US INT64_C(3600000000)
#define TTL_US (3 * HOUR_US)       /* of a conversation made here, as the bridge has it */
#define LEFT_US HOUR_US            /* that it must still have to be asked in */
#define PAST_US (TTL_US + HOUR_US) /* rows from before are of no conversation that lives */
#define READ_AT_ONCE 500           /* rows of one short read transaction */
#define LOCKED_READS 4             /* such reads under the write lock, at most */

struct forward {
    struct place place;
    struct place_identity identity;
    struct watch *watch; /* NULL: blind, the safety net remains */
    struct wake wake;
    struct tail *tail; /* reads */
    sqlite3 *db;       /* writes */
    struct origins origins;
    bool behind;       /* there may be more rows than were read */
    int64_t looked_us; /* UTC: when rows were read to the end; 0: never */
};

/* A row on its way to the caller. */
struct seeing {
    struct forward *forward;
    tail_see_fn *see;
    void *context;
    int64_t utc_us;
};

int forward_open(const struct place *place, struct forward **ret_forward)
{
    struct forward *self = memory_zero(1, sizeof *self);
    self->place = *place;
    origins_init(&self->origins);
    if (watch_new(place, &self->watch))
        self->watch = NULL;
    int error = place_identify(place, &self->identity) ? BRIDGE_ABSENT : BRIDGE_OK;
    if (!error)
        error = tail_open(place, &self->tail);
    if (!error)
        error = schema_check_ours(tail_connection(self->tail));
    if (!error)
        error = db_open(place, DB_WRITER, 0, &self->db);
    if (!error && token_init() != 0)
        error = BRIDGE_OTHER;
    if (!error && place_verify(place, &self->identity))
        error = BRIDGE_BUSY; /* it was replaced between the two */
    if (error) {
        forward_close(&self);
        return error;
    }
    wake_init(&self->wake, clock_mono_us());
    self->behind = true;
    *ret_forward = self;
    return BRIDGE_OK;
}

void forward_close(struct forward **self)
{
    if (!*self)
        return;
    tail_close(&(*self)->tail);
    db_close(&(*self)->db);
    watch_destroy(&(*self)->watch);
    origins_done(&(*self)->origins);
    free(*self);
    *self = NULL;
}

int forward_fd(const struct forward *self)
{
    return self->watch ? watch_fd(self->watch) : -1;
}

int64_t forward_due(const struct forward *self)
{
    return self->behind ? INT64_MIN : wake_next(&self->wake);
}

bool forward_is_behind(const struct forward *self)
{
    return self->behind;
}

void forward_wake(struct forward *self, int64_t now_us)
{
    if (self->watch)
        watch_drain(self->watch);
    wake_hint(&self->wake, now_us);
}

bool forward_is_replaced(const struct forward *self)
{
    return place_verify(&self->place, &self->identity) != 0;
}

/* --- reading --- */

static void see_row(void *context, const struct tail_row *row)
{
    struct seeing *seeing = context;
    struct forward *self = seeing->forward;
    struct origin origin[2];
    if (span_is(row->from_session, "a") && row->columns.metadata_is_text &&
        origins_read(row->columns.metadata, origin)) {
        for (int i = 0; i < 2; i++)
            origins_note(&self->origins, origin[i], row->id, seeing->utc_us,
                         seeing->utc_us - PAST_US);
    }
    seeing->see(seeing->context, row);
}

/* Rows are read from where conversations that live can begin; at the start, and after a long time
 * in which nobody wanted to know. */
static int skip_past(struct forward *self, int64_t utc_us)
{
    char stamp[STAMP_SIZE];
    int64_t after = 0;
    if (self->looked_us > utc_us - HOUR_US)
        return BRIDGE_OK;
    stamp_format(utc_us - PAST_US, stamp);
    int error = since_find(tail_connection(self->tail), span_str(stamp), &after);
    if (error == BRIDGE_OK)
        tail_start_at(self->tail, after);
    return error;
}

static int read_some(struct forward *self, struct seeing *seeing)
{
    size_t count = 0;
    int error = tail_read(self->tail, READ_AT_ONCE, see_row, seeing, &count);
    if (error == BRIDGE_OK && count < READ_AT_ONCE) {
        tail_settle(self->tail);
        self->behind = false;
        self->looked_us = seeing->utc_us;
    }
    return error;
}

static void take_hints(struct forward *self, int64_t now_us)
{
    unsigned flags = self->watch ? watch_drain(self->watch) : 0;
    if (flags & ~(unsigned)WATCH_CLOSED)
        wake_hint(&self->wake, now_us);
    else if (flags)
        wake_glance(&self->wake);
}

static int look(struct forward *self, int64_t now_us, struct seeing *seeing, bool *ret_changed)
{
    bool changed = false;
    take_hints(self, now_us);
    if (!self->behind && !wake_due(&self->wake, now_us))
        return BRIDGE_OK;
    int error = tail_changed(self->tail, &changed);
    wake_checked(&self->wake, now_us, changed && error == BRIDGE_OK);
    if (error != BRIDGE_OK)
        return error;
    *ret_changed = changed;
    self->behind = self->behind || changed;
    if (!self->behind)
        return BRIDGE_OK;
    error = skip_past(self, seeing->utc_us);
    return error == BRIDGE_OK ? read_some(self, seeing) : error;
}

int forward_look(struct forward *self, int64_t now_us, tail_see_fn *see, void *context,
                 bool *ret_changed)
{
    struct seeing seeing = {self, see, context, clock_utc_us()};
    *ret_changed = false;
    int error = look(self, now_us, &seeing, ret_changed);
    if (error != BRIDGE_BUSY)
        return error;
    self->behind = false; /* the proof is not settled: the next look finds it again */
    return BRIDGE_OK;
}

int forward_reread(struct forward *self, int64_t after, tail_see_fn *see, void *context)
{
    int64_t end = tail_cursor(self->tail);
    int error = BRIDGE_OK;
    while (error == BRIDGE_OK && after < end) {
        int64_t upto = end - after > READ_AT_ONCE ? after + READ_AT_ONCE : end;
        size_t count;
        error = tail_range(self->tail, after, upto, READ_AT_ONCE, see, context, &count);
        after = upto;
    }
    return error;
}

/* --- writing --- */

static int has_been_here(struct forward *self, const struct forward_query *query, bool *ret_loop)
{
    char id[BRIDGE_ID_SIZE];
    int error = bridge_id_find(self->db, id);
    *ret_loop = false;
    for (size_t i = 0; error == BRIDGE_OK && i < query->through_count; i++)
        *ret_loop = *ret_loop || strcmp(query->through[i], id) == 0;
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error; /* nobody carries questions out of it */
}

static int catch_up(struct forward *self, struct seeing *seeing)
{
    int error = BRIDGE_OK;
    self->behind = true;
    for (int reads = 0; error == BRIDGE_OK && self->behind && reads < LOCKED_READS; reads++)
        error = read_some(self, seeing);
    return error;
}

static bool lives(const struct tail_row *row, int64_t utc_us)
{
    int64_t expires_us;
    if (!row->has_conversation || row->expires_at.size == 0)
        return false;
    return stamp_parse(row->expires_at, &expires_us) != 0 || expires_us > utc_us;
}

/* Row ID (0: none), if it is there and its conversation lives at UTC_US; else *ret_row has id 0. */
static int find_living(struct forward *self, int64_t id, int64_t utc_us,
                       struct forward_row *ret_row)
{
    struct tail_row row;
    *ret_row = (struct forward_row){.id = 0};
    if (id == 0)
        return BRIDGE_OK;
    int error = tail_load(self->tail, id, &row);
    if (error != BRIDGE_OK)
        return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
    if (lives(&row, utc_us) && row.conversation_id.size < sizeof ret_row->conversation) {
        ret_row->id = id;
        memcpy(ret_row->conversation, row.conversation_id.data, row.conversation_id.size);
    }
    tail_unload(self->tail);
    return BRIDGE_OK;
}

/* The row that QUERY has already, if an answer to it can be had. */
static int find_row(struct forward *self, const struct forward_query *query, int64_t utc_us,
                    struct forward_row *ret_row)
{
    const struct origin origin = origins_message(query->bridge, query->message_id);
    int64_t id = origins_find(&self->origins, origin);
    return find_living(self, id > query->not_row ? id : 0, utc_us, ret_row);
}

/* The conversation of the newest row of QUERY's conversation, if that lives long enough, else a new
 * one. */
static int enter_conversation(struct forward *self, const struct forward_query *query,
                              int64_t utc_us, struct forward_row *ret_row)
{
    struct conversation made;
    const struct origin origin = origins_conversation(query->bridge, query->conversation);
    int error = find_living(self, origins_find(&self->origins, origin), utc_us + LEFT_US, ret_row);
    if (error != BRIDGE_OK || ret_row->id != 0)
        return error;
    conversation_name(&made, TTL_US / 1000000, utc_us);
    memcpy(ret_row->conversation, made.id, sizeof made.id);
    return conversation_put_ours(self->db, &made, span_str("tailgate"), query->service);
}

static int insert(struct forward *self, const struct forward_query *query, int64_t utc_us,
                  struct forward_row *ret_row)
{
    char now[STAMP_SIZE];
    stamp_format(utc_us, now);
    int error = enter_conversation(self, query, utc_us, ret_row);
    if (error != BRIDGE_OK)
        return error;
    const struct conversation_message message = {
        .conversation_id = span_str(ret_row->conversation),
        .from = span_str("a"),
        .to = span_str("b"),
        .text = query->text,
        .metadata = query->metadata,
        .timestamp = span_str(now),
        .redacted = query->redacted,
    };
    return conversation_put_message(self->db, &message, &ret_row->id);
}

/* Inside the transaction. */
static int put(struct forward *self, const struct forward_query *query, struct seeing *seeing,
               enum forward_outcome *ret_outcome, struct forward_row *ret_row)
{
    bool loop = false;
    int error = has_been_here(self, query, &loop);
    *ret_outcome = FORWARD_LOOP;
    if (error != BRIDGE_OK || loop)
        return error;
    error = catch_up(self, seeing);
    *ret_outcome = FORWARD_BEHIND;
    if (error != BRIDGE_OK || self->behind)
        return error;
    error = find_row(self, query, seeing->utc_us, ret_row);
    *ret_outcome = FORWARD_ATTACHED;
    if (error != BRIDGE_OK || ret_row->id != 0)
        return error;
    *ret_outcome = FORWARD_ASKED;
    return insert(self, query, seeing->utc_us, ret_row);
}

int forward_put(struct forward *self, const struct forward_query *query, int64_t utc_us,
                tail_see_fn *see, void *context, enum forward_outcome *ret_outcome,
                struct forward_row *ret_row)
{
    struct seeing seeing = {self, see, context, utc_us};
    struct forward_row row = {0};
    enum forward_outcome outcome;
    int error = sql_begin(self->db);
    if (error != BRIDGE_OK)
        return error;
    error = put(self, query, &seeing, &outcome, &row);
    if (error == BRIDGE_OK && outcome != FORWARD_ASKED)
        sql_rollback(self->db);
    else
        error = sql_end(self->db, error);
    if (error != BRIDGE_OK)
        return error;
    *ret_outcome = outcome;
    *ret_row = row;
    return BRIDGE_OK;
}

int forward_fetch(struct forward *self, int64_t reply_id, int64_t utc_us)
{
    return conversation_fetch(self->db, reply_id, utc_us);
}

const char *forward_lost(struct forward *self, int64_t id, int64_t utc_us, int *ret_error)
{
    struct tail_row row;
    *ret_error = tail_load(self->tail, id, &row);
    if (*ret_error == BRIDGE_ABSENT) {
        *ret_error = BRIDGE_OK;
        return "the question was deleted there";
    }
    if (*ret_error != BRIDGE_OK)
        return NULL;
    const char *lost = NULL;
    if (!row.has_conversation)
        lost = "its conversation was deleted there";
    else if (!lives(&row, utc_us))
        lost = "its conversation there has expired";
    tail_unload(self->tail);
    return lost;
}
