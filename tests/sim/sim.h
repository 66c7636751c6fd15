/* A deterministic simulation of everything around the core (gateway/dispatch.h): the file, the
 * committer, the tail, the network, workers, other writers, the clock. One seed decides everything,
 * and time is virtual: the same seed gives the same run, event for event.
 *
 *   run.c           one run: its beginning, what happens when, its end
 *   agenda.c        chance, and what is to happen
 *   trouble.c       crashes, other writers, operators, the clock
 *   gate.c          frames: what gateway/door.c does with the core, done here
 *   carry.c         what gateway/carry.c and gateway/settle.c do with it
 *   upkeep.c        the start, refilling, withdrawing, and looking at rows again
 *   store.c         rows, conversations, the tail, the committer's queue
 *   commit.c        one group's transaction: messages and delivery rows
 *   network.c       connections and frames
 *   worker.c        workers: their connections, what they are told
 *   task.c          what they do with a query, with every bad habit
 *   check.c         what is promised of what the core gives out, and whether it was kept
 *   check_fed.c     the same around what is fed
 *   check_worker.c  what is promised of workers
 *   check_end.c     the same of the file, and of the end
 *   trace.c         what happened, for people, and its hash
 *
 * kinds.h names all faults, world.h says what everything is made of. */
#ifndef TAILGATE_TESTS_SIM_SIM_H
#define TAILGATE_TESTS_SIM_SIM_H

#include "tests/sim/world.h"

struct sim {
    uint64_t seed, random;
    int64_t now_us, wall_ahead_us; /* the wall clock is now + ahead */
    bool calm;                     /* no more faults */
    bool peaceful;                 /* few faults: nothing may be executed twice without need */
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
    struct rulebook rulebook[2]; /* the one in use, and the one before it */
    struct rules_entry entry[2][SERVICES];
    unsigned book;
    bool claim_changes; /* from one run of the gateway to the next */
    bool looks_again;   /* rows that the core does not know are fed again */
    unsigned run;       /* of the gateway */
    size_t commit_queue;
    bool full;                          /* as the core was told */
    bool refilling;                     /* a step of it is on the agenda */
    bool draining;                      /* it will stop soon */
    bool paused[SERVICES + 1];          /* by an operator; the last one: all */
    const struct frame *in_hand;        /* the answer being fed */
    const struct frame *joining;        /* the READY being fed */
    int joining_at;                     /*   its connection, */
    int64_t joining_pid;                /*   its worker's, */
    char joining_name[16];              /*   and its name */
    bool expected[HOLDING_MAX];         /* that it takes up its attempt again */
    bool took;                          /* ANSWER came for it */
    struct action put_off[PUT_OFF_MAX]; /* deliveries that are still to be carried out */
    size_t put_offs;
    bool nested;         /* the core was fed while its actions were carried out */
    int64_t past_error;  /* the row of an error that must not count, or 0 */
    int64_t no_retry;    /* the row of an error that says retry: false, or 0 */
    int64_t returning;   /* the row of a return that must count, or 0 */
    int64_t heard_of;    /* a held row, whose worker says that it has failed, or 0 */
    int64_t releasing;   /* the row of a RELEASE, or 0 */
    int64_t withdrawing; /* the row of a WITHDRAW, until it was withdrawn, or 0 */
    bool withdraws;      /*   and it must be */
    bool ticking;        /* only time has passed */
    struct known known[ROWS_MAX];
    size_t outstanding;      /* as the checker counts */
    int64_t paused_until_us; /* a row could not be read */
    int64_t flowing_us;      /* last seen: nothing waits that need not */
    int64_t idle_us;         /* how long it may */
    uint32_t records_at_once;
    bool reloaded;      /* the rules have changed at least once */
    bool order_changed; /* by a reload: the order of what was there before is nobody's promise */
    /* the file */
    struct row row[ROWS_MAX];
    size_t rows, rows_wanted;
    struct conversation_sim conversation[CONVERSATIONS];
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
/* The rules of a service, as the configuration says now. */
const struct rules *run_rules(const struct sim *self, unsigned service);
/* New rules; the ones before are kept, for whoever still borrows them. */
void run_make_rules(struct sim *self);

/* agenda.c */
unsigned below(struct sim *self, unsigned bound);
int64_t between(struct sim *self, int64_t least, int64_t most);
/* True once in OF times when this run has FAULT, which is then counted. */
bool strikes(struct sim *self, enum fault fault, unsigned of);
void run_at(struct sim *self, int64_t at_us, enum what what, unsigned a, unsigned b, unsigned c);
/* Takes what comes first. */
struct item agenda_take(struct sim *self);

/* trouble.c */
/* The gateway is gone; it comes back. */
void trouble_crash(struct sim *self);
void trouble(struct sim *self);
/* What operators had paused goes on. */
void trouble_over(struct sim *self);

/* gate.c */
void gate_frame(struct sim *self, int connection, const struct frame *frame);
void gate_tick(struct sim *self);

/* carry.c */
void carry_feed(struct sim *self, const struct event *event);
void carry_all(struct sim *self);
/* What was put off is carried out. */
void carry_deliveries(struct sim *self);
/* As gateway/deliveries.c in each turn: tells the core when the committer is full, or no more. */
void carry_fullness(struct sim *self);
/* What the committer has done is fed. */
void carry_done(struct sim *self, const struct job *job);

/* upkeep.c */
void upkeep_start(struct sim *self);
struct event upkeep_query(const struct sim *self, const struct row *row);
void upkeep_refill_soon(struct sim *self);
void upkeep_refill(struct sim *self);
void upkeep_sweep(struct sim *self);
void upkeep_pause(struct sim *self, unsigned service, bool on);
/* Row ID is to wait no more: tries that now, and again until it has ended. */
void upkeep_withdraw(struct sim *self, int64_t id);

/* store.c */
struct row *store_row(struct sim *self, int64_t id);
bool store_live(const struct sim *self, const struct row *row);
/* The row still wants an answer: it is unread, or CLAIMED and its delivery row stands. */
bool store_open(const struct sim *self, const struct row *row, bool claimed);
/* A living agent serves it: it is left alone. */
bool store_agents(const struct sim *self, const struct row *row);
/* The row still wants an answer, whoever has taken its flag. */
bool store_unsettled(const struct sim *self, const struct row *row);
void store_insert(struct sim *self);
void store_tail(struct sim *self);
struct job *store_submit(struct sim *self, enum job_kind kind, int64_t id);
void store_commit(struct sim *self);
void store_apply(struct sim *self);
void store_announce(struct sim *self);

/* commit.c */
/* One job inside its group's transaction, under the guard. */
void commit_apply(struct sim *self, struct job *job);

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
/* Connects, or is dialled (REP); READY, or the answer that a REQ worker still owes, is another
 * step: who does not know that its connection is a new one leaves it out. */
void worker_connect(struct sim *self, int worker);
void worker_ready(struct sim *self, int worker);
void worker_frame(struct sim *self, int worker, const struct frame *frame);
void worker_beat(struct sim *self, int worker);
void worker_crash(struct sim *self, int worker);
/* The gate, which has dialled that REP worker, has hung up. */
void worker_hung_up(struct sim *self, int connection);
/* Its connection is gone, and it has noticed that; or the gateway has restarted. */
void worker_reconnect(struct sim *self, int worker);
/* READY, with what it holds. */
void worker_say_ready(struct sim *self, const struct worker_sim *worker);
void worker_say(struct sim *self, const struct worker_sim *worker, enum frame_kind kind);
int64_t worker_pid(const struct sim *self, int worker);

/* task.c */
void task_request(struct sim *self, int worker, const struct frame *frame);
void task_step(struct sim *self, int worker, unsigned task);
void task_drop(struct task *task);
void task_drop_all(struct worker_sim *worker);
bool task_busy(const struct worker_sim *worker);
/* A REQ socket that had not answered yet says its answer in place of READY. */
bool task_answers_first(struct sim *self, struct worker_sim *worker);
void task_forge(struct sim *self, struct token *token);

/* check.c */
void check_broke(struct sim *self, const char *promise, int64_t id, const char *text);
struct known *check_known(struct sim *self, int64_t id);
/* When the attempt of query ID that has begun is over in any case. */
int64_t check_last(struct sim *self, int64_t id);
/* The holder of KNOWN has its lease from now on, or a longer one: as far as its attempt may last,
 * or where that is over, up to MOST_US. */
void check_lease_times(struct sim *self, struct known *known, int64_t id, int64_t most_us);
/* Its lease, or its commit, is over. */
void check_let_go(struct sim *self, struct known *known);
bool check_end_lease(struct sim *self, struct connection *connection, int64_t id, uint32_t attempt);
void check_start(struct sim *self);
void check_action(struct sim *self, const struct action *action);
void check_delivered(struct sim *self, const struct action *action);
void check_undelivered(struct sim *self, const struct action *action, enum undeliverable why);

/* check_fed.c */
void check_restored(struct sim *self, const struct event *event);
/* Around the feeding of a READY that came by CONNECTION. */
void check_before_ready(struct sim *self, const struct frame *frame, const struct event *event);
void check_after_ready(struct sim *self, int connection, const struct event *event);
void check_joined(struct sim *self, const struct action *action);
void check_adopted(struct sim *self, const struct action *action);
/* The READY that is being fed names that attempt, with a token that was given out. */
bool check_names(struct sim *self, int64_t id, uint32_t attempt);
void check_prolonged(struct sim *self, const struct action *action);
/* Around the feeding of an answer, an error or a partial that came by CONNECTION. */
void check_before_answer(struct sim *self, int connection, const struct event *event);
void check_after_answer(struct sim *self, const struct event *event);
void check_ended(struct sim *self, int64_t id);
/* Around the feeding of a WITHDRAW. */
void check_before_withdraw(struct sim *self, const struct event *event);
void check_after_withdraw(struct sim *self, const struct event *event);
/* A query was taken out of where it waits. */
void check_withdrawn(struct sim *self, const struct action *action);
/* A row that an agent had, and nothing on record, begins anew. */
void check_seen_again(struct sim *self, int64_t id);
/* The core does not know an open row. Returns true when it may be fed (again). */
bool check_unknown(struct sim *self, const struct row *row);
/* What the committer has done is about to be fed. */
void check_done(struct sim *self, const struct job *job);

/* check_worker.c */
/* A worker was sent a heartbeat, a DISCONNECT; it is gone. */
void check_beaten(struct sim *self, const struct action *action);
void check_dismissed(struct sim *self, const struct action *action);
void check_left(struct sim *self, const struct action *action);
/* The worker at connection NUMBER registers again and names that attempt, which it was handed. */
bool check_keeps(struct sim *self, int number, int64_t id, uint32_t attempt);
/* A Majordomo worker that is silent is given up, but while it is busy and does not beat then; one
 * look at it later than it could be. With a claim it may be busy unsaid. */
void check_silence(struct sim *self);

/* check_end.c */
void check_commit(struct sim *self, const struct job *job, const struct row *row);
void check_record(struct sim *self, const struct job *job, const struct row *row);
/* WORKER begins to work on ROW. */
void check_execution(struct sim *self, unsigned worker, const struct row *row);
void check_tick(struct sim *self);
void check_sums(struct sim *self);
void check_end(struct sim *self);

/* trace.c */
void trace(struct sim *self, const char *what, int64_t id, int64_t a, int64_t b);
void trace_violation(struct sim *self, const char *promise, int64_t id, const char *text);
const char *fault_name(enum fault fault);

#endif
