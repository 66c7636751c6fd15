/* What an observer is given, one thing at a time (adapters/c/follow.h). The log has a word for
 * each: 5 an event with id 5, 5r the same by replay, e one that is no row, +2 REPAIRED, -2 LOST, up
 * up* (a new run) and =9 RESET. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/c/follow.h"

#define ALL ((1u << (TOPIC_KINDS + 1)) - 1)
#define QUERIES (1u << TOPIC_QUERY)

static char told[1000];
static struct follow follow;

static void give(void *context, const struct follow_gift *gift)
{
    (void)context;
    size_t size = strlen(told);
    char *end = told + size;
    size_t room = sizeof told - size;
    switch (gift->kind) {
    case TAILGATE_OBSERVED_EVENT:
        if (gift->id > 0)
            snprintf(end, room, "%lld%s ", (long long)gift->id, gift->replayed ? "r" : "");
        else
            snprintf(end, room, "e ");
        break;
    case TAILGATE_OBSERVED_REPAIRED:
        snprintf(end, room, "+%llu ", (unsigned long long)gift->count);
        break;
    case TAILGATE_OBSERVED_LOST:
        snprintf(end, room, "-%llu ", (unsigned long long)gift->count);
        break;
    case TAILGATE_OBSERVED_UP:
        snprintf(end, room, gift->text[0] ? "up* " : "up ");
        break;
    case TAILGATE_OBSERVED_RESET:
        snprintf(end, room, "=%lld ", (long long)gift->id);
        break;
    case TAILGATE_OBSERVED_AWAY:
        snprintf(end, room, "? ");
        break;
    }
}

#define expect(words)                                                                              \
    do {                                                                                           \
        assert_string_equal(told, words);                                                          \
        told[0] = '\0';                                                                            \
    } while (0)

static void begin(struct follow_setup setup)
{
    follow_done(&follow);
    told[0] = '\0';
    setup.give = give;
    setup.everything = setup.kinds == ALL && !setup.conversation;
    follow_init(&follow, &setup);
}

static int tear_down(void **state)
{
    (void)state;
    follow_done(&follow);
    return 0;
}

static void hear(const char *topic, unsigned seq, const char *json)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%u", seq);
    const struct span frame[] = {span_str(topic), span_str(digits), span_str(json)};
    follow_hear(&follow, frame, 3);
}

static void row(const char *kind, unsigned seq, int id, int prev)
{
    char topic[40], json[200];
    snprintf(topic, sizeof topic, "%s/c", kind);
    snprintf(json, sizeof json,
             "{\"event\":\"%s\",\"id\":%d,\"prev\":%d,\"conversation_id\":\"c\",\"service\":null}",
             kind, id, prev);
    hear(topic, seq, json);
}

static void stand(const char *form, unsigned seq, const char *epoch, int since, int id, int query,
                  int response)
{
    char json[300];
    int size = snprintf(json, sizeof json,
                        "%s{\"event\":\"x\",\"seq\":%u,\"epoch\":\"%s\",\"since\":%d,\"id\":%d,"
                        "\"last\":{\"query\":%d,\"response\":%d,\"message\":0}}",
                        form, seq, epoch, since, id, query, response);
    const struct span frame = span_of(json, (size_t)size);
    if (form[0])
        follow_hear(&follow, &frame, 1);
    else
        hear("gateway/mark", seq, json);
}

#define WELCOME "gateway/welcome "
#define MARK ""

static void part(const char *kind, int id)
{
    char json[100];
    int size = snprintf(json, sizeof json, "{\"event\":\"%s\",\"id\":%d}", kind, id);
    follow_part(&follow, span_of(json, (size_t)size));
}

static int end(int upto, int events, const char *more, int last)
{
    char json[200];
    int size = snprintf(json, sizeof json,
                        "{\"type\":\"replayed\",\"after\":0,\"upto\":%d,\"last\":%d,\"events\":%d,"
                        "\"more\":%s}",
                        upto, last, events, more);
    return follow_end(&follow, span_of(json, (size_t)size));
}

static void expect_request(const char *json)
{
    struct buffer asked;
    assert_true(follow_is_busy(&follow));
    buffer_init(&asked);
    follow_request(&follow, &asked);
    assert_string_equal(asked.data, json);
    buffer_done(&asked);
}

static const struct follow_setup all = {.kinds = ALL, .can_replay = true, .after = FOLLOW_UNKNOWN};
static const struct follow_setup queries = {
    .kinds = QUERIES, .can_replay = true, .after = FOLLOW_UNKNOWN};

static void rows_without_a_gap_are_given_as_they_come(void **state)
{
    (void)state;
    begin(all);
    assert_int_equal(follow_position(&follow), FOLLOW_UNKNOWN);
    stand(WELCOME, 4, "a", 5, 7, 7, 6);
    assert_int_equal(follow_position(&follow), 7);
    row("query", 5, 8, 7);
    row("response", 6, 9, 6);
    stand(MARK, 7, "a", 5, 9, 8, 9);
    expect("up 8 9 ");
    assert_int_equal(follow_position(&follow), 9);
    row("query", 8, 7, 6);
    row("query", 9, 8, 7);
    expect("");
}

static void gap_is_replayed_before_the_row_that_shows_it(void **state)
{
    (void)state;
    begin(queries);
    stand(WELCOME, 1, "a", 5, 5, 5, 5);
    row("query", 5, 9, 7);
    expect("up ");
    expect_request("{\"after\":5,\"upto\":8,\"kinds\":[\"query\"],\"limit\":1000}");
    part("query", 6);
    part("response", 7);
    assert_int_equal(end(6, 2, "true", 9), 0);
    expect_request("{\"after\":6,\"upto\":8,\"kinds\":[\"query\"],\"limit\":1000}");
    part("query", 7);
    part("query", 9);
    assert_int_equal(end(8, 1, "false", 9), 0);
    expect("6r 7r +2 9 ");
    assert_false(follow_is_busy(&follow));
}

static void page_that_comes_to_nothing_is_asked_for_again_and_given_once(void **state)
{
    (void)state;
    begin(queries);
    stand(WELCOME, 1, "a", 5, 5, 5, 5);
    stand(MARK, 5, "a", 5, 9, 9, 5);
    const char *asked = "{\"after\":5,\"upto\":9,\"kinds\":[\"query\"],\"limit\":1000}";
    expect_request(asked);
    part("query", 6);
    assert_int_equal(follow_end(&follow, span_str("{\"type\":\"error\",\"error\":\"no\"}")), -1);
    assert_int_equal(follow_end(&follow, span_str("nonsense")), -1);
    assert_int_equal(end(9, 2, "false", 9), -1); /* of which one did not come */
    assert_int_equal(end(5, 1, "true", 9), -1);  /* that does not go on */
    expect_request(asked);
    part("query", 6);
    part("query", 8);
    part("query", 6);
    assert_int_equal(end(9, 2, "false", 9), 0);
    expect("up 6r 8r +2 ");
    assert_int_equal(follow_position(&follow), 9);
}

static void lost_events_are_told_but_not_the_rows_that_were_repaired(void **state)
{
    (void)state;
    begin(all);
    stand(WELCOME, 1, "a", 5, 5, 5, 5);
    row("query", 2, 6, 5);
    hear("partial/c", 3, "{\"event\":\"partial\"}");
    expect("up 6 e ");
    stand(MARK, 8, "a", 5, 8, 8, 7); /* 4 to 7: a response, a query and two others */
    part("response", 7);
    part("query", 8);
    assert_int_equal(end(8, 2, "false", 8), 0);
    expect("7r 8r +2 -2 ");
    stand(MARK, 9, "a", 5, 8, 8, 7);
    stand(WELCOME, 10, "a", 5, 8, 8, 7);
    expect("up -1 ");
}

static void new_run_that_tells_rows_again_has_lost_nothing(void **state)
{
    (void)state;
    begin(all);
    stand(WELCOME, 1, "a", 5, 5, 5, 5);
    row("query", 2, 6, 5);
    row("query", 3, 7, 6);
    expect("up 6 7 ");
    stand(WELCOME, 1, "b", 5, 8, 6, 5);
    row("query", 2, 7, 6);
    row("query", 3, 8, 7);
    stand(MARK, 4, "b", 5, 8, 8, 5);
    expect("up* 8 ");
    stand(MARK, 1, "c", 8, 8, 8, 8); /* it had no welcome yet */
    stand(WELCOME, 1, "c", 8, 8, 8, 8);
    expect("up* up ");
}

static void file_that_was_put_back_is_told(void **state)
{
    (void)state;
    begin(all);
    stand(WELCOME, 1, "a", 50, 50, 50, 50);
    stand(WELCOME, 0, "b", 20, 20, 20, 20);
    row("query", 1, 21, 20);
    expect("up up* =20 21 ");
    begin((struct follow_setup){.kinds = ALL, .can_replay = true, .after = 50});
    stand(WELCOME, 1, "a", 20, 20, 20, 20);
    expect("up =20 ");
    assert_false(follow_is_busy(&follow));
}

static void history_is_given_up_to_the_welcome_and_is_no_repair(void **state)
{
    (void)state;
    begin((struct follow_setup){.kinds = ALL, .can_replay = true, .after = 3});
    assert_int_equal(follow_position(&follow), 3);
    stand(WELCOME, 1, "a", 5, 9, 8, 9);
    expect_request("{\"after\":3,\"upto\":9,\"limit\":1000}");
    part("query", 4);
    part("message", 5);
    assert_int_equal(follow_position(&follow), 5);
    assert_int_equal(end(9, 2, "false", 12), 0);
    row("query", 2, 10, 8);
    expect("up 4r 5r 10 ");
    begin((struct follow_setup){
        .kinds = QUERIES, .can_replay = true, .after = 0, .since = "2026-11-21T01:00:00"});
    follow_begin(&follow); /* no welcome came */
    expect_request("{\"since\":\"2026-11-21T01:00:00\",\"kinds\":[\"query\"],\"limit\":1000}");
    assert_int_equal(follow_position(&follow), FOLLOW_UNKNOWN);
    part("query", 4);
    assert_int_equal(end(4, 1, "true", 9), 0);
    expect_request("{\"after\":4,\"kinds\":[\"query\"],\"limit\":1000}");
    assert_int_equal(end(9, 0, "false", 9), 0);
    expect("4r ");
    assert_int_equal(follow_position(&follow), 9);
}

static void filters_are_in_the_request_and_hold_for_live_events(void **state)
{
    (void)state;
    begin((struct follow_setup){.kinds = ALL,
                                .can_replay = true,
                                .after = FOLLOW_UNKNOWN,
                                .conversation = "c",
                                .service = "law"});
    stand(WELCOME, 1, "a", 5, 5, 5, 5);
    hear("query/c", 2, "{\"id\":6,\"prev\":5,\"conversation_id\":\"c\",\"service\":\"law\"}");
    hear("query/c", 3, "{\"id\":7,\"prev\":6,\"conversation_id\":\"c\",\"service\":null}");
    hear("query/cc", 4, "{\"id\":8,\"prev\":7,\"conversation_id\":\"cc\",\"service\":\"law\"}");
    hear("partial/c", 5, "{\"conversation_id\":\"c\",\"service\":\"law\"}");
    hear("partial/c", 5, "{\"conversation_id\":\"c\"}");
    hear("gateway/paused", 6, "{\"why\":\"x\"}");
    expect("up 6 e ");
    hear("query/c", 9, "{\"id\":19,\"prev\":15,\"conversation_id\":\"c\",\"service\":\"law\"}");
    expect_request(
        "{\"after\":5,\"upto\":18,\"conversation\":\"c\",\"service\":\"law\",\"limit\":1000}");
    assert_int_equal(end(18, 0, "false", 18), 0);
    expect("19 ");
    begin(queries);
    hear("gateway/paused", 1, "{\"why\":\"x\"}");
    row("query", 2, 8, 3);
    expect("8 ");
}

static void without_a_gate_a_gap_is_told(void **state)
{
    (void)state;
    begin((struct follow_setup){.kinds = QUERIES, .after = FOLLOW_UNKNOWN});
    stand(WELCOME, 1, "a", 5, 5, 5, 5);
    row("query", 5, 9, 7);
    stand(MARK, 9, "a", 5, 12, 12, 5);
    expect("up -0 9 -0 ");
    begin((struct follow_setup){.kinds = ALL, .after = FOLLOW_UNKNOWN});
    stand(WELCOME, 1, "a", 5, 5, 5, 5);
    row("query", 5, 9, 7);
    stand(MARK, 6, "a", 5, 9, 9, 5);
    expect("up 9 -3 ");
    assert_false(follow_is_busy(&follow));
}

static void what_is_no_event_is_passed_over(void **state)
{
    (void)state;
    static const char good[] = "{\"id\":6,\"prev\":5}";
    static const struct {
        const char *frame[3];
        size_t count;
    } bad[] = {
        {{"query/c", "1", good}, 2},
        {{"query", "1", good}, 3},
        {{"/c", "1", good}, 3},
        {{"query/c\n", "1", good}, 3},
        {{"query/c", "", good}, 3},
        {{"query/c", "0", good}, 3},
        {{"query/c", "-1", good}, 3},
        {{"query/c", "99999999999999999999", good}, 3},
        {{"query/c", "1", ""}, 3},
        {{"query/c", "1", "[]"}, 3},
        {{"query/c", "1", "{\"id\":6,\n\"prev\":5}"}, 3},
        {{"query/c", "1", "{\"id\":6}"}, 3},
        {{"query/c", "1", "{\"id\":\"6\",\"prev\":5}"}, 3},
        {{"query/c", "1", "{\"id\":6,\"prev\":6}"}, 3},
        {{"query/c", "1", "{\"id\":0,\"prev\":-1}"}, 3},
        {{"query/c", "1", "{\"id\":99999999999999999999,\"prev\":6}"}, 3},
        {{"gateway/mark", "1", "{\"epoch\":7,\"since\":1,\"id\":1,\"seq\":1,\"last\":{}}"}, 3},
        {{"gateway/mark", "1", "{\"epoch\":\"a\",\"since\":1,\"id\":1,\"seq\":1,\"last\":[]}"}, 3},
        {{"gateway/welcome", "", ""}, 1},
        {{"gateway/welcome {}", "", ""}, 1},
        {{"gateway/welcome {\"epoch\":\"a\",\"since\":1,\"id\":1,\"last\":{}}", "", ""}, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(all);
        const struct span frame[] = {span_str(bad[i].frame[0]), span_str(bad[i].frame[1]),
                                     span_str(bad[i].frame[2])};
        follow_hear(&follow, frame, bad[i].count);
        follow_part(&follow, frame[2]);
        expect("");
        assert_int_equal(follow_position(&follow), FOLLOW_UNKNOWN);
    }
    hear("query/c", 1, good);
    hear("novelty/c", 2, "{}");
    expect("6 e ");
}

int main(void)
{
#define test(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        test(rows_without_a_gap_are_given_as_they_come),
        test(gap_is_replayed_before_the_row_that_shows_it),
        test(page_that_comes_to_nothing_is_asked_for_again_and_given_once),
        test(lost_events_are_told_but_not_the_rows_that_were_repaired),
        test(new_run_that_tells_rows_again_has_lost_nothing),
        test(file_that_was_put_back_is_told),
        test(history_is_given_up_to_the_welcome_and_is_no_repair),
        test(filters_are_in_the_request_and_hold_for_live_events),
        test(without_a_gate_a_gap_is_told),
        test(what_is_no_event_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
