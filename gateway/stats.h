/* Counters: every drop, refusal, retry and degraded step has one (I6), with the name under which
 * status shows it. */
#ifndef TAILGATE_GATEWAY_STATS_H
#define TAILGATE_GATEWAY_STATS_H

#include <stdint.h>

#include "gateway/histogram.h"
#include "proto/limits.h"

enum counter {
    STAT_QUERIES,           /* query rows seen that nobody had answered */
    STAT_ODD_METADATA,      /* unread rows whose metadata is not a JSON object; it is ignored */
    STAT_DISPATCHED,        /* attempts sent to workers */
    STAT_ANSWERED,          /* replies committed */
    STAT_DEAD,              /* error replies committed */
    STAT_RETRIED,           /* attempts that failed and are followed by another */
    STAT_RETURNED,          /* queries that a worker gave back, free of charge */
    STAT_ADOPTED,           /* attempts that their worker took up again after a restart or a cut */
    STAT_LEASES_RECORDED,   /* leases written down, because they lasted or were claimed */
    STAT_FAILURES_RECORDED, /* ends of attempts written down before the next one */
    STAT_SUPERSEDED,        /* queries that someone else has set read */
    STAT_EXPIRED,           /* queries whose conversation's time was over */
    STAT_DELETED,           /* queries whose row or conversation was gone */
    STAT_UNCOMMITTABLE,     /* replies that the database's own rules refuse */
    STAT_REFUSED_FORGED,    /* answers with a token that is not ours for that row */
    STAT_REFUSED_DUPLICATE, /* answers to a query that has one */
    STAT_REFUSED_PAST,      /* errors and partials of an attempt that is over */
    STAT_REFUSED_FULL,      /* workers beyond the limit of workers or services */
    STAT_PARTIALS,          /* partial answers taken */
    STAT_REPLAYED,          /* rows told again by tailgate.replay */
    STAT_UNFOLLOWED,        /* partials not published: their attempt's beginning was not seen */
    STAT_OBSERVERS_CUT,     /* connections of observers that subscribed to too much */
    STAT_EVENTS_LOST,       /* events that could not be handed to a socket */
    STAT_TURNED_AWAY,       /* connections for which there was no descriptor to spare */
    STAT_STRANGERS,         /* messages from peers that are not registered */
    STAT_BAD_FRAMES,        /* messages that are no protocol of ours */
    STAT_UNSUPPORTED,       /* messages of a protocol that this version does not speak */
    STAT_NOT_ALLOWED,       /* controls asked for from elsewhere than the unix socket */
    STAT_REFUSED_KEYS,      /* handshakes of keys that are not allowed at that door */
    STAT_REFUSED_ROLES,     /* messages of keys that may not do what they ask for */
    STAT_PEERS_GONE,        /* sends to a connection that is closed */
    STAT_PEERS_FULL,        /* sends to a peer whose queue is full */
    STAT_WORKERS_LEFT,      /* workers that left, were silent, over their time, or gone */
    STAT_TAIL_BUSY,         /* reads that found the database locked */
    STAT_UPKEEP_REFUSED,    /* notes of the gateway's own that the database's own rules refuse */
    STAT_LEFT_TO_AGENTS,    /* looks at queries of a session where a living agent sits */
    STAT_PARKED,            /* unsettled queries that the low-water mark passed */
    STAT_FOUND_AGAIN,       /* queries that a second look brought back */
    STAT_RETIRED,           /* rows removed: only ours, and their time was over */
    STAT_REDACTED,          /* replies of which something was taken out */
    STAT_REDACTION_FAILED,  /* texts left out because they could not be searched for secrets */
    STAT_CUT,               /* replies that were committed cut, and kept whole */
    STAT_ASKED,             /* clients' requests whose rows were made */
    STAT_COALESCED,         /* clients' requests that attached to a row that was there */
    STAT_CLIENTS_REFUSED,   /* clients' requests that came to nothing */
    STAT_CLIENTS_CUT,       /* connections that took no replies, and hear no more */
    STAT_UNDELIVERED,       /* replies whose client was gone: they are committed all the same */
    STAT_PARTIALS_LOST,     /* partial answers that their client did not take */
    STAT_ODD_BODIES,        /* requests whose metadata says of their body what is not so */
    STAT_DROPPED,           /* queries that their client has taken back */
    STAT_BACKLOG_SKIPPED,   /* unread queries left alone by --backlog skip */
    STAT_UNRECORDABLE,      /* states of queries that the database's own rules refuse to record */
    STAT_HELD_BACK,         /* times that deliveries stopped, for the committer had enough to do */
    STAT_HINTS_LOST,      /* times the kernel's queue of file events ran over, or the watch ended */
    STAT_RELOADS_REFUSED, /* settings read again that were wrong: nothing was changed */
    STATS
};

/* Where a query's time goes, in microseconds. The first is for queries seen after the start, the
 * second for first attempts, the others for queries that were answered. */
enum stage {
    STAGE_COMMIT_TO_TAIL,    /* from the time in its row, which its writer's clock gave it */
    STAGE_TAIL_TO_DISPATCH,  /* until a worker has it */
    STAGE_DISPATCH_TO_REPLY, /* the attempt that was answered */
    STAGE_REPLY_TO_COMMIT,
    STAGE_TOTAL, /* from tail to commit */
    STAGES
};

#define STATS_ADAPTERS 16 /* words that are counted apart; the rest counts as "other" */

/* What went through the workers that reach their programs in one way. */
struct adapter_stats {
    char name[LIMIT_ADAPTER + 1]; /* "" ends the list */
    uint64_t dispatched, answered, partials, failed, returned;
    uint64_t left; /* workers that left, or were given up */
};

struct stats {
    uint64_t count[STATS];
    struct histogram stage[STAGES];
    /* In the order in which they came, "other" and the end included. */
    struct adapter_stats adapter[STATS_ADAPTERS + 2];
};

/* All zero. */
void stats_init(struct stats *self);
/* The counters of the adapter NAME; NULL for "": its worker has not said how. */
struct adapter_stats *stats_adapter(struct stats *self, const char *name);

/* The name of a counter in status, as "refused_forged". */
const char *stats_name(enum counter counter);
/* The name of a histogram there, as "commit_to_tail". */
const char *stats_stage_name(enum stage stage);

#endif
