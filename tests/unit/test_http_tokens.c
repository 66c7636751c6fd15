/* The token file of tailgate-http (gateway/http_tokens.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/http.h"
#include "gateway/http_tokens.h"
#include "proto/buffer.h"
#include "proto/token.h"

#define SEES "observer-0123456789012345"
#define ASKS "client-012345678901234567"
#define RUNS "operator-0123456789012345"

struct world {
    char folder[32], path[48], other[48], why[HTTP_TOKENS_WHY_SIZE];
    struct http_tokens *tokens;
};

static int set_up(void **state)
{
    struct world *world = memory_zero(1, sizeof *world);

    strcpy(world->folder, "/tmp/tgtkXXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof world->path, "%s/tokens", world->folder);
    snprintf(world->other, sizeof world->other, "%s/other", world->folder);
    assert_int_equal(token_init(), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    http_tokens_destroy(&world->tokens);
    unlink(world->path);
    assert_int_equal(rmdir(world->folder), 0);
    free(world);
    return 0;
}

/* Replaces the file, as editors do. */
static void write_file(const struct world *world, const char *text, mode_t mode)
{
    FILE *file = fopen(world->other, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
    assert_int_equal(chmod(world->other, mode), 0);
    assert_int_equal(rename(world->other, world->path), 0);
}

static int open_file(struct world *world, const char *text, mode_t mode)
{
    write_file(world, text, mode);
    return http_tokens_new(world->path, &world->tokens, world->why);
}

static unsigned roles(const struct world *world, const char *token)
{
    return http_tokens_roles(world->tokens, span_str(token));
}

static void token_has_the_roles_of_its_line(void **state)
{
    struct world *world = *state;

    assert_int_equal(open_file(world,
                               "# who\n\nobserver " SEES "\r\n  client\t" ASKS "  # them\n"
                               "operator " RUNS,
                               0600),
                     0);
    assert_int_equal(http_tokens_count(world->tokens), 3);
    assert_int_equal(roles(world, SEES), HTTP_OBSERVER);
    assert_int_equal(roles(world, ASKS), HTTP_CLIENT);
    assert_int_equal(roles(world, RUNS), HTTP_OPERATOR | HTTP_OBSERVER);
    assert_int_equal(roles(world, ""), 0);
    assert_int_equal(roles(world, "observer"), 0);
    assert_int_equal(roles(world, SEES "x"), 0);
    assert_int_equal(http_tokens_roles(world->tokens, span_of(SEES, sizeof SEES - 2)), 0);
}

static void one_token_in_two_lines_has_both_roles(void **state)
{
    struct world *world = *state;

    assert_int_equal(open_file(world, "observer " SEES "\nclient " SEES "\n", 0400), 0);
    assert_int_equal(roles(world, SEES), HTTP_OBSERVER | HTTP_CLIENT);
}

static void file_that_others_can_read_or_write_is_refused(void **state)
{
    static const mode_t bad[] = {0604, 0602, 0620, 0601, 0660, 0644};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(open_file(world, "observer " SEES "\n", bad[i]), -1);
        assert_non_null(strstr(world->why, "chmod 600"));
        assert_null(world->tokens);
    }
    assert_int_equal(open_file(world, "observer " SEES "\n", 0640), geteuid() == 0 ? 0 : -1);
}

static void wrong_lines_are_told_by_their_number_and_not_by_their_token(void **state)
{
    static const char *const bad[] = {
        "observer\n",      "observer short\n",
        "king " SEES "\n", "observer " SEES " " ASKS "\n",
        SEES "\n",         "observer \xc3\xbc" SEES "\n",
    };
    struct world *world = *state;
    char text[256];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "# who\n%s", bad[i]);
        assert_int_equal(open_file(world, text, 0600), -1);
        assert_non_null(strstr(world->why, "line 2"));
        assert_null(strstr(world->why, SEES));
    }
    unlink(world->path);
    assert_int_equal(http_tokens_new(world->path, &world->tokens, world->why), -1);
    assert_int_equal(http_tokens_new(world->folder, &world->tokens, world->why), -1);
}

static void file_that_has_changed_is_read_and_a_bad_one_told_once(void **state)
{
    struct world *world = *state;

    assert_int_equal(open_file(world, "observer " SEES "\n", 0600), 0);
    assert_int_equal(http_tokens_refresh(world->tokens, false, world->why), 0);
    assert_int_equal(http_tokens_refresh(world->tokens, true, world->why), 1);
    write_file(world, "client " ASKS "\n", 0600);
    assert_int_equal(http_tokens_refresh(world->tokens, false, world->why), 1);
    assert_int_equal(roles(world, SEES), 0);
    assert_int_equal(roles(world, ASKS), HTTP_CLIENT);
    write_file(world, "client x\n", 0600);
    assert_int_equal(http_tokens_refresh(world->tokens, false, world->why), -1);
    assert_int_equal(http_tokens_refresh(world->tokens, false, world->why), 0);
    assert_int_equal(http_tokens_refresh(world->tokens, true, world->why), -1);
    assert_int_equal(roles(world, ASKS), HTTP_CLIENT);
    unlink(world->path);
    assert_int_equal(http_tokens_refresh(world->tokens, false, world->why), -1);
    assert_int_equal(http_tokens_refresh(world->tokens, false, world->why), 0);
    assert_int_equal(roles(world, ASKS), HTTP_CLIENT);
    write_file(world, "operator " RUNS "\n", 0600);
    assert_int_equal(http_tokens_refresh(world->tokens, false, world->why), 1);
    assert_int_equal(roles(world, RUNS), HTTP_OPERATOR | HTTP_OBSERVER);
}

static void more_tokens_than_a_bound_are_refused(void **state)
{
    struct world *world = *state;
    struct buffer text;

    buffer_init(&text);
    for (int i = 0; i < HTTP_TOKENS_MAX; i++)
        buffer_format(&text, "observer " SEES "%d\n", i);
    assert_int_equal(open_file(world, text.data, 0600), 0);
    assert_int_equal(roles(world, SEES "63"), HTTP_OBSERVER);
    http_tokens_destroy(&world->tokens);
    buffer_format(&text, "observer " SEES "\n");
    assert_int_equal(open_file(world, text.data, 0600), -1);
    buffer_done(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(token_has_the_roles_of_its_line),
        TEST(one_token_in_two_lines_has_both_roles),
        TEST(file_that_others_can_read_or_write_is_refused),
        TEST(wrong_lines_are_told_by_their_number_and_not_by_their_token),
        TEST(file_that_has_changed_is_read_and_a_bad_one_told_once),
        TEST(more_tokens_than_a_bound_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
