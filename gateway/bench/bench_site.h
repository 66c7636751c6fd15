/* A bridge to measure on: a file in a folder of its own, made as the bridge's own programs make it,
 * with conversations and queries in it. Every connection that is opened here is closed here, so
 * that roles may be forked afterwards. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_SITE_H
#define TAILGATE_GATEWAY_BENCH_BENCH_SITE_H

#include <sqlite3.h>
#include <stdio.h>

#include "gateway/bench/bench.h"

#define BENCH_CONVERSATION_SIZE 22 /* "conv_" and 16 hexadecimal digits */
#define BENCH_SERVICE_SIZE 16

struct bench_site {
    struct bench *bench;
    char folder[PATH_MAX], db[PATH_MAX + 8];
    char gate[PATH_MAX + 32], events[PATH_MAX + 32],
        batches[PATH_MAX + 32]; /* where the gateway will listen */
    uint64_t conversations;
    uint64_t services; /* conversation C is served as service C modulo this: "default" is number 0,
                        * "s1" is number 1, … */
};

/* Makes the file, with CONVERSATIONS that last a year. Returns 0, or -1 after bench_fail(). */
int bench_site_make(struct bench *bench, uint64_t conversations, uint64_t services,
                    struct bench_site *ret_site);
/* Writes COUNT queries, numbers FIRST and up, one conversation after the other; READ: as if they
 * had been answered long ago. Each has bench->size bytes. */
int bench_site_fill(struct bench_site *self, uint64_t first, uint64_t count, bool read);
/* Removes the folder with all that is in it. */
void bench_site_destroy(struct bench_site *self);

/* The names of things. */
void bench_conversation(uint64_t index, char ret_id[BENCH_CONVERSATION_SIZE]);
void bench_service(uint64_t index, char ret_name[BENCH_SERVICE_SIZE]);
/* Writes the text of query NUMBER, SIZE bytes (or the least it needs) and a NUL, to RET_TEXT, which
 * has room for SIZE + BENCH_TEXT_LEAST. Returns the size. */
#define BENCH_TEXT_LEAST 128
size_t bench_query_text(uint64_t number, size_t size, char *ret_text);
/* The number of the query that the SIZE bytes of TEXT are or hold; UINT64_MAX: of none. */
uint64_t bench_query_number(const char *text, size_t size);

/* What has become of queries 0 to COUNT: each is to have one reply that is no error. */
struct bench_ledger {
    uint64_t replies, answered; /* answered: different queries */
    uint64_t errors;
    uint64_t unread; /* queries that are still to be answered */
};
int bench_site_audit(struct bench_site *self, struct bench_ledger *ret_ledger);
/* 0 when COUNT queries were each answered exactly once, or -1 after bench_fail(). */
int bench_site_check(struct bench_site *self, uint64_t count);
/* Waits until the file has COUNT replies, looking at its data_version every millisecond. Returns 0
 * and when the last one was there, or -1 after bench_fail(): none came for 30 s. */
int bench_site_await(struct bench_site *self, uint64_t count, int64_t *ret_us);
/* The same, until it has ROWS messages of all kinds: without looking at those that are there. */
int bench_site_await_rows(struct bench_site *self, uint64_t rows, int64_t *ret_us);

/* A connection as the bridge's programs have it, to FILE: timeout 10 s, everything else SQLite's
 * default. NULL after bench_fail(). */
sqlite3 *bench_open(const char *file);
/* Prepares SQL; NULL after bench_fail(). */
sqlite3_stmt *bench_prepare(sqlite3 *db, const char *sql);
/* Runs SQL that needs no values. 0, or -1 after bench_fail(). */
int bench_run_sql(sqlite3 *db, const char *sql);
/* The one number that SQL gives. */
int bench_number(sqlite3 *db, const char *sql, int64_t *ret_number);

#endif
