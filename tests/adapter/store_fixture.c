#include "tests/adapter/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/host/clock.h"

struct store_fixture store_fixture;

static int catch_connection(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    store_fixture.db = db;
    return SQLITE_OK;
}

struct store *store_open_caught(const struct place *place, int busy_ms)
{
    struct store *store = NULL;
    struct token_key key;
    sqlite3_auto_extension((void (*)(void))catch_connection);
    assert_int_equal(store_open(place, busy_ms, &store, &key), BRIDGE_OK);
    sqlite3_reset_auto_extension();
    return store;
}

int store_set_up(void **state)
{
    (void)state;
    support_mkdir(store_fixture.folder);
    store_fixture.place = support_bridge(store_fixture.folder);
    store_fixture.store = store_open_caught(&store_fixture.place, 200);
    return 0;
}

int store_tear_down(void **state)
{
    (void)state;
    store_close(&store_fixture.store);
    support_rmdir(store_fixture.folder);
    return 0;
}

void store_given(int count)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO messages(conversation_id, from_session, to_session, message, timestamp)"
             " SELECT '" CONVERSATION "', 'a', 'b', 'q' || i, '' FROM n",
             count);
    file_run(&store_fixture.place, sql);
}

struct store_reply store_reply_to(int64_t id, const char *text)
{
    return (struct store_reply){
        .message_id = id,
        .conversation_id = span_str(CONVERSATION),
        .from_session = span_str("b"),
        .to_session = span_str("a"),
        .text = span_str(text),
        .metadata = span_str("{\"in_reply_to\":1}"),
    };
}

enum store_outcome store_put(int64_t id, const char *text)
{
    struct store_reply reply = store_reply_to(id, text);
    enum store_outcome outcome = STORE_DELETED;
    assert_int_equal(store_reply(store_fixture.store, &reply, &outcome), BRIDGE_OK);
    return outcome;
}

enum store_outcome store_commit_one(int64_t id, const char *text)
{
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    enum store_outcome outcome = store_put(id, text);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return outcome;
}

enum store_outcome store_commit_reply(const struct store_reply *reply)
{
    enum store_outcome outcome = STORE_COMMITTED;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_reply(store_fixture.store, reply, &outcome), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return outcome;
}

struct store_delivery store_delivery_of(int64_t id)
{
    return (struct store_delivery){
        .message_id = id,
        .conversation_id = span_str(CONVERSATION),
        .session = span_str("b"),
        .service = span_str("default"),
        .worker = span_str("worker-1"),
        .attempt = 1,
        .pid = 4711,
        .leased_at_us = STORE_TIME,
        .due_at_us = STORE_TIME + 60000000,
    };
}

enum store_outcome store_commit_lease(const struct store_delivery *delivery)
{
    enum store_outcome outcome = STORE_DELETED;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_lease(store_fixture.store, delivery, &outcome), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return outcome;
}

void store_commit_failure(const struct store_delivery *delivery)
{
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_fail(store_fixture.store, delivery), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
}

int64_t store_number(const char *sql)
{
    return file_number(&store_fixture.place, sql);
}

void store_expect_text(const char *sql, const char *want)
{
    char *text = file_text(&store_fixture.place, sql);
    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}
