#include "proto/identity.h"

#include "proto/escape.h"
#include "proto/jtext.h"

void identity_object(struct buffer *ret_json, struct span principal, struct span name)
{
    buffer_text(ret_json, "{\"principal\":");
    escape_json(ret_json, principal);
    if (name.size) {
        buffer_text(ret_json, ",\"name\":");
        escape_json(ret_json, name);
    }
    buffer_byte(ret_json, '}');
}

void identity_member(struct buffer *ret_json, const char *member, struct span principal,
                     struct span name)
{
    if (!principal.size)
        return;
    jtext_member_raw(ret_json, member, span_str(""));
    identity_object(ret_json, principal, name);
}
