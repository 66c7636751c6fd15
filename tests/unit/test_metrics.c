/* The status as Prometheus' text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/http_metrics.h"
#include "gateway/prometheus.h"

static struct buffer text;

static int setup(void **state)
{
    (void)state;
    buffer_init(&text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_done(&text);
    return 0;
}

/* Writes the text of STATUS, in JSON with single quotes, which names of ours never have. */
static void given(const char *status)
{
    char *json = memory_text(span_str(status));
    for (char *at = json; *at; at++)
        if (*at == '\'')
            *at = '"';
    json_t *parsed = json_loads(json, 0, NULL);
    assert_non_null(parsed);
    buffer_reset(&text);
    http_metrics_text(parsed, NULL, &text);
    json_decref(parsed);
    free(json);
}

static bool has(const char *line)
{
    size_t size = strlen(line);
    for (const char *at = strstr(text.data, line); at; at = strstr(at + 1, line))
        if ((at == text.data || at[-1] == '\n') && at[size] == '\n')
            return true;
    return false;
}

#define assert_line(line)                                                                          \
    do {                                                                                           \
        if (!has(line))                                                                            \
            fail_msg("no line %s in\n%s", line, text.data);                                        \
    } while (0)

#define assert_nowhere(words) assert_null(strstr(text.data, words))

static void a_gateway_that_is_away_is_down_and_nothing_else_is_said_of_it(void **state)
{
    const struct http_own own = {.by_class = {0, 0, 7}, .asks_failed = 3};
    (void)state;
    http_metrics_text(NULL, &own, &text);
    assert_line("tailgate_up 0");
    assert_line("tailgate_http_requests_total{code=\"2xx\"} 7");
    assert_line("tailgate_http_asks_failed_total 3");
    assert_nowhere("tailgate_info");
    assert_nowhere("tailgate_backlog");
}

static void an_error_is_no_status(void **state)
{
    (void)state;
    given("{'type':'error','error':'this key may not','counters':{'queries':1}}");
    assert_line("tailgate_up 0");
    assert_nowhere("queries");
}

static void a_family_says_what_it_is_before_its_samples(void **state)
{
    (void)state;
    given("{'type':'status','counters':{'queries':12}}");
    assert_non_null(strstr(text.data,
                           "# HELP tailgate_queries_total Queries seen that nobody had answered.\n"
                           "# TYPE tailgate_queries_total counter\n"
                           "tailgate_queries_total 12\n"));
}

static void numbers_are_in_base_units_and_read_as_they_are(void **state)
{
    (void)state;
    given("{'type':'status','gateway':{'since':'1970-01-01T00:01:40.500000','version':'0.1',"
          "'sqlite':'3.40.1','paused':true,'draining':false,'rss_bytes':12345678901,"
          "'max_fds':null},'committer':{'lock_duty':0.125}}");
    assert_line("tailgate_up 1");
    assert_line("tailgate_start_time_seconds 100.5");
    assert_line("tailgate_info{program=\"gateway\",version=\"0.1\",sqlite=\"3.40.1\"} 1");
    assert_line("tailgate_paused 1");
    assert_line("tailgate_draining 0");
    assert_line("tailgate_resident_memory_bytes 12345678901");
    assert_line("tailgate_lock_duty_ratio 0.125");
    assert_nowhere("tailgate_max_fds"); /* it is not known */
}

static void workers_count_for_the_service_that_they_serve(void **state)
{
    (void)state;
    given("{'type':'status','services':[{'name':'law','backlog':3,'workers':7,'in_flight':1,"
          "'oldest_waiting_seconds':2.5},{'name':'idle','backlog':0,"
          "'oldest_waiting_seconds':null}],"
          "'workers':[{'name':'a','service':'law','slots':2,'in_flight':1,'served':9},"
          "{'name':'b','service':'*','slots':1,'in_flight':0,'served':0}]}");
    assert_line("tailgate_backlog{service=\"law\"} 3");
    assert_line("tailgate_oldest_waiting_seconds{service=\"law\"} 2.5");
    assert_line("tailgate_oldest_waiting_seconds{service=\"idle\"} 0");
    assert_line("tailgate_workers{service=\"law\"} 1");
    assert_line("tailgate_workers{service=\"idle\"} 0");
    assert_line("tailgate_workers{service=\"*\"} 1");
    assert_line("tailgate_slots{service=\"law\"} 2");
    assert_line("tailgate_worker_in_flight{worker=\"a\",service=\"law\"} 1");
    assert_line("tailgate_worker_served_total{worker=\"a\",service=\"law\"} 9");
    assert_nowhere("tailgate_backlog{service=\"*\"}");
}

static void names_from_outside_forge_no_line(void **state)
{
    (void)state;
    given(
        "{'type':'status','services':[{'name':'x\\\"} 1\\ntailgate_up 0 \\u202e\\\\','backlog':1}],"
        "'counters':{'x\\ntailgate_up 5':1}}");
    assert_line("tailgate_up 1");
    assert_line("tailgate_backlog{service=\"x\\\"} 1\\\\ntailgate_up 0 \\\\u202e\\\\\"} 1");
    assert_line("tailgate_other_total{reason=\"x\\\\ntailgate_up 5\"} 1");
    assert_false(has("tailgate_up 0"));
}

static void workers_of_one_name_are_one_row_without_a_counter(void **state)
{
    (void)state;
    given("{'type':'status','workers':["
          "{'name':'w','service':'s','slots':1,'in_flight':1,'served':5,'last_seen_seconds':1},"
          "{'name':'w','service':'s','slots':2,'in_flight':1,'served':6,'last_seen_seconds':3},"
          "{'name':'v','service':'s','slots':1,'in_flight':0,'served':7,'last_seen_seconds':2}]}");
    assert_line("tailgate_worker_slots{worker=\"w\",service=\"s\"} 3");
    assert_line("tailgate_worker_in_flight{worker=\"w\",service=\"s\"} 2");
    assert_line("tailgate_worker_last_seen_seconds{worker=\"w\",service=\"s\"} 3");
    assert_line("tailgate_worker_served_total{worker=\"v\",service=\"s\"} 7");
    assert_nowhere("served_total{worker=\"w\"");
}

static size_t count_lines(const char *start)
{
    size_t count = 0;
    for (const char *at = strstr(text.data, start); at; at = strstr(at + 1, start))
        count += at == text.data || at[-1] == '\n';
    return count;
}

static void beyond_two_hundred_services_the_rest_is_other(void **state)
{
    struct buffer status;
    (void)state;
    buffer_init(&status);
    buffer_text(&status, "{'type':'status','services':[{'name':'other','backlog':1000}");
    for (int i = 0; i < 1000; i++)
        buffer_format(&status, ",{'name':'s%03d','backlog':1,'oldest_waiting_seconds':%d}", i, i);
    buffer_text(&status, "]}");
    given(status.data);
    assert_int_equal(count_lines("tailgate_backlog{"), 201);
    assert_line("tailgate_backlog{service=\"s000\"} 1");
    assert_line("tailgate_backlog{service=\"s199\"} 1");
    assert_line("tailgate_backlog{service=\"other\"} 1800");
    assert_line("tailgate_oldest_waiting_seconds{service=\"other\"} 999");
    buffer_done(&status);
}

static void two_hundred_and_one_workers_share_no_counter_in_other(void **state)
{
    struct buffer status;
    (void)state;
    buffer_init(&status);
    buffer_text(&status, "{'type':'status','workers':[{'name':'a','service':'s','served':1}");
    for (int i = 0; i < 200; i++)
        buffer_format(&status, ",{'name':'w%03d','service':'s','served':1,'slots':1}", i);
    buffer_text(&status, "]}");
    given(status.data);
    assert_int_equal(count_lines("tailgate_worker_served_total{"), 200);
    assert_line("tailgate_worker_slots{worker=\"other\",service=\"other\"} 1");
    buffer_done(&status);
}

static void refusals_are_one_family_by_reason(void **state)
{
    (void)state;
    given("{'type':'status','counters':{'strangers':4,'refused_forged':1,'refused_keys':2}}");
    assert_int_equal(count_lines("# TYPE tailgate_refused_total counter"), 1);
    assert_line("tailgate_refused_total{reason=\"forged\"} 1");
    assert_line("tailgate_refused_total{reason=\"key\"} 2");
    assert_line("tailgate_refused_total{reason=\"stranger\"} 4");
}

static void a_counter_of_another_version_is_told_too(void **state)
{
    (void)state;
    given("{'type':'status','counters':{'queries':1,'invented':4,'odd':'text'}}");
    assert_line("tailgate_other_total{reason=\"invented\"} 4");
    assert_nowhere("odd");
}

static void buckets_of_a_histogram_are_cumulative_and_end_with_infinity(void **state)
{
    (void)state;
    given("{'type':'status','histograms':{'total':{'bounds':[0.0001,0.0002],'counts':[1,2,3],"
          "'sum':1.5,'count':6}}}");
    assert_line("# TYPE tailgate_query_seconds histogram");
    assert_line("tailgate_query_seconds_bucket{le=\"0.0001\"} 1");
    assert_line("tailgate_query_seconds_bucket{le=\"0.0002\"} 3");
    assert_line("tailgate_query_seconds_bucket{le=\"+Inf\"} 6");
    assert_line("tailgate_query_seconds_sum 1.5");
    assert_line("tailgate_query_seconds_count 6");
}

static void what_is_no_histogram_is_left_out(void **state)
{
    static const char *const odd[] = {
        "{'bounds':[2,1],'counts':[1,2,3]}",    "{'bounds':[1,2],'counts':[1,2]}",
        "{'bounds':[1,'2'],'counts':[1,2,3]}",  "{'bounds':[],'counts':[1]}",
        "{'bounds':{'1':2},'counts':[1,2]}",    "[1,2,3]",
        "{'bounds':[1,2],'counts':[1,null,3]}", "{'bounds':[1,1],'counts':[1,1,3]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char status[200];
        snprintf(status, sizeof status, "{'type':'status','histograms':{'total':%s}}", odd[i]);
        given(status);
        assert_nowhere("query_seconds");
    }
}

static void states_are_ones_and_zeros(void **state)
{
    (void)state;
    given("{'type':'status','committer':{'state':'locked','checkpoint_results':{'busy':2}},"
          "'helpers':[{'state':'running','restarts':2},{'state':'failed','restarts':1}],"
          "'reps':[{'state':'up'}]}");
    assert_line("tailgate_committer_state{state=\"locked\"} 1");
    assert_line("tailgate_committer_state{state=\"ok\"} 0");
    assert_line("tailgate_checkpoints_total{result=\"busy\"} 2");
    assert_line("tailgate_helpers{state=\"running\"} 1");
    assert_line("tailgate_helpers{state=\"failed\"} 1");
    assert_line("tailgate_helper_restarts_total 3");
    assert_line("tailgate_dialled_workers{state=\"up\"} 1");
}

static void a_relay_has_what_it_has(void **state)
{
    (void)state;
    given("{'type':'status','relay':{'name':'r','version':'0.1','since':'1970-01-01T00:00:01',"
          "'draining':false},'source':{'up':true,'kept':2},'in_flight':3,'observers':1,"
          "'workers':[{'name':'w','service':'law','slots':1,'in_flight':1,'served':2}],"
          "'counters':{'taken':5,'failed':1,'refused_loops':1}}");
    assert_line("tailgate_up 1");
    assert_line("tailgate_info{program=\"relay\",version=\"0.1\"} 1");
    assert_line("tailgate_source_up 1");
    assert_line("tailgate_relay_in_flight 3");
    assert_line("tailgate_workers{service=\"law\"} 1");
    assert_line("tailgate_taken_total 5");
    assert_line("tailgate_refused_total{reason=\"loop\"} 1");
    assert_nowhere("tailgate_wal");
    assert_nowhere("other_total");
}

static void a_label_is_cut(void **state)
{
    char name[400] = "";
    struct buffer labels;
    (void)state;
    memset(name, 'x', sizeof name - 1);
    buffer_init(&labels);
    prometheus_label(&labels, "worker", span_str(name));
    assert_int_equal(labels.size, strlen("worker=\"\"") + PROMETHEUS_LABEL_MAX);
    buffer_done(&labels);
}

static void numbers_that_are_none_have_words(void **state)
{
    (void)state;
    prometheus_sample(&text, "x", span_str(""), INFINITY);
    prometheus_sample(&text, "x", span_str("a=\"b\""), -INFINITY);
    prometheus_sample(&text, "y", span_str(""), NAN);
    prometheus_sample(&text, "z", span_str(""), 1e300);
    assert_string_equal(text.data, "x +Inf\nx{a=\"b\"} -Inf\ny NaN\nz 1e+300\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_gateway_that_is_away_is_down_and_nothing_else_is_said_of_it),
        TEST(an_error_is_no_status),
        TEST(a_family_says_what_it_is_before_its_samples),
        TEST(numbers_are_in_base_units_and_read_as_they_are),
        TEST(workers_count_for_the_service_that_they_serve),
        TEST(names_from_outside_forge_no_line),
        TEST(workers_of_one_name_are_one_row_without_a_counter),
        TEST(beyond_two_hundred_services_the_rest_is_other),
        TEST(two_hundred_and_one_workers_share_no_counter_in_other),
        TEST(refusals_are_one_family_by_reason),
        TEST(a_counter_of_another_version_is_told_too),
        TEST(buckets_of_a_histogram_are_cumulative_and_end_with_infinity),
        TEST(what_is_no_histogram_is_left_out),
        TEST(states_are_ones_and_zeros),
        TEST(a_relay_has_what_it_has),
        TEST(a_label_is_cut),
        TEST(numbers_that_are_none_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
