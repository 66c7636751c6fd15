/* A deterministic simulation of everything around the core (gateway/dispatch.h): the file, the
 * committer, the tail, the network, workers, other writers, the clock. One seed decides everything,
 * and time is virtual: the same seed gives the same run, event for event.
 *
 *   run.c      one run: what happens when, faults, the end
 *   gate.c     what gateway/carry.c and gateway/door.c do with the core, done here
 *   store.c    rows, conversations, the tail, the committer
 *   network.c  connections and frames
 *   worker.c   workers and their bad habits
 *   check.c    what is promised, and whether it was kept
 *   trace.c    what happened, for people, and its hash */
#ifndef TAILGATE_TESTS_SIM_SIM_H
#define TAILGATE_TESTS_SIM_SIM_H

#include "gateway/dispatch.h"

#define MS INT64_C(1000)
#define SECOND (1000 * MS)

#define ROWS_MAX 64
#define CONVERSATIONS 6
#define SERVICES 3 /* and "*", which is number SERVICES */
#define WORKERS_MAX 8
#define CONNECTIONS_MAX 2048
#define GIVEN_MAX 4096
#define JOBS_MAX 256
#define TASKS_MAX 8
#define SLOTS_MAX 3
#define NOTES_MAX 64 /* of the trace, kept for a violation */
#define NOBODY (-1)

/* What goes wrong on purpose. A run has about half of them. */
enum fault {
    FAULT_FRAME_LOST,
    FAULT_FRAME_DELAYED,
    FAULT_LINK_CUT,
    FAULT_CLOSE_UNNOTICED,
    FAULT_PEER_FULL,
    FAULT_WORKER_CRASH,
    FAULT_WORKER_SILENT,
    FAULT_WORKER_LEAVES,
    FAULT_READY_AGAIN,
    FAULT_GARBAGE,
    FAULT_ERROR,
    FAULT_NO_RETRY,
    FAULT_ANSWER_TWICE,
    FAULT_ANSWER_LATE,
    FAULT_TOKEN_FORGED,
    FAULT_TOKEN_FOREIGN,
    FAULT_GATEWAY_CRASH,
    FAULT_CRASH_BEFORE_COMMIT,
    FAULT_CRASH_AFTER_COMMIT,
    FAULT_COMMIT_FAILS,
    FAULT_COMMIT_SLOW,
    FAULT_ROW_BUSY,
    FAULT_READ_BY_OTHERS,
    FAULT_EXPIRED,
    FAULT_DELETED,
    FAULT_CLOCK_JUMP,
    FAULTS
};

enum end { END_ANSWERED, END_DEAD, END_SUPERSEDED, END_EXPIRED, END_DELETED, ENDS };

struct conversation {
    char name[8];
    bool exists;
    int64_t expires_us; /* on the wall clock */
};

/* A row of the messages table, and what the file says about its end. */
struct row {
    int64_t id; /* its place + 1 */
    unsigned conversation, service;
    bool exists, read;
    bool ours;            /* `read` was set by us */
    unsigned replies;     /* reply rows */
    bool reply_is_error;  /* what the reply is: */
    unsigned given;       /*   the answer, of those that were given */
    unsigned audit[ENDS]; /* audit rows */
    struct token_digest digest;
};

/* An answer as a worker gave it. */
struct given {
    int64_t id;   /* the row it is for, as its giver knows */
    bool genuine; /* with a token that the gateway had given out for that row */
    bool error;
};

enum job_kind { JOB_ANSWER, JOB_DEAD, JOB_END };

struct job {
    enum job_kind kind;
    int64_t id;
    unsigned given;   /* ANSWER */
    bool settles;     /* the core waits for it */
    enum end outcome; /* set by COMMIT */
};

enum frame_kind {
    FRAME_READY,
    FRAME_BEAT,
    FRAME_FINAL,
    FRAME_PARTIAL,
    FRAME_DISCONNECT,
    FRAME_GARBAGE,
    FRAME_CLOSE, /* not a frame: the end of the connection is noticed */
    FRAME_REQUEST,
    FRAME_ERROR /* to a bare peer */
};

struct frame {
    enum frame_kind kind;
    bool named; /* it carries TOKEN: always with Majordomo */
    bool retry;
    struct token token;
    int64_t id;         /* REQUEST */
    unsigned given;     /* FINAL */
    uint32_t next_free; /* in the pool */
};

/* A lease as the checker counts it. */
struct held {
    int64_t id;
    uint32_t attempt;
};

struct connection {
    int worker;
    bool up;                          /* frames pass */
    bool drops;                       /* it was cut and takes the frames under way with it */
    bool open;                        /* as the gate knows */
    int64_t to_gate_us, to_worker_us; /* first in, first out: when the last frame arrives */
    /* the checker's */
    bool registered;
    enum worker_protocol protocol;
    unsigned slots, service;
    unsigned held;
    struct held lease[SLOTS_MAX + 1];
};

enum plan {
    PLAN_ANSWER,
    PLAN_ERROR,
    PLAN_NO_RETRY,
    PLAN_TWICE,
    PLAN_FORGED,
    PLAN_FOREIGN,
    PLAN_CRASH,
    PLAN_SILENCE,
    PLAN_LEAVE
};

/* A query in the hands of a worker. */
struct task {
    bool used;
    unsigned generation; /* tells this use of the place from others */
    enum plan plan;
    int64_t id;
    struct token token;
    int connection; /* it came by */
    unsigned partials;
};

struct worker_sim {
    bool hired, alive;
    unsigned life; /* counts crashes and restarts */
    enum worker_protocol protocol;
    bool heartbeats;
    uint32_t interval_ms;
    unsigned slots, service;
    int connection;
    bool waits; /* REQ: it has said something and waits for what comes back */
    int64_t heard_us;
    struct task task[TASKS_MAX];
    struct token foreign; /* a token of an earlier query */
    int64_t foreign_id;
};

/* What the checker knows of a query in this run of the gateway. */
struct known {
    bool seen, settled, over; /* by the tail; its end is decided; nothing may be delivered again */
    bool committing;
    int holder; /* the connection that has the current attempt, or NOBODY */
    bool holder_sent;
    uint32_t attempt;      /* of the holder */
    uint32_t sent;         /* attempts that were handed over */
    int64_t not_before_us; /* back-off */
};

enum what {
    WHAT_GATE_FRAME,
    WHAT_WORKER_FRAME,
    WHAT_BEAT,
    WHAT_TASK,
    WHAT_CONNECT,
    WHAT_REVIVE,
    WHAT_ROW,
    WHAT_TAIL,
    WHAT_COMMIT,
    WHAT_APPLY,
    WHAT_ANNOUNCE,
    WHAT_TROUBLE,
    WHAT_START
};

struct item {
    int64_t at_us;
    uint64_t order; /* of equals */
    enum what what;
    unsigned a, b, c;
};

struct note {
    int64_t at_us;
    const char *what;
    int64_t id, a, b;
};

struct totals {
    uint64_t events;
    uint64_t faults[FAULTS];
    uint64_t ends[ENDS];
    unsigned violations;
};

struct sim {
    uint64_t seed, random;
    int64_t now_us, wall_ahead_us; /* the wall clock is now + ahead */
    bool calm;                     /* no more faults */
    bool broken;                   /* a promise was broken: the run ends */
    bool print;                    /* the trace, as it happens */
    bool enabled[FAULTS];
    struct totals *totals;
    struct note note[NOTES_MAX];
    uint64_t notes, hash;
    struct item *heap;
    size_t items, room;
    uint64_t order;
    /* the gateway */
    struct dispatch *dispatch; /* NULL: it is down */
    struct dispatch_config config;
    unsigned run; /* of the gateway */
    size_t commit_queue;
    const struct frame *in_hand; /* the answer being fed */
    bool took;                   /* ANSWER came for it */
    bool nested;                 /* the core was fed while its actions were carried out */
    int64_t past_error;          /* the row of an error that must not count, or 0 */
    int64_t no_retry;            /* the row of an error that says retry: false, or 0 */
    struct known known[ROWS_MAX];
    size_t outstanding;      /* as the checker counts */
    int64_t paused_until_us; /* a row could not be read */
    int64_t flowing_us;      /* last seen: nothing waits that need not */
    int64_t idle_us;         /* how long it may */
    /* the file */
    struct row row[ROWS_MAX];
    size_t rows, rows_wanted;
    struct conversation conversation[CONVERSATIONS];
    int64_t cursor;
    bool tail_waits;
    struct job job[JOBS_MAX], done[JOBS_MAX];
    size_t jobs, group, dones;
    bool committing;
    int64_t failing_until_us;
    /* the others */
    int64_t calm_us, end_us;
    struct worker_sim worker[WORKERS_MAX];
    struct connection connection[CONNECTIONS_MAX];
    size_t connections;
    struct frame *frame;
    uint32_t frames, frame_room, frame_free;
    struct given given[GIVEN_MAX];
    size_t givens;
};

extern const char *const service_name[SERVICES + 1];

/* run.c */
/* STRICT: a query may not wait beside a free worker at all, not even for the next heartbeat. */
void run_seed(struct sim *self, uint64_t seed, struct totals *totals, bool print, bool strict);
void run_done(struct sim *self);
void run_at(struct sim *self, int64_t at_us, enum what what, unsigned a, unsigned b, unsigned c);
unsigned below(struct sim *self, unsigned bound);
int64_t between(struct sim *self, int64_t least, int64_t most);
/* True once in OF times when this run has FAULT, which is then counted. */
bool strikes(struct sim *self, enum fault fault, unsigned of);
/* The gateway is gone; it comes back. */
void run_crash(struct sim *self);

/* gate.c */
void gate_start(struct sim *self);
void gate_frame(struct sim *self, int connection, const struct frame *frame);
void gate_tick(struct sim *self);
void gate_query(struct sim *self, const struct row *row);
void gate_committed(struct sim *self, const struct job *job);
void gate_carry(struct sim *self);

/* store.c */
struct row *store_row(struct sim *self, int64_t id);
bool store_live(const struct sim *self, const struct row *row);
/* The row still wants an answer. */
bool store_open(const struct sim *self, const struct row *row);
void store_insert(struct sim *self);
void store_tail(struct sim *self);
void store_submit(struct sim *self, enum job_kind kind, int64_t id, unsigned given, bool settles);
void store_commit(struct sim *self);
void store_apply(struct sim *self);
void store_announce(struct sim *self);

/* network.c */
int network_open(struct sim *self, int worker);
void network_cut(struct sim *self, int connection, bool noticed);
void network_to_gate(struct sim *self, int connection, const struct frame *frame);
/* Returns 0, or -EAGAIN or -EHOSTUNREACH as the gate does. */
int network_to_worker(struct sim *self, int connection, const struct frame *frame);
void network_arrive(struct sim *self, const struct item *item);
struct peer network_peer(int connection);
int network_connection(const struct peer *peer);

/* worker.c */
void worker_hire(struct sim *self, int worker, bool for_all);
/* Connects; READY, or the answer that a REQ worker still owes, is another step: who does not know
 * that its connection is a new one leaves it out. */
void worker_connect(struct sim *self, int worker);
void worker_ready(struct sim *self, int worker);
void worker_frame(struct sim *self, int worker, const struct frame *frame);
void worker_beat(struct sim *self, int worker);
void worker_task(struct sim *self, int worker, unsigned task);
void worker_crash(struct sim *self, int worker);
/* Its connection is gone, and it has noticed that; or the gateway has restarted. */
void worker_reconnect(struct sim *self, int worker);

/* check.c */
void check_start(struct sim *self);
void check_action(struct sim *self, const struct action *action);
void check_delivered(struct sim *self, const struct action *action);
void check_undelivered(struct sim *self, const struct action *action, enum undeliverable why);
/* Around the feeding of an answer, an error or a partial that came by CONNECTION. */
void check_before_answer(struct sim *self, int connection, const struct event *event);
void check_after_answer(struct sim *self, const struct event *event);
void check_commit(struct sim *self, const struct job *job, const struct row *row);
void check_committed(struct sim *self, const struct job *job);
void check_sums(struct sim *self);
void check_end(struct sim *self);

/* trace.c */
void trace(struct sim *self, const char *what, int64_t id, int64_t a, int64_t b);
void trace_violation(struct sim *self, const char *promise, int64_t id, const char *text);
const char *fault_name(enum fault fault);

#endif
