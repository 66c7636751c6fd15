#include "gateway/http_rest_body.h"

#include <assert.h>
#include <inttypes.h>

#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#define NAME_SHOWN 60 /* bytes of a member's name that is not known */
#define REPLACEMENT "\xef\xbf\xbd"

/* How often U+FFFD stands in TEXT, or, ESCAPES, is meant by the raw literal TEXT. */
static size_t replacements(struct span text, bool escapes)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++) {
        struct span rest = span_of(text.data + i, text.size - i);
        if (span_starts(rest, REPLACEMENT))
            count++;
        if (!escapes || rest.data[0] != '\\')
            continue;
        if (rest.size >= 6 && rest.data[1] == 'u' && strncasecmp(rest.data + 2, "fffd", 4) == 0)
            count++;
        i++; /* what is escaped is no escape */
    }
    return count;
}

/* The text of a string LITERAL. False when it holds what no text of the bridge may: U+0000 or half
 * a surrogate pair, which jtext_decode() replaces. */
static bool decode(struct span literal, struct buffer *ret_text)
{
    jtext_decode(ret_text, literal);
    return replacements(buffer_span(ret_text), false) == replacements(literal, true);
}

static enum rest_fault refuse(struct buffer *ret_why, const struct rest_member *member,
                              const char *what)
{
    buffer_format(ret_why, "\"%s\" must be %s", member->name, what);
    return REST_NOT_VALID;
}

static enum rest_fault refuse_length(struct buffer *ret_why, const struct rest_member *member,
                                     size_t length)
{
    const char *unit = member->type == REST_PROSE ? "characters" : "bytes of UTF-8";

    buffer_format(ret_why, "\"%s\" must have %" PRId64 " to %" PRId64 " %s, and has %zu",
                  member->name, member->least, member->most, unit, length);
    return member->type == REST_PROSE && length > 0 ? REST_TOO_LONG : REST_NOT_VALID;
}

static enum rest_fault read_text(struct span value, const struct rest_member *member,
                                 struct buffer *ret_text, struct buffer *ret_why)
{
    struct span text;
    size_t length;

    if (jtext_type(value) != JTEXT_STRING)
        return refuse(ret_why, member, "a string");
    if (!decode(value, ret_text))
        return refuse(ret_why, member, "text without U+0000 and half surrogate pairs");
    text = buffer_span(ret_text);
    if (member->type == REST_NAME && utf8_has_control(text))
        return refuse(ret_why, member, "text without control characters");
    length = member->type == REST_PROSE ? utf8_count(text) : text.size;
    if (length < (size_t)member->least || length > (size_t)member->most)
        return refuse_length(ret_why, member, length);
    return REST_FINE;
}

static enum rest_fault read_integer(struct span value, const struct rest_member *member,
                                    struct buffer *ret_why)
{
    int64_t number;

    if (jtext_integer(value, &number) == 0 && number >= member->least && number <= member->most)
        return REST_FINE;
    buffer_format(ret_why, "\"%s\" must be a whole number from %" PRId64 " to %" PRId64,
                  member->name, member->least, member->most);
    return REST_NOT_VALID;
}

/* Checks VALUE and appends it under its name. */
static enum rest_fault take_member(struct span value, const struct rest_member *member,
                                   struct buffer *ret_json, struct buffer *ret_why)
{
    struct buffer text;
    enum rest_fault fault;

    if (member->type == REST_INTEGER) {
        fault = read_integer(value, member, ret_why);
        if (!fault)
            jtext_member_raw(ret_json, member->name, value);
        return fault;
    }
    buffer_init(&text);
    fault = read_text(value, member, &text, ret_why);
    if (!fault)
        jtext_member(ret_json, member->name, buffer_span(&text));
    buffer_done(&text);
    return fault;
}

/* Finds each member's value; the rest is a fault. */
static enum rest_fault find_members(struct span body, const struct rest_member *table,
                                    struct span value[REST_MEMBERS_MAX], struct buffer *ret_why)
{
    struct span name, one;
    size_t cursor = 0;

    while (jtext_next(body, &cursor, &name, &one)) {
        size_t i = 0;
        while (table[i].name && !jtext_is(name, table[i].name))
            i++;
        if (!table[i].name) {
            buffer_text(ret_why, "unknown member ");
            escape_text(ret_why, escape_cut(name, NAME_SHOWN), ESCAPE_CELL);
            return REST_NOT_VALID;
        }
        if (value[i].size) {
            buffer_format(ret_why, "\"%s\" is there twice", table[i].name);
            return REST_NOT_VALID;
        }
        value[i] = one;
    }
    return REST_FINE;
}

static enum rest_fault read_members(const struct span value[REST_MEMBERS_MAX],
                                    const struct rest_member *table, struct buffer *ret_json,
                                    struct buffer *ret_why)
{
    for (size_t i = 0; table[i].name; i++) {
        enum rest_fault fault = REST_FINE;
        if (value[i].size)
            fault = take_member(value[i], &table[i], ret_json, ret_why);
        else if (table[i].required)
            fault = refuse(ret_why, &table[i], "there");
        if (fault)
            return fault;
    }
    return REST_FINE;
}

enum rest_fault rest_body_read(struct span body, const struct rest_member *table,
                               struct buffer *ret_json, struct buffer *ret_why)
{
    struct span value[REST_MEMBERS_MAX] = {{NULL, 0}};
    struct buffer json;
    enum jtext_type type;
    enum rest_fault fault;

    if (body.size == 0)
        body = span_str("{}");
    type = jtext_check(body);
    if (type == JTEXT_INVALID) {
        buffer_format(ret_why, "the body must be JSON in UTF-8, nested at most %d deep",
                      LIMIT_JSON_DEPTH);
        return REST_NOT_JSON;
    }
    if (type != JTEXT_OBJECT) {
        buffer_text(ret_why, "the body must be an object");
        return REST_NOT_VALID;
    }
    fault = find_members(body, table, value, ret_why);
    if (fault)
        return fault;
    buffer_init(&json);
    buffer_add(&json, buffer_span(ret_json)); /* so that commas come right */
    fault = read_members(value, table, &json, ret_why);
    if (!fault) {
        buffer_reset(ret_json);
        buffer_add(ret_json, buffer_span(&json));
    }
    buffer_done(&json);
    return fault;
}
