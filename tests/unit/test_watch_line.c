/* What a person sees of an event: one line, harmless, and never wider than the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/watch_line.h"
#include "gateway/watch_text.h"
#include "gateway/watch_words.h"
#include "proto/stamp.h"
#include "proto/utf8.h"

#define AT "\"time\":\"2026-11-21T12:03:04.567890\""
#define ABOUT "\"conversation_id\":\"conv_0123456789abcdef\",\"service\":\"docs\""

static struct watch_style style;
static struct buffer text;
static int64_t now_us;

static int set_up(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    memset(&style, 0, sizeof style);
    buffer_init(&text);
    return stamp_parse(span_str("2026-11-21T13:00:00"), &now_us);
}

static int tear_down(void **state)
{
    (void)state;
    buffer_done(&text);
    return 0;
}

/* The line of JSON, as a string that is good until the next call. */
static const char *line(const char *json)
{
    struct watch_event event;
    assert_true(watch_event_read(span_str(json), &event));
    buffer_reset(&text);
    watch_line(&event, &style, now_us, &text);
    return text.data;
}

static void query_is_shown_by_its_question(void **state)
{
    (void)state;
    assert_string_equal(
        line("{\"event\":\"query\",\"seq\":1," AT ",\"id\":17,\"prev\":0," ABOUT
             ",\"form\":\"query\",\"size\":9,\"text\":\"{\\\"type\\\":\\\"query\\\","
             "\\\"question\\\":\\\"What does\\\\nthe  lease protect?\\\"}\",\"metadata\":null}"),
        "12:03:04.567 query    89abcdef docs    #17       What does the lease protect?\n");
}

static void response_is_shown_with_what_it_answers_and_how_long_it_took(void **state)
{
    (void)state;
    assert_string_equal(
        line("{\"event\":\"response\"," AT ",\"id\":18,\"in_reply_to\":17," ABOUT
             ",\"form\":\"response\",\"seconds\":1.234,\"worker\":\"shard-1\",\"attempt\":1,"
             "\"text\":\"{\\\"type\\\":\\\"response\\\",\\\"answer\\\":\\\"All of it.\\\"}\"}"),
        "12:03:04.567 response 89abcdef docs    #18 \xe2\x86\x90 #17 1.2 s shard-1: All of it.\n");
}

static void error_is_said_to_be_one(void **state)
{
    (void)state;
    const char *got =
        line("{\"event\":\"response\"," AT ",\"id\":18,\"in_reply_to\":17," ABOUT
             ",\"form\":\"response\",\"dead\":true,\"worker\":\"w\",\"text\":\"{\\\"type\\\":"
             "\\\"error\\\",\\\"error\\\":\\\"out of ink\\\"}\"}");
    assert_non_null(strstr(got, " w: error: out of ink\n"));
    got = line("{\"event\":\"response\",\"form\":\"response\",\"text\":"
               "\"{\\\"type\\\":\\\"response\\\",\\\"error\\\":{\\\"code\\\":7}}\"}");
    assert_non_null(strstr(got, " error: {\"code\":7}\n"));
}

static void brackets_are_for_whom_the_gateway_has_verified(void **state)
{
    (void)state;
    assert_non_null(
        strstr(line("{\"event\":\"query\",\"form\":\"question\",\"text\":\"[uid:0] why?\"}"),
               " [] [uid:0] why?\n"));
    assert_non_null(
        strstr(line("{\"event\":\"query\",\"form\":\"question\",\"text\":\"[uid:0] why?\","
                    "\"sender\":{\"principal\":\"uid:5\"}}"),
               " [uid:5] [uid:0] why?\n"));
    assert_non_null(
        strstr(line("{\"event\":\"response\",\"form\":\"other\",\"text\":\"w1 [uid:0]: so\"}"),
               " [] w1 [uid:0]: so\n"));
    assert_non_null(strstr(line("{\"event\":\"partial\",\"worker\":\"w [uid:0]\",\"text\":\"so\"}"),
                           " w (uid:0): so\n"));
    assert_non_null(
        strstr(line("{\"event\":\"worker\",\"worker\":\"w [uid:0]\",\"change\":\"joined\","
                    "\"protocol\":\"REQ\",\"workers\":1}"),
               " w (uid:0) joined (REQ; 1 worker)\n"));
}

static void text_that_is_no_json_stands_as_it_is(void **state)
{
    (void)state;
    static const char *const forms[] = {"question", "other", "broken-json", "query", "response"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char json[200];
        snprintf(json, sizeof json,
                 "{\"event\":\"message\",\"id\":3,\"form\":\"%s\",\"text\":\"{\\\"answer\"}",
                 forms[i]);
        assert_non_null(strstr(line(json), " {\"answer\n"));
    }
    assert_non_null(
        strstr(line("{\"event\":\"message\",\"form\":\"empty\",\"text\":\" \"}"), " (empty)\n"));
    assert_non_null(
        strstr(line("{\"event\":\"query\",\"form\":\"query\",\"size\":120}"), " (120 bytes)\n"));
}

static void what_becomes_of_a_query_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } all[] = {
        {"{\"event\":\"retry\",\"message_id\":17,\"worker\":\"w1\",\"attempt\":2,\"failed\":2,"
         "\"returned\":false,\"pause\":0.500,\"why\":\"out of ink\"," ABOUT "}",
         " #17       w1: out of ink (attempt 2; next in 500 ms)\n"},
        {"{\"event\":\"retry\",\"message_id\":17,\"worker\":\"w1\",\"attempt\":2,"
         "\"returned\":true,\"pause\":0.000,\"why\":\"busy\"," ABOUT "}",
         " w1: busy (attempt 2 given back)\n"},
        {"{\"event\":\"dead\",\"message_id\":17,\"why\":\"out of ink\",\"worker\":\"w1\","
         "\"attempts\":5," ABOUT "}",
         " w1: out of ink (5 attempts)\n"},
        {"{\"event\":\"expired\",\"message_id\":17,\"why\":\"its conversation is over\"," ABOUT "}",
         "expired  89abcdef docs    #17       its conversation is over\n"},
        {"{\"event\":\"superseded\",\"message_id\":17,\"why\":\"row 18 answers it\"}",
         " row 18 answers it\n"},
        {"{\"event\":\"deleted\",\"message_id\":17,\"why\":\"its row is gone\"}",
         " its row is gone\n"},
        {"{\"event\":\"dropped\",\"message_id\":17,\"why\":\"dead drop\"}", " dead drop\n"},
        {"{\"event\":\"partial\",\"message_id\":17,\"worker\":\"w1\",\"index\":1,"
         "\"text\":\"All \"}",
         " #17       w1: All\n"},
        {"{\"event\":\"worker\",\"worker\":\"w1\",\"service\":\"docs\",\"protocol\":\"MDP/0.2\","
         "\"change\":\"joined\",\"why\":\"\",\"workers\":1}",
         " w1 joined (MDP/0.2; 1 worker)\n"},
        {"{\"event\":\"worker\",\"worker\":\"w1\",\"service\":\"docs\",\"protocol\":\"MDP/0.2\","
         "\"change\":\"left\",\"why\":\"it said so\",\"workers\":0}",
         " w1 left: it said so (MDP/0.2; 0 workers)\n"},
        {"{\"event\":\"worker\",\"worker\":\"w1\",\"service\":\"*\",\"protocol\":\"MDP/0.2\","
         "\"change\":\"adopted\",\"why\":\"\",\"workers\":3,\"message_id\":17}",
         " #17       w1 adopted it again (MDP/0.2; 3 workers)\n"},
        {"{\"event\":\"worker\",\"worker\":\"w1\",\"verified\":{\"principal\":\"key:"
         "0123456789abcdef\","
         "\"name\":\"n1\"},\"protocol\":\"MDP/0.2\",\"change\":\"joined\",\"workers\":1}",
         " w1 [n1 key:01234567] joined (MDP/0.2; 1 worker)\n"},
        {"{\"event\":\"partial\",\"message_id\":17,\"worker\":\"w1\",\"verified\":{\"principal\":"
         "\"uid:5\"},"
         "\"text\":\"so\"}",
         " w1 [uid:5]: so\n"},
        {"{\"event\":\"gateway/paused\",\"service\":\"docs\",\"why\":\"somebody has\","
         "\"by\":{\"principal\":\"uid:1000\"}}",
         " paused: [uid:1000] somebody has\n"},
        {"{\"event\":\"gateway/paused\",\"by\":\"nobody\",\"why\":\"it is\"}", " paused: it is\n"},
        {"{\"event\":\"gateway/refused\",\"message_id\":17,\"worker\":\"w1\",\"why\":\"past\"}",
         " refused: w1: past\n"},
        {"{\"event\":\"gateway/resumed\"}", " resumed\n"},
        {"{\"event\":\"novelty\",\"why\":\"of a newer gateway\"}", " of a newer gateway\n"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *got = line(all[i].json);
        if (!strstr(got, all[i].says))
            fail_msg("expected \"%s\" in \"%s\"", all[i].says, got);
        assert_ptr_equal(strchr(got, '\n'), got + text.size - 1);
    }
}

static void every_kind_fits_every_width(void **state)
{
    (void)state;
    static const char *const members =
        AT ",\"id\":1234567,\"in_reply_to\":1234566,\"message_id\":1234567,\"form\":\"other\","
           "\"conversation_id\":\"conv_\xe4\xb8\xad\xe4\xb8\xad 0123456789abcdef\","
           "\"service\":\"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"
           "\xe4\xb8\xad\xe4\xb8\xad\",\"worker\":\"a worker with a long name\",\"seconds\":12,"
           "\"attempt\":3,\"attempts\":3,\"pause\":1.5,\"change\":\"joined\",\"protocol\":\"REQ\","
           "\"workers\":12,\"why\":\"a reason that is so long that it does not fit in a line\","
           "\"text\":\"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad e\xcc\x81\\u001b[2J and so on, and so "
           "on, and so on, and so on, and so on, and so on\"";
    char json[1200];
    for (size_t width = 1; width < 160; width++) {
        memset(&style, 0, sizeof style);
        style.width = width;
        for (int kind = 0; kind <= TOPIC_KINDS; kind++) {
            snprintf(json, sizeof json, "{\"event\":\"%s\",%s}",
                     kind < TOPIC_KINDS ? topic_name((enum topic_kind)kind) : "something-new",
                     members);
            struct span shown = span_str(line(json));
            struct buffer again;
            buffer_init(&again);
            assert_true(utf8_valid(shown));
            assert_int_equal(shown.data[shown.size - 1], '\n');
            assert_null(memchr(shown.data, '\033', shown.size));
            size_t columns = watch_text_line(&again, shown, 1000);
            if (columns > width)
                fail_msg("%zu columns of %zu: %s", columns, width, shown.data);
            buffer_done(&again);
        }
    }
}

static void words_are_left_at_eighty_columns(void **state)
{
    (void)state;
    style.width = 80;
    const char *got =
        line("{\"event\":\"response\"," AT ",\"id\":18,\"in_reply_to\":17," ABOUT
             ",\"form\":\"other\",\"seconds\":1.234,\"worker\":\"shard-1\",\"text\":\"The lease "
             "protects what nobody else does\"}");
    assert_string_equal(got, "12:03:04.567 response 89abcdef docs    #18 \xe2\x86\x90 #17 1.2 s "
                             "shard-1: The lease prote\xe2\x80\xa6\n");
}

static void columns_grow_and_stay(void **state)
{
    (void)state;
    line("{\"event\":\"superseded\"," AT ",\"message_id\":17,\"service\":\"documents\"}");
    assert_string_equal(
        line("{\"event\":\"query\"," AT ",\"id\":1," ABOUT ",\"form\":\"other\",\"text\":\"x\"}"),
        "12:03:04.567 query      89abcdef docs      #1        x\n");
}

static void without_a_terminal_only_the_words_are_cut(void **state)
{
    (void)state;
    char json[600];
    snprintf(json, sizeof json,
             "{\"event\":\"message\"," AT ",\"form\":\"other\",\"text\":\"%0300d\"}", 0);
    assert_in_range(strlen(line(json)), 149, 152);
    assert_non_null(strstr(text.data, "00\xe2\x80\xa6\n"));
}

static void hostile_words_cannot_leave_their_line(void **state)
{
    (void)state;
    static const char evil[] =
        "\\u001b[2J\\u001b]0;owned\\u0007\\r\\n\\u202egnp.exe\\u0000\\u009b1m";
    char json[900];
    snprintf(json, sizeof json,
             "{\"event\":\"response\",\"timestamp\":\"%s\",\"id\":1,\"conversation_id\":\"%s\","
             "\"service\":\"%s\",\"worker\":\"%s\",\"form\":\"other\",\"text\":\"%s\"}",
             evil, evil, evil, evil, evil);
    for (int full = 0; full < 2; full++) {
        style.full = full;
        const char *got = line(json);
        for (size_t i = 0; i < text.size; i++)
            assert_true((unsigned char)got[i] >= 0x20 || got[i] == '\n');
        assert_null(strstr(got, "\xe2\x80\xae"));
        assert_null(strstr(got, "\xc2\x9b"));
        assert_non_null(strstr(got, "\\x1b[2J"));
        if (!full)
            assert_ptr_equal(strchr(got, '\n'), got + text.size - 1);
    }
}

static void full_text_follows_indented_with_its_lines(void **state)
{
    (void)state;
    style.full = true;
    style.width = 60;
    assert_string_equal(
        line("{\"event\":\"query\"," AT ",\"id\":17," ABOUT ",\"form\":\"query\",\"size\":99999,"
             "\"truncated\":true,\"text\":\"{\\\"question\\\":\\\"One\\\\r\\\\n\\\\n\\\\tthree"
             "\\\\u001b\\\\n\\\"}\"}"),
        "12:03:04.567 query    conv_0123456789abcdef docs    #17\n"
        "    One\n\n    \tthree\\x1b\n    \xe2\x80\xa6 (99999 bytes in all)\n");
    assert_non_null(strstr(line("{\"event\":\"expired\"," AT ",\"message_id\":17,\"why\":\"a "
                                "reason that is longer than the terminal is wide\"}"),
                           " #17       a reason that is longer than the terminal is wide\n"));
}

static void other_days_say_which(void **state)
{
    (void)state;
    static const struct {
        const char *stamp, *shown;
    } all[] = {
        {"2026-11-21T00:00:00", "00:00:00.000 "},
        {"2026-11-20T23:59:59.999", "Fri 23:59:59 "},
        {"2026-11-11T09:08:07", "11-11 09:08  "},
        {"2025-01-02T03:04:05", "2025-01-02   "},
        {"2026-11-22T03:04:05", "11-22 03:04  "},
        {"yesterday", "yesterday    "},
        {"", "             "},
    };
    char json[200];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        snprintf(json, sizeof json, "{\"event\":\"message\",\"timestamp\":\"%s\"}", all[i].stamp);
        assert_memory_equal(line(json), all[i].shown, 13);
    }
}

static void colours_are_closed_and_take_no_room(void **state)
{
    (void)state;
    static const char json[] = "{\"event\":\"dead\"," AT ",\"message_id\":17," ABOUT
                               ",\"why\":\"a reason that is longer than the line\"}";
    style.width = 80;
    char plain[300], stripped[300];
    snprintf(plain, sizeof plain, "%s", line(json));
    style.colours = true;
    line(json);
    size_t size = 0, open = 0;
    for (const char *at = text.data; *at; at++) {
        if (*at != '\033') {
            stripped[size++] = *at;
            continue;
        }
        open = at[1] == '[' && at[2] != '0';
        at = strchr(at, 'm');
        assert_non_null(at);
    }
    stripped[size] = '\0';
    assert_int_equal(open, 0);
    assert_string_equal(stripped, plain);
    assert_non_null(strstr(text.data, "\033[1;31mdead\033[0m"));
}

static void durations_are_said_as_people_do(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *says;
    } all[] = {{0.0004, "<1 ms"}, {0.34, "340 ms"}, {1, "1.0 s"},
               {99.9, "99.9 s"},  {150, "2.5 min"}, {7200, "2.0 h"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        buffer_reset(&text);
        watch_words_seconds(&text, all[i].seconds);
        assert_string_equal(text.data, all[i].says);
    }
}

static void what_is_no_object_is_no_event(void **state)
{
    (void)state;
    struct watch_event event;
    assert_false(watch_event_read(span_str("[1]"), &event));
    assert_false(watch_event_read(span_str("{\"event\":"), &event));
    assert_false(watch_event_read(span_str(""), &event));
    assert_true(watch_event_read(span_str("{}"), &event));
    assert_int_equal(watch_event_kind(&event), TOPIC_KINDS);
    assert_non_null(line("{\"event\":{},\"time\":7,\"id\":\"x\",\"text\":[],\"seconds\":\"1\"}"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(query_is_shown_by_its_question),
        TEST(response_is_shown_with_what_it_answers_and_how_long_it_took),
        TEST(error_is_said_to_be_one),
        TEST(brackets_are_for_whom_the_gateway_has_verified),
        TEST(text_that_is_no_json_stands_as_it_is),
        TEST(what_becomes_of_a_query_says_why),
        TEST(every_kind_fits_every_width),
        TEST(words_are_left_at_eighty_columns),
        TEST(columns_grow_and_stay),
        TEST(without_a_terminal_only_the_words_are_cut),
        TEST(hostile_words_cannot_leave_their_line),
        TEST(full_text_follows_indented_with_its_lines),
        TEST(other_days_say_which),
        TEST(colours_are_closed_and_take_no_room),
        TEST(durations_are_said_as_people_do),
        TEST(what_is_no_object_is_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
