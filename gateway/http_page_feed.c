/* The feed of the page. The status is asked for once a second while somebody looks, once for all.
 * What a browser could not draw is not sent: of the events between two of these FEED_EVENTS are,
 * and FEED_PARTIALS partials. What is left out is counted, but partials: their index says how many.
 * A browser on a slow line is sent less, so that it is not cut for what it cannot take.
 */
#include <stdlib.h>

#include "gateway/http_page.h"
#include "proto/jtext.h"

#define STATUS_US 1000000
#define FEED_EVENTS 200
#define FEED_PARTIALS 100
#define FEED_WAITING (640 * 1024) /* bytes a browser has not taken: more than all that is kept */

struct watcher {
    struct page *page;
    struct http_stream *stream;
    struct watcher *next, *previous;
    unsigned events, partials; /* sent since the last status */
    int64_t skipped;           /* not sent since then */
};

static void gone(struct http_stream *stream, void *data)
{
    struct watcher *self = data;

    (void)stream;
    if (self->next)
        self->next->previous = self->previous;
    if (self->previous)
        self->previous->next = self->next;
    else
        self->page->watchers = self->next;
    free(self);
}

static void send_text(struct watcher *self, const char *name, const struct buffer *text)
{
    http_stream_send(self->stream, span_of("", 0), span_str(name), buffer_span(text));
}

/* All that is kept goes out at once: it is less than a stream may have waiting. */
static void send_kept(struct watcher *self)
{
    const struct page_log *log = &self->page->log;

    for (size_t i = 0; i < log->count; i++) {
        const struct page_event *event = page_log_at(log, i);
        http_stream_send(self->stream, span_of("", 0), span_str("event"),
                         span_of(event->json, event->size));
    }
}

static void put_roles(struct buffer *text, unsigned roles)
{
    static const struct {
        unsigned role;
        const char *name;
    } known[] = {{HTTP_OBSERVER, "observer"}, {HTTP_CLIENT, "client"}, {HTTP_OPERATOR, "operator"}};

    buffer_text(text, "{\"roles\":[");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!(roles & known[i].role))
            continue;
        buffer_text(text, text->data[text->size - 1] == '[' ? "" : ",");
        jtext_quote(text, span_str(known[i].name));
    }
    buffer_byte(text, ']');
}

void http_page_feed(struct http *http, struct http_request *request)
{
    struct page *page = http_page(http);
    struct watcher *self = memory_zero(1, sizeof *self);
    struct buffer hello;

    buffer_init(&hello);
    put_roles(&hello, http_roles(request));
    jtext_member_raw(&hello, "tokens", span_str(http_has_tokens(http) ? "true" : "false"));
    buffer_byte(&hello, '}');
    self->page = page;
    self->stream = http_stream(request, self, gone);
    if (!self->stream) {
        free(self);
        goto out;
    }
    self->next = page->watchers;
    if (self->next)
        self->next->previous = self;
    page->watchers = self;
    send_text(self, "hello", &hello);
    send_kept(self);
    page->due_us = 0; /* it does not wait for the others' second */
out:
    buffer_done(&hello);
}

static bool is_slow(const struct watcher *self)
{
    return http_stream_waiting(self->stream) > FEED_WAITING;
}

static bool may_send(struct watcher *self, const struct page_event *event)
{
    bool is_partial = event->attempt > 0;
    unsigned *sent = is_partial ? &self->partials : &self->events;

    if (!is_slow(self) && *sent < (is_partial ? FEED_PARTIALS : FEED_EVENTS)) {
        (*sent)++;
        return true;
    }
    self->skipped += !is_partial;
    return false;
}

static void skip(struct page *self, uint64_t count)
{
    for (struct watcher *watcher = self->watchers; watcher; watcher = watcher->next)
        watcher->skipped += count < 1000000 ? (int64_t)count : 1000000;
}

void http_page_on_event(struct http *http, const struct tailgate_observed *observed)
{
    struct page *self = http_page(http);
    const struct page_event *event;

    self->due_us = observed->kind == TAILGATE_OBSERVED_AWAY ? 0 : self->due_us;
    if (observed->kind == TAILGATE_OBSERVED_LOST)
        skip(self, observed->count ? observed->count : 1); /* 0: nobody knows */
    if (observed->kind != TAILGATE_OBSERVED_EVENT)
        return;
    event = page_log_add(&self->log, span_of(observed->json, observed->size));
    if (!event) {
        skip(self, 1);
        return;
    }
    for (struct watcher *watcher = self->watchers; watcher; watcher = watcher->next) {
        if (may_send(watcher, event))
            http_stream_send(watcher->stream, span_of("", 0), span_str("event"),
                             span_of(event->json, event->size));
    }
}

/* Tells everybody, and what they did not get since the last time. */
static void tell(struct page *self, const char *name, const struct buffer *text)
{
    struct buffer skipped;

    buffer_init(&skipped);
    for (struct watcher *watcher = self->watchers; watcher; watcher = watcher->next) {
        if (is_slow(watcher))
            continue;
        send_text(watcher, name, text);
        buffer_reset(&skipped);
        buffer_byte(&skipped, '{');
        jtext_member_integer(&skipped, "count", watcher->skipped);
        buffer_byte(&skipped, '}');
        if (watcher->skipped)
            send_text(watcher, "skipped", &skipped);
        watcher->events = watcher->partials = 0;
        watcher->skipped = 0;
    }
    buffer_done(&skipped);
}

static bool is_status(struct span reply)
{
    struct span type;

    return jtext_check(reply) == JTEXT_OBJECT && jtext_find(reply, "type", &type) &&
           jtext_type(type) == JTEXT_STRING && jtext_is(type, "status");
}

static void on_status(void *context, enum http_asked how, struct span reply)
{
    struct page *self = context;
    struct buffer text;
    bool here = how == HTTP_ANSWERED && is_status(reply);

    self->asked = 0;
    buffer_init(&text);
    if (here) {
        buffer_format(&text, "{\"at\":%.3f", (double)http_now_us(self->http) / 1e6);
        jtext_member_raw(&text, "observing",
                         span_str(http_is_observing(self->http) ? "true" : "false"));
        jtext_member_raw(&text, "status", reply);
    } else {
        buffer_byte(&text, '{');
        jtext_member(&text, "reason",
                     how == HTTP_ANSWERED ? span_str("the gateway does not tell its status")
                                          : reply);
    }
    buffer_byte(&text, '}');
    tell(self, here ? "status" : "away", &text);
    buffer_done(&text);
}

int64_t http_page_on_time(struct http *http, int64_t now_us)
{
    struct page *self = http_page(http);

    if (!self->watchers || self->asked)
        return INT64_MAX;
    if (now_us >= self->due_us) {
        self->due_us = now_us + STATUS_US;
        self->asked = http_ask(http, "tailgate.status", span_of("", 0), on_status, self);
        return INT64_MAX;
    }
    return self->due_us;
}
