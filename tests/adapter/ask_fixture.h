/* Requests of clients, for the tests of store_ask(). */
#ifndef TAILGATE_TESTS_ADAPTER_ASK_FIXTURE_H
#define TAILGATE_TESTS_ADAPTER_ASK_FIXTURE_H

#include "tests/adapter/store_fixture.h"

#define REQUESTS "SELECT count(*) FROM messages WHERE from_session = 'a'"
#define CLIENTS "SELECT count(*) FROM tailgate_client"
#define TICKETS "SELECT count(*) FROM tailgate_ticket"
#define BLOBS "SELECT count(*) FROM tailgate_blob"
#define TICKET_1 "0123456789ABCDEF0123456789ABCDEF"
#define TICKET_2 "FEDCBA9876543210FEDCBA9876543210"

#define SECOND_US 1000000LL
#define HOUR_S 3600
#define DAY_S 86400

/* A request of uid:1000 (somebody) to the service "law", with a digest of TEXT (16 bytes at most,
 * in ten minutes' reach), whose conversation takes questions for an hour and lives for three more.
 */
struct store_ask ask_of(const char *text);
/* Puts ASK into a group of its own that is stamped NOW_US and committed. */
enum store_asked ask_commit_at(const struct store_ask *ask, int64_t now_us, int64_t *ret_id);
/* The same at STORE_TIME; returns the row's id, after asserting that it is WANT. */
int64_t ask_expect(const struct store_ask *ask, enum store_asked want);
/* Commits a reply to row ID, in the row's own conversation. REPLY's text, metadata, blob and flags
 * count. */
void ask_answer(int64_t id, struct store_reply reply);

#endif
