/* GET /v1/conversations/{}/queries/{}: what became of a query; with ?wait, when it has ended.
 *
 *            ┌────────── news about it ──────────┐
 *            ▼                                   │
 *   GET ─▶ asked ─▶ pending, or working ─▶ sleeping until news or the time is over ─▶ asked
 *            │                                                                          │
 *            └─▶ ended ─▶ answered                        answered, whatever it is now ◀┘
 *
 * Nothing is missed: who waits hears of news from before it asks the first time; news that come
 * while it asks make it ask again. */
#include <stdlib.h>

#include "gateway/http_rest_inside.h"
#include "proto/jtext.h"

struct look {
    struct rest *rest;
    struct http_request *request;
    struct buffer ask; /* of the gate */
    int64_t message_id;
    int64_t until_us; /* 0: it does not wait */
    int64_t due_us;   /* it asks again then, if not before */
    uint64_t asked;   /* 0: it sleeps */
    bool known;       /* the gate has told of the query once */
    bool again;       /* there was news since it asked */
    TAILQ_ENTRY(look) link;
};

static void discard(struct look *self)
{
    TAILQ_REMOVE(&self->rest->looks, self, link);
    if (self->until_us)
        self->rest->waits--;
    buffer_done(&self->ask);
    free(self);
}

static void on_gone(struct http_request *request, void *data)
{
    struct look *self = data;

    (void)request;
    if (self->asked)
        http_ask_cancel(self->rest->http, self->asked);
    discard(self);
}

/* What the reply's text says, under the name that the state of its query gives it. */
static void add_said(struct buffer *ret_json, struct span message, bool dead)
{
    const char *name = dead ? "error" : "answer";
    struct buffer text;
    struct span said, value;

    buffer_init(&text);
    jtext_decode(&text, message);
    said = buffer_span(&text);
    if (jtext_check(said) != JTEXT_OBJECT)
        jtext_member(ret_json, name, said);
    else if (jtext_find(said, name, &value) && (!dead || jtext_type(value) == JTEXT_STRING))
        jtext_member_raw(ret_json, name, value);
    else if (dead)
        jtext_member(ret_json, name, said);
    else
        jtext_member_raw(ret_json, name, said);
    buffer_done(&text);
}

static void answer(struct http_request *request, struct span reply, struct span state)
{
    static const char *const member[] = {"message_id", "query_id", "conversation_id", "state",
                                         "timestamp"};
    struct span row, message;
    struct buffer json;

    buffer_init(&json);
    buffer_text(&json, "{");
    for (size_t i = 0; i < sizeof member / sizeof *member; i++)
        rest_copy(&json, member[i], reply, member[i]);
    if (jtext_find(reply, "reply", &row) && jtext_type(row) == JTEXT_OBJECT) {
        bool dead = jtext_is(state, "dead");
        if ((dead || jtext_is(state, "answered")) && jtext_find(row, "message", &message) &&
            jtext_type(message) == JTEXT_STRING)
            add_said(&json, message, dead);
        jtext_member_raw(&json, "reply", row);
    }
    buffer_text(&json, "}");
    http_reply(request, 200, "application/json", buffer_span(&json));
    buffer_done(&json);
}

static void on_answer(void *context, enum http_asked how, struct span reply);

static void ask(struct look *self)
{
    self->again = false;
    self->asked =
        http_ask(self->rest->http, "tailgate.query", buffer_span(&self->ask), on_answer, self);
}

static void on_answer(void *context, enum http_asked how, struct span reply)
{
    struct look *self = context;
    int64_t now_us = http_now_us(self->rest->http);
    struct span state = span_str("\"\"");
    struct buffer detail;
    enum rest_problem problem;
    bool open;

    self->asked = 0;
    buffer_init(&detail);
    problem = rest_judge(how, reply, &detail);
    if (!problem)
        jtext_find(reply, "state", &state);
    open = problem ? problem == REST_UNAVAILABLE && self->known
                   : jtext_is(state, "pending") || jtext_is(state, "working");
    self->known = self->known || !problem;
    if (open && now_us < self->until_us) {
        self->due_us = problem ? now_us + SECOND_US : self->until_us;
        if (self->again && !problem)
            ask(self);
    } else {
        if (problem)
            rest_refuse(self->request, problem, detail.size ? detail.data : "");
        else
            answer(self->request, reply, state);
        discard(self);
    }
    buffer_done(&detail);
}

static bool is_about(const struct rest_news *news, const struct look *look)
{
    if (news->all || (news->query && news->query == look->message_id))
        return true;
    return news->query == 0 &&
           span_equal(news->conversation_id, http_part_of_path(look->request, 0));
}

void rest_look_news(struct rest *self, const struct rest_news *news)
{
    struct look *look;

    for (look = TAILQ_FIRST(&self->looks); look; look = TAILQ_NEXT(look, link)) {
        if (look->until_us == 0 || !is_about(news, look))
            continue;
        look->again = true;
        if (!look->asked)
            ask(look);
    }
}

int64_t rest_look_time(struct rest *self, int64_t now_us)
{
    int64_t due_us = INT64_MAX;
    struct look *look;

    for (look = TAILQ_FIRST(&self->looks); look; look = TAILQ_NEXT(look, link)) {
        if (!look->asked && look->due_us <= now_us)
            ask(look);
        if (!look->asked && look->due_us < due_us)
            due_us = look->due_us;
    }
    return due_us;
}

/* The seconds of ?wait, 0 without it; -1: REQUEST has been refused. */
static int64_t read_wait(struct http_request *request)
{
    bool there;
    struct span text = http_query(request, "wait", &there);
    int64_t seconds = there ? rest_number(text, REST_WAIT_MAX_S) : 0;

    if (seconds < 0)
        rest_refuse(request, REST_BAD_PARAMETER, "wait is a whole number from 0 to 60");
    return seconds;
}

void rest_look(struct http *http, struct http_request *request)
{
    struct rest *rest = rest_of(http);
    int64_t id = rest_number(http_part_of_path(request, 1), INT64_MAX);
    int64_t wait_s = read_wait(request);
    struct look *self;
    struct buffer json;

    if (wait_s < 0)
        return;
    buffer_init(&json);
    if (!rest_read_session(request, &json)) {
        buffer_done(&json);
        return;
    }
    if (id <= 0 || (wait_s > 0 && rest->waits >= REST_WAITS)) {
        buffer_done(&json);
        rest_refuse(request, id <= 0 ? REST_NOT_FOUND : REST_UNAVAILABLE,
                    id <= 0 ? "" : "too many requests wait");
        return;
    }
    jtext_member_integer(&json, "message_id", id);
    buffer_text(&json, "}");
    self = memory_zero(1, sizeof *self);
    self->rest = rest;
    self->request = request;
    self->ask = json;
    self->message_id = id;
    if (wait_s > 0) {
        self->until_us = http_now_us(http) + wait_s * SECOND_US;
        rest->waits++;
    }
    TAILQ_INSERT_TAIL(&rest->looks, self, link);
    http_keep(request, self, on_gone);
    ask(self);
}
