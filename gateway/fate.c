#include "gateway/fate.h"

#include "adapters/host/clock.h"
#include "gateway/row_event.h"
#include "proto/escape.h"
#include "proto/jtext.h"

/* What tailgate_delivery says. */
struct delivery_look {
    const char *conversation_id; /* of the query */
    bool claimed, dead, leased;
};

static void see_delivery(void *context, const struct delivery_record *record)
{
    struct delivery_look *look = context;

    /* the row of another one, from before somebody restored the file */
    if (!span_is(record->conversation_id, look->conversation_id))
        return;
    look->dead = record->state == DELIVERY_DEAD;
    look->leased = record->state == DELIVERY_LEASED;
    look->claimed = record->claimed && !look->dead;
}

/* Copies TEXT where it fits; else RET_TEXT, which is "", stays so. */
static void copy(struct span text, char *ret_text, size_t room)
{
    if (text.size && text.size < room) {
        memcpy(ret_text, text.data, text.size);
        ret_text[text.size] = '\0';
    }
}

static void take_row(struct fate *fate, const struct tail_row *row)
{
    struct message message;
    int64_t utc_us;

    message_read(&row->columns, &message);
    fate->there = true;
    fate->a_query = message_is_query(message.kind);
    copy(row->conversation_id, fate->conversation_id, sizeof fate->conversation_id);
    copy(row->to_session, fate->asked, sizeof fate->asked);
    if (fate->a_query)
        copy(intake_service(row, &message), fate->service, sizeof fate->service);
    if (stamp_parse(row->timestamp, &utc_us) == 0)
        copy(row->timestamp, fate->stamp, sizeof fate->stamp);
}

/* The state of a query that nobody has ended. */
static const char *open_state(const struct server *self, const struct fate *fate,
                              const struct delivery_look *look, bool live)
{
    enum dispatch_place place = dispatch_where(self->dispatch, fate->id, NULL);

    if (place == PLACE_LEASED || place == PLACE_COMMITTING)
        return "working";
    if (!live)
        return "expired";
    return look->leased ? "working" : "pending";
}

/* What this run remembers of a query that has ended. */
static void recall(const struct server *self, struct fate *fate)
{
    const struct outcome *outcome = outcomes_find(self->outcomes, fate->id);

    if (!outcome)
        return;
    if (outcome->end == STORE_COMMITTED)
        fate->reply_id = outcome->reply_id;
    else
        fate->state = store_outcome_name(outcome->end);
}

int fate_read(struct server *self, int64_t id, struct fate *ret_fate)
{
    struct fate fate = {.id = id};
    struct delivery_look look = {.conversation_id = fate.conversation_id};
    bool read, live;
    struct tail_row row;
    int error;

    carry_let_go(self);
    error = tail_load(self->tail, id, &row);
    if (error == BRIDGE_ABSENT) {
        fate.state = "deleted";
        *ret_fate = fate;
        return BRIDGE_OK;
    }
    if (error)
        return error;
    take_row(&fate, &row);
    read = row.read;
    live = intake_is_live(&row, clock_utc_us());
    tail_unload(self->tail);
    error = records_one(tail_connection(self->tail), id, clock_utc_us(), see_delivery, &look);
    if (error && error != BRIDGE_ABSENT)
        return error;
    if (!read || look.claimed)
        fate.state = open_state(self, &fate, &look, live);
    else
        recall(self, &fate);
    *ret_fate = fate;
    return BRIDGE_OK;
}

/* Why an answer was kept that came after the end. */
static void see_kept(void *context, const struct answer_record *record)
{
    static const enum store_outcome ends[] = {STORE_SUPERSEDED, STORE_EXPIRED, STORE_DELETED};
    const char **state = context;

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (span_is(record->why, store_outcome_name(ends[i])))
            *state = store_outcome_name(ends[i]);
}

/* The state of a query that was set read, and has no reply that is there; REPLIED: it had one. */
static int unanswered_state(struct server *self, struct fate *fate, bool replied)
{
    sqlite3 *db = tail_connection(self->tail);
    struct delivery_look look = {.conversation_id = fate->conversation_id};
    const char *state = replied ? "answered" : store_outcome_name(STORE_SUPERSEDED);
    size_t count = 0;
    int error = records_one(db, fate->id, clock_utc_us(), see_delivery, &look);

    if (error == BRIDGE_ABSENT)
        error = BRIDGE_OK;
    if (error == BRIDGE_OK && !replied)
        error = records_kept(db, fate->id, 1, see_kept, &state, &count);
    fate->state = look.dead ? "dead" : state;
    return error;
}

/* True when ROW is the reply to the query of FATE, as it stands now. */
static bool is_reply(const struct fate *fate, struct row_event *event, const struct tail_row *row)
{
    row_event_read(event, row);
    return event->event.in_reply_to == fate->id &&
           span_is(row->conversation_id, fate->conversation_id);
}

int fate_conclude(struct server *self, struct fate *fate)
{
    struct row_event event;
    struct tail_row row;
    bool replied = fate->reply_id != 0;
    int error = BRIDGE_ABSENT;

    if (fate->state)
        return BRIDGE_OK;
    if (fate->reply_id) {
        row_event_init(&event);
        error = tail_load(self->tail, fate->reply_id, &row);
        if (error == BRIDGE_OK && is_reply(fate, &event, &row))
            fate->state = event.event.dead ? "dead" : "answered";
        if (error == BRIDGE_OK)
            tail_unload(self->tail);
        row_event_done(&event);
    }
    if (error && error != BRIDGE_ABSENT)
        return error;
    if (fate->state)
        return BRIDGE_OK;
    fate->reply_id = 0;
    return unanswered_state(self, fate, replied);
}

static void put_text(struct buffer *ret_json, const char *name, struct span text)
{
    buffer_format(ret_json, ",\"%s\":", name);
    escape_json(ret_json, text);
}

static void put_row(const struct row_event *made, const struct tail_row *row, bool full,
                    struct buffer *ret_json)
{
    const struct event_row *event = &made->event;

    buffer_byte(ret_json, '{');
    jtext_member_integer(ret_json, "message_id", row->id);
    if (full) {
        put_text(ret_json, "from", event->from);
        put_text(ret_json, "to", event->to);
    }
    if (event->bodies)
        put_text(ret_json, "message", event->text);
    else
        jtext_member_raw(ret_json, "message", span_str("null"));
    if (event->truncated)
        jtext_member_raw(ret_json, "truncated", span_str("true"));
    buffer_text(ret_json, ",\"metadata\":");
    if (event->metadata.size)
        escape_in_json(ret_json, event->metadata);
    else
        buffer_text(ret_json, "null");
    put_text(ret_json, "timestamp", event->timestamp);
    if (full)
        jtext_member_raw(ret_json, "read", span_str(row->read ? "true" : "false"));
    buffer_byte(ret_json, '}');
}

int fate_row(struct server *self, int64_t id, bool full, struct buffer *ret_json)
{
    struct row_event event;
    struct tail_row row;
    int error = id ? tail_load(self->tail, id, &row) : BRIDGE_ABSENT;

    if (error == BRIDGE_ABSENT) {
        buffer_text(ret_json, "null");
        return BRIDGE_OK;
    }
    if (error)
        return error;
    row_event_init(&event);
    row_event_read(&event, &row);
    /* who asks with a token may read the row itself; everybody else sees what observers see */
    row_event_make(&event, self->redact, &row, !full || self->publish.bodies);
    put_row(&event, &row, full, ret_json);
    tail_unload(self->tail);
    row_event_done(&event);
    submit_note_failures(self, id, "");
    return BRIDGE_OK;
}

void fate_looked(const struct fate *fate, struct buffer *ret_json)
{
    if (!fate->looked)
        return;
    jtext_member_integer(ret_json, "looked_to", fate->looked_to);
    jtext_member_raw(ret_json, "looked_at_all", span_str(fate->looked_at_all ? "true" : "false"));
}
