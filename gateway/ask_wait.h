/* Waiting for a reply's commit, by the same wake design as the gateway: hint, proof, re-check,
 * safety net (adapters/bridge/wake.h). It needs no gateway: whoever commits the reply, it is seen.
 */
#ifndef TAILGATE_GATEWAY_ASK_WAIT_H
#define TAILGATE_GATEWAY_ASK_WAIT_H

#include "adapters/bridge/tail.h"
#include "proto/reply.h"

struct ask_wait;

enum ask_result {
    ASK_ANSWERED,
    ASK_TIMED_OUT,
    ASK_REPLACED, /* the database file is not the one we wrote into any more */
    ASK_BROKEN    /* it cannot be read: *ret_error is a bridge_error */
};

/* Gets ready to wait on PLACE's database: open it before the question is written. Returns BRIDGE_OK
 * or an error. */
int ask_wait_new(const struct place *place, struct ask_wait **ret_wait);
void ask_wait_destroy(struct ask_wait **self);
/* True when commits cannot be watched here (no inotify left): it then looks twice a second. */
bool ask_wait_is_blind(const struct ask_wait *self);
/* Blocks until a row of CONVERSATION from session FROM answers KEY, which goes to REPLY, or until
 * TIMEOUT_US have passed (0: for ever). TELL, when not NULL, is called at once and then every
 * second with the time waited. */
typedef void ask_tell_fn(void *context, int64_t waited_us);
enum ask_result ask_wait_reply(struct ask_wait *self, struct span conversation, const char *from,
                               const struct reply_key *key, int64_t timeout_us, ask_tell_fn *tell,
                               void *context, struct reply *reply, int *ret_error);

#endif
