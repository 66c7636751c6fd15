/* /healthz: this process runs. /readyz: the gateway does its work, or the reasons why not.
 * /status.json: what the gateway says of itself, as it says it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/http_inside.h"
#include "proto/buffer.h"

#define BLOCKED_SECONDS 1 /* a shorter lock is a writer's at work */

struct look {
    struct http *http;
    struct http_request *request;
    uint64_t ask;
};

static void forget(struct http_request *request, void *data)
{
    struct look *look = data;

    (void)request;
    http_ask_cancel(look->http, look->ask);
    free(look);
}

static void look_at_status(struct http *http, struct http_request *request,
                           void (*done)(void *context, enum http_asked how, struct span reply))
{
    struct look *look = memory_zero(1, sizeof *look);

    look->http = http;
    look->request = request;
    http_keep(request, look, forget);
    look->ask = http_ask(http, "tailgate.status", span_of("", 0), done, look);
}

/* Hands over the request of CONTEXT. */
static struct http_request *take(void *context)
{
    struct look *look = context;
    struct http_request *request = look->request;

    free(look);
    return request;
}

/* --- /healthz --- */

static void say_alive(struct http *http, struct http_request *request)
{
    (void)http;
    http_reply(request, 200, "text/plain; charset=utf-8", span_str("alive\n"));
}

/* --- /readyz --- */

static void add_reason(json_t *reasons, const char *reason, const char *detail)
{
    char text[512];

    snprintf(text, sizeof text, "%s%s", reason, detail);
    json_array_append_new(reasons, json_string(text));
}

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static void judge_status(json_t *reasons, const json_t *status)
{
    const json_t *gateway = json_object_get(status, "gateway");
    const json_t *committer = json_object_get(status, "committer");
    const json_t *blocked = json_object_get(json_object_get(status, "tail"), "blocked_seconds");
    const char *type = json_string_value(json_object_get(status, "type"));
    const char *error = json_string_value(json_object_get(status, "error"));
    const char *state = json_string_value(json_object_get(committer, "state"));

    if (!type || strcmp(type, "status") != 0) {
        add_reason(reasons, "the gateway does not tell its status: ",
                   error ? error : "what answers is no gateway");
        return;
    }
    if (is_true(gateway, "draining"))
        add_reason(reasons, "the gateway is draining", "");
    if (is_true(gateway, "paused"))
        add_reason(reasons, "the gateway is paused", "");
    if (state && strcmp(state, "ok") != 0)
        add_reason(reasons, "answers cannot be committed: the database is ", state);
    if (json_number_value(blocked) >= BLOCKED_SECONDS)
        add_reason(reasons, "the database cannot be read: it is locked", "");
}

static void say_ready(void *context, enum http_asked how, struct span reply)
{
    struct http_request *request = take(context);
    json_t *reasons = json_array(), *status;
    char *text;

    if (how == HTTP_ANSWERED) {
        status = json_loadb(reply.data, reply.size, 0, NULL);
        judge_status(reasons, status);
        json_decref(status);
    } else {
        char why[300];
        snprintf(why, sizeof why, "%.*s", (int)reply.size, reply.data);
        add_reason(reasons, "the gateway does not answer: ", why);
    }
    if (!http_is_observing(request->http))
        add_reason(reasons, "the gateway's events cannot be heard", "");
    bool ready = json_array_size(reasons) == 0;
    json_t *body = json_pack("{s:b,s:o}", "ready", ready, "reasons", reasons);
    text = json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII);
    http_reply(request, ready ? 200 : 503, "application/json", span_str(text ? text : "{}"));
    free(text);
    json_decref(body);
}

static void ask_ready(struct http *http, struct http_request *request)
{
    look_at_status(http, request, say_ready);
}

/* --- /status.json --- */

static void say_status(void *context, enum http_asked how, struct span reply)
{
    struct http_request *request = take(context);
    json_t *status = how == HTTP_ANSWERED ? json_loadb(reply.data, reply.size, 0, NULL) : NULL;
    const char *type = json_string_value(json_object_get(status, "type"));

    if (type && strcmp(type, "status") == 0)
        http_reply(request, 200, "application/json", reply);
    else
        http_gate_problem(request, how, reply);
    json_decref(status);
}

static void ask_status(struct http *http, struct http_request *request)
{
    look_at_status(http, request, say_status);
}

static const struct http_route routes[] = {
    {"GET", "/healthz", HTTP_ANYONE, 0, say_alive},
    {"GET", "/readyz", HTTP_ANYONE, 0, ask_ready},
    {"GET", "/status.json", HTTP_OBSERVER, 0, ask_status},
    {.method = NULL},
};

const struct http_part http_part_health = {.routes = routes};
