/* adapters/bridge/dead and park: a dead query is asked again once, or forgotten; each with its
 * audit row, and nothing at all when something goes wrong in between. */
#include "adapters/bridge/dead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/bridge/park.h"
#include "tests/adapter/store_fixture.h"

#define MESSAGES "SELECT count(*) FROM messages"
#define NOW_US (STORE_TIME + 60000000)

static sqlite3 *db; /* a writer beside the gateway's store */

static int set_up(void **state)
{
    if (store_set_up(state))
        return -1;
    return db_open(&store_fixture.place, DB_WRITER, 50, &db);
}

static int tear_down(void **state)
{
    db_close(&db);
    return store_tear_down(state);
}

static void bury(int64_t id, const char *service)
{
    struct store_reply reply = store_reply_to(id, "{\"type\":\"error\"}");
    reply.dead = true;
    reply.service = span_str(service);
    reply.reason = span_str("slow");
    reply.attempt = reply.failed = 2;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
}

/* Query 1 is dead; its reply is row 2. */
static void bury_one(void)
{
    store_given(1);
    bury(1, "default");
}

static enum dead_outcome redrive(int64_t id, bool again, int64_t *ret_as)
{
    enum dead_outcome outcome = DEAD_DONE;
    assert_int_equal(dead_redrive(db, id, again, NOW_US, &outcome, ret_as), BRIDGE_OK);
    assert_true(sqlite3_get_autocommit(db));
    assert_true(db_is_quiet(db));
    return outcome;
}

static void a_dead_query_is_asked_again_as_a_new_row(void **state)
{
    (void)state;
    int64_t as = 0;
    bury_one();
    assert_int_equal(redrive(1, false, &as), DEAD_DONE);
    assert_int_equal(as, 3);
    assert_int_equal(store_number("SELECT count(*) FROM messages a JOIN messages b ON b.id = 3"
                                  " WHERE a.id = 1 AND a.message = b.message AND b.read = 0"
                                  " AND a.conversation_id = b.conversation_id"
                                  " AND a.to_session = b.to_session"
                                  " AND a.from_session = b.from_session"),
                     1);
    assert_int_equal(store_number("SELECT redriven FROM tailgate_delivery WHERE message_id = 1"),
                     3);
    assert_int_equal(store_number("SELECT metadata ->> 'redrive_of' FROM messages WHERE id = 3"),
                     1);
    store_expect_text("SELECT details FROM audit_log WHERE action = 'dead_redriven'",
                      "{\"message_id\": 1, \"redriven_as\": 3}");
}

static void it_is_asked_again_once_unless_a_person_insists(void **state)
{
    (void)state;
    int64_t as = 0;
    bury_one();
    assert_int_equal(redrive(1, false, &as), DEAD_DONE);
    as = 0;
    assert_int_equal(redrive(1, false, &as), DEAD_REDRIVEN);
    assert_int_equal(as, 3);
    assert_int_equal(store_number(MESSAGES), 3);
    assert_int_equal(redrive(1, true, &as), DEAD_DONE);
    assert_int_equal(as, 4);
    assert_int_equal(store_number("SELECT redriven FROM tailgate_delivery WHERE message_id = 1"),
                     4);
}

static void what_cannot_be_asked_again_changes_nothing(void **state)
{
    (void)state;
    int64_t as = 77;
    bury_one();
    assert_int_equal(redrive(2, false, &as), DEAD_NOT_DEAD);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2026-11-21 00:01:00'");
    assert_int_equal(redrive(1, false, &as), DEAD_EXPIRED);
    file_run(&store_fixture.place, "UPDATE messages SET conversation_id = 'conv_other'");
    assert_int_equal(redrive(1, false, &as), DEAD_GONE);
    assert_int_equal(as, 77);
    assert_int_equal(store_number(MESSAGES), 2);
    assert_int_equal(store_number(AUDIT("dead_redriven")), 0);
    assert_int_equal(store_number("SELECT redriven IS NULL FROM tailgate_delivery"), 1);
}

static void a_trigger_that_refuses_the_row_leaves_the_query_as_it_was(void **state)
{
    (void)state;
    int64_t as = 77;
    enum dead_outcome outcome = DEAD_GONE;
    bury_one();
    file_run(&store_fixture.place, "CREATE TRIGGER no BEFORE INSERT ON audit_log"
                                   " WHEN new.action = 'send_message'"
                                   " BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert_int_equal(dead_redrive(db, 1, false, NOW_US, &outcome, &as), BRIDGE_REFUSED);
    assert_int_equal(as, 77);
    assert_true(sqlite3_get_autocommit(db));
    assert_int_equal(store_number(MESSAGES), 2);
    assert_int_equal(store_number("SELECT redriven IS NULL FROM tailgate_delivery"), 1);
}

static void a_locked_file_is_busy_and_nothing_was_changed(void **state)
{
    (void)state;
    int64_t as = 77;
    enum dead_outcome outcome = DEAD_GONE;
    bool dropped[1];
    int64_t id = 1;
    char line[32];
    bury_one();
    struct peer_process peer = peer_start("lock", store_fixture.place.db, NULL);
    assert_true(peer_line(&peer, line, sizeof line));
    assert_int_equal(dead_redrive(db, 1, false, NOW_US, &outcome, &as), BRIDGE_BUSY);
    assert_int_equal(dead_drop(db, &id, 1, false, NOW_US, dropped), BRIDGE_BUSY);
    assert_int_equal(park_rows(db, &id, 1, &(size_t){0}), BRIDGE_BUSY);
    assert_int_equal(peer_wait(&peer), 0);
    assert_int_equal(redrive(1, false, &as), DEAD_DONE);
}

static void dropping_is_all_of_its_batch_or_nothing(void **state)
{
    (void)state;
    const int64_t id[] = {1, 2, 99};
    bool dropped[3];
    store_given(2);
    bury(1, "default");
    bury(2, "docs");
    file_run(&store_fixture.place, "CREATE TRIGGER no BEFORE INSERT ON audit_log"
                                   " WHEN new.details LIKE '%2}' AND new.action = 'dead_dropped'"
                                   " BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert_int_equal(dead_drop(db, id, 3, false, NOW_US, dropped), BRIDGE_REFUSED);
    assert_int_equal(store_number(DELIVERIES), 2);
    file_run(&store_fixture.place, "DROP TRIGGER no");
    assert_int_equal(dead_drop(db, id, 3, false, NOW_US, dropped), BRIDGE_OK);
    assert_true(dropped[0] && dropped[1] && !dropped[2]);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(AUDIT("dead_dropped")), 2);
    assert_int_equal(store_number(MESSAGES), 4);
}

static void what_waits_for_its_next_attempt_is_not_dropped(void **state)
{
    (void)state;
    const int64_t id = 1;
    bool dropped = true;
    store_given(1);
    struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    assert_int_equal(dead_drop(db, &id, 1, true, NOW_US, &dropped), BRIDGE_OK);
    assert_false(dropped);
    assert_int_equal(store_number(DELIVERIES), 1);
}

static void a_filter_finds_what_it_says(void **state)
{
    (void)state;
    struct records_filter filter = {.service = span_str("docs")};
    int64_t *id = NULL, count = 0;
    size_t found = 0;
    store_given(3);
    bury(1, "default");
    bury(2, "docs");
    bury(3, "docs");
    assert_int_equal(redrive(2, false, &(int64_t){0}), DEAD_DONE);
    assert_int_equal(dead_find(db, &filter, 10, &id, &found), BRIDGE_OK);
    assert_int_equal(found, 1);
    assert_int_equal(id[0], 3);
    free(id);
    filter.redriven = true;
    assert_int_equal(dead_count(db, &filter, &count), BRIDGE_OK);
    assert_int_equal(count, 2);
    filter.older_than_us = 1; /* 1970 */
    assert_int_equal(dead_count(db, &filter, &count), BRIDGE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(dead_find(db, &filter, 10, &id, &found), BRIDGE_OK);
    assert_null(id);
}

static void only_what_is_unread_and_not_parked_yet_is_parked(void **state)
{
    (void)state;
    int64_t id[] = {1, 2, 3, 99};
    size_t count = 0;
    store_given(3);
    assert_int_equal(store_commit_one(2, "answer"), STORE_COMMITTED);
    assert_int_equal(park_rows(db, id, 4, &count), BRIDGE_OK);
    assert_int_equal(count, 2);
    assert_true(id[0] == 1 && id[1] == 3);
    assert_int_equal(store_number(PARKED), 2);
    assert_int_equal(park_rows(db, id, 2, &count), BRIDGE_OK);
    assert_int_equal(count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_dead_query_is_asked_again_as_a_new_row),
        TEST(it_is_asked_again_once_unless_a_person_insists),
        TEST(what_cannot_be_asked_again_changes_nothing),
        TEST(a_trigger_that_refuses_the_row_leaves_the_query_as_it_was),
        TEST(a_locked_file_is_busy_and_nothing_was_changed),
        TEST(dropping_is_all_of_its_batch_or_nothing),
        TEST(what_waits_for_its_next_attempt_is_not_dropped),
        TEST(a_filter_finds_what_it_says),
        TEST(only_what_is_unread_and_not_parked_yet_is_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
