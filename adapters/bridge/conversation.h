/* Conversations and messages as the bridge's own programs make them, their audit rows included.
 * Used by `init` and `ask`. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_CONVERSATION_H
#define TAILGATE_ADAPTERS_BRIDGE_CONVERSATION_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/span.h"
#include "proto/stamp.h"

struct conversation {
    char id[22];      /* conv_ + 16 lower-case hex */
    char token_a[65]; /* 64 lower-case hex, random */
    char token_b[65];
    char created_at[STAMP_SIZE];
    char expires_at[STAMP_SIZE];
};

/* A hundred years: its end is a stamp of four digits. */
#define CONVERSATION_TTL_MAX_S (100LL * 366 * 24 * 3600)

/* Fills CONVERSATION in: a random id and tokens, made at NOW_US (UTC), over TTL_S later (0 to
 * CONVERSATION_TTL_MAX_S). token_init() comes first. */
void conversation_name(struct conversation *conversation, int64_t ttl_s, int64_t now_us);
/* Inserts one: id, both roles, both tokens, created_at and expires_at. */
extern const char conversation_make_sql[];
/* Inserts a conversation that expires TTL_S seconds after NOW_US (UTC), with its audit row
 * create_conversation, in one transaction. DB is a DB_MAKER. Returns BRIDGE_OK or an error
 * (BRIDGE_REFUSED: a role that is not UTF-8, or a TTL_S below 0 or above a hundred years). */
int conversation_make(sqlite3 *db, const char *asker_role, const char *responder_role,
                      int64_t ttl_s, int64_t now_us, struct conversation *ret_conversation);
/* The same for one that nobody will want to keep: in the same transaction it is recorded in
 * tailgate_made, so that retention removes it after its time. Where our tables are not there (no
 * gateway has served the file yet) or are of a newer version it is made without that. */
int conversation_make_ours(sqlite3 *db, const char *asker_role, const char *responder_role,
                           int64_t ttl_s, int64_t now_us, struct conversation *ret_conversation);

enum conversation_state { CONVERSATION_LIVE, CONVERSATION_EXPIRED, CONVERSATION_ABSENT };
/* What conversation ID is at NOW_US. */
int conversation_look(sqlite3 *db, struct span id, int64_t now_us,
                      enum conversation_state *ret_state);

/* Inserts a message from session FROM to TO with its audit row send_message, in one transaction, as
 * the bridge's send does. METADATA is a JSON object (size 0: NULL is stored). TEXT is UTF-8. */
int conversation_send(sqlite3 *db, struct span id, const char *from, const char *to,
                      struct span text, struct span metadata, int64_t now_us,
                      int64_t *ret_message_id);
/* A message as its row and audit row have it. */
struct conversation_message {
    struct span conversation_id, from, to, text;
    struct span metadata;  /* a JSON object; size 0: NULL is stored */
    struct span timestamp; /* a stamp */
    bool redacted;         /* something was taken out of it */
};

/* The parts, for a caller with a transaction of his own (sql_begin()): a conversation that is
 * complete but for its roles, as conversation_make_ours() makes it, and a message. BRIDGE_REFUSED
 * and BRIDGE_ABSENT (there is no such conversation) as above. */
int conversation_put_ours(sqlite3 *db, const struct conversation *conversation, struct span role_a,
                          struct span role_b);
int conversation_put_message(sqlite3 *db, const struct conversation_message *message,
                             int64_t *ret_message_id);
/* Marks one message as fetched, with the audit row get_messages {"count": 1}, as the bridge's fetch
 * does for what it returns. Changes nothing when somebody else has fetched it. */
int conversation_fetch(sqlite3 *db, int64_t message_id, int64_t now_us);

#endif
