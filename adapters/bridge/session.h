/* Whose session token it is: the only place but `init` and `ask` where tokens are read. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_SESSION_H
#define TAILGATE_ADAPTERS_BRIDGE_SESSION_H

#include "adapters/bridge/db.h"
#include "proto/limits.h"
#include "proto/span.h"
#include "proto/stamp.h"

enum session_state {
    SESSION_ABSENT, /* there is no such conversation */
    SESSION_WRONG,  /* it is the token of neither of its sessions */
    SESSION_OVER,   /* it is, and the conversation's time is over */
    SESSION_LIVE
};

struct session {
    enum session_state state;
    char name[2];                 /* OVER, LIVE: "a" or "b" */
    char other[2];                /*   and the other one, */
    char role[LIMIT_SERVICE + 1]; /*   and its role; "" where that is longer, */
    char expires_at[STAMP_SIZE];  /*   and when its time is over; "" where that is no stamp */
};

/* Makes the view on DB, of any role, by which its tokens can be checked. token_init() comes first.
 * BRIDGE_BUSY: try again. */
int session_ready(sqlite3 *db);
/* The statement of a check, for db_prepare() on such a connection; ?1 is the conversation, ?2 the
 * stamp of now. */
extern const char session_sql[];
/* Runs STATEMENT and leaves it reset. How long that takes says nothing of the stored tokens. */
int session_run(sqlite3_stmt *statement, struct span conversation_id, struct span token,
                struct span now, struct session *ret_session);
/* The same at NOW_US (UTC), in one short read. */
int session_check(sqlite3 *db, struct span conversation_id, struct span token, int64_t now_us,
                  struct session *ret_session);

#endif
