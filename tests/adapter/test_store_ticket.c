/* adapters/bridge/store and tickets: what a client comes back for, and bodies beside their row. */
#include "adapters/bridge/tickets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/buffer.h"
#include "tests/adapter/ask_fixture.h"

#define PACKED "\1\0\0\0\5\0\0\0fr\0me"

static sqlite3 *reader; /* as the tail's connection */

static int set_up(void **state)
{
    if (store_set_up(state))
        return -1;
    return db_open(&store_fixture.place, DB_READER, 0, &reader);
}

static int tear_down(void **state)
{
    db_close(&reader);
    return store_tear_down(state);
}

/* The last ticket that was looked at, copied. */
static struct {
    int64_t message_id;
    enum ticket_state state;
    bool only;
    char text[100], metadata[100], blob[100];
} seen;

static void copy(char ret_text[100], struct span text)
{
    assert_true(text.size < 100);
    snprintf(ret_text, 100, "%.*s", (int)text.size, text.data ? text.data : "");
}

static void see(void *context, const struct ticket_record *record)
{
    assert_ptr_equal(context, &seen);
    seen.message_id = record->message_id;
    seen.state = record->state;
    seen.only = record->only;
    copy(seen.text, record->text);
    copy(seen.metadata, record->metadata);
    copy(seen.blob, record->blob);
}

static int look_at(const char *ticket, int64_t now_us)
{
    int error = tickets_one(reader, span_str(ticket), now_us, see, &seen);
    assert_true(db_is_quiet(reader));
    return error;
}

static enum ticket_state state_of(const char *ticket)
{
    assert_int_equal(look_at(ticket, STORE_TIME), BRIDGE_OK);
    return seen.state;
}

static int64_t ask_for(const char *ticket, enum store_asked want)
{
    struct store_ask ask = ask_of("q");
    ask.ticket = span_str(ticket);
    return ask_expect(&ask, want);
}

static struct store_reply reply_of(const char *text)
{
    struct store_reply reply = store_reply_to(0, text);
    reply.worker = span_str("worker-1");
    reply.service = span_str("law");
    reply.attempt = 1;
    reply.ticket = true;
    return reply;
}

static struct store_reply death(void)
{
    struct store_reply reply = reply_of("{\"type\":\"error\",\"error\":\"never\"}");
    reply.dead = true;
    reply.failed = 3;
    reply.reason = span_str("never");
    reply.metadata = span_str("{\"dead\":true}");
    return reply;
}

static void a_ticket_is_pending_until_its_answer_is_committed(void **state)
{
    (void)state;
    int64_t id = ask_for(TICKET_1, STORE_ASKED);
    assert_int_equal(state_of(TICKET_1), TICKET_PENDING);
    assert_int_equal(seen.message_id, id);
    assert_string_equal(seen.text, "");
    ask_answer(id, reply_of("an answer"));
    assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
    assert_string_equal(seen.text, "an answer");
    assert_string_equal(seen.metadata, "{\"in_reply_to\":1}");
    assert_string_equal(seen.blob, "");
    file_run(&store_fixture.place, "UPDATE messages SET read = 1"); /* somebody else has read it */
    assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
}

static void a_ticket_is_good_for_its_time(void **state)
{
    (void)state;
    ask_for(TICKET_1, STORE_ASKED);
    assert_int_equal(look_at(TICKET_1, STORE_TIME + 7 * DAY_S * SECOND_US - 1), BRIDGE_OK);
    assert_int_equal(look_at(TICKET_1, STORE_TIME + 7 * DAY_S * SECOND_US), BRIDGE_ABSENT);
    assert_int_equal(look_at(TICKET_2, STORE_TIME), BRIDGE_ABSENT);
    assert_int_equal(look_at("", STORE_TIME), BRIDGE_ABSENT);
}

static void each_ticket_of_a_request_gets_its_answer(void **state)
{
    (void)state;
    int64_t id = ask_for(TICKET_1, STORE_ASKED);
    assert_int_equal(state_of(TICKET_1), TICKET_PENDING);
    assert_true(seen.only);
    assert_int_equal(ask_for(TICKET_2, STORE_ATTACHED), id);
    assert_int_equal(state_of(TICKET_1), TICKET_PENDING);
    assert_false(seen.only);
    ask_answer(id, reply_of("x"));
    assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
    assert_int_equal(state_of(TICKET_2), TICKET_ANSWERED);
}

static void a_dead_request_says_why(void **state)
{
    (void)state;
    int64_t id = ask_for(TICKET_1, STORE_ASKED);
    ask_answer(id, death());
    assert_int_equal(state_of(TICKET_1), TICKET_DEAD);
    assert_string_equal(seen.text, "{\"type\":\"error\",\"error\":\"never\"}");
    /* as its reply row says, when retention has removed the other */
    file_run(&store_fixture.place, "DELETE FROM tailgate_delivery");
    assert_int_equal(state_of(TICKET_1), TICKET_DEAD);
    /* and as the other says, when somebody has edited the reply */
    file_run(&store_fixture.place,
             "UPDATE messages SET metadata = '{\"dead\"' WHERE from_session = 'b'");
    assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
    file_run(&store_fixture.place,
             "INSERT INTO tailgate_delivery(message_id, conversation_id, service, state, attempt,"
             " failed, updated_at) VALUES(1, 'c', 's', 'dead', 1, 1, '')");
    assert_int_equal(state_of(TICKET_1), TICKET_DEAD);
}

static void metadata_that_says_dead_otherwise_is_no_death(void **state)
{
    (void)state;
    static const char *const metadata[] = {
        "{\"dead\":false}", "{\"dead\":1}", "{\"dead\":\"true\"}", "[true]", "{}", ""};
    int64_t id = ask_for(TICKET_1, STORE_ASKED);
    ask_answer(id, reply_of("x"));
    for (size_t i = 0; i < sizeof metadata / sizeof metadata[0]; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "UPDATE messages SET metadata = '%s' WHERE from_session = 'b'",
                 metadata[i]);
        file_run(&store_fixture.place, sql);
        assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
    }
    file_run(&store_fixture.place, "UPDATE messages SET metadata = NULL WHERE from_session = 'b'");
    assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
}

static void what_ended_without_our_reply_has_ended(void **state)
{
    (void)state;
    ask_for(TICKET_1, STORE_ASKED);
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    assert_int_equal(state_of(TICKET_1), TICKET_ENDED);
    file_run(&store_fixture.place, "UPDATE messages SET read = 0;"
                                   "UPDATE conversations SET expires_at = '2020-01-01T00:00:00'");
    assert_int_equal(state_of(TICKET_1), TICKET_ENDED);
    file_run(&store_fixture.place, "DELETE FROM messages");
    assert_int_equal(state_of(TICKET_1), TICKET_ENDED);
    file_run(&store_fixture.place, "DELETE FROM conversations");
    assert_int_equal(state_of(TICKET_1), TICKET_ENDED);
}

static void a_claimed_request_is_pending(void **state)
{
    (void)state;
    int64_t id = ask_for(TICKET_1, STORE_ASKED);
    char *conversation = file_text(&store_fixture.place, "SELECT conversation_id FROM messages");
    struct store_delivery delivery = store_delivery_of(id);
    delivery.conversation_id = span_str(conversation);
    delivery.claim = true;
    assert_int_equal(store_commit_lease(&delivery), STORE_COMMITTED);
    assert_int_equal(state_of(TICKET_1), TICKET_PENDING);
    struct store_reply reply = reply_of("x");
    reply.claimed = reply.recorded = true;
    ask_answer(id, reply);
    assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
    free(conversation);
}

static void a_reply_without_the_word_runs_no_statement_for_tickets(void **state)
{
    (void)state;
    int64_t id = ask_for(TICKET_1, STORE_ASKED);
    struct store_reply reply = reply_of("x");
    reply.ticket = false;
    ask_answer(id, reply);
    assert_int_equal(store_number("SELECT count(reply_id) FROM tailgate_ticket"), 0);
}

static int untick(const char *ticket)
{
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    int error = store_untick(store_fixture.store, span_str(ticket));
    if (error == BRIDGE_OK)
        assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    else
        store_rollback(store_fixture.store);
    return error;
}

static void a_ticket_that_is_closed_is_gone_and_no_other(void **state)
{
    (void)state;
    ask_for(TICKET_1, STORE_ASKED);
    ask_for(TICKET_2, STORE_ATTACHED);
    assert_int_equal(untick(TICKET_1), BRIDGE_OK);
    assert_int_equal(look_at(TICKET_1, STORE_TIME), BRIDGE_ABSENT);
    assert_int_equal(state_of(TICKET_2), TICKET_PENDING);
    assert_true(seen.only);
    assert_int_equal(untick(TICKET_1), BRIDGE_OK); /* again */
    assert_int_equal(untick("\xff"), BRIDGE_REFUSED);
    assert_int_equal(store_number(REQUESTS), 1);
}

static void expect_blob(int64_t id, struct span want)
{
    struct buffer packed;
    buffer_init(&packed);
    assert_int_equal(blobs_load(reader, id, &packed), BRIDGE_OK);
    assert_true(db_is_quiet(reader));
    assert_true(span_equal(buffer_span(&packed), want));
    buffer_done(&packed);
}

static void frames_stand_beside_their_row_whatever_bytes_they_are(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    const struct span packed = span_of(PACKED, sizeof PACKED - 1);
    ask.blob = packed;
    ask.ticket = span_str(TICKET_1);
    int64_t id = ask_expect(&ask, STORE_ASKED);
    expect_blob(id, packed);
    store_expect_text("SELECT message_id || kept_at || typeof(data) FROM tailgate_blob",
                      "1" STORE_TIME_TEXT "blob");
    ask_expect(&(struct store_ask){0}, STORE_ASKED); /* of nobody, without frames */
    assert_int_equal(store_number(BLOBS), 1);
    struct store_reply reply = reply_of("{}");
    reply.blob = span_str("another one's");
    ask_answer(id, reply);
    assert_int_equal(state_of(TICKET_1), TICKET_ANSWERED);
    assert_string_equal(seen.blob, "another one's"); /* the reply's, not the question's */
    expect_blob(store_number("SELECT id FROM messages WHERE from_session = 'b'"), reply.blob);
    expect_blob(id, packed);
    expect_blob(99, span_str(""));
}

static void a_megabyte_comes_back_as_it_was(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    struct buffer frames;
    buffer_init(&frames);
    for (int i = 0; i < 1 << 20; i++)
        buffer_byte(&frames, (char)(i * 31 >> 3));
    ask.blob = buffer_span(&frames);
    int64_t id = ask_expect(&ask, STORE_ASKED);
    expect_blob(id, ask.blob);
    buffer_done(&frames);
}

static void frames_of_a_reply_that_comes_to_nothing_are_not_kept_as_its_own(void **state)
{
    (void)state;
    int64_t id = ask_for(TICKET_1, STORE_ASKED);
    char *conversation = file_text(&store_fixture.place, "SELECT conversation_id FROM messages");
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    struct store_reply reply = reply_of("{}");
    reply.message_id = id;
    reply.conversation_id = span_str(conversation);
    reply.blob = span_str("frames");
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    assert_int_equal(store_number(BLOBS), 0);
    assert_int_equal(state_of(TICKET_1), TICKET_ENDED);
    free(conversation);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_ticket_is_pending_until_its_answer_is_committed),
        TEST(a_ticket_is_good_for_its_time),
        TEST(each_ticket_of_a_request_gets_its_answer),
        TEST(a_dead_request_says_why),
        TEST(metadata_that_says_dead_otherwise_is_no_death),
        TEST(what_ended_without_our_reply_has_ended),
        TEST(a_claimed_request_is_pending),
        TEST(a_reply_without_the_word_runs_no_statement_for_tickets),
        TEST(a_ticket_that_is_closed_is_gone_and_no_other),
        TEST(frames_stand_beside_their_row_whatever_bytes_they_are),
        TEST(a_megabyte_comes_back_as_it_was),
        TEST(frames_of_a_reply_that_comes_to_nothing_are_not_kept_as_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
