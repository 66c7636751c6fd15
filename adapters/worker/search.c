#include "adapters/worker/search.h"

#define FIRST_US 200000 /* doubles */
#define MAX_US 2000000

void search_begin(struct search *self)
{
    *self = (struct search){.again_us = 0, .pause_us = FIRST_US, .told = false};
}

bool search_failed(struct search *self, int64_t now_us)
{
    bool first = !self->told;
    self->again_us = now_us + self->pause_us;
    self->pause_us = self->pause_us * 2 < MAX_US ? self->pause_us * 2 : MAX_US;
    self->told = true;
    return first;
}
