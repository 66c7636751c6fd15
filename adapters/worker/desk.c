#include "adapters/worker/desk.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/log.h"
#include "proto/buffer.h"

void desk_init(struct desk *self, const char *name, size_t room)
{
    *self = (struct desk){.name = name, .room = room};
    self->job = memory_zero(room, sizeof *self->job);
}

static void remove_job(struct desk *self, struct job *job)
{
    size_t at = (size_t)(job - self->job);
    assert(at < self->count);
    tailgate_query_destroy(&job->query);
    self->count--;
    memmove(job, job + 1, (self->count - at) * sizeof *job);
}

void desk_done(struct desk *self)
{
    while (self->count > 0)
        remove_job(self, &self->job[self->count - 1]);
    free(self->job);
    self->job = NULL;
    self->room = 0;
}

struct job *desk_take(struct desk *self, struct tailgate_query *query_take, int64_t now_us)
{
    assert(self->count < self->room);
    struct job *job = &self->job[self->count++];
    *job = (struct job){.query = query_take, .since_us = now_us, .limit_us = INT64_MAX};
    return job;
}

struct job *desk_find(struct desk *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        if (token.size == 0 || span_is(token, tailgate_query_token(self->job[i].query)))
            return &self->job[i];
    }
    return NULL;
}

struct job *desk_late(struct desk *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->job[i].limit_us <= now_us)
            return &self->job[i];
    }
    return NULL;
}

int64_t desk_due(const struct desk *self)
{
    int64_t due_us = INT64_MAX;
    for (size_t i = 0; i < self->count; i++)
        due_us = self->job[i].limit_us < due_us ? self->job[i].limit_us : due_us;
    return due_us;
}

/* CODE is what the library said when JOB ended. */
static void end_job(struct desk *self, struct job *job, int code)
{
    if (code > 0)
        log_event(LOG_INFO, "kept", LOG_STR("worker", self->name),
                  LOG_STR("say", "the gateway is away; the answer is sent when it is back"));
    remove_job(self, job);
}

void desk_answer(struct desk *self, struct job *job, struct span text, int64_t now_us)
{
    log_event(LOG_INFO, "answered", LOG_STR("worker", self->name),
              LOG_INT("id", tailgate_query_message_id(job->query)),
              LOG_US("took", now_us - job->since_us));
    end_job(self, job, tailgate_query_answer(job->query, text.data, text.size));
}

void desk_end(struct desk *self, struct job *job, enum desk_outcome outcome, const char *reason)
{
    bool failed = outcome != DESK_RETURNED;
    log_event(failed ? LOG_WARN : LOG_INFO, failed ? "failed" : "returned",
              LOG_STR("worker", self->name), LOG_INT("id", tailgate_query_message_id(job->query)),
              LOG_STR("error", reason));
    end_job(self, job,
            failed ? tailgate_query_error(job->query, reason, outcome == DESK_FAILED)
                   : tailgate_query_return(job->query, reason));
}

void desk_clear(struct desk *self, enum desk_outcome outcome, const char *reason)
{
    while (self->count > 0)
        desk_end(self, &self->job[0], outcome, reason);
}
