/* Where the feed of events stands: their numbers, the rows that were told, and when a mark is due,
 * by which an observer that lost the last event sees that it did. Pure.
 *
 *  E1. No row of kind K lies between last[K] and `id`. What is not told (nobody wants it) moves
 *      last[K] along all the same: an observer that comes later takes what it lacks by replay.
 *
 *  E2. A mark comes FEED_MARK_US after an event, and while nothing happens it is repeated after
 *      twice as long each time, up to FEED_MARK_MAX_US: a mark can be lost, too. */
#ifndef TAILGATE_GATEWAY_FEED_H
#define TAILGATE_GATEWAY_FEED_H

#include "proto/event.h"

#define FEED_MARK_US 500000
#define FEED_MARK_MAX_US 60000000

struct feed {
    char epoch[17];              /* names this run: 16 hexadecimal digits */
    uint64_t seq;                /* of the last event */
    int64_t since;               /* rows up to here are not told in this run */
    int64_t highest;             /* row of the file, ever, when the run began */
    int64_t id;                  /* the highest row that was passed */
    int64_t last[EVENT_DURABLE]; /* E1 */
    int64_t mark_us;             /* when the next mark is due; INT64_MAX: none is */
    int64_t pause_us;            /* from that one to the one after it */
    bool moved;                  /* since feed_welcome() */
};

/* EPOCH is a random number. */
void feed_init(struct feed *self, uint64_t epoch);
/* The run begins behind row SINCE, on a file whose highest row ever is HIGHEST: marks say no less,
 * so that an observer that had more knows that the file was put back to an older one. */
void feed_start(struct feed *self, int64_t since, int64_t highest);
/* The number of an event that is published at NOW_US; a mark is due after it. */
uint64_t feed_number(struct feed *self, int64_t now_us);
/* Somebody has subscribed at NOW_US: it may have missed what came since its welcome. */
void feed_joined(struct feed *self, int64_t now_us);
/* Row ID is told as one of KIND. Returns its `prev`. */
int64_t feed_row(struct feed *self, enum topic_kind kind, int64_t id);
/* Row ID is not told, whatever it is. */
void feed_pass(struct feed *self, int64_t id);
/* True when a mark is due; its number is then feed_mark_number()'s. HEARD: somebody listens; else
 * none is sent, and none is due. */
bool feed_is_due(struct feed *self, int64_t now_us, bool heard);
/* The number of the mark that is sent at NOW_US. */
uint64_t feed_mark_number(struct feed *self, int64_t now_us);
/* What a mark says now. Borrowed. */
struct event_mark feed_mark(const struct feed *self);
/* True when the welcome is not what it was when this was asked last. */
bool feed_welcome(struct feed *self);

#endif
