/* gateway/committer: how it shares the write lock with others (C2), and what it does meanwhile. */
#include "gateway/committer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/pace.h"
#include "tests/adapter/store_fixture.h"
#include "tests/faults/shim_vfs.h"

#define PATIENCE_MS 30000 /* only a hang misses it */
#define LARGE 200000      /* bytes of an answer: sixteen do not fit into SQLite's cache */

static struct committer *committer;

/* What was seen on the committer's thread; looked at from others where atomic. */
static struct {
    int64_t hold_us;        /* for so long each group holds the lock, and longer */
    int64_t rested_us;      /* from the last COMMIT to the BEGIN behind it */
    bool writing;           /* it is between BEGIN and COMMIT, */
    int early;              /* where so many writes to the -wal were seen */
    unsigned begun;         /* checkpoints, before the group */
    int before_report;      /* checkpoints that began between a BEGIN and its report */
    _Atomic int64_t end_us; /* of the last COMMIT */
} seen;

static void see_call(void *context, const struct shim_call *call)
{
    (void)context;
    if (call->op == SHIM_WRITE && call->file == SHIM_WAL)
        seen.early += seen.writing;
}

static void see_point(void *context, enum committer_point point)
{
    (void)context;
    if (point == POINT_BEFORE_BEGIN) {
        seen.begun = committer_checkpoints(committer);
        seen.writing = true;
        seen.rested_us = clock_mono_us() - atomic_load(&seen.end_us);
    }
    if (point == POINT_BEFORE_COMMIT) {
        seen.writing = false;
        if (seen.hold_us)
            usleep((useconds_t)seen.hold_us);
    }
    if (point == POINT_AFTER_COMMIT)
        atomic_store(&seen.end_us, clock_mono_us());
    if (point == POINT_AFTER_REPORT)
        seen.before_report += committer_checkpoints(committer) != seen.begun;
}

/* With what the test needs to know when the first group comes. */
static void start(unsigned duty, size_t group)
{
    const struct committer_config config = {.duty = duty, .group = group, .point = see_point};

    committer = committer_new(store_fixture.store, &config);
    assert_non_null(committer);
}

/* The store tries for the lock as the gateway's does: once. */
static int set_up(void **state)
{
    shim_install();
    memset(&seen, 0, sizeof seen);
    if (store_set_up(state) != 0)
        return -1;
    store_close(&store_fixture.store);
    store_fixture.store = store_open_caught(&store_fixture.place, 0);
    return 0;
}

static int tear_down(void **state)
{
    committer_destroy(&committer, false);
    store_tear_down(state);
    shim_remove();
    return 0;
}

static void submit(int64_t id, const char *text)
{
    struct job *job = job_new(JOB_ANSWER, id, span_str(CONVERSATION), span_str("b"), span_str("a"));

    buffer_text(&job->text, text);
    buffer_format(&job->metadata, "{\"in_reply_to\":%lld}", (long long)id);
    committer_submit(committer, job);
}

/* Adds to *DONE what has ended after at most WAIT_MS. */
static void collect(int wait_ms, size_t *done)
{
    struct pollfd item = {committer_fd(committer), POLLIN, 0};
    struct job_list list = {NULL, NULL, 0};

    if (poll(&item, 1, wait_ms) == 1)
        committer_collect(committer, &list);
    *done += list.count;
    job_list_clear(&list);
}

static void await_done(size_t count)
{
    int64_t until_us = clock_mono_us() + INT64_C(1000) * PATIENCE_MS;

    for (size_t done = 0; done < count;) {
        collect(PATIENCE_MS, &done);
        assert_true(clock_mono_us() < until_us);
    }
}

static const char *large_text(void)
{
    static char text[LARGE + 1];

    memset(text, 'x', LARGE);
    return text;
}

static int64_t held_us(void)
{
    struct committer_view view;

    committer_look(committer, &view);
    return view.held_us;
}

static void a_group_is_reported_before_its_checkpoint(void **state)
{
    (void)state;
    store_given(40);
    start(50, 1000);
    for (int64_t i = 1; i <= 40; i++)
        submit(i, large_text());
    await_done(40);
    committer_destroy(&committer, true);
    assert_int_equal(seen.before_report, 0);
    assert_true(seen.begun > 0); /* else this shows nothing */
}

/* The frames are the guest's own, so that a lone reply brings the checkpoint with it. */
static void while_somebody_else_writes_a_checkpoint_waits_for_its_turn(void **state)
{
    const unsigned duty = 1;
    int64_t before_us, rest_us;

    (void)state;
    store_given(2);
    start(duty, 1000);
    submit(1, "an answer");
    await_done(1);
    before_us = held_us();
    file_run(&store_fixture.place, "INSERT INTO audit_log(action, details, timestamp)"
                                   " VALUES('guest', hex(zeroblob(1000000)), '')");
    submit(2, "an answer");
    await_done(1);
    rest_us = (held_us() - before_us) * (100 - duty) / duty;
    for (int i = 0; i < PATIENCE_MS && committer_checkpoints(committer) == 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(committer_checkpoints(committer), 1);
    assert_true(clock_mono_us() - atomic_load(&seen.end_us) >= rest_us);
}

/* At a duty of 50 the lock is held for a fifth of the time. The last group's rest is not in the
 * time that is measured; a third is a bound that only a committer exceeds that has not noticed. */
static void while_somebody_else_writes_the_lock_is_left_alone_for_longer(void **state)
{
    const size_t jobs = 3000;
    int64_t start_us;
    size_t done = 0;

    (void)state;
    store_given((int)jobs);
    start(50, 50);
    start_us = clock_mono_us();
    for (size_t i = 1; i <= jobs; i++)
        submit((int64_t)i, "an answer");
    while (done < jobs) {
        store_given(1);
        collect(1, &done);
        assert_true(clock_mono_us() - start_us < INT64_C(1000) * PATIENCE_MS);
    }
    assert_true(held_us() * 3 < clock_mono_us() - start_us);
}

/* Writes the lone reply ID, and returns for how long the lock was held for it. */
static int64_t hold_for(int64_t id)
{
    int64_t before_us = held_us();

    submit(id, "an answer");
    await_done(1);
    return held_us() - before_us;
}

/* In the end the guest writes nothing, so that only its hold tells of it. A pause of the whole
 * machine makes it forgotten, as is right: hence the tries. */
static void a_guest_that_holds_the_lock_for_long_is_known_by_the_end_of_that(void **state)
{
    const int64_t tries = 10, duty = 10;
    sqlite3 *guest = NULL;
    bool known = false;

    (void)state;
    store_given((int)(2 * tries));
    start((unsigned)duty, 1000);
    assert_int_equal(sqlite3_open(store_fixture.place.db, &guest), SQLITE_OK);
    for (int64_t id = 1; id < 2 * tries && !known; id += 2) {
        int64_t before_us = held_us(), rest_us;
        assert_int_equal(sqlite3_exec(guest, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        submit(id, "an answer");
        usleep(PACE_GUEST_US * 3 / 2);
        assert_int_equal(sqlite3_exec(guest, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        await_done(1);
        rest_us = (held_us() - before_us) * (100 - duty) / duty;
        hold_for(id + 1);
        known = seen.rested_us >= PACE_LONE_REST * rest_us;
    }
    sqlite3_close(guest);
    assert_true(known);
}

static void a_hold_of_ours_makes_no_guest_forgotten_however_long(void **state)
{
    int64_t held;

    (void)state;
    store_given(3);
    start(50, 1000);
    hold_for(1);
    store_given(1);
    seen.hold_us = PACE_GUEST_US + 50000;
    held = hold_for(2);
    seen.hold_us = 0;
    hold_for(3);
    assert_true(held >= PACE_GUEST_US);
    assert_true(seen.rested_us >= PACE_LONE_REST * held);
}

/* The rest between the group that met the guest and the checkpoint is longer than a guest is
 * remembered: the checkpoint's own rest is still a guest's. */
static void a_rest_makes_no_guest_forgotten_however_long(void **state)
{
    const int tries = 10;
    bool known = false;

    (void)state;
    store_given(2 * tries);
    start(50, 1000);
    for (int64_t id = 1; id < 2 * tries && !known; id += 2) {
        int64_t group_us, checkpoint_us = 0;
        file_run(&store_fixture.place, "INSERT INTO audit_log(action, details, timestamp)"
                                       " VALUES('guest', hex(zeroblob(1000000)), '')");
        seen.hold_us = PACE_GUEST_US / 2 - 10000;
        group_us = hold_for(id);
        seen.hold_us = 0;
        for (int64_t before_us = held_us(); checkpoint_us == 0;) {
            poll(NULL, 0, 1);
            checkpoint_us = held_us() - before_us;
        }
        hold_for(id + 1);
        known = seen.rested_us >=
                PACE_LONE_REST * group_us + checkpoint_us + PACE_GUEST_REST * checkpoint_us;
    }
    assert_true(known);
}

/* A checkpoint is due after so many frames, however small they are: the smaller, the sooner a group
 * and its checkpoint follow the ones before. */
static void given_small_pages(void)
{
    store_close(&store_fixture.store);
    file_run(&store_fixture.place, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM;"
                                   " PRAGMA journal_mode = WAL");
    store_fixture.store = store_open_caught(&store_fixture.place, 0);
}

/* Each group is followed by a checkpoint, for longer than a guest is remembered. The rest after a
 * lone reply tells whether it is: half as long again is more than a busy machine adds, or hence the
 * tries. */
static void a_guest_is_forgotten_although_our_own_checkpoints_go_on(void **state)
{
    const int tries = 3, jobs = 10, most = 500;
    const char *text = large_text() + LARGE * 7 / 10; /* ten are about 600 frames */
    bool forgotten = false;
    int64_t id = 1;

    (void)state;
    given_small_pages();
    store_given(tries * most);
    start(50, 1000);
    hold_for(id++); /* who writes from now on is somebody else */
    for (int try = 0; try < tries && !forgotten; try++) {
        unsigned checkpoints = committer_checkpoints(committer);
        int64_t until_us = 0, hold_us;
        store_given(1);
        while (id < most * (try + 1) - jobs && (until_us == 0 || clock_mono_us() < until_us)) {
            for (int i = 0; i < jobs; i++)
                submit(id++, text);
            await_done((size_t)jobs);
            if (until_us == 0) /* it was met by now */
                until_us = clock_mono_us() + PACE_GUEST_US + 10000;
        }
        assert_true(committer_checkpoints(committer) > checkpoints);
        seen.hold_us = 200000;
        hold_us = hold_for(id++);
        seen.hold_us = 0;
        hold_for(id++);
        forgotten = seen.rested_us < hold_us * 3 / 2;
    }
    assert_true(forgotten);
}

static void what_a_large_group_changes_is_not_written_before_its_commit(void **state)
{
    (void)state;
    store_given(40);
    start(50, 1000);
    shim_watch(see_call, NULL);
    for (int64_t i = 1; i <= 40; i++)
        submit(i, large_text());
    await_done(40);
    committer_destroy(&committer, true);
    shim_watch(NULL, NULL);
    assert_int_equal(seen.early, 0);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(a_group_is_reported_before_its_checkpoint),
        PROMISE(while_somebody_else_writes_a_checkpoint_waits_for_its_turn),
        PROMISE(while_somebody_else_writes_the_lock_is_left_alone_for_longer),
        PROMISE(a_guest_that_holds_the_lock_for_long_is_known_by_the_end_of_that),
        PROMISE(a_hold_of_ours_makes_no_guest_forgotten_however_long),
        PROMISE(a_rest_makes_no_guest_forgotten_however_long),
        PROMISE(a_guest_is_forgotten_although_our_own_checkpoints_go_on),
        PROMISE(what_a_large_group_changes_is_not_written_before_its_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
