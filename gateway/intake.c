#include "adapters/bridge/records.h"
#include "adapters/host/clock.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/stamp.h"

#define ROWS_AT_ONCE 100 /* in one read transaction, which a checkpoint would have to wait for */
#define READS_AT_ONCE 5  /* in one turn of the loop, so that frames and timers get theirs */
#define READS_TOLD 1     /* the same while each row is told to observers, which takes as long */
#define PARKED_AT_ONCE 200
#define AGENT_LIVES_US 120000000 /* after its last heartbeat, as the bridge's programs see it */
#define TELL_US 2000000          /* between lines about a long first pass */

struct seeing {
    struct server *server;
    int64_t now_us, utc_us;
};

struct span intake_service(const struct tail_row *row, const struct message *message)
{
    return message_service_of(message, row->role);
}

/* Compares as the guard does (store.h): text, with a blank read as the T. */
static bool is_later(struct span theirs, const char *stamp)
{
    size_t size = strlen(stamp);

    for (size_t i = 0; i < theirs.size && i < size; i++) {
        char byte = theirs.data[i] == ' ' ? 'T' : theirs.data[i];
        if (byte != stamp[i])
            return (unsigned char)byte > (unsigned char)stamp[i];
    }
    return theirs.size > size;
}

bool intake_is_live(const struct tail_row *row, int64_t utc_us)
{
    char now[STAMP_SIZE];

    if (!row->has_conversation || row->expires_at.size == 0)
        return false;
    stamp_format(utc_us, now);
    return is_later(row->expires_at, now);
}

bool intake_is_agents(const struct server *self, const struct tail_row *row, int64_t utc_us)
{
    char limit[STAMP_SIZE];

    if (row->agent_at.size == 0 || self->config.agents == AGENTS_SERVE)
        return false;
    stamp_format(utc_us - AGENT_LIVES_US, limit);
    return is_later(row->agent_at, limit);
}

bool intake_is_ours(const struct server *self, const struct tail_row *row, int64_t utc_us,
                    struct message *ret_message)
{
    if (row->read || !span_is(row->to_session, self->config.serve_session) ||
        !intake_is_live(row, utc_us))
        return false;
    message_read(&row->columns, ret_message);
    return message_is_query(ret_message->kind);
}

/* Counts what an unread row for the served session is. */
static void note_message(struct server *self, const struct tail_row *row,
                         const struct message *message)
{
    self->messages[message->kind]++;
    if (message->metadata_odd) {
        self->stats.count[STAT_ODD_METADATA]++;
        log_event(LOG_WARN, "odd-metadata", LOG_INT("id", row->id),
                  LOG_SPAN("conversation", row->conversation_id),
                  LOG_STR("say", "its metadata is not a JSON object and is ignored"));
    }
    if (message->kind >= MESSAGE_EMPTY)
        log_event(LOG_WARN, "unusable", LOG_INT("id", row->id),
                  LOG_SPAN("conversation", row->conversation_id),
                  LOG_STR("kind", message_kind_name(message->kind)),
                  LOG_STR("say", "not a query, left as it is"));
}

/* Feeds the query ROW to the core, unless it is to be left alone. */
static void feed(struct server *self, int64_t now_us, int64_t utc_us, const struct tail_row *row,
                 const struct message *message)
{
    struct event event = {.kind = EVENT_QUERY};

    if (row->id <= self->skip_to) {
        self->stats.count[STAT_BACKLOG_SKIPPED]++;
        return;
    }
    event.query.id = row->id;
    event.query.conversation_id = row->conversation_id;
    event.query.service = intake_service(row, message);
    if (intake_is_agents(self, row, utc_us)) {
        self->stats.count[STAT_LEFT_TO_AGENTS]++;
        log_event(LOG_INFO, "left-alone", LOG_INT("id", row->id),
                  LOG_SPAN("conversation", row->conversation_id),
                  LOG_STR("say", "a living agent serves that session itself"));
        return;
    }
    self->stats.count[STAT_QUERIES]++;
    log_event(LOG_DEBUG, "query", LOG_INT("id", row->id),
              LOG_SPAN("conversation", row->conversation_id),
              LOG_SPAN("service", event.query.service));
    dispatch_feed(self->dispatch, now_us, &event);
}

void intake_see(struct server *self, int64_t now_us, const struct tail_row *row)
{
    int64_t utc_us = clock_utc_us();
    struct message message = {.kind = MESSAGE_OTHER};
    bool ours = intake_is_ours(self, row, utc_us, &message);

    if (ours)
        feed(self, now_us, utc_us, row, &message);
}

/* How long ROW took to be seen, unless it was there before us. */
static void note_age(struct server *self, int64_t utc_us, const struct tail_row *row)
{
    int64_t made_us;

    if (stamp_parse(row->timestamp, &made_us) == 0 &&
        (self->caught_up || made_us >= self->since_utc_us))
        histogram_add(&self->stats.stage[STAGE_COMMIT_TO_TAIL], utc_us - made_us);
}

static void see(void *context, const struct tail_row *row)
{
    const struct seeing *seeing = context;
    struct server *self = seeing->server;
    struct message message;

    publish_row(&self->publish, seeing->now_us, seeing->utc_us, row);
    submit_note_failures(self, row->id, "");
    if (row->read || !span_is(row->to_session, self->config.serve_session) ||
        !intake_is_live(row, seeing->utc_us))
        return;
    message_read(&row->columns, &message);
    note_message(self, row, &message);
    if (!message_is_query(message.kind))
        return;
    note_age(self, seeing->utc_us, row);
    feed(self, seeing->now_us, seeing->utc_us, row, &message);
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

/* Reads the next rows. While nobody wants them told, those that cannot be queries of ours are
 * passed over in the file: half of what comes are our own replies. */
static int read_some(struct server *self, struct seeing *seeing, size_t *ret_count)
{
    int error;

    if (publish_wants_rows(&self->publish))
        return tail_read(self->tail, ROWS_AT_ONCE, see, seeing, ret_count);
    error = tail_read_unread(self->tail, span_str(self->config.serve_session), ROWS_AT_ONCE, see,
                             seeing, ret_count);
    if (error == BRIDGE_OK && *ret_count > 0)
        publish_passed(&self->publish, tail_cursor(self->tail));
    return error;
}

/* Reads a turn's rows. Returns false when the database cannot be read just now. */
static bool read_rows(struct server *self, int64_t now_us)
{
    struct seeing seeing = {self, now_us, clock_utc_us()};
    int reads = publish_wants_rows(&self->publish) ? READS_TOLD : READS_AT_ONCE;
    size_t count = ROWS_AT_ONCE;
    bool could = true;

    for (; could && count == ROWS_AT_ONCE && reads > 0; reads--)
        could = intake_could_read(self, read_some(self, &seeing, &count));
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

/* What is parked comes first: it is older than all that the tail will bring. */
static void read_parked(struct server *self, int64_t now_us)
{
    bool more = false;

    if (!restore_parked(self, now_us, PARKED_AT_ONCE, &more) || more)
        return;
    self->restored = true;
    self->upkeep.parked = self->upkeep.looked > 0; /* some may be left there: another look */
    self->upkeep.looked = 0;
}

/* Reading again for a service whose memory has room (pending.h, P5). */
struct refilling {
    struct seeing seeing;
    struct refill refill;
    int64_t after; /* rows up to here are through */
    bool full;
};

static void refill_row(void *context, const struct tail_row *row)
{
    struct refilling *refilling = context;
    struct server *self = refilling->seeing.server;
    struct event event = {.kind = EVENT_QUERY};
    struct message message;

    if (refilling->full)
        return;
    if (intake_is_ours(self, row, refilling->seeing.utc_us, &message) && row->id > self->skip_to &&
        !intake_is_agents(self, row, refilling->seeing.utc_us)) {
        event.query.id = row->id;
        event.query.conversation_id = row->conversation_id;
        event.query.service = intake_service(row, &message);
        if (dispatch_is_under(self->dispatch, event.query.service,
                              span_str(refilling->refill.service)) &&
            !dispatch_refill(self->dispatch, refilling->seeing.now_us, &event)) {
            refilling->full = true;
            return;
        }
    }
    refilling->after = row->id;
}

/* Of the rows up to the low-water mark only those that are parked are looked at. Returns 1 when
 * they are through, 0 when not, -1 when nothing can be read just now. */
static int refill_parked(struct server *self, struct refilling *refilling)
{
    int64_t id[PARKED_AT_ONCE];
    size_t count = 0;
    struct tail_row row;

    if (refilling->after >= self->upkeep.passed)
        return 1;
    if (!intake_could_read(self, records_parked(tail_connection(self->tail), refilling->after,
                                                PARKED_AT_ONCE, id, &count)))
        return -1;
    for (size_t i = 0; i < count && !refilling->full; i++) {
        int error = tail_load(self->tail, id[i], &row);
        if (error == BRIDGE_ABSENT) {
            refilling->after = id[i];
            continue;
        }
        if (!intake_could_read(self, error))
            return -1;
        refill_row(refilling, &row);
        tail_unload(self->tail);
    }
    if (refilling->full || count == PARKED_AT_ONCE)
        return 0;
    refilling->after = self->upkeep.passed;
    return 1;
}

static void refill(struct server *self, int64_t now_us)
{
    struct refilling refilling = {.seeing = {self, now_us, clock_utc_us()}};
    int64_t upto = tail_cursor(self->tail);
    size_t count = ROWS_AT_ONCE;
    int parked;

    if (!dispatch_want(self->dispatch, &refilling.refill))
        return;
    refilling.after = refilling.refill.from - 1;
    parked = refill_parked(self, &refilling);
    for (int reads = 0;
         parked == 1 && !refilling.full && count == ROWS_AT_ONCE && reads < READS_AT_ONCE; reads++)
        if (!intake_could_read(self, tail_range(self->tail, refilling.after, upto, ROWS_AT_ONCE,
                                                refill_row, &refilling, &count)))
            parked = -1;
    if (parked >= 0)
        dispatch_refilled(
            self->dispatch, now_us, span_str(refilling.refill.service),
            parked == 1 && count < ROWS_AT_ONCE && !refilling.full ? 0 : refilling.after + 1);
    carry_actions(self, now_us);
}

/* The first pass over a large file takes its time: says how far it is. */
static void tell_progress(struct server *self, int64_t now_us)
{
    int64_t last = 0;

    if (self->caught_up || now_us < self->progress_us)
        return;
    if (self->progress_us && tail_last_id(self->tail, &last) == BRIDGE_OK)
        log_event(LOG_INFO, "reading", LOG_INT("row", tail_cursor(self->tail)), LOG_INT("of", last),
                  LOG_STR("say", "the rows that are already there"));
    self->progress_us = now_us + TELL_US;
}

bool intake_is_behind(const struct server *self)
{
    struct refill refill;

    return self->tail_behind || !self->restored || dispatch_want(self->dispatch, &refill);
}

void intake_run(struct server *self, int64_t now_us)
{
    uint64_t net_hits = self->wake.net_hits;
    bool changed = self->came.change;

    if (!self->restored)
        read_parked(self, now_us);
    refill(self, now_us);
    if (self->tail_behind) {
        tell_progress(self, now_us);
        read_rows(self, now_us);
        return;
    }
    if (!changed && !wake_due(&self->wake, now_us))
        return;
    /* What could not be read is not settled: the next check sees it again. */
    if (!changed && !intake_could_read(self, tail_changed(self->tail, &changed)))
        changed = false;
    if (changed && !read_rows(self, now_us))
        changed = false;
    wake_checked(&self->wake, clock_mono_us(), changed);
    if (self->wake.net_hits > net_hits)
        announce_gateway(self, now_us, "gateway/safety-net",
                         "a change was found by the slow look: no file event had told of it",
                         span_str(""), 0);
}
