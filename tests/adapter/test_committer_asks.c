/* gateway/committer: what clients ask, close and get, job by job. */
#include "gateway/committer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>

#include "adapters/host/clock.h"
#include "tests/adapter/ask_fixture.h"

#define PATIENCE_MS 30000 /* only a hang misses it */

static struct committer *committer;

static int set_up(void **state)
{
    const struct committer_config config = {.duty = 50, .group = 1000};

    if (store_set_up(state))
        return -1;
    committer = committer_new(store_fixture.store, &config);
    return committer ? 0 : -1;
}

static int tear_down(void **state)
{
    committer_destroy(&committer, false);
    return store_tear_down(state);
}

static struct job *ask_job(const char *text)
{
    struct job *job = job_new(JOB_ASK, 0, span_str(""), span_str(""), span_str(""));
    struct ask_job *ask = job->ask;

    snprintf(ask->principal, sizeof ask->principal, "uid:1000");
    snprintf(ask->role, sizeof ask->role, "somebody");
    snprintf(ask->session, sizeof ask->session, "b");
    snprintf(job->service, sizeof job->service, "law");
    buffer_text(&ask->text, text);
    buffer_text(&ask->metadata, "{\"action_type\":\"question\"}");
    memcpy(ask->digest, text, strlen(text) < 16 ? strlen(text) : 16);
    ask->coalesce_s = 600;
    ask->live_s = ask->turn_s = ask->ticket_s = HOUR_S;
    job->request = 4711;
    return job;
}

/* Waits for COUNT jobs; the caller clears RET_DONE. */
static void await(size_t count, struct job_list *ret_done)
{
    struct pollfd item = {committer_fd(committer), POLLIN, 0};
    const int64_t until_us = clock_mono_us() + PATIENCE_MS * 1000LL; /* each vain try rings, too */

    while (ret_done->count < count) {
        assert_true(clock_mono_us() < until_us);
        assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
        committer_collect(committer, ret_done);
    }
}

/* Hands JOB over and waits for its end; the caller destroys what comes back. */
static struct job *run(struct job *job)
{
    struct job_list done = {NULL, NULL, 0};

    committer_submit(committer, job);
    await(1, &done);
    return job_list_take(&done);
}

/* Returns the id that the job came back with. */
static int64_t expect_asked(struct job *job, enum store_asked want)
{
    struct job *done = run(job);
    int64_t id = done->id;

    assert_int_equal(done->error, BRIDGE_OK);
    assert_int_equal(done->ask->asked, want);
    assert_int_equal(done->request, 4711);
    job_destroy(&done);
    return id;
}

static struct job *about(enum job_kind kind, int64_t id)
{
    char *conversation =
        file_text(&store_fixture.place, "SELECT max(conversation_id) FROM messages");
    struct job *job = job_new(kind, id, span_str(conversation), span_str("b"), span_str("a"));

    free(conversation);
    return job;
}

static void a_request_comes_back_with_its_row(void **state)
{
    struct job *job = ask_job("q");
    int64_t id;

    (void)state;
    buffer_text(&job->ask->blob, "frames");
    snprintf(job->ask->ticket, sizeof job->ask->ticket, TICKET_1);
    id = expect_asked(job, STORE_ASKED);
    assert_int_equal(store_number("SELECT id FROM messages"), id);
    store_expect_text("SELECT data FROM tailgate_blob", "frames");
    assert_int_equal(store_number("SELECT message_id FROM tailgate_ticket"), id);
    assert_int_equal(expect_asked(ask_job("q"), STORE_ATTACHED), id);
    job = ask_job("q");
    job->ask->fresh = true;
    assert_true(expect_asked(job, STORE_ASKED) > id);
    job = ask_job("q");
    snprintf(job->ask->conversation_id, sizeof job->ask->conversation_id, CONVERSATION);
    assert_int_equal(expect_asked(job, STORE_NO_CONVERSATION), 0);
    job = ask_job("q");
    snprintf(job->ask->conversation_id, sizeof job->ask->conversation_id, CONVERSATION);
    memset(job->ask->session_token, 'a', 64); /* peer.py */
    expect_asked(job, STORE_ASKED);
}

static void an_answer_brings_its_frames_and_tells_its_ticket(void **state)
{
    struct job *job = ask_job("q");
    int64_t id;

    (void)state;
    snprintf(job->ask->ticket, sizeof job->ask->ticket, TICKET_1);
    id = expect_asked(job, STORE_ASKED);
    job = about(JOB_ANSWER, id);
    buffer_text(&job->text, "{}");
    buffer_text(&job->metadata, "{}");
    buffer_text(&job->blob, "frames");
    buffer_text(&job->client, "what the client gets");
    job->ticket = true;
    job = run(job);
    assert_int_equal(job->error, BRIDGE_OK);
    assert_int_equal(job->outcome, STORE_COMMITTED);
    assert_true(span_is(buffer_span(&job->client), "what the client gets"));
    job_destroy(&job);
    store_expect_text("SELECT data FROM tailgate_blob JOIN tailgate_ticket"
                      " ON reply_id = tailgate_blob.message_id",
                      "frames");
}

static void what_is_closed_is_dropped_and_its_ticket_is_gone(void **state)
{
    struct committer_view view;
    struct job *job = ask_job("q");
    int64_t id;

    (void)state;
    snprintf(job->ask->ticket, sizeof job->ask->ticket, TICKET_1);
    id = expect_asked(job, STORE_ASKED);
    job = about(JOB_UNTICK, id);
    buffer_text(&job->text, TICKET_1);
    job = run(job);
    assert_int_equal(job->error, BRIDGE_OK);
    job_destroy(&job);
    assert_int_equal(store_number(TICKETS), 0);
    committer_look(committer, &view);
    assert_int_equal(view.jobs, 0); /* nothing has ended so far */
    job = about(JOB_DROP, id);
    job->settles = true;
    job = run(job);
    assert_int_equal(job->error, BRIDGE_OK);
    assert_int_equal(job->outcome, STORE_DROPPED);
    job_destroy(&job);
    committer_look(committer, &view);
    assert_int_equal(view.jobs, 1);
    assert_int_equal(store_number("SELECT read FROM messages"), 1);
    assert_int_equal(store_number(REPLIES), 0);
}

/* C4: those beside it are committed, whether the database says so or a function is missing. */
static void a_request_that_the_database_refuses_costs_its_own_client_only(void **state)
{
#define ODD_ONES "CREATE TRIGGER no BEFORE INSERT ON messages WHEN new.message = 'odd'"
    static const char *const rules[] = {
        ODD_ONES " BEGIN SELECT raise(ABORT, 'no'); END",
        ODD_ONES " BEGIN SELECT raise(IGNORE); END",
        "CREATE TRIGGER no BEFORE INSERT ON tailgate_ticket BEGIN SELECT theirs(1); END",
    };

    (void)state;
    store_given(3);
    for (int64_t i = 0; i < 3; i++) {
        struct job_list done = {NULL, NULL, 0};
        struct job *job =
            job_new(JOB_ANSWER, i + 1, span_str(CONVERSATION), span_str("b"), span_str("a"));
        file_run(&store_fixture.place, rules[i]);
        buffer_text(&job->text, "x");
        buffer_text(&job->metadata, "{}");
        struct job *odd = ask_job("odd"), *even = ask_job(i == 0 ? "e0" : i == 1 ? "e1" : "e2");
        snprintf(odd->ask->ticket, sizeof odd->ask->ticket, TICKET_1);
        committer_submit(committer, odd);
        committer_submit(committer, job);
        committer_submit(committer, even);
        await(3, &done);
        for (const struct job *each = done.first; each; each = each->next) {
            bool is_odd = each->ask && span_is(buffer_span(&each->ask->text), "odd");
            assert_int_equal(each->error, is_odd ? BRIDGE_REFUSED : BRIDGE_OK);
        }
        job_list_clear(&done);
        file_run(&store_fixture.place, "DROP TRIGGER no");
    }
    assert_int_equal(store_number(REPLIES), 3);
    assert_int_equal(store_number("SELECT count(*) FROM messages WHERE message LIKE 'e_'"), 3);
    assert_int_equal(store_number("SELECT count(*) FROM messages WHERE message = 'odd'"), 0);
}

static void closing_that_cannot_be_done_costs_no_reply(void **state)
{
    struct job_list done = {NULL, NULL, 0};
    struct job *untick;

    (void)state;
    expect_asked(ask_job("q"), STORE_ASKED);
    file_run(&store_fixture.place,
             "INSERT INTO tailgate_ticket(ticket, message_id, expires_at) VALUES('t', 1, '');"
             "CREATE TRIGGER no BEFORE DELETE ON tailgate_ticket BEGIN SELECT theirs(1); END");
    untick = about(JOB_UNTICK, 1);
    buffer_text(&untick->text, "t");
    committer_submit(committer, untick);
    committer_submit(committer, ask_job("r"));
    await(2, &done);
    for (const struct job *job = done.first; job; job = job->next)
        assert_int_equal(job->error, job->kind == JOB_UNTICK ? BRIDGE_REFUSED : BRIDGE_OK);
    job_list_clear(&done);
}

static void what_a_group_may_hold_counts_all_that_a_request_brings(void **state)
{
    struct job *job = ask_job("question");
    size_t before = job_bytes(job);

    (void)state;
    assert_true(before >= sizeof "question" - 1);
    buffer_text(&job->ask->blob, "12345");
    buffer_text(&job->blob, "1234");
    assert_int_equal(job_bytes(job), before + 9);
    job_destroy(&job);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_comes_back_with_its_row),
        TEST(an_answer_brings_its_frames_and_tells_its_ticket),
        TEST(what_is_closed_is_dropped_and_its_ticket_is_gone),
        TEST(a_request_that_the_database_refuses_costs_its_own_client_only),
        TEST(closing_that_cannot_be_done_costs_no_reply),
        TEST(what_a_group_may_hold_counts_all_that_a_request_brings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
