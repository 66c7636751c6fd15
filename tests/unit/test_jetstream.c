#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/jetstream/api.h"
#include "adapters/jetstream/incoming.h"
#include "adapters/source/jetstream_inside.h"

#define TOKEN "7.1.AAAAAAAAAAAAAAAAAAAAAA"

static void a_service_stands_in_names_as_it_is_or_hashed(void **state)
{
    (void)state;
    char name[NAMES_SIZE], longest[NAMES_SIZE], service[256];
    names_query_stream("tailgate", span_str("law-2_B"), name);
    assert_string_equal(name, "tailgate-q-law-2_B");
    names_query_subject("tailgate", span_str("a.*.>"), name);
    assert_int_equal(strlen(name), strlen("tailgate.q.=") + 32);
    assert_null(strpbrk(name + strlen("tailgate.q."), ".*> "));
    memset(service, 'x', sizeof service);
    names_reply_subject("12345678901234567890123456789012", "0123456789abcdef",
                        span_of(service, NAMES_SERVICE_MAX), longest);
    assert_int_equal(strlen(longest), 32 + strlen(".r.") + 16 + 1 + NAMES_SERVICE_MAX);
    names_reply_consumer("0123456789abcdef", span_of(service, sizeof service), name);
    assert_int_equal(strlen(name), 16 + strlen("-=") + 32);
}

static void what_a_gateway_would_not_take_as_a_token_is_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",          "7.1",          "no token",
                                        TOKEN "\n",  "b'" TOKEN "'", "0.1.AAAAAAAAAAAAAAAAAAAAAA",
                                        TOKEN ".raw"};
    assert_true(names_token_ok(span_str(TOKEN)));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(names_token_ok(span_str(wrong[i])));
    assert_true(names_bridge_ok(span_str("0123456789abcdef")));
    assert_false(names_bridge_ok(span_str("0123456789ABCDEF")));
    assert_false(names_bridge_ok(span_str("*")));
}

static void deliveries_are_read_of_both_forms_of_an_ack_subject(void **state)
{
    (void)state;
    assert_int_equal(api_delivered("$JS.ACK.s.workers.3.7.9.1700000000.0"), 3);
    assert_int_equal(api_delivered("$JS.ACK.hub.acc.s.workers.4.7.9.1700000000.0.x"), 4);
    assert_int_equal(api_delivered("$JS.ACK.s.workers.-3.7.9.1700000000.0"), 1);
    assert_int_equal(api_delivered("$JS.ACK.s"), 0);
    assert_int_equal(api_delivered("elsewhere"), 0);
    assert_int_equal(api_delivered(NULL), 0);
}

static struct api_stored stored_as(const char *text)
{
    struct api_stored stored;
    natsMsg *message = NULL;
    assert_int_equal(natsMsg_Create(&message, "s", NULL, text, (int)strlen(text)), NATS_OK);
    api_read_stored(message, &stored);
    natsMsg_Destroy(message);
    return stored;
}

static void what_is_staged_is_not_stored(void **state)
{
    (void)state;
    struct api_stored stored = stored_as("{\"stream\":\"s\",\"seq\":7,\"duplicate\":true}");
    assert_true(stored.done && !stored.staged && stored.seq == 7);
    stored = stored_as("{\"stream\":\"s\",\"seq\":0,\"duplicate\":true}");
    assert_true(!stored.done && stored.staged);
    stored =
        stored_as("{\"error\":{\"code\":409,\"err_code\":10158,\"description\":\"in process\"}}");
    assert_true(!stored.done && stored.staged);
    stored = stored_as("{\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"full\"}}");
    assert_true(!stored.done && !stored.staged);
    assert_string_equal(stored.why, "full");
}

static void what_stays_staged_is_sent_under_another_id(void **state)
{
    (void)state;
    char id[32];
    api_id("b-t", 0, id, sizeof id);
    assert_string_equal(id, "b-t");
    api_id("b-t", API_DOUBTS - 1, id, sizeof id);
    assert_string_equal(id, "b-t");
    api_id("b-t", API_DOUBTS, id, sizeof id);
    assert_string_equal(id, "b-t-2");
    api_id("b-t", 2 * API_DOUBTS, id, sizeof id);
    assert_string_equal(id, "b-t-3");
}

static void a_line_break_in_a_header_begins_no_other_header(void **state)
{
    (void)state;
    natsMsg *message = conn_message("s", NULL, span_str("{}"));
    conn_set(message, HEADER_VIA, span_str("{\"worker\":\r\n\"w\"}"));
    assert_true(span_is(conn_header(message, HEADER_VIA), "{\"worker\":  \"w\"}"));
    assert_int_equal(conn_header(message, HEADER_TOKEN).size, 0);
    natsMsg_Destroy(message);
}

static void a_query_without_token_bridge_or_object_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *token, *bridge, *body;
        bool good;
    } row[] = {{TOKEN, "0123456789abcdef", "{}", true},
               {"x", "0123456789abcdef", "{}", false},
               {TOKEN, "abc", "{}", false},
               {TOKEN, "0123456789abcdef", "[]", false},
               {TOKEN, "0123456789abcdef", "{", false}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct incoming_query query;
        natsMsg *message = conn_message("s", NULL, span_str(row[i].body));
        conn_set(message, HEADER_TOKEN, span_str(row[i].token));
        conn_set(message, HEADER_BRIDGE, span_str(row[i].bridge));
        conn_set(message, HEADER_DEADLINE, span_str("soon"));
        assert_int_equal(incoming_read_query(message, &query), row[i].good);
        assert_int_equal(query.deadline_us, INT64_MAX);
        natsMsg_Destroy(message);
    }
}

static void a_failure_always_has_a_reason(void **state)
{
    (void)state;
    struct incoming_failure failure;
    incoming_read_failure(span_str("{\"error\":\"no\",\"retry\":false}"), &failure);
    assert_string_equal(failure.why, "no");
    assert_false(failure.retry);
    incoming_read_failure(span_str("{\"error\":7}"), &failure);
    assert_true(failure.why[0] != '\0' && failure.retry);
    incoming_read_failure(span_of(NULL, 0), &failure);
    assert_true(failure.why[0] != '\0' && failure.retry);
}

static void only_the_last_tokens_are_remembered_as_done(void **state)
{
    (void)state;
    static struct jobs jobs;
    char token[32];
    for (int i = 0; i <= JOBS_DONE; i++) {
        snprintf(token, sizeof token, "%d.1.x", i + 1);
        jobs_remove(&jobs, jobs_add(&jobs, span_str(token), JOB_OUT, 0), true);
    }
    assert_false(jobs_was_done(&jobs, span_str("1.1.x")));
    assert_true(jobs_was_done(&jobs, span_str("2.1.x")));
    assert_true(jobs_was_done(&jobs, span_str(token)));
    assert_false(jobs_was_done(&jobs, span_of(NULL, 0)));
    assert_int_equal(jobs.count, 0);
}

/* With nobody at the other end. */
static struct source *source_alone(void)
{
    static const struct conn_setup nats = {.url = {"nats://127.0.0.1:1"}};
    static const char *const services[] = {"law"};
    static const struct jetstream_setup setup = {
        .nats = &nats, .prefix = "tailgate", .services = services, .service_count = 1};
    char why[CONN_TEXT];
    struct source *source = jetstream_new(&setup, why);
    assert_non_null(source);
    return source;
}

static void say_final(struct source *source, int number)
{
    char token[40];
    struct span body = span_str("42");
    snprintf(token, sizeof token, "%d.1.AAAAAAAAAAAAAAAAAAAAAA", number);
    source->class->final(
        source, &(struct source_answer){
                    .token = span_str(token), .via = span_str("{}"), .frame = &body, .frames = 1});
}

static void an_answer_that_finds_no_room_is_counted_as_dropped(void **state)
{
    (void)state;
    struct source *source = source_alone();
    struct jetstream *self = (struct jetstream *)(void *)source;
    for (int i = 0; i < JOBS_MAX; i++)
        jobs_add(&self->jobs, span_str("other"), JOB_OUT, 0);
    say_final(source, 1);
    struct source_news news = source->class->next(source, 0);
    assert_true(news.kind == SOURCE_DROPPED && news.count == 1);
    source->class->final(source, &(struct source_answer){.token = span_str("no token")});
    assert_int_not_equal(source->class->next(source, 0).kind, SOURCE_DROPPED);
    source->class->destroy(&source);
}

static void an_answer_whose_query_never_comes_gives_way_and_is_counted(void **state)
{
    (void)state;
    struct source *source = source_alone();
    for (int i = 0; i <= JOBS_MAX / 4; i++)
        say_final(source, i + 1);
    struct source_news news = source->class->next(source, 0);
    assert_true(news.kind == SOURCE_DROPPED && news.count == 1);
    source->class->destroy(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_stands_in_names_as_it_is_or_hashed),
        cmocka_unit_test(what_a_gateway_would_not_take_as_a_token_is_none),
        cmocka_unit_test(deliveries_are_read_of_both_forms_of_an_ack_subject),
        cmocka_unit_test(what_is_staged_is_not_stored),
        cmocka_unit_test(what_stays_staged_is_sent_under_another_id),
        cmocka_unit_test(a_line_break_in_a_header_begins_no_other_header),
        cmocka_unit_test(a_query_without_token_bridge_or_object_is_none),
        cmocka_unit_test(a_failure_always_has_a_reason),
        cmocka_unit_test(only_the_last_tokens_are_remembered_as_done),
        cmocka_unit_test(an_answer_that_finds_no_room_is_counted_as_dropped),
        cmocka_unit_test(an_answer_whose_query_never_comes_gives_way_and_is_counted),
    };
    if (nats_Open(-1) != NATS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_CloseAndWait(1000);
    return failed;
}
