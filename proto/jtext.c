#include "proto/jtext.h"

#include <assert.h>

#include "proto/jreader.h"
#include "proto/limits.h"
#include "proto/space.h"
#include "proto/utf8.h"

static void skip_space(struct reader *self)
{
    while (self->at < self->end && space_in_json(*self->at))
        self->at++;
}

/* --- checking --- */

/* Takes what follows a backslash. */
static bool check_escape(struct reader *self)
{
    if (self->at == self->end)
        return false;
    char kind = *self->at++;
    if (kind != 'u')
        return kind != '\0' && strchr("\"\\/bfnrt", kind);
    if (self->end - self->at < 4)
        return false;
    for (int i = 0; i < 4; i++)
        if (hex(self->at[i]) < 0)
            return false;
    self->at += 4;
    return true;
}

/* Takes a string literal, its UTF-8 included. */
static bool check_string(struct reader *self)
{
    if (!take(self, '"'))
        return false;
    while ((self->at = pass_plain(self->at, self->end)) < self->end) {
        unsigned char byte = (unsigned char)*self->at;
        if (byte == '"') {
            self->at++;
            return true;
        }
        if (byte == '\\') {
            self->at++;
            if (!check_escape(self))
                return false;
        } else if (byte < 0x20) {
            return false;
        } else {
            size_t length = utf8_length(self->at, (size_t)(self->end - self->at));
            if (length == 0)
                return false;
            self->at += length;
        }
    }
    return false;
}

/* Takes one or more digits. */
static bool check_digits(struct reader *self)
{
    const char *start = self->at;
    while (self->at < self->end && is_digit(*self->at))
        self->at++;
    return self->at > start;
}

static bool check_number(struct reader *self)
{
    const char *start = self->at;
    take(self, '-');
    if (!take(self, '0') && !check_digits(self))
        return false;
    if (take(self, '.') && !check_digits(self))
        return false;
    if (take(self, 'e') || take(self, 'E')) {
        if (!take(self, '+'))
            take(self, '-');
        if (!check_digits(self))
            return false;
    }
    return self->at - start <= LIMIT_JSON_NUMBER;
}

static bool check_word(struct reader *self, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(self->end - self->at) < size || memcmp(self->at, word, size) != 0)
        return false;
    self->at += size;
    return true;
}

static bool check_scalar(struct reader *self)
{
    switch (*self->at) {
    case '"':
        return check_string(self);
    case 't':
        return check_word(self, "true");
    case 'f':
        return check_word(self, "false");
    case 'n':
        return check_word(self, "null");
    default:
        return check_number(self);
    }
}

/* The open arrays and objects around the reader, and what is wanted of the outermost object. */
struct nest {
    size_t depth;
    size_t limit;
    const struct jtext_wanted *wanted;
    size_t count;
    struct span name;             /* of the outermost object's member that is being read, */
    const char *value;            /*   and where its value begins */
    char close[LIMIT_JSON_DEPTH]; /* what ends each: ']' or '}' */
};

static void give(const struct jtext_wanted *wanted, size_t count, struct span name,
                 struct span value)
{
    for (size_t i = 0; i < count; i++)
        if (jtext_is(name, wanted[i].name))
            *wanted[i].ret_value = value;
}

/* Takes a member's name and its colon. */
static bool check_name(struct reader *self, struct nest *nest)
{
    skip_space(self);
    const char *start = self->at;
    if (!check_string(self))
        return false;
    if (nest->depth == 1)
        nest->name = span_of(start, (size_t)(self->at - start));
    skip_space(self);
    return take(self, ':');
}

/* After a value: takes what ends containers, up to a comma (*ret_more: another value is due) or to
 * the end of the text. False when neither follows. */
static bool check_after(struct reader *self, struct nest *nest, bool *ret_more)
{
    for (;;) {
        if (nest->depth == 1 && nest->close[0] == '}')
            give(nest->wanted, nest->count, nest->name,
                 span_of(nest->value, (size_t)(self->at - nest->value)));
        skip_space(self);
        if (nest->depth == 0) {
            *ret_more = false;
            return self->at == self->end;
        }
        if (take(self, ',')) {
            *ret_more = true;
            return nest->close[nest->depth - 1] == ']' || check_name(self, nest);
        }
        if (!take(self, nest->close[nest->depth - 1]))
            return false;
        nest->depth--;
    }
}

/* Takes the start of a container; *ret_empty: and its end. Otherwise its first value is due. */
static bool check_open(struct reader *self, struct nest *nest, bool *ret_empty)
{
    if (nest->depth == nest->limit)
        return false;
    char close = *self->at++ == '{' ? '}' : ']';
    skip_space(self);
    *ret_empty = take(self, close);
    if (*ret_empty)
        return true;
    nest->close[nest->depth++] = close;
    return close == ']' || check_name(self, nest);
}

static enum jtext_type check(struct span text, struct nest *nest)
{
    struct reader reader = reader_of(text);
    bool more = true;

    while (more) {
        skip_space(&reader);
        if (reader.at == reader.end)
            return JTEXT_INVALID;
        bool whole = true;
        bool container = *reader.at == '{' || *reader.at == '[';
        if (nest->depth == 1)
            nest->value = reader.at;
        if (container ? !check_open(&reader, nest, &whole) : !check_scalar(&reader))
            return JTEXT_INVALID;
        if (whole && !check_after(&reader, nest, &more))
            return JTEXT_INVALID;
    }
    return jtext_type(text);
}

enum jtext_type jtext_check_depth(struct span text, size_t depth)
{
    assert(depth <= LIMIT_JSON_DEPTH);
    struct nest nest = {.limit = depth};
    return check(text, &nest);
}

enum jtext_type jtext_check_pick(struct span text, const struct jtext_wanted *wanted, size_t count)
{
    struct nest nest = {.limit = LIMIT_JSON_DEPTH, .wanted = wanted, .count = count};
    return check(text, &nest);
}

enum jtext_type jtext_check(struct span text)
{
    return jtext_check_depth(text, LIMIT_JSON_DEPTH);
}

/* --- walking valid text --- */

enum jtext_type jtext_type(struct span value)
{
    struct reader reader = reader_of(value);
    skip_space(&reader);
    if (reader.at == reader.end)
        return JTEXT_INVALID;
    switch (*reader.at) {
    case '{':
        return JTEXT_OBJECT;
    case '[':
        return JTEXT_ARRAY;
    case '"':
        return JTEXT_STRING;
    case 't':
    case 'f':
        return JTEXT_BOOL;
    case 'n':
        return JTEXT_NULL;
    default:
        return JTEXT_NUMBER;
    }
}

/* Passes a string literal. An escaped quote is the only thing inside that could end it early. */
static void pass_string(struct reader *self)
{
    self->at++;
    while ((self->at = pass_plain(self->at, self->end)) < self->end && *self->at != '"')
        self->at += *self->at == '\\' && self->end - self->at > 1 ? 2 : 1;
    if (self->at < self->end)
        self->at++;
}

static void pass_container(struct reader *self)
{
    size_t depth = 0;
    while (self->at < self->end) {
        char byte = *self->at;
        if (byte == '"') {
            pass_string(self);
            continue;
        }
        self->at++;
        if (byte == '{' || byte == '[')
            depth++;
        else if ((byte == '}' || byte == ']') && --depth == 0)
            return;
    }
}

static void pass_value(struct reader *self)
{
    char first = self->at < self->end ? *self->at : '\0';
    if (first == '"') {
        pass_string(self);
    } else if (first == '{' || first == '[') {
        pass_container(self);
    } else {
        while (self->at < self->end && !space_in_json(*self->at) && *self->at != ',' &&
               *self->at != '}' && *self->at != ']')
            self->at++;
    }
}

bool jtext_next(struct span object, size_t *cursor, struct span *ret_name, struct span *ret_value)
{
    struct reader reader = reader_of(object);
    const char *start = reader.at;
    reader.at += *cursor;

    skip_space(&reader);
    if (!take(&reader, *cursor == 0 ? '{' : ','))
        return false;
    skip_space(&reader);
    if (reader.at == reader.end || *reader.at != '"')
        return false;
    const char *name = reader.at;
    pass_string(&reader);
    size_t name_size = (size_t)(reader.at - name);
    skip_space(&reader);
    take(&reader, ':');
    skip_space(&reader);
    const char *value = reader.at;
    pass_value(&reader);

    *cursor = (size_t)(reader.at - start);
    *ret_name = span_of(name, name_size);
    *ret_value = span_of(value, (size_t)(reader.at - value));
    return true;
}

bool jtext_item(struct span *rest, struct span *ret_value)
{
    struct reader reader = reader_of(*rest);
    skip_space(&reader);
    if (!take(&reader, '[') && !take(&reader, ','))
        return false;
    skip_space(&reader);
    const char *value = reader.at;
    if (value == reader.end || *value == ']')
        return false;
    pass_value(&reader);
    *ret_value = span_of(value, (size_t)(reader.at - value));
    *rest = span_of(reader.at, (size_t)(reader.end - reader.at));
    return true;
}

void jtext_pick(struct span object, const struct jtext_wanted *wanted, size_t count)
{
    size_t cursor = 0;
    struct span literal, value;
    while (jtext_next(object, &cursor, &literal, &value))
        give(wanted, count, literal, value);
}

bool jtext_find(struct span object, const char *name, struct span *ret_value)
{
    struct span value = {NULL, 0}; /* no JSON value is empty */
    jtext_pick(object, &(struct jtext_wanted){name, &value}, 1);
    if (value.size == 0)
        return false;
    *ret_value = value;
    return true;
}
