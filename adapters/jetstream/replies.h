/* The replies to one bridge for one service, from the stream of replies to its gateway.
 *
 *   pull ──▶ reply ──▶ handed on (by the caller) ──▶ sent ──REPLIES_DOUBT_US──▶ acknowledged
 *
 * A gateway does not tell a worker that it has committed an answer. So a reply is acknowledged only
 * when the connection over which it was sent has lived on for a while; otherwise it comes again
 * after API_REPLY_WAIT_S, and the gateway, which knows answers by their tokens, refuses what it
 * has. */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_REPLIES_H
#define TAILGATE_ADAPTERS_JETSTREAM_REPLIES_H

#include "adapters/jetstream/api.h"

#define REPLIES_DOUBT_US 4000000
#define REPLIES_AT_ONCE 256 /* asked for at most */

struct replies_doubt {
    char *reply;     /* where to acknowledge */
    bool final;      /* else its loss does no harm: the end of the connection says the same */
    int64_t sent_us; /* of those that are */
};

struct replies {
    struct conn *conn;
    const char *prefix;
    char bridge[NAMES_BRIDGE + 1]; /* "": not known yet */
    struct span service;
    char stream[NAMES_SIZE], consumer[NAMES_SIZE], subject[NAMES_SIZE];
    bool made;        /* there is a consumer */
    bool missed;      /* there is none, and that was said */
    int64_t asked_us; /* when it was last asked for; 0: to be asked */
    int64_t pulled_us, rest_us;
    int64_t pending; /* asked for and not got yet */
    uint32_t number;
    struct replies_doubt *doubt; /* oldest first */
    size_t doubts, sent;         /* how many; and of these, the first that are known to be sent */
};

/* PREFIX and SERVICE are borrowed. */
void replies_init(struct replies *self, struct conn *conn, const char *prefix, struct span service);
void replies_done(struct replies *self);
/* Whose replies are wanted, from now on; does nothing when that is known. */
void replies_of(struct replies *self, struct span bridge);
/* The connection was cut and is there again: what was asked for is not any more. */
void replies_again(struct replies *self);
/* Asks for what there is, when OPEN: the gateway can take it. WAITING: how many final answers that
 * were handed on are not sent yet. Acknowledges what is beyond doubt. */
void replies_run(struct replies *self, bool open, size_t waiting, int64_t now_us);
/* Takes what came to "<inbox>.p.*" or "<inbox>.c.*". A text in RET_WHY ("" when none) is for the
 * log. */
void replies_take_status(struct replies *self, natsMsg *message, int64_t now_us,
                         char ret_why[CONN_TEXT]);
/* True when MESSAGE is a reply to our bridge: it is counted as got. */
bool replies_is_ours(struct replies *self, natsMsg *message);
/* MESSAGE was handed on: FINAL, in the order of these, or a failure. */
void replies_handed(struct replies *self, natsMsg *message, bool final);
/* What was handed on may be lost: it is not acknowledged, and comes again. */
void replies_forget(struct replies *self);

#endif
