/* Any bytes as the target of a request, and as its Host, Origin and Content-Type. */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/http_guard.h"
#include "gateway/http_target.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be shown and compared. */
static void check(struct span text)
{
    if (!utf8_valid(text) || utf8_has_control(text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span raw = span_of(data, size);
    struct span place[HTTP_PARTS_MAX];
    struct http_target target;

    if (http_target_read(&target, raw) == 0) {
        for (size_t i = 0; i < target.parts; i++)
            check(target.part[i]);
        for (size_t i = 0; i < target.pairs; i++) {
            check(target.pair[i].name);
            check(target.pair[i].value);
        }
        if (http_target_matches(&target, "/v1/{}/queries/{}", place) && place[0].size == 0)
            abort();
    }
    http_target_done(&target);
    if (http_guard_host(raw, "") && size > 0 && memchr(data, '@', size))
        abort();
    (void)http_guard_origin(raw, raw);
    (void)http_guard_json(raw);
    return 0;
}
