/* Which session of an agent belongs to which conversation. Bounded: the one that was not used for
 * longest is forgotten. */
#ifndef TAILGATE_ADAPTERS_WORKER_AGENT_SESSIONS_H
#define TAILGATE_ADAPTERS_WORKER_AGENT_SESSIONS_H

#include "proto/span.h"

#define AGENT_SESSIONS 1000

struct agent_session {
    char *conversation;
    char *name;  /* as the agent calls it */
    double cost; /* US dollars that it has cost so far */
};

struct agent_sessions {
    struct agent_session *entry; /* in the order of their use */
    size_t count;
};

void agent_sessions_init(struct agent_sessions *self);
void agent_sessions_done(struct agent_sessions *self);
/* The session of CONVERSATION, or NULL; borrowed until the next call with another name. */
const struct agent_session *agent_sessions_find(const struct agent_sessions *self,
                                                const char *conversation);
/* CONVERSATION was just continued in the session NAME. */
void agent_sessions_put(struct agent_sessions *self, const char *conversation, const char *name,
                        double cost);
void agent_sessions_forget(struct agent_sessions *self, const char *conversation);

#endif
