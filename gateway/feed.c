#include "gateway/feed.h"

#include <stdio.h>

void feed_init(struct feed *self, uint64_t epoch)
{
    memset(self, 0, sizeof *self);
    snprintf(self->epoch, sizeof self->epoch, "%016llx", (unsigned long long)epoch);
    self->mark_us = INT64_MAX;
}

void feed_start(struct feed *self, int64_t since, int64_t highest)
{
    self->highest = highest;
    self->since = since;
    feed_pass(self, since);
}

static void arm(struct feed *self, int64_t now_us)
{
    if (self->mark_us > now_us + FEED_MARK_US)
        self->mark_us = now_us + FEED_MARK_US;
    self->pause_us = 2 * FEED_MARK_US;
}

uint64_t feed_number(struct feed *self, int64_t now_us)
{
    arm(self, now_us);
    self->moved = true;
    return ++self->seq;
}

void feed_joined(struct feed *self, int64_t now_us)
{
    arm(self, now_us);
}

int64_t feed_row(struct feed *self, enum topic_kind kind, int64_t id)
{
    int64_t prev = self->last[kind];

    self->last[kind] = self->id = id;
    self->moved = true;
    return prev;
}

void feed_pass(struct feed *self, int64_t id)
{
    for (int kind = 0; kind < EVENT_DURABLE; kind++)
        self->last[kind] = id;
    self->id = id;
    self->moved = true;
}

bool feed_is_due(struct feed *self, int64_t now_us, bool heard)
{
    if (now_us < self->mark_us)
        return false;
    if (!heard)
        self->mark_us = INT64_MAX;
    return heard;
}

uint64_t feed_mark_number(struct feed *self, int64_t now_us)
{
    self->mark_us = now_us + self->pause_us;
    self->pause_us *= 2;
    if (self->pause_us > FEED_MARK_MAX_US)
        self->pause_us = FEED_MARK_MAX_US;
    self->moved = true;
    return ++self->seq;
}

struct event_mark feed_mark(const struct feed *self)
{
    struct event_mark mark = {.epoch = self->epoch,
                              .since = self->since,
                              .id = self->id,
                              .highest = self->id > self->highest ? self->id : self->highest};

    memcpy(mark.last, self->last, sizeof mark.last);
    return mark;
}

bool feed_welcome(struct feed *self)
{
    bool moved = self->moved;

    self->moved = false;
    return moved;
}
