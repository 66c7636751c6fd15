#include "gateway/job_write.h"

static struct store_reply reply_of(const struct job *job)
{
    return (struct store_reply){
        .message_id = job->id,
        .conversation_id = span_str(job->conversation_id),
        .from_session = span_str(job->from_session),
        .to_session = span_str(job->to_session),
        .text = buffer_span(&job->text),
        .metadata = buffer_span(&job->metadata),
        .whole = buffer_span(&job->whole),
        .worker = span_str(job->worker),
        .service = span_str(job->service),
        .reason = span_str(job_reason(job)),
        .attempt = job->attempt,
        .failed = job->failed,
        .dead = job->kind == JOB_DEAD,
        .redacted = job->redacted,
        .claimed = job->claimed,
        .recorded = job->recorded,
        .parked = job->parked,
        .present = job->present,
        .as_read = job->as_read,
        .others = job->others,
        .digest = &job->digest,
        .ticket = job->ticket,
        .request = job->asked,
        .blob = buffer_span(&job->blob),
        .kept = buffer_span(&job->kept),
        .sender = {span_str(job->sender.principal), span_str(job->sender.name)},
    };
}

static int write_reply(struct job *job, struct store *store)
{
    const struct store_reply reply = reply_of(job);
    int error = store_reply(store, &reply, &job->outcome);

    job->reply_id = store_reply_id(store);
    job->changed = store_reply_changed(store);
    return error;
}

static int write_ask(struct job *job, struct store *store)
{
    struct ask_job *ask = job->ask;
    const struct store_ask request = {
        .principal = span_str(ask->principal),
        .role = span_str(ask->role),
        .service = span_str(job->service),
        .session = span_str(ask->session),
        .text = buffer_span(&ask->text),
        .metadata = buffer_span(&ask->metadata),
        .blob = buffer_span(&ask->blob),
        .digest = span_of(ask->digest, sizeof ask->digest),
        .fresh = ask->fresh,
        .coalesce_s = ask->coalesce_s,
        .live_s = ask->live_s,
        .turn_s = ask->turn_s,
        .ticket = span_str(ask->ticket),
        .ticket_s = ask->ticket_s,
        .conversation_id = span_str(ask->conversation_id),
        .session_token = span_str(ask->session_token),
        .sender = {span_str(ask->verified ? ask->principal : ""), span_str(ask->name)},
    };

    job->id = 0; /* a try before this one was rolled back */
    return store_ask(store, &request, &ask->asked, &job->id);
}

static int write_submit(struct job *job, struct store *store)
{
    struct call_job *call = job->call;
    const struct store_submit submit = {
        .conversation_id = span_str(job->conversation_id),
        .session_token = span_str(call->session_token),
        .text = buffer_span(&job->text),
        .redacted = job->redacted,
        .query_id = span_str(call->query_id),
        .key = span_str(call->key),
        .digest = span_of(call->digest, sizeof call->digest),
        .keep_s = LIMIT_SUBMIT_KEY_S,
        .only_again = call->only_again,
        .sender = {span_str(job->sender.principal), span_str(job->sender.name)},
    };

    return store_submit(store, &submit, &call->receipt);
}

static int write_call(struct job *job, struct store *store)
{
    struct call_job *call = job->call;
    const struct store_converse want = {
        .asker = span_str(call->asker),
        .responder = span_str(call->responder),
        .ttl_s = call->ttl_s,
    };

    switch (call->kind) {
    case CALL_CONVERSE:
        return store_converse(store, &want, &call->made);
    case CALL_SUBMIT:
        return write_submit(job, store);
    case CALL_REDRIVE:
        return store_redrive(store, job->id, &call->dead, &call->new_id);
    case CALL_DROP:
        return store_drop_dead(store, job->id, &call->dropped);
    }
    return BRIDGE_OTHER;
}

static struct store_delivery delivery_of(const struct job *job)
{
    return (struct store_delivery){
        .message_id = job->id,
        .conversation_id = span_str(job->conversation_id),
        .session = span_str(job->from_session),
        .service = span_str(job->service),
        .worker = span_str(job->worker),
        .reason = span_str(job_reason(job)),
        .attempt = job->attempt,
        .failed = job->failed,
        .pid = job->pid,
        .leased_at_us = job->leased_at_utc_us,
        .due_at_us = job->due_at_utc_us,
        .claim = job->claim,
        .present = job->present,
    };
}

/* The end of a query, and the answer that came after it. A query that has not ended (the database
 * refuses its reply) has its answer kept none the less; the job says that it goes on. */
static int write_gone(struct job *job, struct store *store)
{
    const struct store_reply reply = reply_of(job);
    int error = store_end(store, &reply, &job->outcome);

    job->error = error == BRIDGE_REFUSED ? BRIDGE_REFUSED : BRIDGE_OK;
    if (error == BRIDGE_REFUSED)
        return store_keep(store, &reply, "refused");
    return error ? error : store_keep(store, &reply, store_outcome_name(job->outcome));
}

static int write_one(struct job *job, struct store *store)
{
    struct store_reply reply;
    struct store_delivery delivery;

    switch (job->kind) {
    case JOB_ANSWER:
    case JOB_DEAD:
        return write_reply(job, store);
    case JOB_END:
        reply = reply_of(job);
        return store_end(store, &reply, &job->outcome);
    case JOB_GONE:
        return write_gone(job, store);
    case JOB_DROP:
        reply = reply_of(job);
        return store_drop(store, &reply, &job->outcome);
    case JOB_ASK:
        return write_ask(job, store);
    case JOB_CALL:
        return write_call(job, store);
    case JOB_KEEP:
        reply = reply_of(job);
        return store_keep(store, &reply, "refused");
    case JOB_LEASE:
        delivery = delivery_of(job);
        return store_lease(store, &delivery, &job->outcome);
    case JOB_FAIL:
        delivery = delivery_of(job);
        return store_fail(store, &delivery);
    case JOB_MARK:
        return store_mark(store, job->id, job->parks, job->park_count);
    case JOB_UNPARK:
        return store_unpark(store, job->id);
    case JOB_DELIVERED:
        return store_delivered(store, job->parks, job->park_count);
    case JOB_UNTICK:
        return store_untick(store, buffer_span(&job->text));
    case JOB_NOTE:
        return store_note(store, job->key, buffer_span(&job->text));
    case JOB_PRESENT:
        return store_present_all(store);
    case JOB_RETIRE:
        job->count = 0;
        job->more = false;
        return store_retire(store, &job->retention, job->limit, &job->count, &job->more);
    }
    return BRIDGE_OTHER;
}

/* Our own book-keeping, which no query waits for. */
static bool is_upkeep(enum job_kind kind)
{
    return kind == JOB_KEEP || kind >= JOB_MARK;
}

int job_write(struct job *job, struct store *store)
{
    int error = write_one(job, store);

    /* a table made anew, a trigger that does not run in our connection: outwaiting that would hold
     * up the replies behind it, perhaps for ever */
    return error == BRIDGE_OTHER && is_upkeep(job->kind) ? BRIDGE_REFUSED : error;
}
