/* An observer as observer.c (the thread's part) and observer_calls.c (its life, and what callers do
 * with it) share it.
 *
 *   events ──SUB──▶ follow ──▶ box ──▶ tailgate_observer_next
 *                   ▲    │
 *   gate ──client───┘    └──▶ asks for a replay
 *
 * Invariants
 *   1. Everything here is guarded by `lock`. Only the loop's thread touches the SUB socket.
 *   2. The SUB socket is read while the box has room and nothing is being replayed. Meanwhile what
 *      comes waits in ZeroMQ, and is lost beyond its bound: that is a gap like any other, and
 *      repaired.
 *   3. A page of a replay is asked for while the box has room, and always read to its end, which is
 *      bounded: so the box has no more than its room and a page.
 *   4. The replay's client is one like those of callers, on the same loop. It sends a page that was
 *      under way again when its connection is lost. */
#ifndef TAILGATE_ADAPTERS_C_OBSERVER_INSIDE_H
#define TAILGATE_ADAPTERS_C_OBSERVER_INSIDE_H

#include <pthread.h>

#include "adapters/c/dial.h"
#include "adapters/c/follow.h"
#include "adapters/c/giftbox.h"
#include "adapters/c/loop.h"
#include "adapters/zmq/frameset.h"

#define OBSERVER_TOPICS (TOPIC_KINDS + 2)

struct tailgate_observer {
    struct tailgate_loop *loop;
    bool own_loop;
    struct loop_seat seat;
    pthread_mutex_t lock;
    pthread_cond_t news;
    int bell;
    bool ringing;

    struct curve_client curve;                       /* without a server key: none */
    char *endpoint, *conversation, *service, *since; /* NULL: not said */
    char *topic[OBSERVER_TOPICS];                    /* subscriptions */
    size_t topics;

    struct dial dial;
    struct frameset received;
    struct span batch; /* of what was received last: its events that were not taken yet */
    struct follow follow;
    bool busy;          /* the thread has something to do, or callers have made room */
    int64_t welcome_us; /* connected: when the welcome counts as missing; INT64_MAX: it came */

    struct tailgate_client *client;   /* NULL: no gate */
    struct tailgate_request *request; /* the page that was asked for, or NULL */
    int64_t retry_us;                 /* not to be asked for before that */
    int64_t backoff_us;               /* the next pause after a page that came to nothing */
    bool cannot_replay;               /* AWAY was said for that */

    struct giftbox box;
    struct gift *given;                /* what tailgate_observer_next() gave last; owned */
    int64_t position;                  /* up to there everything was given to the caller */
    enum tailgate_observed_kind state; /* the last of UP and AWAY that went into the box; 0: none */
    struct gift *state_kept;           /* the next one, for which there is no room yet; owned */
};

/* All under the lock. */

/* Brings the bell and those who wait up to date with what there is to give. */
void observer_announce(struct tailgate_observer *self);
/* follow's function to give with; CONTEXT is the observer. */
void observer_take(void *context, const struct follow_gift *gift);

/* Begins the thread's part of an observer whose subscriptions, follow and client are made. */
void observer_start(struct tailgate_observer *self);

#endif
