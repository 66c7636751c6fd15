/* Rows read back into frames (proto/body.h). What stands in a row may be anybody's. */
#include <sodium.h>

#include "proto/body.h"
#include "proto/jtext.h"
#include "proto/pack.h"

/* The members of an object that says where its frames are; size 0 when absent. */
struct members {
    struct span type;
    struct span encoding;
    struct span body;
    struct span frames;
    struct span size;
    struct span blake2b;
};

static bool is_string(struct span value)
{
    return value.size > 0 && jtext_type(value) == JTEXT_STRING;
}

/* The content of a string literal as it is written. */
static struct span inside(struct span literal)
{
    return span_of(literal.data + 1, literal.size - 2);
}

/* Reads TEXT as an object of FORM; -1 when it is none. */
static int read_object(struct span text, enum body_form form, struct members *ret_members)
{
    struct members members = {.type = {NULL, 0}};
    const struct jtext_wanted wanted[] = {{"type", &members.type}, {"encoding", &members.encoding},
                                          {"body", &members.body}, {"frames", &members.frames},
                                          {"size", &members.size}, {"blake2b", &members.blake2b}};

    if (text.size > LIMIT_REPLY_CHARS || jtext_check(text) != JTEXT_OBJECT)
        return -1;
    jtext_pick(text, wanted, sizeof wanted / sizeof wanted[0]);
    if (!is_string(members.type) || !is_string(members.encoding))
        return -1;
    if (!jtext_is(members.type, "query") && !jtext_is(members.type, "response"))
        return -1;
    if (!span_is(inside(members.encoding), body_form_name(form)))
        return -1;
    *ret_members = members;
    return 0;
}

/* Appends what the base64 text DIGITS stands for; -1 unless it is the one spelling. libsodium's
 * decoder sees to the padding and the bits left over, not to bytes above 0x7f. */
static int decode(struct span digits, struct buffer *storage, size_t *ret_size)
{
    unsigned char bytes[LIMIT_BODY_IN_ROW];
    const char *end = NULL;

    for (size_t i = 0; i < digits.size; i++)
        if ((unsigned char)digits.data[i] > 0x7f)
            return -1;
    if (sodium_base642bin(bytes, sizeof bytes, digits.data, digits.size, NULL, ret_size, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != digits.data + digits.size)
        return -1;
    buffer_add(storage, span_of(bytes, *ret_size));
    return 0;
}

static int read_base64(struct span text, struct buffer *storage, struct span *ret_frame,
                       size_t *ret_count)
{
    struct members members;
    struct span item;
    size_t count = 0;

    if (read_object(text, BODY_BASE64, &members) < 0)
        return -1;
    if (members.body.size == 0 || jtext_type(members.body) != JTEXT_ARRAY)
        return -1;
    buffer_add(storage, span_of("", 0)); /* frames of no bytes point somewhere, too */
    while (jtext_item(&members.body, &item)) {
        if (count == LIMIT_BODY_FRAMES || !is_string(item))
            return -1;
        if (decode(inside(item), storage, &ret_frame[count].size) < 0)
            return -1;
        count++;
    }
    if (count == 0 || storage->size > LIMIT_BODY_IN_ROW)
        return -1;
    const char *data = storage->data;
    for (size_t i = 0; i < count; i++) {
        ret_frame[i].data = data;
        data += ret_frame[i].size;
    }
    *ret_count = count;
    return 0;
}

static int read_blob(struct span text, struct span blob, struct span *ret_frame, size_t *ret_count)
{
    struct members members;
    char hash[BODY_HASH_SIZE];
    int64_t frames, size;
    size_t count;

    if (read_object(text, BODY_BLOB, &members) < 0 || !is_string(members.blake2b))
        return -1;
    if (members.frames.size == 0 || jtext_integer(members.frames, &frames) < 0)
        return -1;
    if (members.size.size == 0 || jtext_integer(members.size, &size) < 0)
        return -1;
    if (pack_read(blob, ret_frame, LIMIT_BODY_FRAMES, &count) < 0 || count == 0)
        return -1;
    if (frames != (int64_t)count || size != (int64_t)pack_bytes(ret_frame, count))
        return -1;
    body_hash(blob, hash);
    if (!span_is(inside(members.blake2b), hash))
        return -1;
    *ret_count = count;
    return 0;
}

static int read_text(struct span text, struct span blob, struct span *ret_frame, size_t *ret_count)
{
    struct span whole = text;
    size_t count = 1;

    if (blob.size > 0) {
        if (pack_read(blob, &whole, 1, &count) < 0 || count != 1)
            return -1;
        if (whole.size < text.size || !span_equal(span_of(whole.data, text.size), text))
            return -1;
    }
    ret_frame[0] = whole;
    *ret_count = 1;
    return 0;
}

int body_read(enum body_form form, struct span text, struct span blob, struct buffer *storage,
              struct span ret_frame[LIMIT_BODY_FRAMES], size_t *ret_count)
{
    buffer_reset(storage);
    switch (form) {
    case BODY_TEXT:
        return read_text(text, blob, ret_frame, ret_count);
    case BODY_BASE64:
        return read_base64(text, storage, ret_frame, ret_count);
    case BODY_BLOB:
        return read_blob(text, blob, ret_frame, ret_count);
    }
    return -1;
}

bool body_reply_form(struct span metadata, enum body_form *ret_form)
{
    struct span value;

    if (metadata.size == 0 || jtext_check(metadata) != JTEXT_OBJECT)
        return false;
    if (!jtext_find(metadata, "body", &value) || !is_string(value))
        return false;
    return body_form_read(inside(value), ret_form);
}
