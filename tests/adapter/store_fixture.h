/* A bridge with an open store, for the tests of adapters/bridge/store. */
#ifndef TAILGATE_TESTS_ADAPTER_STORE_FIXTURE_H
#define TAILGATE_TESTS_ADAPTER_STORE_FIXTURE_H

#include "adapters/bridge/store.h"
#include "tests/adapter/support.h"

#define REPLIES "SELECT count(*) FROM messages WHERE from_session = 'b'"
#define UNREAD "SELECT count(*) FROM messages WHERE from_session = 'a' AND read = 0"
#define DELIVERIES "SELECT count(*) FROM tailgate_delivery"
#define KEPT "SELECT count(*) FROM tailgate_answer"
#define PARKED "SELECT count(*) FROM tailgate_parked"
#define AUDIT(action) "SELECT count(*) FROM audit_log WHERE action = '" action "'"

struct store_fixture {
    char folder[PATH_MAX];
    struct place place;
    struct store *store;
    sqlite3 *db; /* the store's own connection, to set limits on it */
};
extern struct store_fixture store_fixture;

int store_set_up(void **state);
int store_tear_down(void **state);
/* Opens a store and leaves its connection in store_fixture.db. */
struct store *store_open_caught(const struct place *place, int busy_ms);
/* Inserts COUNT questions of session a to session b. */
void store_given(int count);
/* A reply of b to a; TEXT is borrowed. */
struct store_reply store_reply_to(int64_t id, const char *text);
/* Puts that reply into the open group, or into a group of its own that is committed. */
enum store_outcome store_put(int64_t id, const char *text);
enum store_outcome store_commit_one(int64_t id, const char *text);
/* The same for any reply. */
enum store_outcome store_commit_reply(const struct store_reply *reply);
/* Query ID at worker-1, first attempt, leased at STORE_TIME for a minute. */
#define STORE_TIME 1795219200000000 /* 2026-11-21T00:00:00 */
#define STORE_TIME_TEXT "2026-11-21T00:00:00"
struct store_delivery store_delivery_of(int64_t id);
/* In a group of its own, stamped STORE_TIME. */
enum store_outcome store_commit_lease(const struct store_delivery *delivery);
void store_commit_failure(const struct store_delivery *delivery);
/* What another connection sees. */
int64_t store_number(const char *sql);
void store_expect_text(const char *sql, const char *want);

#endif
