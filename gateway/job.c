#include "gateway/job.h"

#include <stdlib.h>
#include <string.h>

/* Copies NAME to *FREE, which is zeros, and leaves its end there. */
static char *put_name(struct span name, char **free)
{
    char *data = *free;

    if (name.size)
        memcpy(data, name.data, name.size);
    *free += name.size + 1;
    return data;
}

struct job *job_new(enum job_kind kind, int64_t id, struct span conversation_id,
                    struct span from_session, struct span to_session)
{
    struct job *self = memory_zero(1, sizeof *self + conversation_id.size + from_session.size +
                                          to_session.size + 3);
    char *name = self->names;

    self->kind = kind;
    self->id = id;
    self->conversation_id = put_name(conversation_id, &name);
    self->from_session = put_name(from_session, &name);
    self->to_session = put_name(to_session, &name);
    buffer_init(&self->text);
    buffer_init(&self->metadata);
    buffer_init(&self->whole);
    buffer_init(&self->kept);
    buffer_init(&self->blob);
    buffer_init(&self->client);
    if (kind == JOB_ASK)
        self->ask = memory_zero(1, sizeof *self->ask);
    if (kind == JOB_CALL)
        self->call = memory_zero(1, sizeof *self->call);
    return self;
}

static void ask_destroy(struct ask_job *ask)
{
    if (!ask)
        return;
    buffer_done(&ask->text);
    buffer_done(&ask->metadata);
    buffer_done(&ask->blob);
    free(ask);
}

size_t job_bytes(const struct job *self)
{
    size_t bytes = self->text.size + self->metadata.size + self->whole.size + self->kept.size +
                   self->blob.size;

    if (self->ask)
        bytes += self->ask->text.size + self->ask->metadata.size + self->ask->blob.size;
    return bytes;
}

void job_destroy(struct job **self)
{
    if (!*self)
        return;
    free((*self)->draft);
    free((*self)->reason);
    buffer_done(&(*self)->text);
    buffer_done(&(*self)->metadata);
    buffer_done(&(*self)->whole);
    buffer_done(&(*self)->kept);
    buffer_done(&(*self)->blob);
    buffer_done(&(*self)->client);
    ask_destroy((*self)->ask);
    free((*self)->call);
    free((*self)->parks);
    free(*self);
    *self = NULL;
}

const char *job_reason(const struct job *self)
{
    return self->reason ? self->reason : "";
}

void job_set_reason(struct job *self, const char *reason)
{
    free(self->reason);
    self->reason = reason[0] ? memory_text(span_str(reason)) : NULL;
}

void job_list_add(struct job_list *self, struct job *job_take)
{
    job_take->next = NULL;
    if (self->first)
        self->last->next = job_take;
    else
        self->first = job_take;
    self->last = job_take;
    self->count++;
}

struct job *job_list_take(struct job_list *self)
{
    struct job *job = self->first;

    if (!job)
        return NULL;
    self->first = job->next;
    self->count--;
    job->next = NULL;
    return job;
}

void job_list_move(struct job_list *self, struct job_list *from)
{
    if (!from->first)
        return;
    if (self->first)
        self->last->next = from->first;
    else
        self->first = from->first;
    self->last = from->last;
    self->count += from->count;
    from->first = from->last = NULL;
    from->count = 0;
}

void job_list_clear(struct job_list *self)
{
    struct job *job;
    while ((job = job_list_take(self)))
        job_destroy(&job);
}
