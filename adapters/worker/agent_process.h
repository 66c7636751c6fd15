/* The process of an agent's CLI, and the session that it has. What is told to an agent stays in its
 * session, so a process is changed for another one when the next query must not be told to it.
 *
 * A session that cannot be resumed is forgotten: the next attempt begins a new one. */
#ifndef TAILGATE_ADAPTERS_WORKER_AGENT_PROCESS_H
#define TAILGATE_ADAPTERS_WORKER_AGENT_PROCESS_H

#include "adapters/worker/adapter.h"
#include "adapters/worker/agent_event.h"
#include "adapters/worker/agent_sessions.h"
#include "adapters/worker/dialog.h"
#include "proto/limits.h"

struct agent_process {
    const struct agent_format *format;
    char *const *command;
    int64_t restart_after, restart_every_us;
    struct agent_sessions sessions;
    struct dialog dialog;
    bool replacing;                        /* it is being ended, and another one is to follow */
    char topic[LIMIT_CONVERSATION_ID + 1]; /* whose session it has; "": nobody's */
    char session[AGENT_SESSION + 1];       /* as the agent calls it; "": not known */
    bool resumed;                          /* it was told to continue that session */
    bool begun;                            /* it has said that the session is there */
    int64_t served, started_us;
    double cost;         /* US dollars that the session has cost */
    struct buffer model; /* JSON; empty: not known */
};

/* SETUP is borrowed for good; its target must be known. */
void agent_process_init(struct agent_process *self, const struct adapter_setup *setup);
/* Ends what still runs, at once. */
void agent_process_done(struct agent_process *self);
/* Starts a process for the topic, which continues the topic's session where there is one. Returns
 * 0, or -errno. */
int agent_process_start(struct agent_process *self, int64_t now_us);
/* The name of the program, for people. */
const char *agent_process_name(const struct agent_process *self);
/* True when a query of CONVERSATION ("": of none) may be told to it: its session is that one's, or
 * it was told nothing yet. */
bool agent_process_suits(const struct agent_process *self, const char *conversation);
/* When it is too old; INT64_MAX: never. */
int64_t agent_process_old_us(const struct agent_process *self);
/* Between queries: one that was told something has some time to end by itself. */
void agent_process_replace(struct agent_process *self, int64_t now_us);
/* Within a query, whose answer is not wanted any more. */
void agent_process_abandon(struct agent_process *self, int64_t now_us);
/* It has ended, and was not to: what is to be learned from that. */
void agent_process_ended(struct agent_process *self);
/* It says which session it has. */
void agent_process_begun(struct agent_process *self, const struct agent_event *event);
/* A query is over, by EVENT, with an answer or without. Returns what it has cost, -1: not known. */
double agent_process_settle(struct agent_process *self, const struct agent_event *event,
                            int64_t now_us);

#endif
