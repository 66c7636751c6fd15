/* Kills the gateway with SIGKILL at a named point: TAILGATE_CRASH=POINT:N means at its N-th time.
 * The points are the committer's, and `statement`: before each SQL statement inside a transaction
 * that writes. Everything else is the product's own, linked as it is. */
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/open.h"

#define STATEMENT (POINT_AFTER_REPORT + 1)

static const char *const names[] = {
    [POINT_BEFORE_BEGIN] = "before-begin",
    [POINT_BETWEEN] = "between",
    [POINT_BEFORE_COMMIT] = "before-commit",
    [POINT_AFTER_COMMIT] = "after-commit",
    [POINT_BEFORE_REPORT] = "before-report",
    [POINT_AFTER_REPORT] = "after-report",
    [STATEMENT] = "statement",
};
#define NAMES (sizeof names / sizeof names[0])

static size_t wanted;
static atomic_long left; /* times until the end */

static void count_down(void)
{
    if (atomic_fetch_sub(&left, 1) == 1)
        kill(getpid(), SIGKILL);
}

static void reach(void *context, enum committer_point point)
{
    (void)context;
    if ((size_t)point == wanted)
        count_down();
}

static int trace(unsigned what, void *context, void *statement, void *text)
{
    sqlite3 *db = context;
    (void)what;
    (void)statement;
    (void)text;
    if (sqlite3_txn_state(db, NULL) == SQLITE_TXN_WRITE)
        count_down();
    return 0;
}

/* SQLite calls it for each connection that is opened. */
static int watch(sqlite3 *db, char **ret_error, const void *api)
{
    (void)ret_error;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, trace, db);
}

static void fail(const char *plan)
{
    fprintf(stderr, "TAILGATE_CRASH=%s: POINT:N is wanted, POINT one of:", plan);
    for (size_t i = 0; i < NAMES; i++)
        fprintf(stderr, " %s", names[i]);
    fputc('\n', stderr);
    _exit(2);
}

/* Before main(), which is the product's and knows nothing of this. */
__attribute__((constructor)) static void prepare(void)
{
    const char *plan = getenv("TAILGATE_CRASH");
    const char *colon = plan ? strchr(plan, ':') : NULL;
    size_t size = colon ? (size_t)(colon - plan) : 0;

    if (!plan)
        return;
    while (wanted < NAMES && (strlen(names[wanted]) != size || memcmp(names[wanted], plan, size)))
        wanted++;
    if (!colon || wanted == NAMES || atoi(colon + 1) < 1)
        fail(plan);
    atomic_store(&left, atoi(colon + 1));
    if (wanted == STATEMENT)
        sqlite3_auto_extension((void (*)(void))(uintptr_t)watch);
    else
        open_committer_point = reach;
}
