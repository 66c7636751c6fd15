/* The body of a REST request, any bytes: what is accepted is written as members that give the same
 * when they are read again; what is refused is said why, and nothing is written. */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/http_rest_body.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

static const struct rest_member table[] = {{"question", REST_PROSE, true, 1, 20},
                                           {"service", REST_NAME, false, 1, 10},
                                           {"ttl_seconds", REST_INTEGER, false, 60, 2592000},
                                           {NULL, REST_PROSE, false, 0, 0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static enum rest_fault read_body(struct span body, struct buffer *ret_json)
{
    struct buffer why;
    enum rest_fault fault;

    buffer_init(&why);
    buffer_text(ret_json, "{");
    fault = rest_body_read(body, table, ret_json, &why);
    check((fault == REST_FINE) == (why.size == 0));
    check(utf8_valid(buffer_span(&why)) && !utf8_has_control(buffer_span(&why)));
    check(!fault || span_is(buffer_span(ret_json), "{"));
    buffer_text(ret_json, "}");
    buffer_done(&why);
    return fault;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer json, again;

    buffer_init(&json);
    buffer_init(&again);
    if (read_body(span_of(data, size), &json) == REST_FINE) {
        check(jtext_check(buffer_span(&json)) == JTEXT_OBJECT);
        check(read_body(buffer_span(&json), &again) == REST_FINE);
        check(span_equal(buffer_span(&json), buffer_span(&again)));
    }
    buffer_done(&again);
    buffer_done(&json);
    return 0;
}
