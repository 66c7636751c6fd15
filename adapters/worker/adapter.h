/* How a persistent program is reached: the one interface that every adapter (exec, echo, and the
 * ones that speak TCP, FIFO, shared memory, HTTP …) implements. An adapter is a row of the table in
 * adapters.c. It moves bytes to and from its program and says what happened to it; when to start it
 * again, which query an answer belongs to and how long one may take is decided in worker.c.
 *
 *        make ──▶ stopped ──start──▶ running ──stop, or report BROKEN──▶ ending
 *                    ▲                  │                                  │
 *                    └──── report GONE ─┴──────────────────────────────────┘
 *
 * No call blocks, except destroy(), which ends a program that still runs and waits for it. */
#ifndef TAILGATE_ADAPTERS_WORKER_ADAPTER_H
#define TAILGATE_ADAPTERS_WORKER_ADAPTER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/span.h"

#define ADAPTER_DESCRIPTORS 4 /* descriptors that one instance asks to poll at most */

/* What the command line says to an adapter; each takes what is its own. */
struct adapter_setup {
    char *const *command; /* exec: program and arguments, NULL-terminated; borrowed for good */
};

enum adapter_report_kind {
    ADAPTER_ANSWER,  /* TEXT is the final answer to the query TOKEN */
    ADAPTER_PARTIAL, /* TEXT is a part of it; the query stays in flight */
    ADAPTER_SAID,    /* TEXT is one line that the program wrote for people */
    ADAPTER_BROKEN,  /* it cannot go on, TEXT says why; it is being ended and GONE follows */
    ADAPTER_GONE     /* it is stopped, TEXT says how it ended; what was in flight has no answer */
};

/* Spans are borrowed until the next call on the instance. */
struct adapter_report {
    enum adapter_report_kind kind;
    struct span token; /* ANSWER, PARTIAL; size 0: the oldest query in flight */
    struct span text;
};

struct adapter {
    const char *name;
    /* A stopped instance (on the heap); never NULL. */
    void *(*make)(const struct adapter_setup *setup);
    /* Frees it and sets *self to NULL; NULL is fine. */
    void (*destroy)(void **self);
    /* Starts the program. Returns 0, or -errno and is stopped. */
    int (*start)(void *self);
    /* Hands a query over (copied). Without effect unless running. */
    void (*offer)(void *self, struct span token, struct span query);
    /* Fills in what to poll; returns how many. */
    size_t (*descriptors)(const void *self, struct pollfd ret_poll[ADAPTER_DESCRIPTORS]);
    /* Takes the next thing that happened, reading and writing what can be without blocking. To be
     * called until it returns false, after a descriptor is ready, due() has come, offer(), stop(),
     * or a child of this process has changed state. */
    bool (*take)(void *self, int64_t now_us, struct adapter_report *ret_report);
    /* When take() is to be called although nothing is ready; INT64_MAX: never. */
    int64_t (*due)(const void *self);
    /* Ends the program, politely first unless AT_ONCE. GONE follows. */
    void (*stop)(void *self, int64_t now_us, bool at_once);
};

extern const struct adapter adapter_exec; /* a child process, JSON lines on its pipes */
extern const struct adapter adapter_echo; /* no program at all: the question is the answer */

/* The adapter called NAME, or NULL. */
const struct adapter *adapter_find(const char *name);

#endif
