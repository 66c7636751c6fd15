/* adapters/bridge/store: an answer that was judged by its row as that was read before. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/adapter/store_fixture.h"
#include "tests/adapter/support.h"

#define RESULT                                                                                     \
    "SELECT (SELECT count(*) FROM messages WHERE from_session = 'b') || ' replies, ' ||"           \
    " (SELECT count(*) FROM messages WHERE read = 1) || ' read, ' ||"                              \
    " (SELECT count(*) FROM audit_log) || ' audited, ' ||"                                         \
    " (SELECT count(*) FROM tailgate_answer) || ' kept'"

/* The text of row 1, of which an answer's token tells. */
static struct token_digest digest_of_row(void)
{
    struct token_digest digest;
    char *text = file_text(&store_fixture.place, "SELECT message FROM messages WHERE id = 1");
    token_digest(span_str(CONVERSATION), span_str(text), &digest);
    free(text);
    return digest;
}

/* The group in which an answer to row 1 is committed that was read after OTHERS. */
static enum store_outcome commit_as_read(uint64_t others, const struct token_digest *digest,
                                         bool *ret_changed)
{
    struct store_reply reply = store_reply_to(1, "an answer");
    reply.as_read = true;
    reply.others = others;
    reply.digest = digest;
    enum store_outcome outcome = store_commit_reply(&reply);
    *ret_changed = store_reply_changed(store_fixture.store);
    return outcome;
}

static void a_row_that_others_have_not_touched_is_the_one_that_was_read(void **state)
{
    (void)state;
    store_given(1);
    struct token_digest digest = digest_of_row();
    uint64_t others = store_others(store_fixture.store);
    bool changed = true;
    file_run(&store_fixture.place, "UPDATE messages SET timestamp = '2026-01-01T00:00:00'");
    assert_int_equal(commit_as_read(others, &digest, &changed), STORE_COMMITTED);
    assert_false(changed);
    assert_true(store_others(store_fixture.store) > others);
    store_expect_text(RESULT, "1 replies, 1 read, 1 audited, 0 kept");
}

/* The very first commit of somebody else counts, too. */
static void a_row_with_another_text_is_not(void **state)
{
    static const char *const changes[] = {
        "UPDATE messages SET message = 'another question' WHERE id = 1",
        "UPDATE messages SET conversation_id = 'another' WHERE id = 1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        bool changed = false;
        if (i == 0)
            store_given(1);
        struct token_digest digest = digest_of_row();
        uint64_t others = store_others(store_fixture.store);
        file_run(&store_fixture.place, changes[i]);
        assert_int_equal(commit_as_read(others, &digest, &changed), STORE_DELETED);
        assert_true(changed);
        store_expect_text(RESULT, "0 replies, 0 read, 0 audited, 0 kept");
    }
}

static void what_the_guard_finds_is_recorded_as_ever(void **state)
{
    (void)state;
    store_given(1);
    struct token_digest digest = digest_of_row();
    uint64_t others = store_others(store_fixture.store);
    bool changed = true;
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    assert_int_equal(commit_as_read(others, &digest, &changed), STORE_SUPERSEDED);
    assert_false(changed);
    file_run(&store_fixture.place, "DELETE FROM messages");
    assert_int_equal(commit_as_read(others, &digest, &changed), STORE_DELETED);
    assert_false(changed);
    store_expect_text(RESULT, "0 replies, 0 read, 1 audited, 2 kept");
}

/* Else each reply would pay for the look. */
static void our_own_commits_are_nobody_elses(void **state)
{
    (void)state;
    store_given(2);
    store_commit_one(2, "x");
    struct token_digest other = {.bytes = {1}};
    uint64_t others = store_others(store_fixture.store);
    bool changed = true;
    assert_int_equal(commit_as_read(others, &other, &changed), STORE_COMMITTED);
    assert_false(changed);
    assert_int_equal(store_others(store_fixture.store), others);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_row_that_others_have_not_touched_is_the_one_that_was_read),
        TEST(a_row_with_another_text_is_not),
        TEST(what_the_guard_finds_is_recorded_as_ever),
        TEST(our_own_commits_are_nobody_elses),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
