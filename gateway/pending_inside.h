/* What the files of pending share: pending.c keeps the services and gives out, pending_queues.c
 * keeps what waits in them, pending_window.c decides what may wait here and what waits in the file
 * (P5). */
#ifndef TAILGATE_GATEWAY_PENDING_INSIDE_H
#define TAILGATE_GATEWAY_PENDING_INSIDE_H

#include "gateway/pending.h"

#define NONE UINT32_MAX

/* What waits of one conversation in one service, or of all of them (ORDER_FIFO). It lives while
 * something waits or it is busy. */
struct conversation {
    struct table_node node;
    struct service *service;
    uint64_t key;
    uint32_t head, tail; /* entries by id; NONE: nothing waits */
    int64_t out;         /* busy: the query that was given out last with `single` */
    uint32_t busy; /* pending_free() is due so often; ORDER_CONVERSATION gives out nothing before */
    bool shut;     /* the ring that it is in is service->shut, not service->turn */
    struct ring ring;
};

/* Entries live in one array, which moves when it grows: all links between them are indices. */
struct entry {
    int64_t id;
    int64_t seen_us;
    uint64_t conversation; /* its own key, whatever its queue's is */
    struct conversation *queue;
    uint32_t next, previous; /* by id in its queue; NEXT also among the free ones */
    uint32_t same;           /* the next one in its bucket */
    bool returned;           /* it was given out and has come back */
    bool ahead;              /* it came in from beyond more_from, ahead of what waits in the file */
};

struct pending {
    const struct rulebook *rulebook;
    struct table services;
    struct table conversations; /* by service and key; its key serves the index of entries, too */
    struct entry *entry;
    uint32_t *bucket;       /* the index by id: as many buckets as there is room for entries */
    uint32_t room;          /* a power of two, or 0 */
    uint32_t entries, free; /* entries ever used; the first free one of them */
    size_t backlog;
    struct ring *turn;    /* P4 */
    struct ring *wanting; /* services for pending_want() */
};

/* pending.c */

/* SERVICE has changed: it joins or leaves the rings, and is forgotten when nothing keeps it. */
void pending_settle(struct pending *self, struct service *service);

/* pending_queues.c */

void queues_init(struct pending *self, uint64_t seed);
void queues_done(struct pending *self);
/* The entry of query ID, or NONE. */
uint32_t queues_find(const struct pending *self, int64_t id);
/* The key of the queue for a conversation's queries. */
uint64_t queues_key(const struct service *service, uint64_t conversation);
/* The queue of that key, or NULL. */
struct conversation *queues_get(const struct pending *self, const struct service *service,
                                uint64_t key);
/* Adds a query that does not wait yet at its place (P1). LIKE gives all but the links. */
void queues_put(struct pending *self, struct service *service, const struct entry *like);
/* Takes an entry out; its queue is gone when nothing needs it. */
void queues_drop(struct pending *self, uint32_t at);
/* The queue of that key gives out nothing more until queues_free(), but for other orders, and holds
 * SERVICE. Returns the queue, made when there is none. */
struct conversation *queues_engage(struct pending *self, struct service *service, uint64_t key);
/* Whether it was busy; if so, one of its holds on the service is the caller's to release. */
bool queues_free(struct pending *self, struct conversation *queue);

/* pending_window.c */

/* Forgets that anything of SERVICE waits in the file. */
void window_forget(struct service *service);
/* True when SERVICE is to be refilled. */
bool window_wants(const struct service *service);

#endif
