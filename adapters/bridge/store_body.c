/* Tickets, and bodies that do not stand in their row. */
#include <assert.h>

#include "adapters/bridge/store_inside.h"

/* In a restored copy of the file a row's id may have been another one's. */
static const char blob_sql[] =
    "INSERT OR REPLACE INTO tailgate_blob(message_id, kept_at, data) VALUES(?1, ?2, ?3)";
static const char blob_remove_sql[] = "DELETE FROM tailgate_blob WHERE message_id = ?1";
static const char ticket_sql[] =
    "INSERT INTO tailgate_ticket(ticket, message_id, reply_id, expires_at)"
    " VALUES(?1, ?2, nullif(?3, 0), ?4)";
static const char ticket_reply_sql[] =
    "UPDATE tailgate_ticket SET reply_id = ?2 WHERE message_id = ?1";
static const char ticket_remove_sql[] = "DELETE FROM tailgate_ticket WHERE ticket = ?1";

const struct store_sql store_sql_of_body[] = {
    {RUN_BLOB, false, blob_sql},
    {RUN_BLOB_REMOVE, false, blob_remove_sql},
    {RUN_TICKET, false, ticket_sql},
    {RUN_TICKET_REPLY, false, ticket_reply_sql},
    {RUN_TICKET_REMOVE, false, ticket_remove_sql},
    {0},
};

int store_blob(struct store *self, int64_t message_id, struct span packed)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_text(store_now(self)),
                                       sql_blob(packed)};
    return store_run(self, RUN_BLOB, values, 3);
}

int store_blob_remove(struct store *self, int64_t message_id)
{
    const struct sql_value id = sql_integer(message_id);
    return store_run(self, RUN_BLOB_REMOVE, &id, 1);
}

int store_ticket(struct store *self, struct span ticket, int64_t message_id, int64_t reply_id,
                 int64_t seconds)
{
    char until[STAMP_SIZE];
    store_before(self, -seconds, until);
    const struct sql_value values[] = {sql_text(ticket), sql_integer(message_id),
                                       sql_integer(reply_id), sql_text(span_str(until))};
    return store_run(self, RUN_TICKET, values, 4);
}

int store_ticket_reply(struct store *self, int64_t message_id, int64_t reply_id)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_integer(reply_id)};
    return store_run(self, RUN_TICKET_REPLY, values, 2);
}

int store_untick(struct store *self, struct span ticket)
{
    assert(!sqlite3_get_autocommit(self->db));
    const struct sql_value value = sql_text(ticket);
    if (!sql_is_clean(ticket))
        return BRIDGE_REFUSED;
    return store_run(self, RUN_TICKET_REMOVE, &value, 1);
}
