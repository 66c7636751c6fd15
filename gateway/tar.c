#include "gateway/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

/* pax(1), "ustar Interchange Format"; numbers are octal text. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static void put_zeros(struct buffer *tar, size_t count)
{
    static const char zeros[BLOCK];
    for (; count > BLOCK; count -= BLOCK)
        buffer_add(tar, span_of(zeros, BLOCK));
    buffer_add(tar, span_of(zeros, count));
}

void tar_add(struct buffer *tar, const char *name, struct span content, int64_t seconds)
{
    struct header header = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    unsigned sum = 0;

    snprintf(header.name, sizeof header.name, "%s", name);
    strcpy(header.mode, "0000600");
    strcpy(header.uid, "0000000");
    strcpy(header.gid, "0000000");
    snprintf(header.size, sizeof header.size, "%011zo", content.size & 077777777777);
    snprintf(header.mtime, sizeof header.mtime, "%011" PRIo64, (uint64_t)seconds & 077777777777);
    memset(header.checksum, ' ', sizeof header.checksum); /* as the sum is taken */
    for (size_t i = 0; i < BLOCK; i++)
        sum += ((const unsigned char *)&header)[i];
    snprintf(header.checksum, sizeof header.checksum, "%06o", sum & 0777777);
    buffer_add(tar, span_of((const char *)&header, BLOCK));
    buffer_add(tar, content);
    put_zeros(tar, (BLOCK - content.size % BLOCK) % BLOCK);
}

void tar_end(struct buffer *tar)
{
    put_zeros(tar, 2 * BLOCK);
}
