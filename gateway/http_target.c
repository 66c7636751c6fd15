#include "gateway/http_target.h"

#include <stdlib.h>

#include "proto/buffer.h"
#include "proto/utf8.h"

/* Where the next decoded byte goes. */
struct decoder {
    char *next;
    bool plus; /* '+' is a blank, as forms write it */
};

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* What is decoded is never longer than what was sent. */
static int decode(struct decoder *self, struct span raw, struct span *ret_text)
{
    char *start = self->next;

    for (size_t i = 0; i < raw.size; i++) {
        char byte = raw.data[i];
        if (byte == '+' && self->plus)
            byte = ' ';
        if (byte == '%') {
            int high = i + 2 < raw.size ? hex(raw.data[i + 1]) : -1;
            int low = high >= 0 ? hex(raw.data[i + 2]) : -1;
            if (low < 0)
                return -1;
            byte = (char)(high * 16 + low);
            i += 2;
        }
        *self->next++ = byte;
    }
    *ret_text = span_of(start, (size_t)(self->next - start));
    return utf8_valid(*ret_text) && !utf8_has_control(*ret_text) ? 0 : -1;
}

/* Takes from *REST what stands before the next SEPARATOR, and that; false at the end. */
static bool take(struct span *rest, char separator, struct span *ret_piece)
{
    const char *end;
    size_t size;

    if (!rest->data)
        return false;
    end = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    size = end ? (size_t)(end - rest->data) : rest->size;
    *ret_piece = span_of(rest->data, size);
    *rest = end ? span_of(end + 1, rest->size - size - 1) : span_of(NULL, 0);
    return true;
}

static int read_path(struct http_target *self, struct decoder *decoder, struct span path)
{
    struct span piece, rest = span_of(path.data + 1, path.size - 1);

    while (take(&rest, '/', &piece))
        if (self->parts == HTTP_PARTS_MAX || decode(decoder, piece, &self->part[self->parts++]) < 0)
            return -1;
    return 0;
}

static int read_pairs(struct http_target *self, struct decoder *decoder, struct span query)
{
    struct span piece, name;

    decoder->plus = true;
    while (take(&query, '&', &piece)) {
        struct http_pair *pair = &self->pair[self->pairs];
        if (piece.size == 0)
            continue;
        if (self->pairs++ == HTTP_PAIRS_MAX)
            return -1;
        take(&piece, '=', &name);
        if (decode(decoder, name, &pair->name) < 0 || decode(decoder, piece, &pair->value) < 0)
            return -1;
    }
    return 0;
}

int http_target_read(struct http_target *self, struct span raw)
{
    struct decoder decoder = {.plus = false};
    struct span path, rest = raw;

    memset(self, 0, sizeof *self);
    if (raw.size == 0 || raw.size > HTTP_TARGET_MAX || raw.data[0] != '/')
        return -1;
    self->storage = memory_new(raw.size);
    decoder.next = self->storage;
    take(&rest, '?', &path);
    if (read_path(self, &decoder, path) < 0)
        return -1;
    return read_pairs(self, &decoder, rest);
}

void http_target_done(struct http_target *self)
{
    free(self->storage);
    memset(self, 0, sizeof *self);
}

bool http_target_matches(const struct http_target *self, const char *pattern,
                         struct span *ret_place)
{
    struct span piece, rest = span_str(pattern + 1);
    size_t index = 0, places = 0;

    while (take(&rest, '/', &piece)) {
        bool place = span_is(piece, "{}");
        if (index == self->parts)
            return false;
        if (place ? self->part[index].size == 0 : !span_equal(self->part[index], piece))
            return false;
        if (place && ret_place)
            ret_place[places++] = self->part[index];
        index++;
    }
    return index == self->parts;
}

struct span http_target_query(const struct http_target *self, const char *name, bool *ret_there)
{
    size_t i = 0;

    while (i < self->pairs && !span_is(self->pair[i].name, name))
        i++;
    if (ret_there)
        *ret_there = i < self->pairs;
    return i < self->pairs ? self->pair[i].value : span_of("", 0);
}
