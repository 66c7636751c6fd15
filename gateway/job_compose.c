#include "gateway/job_compose.h"

#include <stdlib.h>
#include <string.h>

/* The spans point to `bytes`. Of the query there is only what a reply is made of. */
struct reply_draft {
    struct answer answer;
    struct message query;
    struct span through, failed;
    char bytes[];
};

struct reply_facts job_facts(const struct job *job, const struct message *query)
{
    const struct reply_facts facts = {
        .message_id = job->id,
        .query = query,
        .service = span_str(job->service),
        .worker = span_str(job->worker),
        .attempt = job->attempt,
        .took_us = job->answered_us - job->seen_us,
        .principal = span_str(job->sender.principal),
        .name = span_str(job->sender.name),
    };
    return facts;
}

/* Copies SPAN to *FREE, behind which the next one goes. */
static struct span copy(struct span span, char **free)
{
    char *data = *free;

    if (span.size)
        memcpy(data, span.data, span.size);
    *free += span.size;
    return span_of(data, span.size);
}

void job_draft(struct job *job, const struct answer *answer, const struct reply_facts *facts)
{
    size_t size =
        answer->body.size + facts->query->query_id.size + facts->through.size + facts->failed.size;
    struct reply_draft *self = memory_zero(1, sizeof *self + size);
    char *free = self->bytes;

    self->answer.kind = answer->kind;
    self->answer.body = copy(answer->body, &free);
    self->query.kind = facts->query->kind;
    self->query.query_id = copy(facts->query->query_id, &free);
    self->through = copy(facts->through, &free);
    self->failed = copy(facts->failed, &free);
    job->draft = self;
}

void job_compose(struct job *job, struct redact *redact)
{
    const struct reply_draft *draft = job->draft;
    struct rewriter redactor;
    struct reply_facts facts;
    uint64_t failures;

    if (!draft)
        return;
    redactor = redact_rewriter(redact);
    failures = redact_failures(redact);
    facts = job_facts(job, &draft->query);
    facts.through = draft->through;
    facts.failed = draft->failed;
    facts.redactor = &redactor;
    job->redacted =
        answer_compose(&draft->answer, &facts, &job->text, &job->metadata, &job->whole) > 0;
    job->unsearched = (unsigned)(redact_failures(redact) - failures);
    free(job->draft);
    job->draft = NULL;
}
