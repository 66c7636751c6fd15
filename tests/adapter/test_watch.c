/* adapters/bridge/watch: the hint. */
#include "adapters/bridge/watch.h"

#include <errno.h>
#include <poll.h>
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
#include "tests/adapter/support.h"

#define HANG_MS 20000 /* no test waits for it: it is there so that a failure ends */

static char folder[PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    support_mkdir(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_rmdir(folder);
    return 0;
}

/* Waits for the watch to become readable and drains it. */
static unsigned next_flags(struct watch *watch)
{
    struct pollfd item = {.fd = watch_fd(watch), .events = POLLIN};
    assert_int_equal(poll(&item, 1, HANG_MS), 1);
    return watch_drain(watch);
}

static void a_commit_of_another_process_is_a_hint(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), 0);
    assert_int_equal(watch_drain(watch), 0);
    peer_run("send", place.db, CONVERSATION, "a", "hello", NULL);
    assert_true(next_flags(watch) & WATCH_HINT);
    peer_run("script", place.db, "PRAGMA journal_mode=DELETE", NULL);
    watch_drain(watch);
    peer_run("script", place.db, "UPDATE messages SET read = 1", NULL);
    assert_true(next_flags(watch) & WATCH_HINT);
    watch_destroy(&watch);
    assert_null(watch);
}

static void a_hint_is_there_for_the_commit_that_the_tail_has_not_seen(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    struct watch *watch = NULL;
    struct tail *tail = NULL;
    bool changed = false;
    assert_int_equal(watch_new(&place, &watch), 0);
    assert_int_equal(tail_open(&place, &tail), BRIDGE_OK);
    assert_int_equal(tail_changed(tail, &changed), BRIDGE_OK);
    tail_settle(tail);
    watch_drain(watch);
    for (int i = 0; i < 20; i++) { /* with the connection of the tail open, nobody deletes -wal */
        peer_run("status", place.db, CONVERSATION, "b", NULL);
        assert_true(next_flags(watch) & WATCH_HINT);
        assert_int_equal(tail_changed(tail, &changed), BRIDGE_OK);
        assert_true(changed);
        tail_settle(tail);
    }
    tail_close(&tail);
    watch_destroy(&watch);
}

static void the_database_may_appear_later(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), 0);
    peer_run("make", place.db, CONVERSATION, NULL);
    unsigned flags = next_flags(watch);
    assert_true(flags & WATCH_MOVED);
    assert_true(flags & WATCH_HINT);
    watch_destroy(&watch);
}

static void the_last_close_of_others_deletes_wal_and_is_a_hint(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    char wal[PATH_MAX + 8];
    snprintf(wal, sizeof wal, "%s-wal", place.db);
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), 0);
    struct peer_process holder = peer_start("lock", place.db, NULL);
    char line[32];
    assert_true(peer_line(&holder, line, sizeof line));
    assert_int_equal(access(wal, F_OK), 0);
    watch_drain(watch);
    assert_int_equal(peer_wait(&holder), 0);
    assert_int_equal(access(wal, F_OK), -1);
    assert_true(next_flags(watch) & WATCH_HINT);
    watch_destroy(&watch);
}

static void a_replaced_database_says_so(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), 0);
    peer_run("replace", place.db, NULL);
    assert_true(next_flags(watch) & WATCH_MOVED);
    watch_destroy(&watch);
}

static void touch(const char *name)
{
    char path[PATH_MAX];
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(remove(path), 0);
}

static void other_files_of_the_folder_say_nothing(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), 0);
    touch("other.db");
    touch("bridge.db2");
    touch("bridge.db-walrus");
    touch("bridge.d");
    assert_int_equal(watch_drain(watch), 0);
    watch_destroy(&watch);
}

static void a_queue_that_overflowed_says_that_events_are_lost(void **state)
{
    (void)state;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    assert_non_null(file);
    long queue = 0;
    assert_int_equal(fscanf(file, "%ld", &queue), 1);
    fclose(file);
    if (queue > 200000)
        skip(); /* the machine's administrator made the queue too long to fill in a test */
    struct place place = support_bridge(folder);
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), 0);
    for (long i = 0; i < queue / 2; i++) /* three events each that do not fold into one */
        touch("filler");
    unsigned flags = 0, each;
    while ((each = watch_drain(watch)) != 0)
        flags |= each;
    assert_true(flags & WATCH_LOST);
    peer_run("send", place.db, CONVERSATION, "a", "hello", NULL);
    assert_true(next_flags(watch) & WATCH_HINT);
    watch_destroy(&watch);
}

static void a_folder_that_went_is_watched_again_when_it_is_back(void **state)
{
    (void)state;
    char sub[PATH_MAX], aside[PATH_MAX];
    assert_true(snprintf(sub, sizeof sub, "%s/sub", folder) < (int)sizeof sub);
    assert_true(snprintf(aside, sizeof aside, "%s/aside", folder) < (int)sizeof aside);
    assert_int_equal(mkdir(sub, 0700), 0);
    struct place place = support_place(sub, "bridge.db");
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), 0);
    assert_int_equal(rename(sub, aside), 0);
    assert_true(next_flags(watch) & WATCH_LOST);
    assert_false(watch_drain(watch) & WATCH_LOST); /* there is nothing to watch */
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_true(watch_drain(watch) & WATCH_LOST); /* armed again, and unaware of what was before */
    peer_run("make", place.db, CONVERSATION, NULL);
    assert_true(next_flags(watch) & WATCH_MOVED);
    support_rmdir(sub);
    assert_true(next_flags(watch) & WATCH_LOST);
    watch_destroy(&watch);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    support_rmdir(folder);
    struct watch *watch = NULL;
    assert_int_equal(watch_new(&place, &watch), -ENOENT);
    assert_null(watch);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_commit_of_another_process_is_a_hint),
        TEST(a_hint_is_there_for_the_commit_that_the_tail_has_not_seen),
        TEST(the_database_may_appear_later),
        TEST(the_last_close_of_others_deletes_wal_and_is_a_hint),
        TEST(a_replaced_database_says_so),
        TEST(other_files_of_the_folder_say_nothing),
        TEST(a_queue_that_overflowed_says_that_events_are_lost),
        TEST(a_folder_that_went_is_watched_again_when_it_is_back),
        TEST(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
