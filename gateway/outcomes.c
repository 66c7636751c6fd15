#include "gateway/outcomes.h"

#include <stdlib.h>

#include "proto/buffer.h"

#define OUTCOMES 65536 /* ids that lie closer to each other do not meet */

struct outcomes {
    struct outcome entry[OUTCOMES];
};

struct outcomes *outcomes_new(void)
{
    return memory_zero(1, sizeof(struct outcomes));
}

void outcomes_destroy(struct outcomes **self)
{
    free(*self);
    *self = NULL;
}

void outcomes_note(struct outcomes *self, const struct outcome *outcome)
{
    self->entry[(uint64_t)outcome->id % OUTCOMES] = *outcome;
}

const struct outcome *outcomes_find(const struct outcomes *self, int64_t id)
{
    const struct outcome *entry = &self->entry[(uint64_t)id % OUTCOMES];

    return entry->id == id ? entry : NULL;
}
