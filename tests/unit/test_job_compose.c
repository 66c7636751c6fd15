/* gateway/job_compose: a reply row is made of its draft alone, whatever became of what the draft
 * was made of, and nothing gets into it that was not searched for secrets. */
#include "gateway/job_compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct redact *redact;

static int set_up(void **state)
{
    (void)state;
    redact = redact_new(false);
    return redact ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    redact_destroy(&redact);
    return 0;
}

/* A job with a draft of TEXT, of which nothing else is left as it was. */
static struct job *draft_of(const char *text)
{
    char body[100], query_id[] = "\"q7\"", through[] = "[\"far\"]", failed[] = "[{\"attempt\":1}]";
    const struct answer answer = {.kind = ANSWER_TEXT, .body = {body, strlen(text)}};
    const struct message query = {.kind = MESSAGE_QUERY, .query_id = span_str(query_id)};
    struct job *job = job_new(JOB_ANSWER, 7, span_str("conv"), span_str("b"), span_str("a"));
    struct reply_facts facts;

    snprintf(body, sizeof body, "%s", text);
    snprintf(job->worker, sizeof job->worker, "worker-1");
    snprintf(job->service, sizeof job->service, "default");
    job->attempt = 2;
    job->answered_us = job->seen_us + 5000;
    facts = job_facts(job, &query);
    facts.through = span_str(through);
    facts.failed = span_str(failed);
    job_draft(job, &answer, &facts);
    memset(body, 'x', sizeof body);
    memset(query_id, 'x', sizeof query_id);
    memset(through, 'x', sizeof through);
    memset(failed, 'x', sizeof failed);
    return job;
}

static void a_row_is_made_of_its_draft_alone(void **state)
{
    struct job *job = draft_of("the password: hunter2");

    (void)state;
    job_compose(job, redact);
    assert_null(job->draft);
    assert_true(job->redacted);
    assert_int_equal(job->unsearched, 0);
    assert_string_equal(job->text.data,
                        "{\"type\":\"response\",\"query_id\":\"q7\",\"answer\":\"the "
                        "PASSWORD_REDACTED\",\"sources\":[],\"shard_id\":\"worker-1\","
                        "\"llm_type\":\"unknown\",\"response_time_sec\":0.005}");
    assert_string_equal(job->metadata.data,
                        "{\"in_reply_to\":7,\"service\":\"default\",\"worker\":\"worker-1\","
                        "\"through\":[\"far\"],\"attempt\":2,\"response_time_sec\":0.005,"
                        "\"failed\":[{\"attempt\":1}]}");
    job_destroy(&job);
}

static void a_row_is_made_once(void **state)
{
    struct job *job = draft_of("yes");
    size_t size;

    (void)state;
    job_compose(job, redact);
    size = job->text.size;
    job_compose(job, redact); /* its group is tried again */
    assert_false(job->redacted);
    assert_int_equal(job->text.size, size);
    job_destroy(&job);
}

static void what_cannot_be_searched_is_left_out_and_counted(void **state)
{
    struct job *job = draft_of("Bearer abc");

    (void)state;
    redact_set_limit(redact, 1);
    job_compose(job, redact);
    assert_true(job->unsearched > 0);
    assert_null(strstr(job->text.data, "Bearer"));
    assert_non_null(strstr(job->text.data, "\"answer\":\"" REDACT_FAILED "\""));
    job_destroy(&job);
}

static void a_draft_goes_with_its_job(void **state)
{
    struct job *job = draft_of("never committed");

    (void)state;
    job_destroy(&job); /* the sanitizer sees what is left */
    assert_null(job);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_row_is_made_of_its_draft_alone),
        TEST(a_row_is_made_once),
        TEST(what_cannot_be_searched_is_left_out_and_counted),
        TEST(a_draft_goes_with_its_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
