/* What /proc and the control groups say of a process: real ones, and ones written here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/host/process.h"

#define MIB (INT64_C(1) << 20)

static char root[32];

/* Writes TEXT to PATH below the root, whose folders it makes. */
static void put(const char *path, const char *text)
{
    char name[300];
    FILE *file;

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        assert_true(mkdir(name, 0700) == 0 || errno == EEXIST);
    }
    file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/tgprocXXXXXX");
    process_root = root;
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    process_root = "";
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static void this_process_is_known(void **state)
{
    struct process process;
    int64_t soft = 0, hard = 0;

    (void)state;
    assert_int_equal(process_look(getpid(), &process), 0);
    assert_int_equal(process.state, 'R');
    assert_int_equal(process.uid, geteuid());
    assert_non_null(strstr(process.command, "test_process"));
    assert_int_equal(process_limit(getpid(), "Max open files", &soft, &hard), 0);
    assert_true(soft > 0 && soft <= hard);
    assert_int_equal(process_limit(getpid(), "Max nonsense", &soft, &hard), -ENODATA);
    assert_true(process_descriptors(getpid()) >= 3);
}

static void one_that_is_not_there_is_no_error_of_ours(void **state)
{
    struct process process;
    int64_t limit = 0, used = 0;

    (void)state;
    assert_int_equal(process_look(0, &process), -ENOENT);
    assert_int_equal(process_limit(0, "Max open files", &limit, &used), -ENOENT);
    assert_int_equal(process_memory(0, &limit, &used), -ENODATA);
    assert_true(process_descriptors(0) < 0);
}

static void odd_lines_are_survived(void **state)
{
    struct process process;
    int64_t soft = 1, hard = 1;

    (void)state;
    put("/proc/7/status", "Name:\nState:\nUid:\tx\n\x01\xff\n");
    put("/proc/7/cmdline", "no end");
    put("/proc/7/limits", "Max open files\nMax open files  unlimited   12\n");
    assert_int_equal(process_look(7, &process), 0);
    assert_int_equal(process.uid, -1);
    assert_int_equal(process_limit(7, "Max open files", &soft, &hard), 0);
    assert_true(soft == INT64_MAX && hard == 12);
}

static void the_strictest_group_above_counts(void **state)
{
    int64_t limit = 0, used = 0;

    (void)state;
    put("/proc/7/cgroup", "0::/system.slice/tailgate.service\n");
    put("/sys/fs/cgroup/system.slice/tailgate.service/memory.max", "max\n");
    assert_int_equal(process_memory(7, &limit, &used), -ENODATA);
    put("/sys/fs/cgroup/system.slice/memory.max", "268435456\n");
    put("/sys/fs/cgroup/system.slice/memory.current", "1048576\n");
    assert_int_equal(process_memory(7, &limit, &used), 0);
    assert_true(limit == 256 * MIB && used == MIB);
}

static void version_one_counts_too(void **state)
{
    int64_t limit = 0, used = 0;

    (void)state;
    put("/proc/7/cgroup", "4:memory:/box\n1:cpu:/\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(process_memory(7, &limit, &used), -ENODATA);
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1048576\n");
    put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "4096\n");
    assert_int_equal(process_memory(7, &limit, &used), 0);
    assert_true(limit == MIB && used == 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_process_is_known),
        cmocka_unit_test(one_that_is_not_there_is_no_error_of_ours),
        cmocka_unit_test_setup_teardown(odd_lines_are_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(the_strictest_group_above_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(version_one_counts_too, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
