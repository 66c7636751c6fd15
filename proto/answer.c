/* What comes back from a worker, and the reply row that is made of it (proto/message.h). */
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
    struct span sources;
    struct span shard_id;
    struct span llm_type;
    struct span took;
};

static void members_read(struct span object, struct members *ret_members)
{
    struct members members = {.type = {NULL, 0}};
    const struct jtext_wanted wanted[] = {{"type", &members.type},
                                          {"answer", &members.answer},
                                          {"error", &members.error},
                                          {"retry", &members.retry},
                                          {"delivery", &members.delivery},
                                          {"sources", &members.sources},
                                          {"shard_id", &members.shard_id},
                                          {"llm_type", &members.llm_type},
                                          {"response_time_sec", &members.took}};
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

    bool type_error = members.type.size && jtext_type(members.type) == JTEXT_STRING &&
                      jtext_is(members.type, "error");
    bool error = members.error.size && jtext_type(members.error) != JTEXT_NULL;
    answer->token = read_token(members.delivery);
    if (type_error || (error && !members.answer.size)) {
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

void answer_reason(const struct answer *answer, struct buffer *ret_text)
{
    size_t start = ret_text->size;
    struct members members;

    if (space_only(answer->body)) {
        buffer_text(ret_text, "empty answer");
        return;
    }
    members_read(answer->body, &members);
    enum jtext_type type = members.error.size ? jtext_type(members.error) : JTEXT_NULL;
    if (type == JTEXT_STRING)
        jtext_decode(ret_text, members.error);
    else if (type != JTEXT_NULL)
        buffer_add(ret_text, members.error);
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

/* Appends TOOK_US as seconds with three decimals. */
static void put_seconds(struct buffer *ret_text, int64_t took_us)
{
    int64_t took_ms = took_us > 0 ? took_us / 1000 + (took_us % 1000 >= 500) : 0;
    buffer_format(ret_text, "%lld.%03d", (long long)(took_ms / 1000), (int)(took_ms % 1000));
}

/* Appends `"query_id":…` as the query had it, m<id> when it had none. */
static void put_query_id(struct buffer *ret_text, const struct reply_facts *facts)
{
    if (facts->query->query_id.size)
        jtext_member_raw(ret_text, "query_id", facts->query->query_id);
    else
        buffer_format(ret_text, ",\"query_id\":\"m%lld\"", (long long)facts->message_id);
}

/* The members that a response has and that the worker may have left out. */
static void put_missing(struct buffer *ret_text, const struct members *members,
                        const struct reply_facts *facts)
{
    if (!members->sources.size)
        jtext_member_raw(ret_text, "sources", span_str("[]"));
    if (!members->shard_id.size)
        jtext_member(ret_text, "shard_id", facts->worker);
    if (!members->llm_type.size)
        jtext_member(ret_text, "llm_type", span_str("unknown"));
    if (!members->took.size) {
        jtext_member_raw(ret_text, "response_time_sec", span_str(""));
        put_seconds(ret_text, facts->took_us);
    }
}

static void compose_response(const struct answer *answer, const struct members *members,
                             const struct reply_facts *facts, struct buffer *ret_text)
{
    static const char *const ours[] = {"type", "query_id", "delivery", NULL};

    buffer_text(ret_text, "{\"type\":\"response\"");
    put_query_id(ret_text, facts);
    if (answer->kind == ANSWER_OBJECT)
        jtext_members_except(ret_text, answer->body, ours);
    else if (answer->kind == ANSWER_JSON)
        jtext_member_raw(ret_text, "answer", answer->body);
    else
        jtext_member(ret_text, "answer", answer->body);
    put_missing(ret_text, members, facts);
    buffer_byte(ret_text, '}');
}

static void compose_plain(const struct answer *answer, const struct members *members,
                          struct buffer *ret_text)
{
    if (answer->kind == ANSWER_TEXT)
        utf8_repair(ret_text, answer->body);
    else if (answer->kind == ANSWER_JSON)
        buffer_add(ret_text, answer->body);
    else if (jtext_type(members->answer) == JTEXT_STRING)
        jtext_decode(ret_text, members->answer);
    else
        buffer_add(ret_text, members->answer);
}

/* Appends the metadata of a reply without its closing brace. */
static void put_metadata(struct buffer *ret_metadata, const struct reply_facts *facts)
{
    buffer_byte(ret_metadata, '{');
    jtext_member_integer(ret_metadata, "in_reply_to", facts->message_id);
    jtext_member(ret_metadata, "service", facts->service);
    jtext_member(ret_metadata, "worker", facts->worker);
    jtext_member_integer(ret_metadata, "attempt", facts->attempt);
    jtext_member_raw(ret_metadata, "response_time_sec", span_str(""));
    put_seconds(ret_metadata, facts->took_us);
}

void answer_compose(const struct answer *answer, const struct reply_facts *facts,
                    struct buffer *ret_text, struct buffer *ret_metadata)
{
    struct members members = {.type = {NULL, 0}};
    if (answer->kind == ANSWER_OBJECT)
        members_read(answer->body, &members);
    bool plain = facts->query->kind != MESSAGE_QUERY;

    if (plain)
        compose_plain(answer, &members, ret_text);
    else
        compose_response(answer, &members, facts, ret_text);
    put_metadata(ret_metadata, facts);
    if (plain && members.sources.size)
        jtext_member_raw(ret_metadata, "sources", members.sources);
    buffer_byte(ret_metadata, '}');
}

void dead_compose(struct span reason, const struct reply_facts *facts, struct buffer *ret_text,
                  struct buffer *ret_metadata)
{
    buffer_text(ret_text, "{\"type\":\"error\"");
    put_query_id(ret_text, facts);
    jtext_member(ret_text, "error", reason);
    jtext_member_integer(ret_text, "attempts", facts->attempt);
    buffer_byte(ret_text, '}');

    put_metadata(ret_metadata, facts);
    jtext_member_raw(ret_metadata, "dead", span_str("true"));
    buffer_byte(ret_metadata, '}');
}
