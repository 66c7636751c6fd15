/* What comes back from a worker (proto/message.h). */
#include "proto/message.h"

#include "proto/jtext.h"
#include "proto/space.h"
#include "proto/utf8.h"

/* The members of a worker's object that we look at; size 0 when absent. */
struct members {
    struct span type;
    struct span answer;
    struct span error;
    struct span retry;
    struct span delivery;
};

static void members_read(struct span object, struct members *ret_members)
{
    struct members members = {.type = {NULL, 0}};
    const struct jtext_wanted wanted[] = {{"type", &members.type},
                                          {"answer", &members.answer},
                                          {"error", &members.error},
                                          {"retry", &members.retry},
                                          {"delivery", &members.delivery}};
    jtext_pick(object, wanted, sizeof wanted / sizeof wanted[0]);
    *ret_members = members;
}

/* The content of delivery.token; size 0 when the worker did not send one back. */
static struct span read_token(struct span delivery)
{
    struct span token = {NULL, 0};
    if (delivery.size == 0 || jtext_type(delivery) != JTEXT_OBJECT)
        return token;
    if (!jtext_find(delivery, "token", &token) || jtext_type(token) != JTEXT_STRING)
        return span_of(NULL, 0);
    return span_of(token.data + 1, token.size - 2);
}

static void read_object(struct span body, struct answer *answer)
{
    struct members members;
    members_read(body, &members);

    bool typed = members.type.size && jtext_type(members.type) == JTEXT_STRING;
    bool type_error = typed && jtext_is(members.type, "error");
    bool error = members.error.size && jtext_type(members.error) != JTEXT_NULL;
    answer->token = read_token(members.delivery);
    if (typed && !members.answer.size && jtext_is(members.type, "return")) {
        answer->kind = ANSWER_RETURN;
    } else if (type_error || (error && !members.answer.size)) {
        answer->kind = ANSWER_ERROR;
        answer->retry = !span_is(members.retry, "false");
    } else if (members.answer.size) {
        answer->kind = ANSWER_OBJECT;
    } else {
        answer->kind = ANSWER_JSON;
    }
}

void answer_read(struct span body, struct answer *ret_answer)
{
    struct answer answer = {.kind = ANSWER_TEXT, .body = body, .token = {NULL, 0}, .retry = true};
    if (space_only(body)) {
        answer.kind = ANSWER_ERROR;
        *ret_answer = answer;
        return;
    }
    enum jtext_type type = JTEXT_INVALID;
    enum jtext_type start = jtext_type(body);
    if (start == JTEXT_OBJECT || start == JTEXT_ARRAY)
        type = jtext_check(body);
    if (type == JTEXT_OBJECT)
        read_object(body, &answer);
    else if (type == JTEXT_ARRAY)
        answer.kind = ANSWER_JSON;
    /* It will stand inside another object. */
    if (answer.kind == ANSWER_JSON &&
        jtext_check_depth(body, LIMIT_JSON_DEPTH - 1) == JTEXT_INVALID)
        answer.kind = ANSWER_TEXT;
    *ret_answer = answer;
}

/* Appends the error text that ANSWER's object has. */
static void put_error(const struct answer *answer, const struct rewriter *redactor,
                      struct buffer *ret_text)
{
    struct members members;
    struct buffer text;

    members_read(answer->body, &members);
    enum jtext_type type = members.error.size ? jtext_type(members.error) : JTEXT_NULL;
    if (type == JTEXT_NULL)
        return;
    buffer_init(&text);
    if (type == JTEXT_STRING)
        jtext_decode(&text, members.error);
    struct span error = type == JTEXT_STRING ? buffer_span(&text) : members.error;
    int count = 0;
    if (redactor && type == JTEXT_STRING)
        count = redactor->run(redactor->context, span_of(NULL, 0), error, ret_text);
    else if (redactor)
        count = jrewrite(error, redactor, ret_text);
    if (count == 0)
        buffer_add(ret_text, error);
    buffer_done(&text);
}

void answer_reason(const struct answer *answer, const struct rewriter *redactor,
                   struct buffer *ret_text)
{
    size_t start = ret_text->size;

    if (space_only(answer->body)) {
        buffer_text(ret_text, "empty answer");
        return;
    }
    put_error(answer, redactor, ret_text);
    struct span text =
        span_of(ret_text->data ? ret_text->data + start : "", ret_text->size - start);
    if (space_only(text)) {
        ret_text->size = start;
        buffer_text(ret_text, "the worker gave no reason");
        return;
    }
    ret_text->size = start + utf8_cut(text, LIMIT_REASON).size;
    ret_text->data[ret_text->size] = '\0';
}
