#include "proto/via.h"

#include "proto/jtext.h"
#include "proto/options.h"

static int read_through(struct span value, struct via *via)
{
    struct span rest = value, item;

    if (jtext_type(value) != JTEXT_ARRAY)
        return -1;
    while (jtext_item(&rest, &item))
        if (via->count == LIMIT_RELAYS || options_name(item, via->through[via->count++]) < 0)
            return -1;
    return 0;
}

int via_read(struct span json, struct via *ret_via)
{
    struct via via = {.count = 0};
    struct span value;

    if (json.size > LIMIT_OPTIONS_SIZE || jtext_check(json) != JTEXT_OBJECT)
        return -1;
    if (jtext_find(json, "worker", &value) && options_name(value, via.worker) < 0)
        return -1;
    if (jtext_find(json, "through", &value) && read_through(value, &via) < 0)
        return -1;
    *ret_via = via;
    return 0;
}

void via_through(const struct via *via, struct buffer *ret_json)
{
    buffer_byte(ret_json, '[');
    for (size_t i = 0; i < via->count; i++) {
        if (i > 0)
            buffer_byte(ret_json, ',');
        jtext_quote(ret_json, span_str(via->through[i]));
    }
    buffer_byte(ret_json, ']');
}

void via_write(const struct via *via, struct buffer *ret_json)
{
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "worker", span_str(via->worker));
    jtext_member_raw(ret_json, "through", span_str(""));
    via_through(via, ret_json);
    buffer_byte(ret_json, '}');
}
