#include "gateway/builtin_call.h"

#include "adapters/host/clock.h"
#include "gateway/log.h"
#include "proto/jtext.h"
#include "proto/pack.h"
#include "proto/utf8.h"

struct fault call_object(const struct asking *asking, struct span *ret_object)
{
    struct span body = builtin_word(asking);

    if (asking->body_count != 1)
        return (struct fault){"invalid", "it is asked for with one frame, a JSON object"};
    if (body.size > LIMIT_SUBMIT_SIZE)
        return (struct fault){"too_large", "that is larger than 1 MiB"};
    if (jtext_check(body) != JTEXT_OBJECT)
        return (struct fault){"invalid", "that is not a JSON object"};
    *ret_object = body;
    return FAULT_NONE;
}

struct span call_given(struct span value)
{
    return span_is(value, "null") ? span_str("") : value;
}

bool call_text(struct span value, char *ret_text, size_t room)
{
    int size = value.size ? jtext_copy(value, ret_text, room) : -1;

    /* U+FFFD stands for what could not be decoded */
    return size > 0 && !utf8_has_control(span_of(ret_text, (size_t)size)) &&
           !strstr(ret_text, "\xef\xbf\xbd");
}

struct fault call_message(struct span object, int64_t *ret_id)
{
    struct span value;

    if (!jtext_find(object, "message_id", &value) || jtext_integer(value, ret_id) < 0 ||
        *ret_id <= 0)
        return (struct fault){"invalid", "message_id is the id of a row, a number above 0"};
    return FAULT_NONE;
}

struct fault call_session(struct span object, struct call_session *ret_session)
{
    struct span conversation = {0}, token = {0};
    const struct jtext_wanted wanted[] = {{"conversation_id", &conversation},
                                          {"session_token", &token}};

    jtext_pick(object, wanted, 2);
    if (!call_text(conversation, ret_session->conversation_id, sizeof ret_session->conversation_id))
        return (struct fault){"invalid", "conversation_id is the text that names a conversation"};
    if (!call_text(token, ret_session->token, sizeof ret_session->token))
        return (struct fault){"invalid", "session_token is the text that its making gave"};
    return FAULT_NONE;
}

int call_check(struct server *self, const struct call_session *who, struct session *ret_session,
               struct fault *ret_fault)
{
    int error = session_check(tail_connection(self->tail), span_str(who->conversation_id),
                              span_str(who->token), clock_utc_us(), ret_session);

    *ret_fault = FAULT_NONE;
    if (error)
        return error;
    if (ret_session->state == SESSION_ABSENT)
        *ret_fault = (struct fault){"not_found", "there is no such conversation"};
    else if (ret_session->state == SESSION_WRONG)
        *ret_fault = (struct fault){"unauthorized", "that is not a token of this conversation"};
    return BRIDGE_OK;
}

enum builtin call_refuse(struct fault fault, struct buffer *ret_packed)
{
    builtin_error(fault.code, fault.error, ret_packed);
    return BUILTIN_ANSWERED;
}

enum builtin call_give(const struct buffer *json, struct buffer *ret_packed)
{
    const struct span frame = buffer_span(json);

    pack_write(&frame, 1, ret_packed);
    return BUILTIN_ANSWERED;
}

enum builtin call_write(struct server *self, const struct asking *asking, struct job *job_take,
                        struct buffer *ret_packed)
{
    struct job *job = job_take;
    size_t held = sizeof *job + sizeof *job->call + job_bytes(job);

    if (committer_queued(self->committer) >= (size_t)self->config.commit_queue ||
        self->calls_held + held > LIMIT_SUBMIT_HELD) {
        self->stats.count[STAT_CLIENTS_REFUSED]++;
        job_destroy(&job);
        return call_refuse(
            (struct fault){"busy", "the database takes nothing just now: try again later"},
            ret_packed);
    }
    job->request = requests_expect(self, asking);
    if (!job->request) {
        job_destroy(&job);
        return BUILTIN_LATER;
    }
    job->call->held = held;
    self->calls_held += held;
    committer_submit(self->committer, job);
    return BUILTIN_LATER;
}

static struct fault compose(struct server *self, const struct job *job, struct buffer *ret_json)
{
    if (job->error) {
        log_event(LOG_ERROR, "unaskable", LOG_STR("conversation", job->conversation_id),
                  LOG_STR("say", "the database's own rules refuse what a client has written"));
        return (struct fault){"forbidden", "the database's own rules refuse it"};
    }
    switch (job->call->kind) {
    case CALL_CONVERSE:
        return talk_converse_done(job, ret_json);
    case CALL_SUBMIT:
        return talk_submit_done(self, job, ret_json);
    case CALL_REDRIVE:
        return dead_redrive_done(job, ret_json);
    case CALL_DROP:
        return dead_drop_done(job, ret_json);
    }
    return FAULT_NONE;
}

void builtin_settled(struct server *self, const struct job *job)
{
    struct buffer json, packed;
    struct fault fault;

    self->calls_held -= job->call->held;
    buffer_init(&json);
    buffer_init(&packed);
    fault = compose(self, job, &json);
    if (fault.error)
        call_refuse(fault, &packed);
    else
        call_give(&json, &packed);
    clients_reply(self->clients, job->request, 0, buffer_span(&packed));
    buffer_done(&packed);
    buffer_done(&json);
}
