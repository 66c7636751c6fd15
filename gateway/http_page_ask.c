/* What the page asks the gate for one request: a story, dead letters, asking one again. */
#include <stdlib.h>

#include "gateway/http_page.h"
#include "proto/jtext.h"

#define DEAD_AT_ONCE 50

struct asking {
    struct page *page;
    struct http_request *request;
    uint64_t number;
    int64_t id;
    bool is_story;
};

/* A row's number; 0 for anything else. */
static int64_t row_number(struct span text)
{
    int64_t id = 0;

    if (text.size == 0 || text.size > 18)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        id = id * 10 + (text.data[i] - '0');
    }
    return id;
}

static void reply_story(const struct asking *self, struct span story)
{
    const struct page_log *log = &self->page->log;
    struct buffer text;

    buffer_init(&text);
    buffer_byte(&text, '{');
    jtext_member_raw(&text, "story", story);
    buffer_text(&text, ",\"events\":[");
    for (size_t i = 0; i < log->count; i++) {
        const struct page_event *event = page_log_at(log, i);
        if (event->query != self->id)
            continue;
        buffer_text(&text, text.data[text.size - 1] == '[' ? "" : ",");
        buffer_add(&text, span_of(event->json, event->size));
    }
    buffer_text(&text, "]}");
    http_reply(self->request, 200, "application/json", buffer_span(&text));
    buffer_done(&text);
}

static bool is_answer(enum http_asked how, struct span reply)
{
    struct span type;

    return how == HTTP_ANSWERED && jtext_check(reply) == JTEXT_OBJECT &&
           jtext_find(reply, "type", &type) && jtext_type(type) == JTEXT_STRING &&
           !jtext_is(type, "error");
}

static void answered(void *context, enum http_asked how, struct span reply)
{
    struct asking *self = context;

    if (!is_answer(how, reply))
        http_gate_problem(self->request, how, reply);
    else if (self->is_story)
        reply_story(self, reply);
    else
        http_reply(self->request, 200, "application/json", reply);
    free(self);
}

static void gone(struct http_request *request, void *data)
{
    struct asking *self = data;

    (void)request;
    http_ask_cancel(self->page->http, self->number);
    free(self);
}

static void ask(struct http *http, struct http_request *request, const char *service,
                const struct buffer *body, int64_t id)
{
    struct asking *self = memory_zero(1, sizeof *self);

    self->page = http_page(http);
    self->request = request;
    self->id = id;
    self->is_story = strcmp(service, "tailgate.story") == 0;
    http_keep(request, self, gone);
    self->number = http_ask(http, service, buffer_span(body), answered, self);
}

/* Asks SERVICE about the query that the path names. */
static void ask_about(struct http *http, struct http_request *request, const char *service)
{
    int64_t id = row_number(http_part_of_path(request, 0));
    struct buffer body;

    if (id == 0) {
        http_problem(request, 404, "not-found", "There is no such query",
                     "A query is named by the number of its row.");
        return;
    }
    buffer_init(&body);
    buffer_byte(&body, '{');
    jtext_member_integer(&body, "message_id", id);
    buffer_byte(&body, '}');
    ask(http, request, service, &body, id);
    buffer_done(&body);
}

void http_page_story(struct http *http, struct http_request *request)
{
    ask_about(http, request, "tailgate.story");
}

void http_page_redrive(struct http *http, struct http_request *request)
{
    ask_about(http, request, "tailgate.redrive");
}

void http_page_dead(struct http *http, struct http_request *request)
{
    bool there = false;
    int64_t before = row_number(http_query(request, "before", &there));
    struct buffer body;

    if (there && before == 0) {
        http_problem(request, 400, "invalid", "The question is not understood",
                     "before is the number of a row.");
        return;
    }
    buffer_init(&body);
    buffer_byte(&body, '{');
    jtext_member_integer(&body, "limit", DEAD_AT_ONCE);
    if (there)
        jtext_member_integer(&body, "before", before);
    buffer_byte(&body, '}');
    ask(http, request, "tailgate.dead", &body, 0);
    buffer_done(&body);
}
