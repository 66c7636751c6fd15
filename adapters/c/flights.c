#include "adapters/c/flights.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/stamp.h"

/* Clocks differ, and so do the moments at which two ends see the same instant. */
#define SLACK_US 1000000
/* What an attempt may last by default (attempt.max): of one that does not say, a DISCONNECT before
 * that is taken for a gateway that was started anew. */
#define UNKNOWN_US (1800 * INT64_C(1000000))
#define LONGEST_US (7 * 86400 * INT64_C(1000000)) /* nothing is held for ever */

void flights_init(struct flights *self, size_t room)
{
    self->flight = memory_zero(room, sizeof *self->flight);
    self->room = room;
    self->count = self->offered = 0;
}

void flights_done(struct flights *self)
{
    for (size_t i = 0; i < self->count; i++)
        flight_free(&self->flight[i]);
    free(self->flight);
    self->count = self->offered = 0;
    self->flight = NULL;
    self->room = 0;
}

/* The stamp in LITERAL, microseconds since 1970, or 0 when there is none. */
static int64_t read_deadline(struct span literal)
{
    char text[STAMP_SIZE];
    int64_t end_us = 0;
    int size = literal.size > 0 ? jtext_copy(literal, text, sizeof text) : -1;
    if (size >= 0)
        (void)stamp_parse(span_of(text, (size_t)size), &end_us); /* else it stays 0 */
    return end_us;
}

static void read_delivery(struct flight *flight, int64_t utc_us)
{
    struct delivered *it = &flight->delivered;
    const struct jtext_wanted wanted[] = {
        {"deadline", &it->deadline}, {"message_id", &it->message_id},
        {"attempt", &it->attempt},   {"service", &it->service},
        {"sender", &it->sender},     {"conversation_id", &it->conversation_id},
    };
    struct span delivery;
    if (jtext_check(flight->query.text) != JTEXT_OBJECT ||
        !jtext_find(flight->query.text, "delivery", &delivery) ||
        jtext_type(delivery) != JTEXT_OBJECT)
        return;
    jtext_pick(delivery, wanted, sizeof wanted / sizeof *wanted);
    flight->deadline_us = read_deadline(it->deadline);
    if (flight->deadline_us > utc_us) {
        int64_t left_us = flight->deadline_us - utc_us;
        flight->over_us = flight->since_us + (left_us < LONGEST_US ? left_us : LONGEST_US);
        flight->judged = false;
    }
    if (it->message_id.size > 0 && jtext_type(it->message_id) == JTEXT_NUMBER)
        (void)jtext_integer(it->message_id, &flight->id); /* else it stays 0: unknown */
}

struct flight *flights_add(struct flights *self, struct span token, struct span query,
                           int64_t now_us, int64_t utc_us)
{
    if (self->count == self->room)
        return NULL;
    struct flight *flight = memory_new(sizeof *flight);
    *flight = (struct flight){.query = letter_of(token, query),
                              .judged = true,
                              .since_us = now_us,
                              .over_us = now_us + UNKNOWN_US};
    self->flight[self->count++] = flight;
    read_delivery(flight, utc_us);
    return flight;
}

struct flight *flights_unoffered(const struct flights *self)
{
    return self->offered < self->count ? self->flight[self->offered] : NULL;
}

void flights_offer(struct flights *self, struct flight *unoffered)
{
    assert(unoffered == self->flight[self->offered]);
    unoffered->offered = true;
    self->offered++;
}

struct flight *flights_waiting(const struct flights *self, size_t slots)
{
    return flights_offered(self) < slots ? flights_unoffered(self) : NULL;
}

size_t flights_offered(const struct flights *self)
{
    return self->offered;
}

void flights_extend(struct flight *flight)
{
    flight->judged = true;
}

static int64_t end_of(const struct flight *flight)
{
    if (flight->told)
        return INT64_MAX;
    return flight->judged ? flight->since_us + LONGEST_US : flight->over_us;
}

struct flight *flights_late(const struct flights *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        if (end_of(self->flight[i]) <= now_us)
            return self->flight[i];
    }
    return NULL;
}

struct flight *flights_given_up(const struct flights *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        struct flight *flight = self->flight[i];
        if (flight->offered && !flight->told && flight->over_us <= now_us + SLACK_US)
            return flight;
    }
    return NULL;
}

size_t flights_tokens(const struct flights *self, struct span *ret_token, size_t room)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count && count < room; i++)
        ret_token[count++] = self->flight[i]->query.token;
    return count;
}

int64_t flights_due(const struct flights *self)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < self->count; i++) {
        int64_t end_us = end_of(self->flight[i]);
        due = end_us < due ? end_us : due;
    }
    return due;
}

void flights_remove(struct flights *self, struct flight *flight)
{
    size_t at = 0;
    while (at < self->count && self->flight[at] != flight)
        at++;
    assert(at < self->count);
    self->count--;
    self->offered -= flight->offered;
    memmove(&self->flight[at], &self->flight[at + 1], (self->count - at) * sizeof self->flight[at]);
}

void flight_free(struct flight **self)
{
    if (*self)
        letter_done(&(*self)->query);
    free(*self);
    *self = NULL;
}
