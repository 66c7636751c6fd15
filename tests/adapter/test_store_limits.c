/* adapters/bridge/store: locks, full disks, checkpoints and the other journal mode. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/bridge/tail.h"
#include "adapters/bridge/watch.h"
#include "adapters/host/clock.h"
#include "tests/adapter/store_fixture.h"
#include "tests/adapter/support.h"

static void a_lock_held_by_another_process_is_busy_and_passes(void **state)
{
    (void)state;
    store_given(1);
    struct peer_process peer = peer_start("lock", store_fixture.place.db, NULL);
    char line[32];
    assert_true(peer_line(&peer, line, sizeof line));
    int64_t before = clock_mono_us();
    /* after 200 ms */
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_BUSY);
    assert_true(clock_mono_us() - before < 20 * 1000000);
    assert_int_equal(db_lock_holder(&store_fixture.place), peer.pid);
    store_rollback(store_fixture.store);
    assert_int_equal(peer_wait(&peer), 0);
    assert_int_equal(store_commit_one(1, "x"), STORE_COMMITTED);
}

static void limit_pages(int64_t pages)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count=%lld", (long long)pages);
    assert_int_equal(db_run(store_fixture.db, sql), BRIDGE_OK);
}

static void a_full_disk_loses_nothing_and_passes(void **state)
{
    (void)state;
    store_given(50);
    char *text = malloc(20001);
    memset(text, 'x', 20000);
    text[20000] = '\0';
    limit_pages(store_number("PRAGMA page_count") + 10);
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    int error = BRIDGE_OK;
    for (int64_t id = 1; id <= 50 && error == BRIDGE_OK; id++) {
        struct store_reply reply = store_reply_to(id, text);
        enum store_outcome outcome;
        error = store_reply(store_fixture.store, &reply, &outcome);
    }
    assert_int_equal(error, BRIDGE_FULL);
    assert_true(strlen(store_explain(store_fixture.store)) > 0);
    store_rollback(store_fixture.store);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(UNREAD), 50);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
    limit_pages(1000000);
    for (int64_t id = 1; id <= 50; id++)
        assert_int_equal(store_commit_one(id, text), STORE_COMMITTED);
    assert_int_equal(store_number(REPLIES), 50);
    assert_int_equal(store_number(UNREAD), 0);
    free(text);
}

static int64_t wal_size(void)
{
    char path[PATH_MAX + 8];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", store_fixture.place.db);
    return stat(path, &status) == 0 ? status.st_size : -1;
}

static void checkpoints_keep_the_wal_small(void **state)
{
    (void)state;
    store_given(2000);
    int checkpoints = 0;
    for (int64_t id = 1; id <= 2000; id++) {
        assert_int_equal(store_commit_one(id, "x"), STORE_COMMITTED);
        assert_true(store_wal_frames(store_fixture.store) > 0);
        if (store_wal_frames(store_fixture.store) < 400)
            continue;
        enum store_checkpointed how;
        assert_int_equal(store_checkpoint(store_fixture.store, &how), BRIDGE_OK);
        assert_int_equal(how, STORE_CHECKPOINT_COMPLETE);
        assert_int_equal(store_wal_frames(store_fixture.store), 0);
        checkpoints++;
    }
    assert_true(checkpoints > 5);
    assert_in_range(wal_size(), 1, 500 * 4200);
}

static void without_a_checkpoint_of_ours_the_wal_only_grows(void **state)
{
    (void)state;
    store_given(500);
    for (int64_t id = 1; id <= 500; id++)
        store_commit_one(id, "x");
    /* SQLite's own would have run at 1000 */
    assert_true(store_wal_frames(store_fixture.store) > 1000);
}

static void a_reader_makes_a_checkpoint_incomplete_and_nothing_worse(void **state)
{
    (void)state;
    store_given(20);
    assert_int_equal(store_commit_one(1, "x"), STORE_COMMITTED);
    struct peer_process peer = peer_start("reader", store_fixture.place.db, NULL);
    char line[32];
    assert_true(peer_line(&peer, line, sizeof line));
    for (int64_t id = 2; id <= 20; id++)
        assert_int_equal(store_commit_one(id, "x"), STORE_COMMITTED);
    enum store_checkpointed how;
    assert_int_equal(store_checkpoint(store_fixture.store, &how), BRIDGE_OK);
    assert_int_equal(how, STORE_CHECKPOINT_BUSY);
    assert_true(store_wal_frames(store_fixture.store) > 0);
    assert_int_equal(peer_wait(&peer), 0);
    assert_int_equal(store_checkpoint(store_fixture.store, &how), BRIDGE_OK);
    assert_int_equal(how, STORE_CHECKPOINT_COMPLETE);
}

/* A group of its own without anything in it. */
static bool others_wrote(void)
{
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    bool wrote = store_others_wrote(store_fixture.store);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return wrote;
}

static void what_others_write_is_told_from_our_own_commits(void **state)
{
    (void)state;
    store_given(3);
    (void)others_wrote();
    assert_false(others_wrote());
    assert_int_equal(store_commit_one(1, "x"), STORE_COMMITTED);
    assert_false(others_wrote());
    store_given(1);
    assert_true(others_wrote());
    assert_false(others_wrote());
}

static void rollback_journal_mode_is_left_as_it_is(void **state)
{
    (void)state;
    struct place place = support_place(store_fixture.folder, "rollback.db");
    peer_run("make", place.db, CONVERSATION, "DELETE", NULL);
    store_close(&store_fixture.store);
    store_fixture.place = place;
    store_fixture.store = store_open_caught(&place, 200);
    store_given(1);
    assert_int_equal(store_commit_one(1, "x"), STORE_COMMITTED);
    assert_int_equal(store_wal_frames(store_fixture.store), 0);
    enum store_checkpointed how;
    assert_int_equal(store_checkpoint(store_fixture.store, &how), BRIDGE_OK);
    assert_int_equal(how, STORE_CHECKPOINT_COMPLETE);
    store_expect_text("PRAGMA journal_mode", "delete");
    /* a reader in the way of COMMIT: busy, and the group is still there to be tried again */
    store_given(1);
    struct peer_process peer = peer_start("reader", place.db, NULL);
    char line[32];
    assert_true(peer_line(&peer, line, sizeof line));
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_put(3, "y"), STORE_COMMITTED);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_BUSY);
    assert_int_equal(peer_wait(&peer), 0);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 2);
}

/* Closing any descriptor of the database or of -shm would drop the locks of the whole process. */
static void nothing_beside_sqlite_drops_the_lock_of_an_open_group(void **state)
{
    (void)state;
    const char *modes[] = {"WAL", "DELETE"};
    for (size_t i = 0; i < 2; i++) {
        struct place place = support_place(store_fixture.folder, modes[i]);
        peer_run("make", place.db, CONVERSATION, modes[i], NULL);
        struct store *store = store_open_caught(&place, 200);
        struct watch *watch = NULL;
        struct place_identity identity;
        struct place_holder holder;
        assert_int_equal(store_begin(store, clock_utc_us()), BRIDGE_OK);
        peer_run("expect_locked", place.db, NULL);
        assert_int_equal(place_find(place.db, &place), 0);
        assert_int_equal(place_identify(&place, &identity), 0);
        int lock = place_lock(&place, &holder);
        assert_true(lock >= 0);
        assert_int_equal(place_holder(&place, &holder), 0);
        assert_int_equal(watch_new(&place, &watch), 0);
        watch_drain(watch);
        watch_destroy(&watch);
        assert_int_equal(db_lock_holder(&place), getpid());
        assert_int_equal(close(lock), 0);
        peer_run("expect_locked", place.db, NULL);
        store_close(&store);
    }
}

static void the_tail_proves_our_own_commits_too(void **state)
{
    (void)state;
    store_given(1);
    struct tail *tail = NULL;
    bool changed = false;
    assert_int_equal(tail_open(&store_fixture.place, &tail), BRIDGE_OK);
    assert_int_equal(tail_changed(tail, &changed), BRIDGE_OK);
    tail_settle(tail);
    assert_int_equal(store_commit_one(1, "x"), STORE_COMMITTED);
    assert_int_equal(tail_changed(tail, &changed), BRIDGE_OK);
    assert_true(changed);
    tail_close(&tail);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_lock_held_by_another_process_is_busy_and_passes),
        TEST(a_full_disk_loses_nothing_and_passes),
        TEST(checkpoints_keep_the_wal_small),
        TEST(without_a_checkpoint_of_ours_the_wal_only_grows),
        TEST(a_reader_makes_a_checkpoint_incomplete_and_nothing_worse),
        TEST(what_others_write_is_told_from_our_own_commits),
        TEST(rollback_journal_mode_is_left_as_it_is),
        TEST(nothing_beside_sqlite_drops_the_lock_of_an_open_group),
        TEST(the_tail_proves_our_own_commits_too),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
