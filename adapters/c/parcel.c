#include "adapters/c/parcel.h"

#include <stdlib.h>

#include "proto/buffer.h"

struct parcel parcel_of(const struct span *frame, size_t count)
{
    struct parcel self = {.count = count};
    for (size_t i = 0; i < count; i++)
        self.size += frame[i].size;
    self.frame = memory_new(count * sizeof *self.frame + self.size + count);
    char *at = (char *)(self.frame + count);
    for (size_t i = 0; i < count; i++) {
        if (frame[i].size > 0)
            memcpy(at, frame[i].data, frame[i].size);
        self.frame[i] = span_of(at, frame[i].size);
        at += frame[i].size;
        *at++ = '\0';
    }
    return self;
}

void parcel_done(struct parcel *self)
{
    free(self->frame);
    *self = (struct parcel){.frame = NULL};
}
