#include "tests/adapter/ask_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct store_ask ask_of(const char *text)
{
    static char digest[16];
    memset(digest, 0, sizeof digest);
    memcpy(digest, text, strlen(text) < sizeof digest ? strlen(text) : sizeof digest);
    return (struct store_ask){
        .principal = span_str("uid:1000"),
        .role = span_str("somebody"),
        .service = span_str("law"),
        .session = span_str("b"),
        .text = span_str(text),
        .metadata = span_str("{\"action_type\":\"question\"}"),
        .digest = span_of(digest, sizeof digest),
        .coalesce_s = 600,
        .live_s = 3 * HOUR_S,
        .turn_s = HOUR_S,
        .ticket_s = 7 * DAY_S,
    };
}

enum store_asked ask_commit_at(const struct store_ask *ask, int64_t now_us, int64_t *ret_id)
{
    enum store_asked asked = STORE_NO_CONVERSATION;
    assert_int_equal(store_begin(store_fixture.store, now_us), BRIDGE_OK);
    assert_int_equal(store_ask(store_fixture.store, ask, &asked, ret_id), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_true(db_is_quiet(store_fixture.db));
    return asked;
}

int64_t ask_expect(const struct store_ask *ask, enum store_asked want)
{
    int64_t id = -1;
    assert_int_equal(ask_commit_at(ask, STORE_TIME, &id), want);
    return id;
}

void ask_answer(int64_t id, struct store_reply reply)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT conversation_id FROM messages WHERE id = %lld",
             (long long)id);
    char *conversation = file_text(&store_fixture.place, sql);
    assert_non_null(conversation);
    reply.message_id = id;
    reply.conversation_id = span_str(conversation);
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    free(conversation);
}
