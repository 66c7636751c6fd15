/* What share of the last seconds something lasted: the write lock, for status. */
#ifndef TAILGATE_GATEWAY_DUTY_H
#define TAILGATE_GATEWAY_DUTY_H

#include <stdint.h>

#define DUTY_SECONDS 10

struct duty {
    int64_t second[DUTY_SECONDS]; /* which each slot is about: its number modulo the slots is its
                                     place */
    int64_t lasted_us[DUTY_SECONDS];
};

/* All zeros is one that has seen nothing. */

/* It lasted from FROM_US to UPTO_US (monotonic); intervals come in order and do not overlap. */
void duty_add(struct duty *self, int64_t from_us, int64_t upto_us);
/* The share of the last DUTY_SECONDS seconds, the one that has begun included: 0 to 1. */
double duty_share(const struct duty *self, int64_t now_us);

#endif
