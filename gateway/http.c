/* The way of a request: its target is read, a route found, the asker judged; then its part has it.
 */
#include "gateway/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "gateway/http_guard.h"
#include "gateway/http_inside.h"
#include "gateway/log.h"

#define HEAD (16 * 1024) /* bytes of memory of a connection: line, header fields, buffers */
#define SWALLOW                                                                                    \
    (4 * 1024 * 1024) /* of a body that is refused: the answer is read after it was sent */
#define BODIES (64 * 1024 * 1024) /* of all requests that are there */
#define RECEIVE_US 30000000
#define SEND_US 60000000

/* A part that is added is added here. */
const struct http_part *const http_parts[] = {
    &http_part_health, &http_part_metrics, &http_part_rest, &http_part_page, NULL,
};
_Static_assert(sizeof http_parts / sizeof *http_parts <= HTTP_PARTS + 1, "each has a place");

/* --- parts --- */

static size_t index_of(const struct http_part *part)
{
    size_t i = 0;

    while (http_parts[i] && http_parts[i] != part)
        i++;
    assert(http_parts[i]);
    return i;
}

void http_state_set(struct http *http, const struct http_part *part, void *state)
{
    http->state[index_of(part)] = state;
}

void *http_state(const struct http *http, const struct http_part *part)
{
    return http->state[index_of(part)];
}

/* --- the asker --- */

void http_read_tokens(struct http *http, bool forced)
{
    char why[HTTP_TOKENS_WHY_SIZE];
    int read = http->tokens ? http_tokens_refresh(http->tokens, forced, why) : 0;

    if (read > 0) {
        log_event(LOG_INFO, "tokens", LOG_INT("count", http_tokens_count(http->tokens)));
        http_streams_judge(http);
    }
    if (read < 0)
        log_event(LOG_ERROR, "tokens", LOG_STR("why", why),
                  LOG_STR("say", "the tokens that were read before stay in force"));
}

static unsigned roles_of(struct http_request *request)
{
    struct http *http = request->http;

    if (!http->tokens)
        return HTTP_OBSERVER | HTTP_CLIENT;
    http_read_tokens(http, false);
    return http_tokens_roles(http->tokens, http_bearer(request));
}

/* 0, or the status with which it is refused. */
static unsigned judge_roles(struct http_request *request)
{
    unsigned wanted = request->route->roles;

    request->roles = roles_of(request);
    if (wanted == HTTP_ANYONE || (wanted & request->roles))
        return 0;
    request->http->own.unauthorized++;
    return request->roles || !request->http->tokens ? 403 : 401;
}

static unsigned judge_sender(struct http_request *request)
{
    struct http *http = request->http;
    struct span host = http_header(request, "Host");
    struct span origin = http_header(request, "Origin");
    bool changes = strcmp(request->route->method, "POST") == 0;
    unsigned refused = 0;

    if (!http->tokens && !http_guard_host(host, http->address.host))
        refused = 421;
    else if (changes && origin.size > 0 && !http_guard_origin(origin, host))
        refused = 403;
    http->own.misdirected += refused != 0;
    return refused;
}

/* --- the route --- */

static bool is_method(const char *method, const struct http_route *route)
{
    return strcmp(method, route->method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void add_allowed(struct http_request *request, const char *method)
{
    size_t size = strlen(request->allow);

    snprintf(request->allow + size, sizeof request->allow - size, "%s%s%s", size ? ", " : "",
             method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

/* 0, or the status with which it is refused. */
static unsigned find_route(struct http_request *request)
{
    const char *method = http_exchange_method(request->exchange);

    for (const struct http_part *const *part = http_parts; *part; part++) {
        for (const struct http_route *route = (*part)->routes; route->method; route++) {
            if (!http_target_matches(&request->target, route->path, request->place))
                continue;
            request->route = route;
            if (is_method(method, route))
                return 0;
            add_allowed(request, route->method);
        }
    }
    return request->route ? 405 : 404;
}

static unsigned judge(struct http_request *request)
{
    struct span target = span_str(http_exchange_target(request->exchange));
    unsigned refused = http_target_read(&request->target, target) < 0 ? 400 : 0;

    if (!refused)
        refused = find_route(request);
    if (!refused)
        refused = judge_sender(request);
    if (!refused)
        refused = judge_roles(request);
    if (!refused && strcmp(request->route->method, "POST") == 0 &&
        !http_guard_json(http_header(request, "Content-Type")))
        refused = 415;
    return refused;
}

/* --- what the server calls --- */

static void refuse(struct http_request *request)
{
    static const struct {
        unsigned status;
        const char *slug, *title, *detail;
    } refusal[] = {
        {400, "bad-target", "The path or the query string cannot be read", ""},
        {401, "unauthorized", "A token is needed",
         "Send \"Authorization: Bearer TOKEN\" with a token of the token file."},
        {403, "forbidden", "Not allowed", "Its role, or the page that asks, may not do this."},
        {404, "not-found", "There is nothing here", ""},
        {405, "method", "Not with this method", "See the header Allow."},
        {413, "too-large", "The body is too large", ""},
        {415, "media-type", "The body must be JSON", "Send Content-Type: application/json."},
        {421, "host", "Not under this name",
         "Use localhost or the address that is listened at; other names need a token file."},
        {503, "busy", "Too many requests wait", "Try again in a second."},
    };
    size_t i = 0;

    while (refusal[i].status != request->refused)
        i++;
    if (request->refused == 401)
        http_add_header(request, "WWW-Authenticate", "Bearer realm=\"tailgate\"");
    if (request->refused == 405)
        http_add_header(request, "Allow", request->allow);
    if (request->refused == 503)
        http_add_header(request, "Retry-After", "1");
    http_problem(request, refusal[i].status, refusal[i].slug, refusal[i].title, refusal[i].detail);
}

static size_t begin(void *context, struct http_exchange *exchange, int64_t size)
{
    struct http_request *request = memory_zero(1, sizeof *request);

    request->http = context;
    request->exchange = exchange;
    http_exchange_set(exchange, request);
    request->refused = judge(request);
    if (!request->refused && size > 0 && (uint64_t)size > request->route->body_max)
        request->refused = 413;
    if (request->refused && (http_exchange_header(exchange, "Expect") || size > SWALLOW))
        refuse(request);
    return request->refused ? 0 : request->route->body_max;
}

static void handle(void *context, struct http_exchange *exchange)
{
    struct http_request *request = http_exchange_data(exchange);
    struct http *http = context;

    request->handled = true;
    http->own.waiting++;
    if (!request->refused && http_exchange_overflowed(exchange) && !http_exchange_crowded(exchange))
        request->refused = 413;
    if (!request->refused &&
        (http->own.waiting > HTTP_WAITING_MAX || http_exchange_crowded(exchange))) {
        request->refused = 503;
        http->own.busy++;
    }
    if (request->refused)
        refuse(request);
    else
        request->route->handle(http, request);
}

static void over(void *context, struct http_exchange *exchange)
{
    struct http_request *request = http_exchange_data(exchange);
    struct http *http = context;

    if (request->handled && !request->answered) {
        http->own.waiting--;
        if (request->gone)
            request->gone(request, request->data);
    }
    http_stream_over(request);
    http_fields_free(request);
    http_target_done(&request->target);
    free(request);
}

/* --- from start to end --- */

static int start_parts(struct http *http)
{
    for (const struct http_part *const *part = http_parts; *part; part++)
        if ((*part)->start && (*part)->start(http) < 0)
            return -1;
    return 0;
}

int http_open(struct http *http)
{
    const struct http_server_setup setup = {.listener = http->listener,
                                            .connections = HTTP_CONNECTIONS_MAX,
                                            .head = HEAD,
                                            .swallow = SWALLOW,
                                            .bodies = BODIES,
                                            .receive_us = RECEIVE_US,
                                            .send_us = SEND_US,
                                            .context = http,
                                            .begin = begin,
                                            .handle = handle,
                                            .over = over};

    http->server = http_server_new(&setup);
    if (!http->server) {
        log_event(LOG_ERROR, "failed", LOG_STR("say", "no descriptors for the HTTP server"));
        return -1;
    }
    return start_parts(http);
}

void http_close(struct http *http)
{
    http_server_destroy(&http->server);
    listen_close(&http->address, http->listener); /* at once: the doors may take a second */
    for (const struct http_part *const *part = http_parts; *part; part++)
        if ((*part)->stop)
            (*part)->stop(http);
    http_doors_destroy(&http->doors);
}

bool http_has_tokens(const struct http *http)
{
    return http->tokens != NULL;
}

int64_t http_now_us(const struct http *http)
{
    return http->now_us;
}

const struct http_limits *http_limits(const struct http *http)
{
    return &http->limits;
}

struct http_own http_own(const struct http *http)
{
    struct http_own own = http->own;

    own.connections = http_server_connections(http->server);
    own.cut_slow = http_server_cut(http->server);
    return own;
}
