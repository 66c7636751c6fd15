#include "proto/pack.h"

#include <assert.h>
#include <stdint.h>

#include "proto/limits.h"

#define NUMBER 4 /* bytes of a LE32 */

static void put_number(struct buffer *to, size_t number)
{
    assert(number <= UINT32_MAX);
    for (int i = 0; i < NUMBER; i++)
        buffer_byte(to, (char)(unsigned char)(number >> (8 * i)));
}

/* The LE32 at DATA. */
static size_t read_number(const char *data)
{
    uint32_t number = 0;
    for (int i = 0; i < NUMBER; i++)
        number |= (uint32_t)(unsigned char)data[i] << (8 * i);
    return number;
}

size_t pack_bytes(const struct span *frame, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += frame[i].size;
    return bytes;
}

size_t pack_size(const struct span *frame, size_t count)
{
    return NUMBER * (count + 1) + pack_bytes(frame, count);
}

void pack_write(const struct span *frame, size_t count, struct buffer *ret_packed)
{
    put_number(ret_packed, count);
    for (size_t i = 0; i < count; i++) {
        assert(frame[i].size <= LIMIT_FRAME_SIZE);
        put_number(ret_packed, frame[i].size);
    }
    for (size_t i = 0; i < count; i++)
        buffer_add(ret_packed, frame[i]);
}

int pack_take(struct span *rest, struct span *ret_frame, size_t room, size_t *ret_count)
{
    if (rest->size < NUMBER)
        return -1;
    size_t count = read_number(rest->data);
    size_t left = rest->size - NUMBER;
    if (count > room || count > left / NUMBER)
        return -1;
    left -= count * NUMBER;
    const char *data = rest->data + NUMBER * (count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t size = read_number(rest->data + NUMBER * (i + 1));
        if (size > left || size > LIMIT_FRAME_SIZE)
            return -1;
        ret_frame[i] = span_of(data, size);
        data += size;
        left -= size;
    }
    *rest = span_of(data, left);
    *ret_count = count;
    return 0;
}

int pack_read(struct span packed, struct span *ret_frame, size_t room, size_t *ret_count)
{
    size_t count;

    if (pack_take(&packed, ret_frame, room, &count) < 0 || packed.size > 0)
        return -1;
    *ret_count = count;
    return 0;
}
