/* gateway/committer: C2 and C3 of its header when the disk or the others are in the way. */
#include "gateway/committer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>

#include "adapters/host/clock.h"
#include "tests/adapter/store_fixture.h"
#include "tests/faults/shim_vfs.h"

#define PATIENCE_MS 30000 /* only a hang misses it */
#define SECOND_US 1000000

static struct committer *committer;

/* What was done to the database file, its -wal and -journal left aside. */
static struct {
    atomic_int syncs;  /* failed ones included */
    atomic_int misses; /* tries in a row for the exclusive lock that a reader was in the way of */
    atomic_int misses_most; /* the longest such row so far */
    atomic_int let_go;      /* times that a row of misses ended in giving the lock back */
} seen;

static void see_call(void *context, const struct shim_call *call)
{
    (void)context;
    if (call->file != SHIM_DB)
        return;
    if (call->op == SHIM_SYNC)
        atomic_fetch_add(&seen.syncs, 1);
    if (call->op == SHIM_UNLOCK && atomic_exchange(&seen.misses, 0) > 0)
        atomic_fetch_add(&seen.let_go, 1);
    if (call->op == SHIM_LOCK && call->level == SQLITE_LOCK_EXCLUSIVE &&
        call->code == SQLITE_BUSY) {
        int misses = atomic_fetch_add(&seen.misses, 1) + 1;
        if (misses > atomic_load(&seen.misses_most))
            atomic_store(&seen.misses_most, misses);
    }
}

/* Each fsync of the database file fails from now on. */
static void fail_syncs(void)
{
    const struct shim_fault fault = {SHIM_SYNC, 1u << SHIM_DB, 1, true, SQLITE_IOERR_FSYNC};

    atomic_store(&seen.syncs, 0);
    shim_arm(&fault);
}

static void start(void)
{
    const struct committer_config config = {.duty = 50, .group = 1000};

    committer = committer_new(store_fixture.store, &config);
    assert_non_null(committer);
}

static int set_up(void **state)
{
    shim_install();
    atomic_store(&seen.misses_most, 0);
    atomic_store(&seen.misses, 0);
    atomic_store(&seen.let_go, 0);
    shim_watch(see_call, NULL);
    if (store_set_up(state))
        return -1;
    store_close(&store_fixture.store); /* as the gateway has it: no wait inside SQLite */
    store_fixture.store = store_open_caught(&store_fixture.place, 0);
    start();
    return 0;
}

static int tear_down(void **state)
{
    committer_destroy(&committer, false);
    shim_disarm();
    store_tear_down(state);
    shim_remove();
    return 0;
}

/* The bridge in rollback-journal mode instead. */
static void use_rollback_journal(void)
{
    committer_destroy(&committer, false);
    store_close(&store_fixture.store);
    store_fixture.place = support_place(store_fixture.folder, "rollback.db");
    peer_run("make", store_fixture.place.db, CONVERSATION, "DELETE", NULL);
    store_fixture.store = store_open_caught(&store_fixture.place, 0);
    start();
}

static struct peer_process start_peer(const char *command)
{
    struct peer_process peer = peer_start(command, store_fixture.place.db, NULL);
    char line[100];

    assert_true(peer_line(&peer, line, sizeof line));
    return peer;
}

static void submit(int64_t id, const char *text)
{
    struct job *job = job_new(JOB_ANSWER, id, span_str(CONVERSATION), span_str("b"), span_str("a"));

    buffer_text(&job->text, text);
    buffer_format(&job->metadata, "{\"in_reply_to\":%lld}", (long long)id);
    committer_submit(committer, job);
}

static void await_event(void)
{
    struct pollfd item = {committer_fd(committer), POLLIN, 0};
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
}

/* Waits until COUNT jobs have ended, each committed. */
static void await_committed(size_t count)
{
    struct job_list done = {NULL, NULL, 0};

    while (done.count < count) {
        await_event();
        committer_collect(committer, &done);
    }
    for (const struct job *job = done.first; job; job = job->next) {
        assert_int_equal(job->error, BRIDGE_OK);
        assert_int_equal(job->outcome, STORE_COMMITTED);
    }
    job_list_clear(&done);
}

static struct committer_view look(void)
{
    struct committer_view view;

    committer_look(committer, &view);
    return view;
}

static struct committer_view await_state(enum committer_state state)
{
    struct job_list done = {NULL, NULL, 0};

    while (look().state != state) {
        await_event();
        committer_collect(committer, &done);
    }
    job_list_clear(&done);
    return look();
}

/* Waits a little; the caller's loop has a bound of its own. */
static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static void
a_failed_fsync_of_a_checkpoint_is_the_end_after_what_was_committed_is_reported(void **state)
{
    struct job_list done = {NULL, NULL, 0};
    struct committer_view view;
    char text[5001];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    store_given(401);
    fail_syncs();
    for (int64_t i = 1; i <= 400; i++)
        submit(i, text);
    while ((view = look()).state != COMMITTER_DEAD) { /* after which group depends on their sizes */
        await_event();
        committer_collect(committer, &done);
    }
    committer_collect(committer, &done);
    assert_true(done.count > 0);
    assert_true(strlen(view.explanation) > 0);
    assert_string_not_equal(view.explanation, "not an error");
    submit(401, text);
    assert_int_equal(committer_destroy(&committer, true), 401 - done.count);
    assert_int_equal(store_number(REPLIES), done.count);
    shim_disarm();
    store_close(&store_fixture.store);
    assert_int_equal(atomic_load(&seen.syncs), 1); /* not retried, closing included */
    assert_int_equal(store_number(REPLIES), done.count);
    job_list_clear(&done);
}

static void a_drain_gives_up_on_a_lock_that_is_not_given_back(void **state)
{
    struct peer_process holder;

    (void)state;
    store_given(3);
    holder = start_peer("lock");
    for (int64_t i = 1; i <= 3; i++)
        submit(i, "an answer");
    assert_int_equal(committer_destroy(&committer, true), 3); /* hangs if it does not */
    peer_release(&holder);
    assert_int_equal(peer_wait(&holder), 0);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(UNREAD), 3); /* they are answered after the next start */
}

static void a_drain_gives_up_on_a_full_disk(void **state)
{
    static char text[200001];

    (void)state;
    store_given(1);
    memset(text, 'x', sizeof text - 1);
    committer_destroy(&committer, false);
    assert_int_equal(db_run(store_fixture.db, "PRAGMA max_page_count = 1"), BRIDGE_OK);
    start();
    submit(1, text);
    assert_int_equal(committer_destroy(&committer, true), 1);
    assert_int_equal(store_number(UNREAD), 1);
}

static void a_drain_that_gets_through_leaves_nothing(void **state)
{
    (void)state;
    store_given(10);
    for (int64_t i = 1; i <= 10; i++)
        submit(i, "an answer");
    assert_int_equal(committer_destroy(&committer, true), 0);
    assert_int_equal(store_number(REPLIES), 10);
}

static void a_guest_who_reads_long_is_not_waited_for_at_each_commit(void **state)
{
    struct peer_process reader;
    struct committer_view view;
    struct committer_measures measures;
    int64_t began_us, id = 0;
    uint64_t most;

    (void)state;
    store_given(5000);
    reader = start_peer("reader"); /* pins the WAL where it is now */
    began_us = clock_mono_us();
    while (look().wal_frames < 800) {
        submit(++id, "an answer");
        await_committed(1);
    }
    view = look();
    /* one at 400 frames, one at 800, and one for each second that all this took */
    most = 3 + (uint64_t)((clock_mono_us() - began_us) / SECOND_US);
    assert_in_range(view.checkpoints, 1, most);
    assert_int_equal(view.checkpoints_partial, view.checkpoints);
    committer_measure(committer, &measures);
    assert_int_equal(measures.checkpoints[STORE_CHECKPOINT_BUSY], view.checkpoints);
    assert_true((uint64_t)id > most); /* else this shows nothing */
    peer_release(&reader);
    assert_int_equal(peer_wait(&reader), 0);
    while (id < 5000 && view.checkpoints_partial == view.checkpoints) {
        submit(++id, "an answer"); /* and the next one that is due gets through */
        await_committed(1);
        view = look();
    }
    assert_true(view.checkpoints > view.checkpoints_partial);
}

static void every_end_of_a_hold_rings(void **state)
{
    static char text[200001];
    struct job_list done = {NULL, NULL, 0};
    uint64_t failures;

    (void)state;
    store_given(1);
    memset(text, 'x', sizeof text - 1);
    committer_destroy(&committer, false);
    assert_int_equal(db_run(store_fixture.db, "PRAGMA max_page_count = 1"), BRIDGE_OK);
    start();
    submit(1, text);
    failures = await_state(COMMITTER_FULL).failures;
    for (int i = 0; i < 3; i++) { /* no news, and yet the loop must hear of it */
        committer_collect(committer, &done);
        await_event();
    }
    assert_true(look().failures > failures);
    assert_int_equal(done.count, 0);
}

static void a_lock_that_somebody_else_has_is_not_said_to_be_held(void **state)
{
    struct peer_process holder;
    uint64_t busy;

    (void)state;
    store_given(1);
    holder = start_peer("lock");
    submit(1, "an answer");
    while (look().busy == 0)
        pause_ms(1);
    busy = look().busy;
    while (look().busy < busy + 20)
        assert_false(committer_holds(committer));
    peer_release(&holder);
    assert_int_equal(peer_wait(&holder), 0);
    await_committed(1);
}

static void readers_who_leave_soon_do_not_undo_a_group(void **state)
{
    struct peer_process reader;

    (void)state;
    use_rollback_journal();
    store_given(1);
    reader = start_peer("reader");
    submit(1, "an answer");
    while (atomic_load(&seen.misses_most) < 3) /* COMMIT again, and no ROLLBACK between */
        pause_ms(1);
    peer_release(&reader);
    assert_int_equal(peer_wait(&reader), 0);
    await_committed(1);
    assert_int_equal(store_number(REPLIES), 1);
}

static void readers_who_stay_do_not_keep_the_others_out_for_ever(void **state)
{
    struct peer_process reader;
    struct committer_view view;

    (void)state;
    use_rollback_journal();
    store_given(1);
    reader = start_peer("reader");
    submit(1, "an answer");
    view = await_state(COMMITTER_LOCKED);
    assert_true(atomic_load(&seen.let_go) > 1);
    assert_non_null(strstr(view.explanation, "locked"));
    peer_run("script", store_fixture.place.db, "SELECT count(*) FROM messages", NULL);
    assert_int_equal(look().jobs, 0);
    peer_release(&reader);
    assert_int_equal(peer_wait(&reader), 0);
    await_committed(1);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(a_failed_fsync_of_a_checkpoint_is_the_end_after_what_was_committed_is_reported),
        PROMISE(a_drain_gives_up_on_a_lock_that_is_not_given_back),
        PROMISE(a_drain_gives_up_on_a_full_disk),
        PROMISE(a_drain_that_gets_through_leaves_nothing),
        PROMISE(a_guest_who_reads_long_is_not_waited_for_at_each_commit),
        PROMISE(every_end_of_a_hold_rings),
        PROMISE(a_lock_that_somebody_else_has_is_not_said_to_be_held),
        PROMISE(readers_who_leave_soon_do_not_undo_a_group),
        PROMISE(readers_who_stay_do_not_keep_the_others_out_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
