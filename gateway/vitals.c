#include "gateway/vitals.h"

#include <stdio.h>
#include <string.h>

void vitals_init(struct vitals *self, bool wanted, int64_t watchdog_us, int64_t now_us)
{
    *self = (struct vitals){.wanted = wanted,
                            .watchdog_us = wanted ? watchdog_us : 0,
                            .beat_us = now_us,
                            .look_us = now_us};
}

bool vitals_beats(struct vitals *self, int64_t now_us, int64_t busy_since_us)
{
    bool stuck = busy_since_us && now_us - busy_since_us >= self->watchdog_us;

    if (!self->watchdog_us || now_us < self->beat_us)
        return false;
    self->beat_us = now_us + self->watchdog_us / (stuck ? 10 : 2);
    return !stuck;
}

int64_t vitals_due(const struct vitals *self)
{
    return self->watchdog_us ? self->beat_us : INT64_MAX;
}

bool vitals_looks(struct vitals *self, int64_t now_us)
{
    if (!self->wanted || now_us < self->look_us)
        return false;
    self->look_us = now_us + VITALS_LOOK_US;
    return true;
}

bool vitals_changed(struct vitals *self, int64_t now_us, const char *text)
{
    char told[VITALS_STATUS_SIZE];

    if (!self->wanted)
        return false;
    memcpy(told, self->status, sizeof told);
    snprintf(self->status, sizeof self->status, "%s", text);
    self->look_us = now_us + VITALS_LOOK_US;
    return strcmp(told, self->status) != 0;
}
