/* gateway/committer: the promises C1 to C4 of its header, on a real file with other real
 * connections. */
#include "gateway/committer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>

#include "adapters/host/clock.h"
#include "tests/adapter/store_fixture.h"

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

static void submit(enum job_kind kind, int64_t id, const char *text)
{
    struct job *job = job_new(kind, id, span_str(CONVERSATION), span_str("b"), span_str("a"));

    buffer_text(&job->text, text);
    buffer_format(&job->metadata, "{\"in_reply_to\":%lld}", (long long)id);
    committer_submit(committer, job);
}

static void await_event(void)
{
    struct pollfd item = {committer_fd(committer), POLLIN, 0};
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
}

/* Waits until COUNT jobs have ended; the caller clears the list. */
static struct job_list await_done(size_t count)
{
    struct job_list done = {NULL, NULL, 0};

    while (done.count < count) {
        await_event();
        committer_collect(committer, &done);
    }
    return done;
}

static struct committer_view await_state(enum committer_state state)
{
    struct job_list done = {NULL, NULL, 0};
    struct committer_view view;

    for (;;) {
        committer_look(committer, &view);
        if (view.state == state)
            break;
        await_event();
        committer_collect(committer, &done);
    }
    job_list_clear(&done);
    return view;
}

static void what_is_reported_is_in_the_file(void **state)
{
    struct job_list done;

    (void)state;
    store_given(1);
    submit(JOB_ANSWER, 1, "an answer");
    done = await_done(1);
    assert_int_equal(done.first->outcome, STORE_COMMITTED);
    assert_int_equal(done.first->error, BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 1); /* C1, seen by another connection */
    job_list_clear(&done);
}

static void jobs_end_in_the_order_they_came_each_once(void **state)
{
    struct job_list done;
    int64_t id = 0;

    (void)state;
    store_given(5000);
    for (int64_t i = 1; i <= 5000; i++)
        submit(JOB_ANSWER, i, "an answer");
    done = await_done(5000);
    for (const struct job *job = done.first; job; job = job->next) {
        assert_int_equal(job->id, ++id);
        assert_int_equal(job->outcome, STORE_COMMITTED);
    }
    assert_int_equal(store_number(REPLIES), 5000);
    assert_int_equal(store_number(UNREAD), 0);
    job_list_clear(&done);
}

static void a_locked_database_is_told_and_outwaited(void **state)
{
    struct peer_process holder;
    struct committer_view view;
    struct job_list done;
    char line[100];

    (void)state;
    store_given(1);
    holder = peer_start("lock", store_fixture.place.db, NULL);
    assert_true(peer_line(&holder, line, sizeof line));
    submit(JOB_ANSWER, 1, "an answer");
    view = await_state(COMMITTER_LOCKED);
    assert_int_equal(view.queued, 1);
    assert_true(view.busy > 0);
    peer_release(&holder);
    assert_int_equal(peer_wait(&holder), 0);
    done = await_done(1);
    assert_int_equal(done.first->outcome, STORE_COMMITTED);
    await_state(COMMITTER_OK);
    job_list_clear(&done);
}

/* The limit belongs to the store's connection, which only the thread may use while there is one. */
static void limit_pages(const char *sql)
{
    committer_destroy(&committer, false);
    assert_int_equal(sqlite3_exec(store_fixture.db, sql, NULL, NULL, NULL), SQLITE_OK);
    committer =
        committer_new(store_fixture.store, &(struct committer_config){.duty = 50, .group = 1000});
    assert_non_null(committer);
}

static void a_full_disk_is_told_and_commits_nothing_by_halves(void **state)
{
    char text[20001];
    struct job_list done;

    (void)state;
    store_given(20);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    limit_pages("PRAGMA max_page_count = 1"); /* SQLite makes it what the file has */
    for (int64_t i = 1; i <= 20; i++)
        submit(JOB_ANSWER, i, text);
    await_state(COMMITTER_FULL);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(UNREAD), 20);

    limit_pages("PRAGMA max_page_count = 1000000");
    submit(JOB_ANSWER, 1, text);
    done = await_done(1);
    assert_int_equal(done.first->outcome, STORE_COMMITTED);
    job_list_clear(&done);
}

static void what_one_row_spoils_the_others_do_not_suffer(void **state)
{
    struct committer_measures measures;
    struct job_list done;
    size_t refused = 0;

    (void)state;
    store_given(100);
    file_run(&store_fixture.place,
             "CREATE TRIGGER no_seven BEFORE UPDATE ON messages WHEN new.id = 7"
             " BEGIN SELECT raise(ABORT, 'not seven'); END");
    for (int64_t i = 1; i <= 100; i++)
        submit(JOB_ANSWER, i, "an answer");
    done = await_done(100);
    for (const struct job *job = done.first; job; job = job->next) {
        refused += job->error == BRIDGE_REFUSED;
        assert_int_equal(job->error, job->id == 7 ? BRIDGE_REFUSED : BRIDGE_OK);
    }
    assert_int_equal(refused, 1);
    assert_int_equal(store_number(REPLIES), 99);
    committer_measure(committer, &measures);
    assert_int_equal(measures.groups.sum, 99);
    assert_true(measures.split <= 1); /* 0 when the seventh was alone anyway */
    job_list_clear(&done);
}

/* The audit rows of a group are written together. */
static void what_one_audit_row_spoils_the_others_do_not_suffer(void **state)
{
    struct job_list done;

    (void)state;
    store_given(40);
    file_run(&store_fixture.place,
             "CREATE TRIGGER no BEFORE INSERT ON audit_log WHEN new.details LIKE '%: 13,%'"
             " BEGIN SELECT raise(ABORT, 'not thirteen characters'); END");
    for (int64_t i = 1; i <= 40; i++)
        submit(JOB_ANSWER, i, i == 7 ? "thirteen long" : "an answer");
    done = await_done(40);
    for (const struct job *job = done.first; job; job = job->next)
        assert_int_equal(job->error, job->id == 7 ? BRIDGE_REFUSED : BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 39);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 39);
    job_list_clear(&done);
}

/* C4: it is not the reply's fault, and the reply was paid for. */
static void a_reply_that_cannot_be_written_now_is_kept_until_it_can(void **state)
{
    struct job_list done;

    (void)state;
    store_given(1);
    file_run(&store_fixture.place,
             "CREATE TRIGGER one BEFORE INSERT ON messages BEGIN SELECT theirs(1); END");
    submit(JOB_ANSWER, 1, "an answer");
    await_state(COMMITTER_FAILING);
    assert_int_equal(store_number(UNREAD), 1);
    file_run(&store_fixture.place, "DROP TRIGGER one");
    done = await_done(1);
    assert_int_equal(done.first->error, BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 1);
    job_list_clear(&done);
}

static void a_drained_committer_has_committed_everything(void **state)
{
    (void)state;
    store_given(1000);
    for (int64_t i = 1; i <= 1000; i++)
        submit(JOB_ANSWER, i, "an answer");
    committer_destroy(&committer, true);
    assert_int_equal(store_number(REPLIES), 1000);
}

static void an_abandoned_committer_stops_while_the_database_is_locked(void **state)
{
    struct peer_process holder;
    char line[100];

    (void)state;
    store_given(1);
    holder = peer_start("lock", store_fixture.place.db, NULL);
    assert_true(peer_line(&holder, line, sizeof line));
    submit(JOB_ANSWER, 1, "an answer");
    await_state(COMMITTER_LOCKED);
    committer_destroy(&committer, false);
    peer_release(&holder);
    assert_int_equal(peer_wait(&holder), 0);
    assert_int_equal(store_number(REPLIES), 0);
}

static void the_wal_stays_small_under_load(void **state)
{
    struct committer_view view;
    struct job_list done;

    (void)state;
    store_given(3000);
    for (int64_t i = 1; i <= 3000; i++) {
        submit(JOB_ANSWER, i, "an answer");
        if (i % 100 == 0) {
            done = await_done(100);
            job_list_clear(&done);
        }
    }
    committer_look(committer, &view);
    assert_true(view.checkpoints > 0);
    assert_int_equal(view.jobs, 3000);
    assert_true(view.wal_frames < 1000);
}

/* C2 at 25 percent, with always something to commit. The last group's rest is not in the time that
 * is measured; half the time is a bound that only a committer without the rest exceeds. */
static void under_load_the_lock_is_held_for_its_share_of_the_time(void **state)
{
    struct committer_view view;
    struct job_list done;
    int64_t start_us, took_us;

    (void)state;
    committer_destroy(&committer, true);
    committer =
        committer_new(store_fixture.store, &(struct committer_config){.duty = 25, .group = 50});
    assert_non_null(committer);
    store_given(4000);
    start_us = clock_mono_us();
    for (int64_t i = 1; i <= 4000; i++)
        submit(JOB_ANSWER, i, "an answer");
    done = await_done(4000);
    took_us = clock_mono_us() - start_us;
    committer_look(committer, &view);
    assert_true(view.groups >= 80);
    assert_true(view.held_us > 0);
    assert_true(view.held_us * 2 < took_us);
    job_list_clear(&done);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(what_is_reported_is_in_the_file),
        PROMISE(jobs_end_in_the_order_they_came_each_once),
        PROMISE(a_locked_database_is_told_and_outwaited),
        PROMISE(a_full_disk_is_told_and_commits_nothing_by_halves),
        PROMISE(what_one_row_spoils_the_others_do_not_suffer),
        PROMISE(what_one_audit_row_spoils_the_others_do_not_suffer),
        PROMISE(a_reply_that_cannot_be_written_now_is_kept_until_it_can),
        PROMISE(a_drained_committer_has_committed_everything),
        PROMISE(an_abandoned_committer_stops_while_the_database_is_locked),
        PROMISE(the_wal_stays_small_under_load),
        PROMISE(under_load_the_lock_is_held_for_its_share_of_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
