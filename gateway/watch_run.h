/* `tailgate watch` at work. Where events come from:
 *
 *            a gateway runs, and names an endpoint for events
 *     FILE ──────────────────────────────────────────────────▶ LIVE
 *      ▲  read here; the lock file is looked at every second     │  read by libtailgate's observer
 *      └─────────────────────────────────────────────────────────┘
 *            it was away for WATCH_PATIENCE_US, or has moved
 *
 * With --events there is no file, and LIVE it stays. Invariant: `after` is the row up to which
 * everything was shown when a source is opened, and every source begins behind it; rows above it
 * that were shown already, watch_show.c passes over. */
#ifndef TAILGATE_GATEWAY_WATCH_RUN_H
#define TAILGATE_GATEWAY_WATCH_RUN_H

#include "adapters/c/tailgate.h"
#include "gateway/watch_file.h"
#include "gateway/watch_show.h"

#define WATCH_PATIENCE_US                                                                          \
    INT64_C(10000000)                   /* for a gateway that is away, or a file that is locked */
#define WATCH_LOOK_US INT64_C(1000000)  /* between two looks at the lock file */
#define WATCH_SHUN_US INT64_C(60000000) /* a gateway that was given up is not tried again for */

struct watch_run {
    /* What the command line says. */
    const char *db;                 /* or NULL, and then … */
    const char *events_given;       /* … an endpoint, … */
    const char *cert, *server_cert; /* with events_given */
    const char *gate_given;         /* … and the gate's, or NULL */
    struct watch_since since;
    struct watch_wish wish;

    struct watch_out out;
    struct watch_show show;
    struct place place;    /* of db */
    struct redact *redact; /* for db */
    int64_t after;         /* TAILGATE_FROM_NOW: not known yet */
    struct buffer lines;

    /* FILE */
    struct place_identity identity; /* of the file that `after` is a row of; device 0: none yet */
    struct watch_file *file;        /* NULL: it has to be opened */
    int64_t locked_us;              /* since when it cannot be (monotonic); 0: it can */
    int64_t look_us;                /* the next look at the lock file */
    char why_file[600];             /* why there is no gateway, as it was said */
    struct place_holder given_up;   /* pid 0: none */
    int64_t shun_us;

    /* LIVE */
    struct tailgate_observer *observer; /* NULL: FILE */
    struct place_holder holder;         /* whose events these are; with db */
    int64_t away_us;                    /* since when it is away (monotonic); 0: it is there */
    char why_away[256];                 /* as it was said; "": it is there, or is expected to be */
};

/* Shows what happens until it is over; returns the exit code. */
int watch_run(struct watch_run *self);

/* For watch_run.c and watch_live.c. They return -1 to go on, or an exit code. */

/* LIVE: makes the observer, behind `after`. */
int watch_live_open(struct watch_run *self, const char *events, const char *gate, int64_t now_us);
/* Shows what it has to give. */
int watch_live_step(struct watch_run *self, int64_t now_us);
/* Says that the database is an older one now, which ends at row ID, and goes on from there. */
int watch_reset(struct watch_run *self, int64_t id);
/* Takes over where everything was shown up to, and ends it. */
void watch_live_close(struct watch_run *self);

#endif
