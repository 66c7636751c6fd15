#include "gateway/reply_sources.h"

#include <jansson.h>
#include <stdlib.h>

static void add_source(struct buffer *text, const json_t *source)
{
    char *dump = json_is_string(source) ? NULL : json_dumps(source, JSON_ENCODE_ANY | JSON_COMPACT);
    buffer_text(text, "  ");
    if (dump)
        buffer_text(text, dump);
    else if (json_is_string(source))
        buffer_add(text, span_of(json_string_value(source), json_string_length(source)));
    buffer_byte(text, '\n');
    free(dump);
}

void reply_source_lines(const struct reply *self, struct buffer *ret_text)
{
    struct span raw = buffer_span(&self->sources);
    json_t *sources = raw.size ? json_loadb(raw.data, raw.size, JSON_DECODE_ANY, NULL) : NULL;
    if (json_is_array(sources)) {
        const json_t *source;
        size_t i;
        json_array_foreach(sources, i, source) add_source(ret_text, source);
    } else if (sources && !json_is_null(sources)) {
        add_source(ret_text, sources);
    }
    json_decref(sources);
}
