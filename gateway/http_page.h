/* The page at / (adapters/http/page): its files, its feed, and what it asks.
 *
 *   GET /, /page/<file>             static: the page itself, the same for everybody
 *   GET /page/feed                  server-sent events: "hello" {"roles","tokens"}, the last
 * events, then "event" (one each), "status" {"at","status"} once a second, "away" {"reason"}
 * instead while the gateway does not answer, and "skipped" {"count"}: events that came too fast to
 * be shown GET /page/story/{id}            {"story": tailgate.story's answer, "events": what
 * happened live} GET /page/dead[?before=ID]      tailgate.dead's answer POST
 * /page/dead/{id}/redrive    tailgate.redrive's answer
 *
 * Nobody else uses these: they may change with the page. */
#ifndef TAILGATE_GATEWAY_HTTP_PAGE_H
#define TAILGATE_GATEWAY_HTTP_PAGE_H

#include "gateway/http.h"
#include "gateway/http_page_log.h"

struct watcher;

struct page {
    struct http *http;
    struct page_log log;
    struct watcher *watchers; /* those who look, newest first */
    uint64_t asked;           /* the status that is asked for, a number of http_ask(); 0: none */
    int64_t due_us;           /* when it is asked for next */
};

/* The page's state of this helper. */
struct page *http_page(const struct http *http);

/* http_page_feed.c */
void http_page_feed(struct http *http, struct http_request *request);
void http_page_on_event(struct http *http, const struct tailgate_observed *event);
int64_t http_page_on_time(struct http *http, int64_t now_us);

/* http_page_ask.c */
void http_page_story(struct http *http, struct http_request *request);
void http_page_dead(struct http *http, struct http_request *request);
void http_page_redrive(struct http *http, struct http_request *request);

#endif
