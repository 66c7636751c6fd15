/* What the files of a relay's link share: uplink.c is its life and what it hears, uplink_say.c what
 * it says. */
#ifndef TAILGATE_ADAPTERS_SOURCE_UPLINK_INSIDE_H
#define TAILGATE_ADAPTERS_SOURCE_UPLINK_INSIDE_H

#include "adapters/c/letterbox.h"
#include "adapters/c/outbox.h"
#include "adapters/source/out.h"
#include "adapters/source/uplink.h"
#include "adapters/zmq/frameset.h"

#define UPLINK_BEATS_MISSED 3
#define UPLINK_ENDS (2 * LIMIT_SLOTS) /* more than one registration can have */

struct uplink {
    struct uplink_setup setup;
    char service[LIMIT_SERVICE + 1];
    struct dial dial;
    uint32_t slots, said; /* wanted; and as the gateway knows it */
    int64_t idle_us;      /* since when they are 0 */
    bool registered;
    bool again;                  /* READY is to be said once more */
    bool relays;                 /* what is said of relays has changed */
    bool heard;                  /* since READY: it was not refused */
    bool doubt;                  /* the last one was: this one is told of when it was taken, */
    bool ready;                  /*   and that has happened */
    int64_t beat_us, silence_us; /* registered: our next beat; and when they count as gone */
    struct outbox answers;       /* address and packed frames */
    struct letterbox parts;      /* the same, */
    size_t part_bytes;           /*   and so many bytes of these */
    struct letterbox ends; /* what failed or is given back; no registration, no attempts to end */
    struct outs outs;
    struct out over; /* the last one that was told to have ended */
    struct frameset received;
};

/* Our heartbeat interval, microseconds. */
int64_t uplink_interval_us(const struct uplink *self);
/* True when answers may go out: registered, or not about to be. */
bool uplink_sending(const struct uplink *self);
/* READY, with all that is out here. Returns 0 or -errno: nothing was said. */
int uplink_say_ready(struct uplink *self, int64_t now_us);
/* DISCONNECT, when registered. */
void uplink_say_disconnect(struct uplink *self);
/* Hands over what is kept, oldest first and the parts before the answers. */
void uplink_flush(struct uplink *self, int64_t now_us);
/* A heartbeat when it is due, or at once when the slots or relays are others than was said. */
void uplink_beat(struct uplink *self, int64_t now_us);

#endif
