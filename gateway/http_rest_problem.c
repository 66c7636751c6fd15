/* Every way to say no: one row for each, and what leads there. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/http_rest_inside.h"
#include "proto/jtext.h"

static const struct {
    unsigned status;
    const char *slug, *title;
} table[REST_PROBLEMS] = {
    [REST_BAD_PARAMETER] = {400, "parameter", "A parameter is not what it can be"},
    [REST_BAD_JSON] = {400, "not-json", "The body is not JSON"},
    [REST_NO_TOKEN] = {401, "unauthorized", "A token is needed"},
    [REST_WRONG_TOKEN] = {401, "unauthorized", "A token is needed"},
    [REST_FORBIDDEN] = {403, "forbidden", "Not allowed"},
    [REST_EXPIRED] = {403, "expired", "The conversation has expired"},
    [REST_NOT_FOUND] = {404, "not-found", "There is nothing here"},
    [REST_CONFLICT] = {409, "conflict", "The Idempotency-Key was used for another query"},
    [REST_TOO_LARGE] = {413, "too-large", "The body is too large"},
    [REST_INVALID] = {422, "invalid", "The body is not valid"},
    [REST_RATE] = {429, "rate", "Too many queries"},
    [REST_UNAVAILABLE] = {503, "unavailable", "The gateway does not answer"},
};

/* What the gate's codes are here; others are REST_UNAVAILABLE. */
static const struct {
    const char *code;
    enum rest_problem problem;
} codes[] = {
    {"invalid", REST_INVALID},     {"unauthorized", REST_WRONG_TOKEN},
    {"not_found", REST_NOT_FOUND}, {"expired", REST_EXPIRED},
    {"conflict", REST_CONFLICT},   {"too_large", REST_TOO_LARGE},
    {"forbidden", REST_FORBIDDEN}, {"not_again", REST_RATE},
};

void rest_refuse(struct http_request *request, enum rest_problem problem, const char *detail)
{
    assert(problem > REST_NO_PROBLEM && problem < REST_PROBLEMS);
    if (problem == REST_NO_TOKEN)
        http_add_header(request, "WWW-Authenticate", "Bearer realm=\"tailgate\"");
    if (problem == REST_WRONG_TOKEN)
        http_add_header(request, "WWW-Authenticate",
                        "Bearer realm=\"tailgate\", error=\"invalid_token\"");
    if (problem == REST_UNAVAILABLE) {
        rest_refuse_for(request, problem, REST_AGAIN_S, detail);
        return;
    }
    http_problem(request, table[problem].status, table[problem].slug, table[problem].title, detail);
}

void rest_refuse_for(struct http_request *request, enum rest_problem problem, int64_t seconds,
                     const char *detail)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, seconds);
    http_add_header(request, "Retry-After", text);
    http_problem(request, table[problem].status, table[problem].slug, table[problem].title, detail);
}

void rest_problem_json(enum rest_problem problem, struct buffer *ret_json)
{
    buffer_format(ret_json,
                  "{\"type\":\"https://tailgate.invalid/problems/%s\",\"title\":\"%s\""
                  ",\"status\":%u}",
                  table[problem].slug, table[problem].title, table[problem].status);
}

enum rest_problem rest_judge(enum http_asked how, struct span reply, struct buffer *ret_detail)
{
    struct span type = span_str(""), code = span_str(""), error = span_str("");
    const struct jtext_wanted wanted[] = {{"type", &type}, {"code", &code}, {"error", &error}};

    if (how != HTTP_ANSWERED) {
        buffer_add(ret_detail, reply);
        return REST_UNAVAILABLE;
    }
    if (jtext_check(reply) != JTEXT_OBJECT) {
        buffer_text(ret_detail, "the gateway's answer cannot be read");
        return REST_UNAVAILABLE;
    }
    jtext_pick(reply, wanted, sizeof wanted / sizeof *wanted);
    if (!jtext_is(type, "error"))
        return REST_NO_PROBLEM;
    if (error.size && jtext_type(error) == JTEXT_STRING)
        jtext_decode(ret_detail, error);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (jtext_is(code, codes[i].code))
            return codes[i].problem;
    return REST_UNAVAILABLE;
}

bool rest_read_body(struct http_request *request, const struct rest_member *members,
                    struct buffer *ret_json)
{
    static const enum rest_problem problem[] = {[REST_NOT_JSON] = REST_BAD_JSON,
                                                [REST_NOT_VALID] = REST_INVALID,
                                                [REST_TOO_LONG] = REST_TOO_LARGE};
    struct buffer why;
    enum rest_fault fault;

    buffer_init(&why);
    fault = rest_body_read(http_body(request), members, ret_json, &why);
    if (fault)
        rest_refuse(request, problem[fault], why.data);
    buffer_done(&why);
    return !fault;
}

bool rest_read_session(struct http_request *request, struct buffer *ret_json)
{
    struct span token = http_bearer(request), id = http_part_of_path(request, 0);

    if (token.size == 0) {
        rest_refuse(request, REST_NO_TOKEN,
                    "say one of the conversation's session tokens: Authorization: Bearer …");
        return false;
    }
    if (id.size > LIMIT_CONVERSATION_ID || token.size > LIMIT_SESSION_TOKEN) {
        rest_refuse(request, id.size > LIMIT_CONVERSATION_ID ? REST_NOT_FOUND : REST_WRONG_TOKEN,
                    "");
        return false;
    }
    buffer_text(ret_json, "{");
    jtext_member(ret_json, "conversation_id", id);
    jtext_member(ret_json, "session_token", token);
    return true;
}

int64_t rest_number(struct span text, int64_t most)
{
    int64_t number = 0;

    if (text.size == 0 || text.size > 19)
        return -1;
    for (size_t i = 0; i < text.size; i++) {
        int digit = text.data[i] - '0';
        if (digit < 0 || digit > 9 || number > (INT64_MAX - digit) / 10)
            return -1;
        number = number * 10 + digit;
    }
    return number <= most ? number : -1;
}

void rest_path(struct buffer *ret_path, struct span conversation_id)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";

    buffer_text(ret_path, "/v1/conversations/");
    for (size_t i = 0; i < conversation_id.size; i++) {
        char byte = conversation_id.data[i];
        if (byte && strchr(unreserved, byte))
            buffer_byte(ret_path, byte);
        else
            buffer_format(ret_path, "%%%02X", (unsigned char)byte);
    }
}

void rest_copy(struct buffer *ret_json, const char *to, struct span reply, const char *from)
{
    struct span value;

    if (jtext_find(reply, from, &value))
        jtext_member_raw(ret_json, to, value);
}
