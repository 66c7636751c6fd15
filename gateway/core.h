/* What the files of the core share: dispatch.c takes events in, handout.c gives queries to workers,
 * attempts.c ends attempts and judges answers, actions.c keeps what is to be carried out. */
#ifndef TAILGATE_GATEWAY_CORE_H
#define TAILGATE_GATEWAY_CORE_H

#include "gateway/actions.h"
#include "gateway/dispatch.h"

struct dispatch {
    struct dispatch_config config;
    uint64_t random; /* state of the jitter's generator */
    struct timers timers;
    struct pending *pending;
    struct workers *workers;
    struct inflight *inflight;
    struct actions *actions;
    struct service *fallback; /* "default", held for ever: for what finds no room of its own */
    struct timer pause;       /* armed: nothing is delivered until then */
    bool draining;            /* nothing is delivered any more */
    bool stopped;             /* a query was held back (D5) or came back: handout_all() is due */
    size_t backing_off;       /* flights in back-off */
};

/* handout.c */

/* Gives queries of SERVICE to its workers, and to those for all services, while there are both. */
void handout_service(struct dispatch *self, int64_t now_us, struct service *service);
/* The same for what WORKER may take, after it has become free. */
void handout_worker(struct dispatch *self, int64_t now_us, const struct worker *worker);
/* The same for everybody, after deliveries stood still. */
void handout_all(struct dispatch *self, int64_t now_us);

/* attempts.c */

/* The current attempt of FLIGHT has failed at WORKER, which keeps its lease for the caller to end
 * (D4). */
void attempts_fail(struct dispatch *self, int64_t now_us, struct flight *flight,
                   const struct worker *worker, struct span reason, bool retry);
/* WORKER is gone, or given up: its current attempts have failed, and it is forgotten. TELL: it gets
 * a DISCONNECT. */
void attempts_lose(struct dispatch *self, int64_t now_us, struct worker *worker, const char *reason,
                   bool tell);
/* LEASE is over. */
void attempts_expire(struct dispatch *self, int64_t now_us, struct lease *lease);
/* FLIGHT goes back in front of its conversation; its attempts stay as they are. */
void attempts_give_back(struct dispatch *self, struct flight *flight);
/* EVENT_ANSWER, EVENT_PARTIAL, EVENT_DELIVERED and EVENT_UNDELIVERABLE. */
void attempts_answer(struct dispatch *self, int64_t now_us, const struct event *event);
void attempts_partial(struct dispatch *self, int64_t now_us, const struct event *event);
void attempts_delivered(struct dispatch *self, const struct event *event);
void attempts_undeliverable(struct dispatch *self, int64_t now_us, const struct event *event);

#endif
