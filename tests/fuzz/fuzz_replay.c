/* What a client asks of tailgate.replay, any bytes: what is accepted lies within its bounds, what
 * is refused is said why, and then nothing is changed. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/replay.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct replay_request request, before;

    memset(&request, 0x5a, sizeof request);
    memcpy(&before, &request, sizeof before);
    const char *problem = replay_read(span_of(data, size), &request);
    if (problem) {
        check(problem[0] != '\0' && memcmp(&before, &request, sizeof before) == 0);
        return 0;
    }
    check(request.limit >= 1 && request.limit <= LIMIT_REPLAY_EVENTS);
    check(request.after >= 0 && request.upto >= 0);
    check(strlen(request.since) < sizeof request.since);
    check(strlen(request.conversation) <= LIMIT_CONVERSATION_ID);
    check(strlen(request.service) <= LIMIT_SERVICE);
    check(utf8_valid(span_str(request.conversation)) && utf8_valid(span_str(request.service)));
    return 0;
}
