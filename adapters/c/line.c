/* A client's requests in order, and what came for them. */
#include <stdlib.h>

#include "adapters/c/client_inside.h"
#include "proto/buffer.h"

void request_free(struct tailgate_request *self)
{
    parcel_done(&self->body);
    free(self->service);
    free(self);
}

static bool is_waited_for(const struct tailgate_request *request)
{
    return request->owned && !request->over;
}

void line_join(struct tailgate_client *self, struct tailgate_request *request)
{
    struct tailgate_request **end = &self->line;
    while (*end)
        end = &(*end)->next;
    request->next = NULL;
    request->in_line = true;
    *end = request;
    self->requests++;
    if (request->end_us < self->soonest_us)
        self->soonest_us = request->end_us;
}

struct tailgate_request *line_oldest(const struct tailgate_client *self)
{
    return self->line && self->line->sent ? self->line : NULL;
}

struct tailgate_request *line_waiting(const struct tailgate_client *self)
{
    struct tailgate_request *request = self->line;
    while (request && request->sent)
        request = request->next;
    return request;
}

void line_leave(struct tailgate_client *self, struct tailgate_request *request)
{
    struct tailgate_request **at = &self->line;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    request->in_line = false;
    self->requests--;
    if (!request->owned)
        request_free(request);
}

void line_reset(struct tailgate_client *self)
{
    struct tailgate_request *request = self->line;
    while (request) {
        struct tailgate_request *next = request->next;
        request->sent = false;
        if (!is_waited_for(request))
            line_leave(self, request);
        request = next;
    }
}

bool line_is_abandoned(const struct tailgate_client *self)
{
    const struct tailgate_request *request = self->line;
    while (request && request->sent && !is_waited_for(request))
        request = request->next;
    return line_oldest(self) && !(request && request->sent);
}

void line_expire(struct tailgate_client *self, int64_t now_us)
{
    if (now_us < self->soonest_us)
        return;
    struct tailgate_request *request = self->line;
    self->soonest_us = INT64_MAX;
    while (request) {
        struct tailgate_request *next = request->next;
        if (is_waited_for(request) && request->end_us <= now_us) {
            inbox_put(self, request, TAILGATE_EVENT_EXPIRED, NULL, 0);
            request->over = true;
            if (!request->sent)
                line_leave(self, request);
        } else if (is_waited_for(request) && request->end_us < self->soonest_us) {
            self->soonest_us = request->end_us;
        }
        request = next;
    }
}

void inbox_put(struct tailgate_client *self, struct tailgate_request *request,
               enum tailgate_event_kind kind, const struct span *frame, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += frame[i].size;
    bool part = kind == TAILGATE_EVENT_PARTIAL;
    if (part && (self->parts == CLIENT_PARTS || self->parts_size + size > CLIENT_PARTS_SIZE))
        return;
    struct tailgate_reply *reply = memory_zero(1, sizeof *reply);
    reply->request = request;
    reply->kind = kind;
    reply->body = parcel_of(frame, count);
    self->parts += part;
    self->parts_size += part ? size : 0;
    self->for_next += !request->waited_in_call;
    *self->inbox_end = reply;
    self->inbox_end = &reply->next;
}

struct tailgate_reply *inbox_take(struct tailgate_client *self, struct tailgate_request *request)
{
    struct tailgate_reply **at = &self->inbox;
    while (*at && (request ? (*at)->request != request : (*at)->request->waited_in_call))
        at = &(*at)->next;
    struct tailgate_reply *reply = *at;
    if (!reply)
        return NULL;
    *at = reply->next;
    if (!reply->next)
        self->inbox_end = at;
    reply->next = NULL;
    bool part = reply->kind == TAILGATE_EVENT_PARTIAL;
    self->parts -= part;
    self->parts_size -= part ? reply->body.size : 0;
    self->for_next -= !reply->request->waited_in_call;
    return reply;
}
