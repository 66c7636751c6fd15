/* Rows of the bridge's audit_log, in the shapes that the bridge's own programs write. Details are
 * JSON as Python's json.dumps() prints it, with a blank after ',' and ':'. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_AUDIT_H
#define TAILGATE_ADAPTERS_BRIDGE_AUDIT_H

#include "adapters/bridge/db.h"
#include "proto/buffer.h"

/* What an INSERT begins with whose rows are AUDIT_COLUMNS values each, as audit_write() binds them.
 */
#define AUDIT_INSERT                                                                               \
    "INSERT INTO audit_log(conversation_id, session_id, action, details, timestamp) VALUES"
#define AUDIT_COLUMNS 5
/* The statement that audit_write() runs, for db_prepare(). */
extern const char audit_sql[];

struct audit_entry {
    struct span conversation_id;
    struct span session_id; /* size 0: NULL */
    const char *action;
    struct span details; /* JSON */
    struct span timestamp;
};

/* Inserts one row, inside the caller's transaction. */
int audit_write(sqlite3_stmt *statement, const struct audit_entry *entry);

/* The details of send_message, create_conversation, and of how a query ended; RET_JSON is reset
 * first. TEXT is valid UTF-8; its length is told in code points, as Python's len() does. REDACTED:
 * something was taken out of it. VERIFIED: the principal that the gate has verified; of size 0 it
 * is left out. */
void audit_send_details(struct buffer *ret_json, struct span to, struct span text, bool redacted,
                        struct span verified);
void audit_roles_details(struct buffer *ret_json, struct span role_a, struct span role_b);
void audit_end_details(struct buffer *ret_json, int64_t message_id);

#endif
