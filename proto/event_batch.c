#include "proto/event_batch.h"

#include "proto/pack.h"

size_t event_batch_size(const struct span frame[EVENT_BATCH_FRAMES])
{
    return pack_size(frame, EVENT_BATCH_FRAMES);
}

void event_batch_add(const struct span frame[EVENT_BATCH_FRAMES], struct buffer *ret_events)
{
    pack_write(frame, EVENT_BATCH_FRAMES, ret_events);
}

bool event_batch_is(const struct span *frame, size_t count)
{
    return count == 2 && span_is(frame[0], EVENT_BATCH_TOPIC);
}

int event_batch_take(struct span *rest, struct span ret_frame[EVENT_BATCH_FRAMES])
{
    struct span left = *rest;
    size_t count;

    if (pack_take(&left, ret_frame, EVENT_BATCH_FRAMES, &count) < 0 || count != EVENT_BATCH_FRAMES)
        return -1;
    *rest = left;
    return 0;
}
