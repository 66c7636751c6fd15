#include "adapters/jetstream/outgoing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void outgoing_init(struct outgoing *self, struct conn *conn, const char *prefix,
                   struct span service, size_t room)
{
    *self = (struct outgoing){.conn = conn, .room = room};
    self->query = memory_zero(room, sizeof *self->query);
    names_query_stream(prefix, service, self->stream);
    names_query_subject(prefix, service, self->subject);
}

void outgoing_done(struct outgoing *self)
{
    while (self->count > 0)
        outgoing_remove(self, &self->query[0]);
    free(self->query);
    self->query = NULL;
}

static void copy(char *ret_text, size_t room, struct span text)
{
    snprintf(ret_text, room, "%.*s", (int)text.size, text.data ? text.data : "");
}

struct outgoing_query *outgoing_add(struct outgoing *self, struct span token, struct span bridge,
                                    struct span deadline, struct span text)
{
    if (self->count == self->room)
        return NULL;
    struct outgoing_query *query = &self->query[self->count++];
    *query = (struct outgoing_query){.number = ++self->number, .over_us = INT64_MAX};
    copy(query->token, sizeof query->token, token);
    copy(query->bridge, sizeof query->bridge, bridge);
    copy(query->deadline, sizeof query->deadline, deadline);
    buffer_init(&query->text);
    buffer_add(&query->text, text);
    return query;
}

struct outgoing_query *outgoing_find(const struct outgoing *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        if (span_is(token, self->query[i].token))
            return &self->query[i];
    }
    return NULL;
}

struct outgoing_query *outgoing_number(const struct outgoing *self, uint64_t number)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->query[i].number == number)
            return &self->query[i];
    }
    return NULL;
}

void outgoing_remove(struct outgoing *self, struct outgoing_query *query)
{
    buffer_done(&query->text);
    *query = self->query[--self->count];
}

void outgoing_drop(struct outgoing *self, struct outgoing_query *query)
{
    if (query->stored)
        api_delete(self->conn, self->stream, query->seq);
    outgoing_remove(self, query);
}

static void send(struct outgoing *self, struct outgoing_query *query, int64_t now_us)
{
    char inbox[API_SUBJECT], base[NAMES_BRIDGE + NAMES_TOKEN_MAX + 2], id[sizeof base + 12];
    snprintf(inbox, sizeof inbox, "%s.a.%" PRIu64, conn_inbox(self->conn), query->number);
    snprintf(base, sizeof base, "%s-%s", query->bridge, query->token);
    api_id(base, query->doubts, id, sizeof id);
    natsMsg *message = conn_message(self->subject, inbox, buffer_span(&query->text));
    conn_set(message, HEADER_ID, span_str(id));
    conn_set(message, HEADER_TOKEN, span_str(query->token));
    conn_set(message, HEADER_BRIDGE, span_str(query->bridge));
    if (query->deadline[0])
        conn_set(message, HEADER_DEADLINE, span_str(query->deadline));
    if (conn_send(self->conn, message))
        query->sent_us = now_us;
    conn_expect(self->conn, now_us);
}

void outgoing_send(struct outgoing *self, int64_t now_us)
{
    if (!conn_is_up(self->conn))
        return;
    for (size_t i = 0; i < self->count; i++) {
        struct outgoing_query *query = &self->query[i];
        bool due = query->sent_us == 0 || now_us - query->sent_us >= API_RESEND_US;
        if (!query->stored && due)
            send(self, query, now_us);
    }
}

void outgoing_recall(struct outgoing *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->query[i].sent_us = 0;
}

struct outgoing_query *outgoing_late(const struct outgoing *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->query[i].over_us <= now_us)
            return &self->query[i];
    }
    return NULL;
}
