/* A history of attempts, any bytes: what is told of it is a JSON array of as many items as are
 * said, and never more than were asked for. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/history.h"
#include "proto/jtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest, item;
    struct buffer json;
    size_t told, items = 0;

    buffer_init(&json);
    told = history_last(span_of(data, size), HISTORY_IN_REPLY, &json);
    check(told <= HISTORY_IN_REPLY && (told > 0) == (json.size > 0));
    rest = buffer_span(&json);
    if (told > 0) {
        check(jtext_check(rest) == JTEXT_ARRAY);
        while (jtext_item(&rest, &item))
            items += jtext_type(item) == JTEXT_OBJECT;
        check(items == told);
    }
    buffer_done(&json);
    return 0;
}
