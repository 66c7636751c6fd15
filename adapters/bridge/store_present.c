/* Presence: session_status says that somebody serves the session, as the bridge's agents say it of
 * themselves. A courtesy: where their table is another one than the bridge makes, it is off, and no
 * answer suffers. */
#include <assert.h>
#include <string.h>

#include "adapters/bridge/store_inside.h"

/* How long the bridge takes a session for alive, and how often ours is told at most. */
#define ALIVE_S 120
#define TOLD_S 30

/* WHERE of an upsert: somebody else's heartbeat is over, or ours is worth telling again. A stamp of
 * ours in the future is one of a clock that was set back. */
#define UNLESS_ALIVE                                                                               \
    " ON CONFLICT(conversation_id, session_id) DO UPDATE SET status = excluded.status,"            \
    " last_heartbeat = excluded.last_heartbeat WHERE CASE WHEN status = 'tailgate'"                \
    " THEN last_heartbeat NOT BETWEEN ?3 AND ?1"                                                   \
    " ELSE NOT coalesce(" SQL_LIVE("last_heartbeat", "?2") ", 0) END"

static const char present_sql[] =
    "INSERT INTO session_status(conversation_id, session_id, status, last_heartbeat)"
    " SELECT c.id, ?5, 'tailgate', ?1 FROM conversations c WHERE c.id = ?4" UNLESS_ALIVE;

static const char present_all_sql[] =
    "INSERT INTO session_status(conversation_id, session_id, status, last_heartbeat)"
    " SELECT DISTINCT c.id, m.to_session, 'tailgate', ?1 FROM tailgate_delivery d"
    " CROSS JOIN messages m ON m.id = d.message_id"
    " CROSS JOIN conversations c ON c.id = m.conversation_id"
    " WHERE d.state <> 'dead' AND d.state = 'leased'" UNLESS_ALIVE;

const struct store_sql store_sql_of_present[] = {
    {RUN_PRESENT, true, present_sql},
    {RUN_PRESENT_ALL, true, present_all_sql},
    {0},
};

void store_untell(struct store *self)
{
    memset(self->told, 0, sizeof self->told);
}

/* FNV-1a over both names; who makes two of them equal hides a presence, and no more. */
static uint64_t key_of(struct span conversation_id, struct span session)
{
    const uint64_t prime = 0x100000001b3u;
    uint64_t key = 0xcbf29ce484222325u;
    for (size_t i = 0; i < conversation_id.size; i++)
        key = (key ^ (unsigned char)conversation_id.data[i]) * prime;
    key *= prime;
    for (size_t i = 0; i < session.size; i++)
        key = (key ^ (unsigned char)session.data[i]) * prime;
    return key | 1;
}

/* Where KEY stands, or is to stand. */
static struct store_told *find_told(struct store *self, uint64_t key)
{
    struct store_told *set = self->told[(key >> 32) % STORE_TOLD_SETS];
    struct store_told *oldest = set;
    for (size_t i = 0; i < STORE_TOLD_SET; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].at_us < oldest->at_us)
            oldest = &set[i];
    }
    return oldest;
}

/* True when it was told less than TOLD_S ago; else notes that it is told now. */
static bool was_told(struct store *self, struct span conversation_id, struct span session)
{
    uint64_t key = key_of(conversation_id, session);
    struct store_told *told = find_told(self, key);
    int64_t age_us = self->now_us - told->at_us;
    if (told->key == key && age_us >= 0 && age_us < TOLD_S * 1000000LL)
        return true;
    *told = (struct store_told){key, self->now_us};
    return false;
}

bool store_can_present(const struct store *self)
{
    return atomic_load(&self->can_present);
}

/* What only the presence suffers from (a constraint, a trigger, a table made anew) turns it off; a
 * trigger that ended the whole group does not pass for that. */
static int judge(struct store *self, int error)
{
    if ((error != BRIDGE_REFUSED && error != BRIDGE_OTHER) || sqlite3_get_autocommit(self->db))
        return error;
    atomic_store(&self->can_present, false);
    return BRIDGE_OK;
}

int store_present(struct store *self, struct span conversation_id, struct span session)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!sql_is_clean(conversation_id) || !sql_is_clean(session))
        return BRIDGE_REFUSED;
    if (!store_can_present(self) || was_told(self, conversation_id, session))
        return BRIDGE_OK;
    char alive[STAMP_SIZE], told[STAMP_SIZE];
    store_before(self, ALIVE_S, alive);
    store_before(self, TOLD_S, told);
    const struct sql_value values[] = {
        sql_text(store_now(self)), sql_text(span_str(alive)), sql_text(span_str(told)),
        sql_text(conversation_id), sql_text(session),
    };
    return judge(self, store_run(self, RUN_PRESENT, values, 5));
}

int store_present_all(struct store *self)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!store_can_present(self))
        return BRIDGE_OK;
    char alive[STAMP_SIZE], told[STAMP_SIZE];
    store_before(self, ALIVE_S, alive);
    store_before(self, TOLD_S, told);
    const struct sql_value values[] = {
        sql_text(store_now(self)),
        sql_text(span_str(alive)),
        sql_text(span_str(told)),
    };
    return judge(self, store_run(self, RUN_PRESENT_ALL, values, 3));
}
