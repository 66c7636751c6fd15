/* The archive of `doctor --bundle`, read back by tar(1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/tar.h"

/* Writes TAR to a file and appends what COMMAND says of it. */
static void ask_tar(const struct buffer *tar, const char *words, struct buffer *ret_text)
{
    char path[] = "/tmp/tgtarXXXXXX", command[100], piece[4096];
    int fd = mkstemp(path);
    size_t size;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, tar->data, tar->size), tar->size);
    snprintf(command, sizeof command, "tar %s -f %s", words, path);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    while ((size = fread(piece, 1, sizeof piece, said)) > 0)
        buffer_add(ret_text, span_of(piece, size));
    assert_int_equal(pclose(said), 0);
    close(fd);
    unlink(path);
}

static void files_come_back_as_they_went_in(void **state)
{
    struct buffer tar, text, wanted;
    size_t sizes[] = {0, 1, 511, 512, 513, 100000};

    (void)state;
    buffer_init(&tar);
    buffer_init(&text);
    buffer_init(&wanted);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char name[8], *content = memory_new(sizes[i] + 1);
        memset(content, 'a' + (int)i, sizes[i]);
        snprintf(name, sizeof name, "%zu.txt", i);
        tar_add(&tar, name, span_of(content, sizes[i]), 1800000000);
        buffer_add(&wanted, span_of(content, sizes[i]));
        free(content);
    }
    tar_end(&tar);
    assert_int_equal(tar.size % 512, 0);
    ask_tar(&tar, "-xO", &text);
    assert_int_equal(text.size, wanted.size);
    assert_memory_equal(text.data, wanted.data, wanted.size);
    buffer_reset(&text);
    ask_tar(&tar, "-tv", &text);
    assert_non_null(strstr(text.data, "-rw-------"));
    assert_non_null(strstr(text.data, "5.txt"));
    buffer_done(&tar);
    buffer_done(&text);
    buffer_done(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_come_back_as_they_went_in)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
