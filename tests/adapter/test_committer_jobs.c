/* gateway/committer: every kind of job does what it says, and the points that tests can stop at. */
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
#include "tests/adapter/store_fixture.h"

#define PATIENCE_MS 30000 /* only a hang misses it */

static struct committer *committer;
static char points[1000]; /* the committer's thread writes them, and is gone when they are read */
static void (*reached)(enum committer_point point);

static void note_point(void *context, enum committer_point point)
{
    static const char letter[] = "bacCrR"; /* in the order of enum committer_point */
    char *text = context;
    size_t length = strlen(text);

    if (length + 1 < sizeof points)
        text[length] = letter[point];
    if (reached)
        reached(point);
}

static int set_up(void **state)
{
    const struct committer_config config = {
        .duty = 50, .group = 1000, .point = note_point, .point_context = points};

    if (store_set_up(state))
        return -1;
    reached = NULL;
    memset(points, 0, sizeof points);
    committer = committer_new(store_fixture.store, &config);
    return committer ? 0 : -1;
}

static int tear_down(void **state)
{
    committer_destroy(&committer, false);
    return store_tear_down(state);
}

static struct job *job_of(enum job_kind kind, int64_t id)
{
    struct job *job = job_new(kind, id, span_str(CONVERSATION), span_str("b"), span_str("a"));

    job->attempt = 1;
    snprintf(job->worker, sizeof job->worker, "worker-1");
    snprintf(job->service, sizeof job->service, "default");
    return job;
}

static struct job *answer_of(enum job_kind kind, int64_t id)
{
    struct job *job = job_of(kind, id);

    buffer_text(&job->text, "an answer");
    buffer_text(&job->metadata, "{}");
    return job;
}

/* Hands JOB over and waits for its end; the caller destroys what comes back. */
static struct job *run(struct job *job)
{
    struct job_list done = {NULL, NULL, 0};
    struct pollfd item = {committer_fd(committer), POLLIN, 0};

    committer_submit(committer, job);
    while (done.count < 1) {
        assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
        committer_collect(committer, &done);
    }
    return job_list_take(&done);
}

static void expect_done(struct job *job, enum store_outcome outcome)
{
    struct job *done = run(job);

    assert_int_equal(done->error, BRIDGE_OK);
    assert_int_equal(done->outcome, outcome);
    job_destroy(&done);
}

static void a_query_goes_through_its_life_job_by_job(void **state)
{
    struct job *job;

    (void)state;
    store_given(2);
    job = job_of(JOB_LEASE, 1);
    job->claim = job->present = true;
    job->pid = 4711;
    job->leased_at_utc_us = STORE_TIME;
    job->due_at_utc_us = STORE_TIME + 1000000;
    expect_done(job, STORE_COMMITTED);
    store_expect_text("SELECT state || claimed || attempt || failed || worker || pid || service ||"
                      " leased_at || due_at FROM tailgate_delivery",
                      "leased110worker-14711default" STORE_TIME_TEXT "2026-11-21T00:00:01");
    assert_int_equal(store_number("SELECT read FROM messages WHERE id = 1"), 1);
    assert_int_equal(store_number("SELECT count(*) FROM session_status"), 1);
    job = job_of(JOB_FAIL, 1);
    job->failed = 1;
    job_set_reason(job, "slow");
    expect_done(job, STORE_COMMITTED);
    store_expect_text("SELECT state || claimed || failed || reason FROM tailgate_delivery",
                      "waiting11slow");
    job = answer_of(JOB_ANSWER, 1);
    job->claimed = job->recorded = true;
    buffer_text(&job->whole, "an answer that was longer");
    expect_done(job, STORE_COMMITTED);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(REPLIES), 1);
    store_expect_text("SELECT why || answer FROM tailgate_answer", "cutan answer that was longer");
    job = answer_of(JOB_DEAD, 2);
    job->failed = 1;
    job_set_reason(job, "never");
    expect_done(job, STORE_COMMITTED);
    store_expect_text("SELECT message_id || state || reason FROM tailgate_delivery", "2deadnever");
}

static void a_lost_claim_is_told_with_its_outcome(void **state)
{
    struct job *job = job_of(JOB_LEASE, 1);

    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    job->claim = true;
    expect_done(job, STORE_SUPERSEDED);
    assert_int_equal(store_number(DELIVERIES), 0);
}

static void an_answer_that_came_after_the_end_is_kept_with_the_end(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "DELETE FROM messages");
    expect_done(answer_of(JOB_GONE, 1), STORE_DELETED);
    store_expect_text("SELECT why || answer FROM tailgate_answer", "deletedan answer");
    assert_int_equal(store_number(AUDIT("query_deleted")), 1);
}

static void an_answer_that_the_database_refuses_is_kept_and_its_query_goes_on(void **state)
{
    struct job *done;

    (void)state;
    store_given(2);
    file_run(&store_fixture.place,
             "CREATE TRIGGER no_answers BEFORE INSERT ON messages WHEN new.from_session = 'b'"
             " BEGIN SELECT raise(ABORT, 'no answers'); END");
    done = run(answer_of(JOB_ANSWER, 1));
    assert_int_equal(done->error, BRIDGE_REFUSED);
    job_destroy(&done);
    assert_int_equal(store_number(KEPT), 0);
    done = run(answer_of(JOB_GONE, 1));
    assert_int_equal(done->error, BRIDGE_REFUSED);
    job_destroy(&done);
    store_expect_text("SELECT why || answer FROM tailgate_answer", "refusedan answer");
    assert_int_equal(store_number(UNREAD), 2);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

static void marks_words_and_presence_are_written(void **state)
{
    struct job *job;

    (void)state;
    store_given(3);
    job = job_of(JOB_MARK, 3);
    job->parks = memory_new(2 * sizeof *job->parks);
    job->parks[0] = 1;
    job->parks[1] = 2;
    job->park_count = 2;
    expect_done(job, STORE_COMMITTED);
    assert_int_equal(store_number(PARKED), 2);
    expect_done(job_of(JOB_UNPARK, 1), STORE_COMMITTED);
    assert_int_equal(store_number("SELECT message_id FROM tailgate_parked"), 2);
    job = job_of(JOB_NOTE, 0);
    job->key = "rules";
    buffer_text(&job->text, "x");
    expect_done(job, STORE_COMMITTED);
    store_expect_text("SELECT value FROM tailgate_meta WHERE key = 'rules'", "x");
    expect_done(job_of(JOB_LEASE, 3), STORE_COMMITTED);
    file_run(&store_fixture.place, "DELETE FROM session_status");
    expect_done(job_of(JOB_PRESENT, 0), STORE_COMMITTED);
    store_expect_text("SELECT status FROM session_status", "tailgate");
}

static void retirement_tells_how_much_it_was(void **state)
{
    struct job *job = job_of(JOB_RETIRE, 0);

    (void)state;
    file_run(&store_fixture.place,
             "INSERT INTO audit_log(action, timestamp) VALUES('query_dead', '2020-01-01T00:00:00'),"
             "('query_dead', '2020-01-01T00:00:00'), ('query_dead', '2020-01-01T00:00:00')");
    job->retention = (struct store_retention){1, 1, 1, 1, 1};
    job->limit = 2;
    job = run(job);
    assert_int_equal(job->error, BRIDGE_OK);
    assert_int_equal(job->count, 2);
    assert_true(job->more);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 1);
    job = run(job);
    assert_int_equal(job->count, 1);
    assert_false(job->more);
    job_destroy(&job);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

/* C4: triggers of somebody's that do not run in our connection, as each of our own tables might
 * have one day. */
static void upkeep_that_cannot_be_done_costs_no_reply(void **state)
{
    static const enum job_kind kinds[] = {JOB_KEEP, JOB_MARK, JOB_UNPARK, JOB_NOTE, JOB_RETIRE};
    const size_t count = sizeof kinds / sizeof kinds[0];
    struct job_list done = {NULL, NULL, 0};
    struct pollfd item = {committer_fd(committer), POLLIN, 0};
    const int64_t until_us = clock_mono_us() + PATIENCE_MS * 1000LL; /* each vain try rings, too */

    (void)state;
    store_given(10);
    file_run(&store_fixture.place,
             "CREATE TRIGGER one BEFORE INSERT ON tailgate_answer BEGIN SELECT theirs(1); END;"
             "CREATE TRIGGER two BEFORE INSERT ON tailgate_meta BEGIN SELECT theirs(1); END;"
             "CREATE TRIGGER three BEFORE DELETE ON tailgate_parked BEGIN SELECT theirs(1); END;"
             "INSERT INTO tailgate_delivery(message_id, conversation_id, service, state, attempt,"
             " failed, updated_at) VALUES(99, 'c', 's', 'dead', 1, 1, '2020-01-01T00:00:00');"
             "CREATE TRIGGER four BEFORE DELETE ON tailgate_delivery BEGIN SELECT theirs(1); END");
    for (int64_t id = 1; id <= 10; id++) {
        committer_submit(committer, answer_of(JOB_ANSWER, id));
        if (id % 2)
            continue;
        struct job *job = answer_of(kinds[id / 2 - 1], id);
        job->key = "word";
        job->limit = 10;
        committer_submit(committer, job);
    }
    while (done.count < 10 + count) {
        assert_true(clock_mono_us() < until_us);
        assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
        committer_collect(committer, &done);
    }
    for (const struct job *job = done.first; job; job = job->next)
        assert_int_equal(job->error, job->kind == JOB_ANSWER ? BRIDGE_OK : BRIDGE_REFUSED);
    job_list_clear(&done);
    assert_int_equal(store_number(REPLIES), 10);
}

/* C4, with what no worker should be able to send and one did. */
static void a_text_that_is_not_clean_costs_its_own_job_only(void **state)
{
    struct job_list done = {NULL, NULL, 0};
    struct pollfd item = {committer_fd(committer), POLLIN, 0};

    (void)state;
    store_given(20);
    for (int64_t id = 1; id <= 20; id++) {
        struct job *job = answer_of(JOB_ANSWER, id);
        if (id == 3)
            buffer_text(&job->text, "\xc3");
        if (id == 5)
            buffer_byte(&job->metadata, '\0');
        if (id == 7)
            snprintf(job->worker, sizeof job->worker, "\xff");
        if (id == 9)
            buffer_text(&job->whole, "\xed\xa0\x80");
        committer_submit(committer, job);
    }
    while (done.count < 20) {
        assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
        committer_collect(committer, &done);
    }
    for (const struct job *job = done.first; job; job = job->next) {
        bool dirty = job->id == 3 || job->id == 5 || job->id == 7 || job->id == 9;
        assert_int_equal(job->error, dirty ? BRIDGE_REFUSED : BRIDGE_OK);
    }
    job_list_clear(&done);
    assert_int_equal(store_number(REPLIES), 16);
    assert_int_equal(store_number(UNREAD), 4);
}

static void the_points_come_in_the_order_of_a_commit(void **state)
{
    (void)state;
    store_given(2);
    expect_done(answer_of(JOB_ANSWER, 1), STORE_COMMITTED);
    expect_done(answer_of(JOB_ANSWER, 2), STORE_COMMITTED);
    committer_destroy(&committer, true);
    assert_string_equal(points, "bacCrRbacCrR");
}

static int64_t replies_at[POINT_AFTER_REPORT + 1];

static void count_replies(enum committer_point point)
{
    replies_at[point] = store_number(REPLIES);
}

static void what_others_see_at_each_point_is_what_its_name_says(void **state)
{
    struct job *job;

    (void)state;
    store_given(1);
    committer_destroy(&committer, true);
    reached = count_replies;
    committer =
        committer_new(store_fixture.store,
                      &(struct committer_config){
                          .duty = 50, .group = 10, .point = note_point, .point_context = points});
    job = run(answer_of(JOB_ANSWER, 1));
    job_destroy(&job);
    committer_destroy(&committer, true);
    assert_int_equal(replies_at[POINT_BEFORE_BEGIN], 0);
    assert_int_equal(replies_at[POINT_BETWEEN], 0);
    assert_int_equal(replies_at[POINT_BEFORE_COMMIT], 0);
    assert_int_equal(replies_at[POINT_AFTER_COMMIT], 1);
    assert_int_equal(replies_at[POINT_BEFORE_REPORT], 1);
    assert_int_equal(replies_at[POINT_AFTER_REPORT], 1);
}

static void the_view_tells_how_long_the_wal_is(void **state)
{
    struct committer_view view;

    (void)state;
    store_given(1);
    committer_look(committer, &view);
    assert_int_equal(view.wal_frames, 0);
    expect_done(answer_of(JOB_ANSWER, 1), STORE_COMMITTED);
    committer_look(committer, &view);
    assert_in_range(view.wal_frames, 1, 400);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_query_goes_through_its_life_job_by_job),
        TEST(a_lost_claim_is_told_with_its_outcome),
        TEST(an_answer_that_came_after_the_end_is_kept_with_the_end),
        TEST(an_answer_that_the_database_refuses_is_kept_and_its_query_goes_on),
        TEST(marks_words_and_presence_are_written),
        TEST(retirement_tells_how_much_it_was),
        TEST(upkeep_that_cannot_be_done_costs_no_reply),
        TEST(a_text_that_is_not_clean_costs_its_own_job_only),
        TEST(the_points_come_in_the_order_of_a_commit),
        TEST(what_others_see_at_each_point_is_what_its_name_says),
        TEST(the_view_tells_how_long_the_wal_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
