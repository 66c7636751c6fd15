/* REST: its routes, and what is told to those who wait. */
#include <sodium.h>
#include <stdlib.h>

#include "gateway/http_rest_inside.h"
#include "proto/jtext.h"

#define SMALL_BODY 4096
#define QUERY_BODY (1u << 20) /* 50,000 characters, however they are escaped */

static const struct http_route routes[] = {
    {"POST", "/v1/conversations", HTTP_CLIENT, SMALL_BODY, rest_converse},
    {"POST", "/v1/conversations/{}/queries", HTTP_ANYONE, QUERY_BODY, rest_submit},
    {"GET", "/v1/conversations/{}/queries/{}", HTTP_ANYONE, 0, rest_look},
    {"GET", "/v1/conversations/{}/events", HTTP_ANYONE, 0, rest_follow},
    {"GET", "/v1/openapi.yaml", HTTP_ANYONE, 0, rest_document_yaml},
    {"GET", "/v1/openapi.json", HTTP_ANYONE, 0, rest_document_json},
    {NULL, NULL, HTTP_ANYONE, 0, NULL},
};

struct rest *rest_of(const struct http *http)
{
    return http_state(http, &http_part_rest);
}

static int start(struct http *http)
{
    const struct http_limits *limits = http_limits(http);
    const unsigned limit[RATE_WINDOWS] = {limits->per_minute, limits->per_hour, limits->per_day};
    struct rest *self = memory_zero(1, sizeof *self);
    uint64_t seed;

    randombytes_buf(&seed, sizeof seed);
    self->http = http;
    self->rate = http_rate_new(limit, seed);
    TAILQ_INIT(&self->submits);
    TAILQ_INIT(&self->looks);
    TAILQ_INIT(&self->follows);
    http_state_set(http, &http_part_rest, self);
    return 0;
}

/* Every request is gone by now: what is left has outlived its own. */
static void stop(struct http *http)
{
    struct rest *self = rest_of(http);

    if (!self) /* it never started */
        return;
    rest_submit_stop(self);
    rest_follow_stop(self);
    http_rate_destroy(&self->rate);
    http_state_set(http, &http_part_rest, NULL);
    free(self);
}

static void tell(struct rest *self, const struct rest_news *news)
{
    rest_look_news(self, news);
    rest_follow_news(self, news);
}

/* Tells what EVENT says about a query or a row. A partial, a retry, a worker changes neither. */
static void tell_event(struct rest *self, const struct tailgate_observed *event)
{
    static const char *const about[] = {"query/",   "response/",   "message/", "dead/",
                                        "expired/", "superseded/", "deleted/", "dropped/"};
    struct span topic = span_str(event->topic), json = span_of(event->json, event->size);
    struct span conversation = span_str("\"\""), query = span_str("");
    const struct jtext_wanted wanted[] = {
        {"conversation_id", &conversation}, {"in_reply_to", &query}, {"message_id", &query}};
    struct rest_news news = {.id = event->id, .highest = -1};
    struct buffer id;
    size_t i = 0;

    while (i < sizeof about / sizeof *about && !span_starts(topic, about[i]))
        i++;
    if (i == sizeof about / sizeof *about || jtext_check(json) != JTEXT_OBJECT)
        return;
    jtext_pick(json, wanted, sizeof wanted / sizeof *wanted);
    if (jtext_type(conversation) != JTEXT_STRING)
        return;
    if (query.size == 0 || jtext_integer(query, &news.query) != 0)
        news.query = 0;
    buffer_init(&id);
    jtext_decode(&id, conversation);
    news.conversation_id = buffer_span(&id);
    tell(self, &news);
    buffer_done(&id);
}

static void on_event(struct http *http, const struct tailgate_observed *event)
{
    struct rest *self = rest_of(http);
    const struct rest_news missed = {.all = true, .highest = -1};
    const struct rest_news reset = {.all = true, .highest = event->id};

    if (TAILQ_EMPTY(&self->looks) && TAILQ_EMPTY(&self->follows))
        return;
    switch (event->kind) {
    case TAILGATE_OBSERVED_EVENT:
        tell_event(self, event);
        break;
    case TAILGATE_OBSERVED_UP:
    case TAILGATE_OBSERVED_LOST: /* of what is no row, nothing is replayed */
        tell(self, &missed);
        break;
    case TAILGATE_OBSERVED_RESET:
        tell(self, &reset);
        break;
    case TAILGATE_OBSERVED_REPAIRED: /* its rows have been told */
    case TAILGATE_OBSERVED_AWAY:
        break;
    }
}

static int64_t on_time(struct http *http, int64_t now_us)
{
    struct rest *self = rest_of(http);
    int64_t look_us = rest_look_time(self, now_us), follow_us = rest_follow_time(self, now_us);

    return look_us < follow_us ? look_us : follow_us;
}

const struct http_part http_part_rest = {
    .routes = routes, .start = start, .stop = stop, .on_event = on_event, .on_time = on_time};
