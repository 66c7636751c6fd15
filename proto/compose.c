/* The reply row that is made of a worker's answer, redacted and cut (proto/message.h). */
#include <assert.h>

#include "proto/compose_parts.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

#define RESPONSE_USUAL 250 /* of a response, without answer and query_id */

/* The members of an answer object that we look at; size 0 when absent. */
struct members {
    struct span answer;
    struct span sources;
    struct span shard_id;
    struct span llm_type;
    struct span took;
    struct span usage;
};

/* A reply under way. What its spans point to is the worker's or in the buffers. */
struct draft {
    struct reply_facts facts; /* names redacted */
    bool plain;               /* the question came in plain text */
    enum answer_kind kind;
    struct span body; /* of the answer, redacted; an object has only the members that get in */
    struct members members;
    struct buffer given, body_text, service, worker, through;
    int redacted;
};

static void members_read(struct span object, struct members *ret_members)
{
    struct members members = {.answer = {NULL, 0}};
    const struct jtext_wanted wanted[] = {
        {"answer", &members.answer},          {"sources", &members.sources},
        {"shard_id", &members.shard_id},      {"llm_type", &members.llm_type},
        {"response_time_sec", &members.took}, {"usage", &members.usage}};
    jtext_pick(object, wanted, sizeof wanted / sizeof wanted[0]);
    *ret_members = members;
}

/* --- redacting --- */

static struct span redact_text(struct draft *self, struct span text, struct buffer *store)
{
    return parts_redact_text(self->facts.redactor, text, store, &self->redacted);
}

static struct span redact_json(struct draft *self, struct span json, struct buffer *store)
{
    return parts_redact_json(self->facts.redactor, json, store, &self->redacted);
}

/* An object of those members of BODY that get into the reply: only they are redacted and counted.
 */
static void put_given(struct span body, bool plain, struct buffer *ret_json)
{
    static const char *const ours[] = {"type", "query_id", "delivery", NULL};
    struct members members;

    buffer_reserve(ret_json, body.size);
    buffer_byte(ret_json, '{');
    if (!plain) {
        jtext_members_except(ret_json, body, ours);
    } else {
        members_read(body, &members);
        jtext_member_raw(ret_json, "answer", members.answer);
        if (members.sources.size)
            jtext_member_raw(ret_json, "sources", members.sources);
        if (members.usage.size)
            jtext_member_raw(ret_json, "usage", members.usage);
    }
    buffer_byte(ret_json, '}');
}

/* A draft without an answer; the caller ends it with draft_done(). */
static void draft_init(struct draft *self, const struct reply_facts *facts)
{
    *self = (struct draft){.facts = *facts, .plain = facts->query->kind != MESSAGE_QUERY};
    self->facts.service = redact_text(self, facts->service, &self->service);
    self->facts.worker = redact_text(self, facts->worker, &self->worker);
    if (facts->through.size)
        self->facts.through = redact_json(self, facts->through, &self->through);
}

static void draft_take(struct draft *self, const struct answer *answer)
{
    self->kind = answer->kind;
    if (answer->kind == ANSWER_OBJECT) {
        put_given(answer->body, self->plain, &self->given);
        self->body = redact_json(self, buffer_span(&self->given), &self->body_text);
        members_read(self->body, &self->members);
    } else if (answer->kind == ANSWER_JSON) {
        self->body = redact_json(self, answer->body, &self->body_text);
    } else {
        self->body = redact_text(self, answer->body, &self->body_text);
    }
}

static void draft_done(struct draft *self)
{
    buffer_done(&self->given);
    buffer_done(&self->body_text);
    buffer_done(&self->service);
    buffer_done(&self->worker);
    buffer_done(&self->through);
}

/* --- the parts --- */

/* Appends the start of an object of TYPE, and its `"query_id":…` as the query had it, m<id> when it
 * had none. */
static void put_head(struct buffer *ret_text, const char *type, const struct reply_facts *facts)
{
    buffer_byte(ret_text, '{');
    jtext_member(ret_text, "type", span_str(type));
    if (facts->query->query_id.size) {
        jtext_member_raw(ret_text, "query_id", facts->query->query_id);
        return;
    }
    buffer_text(ret_text, ",\"query_id\":\"m");
    buffer_number(ret_text, facts->message_id);
    buffer_byte(ret_text, '"');
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
        parts_seconds(ret_text, facts->took_us);
    }
}

/* Appends the members of an object of put_given(), redacted or not. */
static void put_all(struct span object, struct buffer *ret_text)
{
    if (object.size <= strlen("{}"))
        return;
    buffer_byte(ret_text, ',');
    buffer_add(ret_text, span_of(object.data + 1, object.size - strlen("{}")));
}

static void put_response(const struct draft *self, struct buffer *ret_text)
{
    put_head(ret_text, "response", &self->facts);
    if (self->kind == ANSWER_OBJECT)
        put_all(self->body, ret_text);
    else if (self->kind == ANSWER_JSON)
        jtext_member_raw(ret_text, "answer", self->body);
    else
        jtext_member(ret_text, "answer", self->body);
    put_missing(ret_text, &self->members, &self->facts);
    buffer_byte(ret_text, '}');
}

static void put_plain(const struct draft *self, struct buffer *ret_text)
{
    if (self->kind == ANSWER_TEXT)
        utf8_repair(ret_text, self->body);
    else if (self->kind == ANSWER_JSON)
        buffer_add(ret_text, self->body);
    else if (jtext_type(self->members.answer) == JTEXT_STRING)
        jtext_decode(ret_text, self->members.answer);
    else
        buffer_add(ret_text, self->members.answer);
}

/* --- cutting --- */

/* What of the worker's members besides its answer stays in a response that is too long. */
enum keep { KEEP_ALL, KEEP_NO_SOURCES, KEEP_KNOWN, KEEP_NONE };

/* Appends the members that stand behind the answer. */
static void put_rest(const struct draft *self, enum keep keep, struct buffer *ret_text)
{
    static const char *const answer[] = {"answer", NULL};
    static const char *const both[] = {"answer", "sources", NULL};
    struct members kept = self->members;

    if (keep != KEEP_ALL)
        kept.sources.size = 0;
    if (keep == KEEP_NONE)
        kept = (struct members){.answer = {NULL, 0}};
    if (self->kind == ANSWER_OBJECT && keep <= KEEP_NO_SOURCES)
        jtext_members_except(ret_text, self->body, keep == KEEP_ALL ? answer : both);
    else if (keep == KEEP_KNOWN && kept.shard_id.size)
        jtext_member_raw(ret_text, "shard_id", kept.shard_id);
    if (keep == KEEP_KNOWN && kept.llm_type.size)
        jtext_member_raw(ret_text, "llm_type", kept.llm_type);
    if (keep == KEEP_KNOWN && kept.took.size)
        jtext_member_raw(ret_text, "response_time_sec", kept.took);
    put_missing(ret_text, &kept, &self->facts);
}

/* Appends the answer as a JSON string. */
static void put_literal(const struct draft *self, struct buffer *ret_text)
{
    struct span value = self->kind == ANSWER_OBJECT ? self->members.answer : self->body;

    if (self->kind == ANSWER_OBJECT && jtext_type(value) == JTEXT_STRING)
        buffer_add(ret_text, value);
    else
        jtext_quote(ret_text, value);
}

/* Appends a response of at most LIMIT_REPLY_CHARS characters. What we write ourselves has far less
 * than half of them: a query_id has at most LIMIT_QUERY_ID bytes, a name LIMIT_WORKER_NAME. */
static void put_response_cut(const struct draft *self, struct buffer *ret_text)
{
    struct buffer literal, rest;
    size_t start = ret_text->size, others, length;

    buffer_init(&literal);
    buffer_init(&rest);
    put_literal(self, &literal);
    length = utf8_count(buffer_span(&literal));
    put_head(ret_text, "response", &self->facts);
    buffer_text(ret_text, ",\"answer\":");
    for (enum keep keep = KEEP_ALL; keep <= KEEP_NONE; keep++) {
        buffer_reset(&rest);
        put_rest(self, keep, &rest);
        others = utf8_count(span_of(ret_text->data + start, ret_text->size - start)) +
                 utf8_count(buffer_span(&rest)) + strlen(",}");
        if (others + length <= LIMIT_REPLY_CHARS || others <= LIMIT_REPLY_CHARS / 2)
            break;
    }
    assert(others + 2 <= LIMIT_REPLY_CHARS);
    buffer_byte(ret_text, '"');
    buffer_add(ret_text, jtext_cut(buffer_span(&literal), LIMIT_REPLY_CHARS - others - 2));
    buffer_text(ret_text, "\",");
    buffer_add(ret_text, buffer_span(&rest));
    buffer_byte(ret_text, '}');
    buffer_done(&literal);
    buffer_done(&rest);
}

/* Cuts RET_TEXT, from START on the text of the reply. */
static void cut_text(const struct draft *self, size_t start, struct buffer *ret_text,
                     struct buffer *ret_whole)
{
    struct span text = span_of(ret_text->data + start, ret_text->size - start);

    buffer_add(ret_whole, text);
    ret_text->size = start;
    if (!self->plain)
        put_response_cut(self, ret_text);
    else
        ret_text->size += utf8_cut_chars(text, LIMIT_REPLY_CHARS).size;
    ret_text->data[ret_text->size] = '\0';
}

/* What the answer cost, for whoever counts: tokens, the model's name. */
static void put_usage(const struct draft *self, struct buffer *ret_metadata)
{
    struct span usage = self->members.usage;

    if (usage.size && usage.size <= LIMIT_USAGE && jtext_type(usage) == JTEXT_OBJECT)
        jtext_member_raw(ret_metadata, "usage", usage);
}

int answer_compose(const struct answer *answer, const struct reply_facts *facts,
                   struct buffer *ret_text, struct buffer *ret_metadata, struct buffer *ret_whole)
{
    struct draft draft;
    size_t start = ret_text->size, whole = ret_whole->size, length = 0;
    bool cut, sources;

    draft_init(&draft, facts);
    draft_take(&draft, answer);
    buffer_reserve(ret_text, draft.body.size + facts->query->query_id.size + RESPONSE_USUAL);
    if (draft.plain)
        put_plain(&draft, ret_text);
    else
        put_response(&draft, ret_text);
    cut = parts_is_long(span_of(ret_text->data + start, ret_text->size - start));
    sources = draft.plain && parts_is_long(draft.members.sources);
    if (cut || sources)
        length = utf8_count(span_of(ret_text->data + start, ret_text->size - start));
    if (cut)
        cut_text(&draft, start, ret_text, ret_whole);
    if (sources) {
        ret_whole->size = whole;
        buffer_add(ret_whole, draft.body);
    }
    parts_metadata(ret_metadata, &draft.facts);
    if (draft.plain && draft.members.sources.size)
        jtext_member_raw(ret_metadata, "sources", sources ? span_str("[]") : draft.members.sources);
    put_usage(&draft, ret_metadata);
    if (cut || sources)
        parts_cut(ret_metadata, length);
    buffer_byte(ret_metadata, '}');
    draft_done(&draft);
    return draft.redacted;
}

int answer_keep(const struct answer *answer, const struct rewriter *redactor,
                struct buffer *ret_text)
{
    struct draft draft = {.facts = {.redactor = redactor}};
    bool json = answer->kind == ANSWER_OBJECT || answer->kind == ANSWER_JSON;

    draft.body = json ? redact_json(&draft, answer->body, &draft.body_text)
                      : redact_text(&draft, answer->body, &draft.body_text);
    utf8_repair(ret_text, draft.body);
    draft_done(&draft);
    return draft.redacted;
}

int dead_compose(struct span reason, const struct reply_facts *facts, struct buffer *ret_text,
                 struct buffer *ret_metadata)
{
    struct draft draft;
    struct buffer store;

    buffer_init(&store);
    draft_init(&draft, facts);
    put_head(ret_text, "error", facts);
    jtext_member(ret_text, "error", redact_text(&draft, reason, &store));
    jtext_member_integer(ret_text, "attempts", facts->attempt);
    buffer_byte(ret_text, '}');

    parts_metadata(ret_metadata, &draft.facts);
    jtext_member_raw(ret_metadata, "dead", span_str("true"));
    buffer_byte(ret_metadata, '}');
    draft_done(&draft);
    buffer_done(&store);
    return draft.redacted;
}
