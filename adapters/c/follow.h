/* Which events an observer is given, in which order, and what has to be replayed before the next
 * one: proto/WIRE.md, "What was missed". No socket and no clock: what comes is handed in, what is
 * to be given goes out through a function.
 *
 *             row or mark shows a gap: it is held            FINAL without `more`
 *   LIVE ──────────────────────────────────────▶ REPLAY ──────────────────────────▶ LIVE, with
 *    ▲    the first welcome, when there is        │  ▲                             what was held
 *    │    a history to begin with                 └──┘ FINAL with `more`: the next page
 *
 * Invariants
 *   1. had[kind]: every row of that kind up to here that is wanted was given, and none above. So a
 *      row at or below it came already, and is passed over; a row whose `prev` is above it may
 *      have others in front of it, which are replayed first.
 *   2. Outside LIVE nothing more of the live events is taken (follow_is_busy()).
 *   3. A replay asks for several kinds at once, and they come in the order of ids together. So a
 *      row that comes by one moves had[] of all of these kinds.
 *   4. Rows of a run are told in the order of ids. Who takes everything, and has not missed a
 *      number since a mark, has missed no row of any kind. */
#ifndef TAILGATE_ADAPTERS_C_FOLLOW_H
#define TAILGATE_ADAPTERS_C_FOLLOW_H

#include "adapters/c/heard.h"
#include "adapters/c/parcel.h"
#include "adapters/c/tailgate.h"
#include "proto/buffer.h"

#define FOLLOW_PAGE 1000             /* events of one replay */
#define FOLLOW_PAGE_MOST 10000       /* that are taken of one, whatever was asked for */
#define FOLLOW_PAGE_SIZE (64u << 20) /* and their bytes; the gateway stops at 4 MiB */
#define FOLLOW_UNKNOWN TAILGATE_FROM_NOW

/* Something to be given; spans are borrowed for the call. Of UP only when a welcome or a new run
 * came. */
struct follow_gift {
    enum tailgate_observed_kind kind;
    struct span topic, json;
    int64_t id;
    bool replayed;
    uint64_t count;
    const char *text;
};

/* Texts are borrowed for good. */
struct follow_setup {
    unsigned kinds; /* a bit for each enum topic_kind that is wanted; that of TOPIC_KINDS: others */
    bool everything; /* every event comes, whether or not the filters let it through */
    bool can_replay;
    const char *conversation; /* NULL: all */
    const char *service;      /* NULL: all */
    int64_t after;            /* FOLLOW_UNKNOWN: from now on */
    const char *since;        /* instead; NULL: not said */
    void (*give)(void *context, const struct follow_gift *gift);
    void *context;
};

enum follow_stage { FOLLOW_LIVE, FOLLOW_REPLAY };

struct follow {
    struct follow_setup setup;
    enum follow_stage stage;
    bool history;               /* what the observer begins with was not given yet */
    int64_t had[HEARD_DURABLE]; /* invariant 1; FOLLOW_UNKNOWN: from now on */

    char epoch[HEARD_EPOCH]; /* of the run that was heard last; "": none yet */
    int64_t since;           /* its */
    bool suspect;            /* it is not the run in which had[] was made */
    bool restarted;          /* it is another one than at the last mark */
    uint64_t seq;            /* the last number of it that was heard */
    bool sure;               /* invariant 4 holds */
    uint64_t gap;            /* numbers that were not heard since the last mark */
    uint64_t mended;         /* rows of this run that replays brought since then */

    struct parcel held; /* outside LIVE: the message to go on with; count 0: none */
    unsigned kinds;     /* REPLAY: what is replayed, as in setup */
    bool by_since;      /* REPLAY: the page is asked for with since */
    int64_t after;      /* REPLAY: the page's beginning */
    int64_t upto;       /* REPLAY: the end of the whole; INT64_MAX: the file's */
    uint64_t count;     /* REPLAY: rows given by it */
    size_t told;        /* REPLAY: of the page, rows that came */
    size_t page;        /* REPLAY: of the page, rows that were given */
    size_t page_size;   /* REPLAY: their bytes */
    bool spoilt;        /* REPLAY: there were more than are taken */
};

void follow_init(struct follow *self, const struct follow_setup *setup);
void follow_done(struct follow *self);
/* Takes one message of the events. Not while follow_is_busy(). */
void follow_hear(struct follow *self, const struct span *frame, size_t count);
/* No welcome came in time: a history that was to be told up to it is told up to the file's end. */
void follow_begin(struct follow *self);
/* True when a replay is to be asked for, or under way. */
bool follow_is_busy(const struct follow *self);
/* Appends what the replay is asked for with. A page that has come to nothing is asked for again
 * with the same. */
void follow_request(struct follow *self, struct buffer *ret_json);
/* Takes one frame of a PARTIAL. */
void follow_part(struct follow *self, struct span json);
/* Takes the FINAL's frame. Returns 0, or -1 when it does not say what was covered. */
int follow_end(struct follow *self, struct span json);
/* The row up to which everything was given, or FOLLOW_UNKNOWN. */
int64_t follow_position(const struct follow *self);

#endif
