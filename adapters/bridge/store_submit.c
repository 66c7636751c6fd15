/* What clients of the gate have written as the bridge's own programs, and `tailgate dead`, write
 * it: a conversation with its tokens, a query by who has one of those, a dead query asked again. */
#include <assert.h>
#include <stdio.h>

#include "adapters/bridge/audit.h"
#include "adapters/bridge/session.h"
#include "adapters/bridge/store_inside.h"

/* What was submitted under a key, unless that is too long ago. */
static const char known_sql[] =
    "SELECT digest, message_id, query_id, made_at FROM tailgate_idempotency"
    " WHERE conversation_id = ?1 AND session = ?2 AND key = ?3 AND made_at > ?4";
static const char know_sql[] =
    "INSERT OR REPLACE INTO tailgate_idempotency"
    "(conversation_id, session, key, digest, message_id, query_id, made_at)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const struct store_sql store_sql_of_submit[] = {
    {RUN_SESSION, false, session_sql},
    {RUN_KNOWN, false, known_sql},
    {RUN_KNOW, false, know_sql},
    {0},
};

/* A trigger of theirs that does not run in our connection is a refusal: outwaiting it would hold up
 * the replies behind it. */
static int judge(const struct store *self, int error)
{
    bool logic = (sqlite3_errcode(self->db) & 0xff) == SQLITE_ERROR;
    return error == BRIDGE_OTHER && logic ? BRIDGE_REFUSED : error;
}

int store_converse(struct store *self, const struct store_converse *want,
                   struct conversation *ret_made)
{
    assert(!sqlite3_get_autocommit(self->db));
    struct conversation made;
    if (!sql_is_clean(want->asker) || !sql_is_clean(want->responder) || want->ttl_s < 0 ||
        want->ttl_s > CONVERSATION_TTL_MAX_S)
        return BRIDGE_REFUSED;
    int error = talk_make(self, want->asker, want->responder, want->ttl_s, &made);
    if (error != BRIDGE_OK)
        return judge(self, error);
    *ret_made = made;
    return BRIDGE_OK;
}

static bool is_clean(const struct store_submit *submit)
{
    return sql_is_clean(submit->conversation_id) && sql_is_clean(submit->text) &&
           sql_is_clean(submit->query_id) && sql_is_clean(submit->key) &&
           sql_is_clean(submit->sender.principal) && sql_is_clean(submit->sender.name);
}

/* Whether the key of SUBMIT was used before; if so, what came of that. */
static int find_known(struct store *self, const struct store_submit *submit, const char *session,
                      bool *ret_known, struct store_receipt *ret_receipt)
{
    char since[STAMP_SIZE];
    store_before(self, submit->keep_s, since);
    const struct sql_value values[] = {sql_text(submit->conversation_id),
                                       sql_text(span_str(session)), sql_text(submit->key),
                                       sql_text(span_str(since))};
    sqlite3_stmt *run = self->run[RUN_KNOWN];
    bool row = false;
    int error = sql_bind(run, values, 4);
    if (error == BRIDGE_OK)
        error = store_note_loss(self, sql_step(run, &row));
    if (error == BRIDGE_OK && row) {
        struct span query_id = sql_column(run, 2), made_at = sql_column(run, 3);
        ret_receipt->submitted =
            span_equal(sql_column(run, 0), submit->digest) ? STORE_DUPLICATE : STORE_CONFLICT;
        ret_receipt->message_id = sqlite3_column_int64(run, 1);
        snprintf(ret_receipt->query_id, sizeof ret_receipt->query_id, "%.*s", (int)query_id.size,
                 query_id.data);
        snprintf(ret_receipt->made_at, sizeof ret_receipt->made_at, "%.*s", (int)made_at.size,
                 made_at.data);
    }
    sql_reset(run);
    *ret_known = row;
    return error;
}

static int know(struct store *self, const struct store_submit *submit, const char *session,
                int64_t id)
{
    const struct sql_value values[] = {
        sql_text(submit->conversation_id),
        sql_text(span_str(session)),
        sql_text(submit->key),
        sql_blob(submit->digest),
        sql_integer(id),
        sql_text(submit->query_id),
        sql_text(store_now(self)),
    };
    return store_run(self, RUN_KNOW, values, 7);
}

static int insert(struct store *self, const struct store_submit *submit,
                  const struct session *session, struct store_receipt *ret_receipt)
{
    const struct store_message message = {
        .conversation_id = submit->conversation_id,
        .from = span_str(session->name),
        .to = span_str(session->other),
        .text = submit->text,
        .sender = submit->sender,
        .redacted = submit->redacted,
    };
    int error = store_send(self, &message, &ret_receipt->message_id);
    if (error == BRIDGE_OK && submit->key.size > 0)
        error = know(self, submit, session->name, ret_receipt->message_id);
    ret_receipt->submitted = STORE_SUBMITTED;
    snprintf(ret_receipt->query_id, sizeof ret_receipt->query_id, "%.*s",
             (int)submit->query_id.size, submit->query_id.data);
    memcpy(ret_receipt->made_at, self->stamp, sizeof ret_receipt->made_at);
    return error;
}

static int submit_as(struct store *self, const struct store_submit *submit,
                     const struct session *session, struct store_receipt *ret_receipt)
{
    bool known = false;
    int error = BRIDGE_OK;
    if (submit->key.size > 0)
        error = find_known(self, submit, session->name, &known, ret_receipt);
    if (error != BRIDGE_OK || known)
        return error;
    if (submit->only_again) {
        ret_receipt->submitted = STORE_NOT_AGAIN;
        return BRIDGE_OK;
    }
    if (session->state == SESSION_LIVE)
        return insert(self, submit, session, ret_receipt);
    ret_receipt->submitted = STORE_NO_TIME;
    return BRIDGE_OK;
}

int store_submit(struct store *self, const struct store_submit *submit,
                 struct store_receipt *ret_receipt)
{
    assert(!sqlite3_get_autocommit(self->db));
    struct store_receipt receipt = {.submitted = STORE_NOWHERE};
    struct session session;
    if (!is_clean(submit) || submit->query_id.size >= sizeof receipt.query_id)
        return BRIDGE_REFUSED;
    int error = session_run(self->run[RUN_SESSION], submit->conversation_id, submit->session_token,
                            store_now(self), &session);
    if (store_note_loss(self, error) != BRIDGE_OK)
        return judge(self, error);
    if (session.state == SESSION_WRONG)
        receipt.submitted = STORE_NO_TOKEN;
    else if (session.state != SESSION_ABSENT)
        error = submit_as(self, submit, &session, &receipt);
    if (error != BRIDGE_OK)
        return judge(self, error);
    *ret_receipt = receipt;
    return BRIDGE_OK;
}

int store_redrive(struct store *self, int64_t message_id, enum dead_outcome *ret_outcome,
                  int64_t *ret_message_id)
{
    assert(!sqlite3_get_autocommit(self->db));
    int error = store_write_gathered(self);
    if (error == BRIDGE_OK)
        error = dead_redrive_within(self->db, message_id, false, self->now_us, ret_outcome,
                                    ret_message_id);
    return judge(self, store_note_loss(self, error));
}

int store_drop_dead(struct store *self, int64_t message_id, bool *ret_dropped)
{
    assert(!sqlite3_get_autocommit(self->db));
    int error = store_write_gathered(self);
    if (error == BRIDGE_OK)
        error = dead_drop_within(self->db, &message_id, 1, false, self->now_us, ret_dropped);
    return judge(self, store_note_loss(self, error));
}
