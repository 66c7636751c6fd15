#include "gateway/bench/bench_writer.h"

#include <stdlib.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "proto/buffer.h"
#include "proto/stamp.h"

#define MISSED_US 10000000 /* a query that no worker has after this has been missed */
#define MISSES_MAX 5       /* after which there is nothing more to be learnt */

static int insert(sqlite3 *db, const char *conversation, const char *text, size_t size)
{
    char now[STAMP_SIZE];
    sqlite3_stmt *insert = bench_prepare(
        db, "INSERT INTO messages(conversation_id, from_session, to_session, message, timestamp)"
            " VALUES(?1, 'a', 'b', ?2, ?3)");
    int code;

    if (!insert)
        return -1;
    stamp_format(clock_utc_us(), now);
    sqlite3_bind_text(insert, 1, conversation, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, text, (int)size, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, now, -1, SQLITE_STATIC);
    code = sqlite3_step(insert);
    sqlite3_finalize(insert); /* which ends the transaction: COMMIT has returned */
    if (code == SQLITE_BUSY)
        return 1;
    return code == SQLITE_DONE ? 0 : bench_fail("a writer: %s", sqlite3_errmsg(db));
}

int bench_write(struct bench_site *site, sqlite3 *db, uint64_t number, struct bench_board *board)
{
    char *text = memory_new(site->bench->size + BENCH_TEXT_LEAST);
    size_t size = bench_query_text(number, site->bench->size, text);
    char id[BENCH_CONVERSATION_SIZE];
    struct bench_trip *trip = &board->trip[number];
    int code;

    bench_conversation(number % site->conversations, id);
    atomic_store(&trip->asked_us, clock_mono_us());
    code = insert(db, id, text, size);
    if (code == 0)
        atomic_store(&trip->committed_us, clock_mono_us());
    if (code == 1)
        atomic_fetch_add(&board->locked, 1);
    free(text);
    return code;
}

/* The rows of one transaction, from NUMBER on; returns as bench_write(). */
static int write_together(const struct bench_writer *writer, sqlite3 *db, uint64_t number)
{
    int code = bench_run_sql(db, "BEGIN");

    for (uint64_t i = 0; i < writer->rows && code == 0; i++)
        code = bench_write(writer->site, db, number + i * writer->step, writer->board);
    if (code != 0)
        return code;
    code = bench_run_sql(db, "COMMIT");
    for (uint64_t i = 0; i < writer->rows; i++)
        atomic_store(&writer->board->trip[number + i * writer->step].committed_us, clock_mono_us());
    return code;
}

/* One transaction, over a connection of its own. */
static int write_some(const struct bench_writer *writer, uint64_t number)
{
    sqlite3 *db = bench_open(writer->site->db);
    int code = -1;

    if (db)
        code = writer->rows > 1 ? write_together(writer, db, number)
                                : bench_write(writer->site, db, number, writer->board);
    if (code == 0 && writer->manner == BENCH_ONE_BY_ONE &&
        !bench_board_wait(writer->board, MISSED_US) &&
        atomic_fetch_add(&writer->board->missed, 1) + 1 == MISSES_MAX)
        code = bench_fail("%d queries reached no worker within 10 s", MISSES_MAX);
    sqlite3_close(db);
    return code < 0 ? -1 : 0;
}

/* The last one who closes a file writes its WAL back: that is nobody's business here, where a
 * gateway is about, or where its absence is measured. */
static sqlite3 *keep_open(const struct bench_site *site)
{
    sqlite3 *db = bench_open(site->db);
    int64_t count;

    if (db)
        bench_number(db, "SELECT count(*) FROM conversations", &count);
    return db;
}

int bench_keeper_run(const void *site)
{
    sqlite3 *kept = keep_open(site);

    while (kept) /* until SIGTERM */
        pause();
    return -1;
}

int bench_writer_run(const void *work)
{
    const struct bench_writer *writer = work;
    sqlite3 *kept = keep_open(writer->site);
    uint64_t rows = writer->rows > 1 ? writer->rows : 1;
    int64_t due_us = clock_mono_us();
    int code = kept ? 0 : -1;

    for (uint64_t i = 0; i < writer->count && code == 0; i += rows) {
        code = write_some(writer, writer->first + i * writer->step);
        due_us += writer->pause_us;
        if (writer->manner == BENCH_ONE_BY_ONE || writer->manner == BENCH_APART)
            due_us = clock_mono_us() + writer->pause_us;
        if (due_us > clock_mono_us())
            bench_sleep(due_us - clock_mono_us());
        else if (writer->manner != BENCH_STEADY)
            due_us = clock_mono_us(); /* what was late is not made up for */
    }
    sqlite3_close(kept);
    return code;
}
