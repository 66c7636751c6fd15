/* The kinds of everything that happens in the simulation. */
#ifndef TAILGATE_TESTS_SIM_KINDS_H
#define TAILGATE_TESTS_SIM_KINDS_H

/* What goes wrong on purpose. A run has about half of them, a peaceful one only a few. */
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
    FAULT_HOLDING_LOST,    /* READY leaves out what its worker still has */
    FAULT_HOLDING_FOREIGN, /* READY names what its worker never had, or a forged token */
    FAULT_GARBAGE,
    FAULT_ERROR,
    FAULT_NO_RETRY,
    FAULT_RETURNED,
    FAULT_ANSWER_TWICE,
    FAULT_ANSWER_LATE,
    FAULT_TOKEN_FORGED,
    FAULT_TOKEN_FOREIGN,
    FAULT_POISON, /* a query that kills its worker, the gateway, or both */
    FAULT_GATEWAY_CRASH,
    FAULT_CRASH_BEFORE_COMMIT,
    FAULT_CRASH_AFTER_COMMIT,
    FAULT_COMMIT_FAILS,
    FAULT_COMMIT_SLOW,
    FAULT_RECORD_LATE, /* a group with a delivery row in it is slow */
    FAULT_ROW_BUSY,
    FAULT_READ_BY_OTHERS,
    FAULT_EXPIRED,
    FAULT_DELETED,
    FAULT_AGENT, /* somebody else serves a conversation for a while */
    FAULT_CLOCK_JUMP,
    FAULT_PAUSED,    /* an operator pauses a service, or all */
    FAULT_RELOAD,    /* the rules change */
    FAULT_DRAIN,     /* the gateway is told to stop */
    FAULT_WITHDRAWN, /* somebody does not want a query to wait any more */
    FAULTS
};

enum end { END_ANSWERED, END_DEAD, END_DROPPED, END_SUPERSEDED, END_EXPIRED, END_DELETED, ENDS };

enum job_kind {
    JOB_ANSWER,
    JOB_DEAD,
    JOB_DROP,
    JOB_END,
    JOB_LEASE, /* a worker has the query, or is to have it: `claim` */
    JOB_FAIL   /* an attempt has failed; or it was given back: `returned` */
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

/* What a worker will do with a query. */
enum plan {
    PLAN_ANSWER,
    PLAN_ERROR,
    PLAN_NO_RETRY,
    PLAN_RETURN,
    PLAN_TWICE,
    PLAN_FORGED,
    PLAN_FOREIGN,
    PLAN_CRASH,
    PLAN_CRASH_GATEWAY,
    PLAN_CRASH_BOTH,
    PLAN_SILENCE,
    PLAN_LEAVE
};

/* What is on the agenda. */
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
    WHAT_REFILL,
    WHAT_DELIVER,
    WHAT_SWEEP,
    WHAT_WITHDRAW,
    WHAT_TROUBLE,
    WHAT_STOP,
    WHAT_START
};

#endif
