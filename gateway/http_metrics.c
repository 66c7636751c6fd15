/* /metrics: the gateway's status for Prometheus. Asked of it for each scrape; when it is away, that
 * is what is told: 200 and tailgate_up 0, for a scrape that fails would say that we are away. */
#include "gateway/http_metrics.h"

#include <stdlib.h>

struct scrape {
    struct http *http;
    struct http_request *request;
    uint64_t ask;
};

static void forget(struct http_request *request, void *data)
{
    struct scrape *scrape = data;

    (void)request;
    http_ask_cancel(scrape->http, scrape->ask);
    free(scrape);
}

static void answer(void *context, enum http_asked how, struct span reply)
{
    struct scrape *scrape = context;
    struct http_own own = http_own(scrape->http);
    json_t *status = how == HTTP_ANSWERED ? json_loadb(reply.data, reply.size, 0, NULL) : NULL;
    struct buffer text;

    buffer_init(&text);
    http_metrics_text(status, &own, &text);
    http_reply(scrape->request, 200, HTTP_METRICS_TYPE, buffer_span(&text));
    buffer_done(&text);
    json_decref(status);
    free(scrape);
}

static void ask(struct http *http, struct http_request *request)
{
    struct scrape *scrape = memory_zero(1, sizeof *scrape);

    scrape->http = http;
    scrape->request = request;
    http_keep(request, scrape, forget);
    scrape->ask = http_ask(http, "tailgate.status", span_of("", 0), answer, scrape);
}

static const struct http_route routes[] = {
    {"GET", "/metrics", HTTP_OBSERVER, 0, ask},
    {.method = NULL},
};

const struct http_part http_part_metrics = {.routes = routes};
