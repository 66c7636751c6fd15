#include "adapters/worker/bridge_flights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void flights_init(struct flights *self)
{
    *self = (struct flights){NULL, 0, 0};
}

void flight_destroy(struct flight **self)
{
    struct flight *flight = *self;
    *self = NULL;
    if (!flight)
        return;
    bridge_query_done(&flight->query);
    reply_done(&flight->reply);
    free(flight->token);
    free(flight);
}

void flights_done(struct flights *self)
{
    for (size_t i = 0; i < self->count; i++)
        flight_destroy(&self->flight[i]);
    free(self->flight);
    flights_init(self);
}

struct flight *flights_add(struct flights *self, struct span token)
{
    struct flight *flight = memory_zero(1, sizeof *flight);
    flight->token = memory_text(token);
    bridge_query_init(&flight->query);
    reply_init(&flight->reply);
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->flight = memory_grow(self->flight, self->room * sizeof(struct flight *));
    }
    self->flight[self->count++] = flight;
    return flight;
}

struct flight *flights_first(const struct flights *self, enum flight_state state)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->flight[i]->state == state)
            return self->flight[i];
    }
    return NULL;
}

struct flight *flights_find(const struct flights *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        if (span_is(token, self->flight[i]->token))
            return self->flight[i];
    }
    return NULL;
}

void flights_remove(struct flights *self, const struct flight *flight)
{
    size_t at = 0;
    while (at < self->count && self->flight[at] != flight)
        at++;
    if (at == self->count)
        return;
    self->count--;
    memmove(&self->flight[at], &self->flight[at + 1], (self->count - at) * sizeof(struct flight *));
}

void flight_fail(struct flight *self, const char *why, bool final)
{
    self->state = FLIGHT_FAILED;
    self->why = why;
    self->final = final;
}

static bool is_for(const struct reply_target *target, const struct flight *flight)
{
    char by_row[32];
    struct reply_key key = {flight->row.id, by_row};
    snprintf(by_row, sizeof by_row, "m%" PRId64, flight->row.id);
    if (!flight->query.plain)
        key.query_id = flight->query.query_id.size ? flight->query.query_id.data : NULL;
    if (target->query_id.size > 0 && !key.query_id)
        return false;
    return reply_is_for(target, &key);
}

void flights_see(struct flights *self, const struct tail_row *row)
{
    struct reply_target target;
    if (!span_is(row->from_session, "b") || !span_is(row->to_session, "a") ||
        !reply_find_target(&row->columns, &target))
        return;
    for (size_t i = 0; i < self->count; i++) {
        struct flight *flight = self->flight[i];
        if (flight->state != FLIGHT_OUT || flight->row.id >= row->id ||
            !span_is(row->conversation_id, flight->row.conversation) || !is_for(&target, flight))
            continue;
        if (row->columns.text.size > LIMIT_FRAME_SIZE) {
            flight_fail(flight, "the reply in the other bridge is too large", false);
            return;
        }
        reply_take(&flight->reply, row->id, &row->columns);
        flight->state = FLIGHT_REPLIED;
        return; /* a reply without our row's number is the oldest one's */
    }
}
