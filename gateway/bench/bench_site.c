#include "gateway/bench/bench_site.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "adapters/bridge/conversation.h"
#include "adapters/bridge/place.h"
#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "proto/buffer.h"

#define YEAR_US (INT64_C(365) * 24 * 3600 * 1000000)
#define BATCH 100000 /* rows of a transaction */

void bench_conversation(uint64_t index, char ret_id[BENCH_CONVERSATION_SIZE])
{
    snprintf(ret_id, BENCH_CONVERSATION_SIZE, "conv_%016" PRIx64, index);
}

void bench_service(uint64_t index, char ret_name[BENCH_SERVICE_SIZE])
{
    snprintf(ret_name, BENCH_SERVICE_SIZE, index ? "s%" PRIu64 : "default", index % 1000000000);
}

static int make_conversations(struct bench_site *self, sqlite3 *db)
{
    char token[65], from[STAMP_SIZE], to[STAMP_SIZE];
    sqlite3_stmt *insert = bench_prepare(db, conversation_make_sql);

    if (!insert)
        return -1;
    memset(token, '0', 64);
    token[64] = '\0';
    stamp_format(clock_utc_us(), from);
    stamp_format(clock_utc_us() + YEAR_US, to);
    for (uint64_t i = 0; i < self->conversations; i++) {
        char id[BENCH_CONVERSATION_SIZE], service[BENCH_SERVICE_SIZE];
        bench_conversation(i, id);
        bench_service(i % self->services, service);
        const char *const text[] = {id, "asker", service, token, token, from, to};
        for (int column = 0; column < 7; column++)
            sqlite3_bind_text(insert, column + 1, text[column], -1, SQLITE_STATIC);
        sqlite3_step(insert);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    return 0;
}

/* The file, with nothing in it but the bridge's tables and the conversations. */
static int make_file(struct bench_site *self, const struct place *place)
{
    sqlite3 *db = NULL;
    int error = db_open(place, DB_MAKER, 1000, &db), code = 0;

    if (error == BRIDGE_OK)
        error = schema_make_bridge(db);
    if (error != BRIDGE_OK)
        code = bench_fail("%s: %s", self->db, db_error_text(error));
    if (code == 0)
        code = bench_run_sql(db, "BEGIN");
    if (code == 0)
        code = make_conversations(self, db);
    if (code == 0)
        code = bench_run_sql(db, "COMMIT");
    db_close(&db);
    return code;
}

int bench_site_make(struct bench *bench, uint64_t conversations, uint64_t services,
                    struct bench_site *ret_site)
{
    struct bench_site *self = ret_site;
    struct place place;
    int error;

    memset(self, 0, sizeof *self);
    self->bench = bench;
    self->conversations = conversations;
    self->services = services;
    if (snprintf(self->folder, sizeof self->folder, "%s/%u", bench->folder, bench->sites++) >=
            (int)sizeof self->folder ||
        mkdir(self->folder, 0700) != 0)
        return bench_fail("%s: %s", self->folder, strerror(errno));
    snprintf(self->db, sizeof self->db, "%s/b.db", self->folder);
    error = place_find(self->db, &place);
    if (error)
        return bench_fail("%s: %s", self->db, strerror(-error));
    if (!place_endpoint_fits(place.batches))
        return bench_fail("%s is too long a name: sockets below it may have %d bytes; choose "
                          "another one with --folder",
                          bench->options->folder, PLACE_SOCKET_MAX);
    snprintf(self->gate, sizeof self->gate, "%s", place.gate);
    snprintf(self->events, sizeof self->events, "%s", place.events);
    snprintf(self->batches, sizeof self->batches, "%s", place.batches);
    return make_file(self, &place);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    remove(path);
    return 0;
}

void bench_site_destroy(struct bench_site *self)
{
    if (*self->folder)
        nftw(self->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    *self->folder = '\0';
}

size_t bench_query_text(uint64_t number, size_t size, char *ret_text)
{
    int head = sprintf(
        ret_text, "{\"type\":\"query\",\"query_id\":\"q%010" PRIu64 "\",\"question\":\"", number);
    size_t used = (size_t)head, whole = size < used + 3 ? used + 3 : size;

    memset(ret_text + used, 'x', whole - used - 2);
    memcpy(ret_text + whole - 2, "\"}", 3);
    return whole;
}

uint64_t bench_query_number(const char *text, size_t size)
{
    static const char key[] = "\"query_id\":\"q";
    const char *at = memmem(text, size, key, sizeof key - 1), *end = text + size;
    uint64_t number = 0;

    if (!at)
        return UINT64_MAX;
    for (at += sizeof key - 1; at < end && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

static int insert_queries(struct bench_site *self, sqlite3 *db, uint64_t first, uint64_t count,
                          bool read)
{
    char *text = memory_new(self->bench->size + BENCH_TEXT_LEAST), now[STAMP_SIZE];
    sqlite3_stmt *insert = bench_prepare(
        db, "INSERT INTO messages(conversation_id, from_session, to_session, message, timestamp,"
            " read) VALUES(?1, 'a', 'b', ?2, ?3, ?4)");
    int code = insert ? 0 : -1;

    stamp_format(clock_utc_us(), now);
    for (uint64_t i = first; code == 0 && i < first + count; i++) {
        char id[BENCH_CONVERSATION_SIZE];
        size_t size = bench_query_text(i, self->bench->size, text);
        bench_conversation(i % self->conversations, id);
        sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 2, text, (int)size, SQLITE_STATIC);
        sqlite3_bind_text(insert, 3, now, -1, SQLITE_STATIC);
        sqlite3_bind_int(insert, 4, read);
        if (sqlite3_step(insert) != SQLITE_DONE)
            code = bench_fail("%s: %s", self->db, sqlite3_errmsg(db));
        sqlite3_reset(insert);
        if ((i - first) % BATCH == BATCH - 1 && code == 0)
            code = bench_run_sql(db, "COMMIT; BEGIN");
    }
    sqlite3_finalize(insert);
    free(text);
    return code;
}

int bench_site_fill(struct bench_site *self, uint64_t first, uint64_t count, bool read)
{
    sqlite3 *db = bench_open(self->db);
    int code = db ? bench_run_sql(db, "PRAGMA synchronous=OFF; BEGIN") : -1;

    if (code == 0)
        code = insert_queries(self, db, first, count, read);
    if (code == 0) /* what was put off is not to be paid for by what is measured */
        code =
            bench_run_sql(db, "COMMIT; PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(db);
    return code;
}
