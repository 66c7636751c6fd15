/* tailgate.story: all that is known of one query, for who may see every row. */
#include "adapters/host/clock.h"
#include "gateway/builtin_call.h"
#include "gateway/lookups.h"
#include "proto/escape.h"
#include "proto/history.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

#define KEPT_MOST 20    /* answers kept for one query that are told of */
#define HISTORY_MOST 50 /* attempts: the last ones */

/* One story being put together. */
struct story {
    struct server *server;
    const struct fate *fate;
    struct buffer *json;
    struct buffer shown;    /* a text without its secrets */
    struct buffer failures; /* an array: what is known of attempts that failed */
    char conversation_id[LIMIT_CONVERSATION_ID + 1]; /* where the row is gone */
    char service[LIMIT_SERVICE + 1];
    bool delivery; /* there is a row of tailgate_delivery */
    int64_t redriven;
    size_t kept;
};

static void put_text(struct story *story, const char *name, struct span text)
{
    buffer_reset(&story->shown);
    if (redact_text(story->server->redact, text, &story->shown) > 0)
        text = buffer_span(&story->shown);
    if (story->json->data[story->json->size - 1] != '{')
        buffer_byte(story->json, ',');
    buffer_format(story->json, "\"%s\":", name);
    escape_json(story->json, text);
}

static void put_text_or_null(struct story *story, const char *name, struct span text)
{
    if (text.size)
        put_text(story, name, text);
    else
        jtext_member_raw(story->json, name, span_str("null"));
}

static void put_time(struct story *story, const char *name, int64_t utc_us)
{
    char stamp[STAMP_SIZE];

    stamp_format(utc_us, stamp);
    if (utc_us > 0)
        jtext_member(story->json, name, span_str(stamp));
    else
        jtext_member_raw(story->json, name, span_str("null"));
}

/* The last items of HISTORY, which somebody may have edited, as an array in `failures`. */
static void take_history(struct story *story, struct span history)
{
    struct buffer text;

    buffer_init(&text);
    if (history_last(history, HISTORY_MOST, &text) > 0) {
        buffer_reset(&story->failures);
        if (redact_json(story->server->redact, buffer_span(&text), &story->failures) == 0)
            buffer_add(&story->failures, buffer_span(&text));
    }
    buffer_done(&text);
}

static void put_failures(struct story *story)
{
    escape_in_json(story->json,
                   story->failures.size ? buffer_span(&story->failures) : span_str("[]"));
}

/* Copies TEXT where nothing is known yet, and it fits. */
static void fill(struct span text, char *ret_text, size_t room)
{
    if (!ret_text[0] && text.size && text.size < room) {
        memcpy(ret_text, text.data, text.size);
        ret_text[text.size] = '\0';
    }
}

static void see_delivery(void *context, const struct delivery_record *record)
{
    static const char *const state[] = {"leased", "waiting", "dead"};
    struct story *story = context;
    const struct fate *fate = story->fate;

    if (fate->there && !span_is(record->conversation_id, fate->conversation_id))
        return; /* of another row, from before somebody restored the file */
    story->delivery = true;
    story->redriven = record->redriven;
    fill(record->conversation_id, story->conversation_id, sizeof story->conversation_id);
    fill(record->service, story->service, sizeof story->service);
    take_history(story, record->history);
    buffer_text(story->json, ",\"delivery\":{");
    jtext_member(story->json, "state", span_str(state[record->state]));
    jtext_member_integer(story->json, "attempt", record->attempt);
    jtext_member_integer(story->json, "failed", record->failed);
    put_text_or_null(story, "worker", record->worker);
    put_time(story, "leased_at", record->leased_at_us);
    put_time(story, "due_at", record->due_at_us);
    put_text_or_null(story, "reason", record->reason);
    buffer_text(story->json, ",\"history\":");
    put_failures(story);
    buffer_byte(story->json, '}');
}

static int put_delivery(struct story *story)
{
    int error = records_one(tail_connection(story->server->tail), story->fate->id, clock_utc_us(),
                            see_delivery, story);

    if (!story->delivery)
        jtext_member_raw(story->json, "delivery", span_str("null"));
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
}

/* What this run knows of the attempt under way. */
static void put_live(struct story *story)
{
    struct server *self = story->server;
    struct dispatch_live live;
    int64_t ahead_us = clock_utc_us() - clock_mono_us();

    if (!dispatch_live(self->dispatch, story->fate->id, &live)) {
        jtext_member_raw(story->json, "live", span_str("null"));
        return;
    }
    buffer_text(story->json, ",\"live\":{");
    put_text(story, "worker", span_str(live.worker));
    jtext_member_integer(story->json, "attempt", live.attempt);
    put_time(story, "since", live.since_us + ahead_us);
    put_time(story, "deadline", live.deadline_us + ahead_us);
    jtext_member_integer(story->json, "partials",
                         (int64_t)publish_partials(&self->publish, story->fate->id, live.attempt));
    buffer_byte(story->json, '}');
}

/* A reply says itself what failed before it: then its delivery row is gone. */
static int take_reply_failures(struct story *story)
{
    struct tail_row row;
    struct span metadata, failed;
    int error;

    if (story->delivery || !story->fate->reply_id)
        return BRIDGE_OK;
    error = tail_load(story->server->tail, story->fate->reply_id, &row);
    if (error)
        return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
    metadata = row.columns.metadata;
    if (row.columns.metadata_is_text && metadata.size <= LIMIT_EVENT_ROW &&
        jtext_check(metadata) == JTEXT_OBJECT && jtext_find(metadata, "failed", &failed))
        take_history(story, failed);
    tail_unload(story->server->tail);
    return BRIDGE_OK;
}

static void see_kept(void *context, const struct answer_record *record)
{
    struct story *story = context;

    if (story->fate->there && !span_is(record->conversation_id, story->fate->conversation_id))
        return;
    fill(record->conversation_id, story->conversation_id, sizeof story->conversation_id);
    buffer_text(story->json, story->kept++ ? ",{" : "{");
    put_text(story, "why", record->why);
    put_text(story, "worker", record->worker);
    jtext_member_integer(story->json, "attempt", record->attempt);
    put_time(story, "kept_at", record->kept_at_us);
    buffer_byte(story->json, '}');
}

static int put_kept(struct story *story)
{
    size_t count = 0;
    int error;

    buffer_text(story->json, ",\"kept\":[");
    error = records_kept(tail_connection(story->server->tail), story->fate->id, KEPT_MOST, see_kept,
                         story, &count);
    buffer_byte(story->json, ']');
    return error;
}

/* Who asked, where the gate has verified that. */
static int put_sender(struct story *story)
{
    struct tail_row row;
    int error = tail_load(story->server->tail, story->fate->id, &row);

    if (error == BRIDGE_OK && row.principal.size)
        identity_member(story->json, "sender", row.principal, row.sender);
    else
        jtext_member_raw(story->json, "sender", span_str("null"));
    if (error == BRIDGE_OK)
        tail_unload(story->server->tail);
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
}

static int put_rows(struct story *story)
{
    int error;

    buffer_text(story->json, ",\"query\":");
    error = fate_row(story->server, story->fate->id, true, story->json);
    if (error)
        return error;
    buffer_text(story->json, ",\"reply\":");
    return fate_row(story->server, story->fate->reply_id, true, story->json);
}

/* Known of what this run answered lately; nobody writes it down. */
static void put_timings(struct story *story)
{
    const struct outcome *outcome = outcomes_find(story->server->outcomes, story->fate->id);

    if (outcome && outcome->end == STORE_COMMITTED && outcome->committed_us > 0)
        buffer_format(
            story->json, ",\"timings\":{\"waited\":%.6f,\"worked\":%.6f,\"committed\":%.6f}",
            outcome->waited_us / 1e6, outcome->worked_us / 1e6, outcome->committed_us / 1e6);
    else
        jtext_member_raw(story->json, "timings", span_str("null"));
}

/* What stands in our own tables comes first: where the row is gone it says of which it was. */
static int put_records(struct story *story)
{
    int error = put_delivery(story);

    put_live(story);
    if (!error)
        error = take_reply_failures(story);
    buffer_text(story->json, ",\"failures\":");
    put_failures(story);
    put_timings(story);
    if (!error)
        error = put_sender(story);
    if (!error)
        error = put_kept(story);
    if (story->redriven)
        jtext_member_integer(story->json, "redriven", story->redriven);
    else
        jtext_member_raw(story->json, "redriven", span_str("null"));
    return error;
}

static int compose(struct server *self, const struct fate *fate, struct buffer *ret_json)
{
    struct story story = {.server = self, .fate = fate, .json = ret_json};
    int error;

    memcpy(story.conversation_id, fate->conversation_id, sizeof story.conversation_id);
    memcpy(story.service, fate->service, sizeof story.service);
    buffer_text(ret_json, "{\"type\":\"story\"");
    jtext_member_integer(ret_json, "message_id", fate->id);
    jtext_member(ret_json, "state", span_str(fate->state));
    fate_looked(fate, ret_json);
    error = put_rows(&story);
    if (!error)
        error = put_records(&story);
    put_text_or_null(&story, "conversation_id", span_str(story.conversation_id));
    put_text_or_null(&story, "service", span_str(story.service));
    buffer_byte(ret_json, '}');
    buffer_done(&story.failures);
    buffer_done(&story.shown);
    return error;
}

/* True when our own tables, or this run, know of a query whose row is gone. */
static void see_any(void *context, const struct delivery_record *record)
{
    (void)record;
    *(bool *)context = true;
}

static void see_any_kept(void *context, const struct answer_record *record)
{
    (void)record;
    *(bool *)context = true;
}

static int is_known(struct server *self, const struct fate *fate, bool *ret_known)
{
    sqlite3 *db = tail_connection(self->tail);
    const struct outcome *outcome = outcomes_find(self->outcomes, fate->id);
    size_t count = 0;
    int error;

    *ret_known = fate->there ? fate->a_query : outcome != NULL;
    if (fate->there || outcome)
        return BRIDGE_OK;
    error = records_one(db, fate->id, clock_utc_us(), see_any, ret_known);
    if (error == BRIDGE_OK || error == BRIDGE_ABSENT)
        error = records_kept(db, fate->id, 1, see_any_kept, ret_known, &count);
    return error;
}

static enum builtin on_story(struct server *self, int64_t now_us, const struct asking *asking,
                             struct buffer *ret_packed)
{
    struct fate fate;
    struct span object;
    bool known = false;
    int64_t id = 0;
    int error;
    struct fault fault = {"forbidden", replays_closed_to(self, asking)};

    if (!fault.error)
        fault = call_object(asking, &object);
    if (!fault.error)
        fault = call_message(object, &id);
    if (fault.error)
        return call_refuse(fault, ret_packed);
    error = fate_read(self, id, &fate);
    if (!error)
        error = is_known(self, &fate, &known);
    if (!intake_could_read(self, error))
        return BUILTIN_BUSY;
    if (!known)
        return call_refuse((struct fault){"not_found", "no query has that message_id"}, ret_packed);
    return lookups_answer(self, now_us, asking, &fate, compose, ret_packed);
}

const struct builtin_service builtin_of_story[] = {
    {"tailgate.story", RIGHT_REPLAY, false, on_story},
    {0},
};
