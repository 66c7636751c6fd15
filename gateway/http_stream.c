/* Server-sent events (WHATWG HTML, 9.2). */
#include <stdlib.h>

#include "gateway/http_inside.h"
#include "gateway/log.h"
#include "proto/buffer.h"

#define COMMENT_US 15000000
#define JUDGE_US 5000000          /* nobody else may ask, and have the token file looked at */
#define WAITING_MAX (1024 * 1024) /* bytes that a client has not taken */

struct http_stream {
    struct http_request *request;
    void *data;
    void (*gone)(struct http_stream *stream, void *data);
    int64_t comment_us; /* when the next one is due */
    bool cut;
    struct http_stream *next, **self; /* the helper's list */
};

struct http_stream *http_stream(struct http_request *request, void *data,
                                void (*gone)(struct http_stream *stream, void *data))
{
    struct http *http = request->http;
    struct http_stream *self;

    if (http->own.streams == HTTP_STREAMS_MAX) {
        http->own.busy++;
        http_add_header(request, "Retry-After", "10");
        http_problem(request, 503, "busy", "Too many streams are open", "Try again later.");
        return NULL;
    }
    self = memory_zero(1, sizeof *self);
    self->request = request;
    self->data = data;
    self->gone = gone;
    self->comment_us = http->now_us + COMMENT_US;
    self->next = http->streams;
    self->self = &http->streams;
    if (self->next)
        self->next->self = &self->next;
    http->streams = self;
    http->own.streams++;
    request->stream = self;
    http_answer_stream(request, "text/event-stream");
    http_exchange_write(request->exchange, span_str(":\n\n")); /* the head goes out with it */
    return self;
}

void http_stream_over(struct http_request *request)
{
    struct http_stream *self = request->stream;

    request->stream = NULL;
    if (!self)
        return;
    *self->self = self->next;
    if (self->next)
        self->next->self = self->self;
    request->http->own.streams--;
    if (self->gone)
        self->gone(self, self->data);
    free(self);
}

/* --- sending --- */

static void cut(struct http_stream *self, const char *why)
{
    self->cut = true;
    log_event(LOG_INFO, "stream-cut", LOG_STR("say", why));
    http_exchange_cut(self->request->exchange);
}

static bool write_out(struct http_stream *self, struct span bytes)
{
    struct http *http = self->request->http;
    size_t waiting = http_exchange_waiting(self->request->exchange);

    if (self->cut)
        return false;
    if (waiting == 0 || waiting + bytes.size <= WAITING_MAX) { /* one event may be larger */
        http_exchange_write(self->request->exchange, bytes);
        return true;
    }
    http->own.cut_streams++;
    cut(self, "its client did not take what was sent");
    return false;
}

/* The length of the line at the start of TEXT; *RET_END is that of its end, "\n", "\r" or "\r\n".
 */
static size_t line_length(struct span text, size_t *ret_end)
{
    size_t size = 0;

    while (size < text.size && text.data[size] != '\n' && text.data[size] != '\r')
        size++;
    *ret_end = size < text.size;
    if (size + 1 < text.size && text.data[size] == '\r' && text.data[size + 1] == '\n')
        *ret_end = 2;
    return size;
}

/* What has a line break cannot be said in one field of one line, and is left out. */
static void add_field(struct buffer *out, const char *name, struct span value)
{
    size_t end;

    if (value.size == 0 || line_length(value, &end) < value.size)
        return;
    buffer_format(out, "%s: ", name);
    buffer_add(out, value);
    buffer_byte(out, '\n');
}

static void add_data(struct buffer *out, struct span data)
{
    size_t size, end;

    do {
        size = line_length(data, &end);
        buffer_text(out, "data: ");
        buffer_add(out, span_of(data.data, size));
        buffer_byte(out, '\n');
        data = span_of(data.data + size + end, data.size - size - end);
    } while (data.size > 0 || end > 0);
}

bool http_stream_send(struct http_stream *stream, struct span id, struct span event,
                      struct span data)
{
    struct buffer out;
    bool sent;

    buffer_init(&out);
    add_field(&out, "event", event);
    add_field(&out, "id", id);
    add_data(&out, data);
    buffer_byte(&out, '\n');
    sent = write_out(stream, buffer_span(&out));
    buffer_done(&out);
    stream->comment_us = stream->request->http->now_us + COMMENT_US;
    return sent;
}

size_t http_stream_waiting(const struct http_stream *stream)
{
    return http_exchange_waiting(stream->request->exchange);
}

void http_stream_end(struct http_stream *stream)
{
    http_exchange_finish(stream->request->exchange);
}

void http_streams_judge(struct http *http)
{
    for (struct http_stream *stream = http->streams; stream; stream = stream->next) {
        unsigned wanted = stream->request->route->roles;
        if (wanted != HTTP_ANYONE && !stream->cut &&
            !(wanted & http_tokens_roles(http->tokens, http_bearer(stream->request))))
            cut(stream, "its token is not in force any more");
    }
}

int64_t http_streams_run(struct http *http)
{
    int64_t due_us = INT64_MAX;

    if (http->tokens && http->streams && http->judge_us <= http->now_us) {
        http->judge_us = http->now_us + JUDGE_US;
        http_read_tokens(http, false);
    }
    if (http->tokens && http->streams)
        due_us = http->judge_us;
    for (struct http_stream *stream = http->streams; stream; stream = stream->next) {
        if (stream->comment_us <= http->now_us) {
            stream->comment_us = http->now_us + COMMENT_US;
            (void)write_out(stream, span_str(":\n\n"));
        }
        if (stream->comment_us < due_us)
            due_us = stream->comment_us;
    }
    return due_us;
}
