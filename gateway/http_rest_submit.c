/* POST /v1/conversations/{}/queries: a row of the bridge.
 *
 * It is counted before the gate is asked, so that many at once are not more than one by one, and
 * taken back when nothing was written: not when that is not known, for a row may be on its way.
 * Beyond the limit, one with a key may be a repeat, which does not count: the gate is asked for
 * what was written before, and writes nothing. The job outlives its request, whose client may go:
 * what was written counts all the same. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/http_rest_inside.h"
#include "proto/jtext.h"

static const struct rest_member members[] = {
    {"question", REST_PROSE, true, 1, LIMIT_QUESTION_CHARS},
    {"service", REST_NAME, false, 1, LIMIT_SERVICE},
    {"context_file", REST_NAME, false, 1, 1000},
    {"query_id", REST_NAME, false, 1, LIMIT_SUBMIT_QUERY_ID},
    {NULL, REST_PROSE, false, 0, 0},
};

struct submit {
    struct rest *rest;
    struct http_request *request;       /* NULL: its client has gone */
    struct span conversation_id, token; /* in TEXT */
    char *text;
    int64_t at_us;    /* when it was asked for, and counted, */
    int64_t pause_us; /*   unless there was no room: that will be so much later */
    uint64_t asked;
    TAILQ_ENTRY(submit) link;
};

static void discard(struct submit *self)
{
    TAILQ_REMOVE(&self->rest->submits, self, link);
    free(self->text);
    free(self);
}

static void take_back(struct submit *self)
{
    if (self->pause_us == 0)
        http_rate_return(self->rest->rate, self->conversation_id, self->token, self->at_us);
}

static void refuse_for_now(struct http_request *request, int64_t pause_us)
{
    int64_t seconds = pause_us > 0 ? (pause_us + SECOND_US - 1) / SECOND_US : 1;
    char detail[80];

    snprintf(detail, sizeof detail, "the session may write again in %" PRId64 " s", seconds);
    rest_refuse_for(request, REST_RATE, seconds, detail);
}

/* The row that was made now or (AGAIN) before. */
static void answer(struct submit *self, struct span reply, bool again)
{
    static const char *const member[] = {"message_id", "query_id", "conversation_id"};
    struct span id = span_str("0");
    struct buffer json, path;

    buffer_init(&json);
    buffer_init(&path);
    buffer_text(&json, "{");
    for (size_t i = 0; i < sizeof member / sizeof *member; i++)
        rest_copy(&json, member[i], reply, member[i]);
    jtext_member(&json, "state", span_str("pending"));
    rest_copy(&json, "timestamp", reply, "timestamp");
    buffer_text(&json, "}");
    jtext_find(reply, "message_id", &id);
    rest_path(&path, self->conversation_id);
    buffer_text(&path, "/queries/");
    buffer_add(&path, id);
    http_add_header(self->request, "Location", path.data);
    if (again)
        http_add_header(self->request, "Idempotency-Replayed", "true");
    http_reply(self->request, again ? 200 : 201, "application/json", buffer_span(&json));
    buffer_done(&path);
    buffer_done(&json);
}

static void on_answer(void *context, enum http_asked how, struct span reply)
{
    struct submit *self = context;
    struct span duplicate = span_str("false");
    struct buffer detail;
    enum rest_problem problem;
    bool again;

    buffer_init(&detail);
    problem = rest_judge(how, reply, &detail);
    if (!problem)
        jtext_find(reply, "duplicate", &duplicate);
    again = span_is(duplicate, "true");
    if ((problem && how != HTTP_NO_ANSWER) || again)
        take_back(self);
    if (self->request && problem == REST_RATE)
        refuse_for_now(self->request, self->at_us + self->pause_us - http_now_us(self->rest->http));
    else if (self->request && problem)
        rest_refuse(self->request, problem, detail.size ? detail.data : "");
    else if (self->request)
        answer(self, reply, again);
    buffer_done(&detail);
    discard(self);
}

static void on_gone(struct http_request *request, void *data)
{
    struct submit *self = data;

    (void)request;
    self->request = NULL;
}

void rest_submit_stop(struct rest *self)
{
    struct submit *submit;

    while ((submit = TAILQ_FIRST(&self->submits))) {
        http_ask_cancel(self->http, submit->asked);
        discard(submit);
    }
}

/* False: REQUEST has been refused. The route's own bound is the same for every door. */
static bool read_size(struct http *http, struct http_request *request)
{
    if (http_body(request).size <= http_limits(http)->query_bytes)
        return true;
    rest_refuse(request, REST_TOO_LARGE, "");
    return false;
}

/* Appends the key, if there is one. False: REQUEST has been refused. */
static bool read_key(struct http_request *request, struct buffer *ret_json)
{
    struct span key = http_header(request, "Idempotency-Key");
    bool visible = key.size <= LIMIT_SUBMIT_KEY;

    for (size_t i = 0; i < key.size && visible; i++)
        visible = key.data[i] > ' ' && key.data[i] <= '~';
    if (!visible)
        rest_refuse(request, REST_BAD_PARAMETER,
                    "an Idempotency-Key has 1 to 255 visible ASCII characters");
    else if (key.size)
        jtext_member(ret_json, "idempotency_key", key);
    return visible;
}

/* Counts the query, or (*RET_PAUSE_US) does not. False: REQUEST has been refused. */
static bool count(struct rest *self, struct http_request *request, int64_t now_us,
                  int64_t *ret_pause_us)
{
    *ret_pause_us =
        http_rate_take(self->rate, http_part_of_path(request, 0), http_bearer(request), now_us);
    if (*ret_pause_us == 0 || http_header(request, "Idempotency-Key").size > 0)
        return true;
    refuse_for_now(request, *ret_pause_us);
    return false;
}

static struct submit *submit_new(struct rest *rest, struct http_request *request, int64_t now_us)
{
    struct span id = http_part_of_path(request, 0), token = http_bearer(request);
    struct submit *self = memory_zero(1, sizeof *self);

    self->rest = rest;
    self->request = request;
    self->text = memory_new(id.size + token.size + 1);
    memcpy(self->text, id.data, id.size);
    memcpy(self->text + id.size, token.data, token.size);
    self->conversation_id = span_of(self->text, id.size);
    self->token = span_of(self->text + id.size, token.size);
    self->at_us = now_us;
    TAILQ_INSERT_TAIL(&rest->submits, self, link);
    return self;
}

void rest_submit(struct http *http, struct http_request *request)
{
    struct rest *rest = rest_of(http);
    int64_t now_us = http_now_us(http), pause_us = 0;
    struct submit *self;
    struct buffer json, query;

    buffer_init(&json);
    buffer_init(&query);
    buffer_text(&query, "{");
    if (read_size(http, request) && rest_read_session(request, &json) && read_key(request, &json) &&
        rest_read_body(request, members, &query) && count(rest, request, now_us, &pause_us)) {
        buffer_text(&query, "}");
        jtext_member_raw(&json, "query", buffer_span(&query));
        if (pause_us > 0)
            jtext_member_raw(&json, "only_again", span_str("true"));
        buffer_text(&json, "}");
        self = submit_new(rest, request, now_us);
        self->pause_us = pause_us;
        http_keep(request, self, on_gone);
        self->asked = http_ask(http, "tailgate.submit", buffer_span(&json), on_answer, self);
    }
    buffer_done(&query);
    buffer_done(&json);
}
