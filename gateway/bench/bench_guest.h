/* Guests: programs that share the file with the gateway, insert at their own beat until they are
 * ended, and know nothing of it. Each insert is the bridge's: connect, insert, commit, close. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_GUEST_H
#define TAILGATE_GATEWAY_BENCH_BENCH_GUEST_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_site.h"

#define BENCH_GUESTS 4

/* All guests of a run. Guest G writes the queries FIRST + G, FIRST + G + BENCH_GUESTS, … below the
 * room of the board. Of an insert there is asked_us, before it connected, and committed_us; where
 * this is missing, its 10 s for the lock were over (board->locked).
 *
 * With --guest COMMAND each is a process of COMMAND DB CONVERSATION FIRST STEP PAUSE_US SIZE, which
 * begins an insert every PAUSE_US (0: at once after the former) until its input ends. It prints
 * "ready" when it begins, and for each insert the line "NUMBER ASKED_US COMMITTED_US", in
 * microseconds of CLOCK_MONOTONIC, 0 for what was locked. tests/bench/guest.py is one. */
struct bench_guests {
    struct bench_site *site;
    uint64_t first;
    int64_t pause_us;
    struct bench_board *board;
    struct bench_role role[BENCH_GUESTS];
};

/* 0, or -1 after bench_fail() with none of them left. */
int bench_guests_start(struct bench_guests *self);
/* Each ends the insert that it is at. 0, or -1 after bench_fail(). */
int bench_guests_end(struct bench_guests *self);

/* How long inserts took, of the guest for whom each was worst. */
struct bench_patience {
    int64_t p50_us, p99_us, most_us;
    uint64_t inserts; /* of all */
};
void bench_guests_measure(const struct bench_guests *self, struct bench_patience *ret_patience);

#endif
