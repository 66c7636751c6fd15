/* What has to be written for a client's request. */
#ifndef TAILGATE_GATEWAY_ASK_JOB_H
#define TAILGATE_GATEWAY_ASK_JOB_H

#include "gateway/server.h"

/* What a client hears that names a conversation in which it may not ask. */
#define ASK_NO_CONVERSATION                                                                        \
    "no such conversation, or not yours: name one that lives, with its session_token"

/* Makes the JOB_ASK of ASKING: the row's text and metadata, who asks, in which conversation. TICKET
 * (size 0: none) is what the row can be asked for by. Returns NULL and the job, which the caller
 * owns, or what is wrong with the request, for its client. */
const char *ask_job_new(const struct server *self, const struct asking *asking, struct span ticket,
                        struct job **ret_job);
/* The bytes that JOB takes. */
size_t ask_job_bytes(const struct job *job);

#endif
