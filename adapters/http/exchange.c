#include <assert.h>
#include <stdlib.h>

#include "adapters/http/server_inside.h"

#define BLOCK (16 * 1024) /* of a stream, read from us at once */

void *exchange_new(void *context, const char *target, struct MHD_Connection *connection)
{
    struct http_exchange *self = memory_zero(1, sizeof *self);

    (void)context;
    self->link = link_of(connection);
    self->target = memory_text(span_str(target));
    self->link->exchange = self;
    return self;
}

void exchange_over(void *context, struct MHD_Connection *connection, void **exchange,
                   enum MHD_RequestTerminationCode how)
{
    struct http_server *server = context;
    struct http_exchange *self = *exchange;

    (void)connection, (void)how;
    *exchange = NULL;
    if (!self)
        return;
    if (self->begun)
        server->setup.over(server->setup.context, self);
    self->link->exchange = NULL;
    self->link->due_us = server->now_us + server->setup.receive_us;
    if (self->response)
        MHD_destroy_response(self->response);
    server->bodies -= self->body.size;
    buffer_done(&self->body);
    buffer_done(&self->out);
    free(self->target);
    free(self);
}

/* Hands the answer over, or waits for it. */
static enum MHD_Result go_on(struct http_exchange *self)
{
    struct MHD_Response *response = self->response;
    enum MHD_Result result;

    if (!response) {
        link_set_aside(self->link);
        return MHD_YES;
    }
    self->response = NULL;
    self->link->due_us = self->link->server->now_us + self->link->server->setup.send_us;
    result = MHD_queue_response(self->link->connection, self->status, response);
    MHD_destroy_response(response);
    return result;
}

static int64_t announced_size(const struct http_exchange *self)
{
    const char *text = http_exchange_header(self, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (http_exchange_header(self, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return -1;
    return text ? strtoll(text, NULL, 10) : 0; /* libmicrohttpd has checked it */
}

static enum MHD_Result begin(struct http_exchange *self, const char *method)
{
    const struct http_server_setup *setup = &self->link->server->setup;

    self->begun = true;
    self->method = method;
    self->room = setup->begin(setup->context, self, announced_size(self));
    return self->response ? go_on(self) : MHD_YES;
}

static enum MHD_Result take_body(struct http_exchange *self, const char *data, size_t *size)
{
    struct http_server *server = self->link->server;
    size_t kept = self->room - self->body.size;

    kept = kept < *size ? kept : *size;
    if (kept > server->setup.bodies - server->bodies) {
        self->crowded = true;
        self->room = self->body.size;
        kept = 0;
    }
    server->bodies += kept;
    buffer_add(&self->body, span_of(data, kept));
    self->swallowed += *size - kept;
    *size = 0;
    return self->swallowed > server->setup.swallow ? MHD_NO : MHD_YES;
}

enum MHD_Result exchange_take(void *context, struct MHD_Connection *connection, const char *target,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **exchange)
{
    struct http_server *server = context;
    struct http_exchange *self = *exchange;

    (void)connection, (void)target, (void)version;
    if (self->dead)
        return MHD_NO;
    if (!self->begun)
        return begin(self, method);
    if (*size > 0)
        return take_body(self, data, size);
    if (!self->handled) {
        self->handled = true;
        self->link->due_us = INT64_MAX;
        server->setup.handle(server->setup.context, self);
    }
    return go_on(self);
}

const char *http_exchange_method(const struct http_exchange *self)
{
    return self->method;
}

const char *http_exchange_target(const struct http_exchange *self)
{
    return self->target;
}

const char *http_exchange_header(const struct http_exchange *self, const char *name)
{
    return MHD_lookup_connection_value(self->link->connection, MHD_HEADER_KIND, name);
}

struct span http_exchange_body(const struct http_exchange *self)
{
    return buffer_span(&self->body);
}

bool http_exchange_overflowed(const struct http_exchange *self)
{
    return self->swallowed > 0;
}

bool http_exchange_crowded(const struct http_exchange *self)
{
    return self->crowded;
}

void http_exchange_set(struct http_exchange *self, void *data)
{
    self->data = data;
}

void *http_exchange_data(const struct http_exchange *self)
{
    return self->data;
}

/* --- answering --- */

static void answer(struct http_exchange *self, unsigned status, struct MHD_Response *response,
                   const struct http_field *field, size_t count)
{
    assert(response && self->status == 0);
    for (size_t i = 0; i < count; i++)
        (void)MHD_add_response_header(response, field[i].name, field[i].value);
    self->status = status;
    self->response = response;
    link_take_up(self->link);
}

void http_exchange_answer(struct http_exchange *self, unsigned status,
                          const struct http_field *field, size_t count, struct span body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.size, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);

    answer(self, status, response, field, count);
}

/* Gives libmicrohttpd what was written meanwhile; sets the connection aside when that is nothing.
 */
static ssize_t give(void *context, uint64_t position, char *ret_data, size_t room)
{
    struct http_exchange *self = context;
    size_t size = self->out.size - self->taken;

    (void)position;
    if (self->dead)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (size == 0 && self->finished)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (size == 0) {
        link_set_aside(self->link);
        return 0;
    }
    size = size < room ? size : room;
    memcpy(ret_data, self->out.data + self->taken, size);
    self->taken += size;
    self->link->due_us = self->link->server->now_us + self->link->server->setup.send_us;
    if (self->taken == self->out.size) {
        self->link->due_us = INT64_MAX;
        self->taken = 0;
        buffer_reset(&self->out);
    }
    return (ssize_t)size;
}

void http_exchange_stream(struct http_exchange *self, unsigned status,
                          const struct http_field *field, size_t count)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, give, self, NULL);

    answer(self, status, response, field, count);
}

/* A client that is always a little behind never takes the last byte: what it has taken goes once it
 * is more than what waits, so that each byte is moved once at most. */
static void forget_taken(struct http_exchange *self)
{
    size_t waiting = self->out.size - self->taken;

    if (self->taken <= waiting)
        return;
    memmove(self->out.data, self->out.data + self->taken, waiting);
    self->out.size = waiting;
    self->taken = 0;
}

void http_exchange_write(struct http_exchange *self, struct span bytes)
{
    struct link *link = self->link;

    if (link->due_us == INT64_MAX && !self->dead)
        link->due_us = link->server->now_us + link->server->setup.send_us;
    forget_taken(self);
    buffer_add(&self->out, bytes);
    link_take_up(link);
}

size_t http_exchange_waiting(const struct http_exchange *self)
{
    return self->out.size - self->taken;
}

void http_exchange_finish(struct http_exchange *self)
{
    self->finished = true;
    link_take_up(self->link);
}

void http_exchange_cut(struct http_exchange *self)
{
    link_cut(self->link);
}
