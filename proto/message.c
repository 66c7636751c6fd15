#include "proto/message.h"

#include "proto/jtext.h"
#include "proto/space.h"
#include "proto/utf8.h"

const char *message_kind_name(enum message_kind kind)
{
    static const char *const name[MESSAGE_KINDS] = {
        [MESSAGE_QUERY] = "query",       [MESSAGE_QUESTION] = "question",
        [MESSAGE_RESPONSE] = "response", [MESSAGE_OTHER] = "other",
        [MESSAGE_EMPTY] = "empty",       [MESSAGE_BROKEN_JSON] = "broken-json",
        [MESSAGE_NOT_UTF8] = "not-utf8", [MESSAGE_NOT_TEXT] = "not-text",
    };
    return (unsigned)kind < MESSAGE_KINDS ? name[kind] : "unknown";
}

bool message_is_query(enum message_kind kind)
{
    return kind == MESSAGE_QUERY || kind == MESSAGE_QUESTION;
}

bool message_service_ok(struct span name)
{
    if (name.size == 0 || name.size > LIMIT_SERVICE)
        return false;
    if (!utf8_valid(name) || utf8_has_control(name))
        return false;
    return !memmem(name.data, name.size, "\xef\xbf\xbd", 3);
}

struct span message_service_of(const struct message *message, struct span role)
{
    if (message->service[0])
        return span_str(message->service);
    return message_service_ok(role) ? role : span_str("default");
}

/* The members of an object that say what a message is; size 0 when absent. */
struct members {
    struct span type;
    struct span query_id;
    struct span service;
    struct span action;
    struct span gate; /* in metadata: what marks a request */
};

/* Reads MEMBERS, which are empty, of OBJECT. False: it is none; then they stay so. */
static bool members_read(struct span object, struct members *members)
{
    const struct jtext_wanted wanted[] = {{"type", &members->type},
                                          {"query_id", &members->query_id},
                                          {"service", &members->service},
                                          {"action_type", &members->action},
                                          {"gate", &members->gate}};

    if (jtext_check_pick(object, wanted, sizeof wanted / sizeof wanted[0]) == JTEXT_OBJECT)
        return true;
    *members = (struct members){.type = {NULL, 0}};
    return false;
}

/* True when VALUE is there and is a string. */
static bool is_string(struct span value)
{
    return value.size && jtext_type(value) == JTEXT_STRING;
}

/* True when VALUE is there and is the string TEXT. */
static bool string_is(struct span value, const char *text)
{
    return is_string(value) && jtext_is(value, text);
}

/* Copies the service that VALUE names; false when it names none. */
static bool read_service(struct span value, char ret_service[LIMIT_SERVICE + 1])
{
    char service[LIMIT_SERVICE + 1];
    if (value.size == 0 || jtext_type(value) != JTEXT_STRING)
        return false;
    int size = jtext_copy(value, service, sizeof service);
    if (size < 0 || !message_service_ok(span_of(service, (size_t)size)))
        return false;
    memcpy(ret_service, service, (size_t)size + 1);
    return true;
}

/* What TEXT is by itself; MEMBERS are filled in when it is an object. */
static enum message_kind read_text(struct span text, struct members *members)
{
    struct span content = space_skip(text);
    if (content.size == 0)
        return MESSAGE_EMPTY;
    bool object = content.data[0] == '{';
    if (object && members_read(text, members)) {
        if (string_is(members->type, "query"))
            return MESSAGE_QUERY;
        bool response = string_is(members->type, "response") || string_is(members->type, "error");
        return response ? MESSAGE_RESPONSE : MESSAGE_OTHER;
    }
    if (!utf8_valid(text))
        return MESSAGE_NOT_UTF8;
    return object ? MESSAGE_BROKEN_JSON : MESSAGE_OTHER;
}

/* Reads metadata.gate: a request, or nothing when anything about it is odd. */
static void read_gate(struct span gate, struct message *message)
{
    struct span protocol = {NULL, 0}, body = {NULL, 0}, from = {NULL, 0}, ticket = {NULL, 0};
    const struct jtext_wanted wanted[] = {
        {"protocol", &protocol}, {"body", &body}, {"from", &from}, {"ticket", &ticket}};
    enum body_form form;

    if (gate.size == 0 || jtext_type(gate) != JTEXT_OBJECT)
        return;
    jtext_pick(gate, wanted, sizeof wanted / sizeof wanted[0]);
    bool majordomo = string_is(protocol, "MDP/0.1") || string_is(protocol, "MDP/0.2");
    if (!majordomo && !string_is(protocol, "REQ"))
        return;
    if (!is_string(from) || !is_string(body))
        return;
    if (!body_form_read(span_of(body.data + 1, body.size - 2), &form))
        return;
    if (ticket.size && jtext_type(ticket) != JTEXT_BOOL)
        return;
    message->request = true;
    message->majordomo = majordomo;
    message->ticket = span_is(ticket, "true");
    message->body = form;
}

/* What a request is, whose text alone would be KIND. */
static enum message_kind kind_of_request(enum message_kind kind, enum body_form body)
{
    if (kind == MESSAGE_NOT_TEXT || kind == MESSAGE_NOT_UTF8)
        return kind;
    return kind == MESSAGE_QUERY && body == BODY_TEXT ? MESSAGE_QUERY : MESSAGE_QUESTION;
}

void message_read(const struct message_row *row, struct message *ret_message)
{
    struct message message = {.kind = MESSAGE_NOT_TEXT};
    struct members body = {.type = {NULL, 0}};
    struct members meta = {.type = {NULL, 0}};

    if (row->metadata.size)
        message.metadata_odd = !row->metadata_is_text || !members_read(row->metadata, &meta);
    if (row->text_is_text)
        message.kind = read_text(row->text, &body);
    bool asks = string_is(meta.action, "question") || string_is(meta.action, "query");
    if (asks && (message.kind == MESSAGE_OTHER || message.kind == MESSAGE_BROKEN_JSON))
        message.kind = MESSAGE_QUESTION;
    read_gate(meta.gate, &message);
    if (message.request)
        message.kind = kind_of_request(message.kind, message.body);
    if (message.kind == MESSAGE_QUERY && body.query_id.size <= LIMIT_QUERY_ID)
        message.query_id = body.query_id;
    if (!read_service(meta.service, message.service))
        read_service(body.service, message.service);
    *ret_message = message;
}

void message_compose_gate(struct span service, const char *protocol, enum body_form body,
                          struct span from, struct span name, bool ticket,
                          struct buffer *ret_metadata)
{
    buffer_byte(ret_metadata, '{');
    jtext_member(ret_metadata, "action_type", span_str("question"));
    jtext_member(ret_metadata, "service", service);
    jtext_member_raw(ret_metadata, "gate", span_str("{"));
    jtext_member(ret_metadata, "protocol", span_str(protocol));
    jtext_member(ret_metadata, "body", span_str(body_form_name(body)));
    jtext_member(ret_metadata, "from", from);
    if (name.size)
        jtext_member(ret_metadata, "name", name);
    if (ticket)
        jtext_member_raw(ret_metadata, "ticket", span_str("true"));
    buffer_text(ret_metadata, "}}");
}

/* Who asks is known; what they say is theirs, and nobody has checked it. */
static void put_sender(const struct delivery *delivery, struct buffer *ret_json)
{
    if (!delivery->principal.size)
        return;
    identity_member(ret_json, "sender", delivery->principal, delivery->name);
    ret_json->size--; /* the object goes on */
    jtext_member(ret_json, "content", span_str("unverified"));
    buffer_byte(ret_json, '}');
}

static void put_delivery(const struct delivery *delivery, struct buffer *ret_json)
{
    jtext_member_raw(ret_json, "delivery", span_str("{"));
    jtext_member_integer(ret_json, "message_id", delivery->message_id);
    jtext_member(ret_json, "conversation_id", delivery->conversation_id);
    jtext_member(ret_json, "bridge", delivery->bridge);
    jtext_member(ret_json, "service", delivery->service);
    jtext_member(ret_json, "from", delivery->from);
    jtext_member_integer(ret_json, "attempt", delivery->attempt);
    jtext_member(ret_json, "deadline", delivery->deadline);
    jtext_member(ret_json, "token", delivery->token);
    put_sender(delivery, ret_json);
    buffer_byte(ret_json, '}');
}

/* The members of plain text made a query. */
static void put_question(const struct message_row *row, const struct message *message,
                         int64_t message_id, struct buffer *ret_json)
{
    jtext_member(ret_json, "type", span_str("query"));
    buffer_format(ret_json, ",\"query_id\":\"m%lld\"", (long long)message_id);
    jtext_member(ret_json, "question", row->text);
    if (row->metadata.size == 0 || message->metadata_odd)
        return;
    if (jtext_check_depth(row->metadata, LIMIT_JSON_DEPTH - 1) == JTEXT_OBJECT)
        jtext_member_raw(ret_json, "metadata", row->metadata);
}

/* Makes blanks of the line breaks from byte START on. Valid JSON has them between tokens only. */
static void join_lines(struct buffer *json, size_t start)
{
    static const char breaks[] = {'\n', '\r'};

    for (size_t i = 0; i < sizeof breaks; i++) {
        char *at = json->data + start;
        while ((at = memchr(at, breaks[i], (size_t)(json->data + json->size - at))))
            *at = ' ';
    }
}

void message_compose_query(const struct message_row *row, const struct message *message,
                           const struct delivery *delivery, struct buffer *ret_json)
{
    static const char *const own[] = {"delivery", NULL};
    size_t start = ret_json->size;

    buffer_byte(ret_json, '{');
    if (message->kind == MESSAGE_QUERY)
        jtext_members_except(ret_json, row->text, own);
    else
        put_question(row, message, delivery->message_id, ret_json);
    join_lines(ret_json, start);
    put_delivery(delivery, ret_json);
    buffer_byte(ret_json, '}');
}
