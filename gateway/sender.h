/* Who sent the message that is being looked at, as far as that can be verified. */
#ifndef TAILGATE_GATEWAY_SENDER_H
#define TAILGATE_GATEWAY_SENDER_H

#include "gateway/server.h"

/* Fills RET_WHO, with "" where nobody has verified who it is: plain tcp, a key that is not allowed
 * any more, and a worker that the gateway dials. */
void sender_identify(const struct server *self, const struct peer *peer, struct identity *ret_who);
/* The same of a sender that gate_sender() has told. */
void sender_name(const struct server *self, const struct gate_sender *sender,
                 struct identity *ret_who);

#endif
