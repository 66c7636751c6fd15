#include "adapters/worker/bridge_query.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/jtext.h"
#include "proto/message.h"

/* The member of a query, and of a row's metadata, that says where it comes from. */
#define BRIDGED "bridged"

#define NO_ID "the gateway does not say which bridge this query is in: it is older than this worker"

/* What we look at; raw values, size 0 when absent. */
struct members {
    struct span type, query_id, question, metadata, bridged, delivery;
    struct span bridge, message_id, conversation, service; /* in delivery */
    bool others;                                           /* there are more than these */
};

void bridge_query_init(struct bridge_query *self)
{
    *self = (struct bridge_query){.message_id = 0};
}

void bridge_query_done(struct bridge_query *self)
{
    buffer_done(&self->conversation);
    buffer_done(&self->service);
    buffer_done(&self->text);
    buffer_done(&self->metadata);
    buffer_done(&self->query_id);
}

static bool is_string(struct span value)
{
    return value.size > 0 && jtext_type(value) == JTEXT_STRING;
}

static bool is_object(struct span value)
{
    return value.size > 0 && jtext_type(value) == JTEXT_OBJECT;
}

static void read_members(struct span json, struct members *ret_members)
{
    static const char *const known[] = {"type", "query_id", "question", "metadata", "delivery"};
    struct members members = {.type = {NULL, 0}};
    const struct jtext_wanted wanted[] = {
        {"type", &members.type},         {"query_id", &members.query_id},
        {"question", &members.question}, {"metadata", &members.metadata},
        {BRIDGED, &members.bridged},     {"delivery", &members.delivery}};
    const struct jtext_wanted inside[] = {{"bridge", &members.bridge},
                                          {"message_id", &members.message_id},
                                          {"conversation_id", &members.conversation},
                                          {"service", &members.service}};
    struct span name, value;
    size_t cursor = 0;
    jtext_pick(json, wanted, sizeof wanted / sizeof wanted[0]);
    if (is_object(members.delivery))
        jtext_pick(members.delivery, inside, sizeof inside / sizeof inside[0]);
    while (jtext_next(json, &cursor, &name, &value)) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            is_known = is_known || jtext_is(name, known[i]);
        members.others = members.others || !is_known;
    }
    *ret_members = members;
}

/* --- where it comes from --- */

/* Adds the bridges that BRIDGED (raw; size 0: none) names. Whoever wrote the query may have written
 * that, too: what is not as we write it says nothing. Returns false when there are too many. */
static bool read_chain(struct bridge_query *self, struct span bridged)
{
    struct span list, item;
    if (!is_object(bridged) || !jtext_find(bridged, "through", &list) ||
        jtext_type(list) != JTEXT_ARRAY)
        return true;
    while (jtext_item(&list, &item)) {
        if (self->through_count == BRIDGE_QUERY_CHAIN)
            return false;
        char *id = self->through[self->through_count];
        if (jtext_copy(item, id, BRIDGE_ID_SIZE) >= 0 && bridge_id_ok(span_str(id)))
            self->through_count++;
    }
    return true;
}

static const char *read_origin(struct bridge_query *self, const struct members *members)
{
    if (!is_string(members->bridge) ||
        jtext_copy(members->bridge, self->bridge, sizeof self->bridge) < 0 ||
        !bridge_id_ok(span_str(self->bridge)))
        return NO_ID;
    if (members->message_id.size == 0 ||
        jtext_integer(members->message_id, &self->message_id) != 0 || self->message_id <= 0 ||
        !is_string(members->conversation))
        return NO_ID;
    jtext_decode(&self->conversation, members->conversation);
    if (is_string(members->service))
        jtext_decode(&self->service, members->service);
    return self->conversation.size <= LIMIT_CONVERSATION_ID ? NULL : NO_ID;
}

/* --- what it becomes --- */

static void put_bridged(const struct bridge_query *self, struct buffer *ret_json)
{
    jtext_member_raw(ret_json, BRIDGED, span_str("{"));
    jtext_member(ret_json, "bridge", span_str(self->bridge));
    jtext_member_integer(ret_json, "message_id", self->message_id);
    jtext_member(ret_json, "conversation_id", buffer_span(&self->conversation));
    jtext_member_raw(ret_json, "through", span_str("["));
    for (size_t i = 0; i < self->through_count; i++) {
        if (i > 0)
            buffer_byte(ret_json, ',');
        jtext_quote(ret_json, span_str(self->through[i]));
    }
    buffer_text(ret_json, "]}");
}

/* A question in plain text, as the gateway wraps it (proto/message.h). */
static bool is_plain(const struct bridge_query *self, const struct members *members)
{
    char id[32];
    snprintf(id, sizeof id, "m%" PRId64, self->message_id);
    return !members->others && is_string(members->question) && is_string(members->query_id) &&
           jtext_is(members->query_id, id);
}

/* A query object with its members as they are, but for what is said anew. */
static void put_object(struct bridge_query *self, struct span json, const struct members *members)
{
    static const char *const ours[] = {BRIDGED, "delivery", NULL};
    buffer_reset(&self->text);
    buffer_byte(&self->text, '{');
    jtext_members_except(&self->text, json, ours);
    if (members->query_id.size == 0) { /* one to be known by, where replies name no rows */
        jtext_member_raw(&self->text, "query_id", span_str("\""));
        buffer_format(&self->text, "%s-%" PRId64 "\"", self->bridge, self->message_id);
    }
    put_bridged(self, &self->text);
    buffer_byte(&self->text, '}');
}

/* What the asker said in its metadata is passed on with a question in plain text; but not what a
 * gateway or we read there. */
static void put_metadata(struct bridge_query *self, const struct members *members)
{
    static const char *const ours[] = {"action_type", "service",    BRIDGED,
                                       "gate",        "redrive_of", NULL};
    buffer_reset(&self->metadata);
    buffer_byte(&self->metadata, '{');
    if (self->plain)
        jtext_member(&self->metadata, "action_type", span_str("question"));
    if (self->plain && is_object(members->metadata))
        jtext_members_except(&self->metadata, members->metadata, ours);
    jtext_member(&self->metadata, "service", buffer_span(&self->service));
    put_bridged(self, &self->metadata);
    buffer_byte(&self->metadata, '}');
}

/* True when the row as it stands is what it should be there: some text cannot be a question. */
static bool is_question(const struct bridge_query *self)
{
    const struct message_row row = {buffer_span(&self->text), true, buffer_span(&self->metadata),
                                    true};
    struct message message;
    message_read(&row, &message);
    return message.kind == MESSAGE_QUESTION;
}

static void redact_buffer(struct redact *redact, bool json, struct buffer *text, bool *ret_redacted)
{
    struct buffer clean;
    buffer_init(&clean);
    int count = json ? redact_json(redact, buffer_span(text), &clean)
                     : redact_text(redact, buffer_span(text), &clean);
    if (count > 0) {
        *ret_redacted = true;
        buffer_done(text);
        *text = clean;
    } else {
        buffer_done(&clean);
    }
}

static void compose(struct bridge_query *self, struct span json, const struct members *members,
                    struct redact *redact)
{
    struct span value;
    self->plain = is_plain(self, members);
    put_metadata(self, members);
    if (self->plain) {
        jtext_decode(&self->text, members->question);
        self->plain = is_question(self);
    }
    if (!self->plain) {
        put_metadata(self, members);
        put_object(self, json, members);
    }
    redact_buffer(redact, !self->plain, &self->text, &self->redacted);
    redact_buffer(redact, true, &self->metadata, &self->redacted);
    if (!self->plain && jtext_find(buffer_span(&self->text), "query_id", &value) &&
        jtext_type(value) == JTEXT_STRING)
        jtext_decode(&self->query_id, value);
}

const char *bridge_query_read(struct bridge_query *self, struct span json, struct redact *redact,
                              bool *ret_final)
{
    struct members members;
    *ret_final = true;
    if (jtext_check(json) != JTEXT_OBJECT)
        return "the query is no JSON object";
    read_members(json, &members);
    const char *why = read_origin(self, &members);
    *ret_final = false;
    if (why)
        return why;
    bool room = read_chain(self, members.bridged);
    if (room && is_plain(self, &members) && is_object(members.metadata) &&
        jtext_find(members.metadata, BRIDGED, &members.bridged))
        room = read_chain(self, members.bridged);
    *ret_final = true;
    if (!room)
        return "this query has been in too many bridges";
    memcpy(self->through[self->through_count++], self->bridge, sizeof self->bridge);
    redact_buffer(redact, false, &self->conversation, &self->redacted);
    compose(self, json, &members, redact);
    return NULL;
}

struct forward_query bridge_query_forward(const struct bridge_query *self)
{
    return (struct forward_query){
        .bridge = span_str(self->bridge),
        .message_id = self->message_id,
        .conversation = buffer_span(&self->conversation),
        .through = self->through,
        .through_count = self->through_count,
        .service = buffer_span(&self->service),
        .text = buffer_span(&self->text),
        .metadata = buffer_span(&self->metadata),
        .redacted = self->redacted,
    };
}
