/* Where the queries of a relay come from: another gateway (upstream.c), or JetStream (jetstream.c).
 *
 * A source knows nothing of workers: it is told how many queries of each service may be out at once
 * (offer), brings queries, and takes what became of each. Every query has exactly one attempt here:
 * the token it came with is its only name, and whoever answers does so by it. So a relay that was
 * killed loses nothing that its workers still have: their tokens mean the same to the next run.
 *
 *   offer(service, slots) ─▶ SOURCE_QUERY ─▶ partial() … ─▶ final() | fail() | give_back()
 *
 * Nothing here blocks. Everything a source says is borrowed until the next call. */
#ifndef TAILGATE_ADAPTERS_SOURCE_SOURCE_H
#define TAILGATE_ADAPTERS_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "proto/span.h"

#define SOURCE_ITEMS 128 /* items to poll at most */

enum source_news_kind {
    SOURCE_NOTHING, /* nothing more for now */
    SOURCE_QUERY,   /* a query of `service`, which one of the slots offered takes */
    SOURCE_END,     /* the attempt of `token` is over there: end the work; an answer still counts if
                     * it is the first. One whose delivery.deadline passes is ended without it */
    SOURCE_UP,      /* the way there is open (again); `text` says where to; `count` answers that
                     * were kept go there now */
    SOURCE_LOST,    /* it is cut; `text` says why. What is out stays out */
    SOURCE_WAITING, /* nobody there for now; said once until somebody is */
    SOURCE_REFUSED, /* they do not let us in, or refuse a loop; `text` says why. Tried again */
    SOURCE_DROPPED  /* `count` answers that were kept for it had to be thrown away */
};

struct source_news {
    enum source_news_kind kind;
    struct span service; /* QUERY: as offered */
    struct span token;   /* QUERY, END */
    struct span json;    /* QUERY: one JSON object, with its delivery (proto/WIRE.md, The query) */
    const struct span *frame; /* QUERY: what a Majordomo client sent, where one asked; */
    size_t frames;            /*   0: nobody did */
    struct span text;
    uint64_t count;
};

/* What became of a query. */
struct source_answer {
    struct span token;
    bool raw;                 /* it is of a worker that was handed the client's own frames */
    struct span via;          /* JSON: who worked, {"worker":…,"through":[…]} */
    const struct span *frame; /* the answer, 1 to LIMIT_BODY_FRAMES */
    size_t frames;
};

struct source;

struct source_class {
    size_t services; /* at most so many are offered; 0: there is no limit */
    /* From now on SLOTS queries of SERVICE ("*": any) may be out at once; 0: none. */
    void (*offer)(struct source *self, struct span service, uint32_t slots);
    /* A worker here says that it has TOKEN, of SERVICE, since before this run, or before it lost
     * us: it is one of those that are out. */
    void (*hold)(struct source *self, struct span service, struct span token);
    /* The relay's own id, and those of all relays below it, as a JSON array (proto/WIRE.md,
     * Relays): for a source that is a relay or gateway itself. NULL: it does not care. */
    void (*relays)(struct source *self, struct span ids);
    /* Each takes a copy. While the way is cut, answers are kept (bounded), parts are not. */
    void (*final)(struct source *self, const struct source_answer *answer);
    void (*partial)(struct source *self, const struct source_answer *answer);
    /* The attempt failed (RETRY: another may succeed); or it is given back, which costs nothing. */
    void (*fail)(struct source *self, struct span token, struct span reason, bool retry);
    void (*give_back)(struct source *self, struct span token, struct span reason);
    /* Fills in what to poll; returns how many. */
    size_t (*items)(const struct source *self, zmq_pollitem_t ret_item[SOURCE_ITEMS]);
    /* When next() is to be called although nothing is ready (monotonic us); INT64_MAX: never. */
    int64_t (*due)(const struct source *self);
    /* Does what is due and takes the next news; call it until it says SOURCE_NOTHING. */
    struct source_news (*next)(struct source *self, int64_t now_us);
    /* Answers that are kept and not handed over yet. */
    size_t (*kept)(const struct source *self);
    void (*destroy)(struct source **self);
};

/* What every source begins with. */
struct source {
    const struct source_class *class;
};

#endif
