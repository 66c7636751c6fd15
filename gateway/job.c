#include "gateway/job.h"

#include <stdlib.h>

struct job *job_new(enum job_kind kind, int64_t id, struct span conversation_id,
                    struct span from_session, struct span to_session)
{
    struct job *self = memory_zero(1, sizeof *self);

    self->kind = kind;
    self->id = id;
    self->conversation_id = memory_text(conversation_id);
    self->from_session = memory_text(from_session);
    self->to_session = memory_text(to_session);
    buffer_init(&self->text);
    buffer_init(&self->metadata);
    buffer_init(&self->whole);
    return self;
}

void job_destroy(struct job **self)
{
    if (!*self)
        return;
    free((*self)->conversation_id);
    free((*self)->from_session);
    free((*self)->to_session);
    buffer_done(&(*self)->text);
    buffer_done(&(*self)->metadata);
    buffer_done(&(*self)->whole);
    free((*self)->parks);
    free(*self);
    *self = NULL;
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
