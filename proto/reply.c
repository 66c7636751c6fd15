#include "proto/reply.h"

#include "proto/jtext.h"
#include "proto/utf8.h"

void reply_init(struct reply *self)
{
    memset(self, 0, sizeof *self);
    buffer_init(&self->text);
    buffer_init(&self->sources);
}

void reply_done(struct reply *self)
{
    buffer_done(&self->text);
    buffer_done(&self->sources);
}

/* The string VALUE, its escapes decoded, is TEXT. */
static bool says(struct span value, const char *text)
{
    return jtext_type(value) == JTEXT_STRING && jtext_is(value, text);
}

bool reply_find_target(const struct message_row *columns, struct reply_target *ret_target)
{
    struct span value;
    struct reply_target target = {0, {NULL, 0}};
    if (columns->metadata_is_text && jtext_check(columns->metadata) == JTEXT_OBJECT &&
        jtext_find(columns->metadata, "in_reply_to", &value)) {
        if (jtext_type(value) != JTEXT_NUMBER || jtext_integer(value, &target.message_id) != 0)
            return false;
    } else if (!columns->text_is_text || jtext_check(columns->text) != JTEXT_OBJECT ||
               !jtext_find(columns->text, "query_id", &target.query_id)) {
        return false;
    }
    *ret_target = target;
    return true;
}

bool reply_is_for(const struct reply_target *target, const struct reply_key *key)
{
    if (target->query_id.size > 0)
        return says(target->query_id, key->query_id);
    return target->message_id == key->message_id;
}

bool reply_answers(const struct message_row *columns, const struct reply_key *key)
{
    struct reply_target target;
    return reply_find_target(columns, &target) && reply_is_for(&target, key);
}

/* An error reply, by its type or because it has an error and no answer. */
static bool object_is_error(struct span object)
{
    struct span value;
    if (jtext_find(object, "type", &value) && says(value, "error"))
        return true;
    return !jtext_find(object, "answer", &value) && jtext_find(object, "error", &value);
}

static bool metadata_says_dead(const struct message_row *columns)
{
    struct span value;
    return columns->metadata_is_text && jtext_check(columns->metadata) == JTEXT_OBJECT &&
           jtext_find(columns->metadata, "dead", &value) && span_is(value, "true");
}

void reply_take(struct reply *self, int64_t id, const struct message_row *columns)
{
    struct span sources = {NULL, 0};
    buffer_reset(&self->text);
    buffer_reset(&self->sources);
    utf8_repair(&self->text, columns->text);
    struct span text = buffer_span(&self->text);
    self->id = id;
    self->is_object = jtext_check(text) == JTEXT_OBJECT;
    self->is_error = self->is_object && object_is_error(text);
    self->is_dead = self->is_error && metadata_says_dead(columns);
    if (self->is_object && jtext_find(text, "sources", &sources))
        buffer_add(&self->sources, sources);
    else if (columns->metadata_is_text && jtext_check(columns->metadata) == JTEXT_OBJECT &&
             jtext_find(columns->metadata, "sources", &sources))
        buffer_add(&self->sources, sources);
}

/* Appends a string's content, or any other value as its JSON. */
static void add_value(struct buffer *text, struct span value)
{
    if (jtext_type(value) == JTEXT_STRING)
        jtext_decode(text, value);
    else
        buffer_add(text, value);
}

void reply_words(const struct reply *self, struct buffer *ret_text)
{
    struct span text = buffer_span(&self->text), value;
    size_t before = ret_text->size;
    if (self->is_object && jtext_find(text, self->is_error ? "error" : "answer", &value))
        add_value(ret_text, value);
    else
        buffer_add(ret_text, text);
    while (ret_text->size > before && strchr("\r\n", ret_text->data[ret_text->size - 1]))
        ret_text->data[--ret_text->size] = '\0';
}

void reply_json(const struct reply *self, const char *query_id, struct buffer *ret_json)
{
    struct span text = buffer_span(&self->text);
    if (self->is_object) {
        buffer_add(ret_json, text);
        return;
    }
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "type", span_str("response"));
    jtext_member(ret_json, "query_id", span_str(query_id));
    jtext_member(ret_json, "answer", text);
    jtext_member_raw(ret_json, "sources",
                     self->sources.size ? buffer_span(&self->sources) : span_str("[]"));
    buffer_byte(ret_json, '}');
}
