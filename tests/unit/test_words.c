/* What splits a text into words promises: the words that a POSIX shell would make of it, as long as
 * nothing is expanded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/words.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_WORDS ((const char *const[]){NULL})

static void expect(const char *text, const char *const *words)
{
    const char *why = NULL;
    size_t count = 99, i = 0;
    char **got = words_split(text, &count, &why);
    assert_non_null(got);
    for (; words[i]; i++) {
        assert_true(i < count);
        assert_string_equal(got[i], words[i]);
    }
    assert_int_equal(count, i);
    assert_null(got[count]);
    free(got);
}

static void refuse(const char *text, const char *what)
{
    const char *why = NULL;
    size_t count = 99;
    assert_null(words_split(text, &count, &why));
    assert_non_null(why);
    assert_non_null(strstr(why, what));
}

static void blanks_separate_words(void **state)
{
    (void)state;
    expect("--echo --slots 2", WORDS("--echo", "--slots", "2"));
    expect("  a\t\tb\nc  ", WORDS("a", "b", "c"));
    expect("a", WORDS("a"));
    expect("a b c d e f g h i j", WORDS("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"));
    expect("", NO_WORDS);
    expect(" \t\n ", NO_WORDS);
}

static void quotes_keep_blanks_and_can_be_empty(void **state)
{
    (void)state;
    expect("-- sh -c 'read q; echo \"$q\"'", WORDS("--", "sh", "-c", "read q; echo \"$q\""));
    expect("\"a b\" 'c  d'", WORDS("a b", "c  d"));
    expect("a'b c'd\"e f\"", WORDS("ab cde f"));
    expect("'' \"\"", WORDS("", ""));
    expect("''''", WORDS(""));
    expect("'a\nb' \"c\nd\"", WORDS("a\nb", "c\nd"));
    expect("\"it's\" 'say \"hi\"'", WORDS("it's", "say \"hi\""));
}

static void backslash_quotes_what_the_shell_says(void **state)
{
    (void)state;
    expect("a\\ b \\'c \\\\ \\\"", WORDS("a b", "'c", "\\", "\""));
    expect("\\a\\n", WORDS("an"));
    expect("'a\\b\\'", WORDS("a\\b\\"));
    expect("\"a\\\"b\\\\c\\$d\\`e\"", WORDS("a\"b\\c$d`e"));
    expect("\"a\\nb\\'\"", WORDS("a\\nb\\'"));
}

static void line_that_goes_on_behind_a_backslash_is_one(void **state)
{
    (void)state;
    expect("a\\\nb", WORDS("ab"));
    expect("a \\\n b", WORDS("a", "b"));
    expect("\"a\\\nb\"", WORDS("ab"));
    expect("\\\n", NO_WORDS);
    expect("a \\\n", WORDS("a"));
    expect("\\\na", WORDS("a"));
}

static void nothing_is_expanded(void **state)
{
    (void)state;
    expect("$HOME ~ * `x` $(y) a;b|c>d&e #f \\$g",
           WORDS("$HOME", "~", "*", "`x`", "$(y)", "a;b|c>d&e", "#f", "$g"));
    expect("gr\xc3\xbc\xc3\x9f"
           "e \xff",
           WORDS("gr\xc3\xbc\xc3\x9f"
                 "e",
                 "\xff"));
}

static void what_has_no_end_is_named(void **state)
{
    (void)state;
    refuse("'a b", "'");
    refuse("a \"b", "\"");
    refuse("\"a\\\"", "\"");
    refuse("\"a\\", "\"");
    refuse("a'", "'");
    refuse("a \\", "backslash");
    refuse("\\", "backslash");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_separate_words),
        cmocka_unit_test(quotes_keep_blanks_and_can_be_empty),
        cmocka_unit_test(backslash_quotes_what_the_shell_says),
        cmocka_unit_test(line_that_goes_on_behind_a_backslash_is_one),
        cmocka_unit_test(nothing_is_expanded),
        cmocka_unit_test(what_has_no_end_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
