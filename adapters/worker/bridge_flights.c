#include "adapters/worker/bridge_flights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void bridge_flights_init(struct bridge_flights *self)
{
    *self = (struct bridge_flights){NULL, 0, 0};
}

void bridge_flight_destroy(struct bridge_flight **self)
{
    struct bridge_flight *flight = *self;
    *self = NULL;
    if (!flight)
        return;
    bridge_query_done(&flight->query);
    reply_done(&flight->reply);
    free(flight->token);
    free(flight);
}

void bridge_flights_done(struct bridge_flights *self)
{
    for (size_t i = 0; i < self->count; i++)
        bridge_flight_destroy(&self->flight[i]);
    free(self->flight);
    bridge_flights_init(self);
}

struct bridge_flight *bridge_flights_add(struct bridge_flights *self, struct span token)
{
    struct bridge_flight *flight = memory_zero(1, sizeof *flight);
    flight->token = memory_text(token);
    bridge_query_init(&flight->query);
    reply_init(&flight->reply);
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->flight = memory_grow(self->flight, self->room * sizeof(struct bridge_flight *));
    }
    self->flight[self->count++] = flight;
    return flight;
}

struct bridge_flight *bridge_flights_first(const struct bridge_flights *self,
                                           enum bridge_flight_state state)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->flight[i]->state == state)
            return self->flight[i];
    }
    return NULL;
}

struct bridge_flight *bridge_flights_find(const struct bridge_flights *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        if (span_is(token, self->flight[i]->token))
            return self->flight[i];
    }
    return NULL;
}

void bridge_flights_remove(struct bridge_flights *self, const struct bridge_flight *flight)
{
    size_t at = 0;
    while (at < self->count && self->flight[at] != flight)
        at++;
    if (at == self->count)
        return;
    self->count--;
    memmove(&self->flight[at], &self->flight[at + 1],
            (self->count - at) * sizeof(struct bridge_flight *));
}

void bridge_flight_fail(struct bridge_flight *self, const char *why, bool final)
{
    self->state = FLIGHT_FAILED;
    self->why = why;
    self->final = final;
}

static bool is_for(const struct reply_target *target, const struct bridge_flight *flight)
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

void bridge_flights_see(struct bridge_flights *self, const struct tail_row *row)
{
    struct reply_target target;
    if (!span_is(row->from_session, "b") || !span_is(row->to_session, "a") ||
        !reply_find_target(&row->columns, &target))
        return;
    for (size_t i = 0; i < self->count; i++) {
        struct bridge_flight *flight = self->flight[i];
        if (flight->state != FLIGHT_OUT || flight->row.id >= row->id ||
            !span_is(row->conversation_id, flight->row.conversation) || !is_for(&target, flight))
            continue;
        if (row->columns.text.size > LIMIT_FRAME_SIZE) {
            bridge_flight_fail(flight, "the reply in the other bridge is too large", false);
            return;
        }
        reply_take(&flight->reply, row->id, &row->columns);
        flight->state = FLIGHT_REPLIED;
        return; /* a reply without our row's number is the oldest one's */
    }
}
