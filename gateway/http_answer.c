/* What a handler reads of its request, and says as its answer. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "gateway/http_inside.h"
#include "gateway/log.h"
#include "proto/escape.h"
#include "proto/jtext.h"

/* Sent with every answer, unless the handler said another value. */
static const struct http_field always[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Cache-Control", "no-store"},
    {"Referrer-Policy", "no-referrer"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};
#define ALWAYS (sizeof always / sizeof always[0])

struct span http_part_of_path(const struct http_request *request, unsigned index)
{
    assert(index < HTTP_PARTS_MAX);
    return request->place[index];
}

struct span http_query(const struct http_request *request, const char *name, bool *ret_there)
{
    return http_target_query(&request->target, name, ret_there);
}

struct span http_header(const struct http_request *request, const char *name)
{
    const char *value = http_exchange_header(request->exchange, name);

    return span_str(value ? value : "");
}

struct span http_body(const struct http_request *request)
{
    return http_exchange_body(request->exchange);
}

struct span http_bearer(const struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    const size_t size = sizeof scheme - 1;
    struct span value = http_header(request, "Authorization");

    if (value.size < size || strncasecmp(value.data, scheme, size) != 0)
        return span_of("", 0);
    value = span_of(value.data + size, value.size - size);
    while (value.size > 0 && value.data[0] == ' ')
        value = span_of(value.data + 1, value.size - 1);
    return value;
}

unsigned http_roles(const struct http_request *request)
{
    return request->roles;
}

void http_keep(struct http_request *request, void *data,
               void (*gone)(struct http_request *request, void *data))
{
    request->data = data;
    request->gone = gone;
}

void *http_kept(const struct http_request *request)
{
    return request->data;
}

/* --- header fields --- */

void http_fields_free(struct http_request *request)
{
    for (size_t i = 0; i < request->fields; i++) {
        free(request->field[i].name);
        free(request->field[i].value);
    }
    request->fields = 0;
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    bool fine = request->fields < HTTP_FIELDS_MAX;

    for (const char *byte = value; *byte; byte++)
        fine = fine && *byte >= ' ' && *byte <= '~';
    if (!fine) {
        log_event(LOG_WARN, "header", LOG_STR("name", name), LOG_STR("value", value),
                  LOG_STR("say", "left out of an answer"));
        return;
    }
    request->field[request->fields].name = memory_text(span_str(name));
    request->field[request->fields++].value = memory_text(span_str(value));
}

static bool was_added(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->fields; i++)
        if (strcasecmp(request->field[i].name, name) == 0)
            return true;
    return false;
}

static size_t all_fields(const struct http_request *request, const char *type,
                         struct http_field ret_field[HTTP_FIELDS_MAX + ALWAYS + 1])
{
    size_t count = 0;

    ret_field[count++] = (struct http_field){"Content-Type", type};
    for (size_t i = 0; i < request->fields; i++)
        ret_field[count++] = (struct http_field){request->field[i].name, request->field[i].value};
    for (size_t i = 0; i < ALWAYS; i++)
        if (!was_added(request, always[i].name))
            ret_field[count++] = always[i];
    return count;
}

/* --- answering --- */

/* Counts what is about to be said. */
static void note_answer(struct http_request *request, unsigned status)
{
    struct http *http = request->http;

    assert(!request->answered && status >= 200 && status <= 599);
    request->answered = true;
    if (request->handled)
        http->own.waiting--;
    http->own.requests++;
    http->own.by_class[status / 100]++;
    http->own.limited += status == 429;
    log_event(LOG_DEBUG, "answered", LOG_STR("method", http_exchange_method(request->exchange)),
              LOG_SPAN("path", span_of(http_exchange_target(request->exchange),
                                       strcspn(http_exchange_target(request->exchange), "?"))),
              LOG_INT("status", status));
}

void http_reply(struct http_request *request, unsigned status, const char *type, struct span body)
{
    struct http_field field[HTTP_FIELDS_MAX + ALWAYS + 1];
    size_t count = all_fields(request, type, field);

    note_answer(request, status);
    http_exchange_answer(request->exchange, status, field, count, body);
}

void http_answer_stream(struct http_request *request, const char *type)
{
    struct http_field field[HTTP_FIELDS_MAX + ALWAYS + 1];
    size_t count = all_fields(request, type, field);

    note_answer(request, 200);
    http_exchange_stream(request->exchange, 200, field, count);
}

void http_problem(struct http_request *request, unsigned status, const char *slug,
                  const char *title, const char *detail)
{
    struct buffer text;
    char type[128];

    snprintf(type, sizeof type, "https://tailgate.invalid/problems/%s", slug);
    buffer_init(&text);
    buffer_text(&text, "{");
    jtext_member(&text, "type", span_str(type));
    jtext_member(&text, "title", span_str(title));
    jtext_member_integer(&text, "status", status);
    if (*detail) {
        buffer_text(&text, ",\"detail\":");
        escape_json(&text, span_str(detail));
    }
    buffer_text(&text, "}\n");
    http_reply(request, status, "application/problem+json", buffer_span(&text));
    buffer_done(&text);
}

void http_gate_problem(struct http_request *request, enum http_asked how, struct span reply)
{
    static const struct {
        const char *code;
        unsigned status;
        const char *title;
    } known[] = {
        {"invalid", 422, "The gateway cannot take this"},
        {"unauthorized", 401, "The token is not the right one"},
        {"forbidden", 403, "The gateway does not let us do this"},
        {"not_found", 404, "The gateway knows nothing of it"},
        {"expired", 410, "It has expired"},
        {"conflict", 409, "It conflicts with what is there"},
        {"too_large", 413, "It is too large"},
        {"unsupported", 501, "The gateway cannot do this"},
        {"busy", 503, "The gateway has too much to do"},
        {"gateway", 503, "The gateway cannot answer"}, /* any other */
    };
    bool valid = how == HTTP_ANSWERED && jtext_check(reply) == JTEXT_OBJECT;
    char code[32] = "", said[512] = "it did not say why";
    struct span value;
    size_t i = 0;

    if (valid && jtext_find(reply, "code", &value))
        (void)jtext_copy(value, code, sizeof code);
    if (valid && jtext_find(reply, "error", &value))
        (void)jtext_copy(value, said, sizeof said);
    if (how != HTTP_ANSWERED)
        snprintf(said, sizeof said, "%.*s", (int)reply.size, reply.data);
    while (i + 1 < sizeof known / sizeof *known && strcmp(known[i].code, code) != 0)
        i++;
    if (known[i].status == 503)
        http_add_header(request, "Retry-After", "1");
    http_problem(request, known[i].status, known[i].code, known[i].title, said);
}
