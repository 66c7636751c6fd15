/* What has become of the queries of a site. */
#include <inttypes.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_site.h"

#define PATIENCE_US 30000000 /* for the next reply */

int bench_site_audit(struct bench_site *self, struct bench_ledger *ret_ledger)
{
    sqlite3 *db = bench_open(self->db);
    sqlite3_stmt *look =
        db ? bench_prepare(db,
                           "SELECT count(*) FILTER (WHERE from_session = 'b'),"
                           " count(DISTINCT CASE WHEN from_session = 'b' THEN"
                           " json_extract(metadata, '$.in_reply_to') END),"
                           " count(*) FILTER (WHERE from_session = 'b' AND"
                           " message NOT LIKE '{\"type\":\"response\"%'),"
                           " count(*) FILTER (WHERE to_session = 'b' AND read = 0) FROM messages")
           : NULL;
    int code = look && sqlite3_step(look) == SQLITE_ROW ? 0 : -1;

    if (look && code < 0)
        bench_fail("%s: %s", self->db, sqlite3_errmsg(db));
    if (code == 0) {
        ret_ledger->replies = (uint64_t)sqlite3_column_int64(look, 0);
        ret_ledger->answered = (uint64_t)sqlite3_column_int64(look, 1);
        ret_ledger->errors = (uint64_t)sqlite3_column_int64(look, 2);
        ret_ledger->unread = (uint64_t)sqlite3_column_int64(look, 3);
    }
    sqlite3_finalize(look);
    sqlite3_close(db);
    return code;
}

int bench_site_check(struct bench_site *self, uint64_t count)
{
    struct bench_ledger ledger;

    if (bench_site_audit(self, &ledger) < 0)
        return -1;
    if (ledger.replies == count && ledger.answered == count && !ledger.errors && !ledger.unread)
        return 0;
    return bench_fail("%" PRIu64 " queries have %" PRIu64 " replies to %" PRIu64
                      " of them, %" PRIu64 " of which are errors, and %" PRIu64
                      " wait: this is to be reported",
                      count, ledger.replies, ledger.answered, ledger.errors, ledger.unread);
}

/* Looks, and looks again whenever somebody has committed. The ids of messages have no gaps here,
 * and nothing but queries and replies is among them. */
static int follow(sqlite3 *db, uint64_t rows, int64_t *ret_us)
{
    sqlite3_stmt *version = bench_prepare(db, "PRAGMA data_version");
    sqlite3_stmt *last = bench_prepare(db, "SELECT max(id) FROM messages");
    int64_t seen = -1, now_us = 0, moved_us = clock_mono_us();
    uint64_t there = 0;

    while (version && last && there < rows) {
        sqlite3_step(version);
        int64_t is = sqlite3_column_int64(version, 0);
        sqlite3_reset(version);
        now_us = clock_mono_us();
        if (is != seen) {
            sqlite3_step(last);
            there = (uint64_t)sqlite3_column_int64(last, 0);
            sqlite3_reset(last);
            moved_us = now_us;
            seen = is;
        } else if (now_us - moved_us > PATIENCE_US)
            break;
        else
            bench_sleep(1000);
    }
    sqlite3_finalize(version);
    sqlite3_finalize(last);
    *ret_us = now_us;
    return there >= rows
               ? 0
               : bench_fail("no reply came for 30 s: %" PRIu64 " rows of %" PRIu64 " are there",
                            there, rows);
}

int bench_site_await_rows(struct bench_site *self, uint64_t rows, int64_t *ret_us)
{
    sqlite3 *db = bench_open(self->db);
    int code = db ? follow(db, rows, ret_us) : -1;

    sqlite3_close(db);
    return code;
}

int bench_site_await(struct bench_site *self, uint64_t count, int64_t *ret_us)
{
    sqlite3 *db = bench_open(self->db);
    int64_t queries;
    int code =
        db ? bench_number(db, "SELECT count(*) FROM messages WHERE from_session = 'a'", &queries)
           : -1;

    sqlite3_close(db);
    return code < 0 ? -1 : bench_site_await_rows(self, (uint64_t)queries + count, ret_us);
}
