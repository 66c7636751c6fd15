/* tailgate_delivery: one row for each query whose attempts must outlast this process. Fast work
 * never comes here; an answer takes the row away, a dead query's stays.
 *
 *             store_lease()           store_fail()
 *     (none) ──────────────▶ leased ─────────────────▶ waiting
 *                              ▲                          │
 *                              └───── store_lease() ──────┘
 *
 *     store_dead()     any, or none  ──▶ dead
 *     store_fail()     none          ──▶ waiting
 *     store_fail()     dead          ──▶ waiting   where a person has set the query unread again
 *     store_lease()    dead          ──▶ leased
 *     store_forget()   all but dead  ──▶ (none)    an answer takes a dead one away, too
 *
 * `claimed` is set by the lease that took the read flag and stays until the row is dead or gone. */
#include <assert.h>
#include <inttypes.h>

#include "adapters/bridge/store_inside.h"
#include "proto/jtext.h"

/* Characters of a history; what would make it longer is not appended (`failed` goes on counting).
 */
#define HISTORY_MAX "65536"
#define STAMP_LAST_US 253402300799999999LL /* the end of year 9999 */

/* History as text: what somebody has made of it by hand is no reason for a statement to fail, as
 * it would be for SQLite's JSON functions. */
#define APPENDED                                                                                   \
    "CASE WHEN length(history) >= " HISTORY_MAX " THEN history"                                    \
    " WHEN length(history) > 2 AND history LIKE '[%]'"                                             \
    " THEN substr(history, 1, length(history) - 1) || ',' || ?12 || ']'"                           \
    " ELSE '[' || ?12 || ']' END"

static const char is_claimed_sql[] =
    "SELECT 1 FROM tailgate_delivery"
    " WHERE message_id = ?1 AND conversation_id = ?2 AND claimed = 1 AND state <> 'dead'";

static const char lease_sql[] =
    "INSERT INTO tailgate_delivery(message_id, conversation_id, service, attempt, failed, worker,"
    " pid, leased_at, due_at, claimed, updated_at, state)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'leased')"
    " ON CONFLICT(message_id) DO UPDATE SET conversation_id = excluded.conversation_id,"
    " service = excluded.service, attempt = excluded.attempt, failed = excluded.failed,"
    " worker = excluded.worker, pid = excluded.pid, leased_at = excluded.leased_at,"
    " due_at = excluded.due_at, claimed = max(claimed, excluded.claimed),"
    " updated_at = excluded.updated_at, state = 'leased', redriven = NULL";

/* What comes behind a death in the queue finds read = 1, which the death has set. */
static const char fail_sql[] =
    "INSERT INTO tailgate_delivery(message_id, conversation_id, service, attempt, failed, worker,"
    " pid, leased_at, due_at, reason, updated_at, state, history)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'waiting', '[' || ?12 || ']')"
    " ON CONFLICT(message_id) DO UPDATE SET conversation_id = excluded.conversation_id,"
    " service = excluded.service, attempt = excluded.attempt, failed = excluded.failed,"
    " worker = coalesce(excluded.worker, worker), pid = excluded.pid,"
    " leased_at = coalesce(excluded.leased_at, leased_at), due_at = excluded.due_at,"
    " reason = excluded.reason, updated_at = excluded.updated_at, state = 'waiting',"
    " redriven = NULL, history = " APPENDED " WHERE state <> 'dead'"
    " OR EXISTS (SELECT 1 FROM messages m WHERE m.id = excluded.message_id"
    " AND m.conversation_id = excluded.conversation_id AND coalesce(m.read, 0) = 0)";

static const char give_back_sql[] =
    "UPDATE tailgate_delivery SET state = 'waiting', attempt = ?2, failed = ?3, pid = NULL,"
    " due_at = ?4, updated_at = ?5 WHERE message_id = ?1 AND state <> 'dead'";

/* The last failure is in the history already where store_fail() came first. */
static const char dead_sql[] =
    "INSERT INTO tailgate_delivery(message_id, conversation_id, service, attempt, failed, worker,"
    " pid, leased_at, due_at, reason, updated_at, state, history)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'dead',"
    " CASE WHEN ?5 > 0 THEN '[' || ?12 || ']' ELSE '[]' END)"
    " ON CONFLICT(message_id) DO UPDATE SET conversation_id = excluded.conversation_id,"
    " service = excluded.service, attempt = excluded.attempt, failed = excluded.failed,"
    " worker = coalesce(excluded.worker, worker), pid = NULL, due_at = NULL,"
    " reason = excluded.reason, updated_at = excluded.updated_at, state = 'dead', claimed = 0,"
    " redriven = NULL, history = CASE WHEN failed >= excluded.failed THEN history"
    " ELSE " APPENDED " END";

static const char forget_sql[] =
    "DELETE FROM tailgate_delivery WHERE message_id = ?1 AND (?2 OR state <> 'dead')";

const struct store_sql store_sql_of_delivery[] = {
    {RUN_IS_CLAIMED, false, is_claimed_sql},
    {RUN_LEASE, false, lease_sql},
    {RUN_FAIL, false, fail_sql},
    {RUN_GIVE_BACK, false, give_back_sql},
    {RUN_DEAD, false, dead_sql},
    {RUN_FORGET, false, forget_sql},
    {0},
};

int store_is_claimed(struct store *self, int64_t message_id, struct span conversation_id,
                     bool *ret_claimed)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_text(conversation_id)};
    int64_t one = 0;
    return store_look(self, RUN_IS_CLAIMED, values, 2, ret_claimed, &one);
}

int store_forget(struct store *self, int64_t message_id, bool answered)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_integer(answered)};
    return store_run(self, RUN_FORGET, values, 2);
}

/* A time as the value of a column: NULL where there is none; STAMP holds its text. */
static struct sql_value time_value(int64_t utc_us, char stamp[STAMP_SIZE])
{
    if (utc_us <= 0)
        return sql_null();
    stamp_format(utc_us < STAMP_LAST_US ? utc_us : STAMP_LAST_US, stamp);
    return sql_text(span_str(stamp));
}

static struct sql_value pid_value(int64_t pid)
{
    return pid > 0 ? sql_integer(pid) : sql_null();
}

/* One item of a history, into self->item. */
static void write_item(struct store *self, const struct store_delivery *delivery)
{
    struct buffer *item = &self->item;
    buffer_reset(item);
    buffer_byte(item, '{');
    jtext_member_integer(item, "attempt", delivery->attempt);
    jtext_member(item, "worker", delivery->worker);
    jtext_member(item, "reason", delivery->reason);
    jtext_member(item, "at", store_now(self));
    buffer_byte(item, '}');
}

static bool is_clean(const struct store_delivery *delivery)
{
    return sql_is_clean(delivery->conversation_id) && sql_is_clean(delivery->session) &&
           sql_is_clean(delivery->service) && sql_is_clean(delivery->worker) &&
           sql_is_clean(delivery->reason);
}

/* Takes the read flag. *ret_end: how the query ended without us, else STORE_COMMITTED. */
static int claim(struct store *self, const struct store_delivery *delivery,
                 enum store_outcome *ret_end)
{
    bool ours = false;
    int error = store_is_claimed(self, delivery->message_id, delivery->conversation_id, &ours);
    if (error == BRIDGE_OK && !ours)
        error = store_guard(self, delivery->message_id, delivery->conversation_id, &ours);
    if (error != BRIDGE_OK)
        return error;
    if (ours) {
        *ret_end = STORE_COMMITTED;
        return BRIDGE_OK;
    }
    const struct store_reply end = {
        .message_id = delivery->message_id,
        .conversation_id = delivery->conversation_id,
        .from_session = delivery->session,
        .recorded = true,
        .parked = true,
    };
    return store_record_end(self, &end, ret_end);
}

int store_lease(struct store *self, const struct store_delivery *delivery,
                enum store_outcome *ret_outcome)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!is_clean(delivery))
        return BRIDGE_REFUSED;
    enum store_outcome outcome = STORE_COMMITTED;
    int error = delivery->claim ? claim(self, delivery, &outcome) : BRIDGE_OK;
    if (error != BRIDGE_OK)
        return error;
    if (outcome != STORE_COMMITTED) {
        *ret_outcome = outcome;
        return BRIDGE_OK;
    }
    char leased_at[STAMP_SIZE], due_at[STAMP_SIZE];
    const struct sql_value values[] = {
        sql_integer(delivery->message_id),
        sql_text(delivery->conversation_id),
        sql_text(delivery->service),
        sql_integer(delivery->attempt),
        sql_integer(delivery->failed),
        sql_text_or_null(delivery->worker),
        pid_value(delivery->pid),
        time_value(delivery->leased_at_us, leased_at),
        time_value(delivery->due_at_us, due_at),
        sql_integer(delivery->claim),
        sql_text(store_now(self)),
    };
    error = store_run(self, RUN_LEASE, values, 11);
    if (error == BRIDGE_OK && delivery->present)
        error = store_present(self, delivery->conversation_id, delivery->session);
    if (error == BRIDGE_OK)
        *ret_outcome = STORE_COMMITTED;
    return error;
}

static int give_back(struct store *self, const struct store_delivery *delivery)
{
    char due_at[STAMP_SIZE];
    const struct sql_value values[] = {
        sql_integer(delivery->message_id), sql_integer(delivery->attempt),
        sql_integer(delivery->failed),     time_value(delivery->due_at_us, due_at),
        sql_text(store_now(self)),
    };
    return store_run(self, RUN_GIVE_BACK, values, 5);
}

/* What RUN_FAIL and RUN_DEAD have in common. */
static int write_failure(struct store *self, enum store_statement statement,
                         const struct store_delivery *delivery)
{
    char leased_at[STAMP_SIZE], due_at[STAMP_SIZE];
    write_item(self, delivery);
    const struct sql_value values[] = {
        sql_integer(delivery->message_id),
        sql_text(delivery->conversation_id),
        sql_text(delivery->service),
        sql_integer(delivery->attempt),
        sql_integer(delivery->failed),
        sql_text_or_null(delivery->worker),
        pid_value(delivery->pid),
        time_value(delivery->leased_at_us, leased_at),
        time_value(delivery->due_at_us, due_at),
        sql_text(delivery->reason),
        sql_text(store_now(self)),
        sql_text(buffer_span(&self->item)),
    };
    return store_run(self, statement, values, 12);
}

int store_fail(struct store *self, const struct store_delivery *delivery)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!is_clean(delivery))
        return BRIDGE_REFUSED;
    if (delivery->reason.size == 0)
        return give_back(self, delivery);
    return write_failure(self, RUN_FAIL, delivery);
}

int store_dead(struct store *self, const struct store_reply *reply)
{
    const struct store_delivery delivery = {
        .message_id = reply->message_id,
        .conversation_id = reply->conversation_id,
        .service = reply->service,
        .worker = reply->worker,
        .reason = reply->reason,
        .attempt = reply->attempt,
        .failed = reply->failed,
    };
    return write_failure(self, RUN_DEAD, &delivery);
}
