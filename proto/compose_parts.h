/* What every reply row is made with, whatever its answer was: shared by compose.c and body.c only.
 */
#ifndef TAILGATE_PROTO_COMPOSE_PARTS_H
#define TAILGATE_PROTO_COMPOSE_PARTS_H

#include "proto/message.h"

/* TEXT (any bytes) redacted by REDACTOR (NULL: nothing is): as it is, or in STORE. *count goes up
 * by the number of replacements. */
struct span parts_redact_text(const struct rewriter *redactor, struct span text,
                              struct buffer *store, int *count);
/* The same for valid JSON, string by string. */
struct span parts_redact_json(const struct rewriter *redactor, struct span json,
                              struct buffer *store, int *count);
/* Appends TOOK_US as seconds with three decimals. */
void parts_seconds(struct buffer *ret_text, int64_t took_us);
/* Appends the metadata of a reply without its closing brace. The names in FACTS are redacted. */
void parts_metadata(struct buffer *ret_metadata, const struct reply_facts *facts);
/* Appends to metadata that the text was cut, and the characters of the whole. */
void parts_cut(struct buffer *ret_metadata, size_t full_length);
/* True when valid TEXT has more characters than a reply may have. */
bool parts_is_long(struct span text);

#endif
