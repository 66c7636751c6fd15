/* tailgate.converse and tailgate.submit: conversations and queries, written as the bridge's own
 * programs write them, for clients that have no access to the file. A query made so is a row as any
 * other: nobody waits for its answer here; it is read by tailgate.query, or by whoever fetches it.
 *
 * A token is looked at twice: here, so that a wrong one never costs the write lock, and in the
 * transaction, which is what counts. */
#include <sodium.h>
#include <stdio.h>

#include "gateway/builtin_call.h"
#include "gateway/log.h"
#include "gateway/sender.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

#define TTL_S 10800 /* of a conversation, as the bridge has it */
#define TTL_LEAST_S 60
#define TTL_MOST_S 2592000

/* converse */

static struct job *new_job(enum call_kind kind, struct span conversation_id)
{
    struct span nobody = span_str("");
    struct job *job = job_new(JOB_CALL, 0, conversation_id, nobody, nobody);

    job->call->kind = kind;
    return job;
}

/* A role, or the one that it is where none is named. */
static bool read_role(struct span value, const char *otherwise, char ret_role[LIMIT_SERVICE + 1])
{
    value = call_given(value);
    if (value.size)
        return call_text(value, ret_role, LIMIT_SERVICE + 1);
    snprintf(ret_role, LIMIT_SERVICE + 1, "%s", otherwise);
    return true;
}

static struct fault read_converse(struct span object, struct call_job *call)
{
    struct span asker = {0}, responder = {0}, ttl = {0};
    const struct jtext_wanted wanted[] = {
        {"asker", &asker}, {"responder", &responder}, {"ttl_seconds", &ttl}};

    jtext_pick(object, wanted, 3);
    if (!read_role(asker, "api", call->asker) || !read_role(responder, "default", call->responder))
        return (struct fault){"invalid", "asker and responder are roles, 1 to 100 bytes of text"};
    call->ttl_s = TTL_S;
    ttl = call_given(ttl);
    if (ttl.size && (jtext_integer(ttl, &call->ttl_s) < 0 || call->ttl_s < TTL_LEAST_S ||
                     call->ttl_s > TTL_MOST_S))
        return (struct fault){"invalid", "ttl_seconds is a number of seconds, 60 to 2592000"};
    return FAULT_NONE;
}

/* Whoever asks a service through the gate may ask it through a conversation, and nobody else. */
static struct fault may_ask(struct server *self, int64_t now_us, const struct asking *asking,
                            struct span service)
{
    return (struct fault){"forbidden", door_object(self, now_us, asking->peer, RIGHT_ASK, service)};
}

static enum builtin on_converse(struct server *self, int64_t now_us, const struct asking *asking,
                                struct buffer *ret_packed)
{
    struct job *job = new_job(CALL_CONVERSE, span_str(""));
    const struct message unnamed = {.service = ""};
    struct span object;
    struct fault fault = call_object(asking, &object);

    if (!fault.error)
        fault = read_converse(object, job->call);
    if (!fault.error)
        fault = may_ask(self, now_us, asking,
                        message_service_of(&unnamed, span_str(job->call->responder)));
    if (fault.error) {
        job_destroy(&job);
        return call_refuse(fault, ret_packed);
    }
    return call_write(self, asking, job, ret_packed);
}

struct fault talk_converse_done(const struct job *job, struct buffer *ret_json)
{
    const struct conversation *made = &job->call->made;

    log_event(LOG_INFO, "conversed", LOG_STR("conversation", made->id),
              LOG_STR("asker", job->call->asker), LOG_STR("responder", job->call->responder));
    buffer_text(ret_json, "{\"type\":\"conversation\"");
    jtext_member(ret_json, "conversation_id", span_str(made->id));
    jtext_member(ret_json, "session_a_token", span_str(made->token_a));
    jtext_member(ret_json, "session_b_token", span_str(made->token_b));
    jtext_member(ret_json, "expires_at", span_str(made->expires_at));
    buffer_byte(ret_json, '}');
    return FAULT_NONE;
}

/* submit */

/* What tailgate.submit is told. */
struct submit {
    struct call_session who;
    struct span query, key, only_again;
    struct span question, type, query_id; /* of the query */
};

static struct fault check_question(struct span literal)
{
    struct buffer text;
    size_t chars;

    if (literal.size == 0 || jtext_type(literal) != JTEXT_STRING)
        return (struct fault){"invalid", "query is an object with a question, which is text"};
    buffer_init(&text);
    jtext_decode(&text, literal);
    chars = utf8_count(buffer_span(&text));
    buffer_done(&text);
    if (chars == 0)
        return (struct fault){"invalid", "the question is empty"};
    if (chars > LIMIT_QUESTION_CHARS)
        return (struct fault){"too_large", "the question has more than 50000 characters"};
    return FAULT_NONE;
}

static bool is_key(const char *key)
{
    for (; *key; key++)
        if (*key <= 0x20 || *key >= 0x7f)
            return false;
    return true;
}

/* Reads KEY and query_id into CALL; a query without a query_id gets one. */
static struct fault read_names(const struct submit *submit, struct call_job *call)
{
    if (submit->key.size &&
        (jtext_copy(submit->key, call->key, sizeof call->key) <= 0 || !is_key(call->key)))
        return (struct fault){"invalid", "idempotency_key is 1 to 255 visible ASCII characters"};
    if (submit->query_id.size) {
        if (!call_text(submit->query_id, call->query_id, sizeof call->query_id))
            return (struct fault){"invalid", "query_id is text of 1 to 200 bytes"};
    } else {
        unsigned char bytes[8];
        memcpy(call->query_id, "q_", 2);
        randombytes_buf(bytes, sizeof bytes);
        sodium_bin2hex(call->query_id + 2, 17, bytes, sizeof bytes);
    }
    return FAULT_NONE;
}

static struct fault read_submit(struct span object, struct submit *ret_submit)
{
    struct submit *submit = ret_submit;
    const struct jtext_wanted outer[] = {{"query", &submit->query},
                                         {"idempotency_key", &submit->key},
                                         {"only_again", &submit->only_again}};
    const struct jtext_wanted inner[] = {
        {"question", &submit->question}, {"type", &submit->type}, {"query_id", &submit->query_id}};
    struct fault fault = call_session(object, &submit->who);

    if (fault.error)
        return fault;
    jtext_pick(object, outer, 3);
    submit->key = call_given(submit->key);
    if (submit->query.size == 0 || jtext_type(submit->query) != JTEXT_OBJECT)
        return (struct fault){"invalid", "query is an object with a question, which is text"};
    jtext_pick(submit->query, inner, 3);
    submit->query_id = call_given(submit->query_id);
    if (submit->type.size &&
        (jtext_type(submit->type) != JTEXT_STRING || !jtext_is(submit->type, "query")))
        return (struct fault){"invalid", "the type of a query is \"query\", or left out"};
    return check_question(submit->question);
}

/* The row's text: the query as it came, complete, and redacted. */
static void compose_text(struct server *self, const struct submit *submit, struct job *job)
{
    static const char *const ours[] = {"type", "query_id", NULL};
    struct span query_id;
    struct buffer text;

    buffer_init(&text);
    buffer_byte(&text, '{');
    jtext_member(&text, "type", span_str("query"));
    jtext_member(&text, "query_id", span_str(job->call->query_id));
    jtext_members_except(&text, submit->query, ours);
    buffer_byte(&text, '}');
    job->redacted = redact_json(self->redact, buffer_span(&text), &job->text) > 0;
    if (!job->redacted)
        buffer_add(&job->text, buffer_span(&text));
    buffer_done(&text);
    submit_note_failures(self, 0, "");
    /* what is told of the row is what stands there */
    if (job->redacted && jtext_find(buffer_span(&job->text), "query_id", &query_id) &&
        jtext_copy(query_id, job->call->query_id, sizeof job->call->query_id) <= 0)
        snprintf(job->call->query_id, sizeof job->call->query_id, "%s", REDACT_FAILED);
}

/* The service that is to answer JOB's query in the conversation of SESSION. */
static struct fault may_submit(struct server *self, int64_t now_us, const struct asking *asking,
                               const struct job *job, const struct session *session)
{
    const struct message_row row = {
        .text = buffer_span(&job->text), .text_is_text = true, .metadata_is_text = true};
    struct message message;

    message_read(&row, &message);
    return may_ask(self, now_us, asking, message_service_of(&message, span_str(session->role)));
}

/* Makes the job of SUBMIT. */
static struct fault make_submit(struct server *self, const struct asking *asking,
                                const struct submit *submit, struct job **ret_job)
{
    struct job *job = new_job(CALL_SUBMIT, span_str(submit->who.conversation_id));
    struct fault fault = read_names(submit, job->call);
    struct token_digest digest;

    if (fault.error) {
        job_destroy(&job);
        return fault;
    }
    job->call->only_again = span_is(submit->only_again, "true");
    memcpy(job->call->session_token, submit->who.token, sizeof job->call->session_token);
    token_digest(span_str(submit->who.conversation_id), submit->query, &digest);
    memcpy(job->call->digest, digest.bytes, sizeof job->call->digest);
    sender_identify(self, asking->peer, &job->sender);
    compose_text(self, submit, job);
    *ret_job = job;
    return FAULT_NONE;
}

static enum builtin on_submit(struct server *self, int64_t now_us, const struct asking *asking,
                              struct buffer *ret_packed)
{
    struct submit submit = {.key = {NULL, 0}};
    struct session session;
    struct job *job = NULL;
    struct span object;
    struct fault fault = call_object(asking, &object);

    if (!fault.error)
        fault = read_submit(object, &submit);
    if (!fault.error && !intake_could_read(self, call_check(self, &submit.who, &session, &fault)))
        return BUILTIN_BUSY;
    if (!fault.error)
        fault = make_submit(self, asking, &submit, &job);
    if (!fault.error)
        fault = may_submit(self, now_us, asking, job, &session);
    if (!fault.error)
        return call_write(self, asking, job, ret_packed);
    job_destroy(&job);
    return call_refuse(fault, ret_packed);
}

/* Why a query was not submitted. */
static const struct fault unsubmitted[] = {
    [STORE_CONFLICT] = {"conflict", "another query was submitted under that idempotency_key"},
    [STORE_NOT_AGAIN] = {"not_again", "nothing was submitted under that idempotency_key"},
    [STORE_NOWHERE] = {"not_found", "there is no such conversation"},
    [STORE_NO_TOKEN] = {"unauthorized", "that is not a token of this conversation"},
    [STORE_NO_TIME] = {"expired", "the conversation's time is over: make a new one"},
};

struct fault talk_submit_done(struct server *self, const struct job *job, struct buffer *ret_json)
{
    const struct store_receipt *receipt = &job->call->receipt;
    bool duplicate = receipt->submitted == STORE_DUPLICATE;

    if (!duplicate && receipt->submitted != STORE_SUBMITTED)
        return unsubmitted[receipt->submitted];
    if (duplicate)
        self->attached_in_file++;
    else
        self->stats.count[STAT_ASKED]++;
    log_event(LOG_DEBUG, duplicate ? "submitted-before" : "submitted",
              LOG_INT("id", receipt->message_id), LOG_STR("conversation", job->conversation_id),
              LOG_STR("from", job->sender.principal));
    buffer_text(ret_json, "{\"type\":\"submitted\"");
    jtext_member_integer(ret_json, "message_id", receipt->message_id);
    buffer_text(ret_json, ",\"query_id\":");
    escape_json(ret_json, span_str(receipt->query_id));
    buffer_text(ret_json, ",\"conversation_id\":");
    escape_json(ret_json, span_str(job->conversation_id));
    jtext_member(ret_json, "timestamp", span_str(receipt->made_at));
    jtext_member_raw(ret_json, "duplicate", span_str(duplicate ? "true" : "false"));
    buffer_byte(ret_json, '}');
    return FAULT_NONE;
}

const struct builtin_service builtin_of_talk[] = {
    {"tailgate.converse", RIGHT_ASK, false, on_converse},
    {"tailgate.submit", RIGHT_ASK, false, on_submit},
    {0},
};
