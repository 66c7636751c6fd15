#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/worker/context.h"

static char folder[] = "/tmp/tgcontextXXXXXX";
static int root; /* folder/root */

static void write_file(const char *name, size_t size, char byte)
{
    int file = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *bytes = memory_new(size);
    assert_true(file >= 0);
    memset(bytes, byte, size);
    assert_int_equal(write(file, bytes, size), (ssize_t)size);
    free(bytes);
    close(file);
}

static int make_folder(void **state)
{
    char path[64];
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/root", folder);
    if (mkdir(path, 0700) != 0 || (root = context_open(path)) < 0)
        return -1;
    write_file("../outside", 3, 'o');
    write_file("inside", 3, 'i');
    write_file("bytes", 2, '\xff');
    write_file("full", CONTEXT_MAX, 'f');
    write_file("large", CONTEXT_MAX + 1, 'l');
    if (mkdirat(root, "deep", 0700) != 0 || mkfifoat(root, "pipe", 0600) != 0)
        return -1;
    write_file("deep/file", 1, 'd');
    if (symlinkat("inside", root, "link") != 0 || symlinkat("deep", root, "door") != 0)
        return -1;
    return symlinkat("../outside", root, "window");
}

static int remove_folder(void **state)
{
    static const char *const name[] = {"inside", "bytes", "full",   "large",     "pipe",
                                       "link",   "door",  "window", "deep/file", "../outside"};
    (void)state;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        unlinkat(root, name[i], 0);
    unlinkat(root, "deep", AT_REMOVEDIR);
    unlinkat(root, "../root", AT_REMOVEDIR);
    close(root);
    return rmdir(folder);
}

static void regular_file_beneath_the_folder_is_read(void **state)
{
    static const char *const name[][2] = {
        {"inside", "iii"}, {"./inside", "iii"}, {"deep/file", "d"}, {"deep/../inside", "iii"}};
    struct buffer text, why;
    (void)state;
    buffer_init(&text);
    buffer_init(&why);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        buffer_reset(&text);
        assert_int_equal(context_read(root, span_str(name[i][0]), &text, &why), 0);
        assert_true(span_is(buffer_span(&text), name[i][1]));
    }
    buffer_reset(&text);
    assert_int_equal(context_read(root, span_str("bytes"), &text, &why), 0);
    assert_true(span_is(buffer_span(&text), "\xef\xbf\xbd\xef\xbf\xbd"));
    buffer_reset(&text);
    assert_int_equal(context_read(root, span_str("full"), &text, &why), 0);
    assert_int_equal(text.size, CONTEXT_MAX);
    assert_int_equal(why.size, 0);
    buffer_done(&why);
    buffer_done(&text);
}

static void expect_refused(struct span name, const char *said)
{
    struct buffer text, why;
    buffer_init(&text);
    buffer_init(&why);
    assert_int_equal(context_read(root, name, &text, &why), -1);
    assert_int_equal(text.size, 0);
    assert_true(why.size > strlen(said));
    assert_non_null(strstr(why.data, said));
    buffer_done(&why);
    buffer_done(&text);
}

static void everything_else_is_refused_in_the_same_words(void **state)
{
    static const char *const name[] = {
        "",     "absent",     "..",   ".",      "../outside", "../absent",   "deep/../../outside",
        "link", "door/file",  "deep", "window", "pipe",       "/etc/passwd", "/proc/self/fd/0",
        "/",    "deep/file/", "\xff", "\x1b"};
    char *longest = memory_zero(1, 5001);
    (void)state;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        expect_refused(span_str(name[i]), " is no file that can be read from the folder");
    memset(longest, 'x', 5000);
    expect_refused(span_str(longest), " is no file that can be read from the folder");
    expect_refused(span_of("inside\0x", 8), " is no file that can be read from the folder");
    free(longest);
}

static void larger_file_is_refused(void **state)
{
    (void)state;
    expect_refused(span_str("large"), "\"large\" is larger than 256 KiB");
}

static void folder_must_be_one(void **state)
{
    (void)state;
    assert_int_equal(context_open("/nonexistent"), -ENOENT);
    assert_int_equal(context_open("/etc/passwd"), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regular_file_beneath_the_folder_is_read),
        cmocka_unit_test(everything_else_is_refused_in_the_same_words),
        cmocka_unit_test(larger_file_is_refused),
        cmocka_unit_test(folder_must_be_one),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
