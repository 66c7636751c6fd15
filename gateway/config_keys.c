#include "gateway/config_keys.h"

#define SECOND 1000000LL
#define DAY (86400 * SECOND)
#define AT(member) offsetof(struct config, member)

const struct key config_keys[] = {
    {"commit.duty", NUMBER, AT_RESTART, AT(commit_duty), "50", 1, 100, NULL,
     "percent of the time that commits may hold the write lock: the rest is for the bridge's "
     "writers"},
    {"commit.group", NUMBER, AT_RESTART, AT(commit_group), "1000", 1, 100000, NULL,
     "replies in one transaction at most"},
    {"commit.queue", NUMBER, AT_RESTART, AT(commit_queue), "10000", 1, 1000000, NULL,
     "queries in flight or waiting for their commit; at this bound dispatch stops"},
    {"lease", DURATION, RULE, AT(lease_us), "10m", SECOND / 10, DAY, NULL,
     "how long a worker without heartbeats may keep a query"},
    {"lease.persist_after", DURATION, AT_RESTART, AT(record_after_us), "250ms", 0, 60 * SECOND,
     NULL,
     "a query that is in a worker's hands for so long is recorded, so that a restart waits for it"},
    {"attempt.max", DURATION, RULE, AT(attempt_max_us), "30m", SECOND / 10, 7 * DAY, NULL,
     "how long an attempt may last, heartbeats or not; a partial answer begins that time anew"},
    {"attempt.hard_max", DURATION, RULE, AT(attempt_hard_max_us), "4h", SECOND / 10, 7 * DAY, NULL,
     "how long an attempt may last whatever comes of it"},
    {"attempts", NUMBER, RULE, AT(attempts), "5", 1, 1000, NULL,
     "failed attempts after which a query is dead"},
    {"backoff.first", DURATION, RULE, AT(backoff_first_us), "1s", 1000, 3600 * SECOND, NULL,
     "pause after the first failed attempt; doubles with each"},
    {"backoff.max", DURATION, RULE, AT(backoff_max_us), "60s", 1000, DAY, NULL,
     "the longest pause between attempts"},
    {"backlog.window", NUMBER, RULE, AT(window), "10000", 1, 1000000, NULL,
     "queries of a service that wait in memory; the others wait in the file"},
    {"order", CHOICE, RULE, AT(order), "fair", 0, 0, "fair|fifo|conversation",
     "fair: conversations take turns; fifo: as they came; conversation: one in flight for each"},
    {"heartbeat.interval", DURATION, AT_RESTART, AT(heartbeat_interval_us), "2500ms", SECOND / 10,
     60 * SECOND, NULL, "between heartbeats to workers; three missed ones end a worker"},
    {"restart.grace", DURATION, AT_RESTART, AT(grace_us), "2s", 0, 3600 * SECOND, NULL,
     "how long a restarted gateway waits for a worker that may still have a query"},
    {"drain.timeout", DURATION, LIVE, AT(drain_timeout_us), "30s", 0, 3600 * SECOND, NULL,
     "how long a stopping gateway waits for what is in flight"},
    {"claim", CHOICE, AT_RESTART, AT(claim), "reply", 0, 0, "reply|dispatch",
     "when a query's read flag is taken; dispatch: before it is sent, for bridges where something "
     "else still polls"},
    {"presence", CHOICE, LIVE, AT(presence), "on", 0, 0, "off|on",
     "whether session_status says that a session is served"},
    {"serve.session", TEXT, AT_RESTART, AT(serve_session), "b", 1, 32, NULL,
     "the session whose queries are served"},
    {"serve.agents", CHOICE, LIVE, AT(agents), "leave", 0, 0, "leave|serve",
     "what to do with the queries of a session where a living agent reports to session_status"},
    {"park.after", DURATION, AT_RESTART, AT(park_after_us), "60s", SECOND / 10, DAY, NULL,
     "an unanswered query that was seen so long ago is listed for the next start, and looked at "
     "again"},
    {"retention.answers", DURATION, LIVE, AT(keep_us), "168h", SECOND, 3650 * DAY, NULL,
     "how long answers are kept that could not be committed, or not whole"},
    {"retention.dead", DURATION, LIVE, AT(dead_us), "720h", SECOND, 3650 * DAY, NULL,
     "how long dead queries are listed"},
    {"retention.audit", DURATION, LIVE, AT(audit_us), "2160h", SECOND, 3650 * DAY, NULL,
     "how long the gateway's own audit rows are kept"},
};

const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];
