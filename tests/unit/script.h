/* Scripts for the core: one line for each event that goes in, one for each action that must come
 * out, and a clock that moves only when the script says so.
 *
 * Every action must be expected, in its order, before the next event: an action that nobody asked
 * for fails the script. After every event the counters of the core are added up. JOINED is taken by
 * given_worker(), heartbeats are counted apart (heartbeats_sent()), for they come with time.
 *
 * Workers are healthy: they beat as they promise while time passes, until falls_silent(). */
#ifndef TAILGATE_TESTS_UNIT_SCRIPT_H
#define TAILGATE_TESTS_UNIT_SCRIPT_H

#include "gateway/dispatch.h"

#define MS INT64_C(1000)
#define SECOND (1000 * MS)

#define HOLDS_MAX 8

/* What a script may change; 0 means what config says by default, a queue and a window that are
 * large enough, and nothing recorded that has not failed. */
struct settings {
    int64_t lease_us, attempt_max_us, attempt_hard_max_us, backoff_first_us, backoff_max_us;
    int64_t beat_us, grace_us, record_after_us;
    uint64_t seed;
    uint32_t attempts, record_at_once;
    size_t queue, window;
    enum order order;
    bool claim;
};

/* A token in READY's `holding`: of row ID, with the MAC of row OF where that is given. */
struct held {
    int64_t id;
    uint32_t attempt;
    bool forged;
    int64_t of;
};
#define HELD(number, of_attempt, ...)                                                              \
    {                                                                                              \
        .id = number, .attempt = of_attempt, __VA_ARGS__                                           \
    }

/* What a worker says of itself; 0 means: MDP, service "default", one slot. */
struct hire {
    bool given;
    const char *called; /* another name than that of its connection */
    const char *service;
    enum worker_protocol protocol;
    uint32_t slots;
    bool heartbeats;
    uint32_t interval_ms;
    int64_t pid;
    struct held holds[HOLDS_MAX]; /* up to the first without an id */
};

/* What is on record of a row; 0 means: attempt 1, of a worker "w1", its time is over, and nobody
 * knows when it began. */
struct kept {
    bool leased, claimed;
    uint32_t attempt, failed;
    int64_t for_us; /* nobody else gets it so long */
    int64_t age_us; /* its attempt began so long ago */
    const char *worker;
    int64_t pid;
    const char *reason;
};

/* cmocka fixtures: a fresh core for each test; at its end nothing unexpected may be left. */
int script_begin(void **state);
int script_end(void **state);
#define script_test(function) cmocka_unit_test_setup_teardown(function, script_begin, script_end)
/* Starts over with other settings: given_settings(.queue = 2). */
#define given_settings(...) script_settings((struct settings){__VA_ARGS__})
void script_settings(struct settings settings);
/* Changes the rules of SERVICE (NULL: the general ones) while everything goes on: those of the
 * settings that are rules. */
#define given_rules(service, ...) script_rules(service, (struct settings){__VA_ARGS__})
void script_rules(const char *service, struct settings settings);

/* Time. */
int64_t now_us(void);
void pass_us(int64_t us);

/* Workers. given_worker("w1", .service = "*", .slots = 2): READY, which must be accepted.
 * worker_says_ready(): the same, and what comes of it is for the script to expect. */
#define given_worker(name, ...) script_hire(name, (struct hire){.given = true, __VA_ARGS__})
#define worker_says_ready(name, ...) script_ready(name, (struct hire){.given = true, __VA_ARGS__})
void script_hire(const char *name, struct hire hire);
void script_ready(const char *name, struct hire hire);
void falls_silent(const char *name);
void beats(const char *name);
/* It heartbeats and says that it takes SLOTS queries at once from now on; what comes of that is to
 * be expected. */
void beats_with(const char *name, uint32_t slots);
void says_disconnect(const char *name);
/* Heartbeats sent to NAME since the last call. */
unsigned heartbeats_sent(const char *name);
/* The worker as the core knows it, or NULL. */
const struct worker *worker_called(const char *name);

/* Rows. A row exists when it is in the file, and is seen when the tail has come by. */
void row_exists(int64_t id, const char *conversation, const char *service);
void row_seen(int64_t id, const char *conversation, const char *service);
void row_deleted(int64_t id);
void row_read_by_others(int64_t id);
bool row_is_read(int64_t id);

/* Answers of the worker NAME (registered or not) with the token of that attempt. */
void answers(const char *name, int64_t id, uint32_t attempt);
void answers_with_error(const char *name, int64_t id, uint32_t attempt, const char *reason);
void gives_up(const char *name, int64_t id, uint32_t attempt, const char *reason); /* no retry */
void gives_back(const char *name, int64_t id, uint32_t attempt, const char *reason);
void answers_with_forged_token(const char *name, int64_t id, uint32_t attempt);
void answers_with_token_of(const char *name, int64_t id, int64_t other_id, uint32_t attempt);
void sends_partial(const char *name, int64_t id, uint32_t attempt);

/* What comes back from those who carry actions out. committed() makes the row read; undeliverable()
 * may come while other actions wait, as it does in the gateway. A failure is on disk before
 * anything else happens, but after hold_records() only when recorded() says so. */
void committed(int64_t id);
void undeliverable(int64_t id, uint32_t attempt, enum undeliverable why);
void hold_records(void);
void recorded(int64_t id);
void claimed(int64_t id);    /* its row is read now, by us, */
void claim_lost(int64_t id); /*   or by somebody else */
void ended(int64_t id);
void withdrawn(int64_t id, const char *reason); /* it dies for REASON; NULL: it is dropped */
void drain(void);
/* SERVICE (NULL: all) is paused, or goes on. */
void pauses(const char *service, bool on);
/* What commits has enough to do, or has room again. */
void full(bool on);

/* After a restart: what is on record of a row that exists; its worker is known to be gone. */
#define given_restored(id, ...) script_restore(id, (struct kept){__VA_ARGS__})
void script_restore(int64_t id, struct kept kept);
void released(int64_t id, const char *reason);

/* Reads the rows of SERVICE again if the core wants that of some service, which must be this one
 * (NULL: any). Returns false when it wants none. */
bool refills_once(const char *service);

/* Expectations. */
#define expect_deliver(id, attempt, worker)                                                        \
    script_expect(__FILE__, __LINE__, "deliver %lld #%u to %s", (long long)(id),                   \
                  (unsigned)(attempt), worker)
#define expect_answer(id, attempt)                                                                 \
    script_expect(__FILE__, __LINE__, "answer %lld #%u", (long long)(id), (unsigned)(attempt))
#define expect_dead(id, failed, reason)                                                            \
    script_expect(__FILE__, __LINE__, "dead %lld after %u: %s", (long long)(id),                   \
                  (unsigned)(failed), reason)
#define expect_drop(id) script_expect(__FILE__, __LINE__, "drop %lld", (long long)(id))
#define expect_gone(id) script_expect(__FILE__, __LINE__, "gone %lld", (long long)(id))
#define expect_retry(id, attempt, reason)                                                          \
    script_expect(__FILE__, __LINE__, "retry %lld after #%u: %s", (long long)(id),                 \
                  (unsigned)(attempt), reason)
#define expect_returned(id, attempt, reason)                                                       \
    script_expect(__FILE__, __LINE__, "returned %lld after #%u: %s", (long long)(id),              \
                  (unsigned)(attempt), reason)
#define expect_claim(id, attempt, worker)                                                          \
    script_expect(__FILE__, __LINE__, "claim %lld #%u for %s", (long long)(id),                    \
                  (unsigned)(attempt), worker)
#define expect_record(id, attempt, worker)                                                         \
    script_expect(__FILE__, __LINE__, "record %lld #%u at %s", (long long)(id),                    \
                  (unsigned)(attempt), worker)
#define expect_adopted(id, attempt, worker)                                                        \
    script_expect(__FILE__, __LINE__, "adopted %lld #%u by %s", (long long)(id),                   \
                  (unsigned)(attempt), worker)
#define expect_joined(worker) script_expect(__FILE__, __LINE__, "joined %s", worker)
#define expect_left(worker, reason) script_expect(__FILE__, __LINE__, "left %s: %s", worker, reason)
#define expect_disconnect(worker) script_expect(__FILE__, __LINE__, "disconnect %s", worker)
#define expect_refused(why, id, attempt)                                                           \
    script_expect(__FILE__, __LINE__, "refused %s %lld #%u", why, (long long)(id),                 \
                  (unsigned)(attempt))
#define expect_nothing() script_expect_nothing(__FILE__, __LINE__)
void script_expect(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void script_expect_nothing(const char *file, int line);
/* The action that was expected last, to look at its other members; or, when nothing was, the first
 * that waits. */
const struct action *last_action(void);
/* Takes the next action, whatever it is; NULL when none waits. */
const struct action *any_action(void);

/* A situation that many scripts begin with. Two workers have had query 17: "late" lost it at the
 * end of its lease and is still at it (query 18 in its other slot keeps it registered), "next" has
 * the second attempt. */
void given_a_late_worker(void);

/* The core, for questions that need no event, and how many queries it knows beside those that wait
 * for their first worker. */
struct dispatch *core(void);
size_t flights(void);

/* Small abbreviations of expectations that come together. */
#define expect_retry_and_left(id, attempt, worker, reason)                                         \
    do {                                                                                           \
        expect_retry(id, attempt, reason);                                                         \
        expect_left(worker, reason);                                                               \
    } while (0)

#endif
