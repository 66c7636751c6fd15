/* The rows of the file, and what is said about them: answers, commits, deliveries that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"
#include "tests/unit/script_inside.h"

/* A row of the file. */
struct row {
    bool exists, read, seen;
    char conversation[64];
    char service[LIMIT_SERVICE + 1];
};

static struct {
    struct row *row; /* by id */
    size_t rows;
} file;

void script_rows_forget(void)
{
    free(file.row);
    memset(&file, 0, sizeof file);
}

void row_exists(int64_t id, const char *conversation, const char *service)
{
    size_t at = (size_t)id;

    if (at >= file.rows) {
        size_t rows = at * 2 + 16;
        file.row = memory_grow(file.row, rows * sizeof *file.row);
        memset(file.row + file.rows, 0, (rows - file.rows) * sizeof *file.row);
        file.rows = rows;
    }
    file.row[at].exists = true;
    snprintf(file.row[at].conversation, sizeof file.row[at].conversation, "%s", conversation);
    snprintf(file.row[at].service, sizeof file.row[at].service, "%s", service);
}

void row_seen(int64_t id, const char *conversation, const char *service)
{
    row_exists(id, conversation, service);
    file.row[id].seen = true;
    script_happen(&(struct event){.kind = EVENT_QUERY,
                                  .query = {id, span_str(conversation), span_str(service)}});
}

void row_deleted(int64_t id)
{
    file.row[id].exists = false;
}

bool row_is_read(int64_t id)
{
    return file.row[id].read;
}

void row_read_by_others(int64_t id)
{
    file.row[id].read = true;
}

static void digest_of(int64_t id, struct token_digest *ret_digest)
{
    char text[64];
    snprintf(text, sizeof text, "what is %lld?", (long long)id);
    token_digest(span_str(file.row[id].conversation), span_str(text), ret_digest);
}

void script_token(int64_t id, int64_t of, uint32_t attempt, struct token *ret_token,
                  struct answered_row *ret_row)
{
    const struct row *row = &file.row[id];
    struct token_digest digest;

    digest_of(of, &digest);
    token_sign(script_key(), of, attempt, &digest, ret_token);
    ret_token->message_id = id;
    digest_of(id, &ret_row->digest);
    ret_row->found = row->exists;
    ret_row->read = row->read;
    ret_row->service = span_str(row->service);
    ret_row->conversation_id = span_str(row->conversation);
}

/* An ANSWER or PARTIAL of PEER about row ID with a valid token, to be changed before it is fed. */
static struct event said(enum event_kind kind, const struct peer *peer, int64_t id,
                         uint32_t attempt)
{
    struct event event = {.kind = kind};

    event.answer.peer = peer;
    script_token(id, id, attempt, &event.answer.token, &event.answer.row);
    return event;
}

void answers(const char *name, int64_t id, uint32_t attempt)
{
    const struct peer peer = script_peer(name);
    const struct event event = said(EVENT_ANSWER, &peer, id, attempt);
    script_happen(&event);
}

static void fail_with(const char *name, int64_t id, uint32_t attempt, const char *reason,
                      bool retry)
{
    const struct peer peer = script_peer(name);
    struct event event = said(EVENT_ANSWER, &peer, id, attempt);
    event.answer.error = true;
    event.answer.retry = retry;
    event.answer.reason = span_str(reason);
    script_happen(&event);
}

void answers_with_error(const char *name, int64_t id, uint32_t attempt, const char *reason)
{
    fail_with(name, id, attempt, reason, true);
}

void gives_up(const char *name, int64_t id, uint32_t attempt, const char *reason)
{
    fail_with(name, id, attempt, reason, false);
}

void gives_back(const char *name, int64_t id, uint32_t attempt, const char *reason)
{
    const struct peer peer = script_peer(name);
    struct event event = said(EVENT_ANSWER, &peer, id, attempt);
    event.answer.returned = true;
    event.answer.reason = span_str(reason);
    script_happen(&event);
}

void answers_with_forged_token(const char *name, int64_t id, uint32_t attempt)
{
    const struct peer peer = script_peer(name);
    struct event event = said(EVENT_ANSWER, &peer, id, attempt);
    event.answer.token.mac[TOKEN_MAC_SIZE - 1] ^= 1;
    script_happen(&event);
}

void answers_with_token_of(const char *name, int64_t id, int64_t other_id, uint32_t attempt)
{
    const struct peer peer = script_peer(name);
    struct event event = said(EVENT_ANSWER, &peer, id, attempt);
    script_token(id, other_id, attempt, &event.answer.token, &event.answer.row);
    script_happen(&event);
}

void sends_partial(const char *name, int64_t id, uint32_t attempt)
{
    const struct peer peer = script_peer(name);
    const struct event event = said(EVENT_PARTIAL, &peer, id, attempt);
    script_happen(&event);
}

void committed(int64_t id)
{
    file.row[id].read = true;
    script_happen(&(struct event){.kind = EVENT_COMMITTED, .committed.id = id});
}

void undeliverable(int64_t id, uint32_t attempt, enum undeliverable why)
{
    struct peer peer;

    script_not_sent(id, &peer);
    script_feed(
        &(struct event){.kind = EVENT_UNDELIVERABLE, .undeliverable = {id, attempt, &peer, why}});
}

void claimed(int64_t id)
{
    file.row[id].read = true;
    script_happen(&(struct event){.kind = EVENT_CLAIMED, .claimed = {.id = id, .ours = true}});
}

void claim_lost(int64_t id)
{
    file.row[id].read = true;
    script_happen(&(struct event){.kind = EVENT_CLAIMED, .claimed = {.id = id, .ours = false}});
}

void ended(int64_t id)
{
    script_happen(&(struct event){.kind = EVENT_ENDED, .ended.id = id});
}

void withdrawn(int64_t id, const char *reason)
{
    script_happen(&(struct event){
        .kind = EVENT_WITHDRAW, .withdraw = {.id = id, .dead = reason != NULL, .reason = reason}});
}

/* After a restart. */

void script_restore(int64_t id, struct kept kept)
{
    const struct row *row = &file.row[id];
    struct event event = {.kind = EVENT_RESTORE};

    event.restore.id = id;
    event.restore.conversation_id = span_str(row->conversation);
    event.restore.service = span_str(row->service);
    event.restore.leased = kept.leased;
    event.restore.claimed = kept.claimed;
    event.restore.attempt = kept.attempt ? kept.attempt : 1;
    event.restore.failed = kept.failed;
    event.restore.until_us = now_us() + kept.for_us;
    event.restore.leased_us = kept.age_us ? now_us() - kept.age_us : 0;
    event.restore.worker = span_str(kept.worker ? kept.worker : "w1");
    event.restore.pid = kept.pid;
    event.restore.reason = span_str(kept.reason ? kept.reason : "");
    script_happen(&event);
}

void released(int64_t id, const char *reason)
{
    script_happen(&(struct event){.kind = EVENT_RELEASE, .release = {id, reason}});
}

/* Windows: what the gateway does between events. */

bool refills_once(const char *service)
{
    struct refill refill;
    int64_t more_from = 0;

    script_carry_out();
    if (!dispatch_want(core(), &refill))
        return false;
    if (service)
        assert_string_equal(refill.service, service);
    service = refill.service;
    for (int64_t id = refill.from; id < (int64_t)file.rows && !more_from; id++) {
        const struct row *row = &file.row[id];
        const struct event event = {
            .kind = EVENT_QUERY,
            .query = {id, span_str(row->conversation), span_str(row->service)}};
        if (row->exists && row->seen && !row->read && strcmp(row->service, service) == 0 &&
            !dispatch_refill(core(), now_us(), &event))
            more_from = id;
    }
    dispatch_refilled(core(), now_us(), span_str(service), more_from);
    script_collect();
    return true;
}

void given_a_late_worker(void)
{
    given_settings(.lease_us = 10 * SECOND);
    given_worker("late", .slots = 2);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "late");
    pass_us(5 * SECOND);
    row_seen(18, "conv_b", "default");
    expect_deliver(18, 1, "late");
    given_worker("next");
    pass_us(5 * SECOND);
    expect_retry(17, 1, "no answer within the lease");
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "next");
}
