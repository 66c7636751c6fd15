#include "adapters/bridge/audit.h"

#include <inttypes.h>

#include "adapters/bridge/sql.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

const char audit_sql[] = AUDIT_INSERT "(?1, ?2, ?3, ?4, ?5)";

int audit_write(sqlite3_stmt *statement, const struct audit_entry *entry)
{
    const struct sql_value values[] = {
        sql_text(entry->conversation_id),  sql_text_or_null(entry->session_id),
        sql_text(span_str(entry->action)), sql_text(entry->details),
        sql_text(entry->timestamp),
    };
    return sql_run(statement, values, AUDIT_COLUMNS);
}

void audit_send_details(struct buffer *ret_json, struct span to, struct span text, bool redacted,
                        struct span verified)
{
    buffer_reset(ret_json);
    buffer_text(ret_json, "{\"to\": ");
    jtext_quote(ret_json, to);
    buffer_text(ret_json, ", \"message_length\": ");
    buffer_number(ret_json, (int64_t)utf8_count(text));
    buffer_text(ret_json, redacted ? ", \"redacted\": true" : ", \"redacted\": false");
    if (verified.size) {
        buffer_text(ret_json, ", \"verified\": ");
        jtext_quote(ret_json, verified);
    }
    buffer_byte(ret_json, '}');
}

void audit_roles_details(struct buffer *ret_json, struct span role_a, struct span role_b)
{
    buffer_reset(ret_json);
    buffer_text(ret_json, "{\"roles\": [");
    jtext_quote(ret_json, role_a);
    buffer_text(ret_json, ", ");
    jtext_quote(ret_json, role_b);
    buffer_text(ret_json, "]}");
}

void audit_end_details(struct buffer *ret_json, int64_t message_id)
{
    buffer_reset(ret_json);
    buffer_format(ret_json, "{\"message_id\": %" PRId64 "}", message_id);
}
