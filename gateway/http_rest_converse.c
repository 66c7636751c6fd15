/* POST /v1/conversations: a conversation, its tokens told once. */
#include <stdlib.h>

#include "gateway/http_rest_inside.h"
#include "proto/jtext.h"

static const struct rest_member members[] = {
    {"asker", REST_NAME, false, 1, LIMIT_SERVICE},
    {"responder", REST_NAME, false, 1, LIMIT_SERVICE},
    {"ttl_seconds", REST_INTEGER, false, 60, 2592000},
    {NULL, REST_PROSE, false, 0, 0},
};

/* What the gate has made, as REST tells it. */
static void answer(struct http_request *request, struct span reply)
{
    struct buffer json, path, id;
    struct span literal = span_str("\"\"");

    buffer_init(&json);
    buffer_init(&path);
    buffer_init(&id);
    buffer_text(&json, "{");
    rest_copy(&json, "conversation_id", reply, "conversation_id");
    rest_copy(&json, "session_token", reply, "session_a_token");
    rest_copy(&json, "responder_token", reply, "session_b_token");
    rest_copy(&json, "expires_at", reply, "expires_at");
    buffer_text(&json, "}");
    jtext_find(reply, "conversation_id", &literal);
    jtext_decode(&id, literal);
    rest_path(&path, buffer_span(&id));
    buffer_text(&path, "/events");
    http_add_header(request, "Location", path.data);
    http_reply(request, 201, "application/json", buffer_span(&json));
    buffer_done(&id);
    buffer_done(&path);
    buffer_done(&json);
}

struct converse {
    struct http *http;
    struct http_request *request;
    uint64_t asked;
};

static void on_answer(void *context, enum http_asked how, struct span reply)
{
    struct converse *self = context;
    struct buffer detail;
    enum rest_problem problem;

    buffer_init(&detail);
    problem = rest_judge(how, reply, &detail);
    if (problem)
        rest_refuse(self->request, problem, detail.size ? detail.data : "");
    else
        answer(self->request, reply);
    buffer_done(&detail);
    free(self);
}

static void on_gone(struct http_request *request, void *data)
{
    struct converse *self = data;

    (void)request;
    http_ask_cancel(self->http, self->asked);
    free(self);
}

void rest_converse(struct http *http, struct http_request *request)
{
    struct converse *self;
    struct buffer json;

    buffer_init(&json);
    buffer_text(&json, "{");
    if (rest_read_body(request, members, &json)) {
        buffer_text(&json, "}");
        self = memory_zero(1, sizeof *self);
        self->http = http;
        self->request = request;
        http_keep(request, self, on_gone);
        self->asked = http_ask(http, "tailgate.converse", buffer_span(&json), on_answer, self);
    }
    buffer_done(&json);
}
