/* What the simulated world is made of: the file, the network, workers, and what the checker knows
 * of a query. */
#ifndef TAILGATE_TESTS_SIM_WORLD_H
#define TAILGATE_TESTS_SIM_WORLD_H

#include "gateway/dispatch.h"
#include "tests/sim/kinds.h"

#define MS INT64_C(1000)
#define SECOND (1000 * MS)

#define ROWS_MAX 64
#define PUT_OFF_MAX 512
#define CONVERSATIONS 6
#define SERVICES 3 /* and "*", which is number SERVICES */
#define WORKERS_MAX 8
#define CONNECTIONS_MAX 2048
#define GIVEN_MAX 4096
#define JOBS_MAX 1024
#define TASKS_MAX 8
#define SLOTS_MAX 3
#define HOLDING_MAX (TASKS_MAX + 1)
#define NOTES_MAX 64 /* of the trace, kept for a violation */
#define NOBODY (-1)

/* As workers.h says, in words of our own. */
static inline bool is_majordomo(enum worker_protocol protocol)
{
    return protocol == WORKER_MDP_02 || protocol == WORKER_MDP_01;
}

struct conversation_sim {
    char name[8];
    bool exists;
    int64_t expires_us; /* on the wall clock */
    int64_t agent_until_us;
};

/* A row of tailgate_delivery. */
struct delivery_row {
    enum { DELIVERY_NONE, DELIVERY_LEASED, DELIVERY_WAITING, DELIVERY_DEAD } state;
    bool claimed;
    uint32_t attempt, failed;
    int64_t pid, due_wall_us; /* 0: not known */
    int64_t leased_wall_us;   /* when the attempt began */
    char worker[16];
    int holder; /* which one that is */
};

/* A query that was in a worker's hands, and on record, when the gateway crashed in a peaceful run.
 */
struct guarded {
    bool on;
    unsigned worker, life, task, generation;
    int64_t until_us;
};

/* A row of the messages table, and what the file says about its end. */
struct row {
    int64_t id; /* its place + 1 */
    unsigned conversation, service;
    bool exists, read;
    bool left;             /* to an agent: a second look brings it back */
    bool ours;             /* it was answered, or died, by us */
    bool dropped;          /*   or was dropped */
    bool poison, returned; /* what it does to its workers, they do with it */
    unsigned replies;      /* reply rows */
    bool reply_is_error;   /* what the reply is: */
    unsigned given;        /*   the answer, of those that were given */
    unsigned audit[ENDS];  /* audit rows */
    uint32_t failures;     /* the most that the file has ever said */
    struct delivery_row delivery;
    struct guarded guarded;
    struct token_digest digest;
};

/* An answer as a worker gave it. */
struct given {
    int64_t id;   /* the row it is for, as its giver knows */
    bool genuine; /* with a token that the gateway had given out for that row */
    bool error, returned;
};

struct job {
    enum job_kind kind;
    int64_t id;
    unsigned given; /* ANSWER */
    bool settles;   /* the core waits for it */
    bool told;      /* the core waits for CLAIMED or RECORDED */
    bool claim;     /* LEASE */
    bool returned;  /* FAIL */
    bool claimed;   /* the guard is the delivery row */
    bool recorded;  /* there may be a delivery row */
    struct delivery_row row;
    enum end outcome; /* set by COMMIT; LEASE: END_ANSWERED when it is ours */
};

struct frame {
    enum frame_kind kind;
    bool named; /* it carries TOKEN: always with Majordomo */
    bool retry;
    struct token token;
    int64_t id;        /* REQUEST */
    unsigned given;    /* FINAL */
    bool resized;      /* BEAT: */
    unsigned slots;    /*   it takes so many at once from now on */
    unsigned holdings; /* READY: */
    struct token holding[HOLDING_MAX];
    bool genuine[HOLDING_MAX]; /* that token was given out for its row */
    uint32_t next_free;        /* in the pool */
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
    bool registered, heartbeats;
    bool dismissed;   /* its worker was told that it is given up */
    int64_t quiet_us; /* since it was heard, given a query, or got rid of one */
    enum worker_protocol protocol;
    unsigned slots, service;
    unsigned held;
    struct held lease[SLOTS_MAX + 1];
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
    bool heartbeats, holds; /* it implements READY's `holding` */
    bool has_pid, has_name; /* the gate knows its process; it says its name */
    uint32_t interval_ms;
    unsigned slots, service;
    bool closed; /* its last heartbeat with a number of slots said 0 */
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
    bool claiming, relet; /* CLAIM came; the lease it was for is gone, another may follow unsaid */
    bool claimed;         /* its row is ours */
    unsigned writing;     /* ends of attempts that are not in the file yet */
    bool resting;         /* after a failure or return, until it is given out again */
    bool held;            /* restored: in the hands of its worker before the restart (D8) */
    int64_t held_until_us, held_pid;
    char held_worker[16];
    int holder; /* the connection that has the current attempt, or NOBODY */
    bool holder_sent;
    bool recorded, at_once, prolonged; /* RECORD came for the holder's lease, or may come early */
    uint32_t attempt;                  /* of the holder; held: the one before the restart */
    uint32_t begun;                    /* the last attempt's number, */
    int64_t begun_us;                  /*   and when it began: not only in this run */
    uint32_t failed, returned;
    int64_t due_us;                              /* back-off */
    int64_t delivered_us, lease_end_us, hard_us; /* of the holder's lease */
    int64_t given_us;                            /* when it was last handed out, to be sent */
    int64_t recorded_due_us, undelivered_us;
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
    uint64_t restarts, restored, adopted, guarded, claims, records, refills;
    unsigned violations;
};

#endif
