/* How a persistent program is reached: the one interface that every adapter implements. An adapter
 * is a file and a row of the table in adapters.c. It moves queries and answers to and from its
 * program and says what happened; when to start it again, which query an answer belongs to, how
 * long one may take and when to pause is decided in worker.c. It logs nothing and knows nothing of
 * the gateway.
 *
 *   make ──▶ stopped ──start──▶ starting ──report READY──▶ running ──stop, or report BROKEN──▶
 * ending ▲                   │                         │                                  │ └────
 * report GONE ──┴─────────────────────────┴──────────────────────────────────┘
 *
 * `starting` lasts as long as the program needs to come up: an adapter that finds nobody looks
 * again by itself and says so once (ADAPTER_NOTE).
 *
 * No call blocks, except destroy(), which ends a program that still runs and waits for it. What a
 * program sends is hostile until it is checked: an answer or a part of one has at most
 * LIMIT_FRAME_SIZE bytes, and what is no answer is reported as FAILED with its first bytes
 * (excerpt.h). */
#ifndef TAILGATE_ADAPTERS_WORKER_ADAPTER_H
#define TAILGATE_ADAPTERS_WORKER_ADAPTER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/span.h"

/* Descriptors that one instance asks to poll at most: who has more puts them into an epoll. */
#define ADAPTER_DESCRIPTORS 4
#define ADAPTER_WHY 300 /* bytes of a sentence that says what is wrong, with its NUL */

/* What the command line says to an adapter; each takes what is its own. All borrowed for good. */
struct adapter_setup {
    const char *target; /* the value of the adapter's own option, "HOST:PORT"; NULL: it has none */
    const char *db;     /* the bridge whose gateway the worker serves; NULL: --gate was given */
    char *const *command;     /* exec, agent: program and arguments, NULL-terminated; empty: none */
    unsigned slots;           /* queries that are offered at once, at most */
    bool per_query;           /* exec: a child for each query */
    int64_t memory_mib;       /* exec: of address space that a child may have; 0: no limit */
    bool keep;                /* tcp: one connection for all queries */
    const char *model;        /* http: speak to an OpenAI-compatible server; NULL: plain JSON */
    const char *system;       /* http: a file with the system prompt; NULL: none */
    const char *key_file;     /* http: a file with the key; NULL: none */
    const char *key_env;      /* http: the environment variable that has it; NULL: none */
    const char *contexts;     /* http: the folder of context files; NULL: they are not read */
    bool whole;               /* http: do not ask for a stream */
    const char *session;      /* agent: what shares a session: "query", "worker", "conversation" */
    int64_t restart_after;    /* agent: queries; 0: never */
    int64_t restart_every_us; /* agent: 0: never */
    int64_t silence_us;       /* agent: without an event while it works, it hangs; 0: never */
};

enum adapter_option_kind {
    ADAPTER_FLAG,   /* bool */
    ADAPTER_TEXT,   /* const char * */
    ADAPTER_NUMBER, /* int64_t, MIN to MAX */
    ADAPTER_TIME    /* int64_t microseconds, MIN to MAX; written 10, 500ms, 5m … */
};

/* An option that only one adapter has. */
struct adapter_option {
    const char *name; /* without dashes; a table of them ends with NULL */
    enum adapter_option_kind kind;
    size_t offset;     /* in struct adapter_setup, which also has its default */
    const char *value; /* what its value is called: "FILE"; NULL for a flag */
    const char *help;  /* one line: small initial, no full stop */
    int64_t min, max;
};

enum adapter_report_kind {
    ADAPTER_READY,    /* the program can be given queries: once after each start() */
    ADAPTER_ANSWER,   /* TEXT is the final answer to the query TOKEN (WIRE.md, "The answer") */
    ADAPTER_PARTIAL,  /* TEXT is a part of it; the query stays in flight */
    ADAPTER_FAILED,   /* the query TOKEN has no answer, TEXT says why: that costs it an attempt */
    ADAPTER_RETURNED, /* so too, but it was never begun: that costs nothing, another worker gets it
                       */
    ADAPTER_SAID,     /* TEXT is one line that the program wrote for people */
    ADAPTER_NOTE,     /* TEXT is a sentence about reaching it, "waiting for …" */
    ADAPTER_BROKEN,   /* it cannot go on, TEXT says why; it is being ended and GONE follows */
    ADAPTER_GONE      /* it is stopped, TEXT says how it ended; what was in flight has no answer */
};

/* Spans are borrowed until the next call on the instance. */
struct adapter_report {
    enum adapter_report_kind kind;
    struct span token; /* of ANSWER to RETURNED; size 0: the oldest query in flight */
    struct span text;
    bool final;      /* FAILED: no other attempt would fare better */
    int64_t rest_us; /* FAILED: monotonic: offer nothing before that (Retry-After); 0: not said */
};

struct adapter {
    const char *name;  /* also its option: --tcp; exec has none */
    const char *value; /* what the option's value is called: "HOST:PORT"; NULL: it takes none */
    const char *about; /* one line for --list and --help: small initial, no full stop */
    const struct adapter_option *options; /* of its own; NULL: none */
    unsigned slots_max;                   /* queries at once at most; 0: no limit of its own */
    bool takes_command;                   /* -- CMD ARG... may follow */
    bool alone; /* its target can be served by one instance only: no --count */
    /* Looks at the command line before anything starts: 0, or -1 and why. NULL: nothing to see. */
    int (*check)(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY]);
    /* A stopped instance (on the heap); never NULL. */
    void *(*make)(const struct adapter_setup *setup);
    /* Frees it and sets *self to NULL; NULL is fine. */
    void (*destroy)(void **self);
    /* Starts the program, or begins to look for it. Returns 0, or -errno and is stopped. */
    int (*start)(void *self);
    /* A sentence about why the last start() failed, borrowed until the next call; NULL: what errno
     * means is all there is to say. */
    const char *(*why)(const void *self);
    /* Hands a query over (copied). Without effect unless running. */
    void (*offer)(void *self, struct span token, struct span query);
    /* Lets go of the query TOKEN, whose time is over, and nothing more is reported of it. Returns
     * false when only the end of the whole program can do that. NULL: always. */
    bool (*drop)(void *self, struct span token, int64_t now_us);
    /* Fills in what to poll; returns how many. */
    size_t (*descriptors)(const void *self, struct pollfd ret_poll[ADAPTER_DESCRIPTORS]);
    /* Takes the next thing that happened, reading and writing what can be without blocking. To be
     * called until it returns false, after a descriptor is ready, due() has come, offer(), stop(),
     * drop(), or a child of this process has changed state. */
    bool (*take)(void *self, int64_t now_us, struct adapter_report *ret_report);
    /* When take() is to be called although nothing is ready; INT64_MAX: never. */
    int64_t (*due)(const void *self);
    /* Ends the program, politely first unless AT_ONCE. GONE follows, from `starting`, too. */
    void (*stop)(void *self, int64_t now_us, bool at_once);
};

/* Every adapter, in the order of the manual; the list ends with NULL. */
extern const struct adapter *const adapter_table[];
/* The adapter called NAME, or NULL. */
const struct adapter *adapter_find(const char *name);

extern const struct adapter adapter_exec;   /* a child process, JSON lines on its pipes */
extern const struct adapter adapter_bridge; /* another bridge database */
extern const struct adapter adapter_echo;   /* no program at all: the question is the answer */

#endif
