#include "adapters/worker/flights.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/stamp.h"

void flights_init(struct flights *self, size_t room)
{
    self->flight = memory_zero(room, sizeof *self->flight);
    self->room = room;
    self->count = 0;
}

void flights_done(struct flights *self)
{
    while (self->count > 0)
        flights_remove(self, &self->flight[self->count - 1]);
    free(self->flight);
    self->flight = NULL;
    self->room = 0;
}

static int64_t read_deadline(struct span delivery, int64_t now_us, int64_t utc_us)
{
    struct span literal;
    if (!jtext_find(delivery, "deadline", &literal) || jtext_type(literal) != JTEXT_STRING)
        return INT64_MAX;
    struct buffer text;
    buffer_init(&text);
    jtext_decode(&text, literal);
    int64_t end_us = 0;
    int code = stamp_parse(buffer_span(&text), &end_us);
    buffer_done(&text);
    return code == 0 && end_us > utc_us ? now_us + (end_us - utc_us) : INT64_MAX;
}

static void read_delivery(struct flight *flight, int64_t now_us, int64_t utc_us)
{
    struct span delivery, value;
    if (jtext_check(flight->query.text) != JTEXT_OBJECT ||
        !jtext_find(flight->query.text, "delivery", &delivery) ||
        jtext_type(delivery) != JTEXT_OBJECT)
        return;
    flight->deadline_us = read_deadline(delivery, now_us, utc_us);
    if (jtext_find(delivery, "message_id", &value) && jtext_type(value) == JTEXT_NUMBER)
        (void)jtext_integer(value, &flight->id); /* else it stays 0: unknown */
}

struct flight *flights_add(struct flights *self, struct span token, struct span query,
                           int64_t now_us, int64_t utc_us)
{
    if (self->count == self->room)
        return NULL;
    struct flight *flight = &self->flight[self->count++];
    *flight = (struct flight){.since_us = now_us, .deadline_us = INT64_MAX};
    flight->query = letter_of(token, query);
    read_delivery(flight, now_us, utc_us);
    return flight;
}

struct flight *flights_find(struct flights *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        struct flight *flight = &self->flight[i];
        if (flight->offered && (token.size == 0 || span_equal(flight->query.token, token)))
            return flight;
    }
    return NULL;
}

struct flight *flights_waiting(struct flights *self, size_t slots)
{
    for (size_t i = 0; i < self->count && i < slots; i++) {
        if (!self->flight[i].offered)
            return &self->flight[i];
    }
    return NULL;
}

size_t flights_offered(const struct flights *self)
{
    size_t offered = 0;
    for (size_t i = 0; i < self->count; i++)
        offered += self->flight[i].offered;
    return offered;
}

struct flight *flights_late(struct flights *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->flight[i].deadline_us <= now_us)
            return &self->flight[i];
    }
    return NULL;
}

int64_t flights_due(const struct flights *self)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < self->count; i++) {
        if (self->flight[i].deadline_us < due)
            due = self->flight[i].deadline_us;
    }
    return due;
}

void flights_remove(struct flights *self, struct flight *flight)
{
    size_t at = (size_t)(flight - self->flight);
    assert(at < self->count);
    letter_done(&flight->query);
    self->count--;
    memmove(flight, flight + 1, (self->count - at) * sizeof *flight);
}
