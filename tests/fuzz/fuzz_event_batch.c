/* A batch of events, any bytes: what is read of it lies within it, and put together again it is
 * those bytes up to where the reading ended. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/event_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span whole = span_of(data, size);
    struct span rest = whole, frame[EVENT_BATCH_FRAMES];
    struct buffer again;

    buffer_init(&again);
    while (event_batch_take(&rest, frame) == 0) {
        for (size_t i = 0; i < EVENT_BATCH_FRAMES; i++)
            check(frame[i].data >= whole.data &&
                  frame[i].data + frame[i].size <= whole.data + whole.size);
        event_batch_add(frame, &again);
    }
    check(rest.size <= whole.size && again.size == whole.size - rest.size);
    check(span_equal(buffer_span(&again), span_of(whole.data, again.size)));
    buffer_done(&again);
    return 0;
}
