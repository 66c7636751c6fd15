/* tailgate.query: what has become of a query, for who has a token of its conversation; and
 * tailgate.session: whether a token is one, and for how long. */
#include "adapters/host/clock.h"
#include "gateway/builtin_call.h"
#include "gateway/lookups.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/stamp.h"

/* The query_id as it stands in the row, or the one that its worker was given. */
static int put_query_id(struct server *self, int64_t id, struct buffer *ret_json)
{
    struct tail_row row;
    struct message message;
    int error = tail_load(self->tail, id, &row);

    buffer_text(ret_json, ",\"query_id\":");
    if (error == BRIDGE_ABSENT)
        buffer_text(ret_json, "null");
    if (error)
        return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
    message_read(&row.columns, &message);
    if (message.query_id.size)
        escape_in_json(ret_json, message.query_id);
    else
        buffer_format(ret_json, "\"m%lld\"", (long long)id);
    tail_unload(self->tail);
    return BRIDGE_OK;
}

static int compose(struct server *self, const struct fate *fate, struct buffer *ret_json)
{
    int error;

    buffer_text(ret_json, "{\"type\":\"query\"");
    jtext_member_integer(ret_json, "message_id", fate->id);
    error = put_query_id(self, fate->id, ret_json);
    buffer_text(ret_json, ",\"conversation_id\":");
    escape_json(ret_json, span_str(fate->conversation_id));
    jtext_member(ret_json, "state", span_str(fate->state));
    jtext_member(ret_json, "timestamp", span_str(fate->stamp));
    fate_looked(fate, ret_json);
    buffer_text(ret_json, ",\"reply\":");
    if (!error)
        error = fate_row(self, fate->reply_id, false, ret_json);
    buffer_byte(ret_json, '}');
    return error;
}

static enum builtin on_query(struct server *self, int64_t now_us, const struct asking *asking,
                             struct buffer *ret_packed)
{
    struct call_session who;
    struct session session;
    struct fate fate;
    struct span object;
    int64_t id = 0;
    struct fault fault = call_object(asking, &object);

    if (!fault.error)
        fault = call_session(object, &who);
    if (!fault.error)
        fault = call_message(object, &id);
    if (!fault.error && !intake_could_read(self, call_check(self, &who, &session, &fault)))
        return BUILTIN_BUSY;
    if (fault.error)
        return call_refuse(fault, ret_packed);
    if (!intake_could_read(self, fate_read(self, id, &fate)))
        return BUILTIN_BUSY;
    if (!fate.a_query || strcmp(fate.conversation_id, who.conversation_id) != 0)
        return call_refuse((struct fault){"not_found", "there is no such query in it"}, ret_packed);
    return lookups_answer(self, now_us, asking, &fate, compose, ret_packed);
}

/* tailgate.session */

/* Until the conversation's time is over, rounded up; left out where the stamp is not one. */
static void put_left(const struct session *session, struct buffer *ret_json)
{
    int64_t expires_us, left_us;

    if (stamp_parse(span_str(session->expires_at), &expires_us) < 0)
        return;
    left_us = expires_us - clock_utc_us();
    jtext_member(ret_json, "expires_at", span_str(session->expires_at));
    jtext_member_integer(ret_json, "seconds_left", left_us > 0 ? (left_us + 999999) / 1000000 : 0);
}

static enum builtin on_session(struct server *self, int64_t now_us, const struct asking *asking,
                               struct buffer *ret_packed)
{
    struct call_session who;
    struct session session;
    struct span object;
    struct buffer json;
    int64_t last = 0;
    struct fault fault = call_object(asking, &object);

    (void)now_us;
    if (!fault.error)
        fault = call_session(object, &who);
    if (!fault.error && !intake_could_read(self, call_check(self, &who, &session, &fault)))
        return BUILTIN_BUSY;
    if (!fault.error && !intake_could_read(self, tail_last_id(self->tail, &last)))
        return BUILTIN_BUSY;
    if (fault.error)
        return call_refuse(fault, ret_packed);
    buffer_init(&json);
    buffer_text(&json, "{\"type\":\"session\",\"conversation_id\":");
    escape_json(&json, span_str(who.conversation_id));
    jtext_member(&json, "session", span_str(session.name));
    jtext_member_raw(&json, "live", span_str(session.state == SESSION_LIVE ? "true" : "false"));
    put_left(&session, &json);
    jtext_member_integer(&json, "last", last);
    buffer_byte(&json, '}');
    call_give(&json, ret_packed);
    buffer_done(&json);
    return BUILTIN_ANSWERED;
}

const struct builtin_service builtin_of_query[] = {
    {"tailgate.session", RIGHT_ASK, false, on_session},
    {"tailgate.query", RIGHT_ASK, false, on_query},
    {0},
};
