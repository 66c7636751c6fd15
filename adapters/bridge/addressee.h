/* What a row's conversation says of the session that the row is addressed to.
 *
 * Many rows of one read have few conversations, so the last ones that were asked for are remembered
 * for as long as the read transaction lasts: within it nothing can change. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_ADDRESSEE_H
#define TAILGATE_ADAPTERS_BRIDGE_ADDRESSEE_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/buffer.h"

#define ADDRESSEES_BITS 6
#define ADDRESSEES (1u << ADDRESSEES_BITS) /* remembered at once */

struct addressee {
    bool found;             /* the conversation exists; all else is empty without it */
    struct span role;       /* session_b_role for "b", else session_a_role */
    struct span expires_at; /* of the conversation */
    struct span
        agent_at; /* last heartbeat of somebody else than us at that session; size 0: none */
};

/* One that is remembered: its texts in a row, and where each of them ends. */
struct known {
    uint64_t read; /* the read transaction that it is from */
    bool found;
    struct buffer text;
    size_t conversation, to, role, expires_at, agent_at;
};

struct addressees {
    sqlite3_stmt *find;
    uint64_t read; /* counts read transactions */
    struct known known[ADDRESSEES];
    struct known odd; /* what is not remembered */
};

/* Prepares the statement on DB; SELF is all zeros before. Returns a bridge_error. */
int addressees_init(struct addressees *self, sqlite3 *db);
void addressees_done(struct addressees *self);
/* A read transaction has ended: nothing is known any more. */
void addressees_forget(struct addressees *self);
/* Finds the addressee of a row: the conversation's id and the session, as they stand there. To be
 * called in a read transaction; the spans are good until the next call. Returns a bridge_error. */
int addressees_find(struct addressees *self, sqlite3_value *conversation, sqlite3_value *to,
                    struct addressee *ret_addressee);
/* The statement, so that a test can prove that it searches. */
const char *addressees_sql(void);

#endif
