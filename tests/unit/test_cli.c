/* What the command line promises: every way of writing an option means the same, and whoever
 * mistypes hears what to type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/cli.h"

static struct {
    bool json;
    const char *db;
    struct cli_list gates;
    struct cli_list works;
    int64_t slots;
    int64_t timeout;
    int64_t any;
} got;

static const struct cli_option table[] = {
    {"db", 0, CLI_TEXT, &got.db, "FILE", "the bridge database", 0, 0},
    {"config", 'c', CLI_TEXT, &got.db, "FILE", "a configuration file", 0, 0},
    {"gate", 'g', CLI_LIST, &got.gates, "ENDPOINT",
     "one more place where workers may connect, for example ipc:///run/tailgate/gate or "
     "tcp://127.0.0.1:5555; may be given several times",
     0, 0},
    {"work", 0, CLI_WORDS, &got.works, "WORDS", "words of another command line", 0, 0},
    {"slots", 0, CLI_INTEGER, &got.slots, "N", "queries at once", 1, 1000},
    {"timeout", 't', CLI_SECONDS, &got.timeout, "D", "how long to wait", 1000, 3600000000},
    {"any", 0, CLI_SECONDS, &got.any, "D", "any duration", 0, 0},
    {"json", 'j', CLI_FLAG, &got.json, NULL, "for machines", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_command command = {
    "try", "try --db FILE [options] WORD", "try the command line",
    "A paragraph that is so long that it has to be broken into two lines because it is longer than "
    "eighty columns.\n\nExample:\n  tailgate try --db "
    "some/very/long/name/of/a/database/file/that/is/an/"
    "example bridge.db\n",
    NULL};

static char words[16][64];
static char *argv[17];
static int argc, first;
static char output[8192];

/* Splits LINE at blanks and parses it; stdout or stderr (DESCRIPTOR) lands in `output`. */
static int parse_watching(int descriptor, const char *line)
{
    char copy[512], *rest = copy;
    memset(&got, 0, sizeof got);
    got.slots = -1;
    snprintf(copy, sizeof copy, "try %s", line);
    argc = 0;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        assert_true(argc < 16);
        snprintf(words[argc], sizeof words[argc], "%s", word);
        argv[argc] = words[argc];
        argc++;
    }
    argv[argc] = NULL;

    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    fflush(stderr);
    int saved = dup(descriptor);
    assert_return_code(dup2(fileno(file), descriptor), errno);
    first = -1;
    int code = cli_parse(&command, table, argc, argv, &first);
    fflush(stdout);
    fflush(stderr);
    assert_return_code(dup2(saved, descriptor), errno);
    close(saved);
    rewind(file);
    size_t size = fread(output, 1, sizeof output - 1, file);
    output[size] = '\0';
    fclose(file);
    return code;
}

static int parse(const char *line)
{
    return parse_watching(STDERR_FILENO, line);
}

static void refuses(const char *line, const char *says)
{
    assert_int_equal(parse(line), CLI_USAGE);
    if (!strstr(output, says))
        fail_msg("%s: expected \"%s\" in \"%s\"", line, says, output);
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

static void all_ways_to_write_an_option_mean_the_same(void **state)
{
    (void)state;
    static const char *const lines[] = {"--config a.db", "--config=a.db", "-c a.db", "-ca.db"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(parse(lines[i]), -1);
        assert_string_equal(got.db, "a.db");
        assert_int_equal(first, argc);
    }
    assert_int_equal(parse("--db="), -1);
    assert_string_equal(got.db, "");
    assert_int_equal(parse("--db=--json"), -1);
    assert_string_equal(got.db, "--json");
    assert_false(got.json);
}

static void words_may_stand_between_options_and_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(parse("one --db a.db two -j - three --gate=x"), -1);
    assert_int_equal(argc - first, 4);
    assert_string_equal(argv[first], "one");
    assert_string_equal(argv[first + 1], "two");
    assert_string_equal(argv[first + 2], "-");
    assert_string_equal(argv[first + 3], "three");
    assert_string_equal(got.db, "a.db");
    assert_true(got.json);
    assert_int_equal(got.gates.count, 1);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("one -j -- cat --db -- -n"), -1);
    assert_int_equal(argc - first, 5);
    assert_string_equal(argv[first], "one");
    assert_string_equal(argv[first + 1], "cat");
    assert_string_equal(argv[first + 2], "--db");
    assert_string_equal(argv[first + 3], "--");
    assert_string_equal(argv[first + 4], "-n");
    assert_null(got.db);
    assert_int_equal(parse("--"), -1);
    assert_int_equal(first, argc);
}

static void lists_collect_and_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse("-g a --gate b --gate=c"), -1);
    assert_int_equal(got.gates.count, 3);
    assert_string_equal(got.gates.item[2], "c");

    char *many[2 * (CLI_LIST_MAX + 1) + 1] = {words[0]};
    for (int i = 0; i <= CLI_LIST_MAX; i++) {
        static char option[] = "--gate=x";
        many[i + 1] = option;
    }
    memset(&got, 0, sizeof got);
    assert_int_equal(cli_parse(&command, table, CLI_LIST_MAX + 1, many, &first), -1);
    memset(&got, 0, sizeof got);
    assert_int_equal(cli_parse(&command, table, CLI_LIST_MAX + 2, many, &first), CLI_USAGE);
}

static void words_may_begin_with_dashes(void **state)
{
    (void)state;
    assert_int_equal(parse("--work --echo --work=--gate --json"), -1);
    assert_int_equal(got.works.count, 2);
    assert_string_equal(got.works.item[0], "--echo");
    assert_string_equal(got.works.item[1], "--gate");
    assert_true(got.json);
    refuses("--work", "needs a value");
}

static void durations_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"10", 10000000},        {"1.5", 1500000},  {"500ms", 500000},
                {"10s", 10000000},       {"5m", 300000000}, {"3h", 10800000000},
                {"2d", 172800000000},    {"0", 0},          {"0.25h", 900000000},
                {"1.0000019s", 1000001}, {"2.5ms", 2500}};
    static const char *const bad[] = {"",    "s",   "-1", "1.",  ".5",          "1.s",        "1 s",
                                      "1sm", "1e3", "+1", "0x1", "99999999999", "1000000000d"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t us = -1;
        assert_int_equal(cli_duration(good[i].text, &us), 0);
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t us = -7;
        assert_int_equal(cli_duration(bad[i], &us), -1);
        assert_int_equal(us, -7);
    }
}

static void numbers_out_of_range_are_refused_with_the_range(void **state)
{
    (void)state;
    assert_int_equal(parse("--slots 1000 --timeout 1ms --any 0"), -1);
    assert_int_equal(got.slots, 1000);
    assert_int_equal(got.timeout, 1000);
    refuses("--slots 0", "give 1 to 1000");
    refuses("--slots 1001", "give 1 to 1000");
    refuses("--slots -5", "give 1 to 1000");
    refuses("--slots 5x", "not a whole number");
    refuses("--slots +5", "not a whole number");
    refuses("--slots=", "not a whole number");
    refuses("--slots 99999999999999999999", "not a whole number");
    refuses("--timeout 2h", "give 1ms to 1h");
    refuses("--timeout soon", "not a duration");
}

static void a_mistyped_option_hears_the_nearest_name(void **state)
{
    (void)state;
    refuses("--jsno", "unknown option --jsno; did you mean --json?");
    refuses("--gat x", "did you mean --gate?");
    refuses("--confg=x", "unknown option --confg; did you mean --config?");
    refuses("--hlep", "did you mean --help?");
    refuses("--completely-different", "see: tailgate try --help");
    refuses("-z", "unknown option -z; see: tailgate try --help");
}

static void a_forgotten_value_is_named(void **state)
{
    (void)state;
    refuses("--db", "--db needs a value: --db FILE");
    refuses("--db --json", "--db needs a value: --db FILE");
    refuses("-t", "--timeout needs a value: --timeout D");
    refuses("--json=1", "--json takes no value");
    assert_int_equal(parse("--db -"), -1);
    assert_string_equal(got.db, "-");
}

static void an_error_line_cannot_carry_escape_sequences(void **state)
{
    (void)state;
    refuses("--\033[2J\nx", "unknown option --\\x1b[2J\\nx");
}

static void the_help_page_fits_eighty_columns_and_names_every_option(void **state)
{
    (void)state;
    assert_int_equal(parse_watching(STDOUT_FILENO, "--db x --help"), CLI_OK);
    for (const struct cli_option *option = table; option->name; option++) {
        char name[32];
        snprintf(name, sizeof name, "--%s", option->name);
        assert_non_null(strstr(output, name));
    }
    assert_non_null(strstr(output, "Usage: tailgate try --db FILE"));
    assert_non_null(strstr(output, "  -h, --help"));
    char *rest = output;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (strstr(line, "tailgate try --db some"))
            continue; /* examples stay as they are */
        assert_true(strlen(line) <= 80);
    }
    assert_int_equal(parse_watching(STDOUT_FILENO, "-h"), CLI_OK);
}

static void nearness_counts_swaps_as_one_slip(void **state)
{
    (void)state;
    assert_int_equal(cli_distance("serve", "serve"), 0);
    assert_int_equal(cli_distance("serev", "serve"), 1);
    assert_int_equal(cli_distance("", "ask"), 3);
    assert_true(cli_is_near("sttaus", "status"));
    assert_true(cli_is_near("stat", "status"));
    assert_false(cli_is_near("frobnicate", "status"));
    assert_false(cli_is_near("x", "ask"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways_to_write_an_option_mean_the_same),
        cmocka_unit_test(words_may_stand_between_options_and_keep_their_order),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(lists_collect_and_are_bounded),
        cmocka_unit_test(words_may_begin_with_dashes),
        cmocka_unit_test(durations_are_read_as_people_write_them),
        cmocka_unit_test(numbers_out_of_range_are_refused_with_the_range),
        cmocka_unit_test(a_mistyped_option_hears_the_nearest_name),
        cmocka_unit_test(a_forgotten_value_is_named),
        cmocka_unit_test(an_error_line_cannot_carry_escape_sequences),
        cmocka_unit_test(the_help_page_fits_eighty_columns_and_names_every_option),
        cmocka_unit_test(nearness_counts_swaps_as_one_slip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
