#include "adapters/worker/flights.h"

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

/* How long the attempt may still last, or 0 when that is not known. */
static int64_t read_deadline(struct span delivery, int64_t utc_us)
{
    char text[STAMP_SIZE];
    struct span literal;
    int64_t end_us = 0;
    int size =
        jtext_find(delivery, "deadline", &literal) ? jtext_copy(literal, text, sizeof text) : -1;
    if (size < 0 || stamp_parse(span_of(text, (size_t)size), &end_us) < 0 || end_us <= utc_us)
        return 0;
    return end_us - utc_us < LONGEST_US ? end_us - utc_us : LONGEST_US;
}

static void read_delivery(struct flight *flight, int64_t utc_us)
{
    struct span delivery, value;
    if (jtext_check(flight->query.text) != JTEXT_OBJECT ||
        !jtext_find(flight->query.text, "delivery", &delivery) ||
        jtext_type(delivery) != JTEXT_OBJECT)
        return;
    int64_t left_us = read_deadline(delivery, utc_us);
    if (left_us > 0) {
        flight->over_us = flight->since_us + left_us;
        flight->judged = false;
    }
    if (jtext_find(delivery, "message_id", &value) && jtext_type(value) == JTEXT_NUMBER)
        (void)jtext_integer(value, &flight->id); /* else it stays 0: unknown */
}

struct flight *flights_add(struct flights *self, struct span token, struct span query,
                           int64_t now_us, int64_t utc_us)
{
    if (self->count == self->room)
        return NULL;
    struct flight *flight = &self->flight[self->count++];
    *flight = (struct flight){.query = letter_of(token, query),
                              .judged = true,
                              .since_us = now_us,
                              .over_us = now_us + UNKNOWN_US,
                              .limit_us = INT64_MAX};
    read_delivery(flight, utc_us);
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

void flights_extend(struct flight *flight)
{
    flight->judged = true;
}

static int64_t end_of(const struct flight *flight)
{
    int64_t end_us = flight->judged ? flight->since_us + LONGEST_US : flight->over_us;
    return end_us < flight->limit_us ? end_us : flight->limit_us;
}

struct flight *flights_late(struct flights *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        if (end_of(&self->flight[i]) <= now_us)
            return &self->flight[i];
    }
    return NULL;
}

struct flight *flights_given_up(struct flights *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        struct flight *flight = &self->flight[i];
        if (flight->offered && flight->over_us <= now_us + SLACK_US)
            return flight;
    }
    return NULL;
}

size_t flights_tokens(const struct flights *self, struct span *ret_token, size_t room)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count && count < room; i++)
        ret_token[count++] = self->flight[i].query.token;
    return count;
}

int64_t flights_due(const struct flights *self)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < self->count; i++) {
        int64_t end_us = end_of(&self->flight[i]);
        due = end_us < due ? end_us : due;
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
