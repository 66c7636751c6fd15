#include "adapters/worker/agent_sessions.h"

#include <stdlib.h>

#include "proto/buffer.h"

void agent_sessions_init(struct agent_sessions *self)
{
    *self = (struct agent_sessions){.entry = NULL};
}

void agent_sessions_done(struct agent_sessions *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->entry[i].conversation);
        free(self->entry[i].name);
    }
    free(self->entry);
    agent_sessions_init(self);
}

const struct agent_session *agent_sessions_find(const struct agent_sessions *self,
                                                const char *conversation)
{
    for (size_t i = self->count; i > 0; i--) {
        if (strcmp(self->entry[i - 1].conversation, conversation) == 0)
            return &self->entry[i - 1];
    }
    return NULL;
}

static void remove_at(struct agent_sessions *self, size_t at)
{
    free(self->entry[at].conversation);
    free(self->entry[at].name);
    self->count--;
    memmove(&self->entry[at], &self->entry[at + 1], (self->count - at) * sizeof *self->entry);
}

void agent_sessions_forget(struct agent_sessions *self, const char *conversation)
{
    const struct agent_session *found = agent_sessions_find(self, conversation);
    if (found)
        remove_at(self, (size_t)(found - self->entry));
}

void agent_sessions_put(struct agent_sessions *self, const char *conversation, const char *name,
                        double cost)
{
    struct agent_session entry = {
        .conversation = memory_text(span_str(conversation)),
        .name = memory_text(span_str(name)), /* before the old one, which may be these, is freed */
        .cost = cost,
    };
    agent_sessions_forget(self, conversation);
    if (self->count == AGENT_SESSIONS)
        remove_at(self, 0);
    self->entry = memory_grow(self->entry, (self->count + 1) * sizeof *self->entry);
    self->entry[self->count++] = entry;
}
