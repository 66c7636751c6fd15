#include "adapters/bridge/bridge_id.h"

#include <sodium.h>

#include "adapters/bridge/records.h"
#include "adapters/bridge/sql.h"

#define KEY "bridge" /* the word of tailgate_meta */

bool bridge_id_ok(struct span text)
{
    if (text.size != BRIDGE_ID_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        bool digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (!digit && (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    }
    return true;
}

int bridge_id_find(sqlite3 *db, char ret_id[BRIDGE_ID_SIZE])
{
    char id[BRIDGE_ID_SIZE + 1]; /* a longer word must not look like an id when it is cut */
    int error = records_note(db, KEY, id, sizeof id);
    if (error != BRIDGE_OK)
        return error;
    if (!bridge_id_ok(span_str(id)))
        return BRIDGE_ABSENT;
    memcpy(ret_id, id, BRIDGE_ID_SIZE);
    return BRIDGE_OK;
}

static int write_id(sqlite3 *db, const char *id)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, "INSERT OR REPLACE INTO tailgate_meta(key, value) VALUES(?1, ?2)",
                           &statement);
    if (error != BRIDGE_OK)
        return error;
    const struct sql_value values[] = {sql_text(span_str(KEY)), sql_text(span_str(id))};
    error = sql_run(statement, values, 2);
    sqlite3_finalize(statement);
    return error;
}

int bridge_id_make(sqlite3 *db, char ret_id[BRIDGE_ID_SIZE])
{
    int error = bridge_id_find(db, ret_id);
    if (error != BRIDGE_ABSENT)
        return error;
    error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    char id[BRIDGE_ID_SIZE];
    error = bridge_id_find(db, id); /* somebody may have been faster */
    if (error == BRIDGE_ABSENT) {
        unsigned char bytes[(BRIDGE_ID_SIZE - 1) / 2];
        randombytes_buf(bytes, sizeof bytes);
        sodium_bin2hex(id, sizeof id, bytes, sizeof bytes);
        error = write_id(db, id);
    }
    error = sql_end(db, error);
    if (error == BRIDGE_OK)
        memcpy(ret_id, id, sizeof id);
    return error;
}
