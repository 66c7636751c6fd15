/* The tokens that a relay has out for one service, and when their attempts end. */
#ifndef TAILGATE_ADAPTERS_SOURCE_OUT_H
#define TAILGATE_ADAPTERS_SOURCE_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/token.h"

struct out {
    char text[TOKEN_SIZE];
    size_t size;
    int64_t over_us; /* its attempt ends then, unless it is prolonged; INT64_MAX: not known */
    bool ended;      /* it was told to be over, and nobody has said so yet */
};

struct outs {
    struct out *out;
    size_t count, room;
};

void outs_done(struct outs *self);
/* Adds TOKEN, which is shorter than TOKEN_SIZE and not in yet. */
void outs_add(struct outs *self, struct span token, int64_t over_us);
struct out *outs_find(const struct outs *self, struct span token);
void outs_remove(struct outs *self, struct span token);
struct span out_token(const struct out *out);
/* The instant of delivery.deadline in JSON as a monotonic time, INT64_MAX when there is none, or
 * one that is past: then two clocks differ. */
int64_t out_deadline(struct span json, int64_t now_us, int64_t utc_us);

#endif
