/* adapters/bridge/records: what our own tables say, on a reader's connection. */
#include "adapters/bridge/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/host/clock.h"
#include "tests/adapter/store_fixture.h"

static sqlite3 *db; /* a reader */

static int set_up(void **state)
{
    if (store_set_up(state))
        return -1;
    return db_open(&store_fixture.place, DB_READER, 1000, &db);
}

static int tear_down(void **state)
{
    db_close(&db);
    return store_tear_down(state);
}

/* The rows that were seen, as text. */
struct seen {
    char text[4000];
};

__attribute__((format(printf, 2, 3))) static void append(struct seen *seen, const char *format, ...)
{
    size_t at = strlen(seen->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(seen->text + at, sizeof seen->text - at, format, arguments);
    va_end(arguments);
}

static void see_id(void *context, const struct delivery_record *record)
{
    append(context, "%lld ", (long long)record->message_id);
}

static void see_whole(void *context, const struct delivery_record *record)
{
    append(context,
           "%lld|%.*s|%.*s|state %d|claimed %d|%u of %u|%.*s|%lld|%lld|%lld|%lld|%.*s|%.*s|"
           "redriven %lld|%.*s|live %d\n",
           (long long)record->message_id, (int)record->conversation_id.size,
           record->conversation_id.data, (int)record->service.size, record->service.data,
           (int)record->state, record->claimed, record->failed, record->attempt,
           (int)record->worker.size, record->worker.data, (long long)record->pid,
           (long long)(record->leased_at_us ? record->leased_at_us - STORE_TIME : -1),
           (long long)(record->due_at_us ? record->due_at_us - STORE_TIME : -1),
           (long long)(record->updated_at_us - STORE_TIME), (int)record->reason.size,
           record->reason.data, (int)record->history.size, record->history.data,
           (long long)record->redriven, (int)record->question.size, record->question.data,
           record->live);
}

static void expect(const struct seen *seen, const char *want)
{
    assert_string_equal(seen->text, want);
    assert_true(db_is_quiet(db));
}

static void bury(int64_t id, const char *service, int64_t now_us)
{
    struct store_reply reply = store_reply_to(id, "{\"type\":\"error\"}");
    enum store_outcome outcome;
    reply.dead = true;
    reply.service = span_str(service);
    reply.reason = span_str("slow");
    reply.attempt = reply.failed = 1;
    assert_int_equal(store_begin(store_fixture.store, now_us), BRIDGE_OK);
    assert_int_equal(store_reply(store_fixture.store, &reply, &outcome), BRIDGE_OK);
    assert_int_equal(outcome, STORE_COMMITTED);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
}

static void a_lease_is_read_as_it_was_written(void **state)
{
    struct seen seen = {""};
    size_t count = 0;

    (void)state;
    store_given(1);
    struct store_delivery delivery = store_delivery_of(1);
    delivery.claim = true;
    delivery.attempt = 2;
    delivery.failed = 1;
    store_commit_lease(&delivery);
    assert_int_equal(records_open(db, 0, 10, see_whole, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 1);
    expect(&seen, "1|" CONVERSATION "|default|state 0|claimed 1|1 of 2|worker-1|4711|0|60000000|0||"
                  "[]|redriven 0||live 0\n");
    seen = (struct seen){""};
    assert_int_equal(records_one(db, 1, STORE_TIME, see_whole, &seen), BRIDGE_OK);
    expect(&seen, "1|" CONVERSATION "|default|state 0|claimed 1|1 of 2|worker-1|4711|0|60000000|0||"
                  "[]|redriven 0|q1|live 1\n");
    assert_int_equal(records_one(db, 2, STORE_TIME, see_whole, &seen), BRIDGE_ABSENT);
}

static void what_is_open_comes_in_pages_in_id_order_and_without_the_dead(void **state)
{
    struct seen seen = {""};
    size_t count = 0;

    (void)state;
    store_given(7);
    for (int64_t id = 7; id >= 1; id--) {
        const struct store_delivery delivery = store_delivery_of(id);
        if (id != 4)
            store_commit_lease(&delivery);
    }
    bury(4, "s", STORE_TIME);
    assert_int_equal(records_open(db, 0, 2, see_id, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(records_open(db, 2, 2, see_id, &seen, &count), BRIDGE_OK);
    assert_int_equal(records_open(db, 5, 5, see_id, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 2);
    expect(&seen, "1 2 3 5 6 7 ");
}

static void the_dead_come_oldest_first_and_all_filters_must_hold(void **state)
{
    static const struct {
        struct records_filter filter;
        const char *want;
    } table[] = {
        {{.redriven = false}, "3 1 2 "},
        {{.redriven = true}, "3 1 4 2 "},
        {{.message_id = 1}, "1 "},
        {{.message_id = 9}, ""},
        {{.service = {"s", 1}}, "1 2 "},
        {{.service = {"s", 1}, .redriven = true}, "1 4 2 "},
        {{.older_than_us = STORE_TIME + 5000000}, "3 "},
        {{.older_than_us = STORE_TIME + 5000001}, "3 1 "},
        {{.older_than_us = STORE_TIME + 5000001, .service = {"s", 1}}, "1 "},
    };

    (void)state;
    store_given(5);
    bury(3, "t", STORE_TIME);
    bury(1, "s", STORE_TIME + 5000000);
    bury(4, "s", STORE_TIME + 6000000);
    bury(2, "s", STORE_TIME + 7000000);
    file_run(&store_fixture.place,
             "UPDATE tailgate_delivery SET redriven = 99 WHERE message_id = 4");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct seen seen = {""};
        size_t count = 99;
        assert_int_equal(records_dead(db, &table[i].filter, STORE_TIME, 10, see_id, &seen, &count),
                         BRIDGE_OK);
        expect(&seen, table[i].want);
        assert_int_equal(count, strlen(table[i].want) / 2);
    }
    struct seen seen = {""};
    size_t count = 0;
    assert_int_equal(records_dead(db, &table[0].filter, STORE_TIME, 2, see_id, &seen, &count),
                     BRIDGE_OK);
    expect(&seen, "3 1 ");
    int64_t parked = -1, dead = -1;
    assert_int_equal(records_counts(db, &parked, &dead), BRIDGE_OK);
    assert_int_equal(parked, 0);
    assert_int_equal(dead, 3);
}

static void counts_look_at_no_more_than_they_can_say(void **state)
{
    int64_t parked = -1, dead = -1;

    (void)state;
    file_run(&store_fixture.place,
             "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100010)"
             " INSERT INTO tailgate_parked SELECT i FROM n;"
             "INSERT INTO tailgate_delivery(message_id, conversation_id, service, state, attempt,"
             " failed, updated_at, redriven) SELECT message_id, 'c', 's', 'dead', 1, 1,"
             " message_id + 100000, iif(message_id > 100007, 1, NULL) FROM tailgate_parked");
    assert_int_equal(records_counts(db, &parked, &dead), BRIDGE_OK);
    assert_int_equal(parked, RECORDS_MANY + 1);
    assert_int_equal(dead, RECORDS_MANY + 1 - 3); /* the newest count */
    file_run(&store_fixture.place, "DELETE FROM tailgate_parked WHERE message_id > 100000;"
                                   "DELETE FROM tailgate_delivery WHERE message_id > 9");
    assert_int_equal(records_counts(db, &parked, &dead), BRIDGE_OK);
    assert_int_equal(parked, RECORDS_MANY);
    assert_int_equal(dead, 9);
    assert_true(db_is_quiet(db));
}

static bool is_live(int64_t now_us)
{
    struct seen seen = {""};
    assert_int_equal(records_one(db, 1, now_us, see_whole, &seen), BRIDGE_OK);
    return strstr(seen.text, "live 1") != NULL;
}

static void a_dead_query_is_live_while_it_could_be_asked_again(void **state)
{
    (void)state;
    store_given(1);
    bury(1, "s", STORE_TIME);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2026-11-21 00:00:05'");
    assert_true(is_live(STORE_TIME + 4999999));
    assert_false(is_live(STORE_TIME + 5000000));
    file_run(&store_fixture.place, "DELETE FROM conversations");
    assert_false(is_live(STORE_TIME));
    file_run(&store_fixture.place, "DELETE FROM messages");
    assert_false(is_live(STORE_TIME));
}

static void what_somebody_spoiled_is_read_as_nothing_worse(void **state)
{
    struct seen seen = {""};

    (void)state;
    store_given(1);
    const struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    file_run(&store_fixture.place,
             "UPDATE tailgate_delivery SET attempt = -5, failed = 1000001, pid = 'x',"
             " leased_at = 'soon', due_at = x'00ff', updated_at = '2026-11-21T00:00:00',"
             " history = x'ff', conversation_id = '', worker = NULL");
    assert_int_equal(records_one(db, 1, STORE_TIME, see_whole, &seen), BRIDGE_OK);
    expect(&seen, "1||default|state 0|claimed 0|1000000 of 0||0|-1|-1|0||\xff|redriven 0||"
                  "live 0\n");
}

static void see_answer(void *context, const struct answer_record *record)
{
    append(context, "%lld of %lld|%.*s|%.*s|%.*s|%u|%.*s|%.*s|%lld\n", (long long)record->id,
           (long long)record->message_id, (int)record->conversation_id.size,
           record->conversation_id.data, (int)record->why.size, record->why.data,
           (int)record->worker.size, record->worker.data, record->attempt, (int)record->answer.size,
           record->answer.data, (int)record->metadata.size, record->metadata.data,
           (long long)(record->kept_at_us - STORE_TIME));
}

static void kept_answers_are_read_newest_first(void **state)
{
    struct seen seen = {""};
    size_t count = 0;

    (void)state;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    for (int64_t id = 1; id <= 3; id++) {
        struct store_reply reply = store_reply_to(id % 2, "x");
        reply.metadata = span_str("");
        reply.worker = span_str("w");
        reply.attempt = (uint32_t)id;
        assert_int_equal(store_keep(store_fixture.store, &reply, "refused"), BRIDGE_OK);
    }
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(records_answers(db, 1, 10, see_answer, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 2);
    expect(&seen, "3 of 1|" CONVERSATION "|refused|w|3|x||0\n"
                  "1 of 1|" CONVERSATION "|refused|w|1|x||0\n");
    seen = (struct seen){""};
    assert_int_equal(records_answers(db, 0, 1, see_answer, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 1);
    expect(&seen, "3 of 1|" CONVERSATION "|refused|w|3|x||0\n");
}

static void parked_rows_come_in_pages(void **state)
{
    int64_t id[3] = {0};
    size_t count = 0;

    (void)state;
    file_run(&store_fixture.place, "INSERT INTO tailgate_parked VALUES(9), (2), (7), (5)");
    assert_int_equal(records_parked(db, 0, 3, id, &count), BRIDGE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(id[0], 2);
    assert_int_equal(id[2], 7);
    assert_int_equal(records_parked(db, 7, 3, id, &count), BRIDGE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(id[0], 9);
    assert_true(db_is_quiet(db));
}

static void a_word_is_text_and_never_the_key(void **state)
{
    char text[8];
    const int64_t none = 0;

    (void)state;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_mark(store_fixture.store, 12345, &none, 0), BRIDGE_OK);
    assert_int_equal(store_note(store_fixture.store, "rules", span_str("a long word")), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(records_note(db, "low_water", text, sizeof text), BRIDGE_OK);
    assert_string_equal(text, "12345");
    assert_int_equal(records_note(db, "rules", text, sizeof text), BRIDGE_OK);
    assert_string_equal(text, "a long ");
    assert_int_equal(records_note(db, "none", text, sizeof text), BRIDGE_ABSENT);
    assert_int_equal(records_note(db, "token_key", text, sizeof text), BRIDGE_ABSENT);
    assert_true(db_is_quiet(db));
}

static void a_bridge_that_no_gateway_has_served_has_no_records(void **state)
{
    struct seen seen = {""};
    const struct records_filter all = {.redriven = true};
    int64_t id, parked = -1, dead = -1;
    size_t count = 99;
    char text[8];

    (void)state;
    db_close(&db);
    struct place place = support_place(store_fixture.folder, "fresh.db");
    peer_run("make", place.db, CONVERSATION, "WAL", NULL);
    assert_int_equal(db_open(&place, DB_READER, 1000, &db), BRIDGE_OK);
    assert_int_equal(records_open(db, 0, 10, see_id, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(records_dead(db, &all, STORE_TIME, 10, see_id, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(records_answers(db, 0, 10, see_answer, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(records_parked(db, 0, 1, &id, &count), BRIDGE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(records_one(db, 1, STORE_TIME, see_id, &seen), BRIDGE_ABSENT);
    assert_int_equal(records_note(db, "low_water", text, sizeof text), BRIDGE_ABSENT);
    assert_int_equal(records_counts(db, &parked, &dead), BRIDGE_OK);
    assert_int_equal(parked, 0);
    assert_int_equal(dead, 0);
    expect(&seen, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_lease_is_read_as_it_was_written),
        TEST(what_is_open_comes_in_pages_in_id_order_and_without_the_dead),
        TEST(the_dead_come_oldest_first_and_all_filters_must_hold),
        TEST(counts_look_at_no_more_than_they_can_say),
        TEST(a_dead_query_is_live_while_it_could_be_asked_again),
        TEST(what_somebody_spoiled_is_read_as_nothing_worse),
        TEST(kept_answers_are_read_newest_first),
        TEST(parked_rows_come_in_pages),
        TEST(a_word_is_text_and_never_the_key),
        TEST(a_bridge_that_no_gateway_has_served_has_no_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
