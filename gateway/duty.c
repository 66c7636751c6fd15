#include "gateway/duty.h"

#define SECOND_US 1000000

static void add_within(struct duty *self, int64_t second, int64_t lasted_us)
{
    int64_t slot = second % DUTY_SECONDS;

    if (self->second[slot] != second) {
        self->second[slot] = second;
        self->lasted_us[slot] = 0;
    }
    self->lasted_us[slot] += lasted_us;
}

void duty_add(struct duty *self, int64_t from_us, int64_t upto_us)
{
    if (from_us < upto_us - (int64_t)DUTY_SECONDS * SECOND_US) /* what is older is not asked for */
        from_us = upto_us - (int64_t)DUTY_SECONDS * SECOND_US;
    while (from_us < upto_us) {
        int64_t second = from_us / SECOND_US;
        int64_t end_us = (second + 1) * SECOND_US;

        if (end_us > upto_us)
            end_us = upto_us;
        add_within(self, second, end_us - from_us);
        from_us = end_us;
    }
}

double duty_share(const struct duty *self, int64_t now_us)
{
    int64_t now = now_us / SECOND_US;
    int64_t span_us = now_us - (now - DUTY_SECONDS + 1) * SECOND_US;
    int64_t lasted_us = 0;

    for (int i = 0; i < DUTY_SECONDS; i++)
        if (self->second[i] > now - DUTY_SECONDS && self->second[i] <= now)
            lasted_us += self->lasted_us[i];
    return lasted_us >= span_us ? 1.0 : (double)lasted_us / (double)span_us;
}
