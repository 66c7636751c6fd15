/* What has become of one query, as far as the file and this run know. */
#ifndef TAILGATE_GATEWAY_FATE_H
#define TAILGATE_GATEWAY_FATE_H

#include "adapters/bridge/records.h"
#include "gateway/server.h"

struct fate {
    int64_t id;
    bool there;                                      /* its row is */
    bool a_query;                                    /* and it is a query */
    char conversation_id[LIMIT_CONVERSATION_ID + 1]; /* "": not known, or longer */
    char asked[40]; /* the session that is to answer; "": longer, and no reply is found */
    char service[LIMIT_SERVICE + 1];
    char stamp[STAMP_SIZE]; /* of its row; "": that is none */
    const char *state;  /* a word of WIRE.md; NULL: that depends on a reply that is looked for */
    int64_t reply_id;   /* its row; 0: none is known */
    bool looked;        /* a reply was looked for in the file: */
    int64_t looked_to;  /*   in the rows up to there, */
    bool looked_at_all; /*   which are all */
};

/* Reads what is known of query ID. Returns a bridge_error. */
int fate_read(struct server *self, int64_t id, struct fate *ret_fate);
/* The search for its reply has come to its end, or is not needed: settles the state. Returns a
 * bridge_error. */
int fate_conclude(struct server *self, struct fate *fate);

/* Appends row ID as an object, redacted as in events: all of its members, or (not FULL) those that
 * tell of a reply; null where it is gone. Returns a bridge_error. */
int fate_row(struct server *self, int64_t id, bool full, struct buffer *ret_json);
/* Appends members that tell how far a reply was looked for; nothing where none was. */
void fate_looked(const struct fate *fate, struct buffer *ret_json);

#endif
