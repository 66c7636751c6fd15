/* What a row's conversation says of the session that the row is addressed to.
 *
 * Many rows have few conversations, so the last ones that were asked for are remembered for as long
 * as the read transaction lasts: within it nothing can change. The next one knows them, too, when
 * nobody has committed since: it says which version of the file it reads. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_ADDRESSEE_H
#define TAILGATE_ADAPTERS_BRIDGE_ADDRESSEE_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/buffer.h"

#define ADDRESSEES_BITS 10
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
    uint64_t read; /* the read transaction that it is from, or the first of that version */
    bool found;
    struct buffer text;
    size_t conversation, to, role, expires_at, agent_at;
};

struct addressees {
    sqlite3_stmt *find;
    uint64_t reads;      /* counts read transactions, but those that went on where one had ended */
    uint64_t read;       /* the one that is under way; */
    uint64_t recalled;   /*   and the last that knew its version (0: none yet), */
    int version;         /*   which is this */
    struct known *known; /* ADDRESSEES of them, from the first use on */
    struct known odd;    /* what is not remembered */
};

/* Prepares the statement on DB; SELF is all zeros before. Returns a bridge_error. */
int addressees_init(struct addressees *self, sqlite3 *db);
void addressees_done(struct addressees *self);
/* A read transaction has ended: nothing is known any more. */
void addressees_forget(struct addressees *self);
/* A read transaction has begun, in which PRAGMA data_version is VERSION: what the last one of the
 * same version knew is known. */
void addressees_recall(struct addressees *self, int version);
/* Finds the addressee of a row: the conversation's id and the session, as they stand there. To be
 * called in a read transaction; the spans are good until the next call. Returns a bridge_error. */
int addressees_find(struct addressees *self, sqlite3_value *conversation, sqlite3_value *to,
                    struct addressee *ret_addressee);
/* The statement, so that a test can prove that it searches. */
const char *addressees_sql(void);

#endif
