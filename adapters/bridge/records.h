/* What our own tables say: read at the start, by `dead` and by `doctor`. Every function runs one
 * short read on a connection of the caller's (DB_READER or better) and leaves no statement
 * un-reset; rows come in pages, so that nothing is read whole. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_RECORDS_H
#define TAILGATE_ADAPTERS_BRIDGE_RECORDS_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/span.h"

enum delivery_state { DELIVERY_LEASED, DELIVERY_WAITING, DELIVERY_DEAD };

/* One row of tailgate_delivery; spans are valid during the call. Times are UTC microseconds, 0: not
 * set or not a time. */
struct delivery_record {
    int64_t message_id;
    struct span conversation_id;
    struct span service;
    enum delivery_state state;
    bool claimed;
    uint32_t attempt,
        failed;         /* as in store.h; what is out of range is made to fit, 1,000,000 at most */
    struct span worker; /* size 0: none */
    int64_t pid;        /* 0: none */
    int64_t leased_at_us, due_at_us, updated_at_us;
    struct span reason;
    struct span history;  /* JSON array */
    int64_t redriven;     /* 0: not */
    struct span question; /* the row's message as stored; size 0 when it is gone (records_open()
                           * does not read it) */
    bool live;            /* its row and conversation exist and its time is not over (as above) */
};
typedef void records_see_fn(void *context, const struct delivery_record *record);

/* Which dead rows: all that is set must hold. */
struct records_filter {
    int64_t message_id;    /* 0: any */
    struct span service;   /* size 0: any */
    int64_t older_than_us; /* UTC: dead since before then; 0: any */
    bool redriven;         /* also those that were redriven already */
};

/* Rows that are leased or waiting, with a message_id above AFTER, in id order, at most LIMIT. Sets
 * *ret_count. BRIDGE_OK with none when our tables are not there. */
int records_open(sqlite3 *db, int64_t after, size_t limit, records_see_fn *see, void *context,
                 size_t *ret_count);
/* Dead rows, oldest first (updated_at, then id), at most LIMIT. NOW_US (UTC) is for `live`. */
int records_dead(sqlite3 *db, const struct records_filter *filter, int64_t now_us, size_t limit,
                 records_see_fn *see, void *context, size_t *ret_count);
/* Dead rows with a message_id below BEFORE, the highest first, at most LIMIT, also those that were
 * redriven; SEE returns false to have no more. */
typedef bool records_until_fn(void *context, const struct delivery_record *record);
int records_dead_below(sqlite3 *db, int64_t before, int64_t now_us, size_t limit,
                       records_until_fn *see, void *context);
/* The row of MESSAGE_ID in any state; BRIDGE_ABSENT when there is none. */
int records_one(sqlite3 *db, int64_t message_id, int64_t now_us, records_see_fn *see,
                void *context);

/* An answer that was kept. */
struct answer_record {
    int64_t id, message_id;
    struct span conversation_id;
    struct span why; /* "cut", "superseded", "expired", "deleted", "refused" */
    struct span worker;
    uint32_t attempt;
    struct span answer, metadata;
    int64_t kept_at_us;
};
typedef void records_answer_fn(void *context, const struct answer_record *record);
/* The answers kept for MESSAGE_ID (0: all of them, newest first), at most LIMIT. */
int records_answers(sqlite3 *db, int64_t message_id, size_t limit, records_answer_fn *see,
                    void *context, size_t *ret_count);

/* The same of MESSAGE_ID without the answers themselves, which may be long: `answer` and `metadata`
 * have size 0. */
int records_kept(sqlite3 *db, int64_t message_id, size_t limit, records_answer_fn *see,
                 void *context, size_t *ret_count);

/* Parked ids above AFTER, in id order, at most LIMIT; *ret_count of them in RET_ID. */
int records_parked(sqlite3 *db, int64_t after, size_t limit, int64_t *ret_id, size_t *ret_count);
/* How many rows tailgate_parked has, and how many of the newest dead rows were not redriven. At
 * most RECORDS_MANY + 1 rows of each are looked at: a count above RECORDS_MANY means "more than
 * that". */
#define RECORDS_MANY 100000
int records_counts(sqlite3 *db, int64_t *ret_parked, int64_t *ret_dead);
/* The highest id that messages has ever had (sqlite_sequence), 0 where it is not known. */
int records_highest(sqlite3 *db, int64_t *ret_id);
/* The word KEY of tailgate_meta as text, copied into RET_TEXT (cut to its SIZE, NUL-terminated).
 * BRIDGE_ABSENT when there is none. */
int records_note(sqlite3 *db, const char *key, char *ret_text, size_t size);

#endif
