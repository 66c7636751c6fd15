/* What callers do with a query. */
#include <errno.h>
#include <stdlib.h>

#include "adapters/c/worker_inside.h"
#include "proto/buffer.h"
#include "proto/jtext.h"

/* What LITERAL (size 0: none) says, if it is a string; what does not fit is cut. */
static void read_text(struct span literal, char *ret_text, size_t room)
{
    struct buffer text;
    if (literal.size == 0 || jtext_copy(literal, ret_text, room) >= 0 ||
        jtext_type(literal) != JTEXT_STRING)
        return;
    buffer_init(&text);
    jtext_decode(&text, literal);
    size_t size = text.size < room ? text.size : room - 1;
    memcpy(ret_text, text.data ? text.data : "", size);
    ret_text[size] = '\0';
    buffer_done(&text);
}

struct tailgate_query *query_new(struct tailgate_worker *worker, struct flight *flight)
{
    struct tailgate_query *self = memory_zero(1, sizeof *self);
    const struct delivered *told = &flight->delivered;
    struct span principal = {NULL, 0}, name = {NULL, 0};
    const struct jtext_wanted wanted[] = {{"principal", &principal}, {"name", &name}};
    int64_t attempt = 0;
    self->worker = worker;
    self->flight = flight;
    memcpy(self->token, flight->query.token.data, flight->query.token.size);
    read_text(told->service, self->service, sizeof self->service);
    read_text(told->conversation_id, self->conversation, sizeof self->conversation);
    if (told->sender.size > 0 && jtext_type(told->sender) == JTEXT_OBJECT) {
        jtext_pick(told->sender, wanted, sizeof wanted / sizeof *wanted);
        read_text(principal, self->sender, sizeof self->sender);
        read_text(name, self->sender_name, sizeof self->sender_name);
    }
    if (told->attempt.size > 0 && jtext_type(told->attempt) == JTEXT_NUMBER &&
        jtext_integer(told->attempt, &attempt) == 0 && attempt > 0 && attempt <= UINT32_MAX)
        self->attempt = (unsigned)attempt;
    return self;
}

const char *tailgate_query_json(const struct tailgate_query *self, size_t *ret_size)
{
    struct span text = self->flight->query.text;
    if (ret_size)
        *ret_size = text.size;
    return text.data;
}

/* The member, else the whole. */
static char *make_question(struct span query, size_t *ret_size)
{
    struct span value;
    struct buffer text;
    buffer_init(&text);
    if (jtext_check(query) != JTEXT_OBJECT || !jtext_find(query, "question", &value))
        buffer_add(&text, query);
    else if (jtext_type(value) == JTEXT_STRING)
        jtext_decode(&text, value);
    else
        buffer_add(&text, value);
    buffer_add(&text, span_of("", 0)); /* so that there is a NUL at least */
    *ret_size = text.size;
    return text.data;
}

const char *tailgate_query_question(const struct tailgate_query *self, size_t *ret_size)
{
    struct tailgate_query *query = (struct tailgate_query *)self; /* what is made is kept */
    if (!query->question)
        query->question = make_question(self->flight->query.text, &query->question_size);
    if (ret_size)
        *ret_size = query->question_size;
    return query->question;
}

int64_t tailgate_query_message_id(const struct tailgate_query *self)
{
    return self->flight->id;
}

const char *tailgate_query_service(const struct tailgate_query *self)
{
    return self->service;
}

const char *tailgate_query_conversation(const struct tailgate_query *self)
{
    return self->conversation;
}

const char *tailgate_query_sender(const struct tailgate_query *self)
{
    return self->sender;
}

const char *tailgate_query_sender_name(const struct tailgate_query *self)
{
    return self->sender_name;
}

unsigned tailgate_query_attempt(const struct tailgate_query *self)
{
    return self->attempt;
}

int64_t tailgate_query_deadline(const struct tailgate_query *self)
{
    return self->flight->deadline_us;
}

const char *tailgate_query_token(const struct tailgate_query *self)
{
    return self->token;
}

bool tailgate_query_given_up(const struct tailgate_query *self)
{
    pthread_mutex_lock(&self->worker->lock);
    bool told = self->flight->told;
    pthread_mutex_unlock(&self->worker->lock);
    return told;
}

int tailgate_query_partial(struct tailgate_query *self, const void *data, size_t size)
{
    struct tailgate_worker *worker = self->worker;
    int code = TAILGATE_CLOSED;
    pthread_mutex_lock(&worker->lock);
    if (!self->flight->ended) {
        flights_extend(self->flight);
        int sent = link_partial(worker->link, self->flight->query.token, span_of(data, size));
        code = sent == -ENOBUFS ? TAILGATE_FULL : TAILGATE_OK;
        if (sent == 0)
            (void)worker_ask(worker);
    }
    pthread_mutex_unlock(&worker->lock);
    return code;
}

static int end(struct tailgate_query *self, struct span body)
{
    struct tailgate_worker *worker = self->worker;
    int code = TAILGATE_CLOSED;
    pthread_mutex_lock(&worker->lock);
    if (!self->flight->ended)
        code = worker_end(worker, self->flight, body);
    worker_announce(worker);
    pthread_mutex_unlock(&worker->lock);
    return code;
}

int tailgate_query_answer(struct tailgate_query *self, const void *data, size_t size)
{
    return end(self, span_of(data, size));
}

static int end_with(struct tailgate_query *self, struct buffer *body_done)
{
    int code = end(self, buffer_span(body_done));
    buffer_done(body_done);
    return code;
}

int tailgate_query_answer_text(struct tailgate_query *self, const char *text, size_t size)
{
    struct buffer body;
    buffer_init(&body);
    buffer_byte(&body, '{');
    jtext_member(&body, "answer", span_of(text, size));
    buffer_byte(&body, '}');
    return end_with(self, &body);
}

int tailgate_query_error(struct tailgate_query *self, const char *reason, bool retry)
{
    struct buffer body;
    buffer_init(&body);
    worker_compose_error(&body, reason, retry);
    return end_with(self, &body);
}

int tailgate_query_return(struct tailgate_query *self, const char *reason)
{
    struct buffer body;
    buffer_init(&body);
    worker_compose_return(&body, reason);
    return end_with(self, &body);
}

void tailgate_query_destroy(struct tailgate_query **self)
{
    struct tailgate_query *query = *self;
    *self = NULL;
    if (!query)
        return;
    (void)tailgate_query_return(query, "the worker let go of it without an answer");
    struct tailgate_worker *worker = query->worker;
    flight_free(&query->flight);
    free(query->question);
    free(query);
    worker_release(worker);
}
