/* The low-water mark, the rows that wait below it, and the words of tailgate_meta. */
#include <assert.h>

#include "adapters/bridge/store_inside.h"

#define LIVE SQL_LIVE("c.expires_at", "?2")

/* Whoever has ended since the mark was chosen is not parked: its end would be recorded twice. */
static const char park_sql[] =
    "INSERT OR IGNORE INTO tailgate_parked(message_id) SELECT ?1"
    " WHERE EXISTS (SELECT 1 FROM messages m JOIN conversations c ON c.id = m.conversation_id"
    " WHERE m.id = ?1 AND coalesce(m.read, 0) = 0 AND " LIVE ")"
    " OR EXISTS (SELECT 1 FROM tailgate_delivery"
    " WHERE message_id = ?1 AND claimed = 1 AND state <> 'dead')";

static const char ended_sql[] = "INSERT OR IGNORE INTO tailgate_ended(message_id) VALUES(?1)";

static const char ended_passed_sql[] = "DELETE FROM tailgate_ended WHERE message_id <= ?1";

static const char unpark_sql[] = "DELETE FROM tailgate_parked WHERE message_id = ?1";

static const char word_set_sql[] =
    "INSERT INTO tailgate_meta(key, value) VALUES(?1, ?2)"
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value";

static const char word_remove_sql[] = "DELETE FROM tailgate_meta WHERE key = ?1";

static const char word_read_sql[] =
    "SELECT value FROM tailgate_meta WHERE key = ?1 AND typeof(value) = 'integer'";

const struct store_sql store_sql_of_mark[] = {
    {RUN_ENDED, false, ended_sql},         {RUN_ENDED_PASSED, false, ended_passed_sql},
    {RUN_PARK, false, park_sql},           {RUN_UNPARK, false, unpark_sql},
    {RUN_WORD_SET, false, word_set_sql},   {RUN_WORD_REMOVE, false, word_remove_sql},
    {RUN_WORD_READ, false, word_read_sql}, {0},
};

int store_word_number(struct store *self, const char *key, int64_t *ret_number)
{
    const struct sql_value name = sql_text(span_str(key));
    bool row = false;
    int64_t number = 0;
    int error = store_look(self, RUN_WORD_READ, &name, 1, &row, &number);
    if (error == BRIDGE_OK)
        *ret_number = number;
    return error;
}

int store_word_set(struct store *self, const char *key, struct sql_value value)
{
    const struct sql_value values[] = {sql_text(span_str(key)), value};
    return store_run(self, RUN_WORD_SET, values, 2);
}

int store_ended(struct store *self, int64_t message_id, bool *ret_first)
{
    const struct sql_value id = sql_integer(message_id);
    int error = store_run(self, RUN_ENDED, &id, 1);
    if (error == BRIDGE_OK)
        *ret_first = sqlite3_changes(self->db) == 1;
    return error;
}

int store_mark(struct store *self, int64_t mark, const int64_t *id, size_t count)
{
    assert(!sqlite3_get_autocommit(self->db));
    const struct sql_value passed = sql_integer(mark);
    int error = store_word_set(self, "low_water", passed);
    if (error == BRIDGE_OK)
        error = store_run(self, RUN_ENDED_PASSED, &passed, 1);
    for (size_t i = 0; i < count && error == BRIDGE_OK; i++) {
        const struct sql_value values[] = {sql_integer(id[i]), sql_text(store_now(self))};
        error = store_run(self, RUN_PARK, values, 2);
    }
    return error;
}

int store_unpark(struct store *self, int64_t message_id)
{
    const struct sql_value id = sql_integer(message_id);
    return store_run(self, RUN_UNPARK, &id, 1);
}

int store_note(struct store *self, const char *key, struct span text)
{
    assert(!sqlite3_get_autocommit(self->db));
    assert(!span_is(span_str(key), "schema_version") && !span_is(span_str(key), "token_key"));
    if (!sql_is_clean(text))
        return BRIDGE_REFUSED;
    if (text.size > 0)
        return store_word_set(self, key, sql_text(text));
    const struct sql_value name = sql_text(span_str(key));
    return store_run(self, RUN_WORD_REMOVE, &name, 1);
}
