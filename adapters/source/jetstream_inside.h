/* What the files of the source that is JetStream share (jetstream.h).
 *
 *   jetstream_say.c   what the relay says      jetstream_take.c   what JetStream says
 *   jetstream.c       what is due, news, its life */
#ifndef TAILGATE_ADAPTERS_SOURCE_JETSTREAM_INSIDE_H
#define TAILGATE_ADAPTERS_SOURCE_JETSTREAM_INSIDE_H

#include "adapters/source/jetstream.h"
#include "adapters/source/jobs.h"

#define JETSTREAM_NAK_US 500000   /* before one that was given back is given out again */
#define JETSTREAM_REST_US 1000000 /* before the next try, after one was refused */

struct service {
    const char *name;
    char stream[NAMES_SIZE], subject[NAMES_SIZE];
    uint32_t offered;
    int64_t pending; /* asked for and not got yet */
    int64_t pulled_us, rest_us;
    int64_t renew_us; /* between two words that a query is still worked on */
    int64_t asked_us; /* when that was asked for last; INT64_MAX: it is known */
};

struct jetstream {
    struct source source;
    const struct jetstream_setup *setup;
    struct conn *conn;
    struct service service[JETSTREAM_SERVICES];
    size_t count;
    uint32_t any; /* slots offered that take every service */
    struct jobs jobs;
    uint32_t pulls;
    uint64_t dropped;
    char text[CONN_TEXT]; /* of the news that were told last */
    bool refusing;        /* a stream is missing or takes nothing, and that was told */
    bool better;          /* it is as it should be again, which is to be told */
    struct buffer told;   /* the query that was told last, */
    char token[NAMES_TOKEN_MAX +
               1]; /* and its token: the job may end before they are not used any more */
    bool again;    /* there is something to do without waiting */
};

/* As in struct source_class. */
void jetstream_offer(struct source *source, struct span service, uint32_t slots);
void jetstream_hold(struct source *source, struct span service, struct span token);
void jetstream_final(struct source *source, const struct source_answer *answer);
void jetstream_partial(struct source *source, const struct source_answer *answer);
void jetstream_fail(struct source *source, struct span token, struct span reason, bool retry);
void jetstream_give_back(struct source *source, struct span token, struct span reason);

/* JOB goes to the stream, for another host, after DELAY_US; the last time to the gateway, so that
 * it is not forgotten there. Frees JOB unless it is the last time. */
void jetstream_pass_on(struct jetstream *self, struct job *job, struct span reason,
                       int64_t delay_us);
/* It ends here, unsaid: an answer that it has is counted as thrown away. Frees JOB. */
void jetstream_drop(struct jetstream *self, struct job *job);
void jetstream_take(struct jetstream *self, natsMsg *message, int64_t now_us);

#endif
