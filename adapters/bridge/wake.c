#include "adapters/bridge/wake.h"

#include <string.h>

void wake_init(struct wake *self, int64_t now_us)
{
    memset(self, 0, sizeof *self);
    self->net_us = now_us + WAKE_NET_US;
    self->glance = true;
}

void wake_hint(struct wake *self, int64_t now_us)
{
    self->hints++;
    self->following = true;
    self->denied = false;
    self->pause_us = WAKE_FIRST_US;
    self->next_us = now_us;
    self->until_us = now_us + WAKE_UNPROVEN_US;
}

void wake_glance(struct wake *self)
{
    self->hints++;
    self->glance = true;
}

bool wake_due(const struct wake *self, int64_t now_us)
{
    return wake_next(self) <= now_us;
}

/* One more step of the series, slower than the last. */
static void go_on(struct wake *self, int64_t now_us)
{
    self->next_us = now_us + self->pause_us;
    self->pause_us += self->pause_us / WAKE_GROWTH;
    if (self->pause_us > WAKE_SLOWEST_US)
        self->pause_us = WAKE_SLOWEST_US;
    if (self->next_us > self->until_us)
        self->following = false;
}

void wake_checked(struct wake *self, int64_t now_us, bool changed)
{
    bool asked = self->following || self->glance;

    self->net_us = now_us + WAKE_NET_US;
    self->glance = false;
    if (changed) {
        self->proofs++;
        if (!asked)
            self->net_hits++;
    }
    if (!self->following)
        return;

    self->rechecks++;
    if (changed && self->denied) { /* W1 */
        self->following = false;
        return;
    }
    if (changed) { /* W2 */
        self->pause_us = WAKE_FIRST_US;
        self->until_us = now_us + WAKE_DOUBT_US;
    } else {
        self->denied = true;
    }
    go_on(self, now_us);
}

int64_t wake_next(const struct wake *self)
{
    if (self->glance)
        return INT64_MIN;
    return self->following && self->next_us < self->net_us ? self->next_us : self->net_us;
}
