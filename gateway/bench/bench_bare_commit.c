#include "gateway/bench/bench_bare_commit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/bridge/sql.h"
#include "adapters/host/clock.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_worker.h"
#include "proto/buffer.h"
#include "proto/stamp.h"

#define CHECKPOINT_FRAMES 400
#define CHECKPOINT_BUSY_MS 5

enum { GUARD, REPLY, AUDIT, BEGIN, COMMIT, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [GUARD] = "UPDATE messages SET read = 1 WHERE id = ?1 AND conversation_id = ?2"
              " AND coalesce(read, 0) = 0 AND EXISTS (SELECT 1 FROM conversations c"
              " WHERE c.id = ?2 AND " SQL_LIVE("c.expires_at", "?3") ")",
    [REPLY] = "INSERT INTO messages(conversation_id, from_session, to_session, message, metadata,"
              " timestamp, read) VALUES(?1, 'b', 'a', ?2, ?3, ?4, 0)",
    [AUDIT] = "INSERT INTO audit_log(conversation_id, session_id, action, details, timestamp)"
              " VALUES(?1, 'b', 'send_message', ?2, ?3)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

struct committing {
    const struct bench_bare_commit *work;
    sqlite3 *db;
    sqlite3_stmt *run[STATEMENTS];
    struct buffer text, metadata, details; /* of every reply: as long as those of the gateway */
    int frames;                            /* in the WAL */
};

/* As long as the answer of a worker (bench_answer_text()) has become in the gateway's reply row. */
static void compose(struct committing *self)
{
    char *answer = memory_new(self->work->site->bench->size + BENCH_TEXT_LEAST);

    bench_answer_text(self->work->site->bench->size, answer);
    buffer_format(
        &self->text,
        "{\"type\":\"response\",\"query_id\":\"q0000000001\",%.*s,\"sources\":[],"
        "\"shard_id\":\"bench-12345\",\"llm_type\":\"unknown\",\"response_time_sec\":0.071}",
        (int)strlen(answer) - 2, answer + 1);
    buffer_text(
        &self->metadata,
        "{\"in_reply_to\":123456,\"service\":\"default\",\"worker\":\"bench-12345\","
        "\"attempt\":1,\"response_time_sec\":0.071,\"verified\":{\"principal\":\"uid:0\"}}");
    buffer_format(&self->details,
                  "{\"to\": \"a\", \"message_length\": %zu, \"redacted\": false, "
                  "\"verified\": \"uid:0\"}",
                  self->text.size);
    free(answer);
}

static int count_frames(void *with, sqlite3 *db, const char *name, int frames)
{
    (void)db, (void)name;
    ((struct committing *)with)->frames = frames;
    return SQLITE_OK;
}

static int open_all(struct committing *self)
{
    self->db = bench_open(self->work->site->db);
    if (!self->db ||
        bench_run_sql(self->db, "PRAGMA mmap_size=0; PRAGMA journal_size_limit=8388608;"
                                "PRAGMA synchronous=EXTRA") < 0)
        return -1;
    for (size_t i = 0; i < STATEMENTS; i++)
        if (!(self->run[i] = bench_prepare(self->db, sql[i])))
            return -1;
    sqlite3_wal_hook(self->db, count_frames, self); /* in the place of the automatic checkpoint */
    return 0;
}

static int step(struct committing *self, size_t which)
{
    int code = sqlite3_step(self->run[which]);

    sqlite3_reset(self->run[which]);
    return code == SQLITE_DONE ? 0 : bench_fail("the bare loop: %s", sqlite3_errmsg(self->db));
}

static void bind(sqlite3_stmt *statement, int at, const char *text, size_t size)
{
    sqlite3_bind_text(statement, at, text, (int)size, SQLITE_STATIC);
}

/* The id of query NUMBER is one more. */
static int reply(struct committing *self, uint64_t number, const char *now, size_t now_size)
{
    char id[BENCH_CONVERSATION_SIZE];

    bench_conversation(number % self->work->site->conversations, id);
    sqlite3_bind_int64(self->run[GUARD], 1, (sqlite3_int64)number + 1);
    bind(self->run[GUARD], 2, id, sizeof id - 1);
    bind(self->run[GUARD], 3, now, now_size);
    bind(self->run[REPLY], 1, id, sizeof id - 1);
    bind(self->run[REPLY], 2, self->text.data, self->text.size);
    bind(self->run[REPLY], 3, self->metadata.data, self->metadata.size);
    bind(self->run[REPLY], 4, now, now_size);
    bind(self->run[AUDIT], 1, id, sizeof id - 1);
    bind(self->run[AUDIT], 2, self->details.data, self->details.size);
    bind(self->run[AUDIT], 3, now, now_size);
    if (step(self, GUARD) < 0)
        return -1;
    if (sqlite3_changes(self->db) != 1)
        return bench_fail("the bare loop: query %" PRIu64 " was not open", number);
    return step(self, REPLY) < 0 || step(self, AUDIT) < 0 ? -1 : 0;
}

static void checkpoint(struct committing *self)
{
    if (self->frames < CHECKPOINT_FRAMES)
        return;
    sqlite3_busy_timeout(self->db, CHECKPOINT_BUSY_MS);
    sqlite3_wal_checkpoint_v2(self->db, "main", SQLITE_CHECKPOINT_FULL, NULL, NULL);
    sqlite3_busy_timeout(self->db, 10000);
}

/* Queries FIRST to UPTO in one transaction; then the lock is left alone for as long as the duty
 * wants. */
static int commit_group(struct committing *self, uint64_t first, uint64_t upto)
{
    const struct bench_bare_commit *work = self->work;
    struct bench_trip *trip = &work->board->trip[first];
    int64_t begin_us = clock_mono_us(), held_us;
    char now[STAMP_SIZE];
    size_t now_size;
    int code;

    stamp_format(clock_utc_us(), now);
    now_size = strlen(now);
    atomic_store(&trip->asked_us, begin_us);
    code = step(self, BEGIN);
    for (uint64_t i = first; code == 0 && i < upto; i++)
        code = reply(self, i, now, now_size);
    if (code == 0)
        code = step(self, COMMIT);
    atomic_store(&trip->committed_us, clock_mono_us());
    checkpoint(self);
    held_us = clock_mono_us() - begin_us;
    if (work->duty < 100 || work->pause_us)
        bench_sleep(work->pause_us + held_us * (100 - (int64_t)work->duty) / (int64_t)work->duty);
    return code;
}

int bench_bare_commit_run(const void *with)
{
    struct committing self = {.work = with};
    uint64_t count = self.work->count, group = self.work->group;
    int code = open_all(&self);

    compose(&self);
    for (uint64_t i = 0; code == 0 && i < count; i += group)
        code = commit_group(&self, i, i + group < count ? i + group : count);
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(self.run[i]);
    sqlite3_close(self.db);
    buffer_done(&self.text);
    buffer_done(&self.metadata);
    buffer_done(&self.details);
    return code;
}
