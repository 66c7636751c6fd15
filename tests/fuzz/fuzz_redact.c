/* Texts in which secrets are looked for: any byte string, as text and, where it is JSON, as JSON,
 * with JIT and without. Both find the same, and show it; JSON stays JSON of the same shape, UTF-8
 * stays UTF-8; PCRE2's limits are never reached. */
#include <stdint.h>
#include <stdlib.h>

#include "adapters/text/redact.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct redact *redact[2];

static void check(bool promise)
{
    if (!promise)
        abort();
}

/* What stands outside of strings, which must not change. */
static void add_shape(struct span json, struct buffer *ret_shape)
{
    bool inside = false;
    for (size_t i = 0; i < json.size; i++) {
        if (json.data[i] == '"')
            inside = !inside;
        else if (!inside)
            buffer_byte(ret_shape, json.data[i]);
        else if (json.data[i] == '\\')
            i++;
    }
}

static void check_json(struct span json, struct span made)
{
    struct buffer before, after;
    check(jtext_check(made) == jtext_check(json));
    buffer_init(&before);
    buffer_init(&after);
    add_shape(json, &before);
    add_shape(made, &after);
    check(span_equal(buffer_span(&before), buffer_span(&after)));
    buffer_done(&before);
    buffer_done(&after);
}

static void check_both(struct span text, bool json)
{
    struct buffer made[2];
    int count[2];

    for (int i = 0; i < 2; i++) {
        buffer_init(&made[i]);
        count[i] =
            json ? redact_json(redact[i], text, &made[i]) : redact_text(redact[i], text, &made[i]);
        check(count[i] > 0 || made[i].size == 0);
    }
    check(count[0] == count[1] && span_equal(buffer_span(&made[0]), buffer_span(&made[1])));
    if (json && count[0] > 0)
        check_json(text, buffer_span(&made[0]));
    check(!utf8_valid(text) || utf8_valid(buffer_span(&made[0])));
    check(count[0] == 0 || redact_shows(buffer_span(&made[0])));
    buffer_done(&made[0]);
    buffer_done(&made[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size);
    uint64_t failed[2];

    for (int i = 0; i < 2; i++) {
        if (!redact[i])
            redact[i] = redact_new(i == 0);
        failed[i] = redact_failures(redact[i]);
    }
    check_both(text, false);
    if (jtext_check(text) != JTEXT_INVALID)
        check_both(text, true);
    if (utf8_valid(text))
        check(redact_failures(redact[0]) == failed[0] && redact_failures(redact[1]) == failed[1]);
    return 0;
}
