#include <stdio.h>

#include "adapters/host/clock.h"
#include "adapters/source/jetstream_inside.h"
#include "proto/jtext.h"

#define HELD_MAX (JOBS_MAX / 4) /* tokens that workers have from before */

static struct jetstream *own(struct source *source)
{
    return (struct jetstream *)(void *)source;
}

static size_t find_service(const struct jetstream *self, struct span name)
{
    size_t i = 0;
    while (i < self->count && !span_is(name, self->service[i].name))
        i++;
    return i;
}

void jetstream_offer(struct source *source, struct span service, uint32_t slots)
{
    struct jetstream *self = own(source);
    size_t i = find_service(self, service);
    self->again = true;
    if (span_is(service, "*"))
        self->any = slots;
    else if (i < self->count)
        self->service[i].offered = slots;
}

void jetstream_drop(struct jetstream *self, struct job *job)
{
    self->dropped += job->kind[0] != '\0';
    jobs_remove(&self->jobs, job, false);
}

/* A worker has TOKEN from before: its query comes again, unless it was answered meanwhile. */
static struct job *hold_token(struct jetstream *self, struct span token)
{
    int64_t now_us = clock_mono_us();
    if (!names_token_ok(token) || jobs_was_done(&self->jobs, token))
        return NULL;
    struct job *job = jobs_find(&self->jobs, token);
    if (!job && jobs_in(&self->jobs, JOB_HELD, SIZE_MAX, false) >= HELD_MAX)
        jetstream_drop(self, jobs_oldest(&self->jobs, JOB_HELD));
    return job ? job : jobs_add(&self->jobs, token, JOB_HELD, now_us);
}

void jetstream_hold(struct source *source, struct span service, struct span token)
{
    (void)service;
    (void)hold_token(own(source), token);
}

/* Answers that wait beyond the bound give way: their queries come again. */
static void make_room(struct jetstream *self, const struct job *but)
{
    for (size_t i = 0; i < self->jobs.count && self->jobs.bytes > JETSTREAM_KEEP_BYTES;) {
        struct job *job = self->jobs.job[i];
        if (job == but || job->body.size == 0) {
            i++;
            continue;
        }
        jobs_remove(&self->jobs, job, false);
        self->dropped++;
    }
}

static void end_job(struct jetstream *self, struct job *job, const char *kind,
                    const struct span *frame, size_t frames, struct span via)
{
    self->again = true;
    jobs_answer(&self->jobs, job, kind, frame, frames, via);
    if (job->state != JOB_HELD) {
        job->state = JOB_STORING;
        job->number = ++self->jobs.number;
        job->sent_us = 0;
    }
    make_room(self, job);
}

void jetstream_final(struct source *source, const struct source_answer *answer)
{
    struct jetstream *self = own(source);
    struct job *job = hold_token(self, answer->token);
    if (!job && names_token_ok(answer->token) && !jobs_was_done(&self->jobs, answer->token))
        self->dropped++; /* there are too many */
    if (job && job->state != JOB_STORING)
        end_job(self, job, "final", answer->frame, answer->frames, answer->via);
}

void jetstream_partial(struct source *source, const struct source_answer *answer)
{
    struct jetstream *self = own(source);
    const struct job *job = jobs_find(&self->jobs, answer->token);
    char subject[NAMES_SIZE];
    if (!job || job->state != JOB_OUT || answer->frames == 0 || !conn_is_up(self->conn))
        return;
    names_part_subject(self->setup->prefix, job->bridge, span_str(self->service[job->service].name),
                       subject);
    natsMsg *message = conn_message(subject, NULL, answer->frame[0]);
    conn_set(message, HEADER_TOKEN, span_str(job->token));
    if (answer->via.size > 0)
        conn_set(message, HEADER_VIA, answer->via);
    (void)conn_send(self->conn, message);
}

static void end_without(struct jetstream *self, struct job *job, const char *kind,
                        struct span reason, bool retry)
{
    struct buffer json;
    buffer_init(&json);
    buffer_byte(&json, '{');
    jtext_member(&json, "type", span_str(kind));
    jtext_member(&json, "error", reason);
    if (!retry)
        jtext_member_raw(&json, "retry", span_str("false"));
    buffer_byte(&json, '}');
    struct span body = buffer_span(&json);
    end_job(self, job, kind, &body, 1, span_of(NULL, 0));
    buffer_done(&json);
}

/* Nobody works on one that was HELD any more: when its query comes again, it is a new one. */
static bool forget_held(struct jetstream *self, struct job *job)
{
    if (!job || job->state != JOB_HELD || job->kind[0])
        return false;
    jobs_remove(&self->jobs, job, false);
    return true;
}

void jetstream_fail(struct source *source, struct span token, struct span reason, bool retry)
{
    struct jetstream *self = own(source);
    struct job *job = jobs_find(&self->jobs, token);
    if (!forget_held(self, job) && job && job->state == JOB_OUT)
        end_without(self, job, "error", reason, retry);
}

void jetstream_pass_on(struct jetstream *self, struct job *job, struct span reason,
                       int64_t delay_us)
{
    self->again = true;
    if (job->delivered + 1 >= API_MAX_DELIVER) {
        end_without(self, job, "return", reason, true);
        return;
    }
    api_nak(self->conn, job->ack, delay_us);
    jobs_remove(&self->jobs, job, false);
}

void jetstream_give_back(struct source *source, struct span token, struct span reason)
{
    struct jetstream *self = own(source);
    struct job *job = jobs_find(&self->jobs, token);
    if (!forget_held(self, job) && job && job->state == JOB_OUT)
        jetstream_pass_on(self, job, reason, JETSTREAM_NAK_US);
}
