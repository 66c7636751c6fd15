#include "adapters/host/clock.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/stamp.h"

#define ROWS_AT_ONCE 500 /* in one turn of the loop, so that frames and timers get theirs */

struct seeing {
    struct server *server;
    int64_t now_us, utc_us;
};

struct span intake_service(const struct tail_row *row, const struct message *message)
{
    return message_service_of(message, row->role);
}

bool intake_is_live(const struct tail_row *row, int64_t utc_us)
{
    char now[STAMP_SIZE];
    size_t size;

    if (!row->has_conversation || row->expires_at.size == 0)
        return false;
    /* As the guard compares (store.h): text, with a blank read as the T. */
    stamp_format(utc_us, now);
    size = strlen(now);
    for (size_t i = 0; i < row->expires_at.size && i < size; i++) {
        char theirs = row->expires_at.data[i] == ' ' ? 'T' : row->expires_at.data[i];
        if (theirs != now[i])
            return (unsigned char)theirs > (unsigned char)now[i];
    }
    return row->expires_at.size > size;
}

/* Counts what an unread row for the served session is; true when a worker is to have it. */
static bool is_wanted(struct server *self, const struct tail_row *row,
                      const struct message *message)
{
    self->messages[message->kind]++;
    if (message->metadata_odd) {
        self->stats.count[STAT_ODD_METADATA]++;
        log_event(LOG_WARN, "odd-metadata", LOG_INT("id", row->id),
                  LOG_SPAN("conversation", row->conversation_id),
                  LOG_STR("say", "its metadata is not a JSON object and is ignored"));
    }
    if (message_is_query(message->kind))
        return true;
    if (message->kind >= MESSAGE_EMPTY)
        log_event(LOG_WARN, "unusable", LOG_INT("id", row->id),
                  LOG_SPAN("conversation", row->conversation_id),
                  LOG_STR("kind", message_kind_name(message->kind)),
                  LOG_STR("say", "not a query, left as it is"));
    return false;
}

static void see(void *context, const struct tail_row *row)
{
    const struct seeing *seeing = context;
    struct server *self = seeing->server;
    struct message message;
    struct event event = {.kind = EVENT_QUERY};

    if (row->read || !span_is(row->to_session, self->config.serve_session) ||
        !intake_is_live(row, seeing->utc_us))
        return;
    message_read(&row->columns, &message);
    if (!is_wanted(self, row, &message))
        return;
    if (row->id <= self->skip_to) {
        self->stats.count[STAT_BACKLOG_SKIPPED]++;
        return;
    }
    self->stats.count[STAT_QUERIES]++;
    event.query.id = row->id;
    event.query.conversation_id = row->conversation_id;
    event.query.service = intake_service(row, &message);
    log_event(LOG_INFO, "query", LOG_INT("id", row->id),
              LOG_SPAN("conversation", row->conversation_id),
              LOG_SPAN("service", event.query.service));
    dispatch_feed(self->dispatch, seeing->now_us, &event);
}

/* Tells what the first pass over the file has found. */
static void caught_up(struct server *self)
{
    uint64_t queries = self->stats.count[STAT_QUERIES];
    uint64_t skipped = self->stats.count[STAT_BACKLOG_SKIPPED];

    self->caught_up = true;
    if (queries || skipped)
        log_event(LOG_INFO, "backlog", LOG_INT("queries", queries), LOG_INT("skipped", skipped),
                  LOG_STR("say", queries ? "unread queries were waiting and will be served"
                                         : "unread queries were waiting and are left alone"));
}

bool intake_could_read(struct server *self, int error)
{
    if (error == BRIDGE_OK || error == BRIDGE_ABSENT) {
        self->blocked_since_us = 0;
        return true;
    }
    self->stats.count[STAT_TAIL_BUSY]++;
    if (!self->blocked_since_us)
        self->blocked_since_us = clock_mono_us();
    if (error == BRIDGE_IO || error == BRIDGE_CORRUPT || error == BRIDGE_NOT_SQLITE) {
        log_event(LOG_ERROR, "not-reading", LOG_STR("db", self->place.db),
                  LOG_STR("why", db_error_text(error)),
                  LOG_STR("say", "the database cannot be trusted; stopping, nothing was changed"));
        loop_finish(self, CLI_FAILED);
    }
    return false;
}

void intake_again(struct server *self, int64_t now_us, int64_t id)
{
    struct seeing seeing = {self, now_us, clock_utc_us()};
    struct tail_row row;

    if (tail_load(self->tail, id, &row) != BRIDGE_OK)
        return; /* the next start sees it */
    see(&seeing, &row);
    tail_unload(self->tail);
    carry_actions(self, now_us);
}

/* Reads one batch of rows. Returns false when the database cannot be read just now. */
static bool read_rows(struct server *self, int64_t now_us)
{
    struct seeing seeing = {self, now_us, clock_utc_us()};
    size_t count = 0;
    bool could = intake_could_read(self, tail_read(self->tail, ROWS_AT_ONCE, see, &seeing, &count));

    if (could) {
        self->tail_behind = count == ROWS_AT_ONCE;
        if (!self->tail_behind)
            tail_settle(self->tail);
        if (!self->tail_behind && !self->caught_up)
            caught_up(self);
    }
    carry_actions(self, now_us);
    return could;
}

void intake_run(struct server *self, int64_t now_us)
{
    bool changed = false;

    if (self->tail_behind) {
        read_rows(self, now_us);
        return;
    }
    if (!wake_due(&self->wake, now_us))
        return;
    /* What could not be read is not settled: the next check sees it again. */
    if (!intake_could_read(self, tail_changed(self->tail, &changed)))
        changed = false;
    if (changed && !read_rows(self, now_us))
        changed = false;
    wake_checked(&self->wake, clock_mono_us(), changed);
}
