/* What the files of the core share: dispatch.c takes events in, handout.c gives queries to workers,
 * attempts.c judges what workers say and ends attempts, failures.c decides what comes after one,
 * holds.c takes up again what a restart interrupted, withdraw.c takes out what is to wait no more,
 * actions.c keeps what is to be carried out. */
#ifndef TAILGATE_GATEWAY_CORE_H
#define TAILGATE_GATEWAY_CORE_H

#include "gateway/actions.h"
#include "gateway/dispatch.h"

#define FAILED_BY_TIME "the attempt lasted longer than attempt.max"

struct dispatch {
    struct dispatch_config config;
    uint64_t random; /* state of the jitter's generator */
    struct timers timers;
    struct pending *pending;
    struct workers *workers;
    struct inflight *inflight;
    struct actions *actions;
    struct service *fallback; /* "default", held for ever: for what finds no room of its own */
    struct timer busy;        /* armed: nothing is delivered until then, a row could not be read */
    bool paused;              /* nothing is delivered until somebody says so */
    bool full;                /* nor until what commits has room (D5) */
    bool draining;            /* nothing is delivered any more */
    bool stopped;             /* a query was held back (D5) or came back: handout_all() is due */
};

/* dispatch.c */

/* The service of that NAME, held, or the fallback when there are too many. */
struct service *dispatch_service(struct dispatch *self, struct span name);
/* FLIGHT is in flight, and pending did not give it out just now: its conversation is engaged. */
void dispatch_engage(struct dispatch *self, struct flight *flight);
/* FLIGHT, which has no lease, has ended: it is forgotten. */
void dispatch_forget(struct dispatch *self, struct flight *flight);

/* handout.c */

/* There is room for another query in flight (D5). */
bool handout_has_room(const struct dispatch *self);

/* Gives queries of SERVICE to its workers, and to those for all services, while there are both. */
void handout_service(struct dispatch *self, int64_t now_us, struct service *service);
/* The same for what WORKER may take, after it has become free. */
void handout_worker(struct dispatch *self, int64_t now_us, const struct worker *worker);
/* The same for everybody, after deliveries stood still. */
void handout_all(struct dispatch *self, int64_t now_us);
/* When a lease of WORKER on a query of SERVICE that begins at NOW_US ends. */
struct lease_times handout_times(const struct service *service, const struct worker *worker,
                                 int64_t now_us);
/* EVENT_CLAIMED. */
void handout_claimed(struct dispatch *self, int64_t now_us, const struct event *event);

/* attempts.c */

/* EVENT_ANSWER, EVENT_PARTIAL, EVENT_DELIVERED and EVENT_UNDELIVERABLE. */
void attempts_answer(struct dispatch *self, int64_t now_us, const struct event *event);
void attempts_partial(struct dispatch *self, int64_t now_us, const struct event *event);
void attempts_delivered(struct dispatch *self, int64_t now_us, const struct event *event);
void attempts_undeliverable(struct dispatch *self, int64_t now_us, const struct event *event);
/* As dispatch_awaits(). */
bool attempts_await(const struct dispatch *self, const struct action *deliver);
/* Records FLIGHT's lease, or that its end has moved. */
void attempts_record(struct dispatch *self, struct flight *flight);

/* failures.c */

/* The current attempt of FLIGHT has failed (D4) at WORKER, which keeps its lease for the caller to
 * end; NULL: at one that is not known any more. */
void failures_fail(struct dispatch *self, int64_t now_us, struct flight *flight,
                   const struct worker *worker, struct span reason, bool retry);
/* WORKER has given FLIGHT back. */
void failures_return(struct dispatch *self, int64_t now_us, struct flight *flight,
                     const struct worker *worker, struct span reason);
/* The worker of LEASE does not have it any more: its attempt has failed, if it is the current one
 * and had begun. Frees it. */
void failures_drop(struct dispatch *self, int64_t now_us, struct lease *lease, const char *reason);
/* WORKER is gone, or given up: its current attempts have failed, and it is forgotten. TELL: it gets
 * a DISCONNECT. */
void failures_lose(struct dispatch *self, int64_t now_us, struct worker *worker, const char *reason,
                   bool tell);
/* LEASE is over. */
void failures_expire(struct dispatch *self, int64_t now_us, struct lease *lease);
/* FLIGHT goes back to its place in pending; its attempts stay as they are. */
void failures_give_back(struct dispatch *self, struct flight *flight);
/* FLIGHT's attempt never came to its worker: it does not count, and FLIGHT is given back. */
void failures_take_back(struct dispatch *self, struct flight *flight);
/* FLIGHT's pause is over. */
void failures_resume(struct dispatch *self, int64_t now_us, struct flight *flight);
/* EVENT_RECORDED. */
void failures_recorded(struct dispatch *self, int64_t now_us, const struct event *event);

/* holds.c (D8) */

/* EVENT_RESTORE and EVENT_RELEASE. */
void holds_restore(struct dispatch *self, int64_t now_us, const struct event *event);
void holds_release(struct dispatch *self, int64_t now_us, const struct event *event);
/* FLIGHT has waited long enough for its worker. */
void holds_expire(struct dispatch *self, int64_t now_us, struct flight *flight);
/* WORKER registers again with EVENT: what it does not name in `holding` has failed. */
void holds_part(struct dispatch *self, int64_t now_us, const struct event *event,
                struct worker *worker, const char *reason);
/* WORKER has registered with EVENT: it gets the leases that it still holds, and what it held and
 * does not hold any more is released. */
void holds_adopt(struct dispatch *self, int64_t now_us, const struct event *event,
                 struct worker *worker);
/* Somebody works on FLIGHT, as a partial has shown. */
void holds_prolong(struct dispatch *self, int64_t now_us, struct flight *flight);

/* withdraw.c (D9) */

/* EVENT_WITHDRAW. */
void withdraw_waiting(struct dispatch *self, int64_t now_us, const struct event *event);

#endif
