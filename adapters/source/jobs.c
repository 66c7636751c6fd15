#include "adapters/source/jobs.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/pack.h"

struct job *jobs_find(const struct jobs *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        if (span_is(token, self->job[i]->token))
            return self->job[i];
    }
    return NULL;
}

struct job *jobs_number(const struct jobs *self, uint64_t number)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->job[i]->number == number)
            return self->job[i];
    }
    return NULL;
}

struct job *jobs_add(struct jobs *self, struct span token, enum job_state state, int64_t now_us)
{
    if (self->count == JOBS_MAX)
        return NULL;
    struct job *job = memory_zero(1, sizeof *job);
    job->state = state;
    job->since_us = job->told_us = now_us;
    job->over_us = INT64_MAX;
    snprintf(job->token, sizeof job->token, "%.*s", (int)token.size, token.data);
    buffer_init(&job->json);
    buffer_init(&job->body);
    buffer_init(&job->via);
    self->job[self->count++] = job;
    return job;
}

void jobs_remove(struct jobs *self, struct job *job, bool done)
{
    size_t at = 0;
    while (self->job[at] != job)
        at++;
    self->count--;
    memmove(&self->job[at], &self->job[at + 1], (self->count - at) * sizeof self->job[0]);
    if (done) {
        memcpy(self->done[self->next_done], job->token, sizeof job->token);
        self->done_size[self->next_done] = (uint8_t)strlen(job->token);
        self->next_done = (self->next_done + 1) % JOBS_DONE;
    }
    self->bytes -= job->body.size;
    buffer_done(&job->json);
    buffer_done(&job->body);
    buffer_done(&job->via);
    free(job);
}

bool jobs_was_done(const struct jobs *self, struct span token)
{
    if (token.size == 0)
        return false;
    for (size_t i = 0; i < JOBS_DONE; i++) {
        if (self->done_size[i] == token.size && memcmp(self->done[i], token.data, token.size) == 0)
            return true;
    }
    return false;
}

void jobs_done(struct jobs *self)
{
    while (self->count > 0)
        jobs_remove(self, self->job[0], false);
}

void jobs_answer(struct jobs *self, struct job *job, const char *kind, const struct span *frame,
                 size_t frames, struct span via)
{
    self->bytes -= job->body.size;
    buffer_reset(&job->body);
    buffer_reset(&job->via);
    job->packed = frames != 1;
    if (job->packed)
        pack_write(frame, frames, &job->body);
    else
        buffer_add(&job->body, frame[0]);
    buffer_add(&job->via, via);
    snprintf(job->kind, sizeof job->kind, "%s", kind);
    self->bytes += job->body.size;
}

struct job *jobs_oldest(const struct jobs *self, enum job_state state)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->job[i]->state == state)
            return self->job[i];
    }
    return NULL;
}

size_t jobs_in(const struct jobs *self, enum job_state state, size_t service, bool shared)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        const struct job *job = self->job[i];
        count += job->state == state && (service == SIZE_MAX || job->service == service) &&
                 (state != JOB_OUT || job->shared == shared);
    }
    return count;
}
