/* What the processes of a run tell each other: shared memory with a place for each query, in which
 * each stamps what it saw (clock_mono_us(), which is one clock for all of them). A stamp is 0 until
 * then. Nothing of it goes through the gateway, and nobody waits for anybody to write. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_BOARD_H
#define TAILGATE_GATEWAY_BENCH_BENCH_BOARD_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One query's way, by its number. */
struct bench_trip {
    _Atomic int64_t asked_us;     /* its writer began to insert it, */
    _Atomic int64_t committed_us; /* and its COMMIT returned */
    _Atomic int64_t received_us;  /* a worker had it, for the first time */
    _Atomic int64_t visible_us;   /* its reply was there for who reads the file */
};

struct bench_board {
    sem_t arrived;              /* posted with each query that a worker has, where `rings` */
    bool rings;                 /* set before the processes start */
    _Atomic int64_t first_us;   /* the first query of all was with a worker */
    _Atomic int64_t ended_us;   /* the last of what is measured was done */
    _Atomic uint64_t received;  /* by workers, repetitions included */
    _Atomic uint64_t locked;    /* inserts that failed because the database was locked */
    _Atomic uint64_t missed;    /* queries that no worker had within 10 s */
    _Atomic uint64_t ready;     /* processes that have come so far as to begin */
    _Atomic uint64_t extra[16]; /* for a figure's own use */
    uint64_t room;              /* numbers below it have a trip */
    struct bench_trip trip[];
};

/* Before the processes that share it are forked. NULL: no memory, errno says why. */
struct bench_board *bench_board_new(uint64_t room);
void bench_board_destroy(struct bench_board **self);
/* A worker has query NUMBER. */
void bench_board_received(struct bench_board *self, uint64_t number);
/* Waits for the next ring, for at most TIMEOUT_US; false: there was none. */
bool bench_board_wait(struct bench_board *self, int64_t timeout_us);

/* Waits until COUNT processes are ready. 0, or -1 after bench_fail(): they were not within 30 s. */
int bench_board_await_ready(const struct bench_board *self, uint64_t count);

/* From which stamp to which: "offsetof (struct bench_trip, committed_us)". Returns how many queries
 * have both; their differences, in order, go to *ret_us, for the caller to free. */
uint64_t bench_board_delays(const struct bench_board *self, size_t from, size_t to,
                            int64_t **ret_us);

#endif
