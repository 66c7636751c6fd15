#include "gateway/http_page.h"

#include <stdlib.h>

#include "adapters/http/page/page_files.h"

/* Nothing from elsewhere, nothing inline, no text that becomes markup. */
#define PAGE_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "          \
    "require-trusted-types-for 'script'"

struct page *http_page(const struct http *http)
{
    return http_state(http, &http_part_page);
}

/* If-None-Match: "a", W/"b" or *; a tag of ours has no quote or comma within. */
static bool is_known(struct span tags, const char *etag)
{
    return span_is(tags, "*") || (tags.size && memmem(tags.data, tags.size, etag, strlen(etag)));
}

static void reply_file(struct http_request *request, const struct page_file *file)
{
    http_add_header(request, "Content-Security-Policy", PAGE_POLICY);
    http_add_header(request, "ETag", file->etag);
    http_add_header(request, "Cache-Control", "no-cache"); /* kept, and asked for each time */
    if (is_known(http_header(request, "If-None-Match"), file->etag))
        http_reply(request, 304, file->type, span_of("", 0));
    else
        http_reply(request, 200, file->type, span_of(file->data, file->size));
}

static void serve_file(struct http_request *request, struct span name)
{
    const struct page_file *file = page_files;

    while (file->name && !span_is(name, file->name))
        file++;
    if (file->name)
        reply_file(request, file);
    else
        http_problem(request, 404, "not-found", "There is nothing of this name", "");
}

static void root(struct http *http, struct http_request *request)
{
    (void)http;
    serve_file(request, span_str("index.html"));
}

static void file(struct http *http, struct http_request *request)
{
    (void)http;
    serve_file(request, http_part_of_path(request, 0));
}

static int start(struct http *http)
{
    struct page *self = memory_zero(1, sizeof *self);

    self->http = http;
    page_log_init(&self->log);
    http_state_set(http, &http_part_page, self);
    return 0;
}

/* Streams and requests have ended before. */
static void stop(struct http *http)
{
    struct page *self = http_page(http);

    if (!self)
        return;
    if (self->asked)
        http_ask_cancel(http, self->asked);
    page_log_done(&self->log);
    free(self);
    http_state_set(http, &http_part_page, NULL);
}

static const struct http_route routes[] = {
    {"GET", "/", HTTP_ANYONE, 0, root},
    {"GET", "/page/feed", HTTP_OBSERVER, 0, http_page_feed},
    {"GET", "/page/dead", HTTP_OBSERVER, 0, http_page_dead},
    {"GET", "/page/story/{}", HTTP_OBSERVER, 0, http_page_story},
    {"POST", "/page/dead/{}/redrive", HTTP_OPERATOR, 64, http_page_redrive},
    {"GET", "/page/{}", HTTP_ANYONE, 0, file},
    {0},
};

const struct http_part http_part_page = {
    .routes = routes,
    .start = start,
    .stop = stop,
    .on_event = http_page_on_event,
    .on_time = http_page_on_time,
};
