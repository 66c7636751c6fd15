/* What a log line promises: one line for each event whatever the values hold, readable by a person
 * or by a JSON parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/host/journal.h"
#include "gateway/log.h"
#include "gateway/log_fold.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/limits.h"

static char written[65536];

/* Writes one line with stderr going into a pipe; returns what came out, in `written`. */
static const char *line_of(enum log_level level, const char *event, const struct log_field *field,
                           size_t count)
{
    int ends[2];
    assert_return_code(pipe2(ends, O_CLOEXEC | O_NONBLOCK), errno);
    int saved = dup(STDERR_FILENO);
    assert_return_code(dup2(ends[1], STDERR_FILENO), errno);
    log_write(level, event, field, count);
    assert_return_code(dup2(saved, STDERR_FILENO), errno);
    close(saved);
    close(ends[1]);
    ssize_t size = read(ends[0], written, sizeof written - 1);
    close(ends[0]);
    assert_true(size >= 0);
    written[size] = '\0';
    return written;
}

static const char *line_with(const char *key, struct span value)
{
    const struct log_field field = LOG_SPAN(key, value);
    return line_of(LOG_INFO, "seen", &field, 1);
}

static void human(void)
{
    log_setup(LOG_INFO, LOG_HUMAN, "");
}

/* A human line without its time of day. */
static const char *after_time(const char *line)
{
    assert_true(strlen(line) > 13);
    assert_int_equal(line[2], ':');
    assert_int_equal(line[8], '.');
    assert_int_equal(line[12], ' ');
    return line + 13;
}

static void people_read_level_event_and_fields(void **state)
{
    (void)state;
    human();
    const struct log_field field[] = {LOG_INT("id", 42), LOG_STR("worker", "w1"),
                                      LOG_US("took", 12300)};
    assert_string_equal(after_time(line_of(LOG_INFO, "answered", field, 3)),
                        "info answered id=42 worker=w1 took=12.3ms\n");
    const struct log_field long_wait = LOG_US("waited", 75500000);
    assert_string_equal(after_time(line_of(LOG_WARN, "slow", &long_wait, 1)),
                        "warn slow waited=75.5s\n");
}

static void a_program_that_is_not_the_gateway_says_its_name(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_HUMAN, "work");
    assert_string_equal(after_time(line_of(LOG_INFO, "ready", NULL, 0)), "info work: ready\n");
    log_setup(LOG_INFO, LOG_JSON, "work");
    assert_non_null(strstr(line_of(LOG_INFO, "ready", NULL, 0), "\"program\":\"work\""));
}

static void a_value_cannot_forge_a_field_or_a_line(void **state)
{
    (void)state;
    human();
    assert_non_null(strstr(line_with("name", span_str("a b")), " name=\"a b\"\n"));
    assert_non_null(strstr(line_with("name", span_str("a=b")), " name=\"a=b\"\n"));
    assert_non_null(strstr(line_with("name", span_str("")), " name=\"\"\n"));
    assert_non_null(strstr(line_with("name", span_str("x\" id=7")), " name=\"x\\\" id=7\"\n"));
    assert_non_null(strstr(line_with("name", span_str("x\n12:00 error")), "\"x\\n12:00 error\"\n"));
    assert_non_null(strstr(line_with("name", span_str("\033[2J")), " name=\"\\x1b[2J\"\n"));
    assert_non_null(strstr(line_with("name", span_str("\xc2\x9b"
                                                      "2J")),
                           " name=\"\\x9b2J\"\n"));
    assert_non_null(strstr(line_with("name", span_str("\xe2\x80\xae"
                                                      "abc")),
                           "\"\\u202eabc\"\n"));
    assert_non_null(strstr(line_with("name", span_str("\xe2\x80\xa8")), "\"\\u2028\"\n"));
    assert_non_null(strstr(line_with("name", span_str("\xff\xc3")), "\"\\xff\\xc3\"\n"));
    assert_non_null(strstr(line_with("name", span_of("a\0b", 3)), "\"a\\x00b\"\n"));
    assert_non_null(strstr(line_with("name", span_str("J\xc3\xbcrgen")), "\"J\xc3\xbcrgen\"\n"));
}

static void a_sentence_ends_the_line(void **state)
{
    (void)state;
    human();
    const struct log_field field[] = {LOG_STR("say", "waiting\nid=9"), LOG_INT("id", 1)};
    assert_string_equal(after_time(line_of(LOG_INFO, "waiting", field, 2)),
                        "info waiting id=1 -- waiting\\nid=9\n");
}

static void a_json_line_is_valid_whatever_the_values_hold(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON, "");
    char every[256];
    for (size_t i = 0; i < sizeof every; i++)
        every[i] = (char)i;
    const struct log_field field[] = {LOG_SPAN("every", span_of(every, sizeof every)),
                                      LOG_STR("text", "\xe2\x80\xa8\xe2\x80\xae"),
                                      LOG_INT("id", INT64_MIN), LOG_US("took", 1500)};
    const char *line = line_of(LOG_WARN, "odd-row", field, 4);
    size_t size = strlen(line);
    assert_int_equal(line[size - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + size - 1);
    for (size_t i = 0; i + 1 < size; i++)
        assert_true((unsigned char)line[i] >= 0x20 && (unsigned char)line[i] < 0x7f);

    struct span json = span_of(line, size - 1), value;
    assert_int_equal(jtext_check(json), JTEXT_OBJECT);
    assert_true(jtext_find(json, "event", &value));
    assert_true(span_is(value, "\"odd-row\""));
    assert_true(jtext_find(json, "level", &value));
    assert_true(span_is(value, "\"warn\""));
    assert_true(jtext_find(json, "took_us", &value));
    assert_true(span_is(value, "1500"));
    assert_true(jtext_find(json, "id", &value));
    assert_true(span_is(value, "-9223372036854775808"));
    assert_true(jtext_find(json, "text", &value));
    assert_true(span_is(value, "\"\\u2028\\u202e\""));
    assert_true(jtext_find(json, "time", &value));
    assert_int_equal(value.size, strlen("\"2026-11-21T01:02:03.123456Z\""));
}

static void a_long_value_is_cut_between_characters(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON, "");
    char text[3 * LIMIT_REASON + 1];
    for (size_t i = 0; i < LIMIT_REASON; i++)
        memcpy(text + 3 * i, "\xe2\x82\xac", 3);
    struct span long_text = span_of(text, 3 * LIMIT_REASON);
    assert_int_equal(escape_cut(long_text, LIMIT_REASON).size, LIMIT_REASON / 3 * 3);
    const char *line = line_with("text", long_text);
    assert_int_equal(jtext_check(span_of(line, strlen(line) - 1)), JTEXT_OBJECT);
    assert_null(strstr(line, "\\ufffd"));
    assert_true(strlen(line) < LIMIT_REASON + 200);

    char broken[LIMIT_REASON + 4];
    memset(broken, 0x80, sizeof broken);
    assert_true(escape_cut(span_of(broken, sizeof broken), LIMIT_REASON).size >= LIMIT_REASON - 3);
}

static void levels_below_the_chosen_one_write_nothing(void **state)
{
    (void)state;
    log_setup(LOG_WARN, LOG_HUMAN, "");
    assert_string_equal(line_of(LOG_INFO, "seen", NULL, 0), "");
    assert_string_not_equal(line_of(LOG_WARN, "seen", NULL, 0), "");
    assert_string_not_equal(line_of(LOG_ERROR, "seen", NULL, 0), "");
}

static void logging_keeps_errno(void **state)
{
    (void)state;
    human();
    int saved = dup(STDERR_FILENO);
    assert_return_code(saved, errno);
    close(STDERR_FILENO);
    errno = ENOSPC;
    log_event(LOG_ERROR, "failed", LOG_STR("cause", "disk full"));
    int after = errno;
    assert_return_code(dup2(saved, STDERR_FILENO), errno);
    close(saved);
    assert_int_equal(after, ENOSPC);
}

/* There is no journal where tests run; where there is one, its entries are not ours to read. */
static void what_the_journal_does_not_take_is_a_line_with_its_priority(void **state)
{
    (void)state;
    if (access("/run/systemd/journal/socket", F_OK) == 0)
        skip();
    log_setup(LOG_INFO, LOG_JOURNAL, "");
    const struct log_field field[] = {LOG_STR("name", "a\n<0>b"), LOG_INT("id", 7)};
    assert_string_equal(line_of(LOG_ERROR, "odd", field, 2), "<3>odd name=\"a\\n<0>b\" id=7\n");
    log_setup(LOG_INFO, LOG_JOURNAL, "work");
    assert_string_equal(line_of(LOG_INFO, "ready", NULL, 0), "<6>work: ready\n");
}

static void the_journal_is_chosen_when_stderr_is_its_stream(void **state)
{
    (void)state;
    struct stat status;
    char stream[100];
    assert_return_code(fstat(STDERR_FILENO, &status), errno);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_true(journal_is_stderr());
    strcat(stream, "0");
    setenv("JOURNAL_STREAM", stream, 1);
    assert_false(journal_is_stderr());
    setenv("JOURNAL_STREAM", "1:x", 1);
    assert_false(journal_is_stderr());
    unsetenv("JOURNAL_STREAM");
    assert_false(journal_is_stderr());
}

static void what_repeats_is_folded_and_counted(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON, "");
    unsigned lines = 0;
    for (unsigned i = 0; i < 812; i++) {
        const struct log_field field[] = {LOG_STR("why", "forged"), LOG_INT("id", i)};
        lines += *line_of(LOG_WARN, "refused", field, 2) != '\0';
    }
    assert_int_equal(lines, LOG_FOLD_FIRST);
    const struct log_field other = LOG_STR("why", "late");
    assert_string_not_equal(line_of(LOG_WARN, "refused", &other, 1), "");
    assert_true(log_due() < INT64_MAX);
}

static void what_became_of_a_query_is_never_folded(void **state)
{
    (void)state;
    human();
    int ends[2], saved = dup(STDERR_FILENO), lines = 0;
    assert_return_code(pipe2(ends, O_CLOEXEC | O_NONBLOCK), errno);
    assert_return_code(dup2(ends[1], STDERR_FILENO), errno);
    for (int i = 0; i < 1000; i++)
        log_each(LOG_WARN, "dead", LOG_STR("why", "no"));
    assert_return_code(dup2(saved, STDERR_FILENO), errno);
    close(saved);
    close(ends[1]);
    ssize_t size = read(ends[0], written, sizeof written);
    close(ends[0]);
    for (ssize_t i = 0; i < size; i++)
        lines += written[i] == '\n';
    assert_int_equal(lines, 1000);
}

/* Gathers COUNT lines of about 100 bytes, and with TROUBLE a warning in their middle; counts the
 * writes that they left in, each of which is one packet of the pipe. */
static size_t writes_of(int count, bool trouble, size_t *ret_lines)
{
    int ends[2];
    struct buffer lines;
    size_t writes = 0;
    ssize_t size;
    assert_return_code(pipe2(ends, O_CLOEXEC | O_NONBLOCK | O_DIRECT), errno);
    int saved = dup(STDERR_FILENO);
    assert_return_code(dup2(ends[1], STDERR_FILENO), errno);
    buffer_init(&lines);
    log_gather(&lines);
    for (int i = 0; i < count; i++) {
        log_event(LOG_INFO, "answered", LOG_INT("id", i),
                  LOG_STR("worker", "a worker with a name that makes this line a hundred bytes"));
        if (trouble && i == count / 2)
            log_each(LOG_WARN, "superseded", LOG_INT("id", i));
    }
    log_gathered();
    buffer_done(&lines);
    assert_return_code(dup2(saved, STDERR_FILENO), errno);
    close(saved);
    close(ends[1]);
    *ret_lines = 0;
    while ((size = read(ends[0], written, sizeof written)) > 0) {
        writes++;
        assert_int_equal(written[size - 1], '\n'); /* no line is cut in two */
        for (ssize_t i = 0; i < size; i++)
            *ret_lines += written[i] == '\n';
    }
    close(ends[0]);
    return writes;
}

static void lines_that_are_gathered_leave_together_and_whole(void **state)
{
    (void)state;
    size_t lines;
    human();
    assert_int_equal(writes_of(0, false, &lines), 0);
    assert_int_equal(writes_of(20, false, &lines), 1);
    assert_int_equal(lines, 20);
    assert_in_range(writes_of(300, false, &lines), 5, 15);
    assert_int_equal(lines, 300);
    assert_int_equal(writes_of(20, true, &lines), 2); /* trouble does not wait */
    assert_int_equal(lines, 21);
}

static void words_for_level_and_format_are_read_strictly(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    enum log_format format = LOG_HUMAN;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("Debug", &level), -1);
    assert_int_equal(log_level_parse("", &level), -1);
    assert_int_equal(log_format_parse("json", &format), 0);
    assert_int_equal(format, LOG_JSON);
    assert_int_equal(log_format_parse("xml", &format), -1);
    assert_int_equal(format, LOG_JSON);
    assert_int_equal(log_format_parse("journal", &format), 0);
    assert_int_equal(format, LOG_JOURNAL);
    assert_int_equal(log_format_parse("auto", &format), 0);
    assert_int_equal(format, LOG_AUTO);
}

static void prose_keeps_its_lines_and_nothing_else(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text);
    escape_text(&text, span_str("a\tb\n\"c\\\"\r\033]0;x\007"), ESCAPE_PROSE);
    assert_string_equal(text.data, "a\tb\n\"c\\\"\\r\\x1b]0;x\\x07");
    buffer_reset(&text);
    escape_text(&text, span_str("a\tb\n"), ESCAPE_CELL);
    assert_string_equal(text.data, "a\\tb\\n");
    buffer_done(&text);
}

int main(void)
{
    setenv("NO_COLOR", "1", 1); /* stderr of the test may be a terminal */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_read_level_event_and_fields),
        cmocka_unit_test(a_program_that_is_not_the_gateway_says_its_name),
        cmocka_unit_test(a_value_cannot_forge_a_field_or_a_line),
        cmocka_unit_test(a_sentence_ends_the_line),
        cmocka_unit_test(a_json_line_is_valid_whatever_the_values_hold),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(levels_below_the_chosen_one_write_nothing),
        cmocka_unit_test(logging_keeps_errno),
        cmocka_unit_test(what_the_journal_does_not_take_is_a_line_with_its_priority),
        cmocka_unit_test(the_journal_is_chosen_when_stderr_is_its_stream),
        cmocka_unit_test(what_repeats_is_folded_and_counted),
        cmocka_unit_test(what_became_of_a_query_is_never_folded),
        cmocka_unit_test(lines_that_are_gathered_leave_together_and_whole),
        cmocka_unit_test(words_for_level_and_format_are_read_strictly),
        cmocka_unit_test(prose_keeps_its_lines_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
