/* How the frames of a request or of a raw answer stand in a bridge row, and how they are read back.
 *
 *   text    one frame of UTF-8 without NUL, at most LIMIT_REPLY_CHARS characters: the row's text is
 *           the frame. Of an answer that is longer, the text is its start.
 *   base64  anything else of at most LIMIT_BODY_IN_ROW bytes in all frames together:
 *           {"type":"query","encoding":"base64","body":["…",…]}, RFC 4648 with padding
 *   blob    anything else: {"type":"query","encoding":"blob","frames":N,"size":BYTES,
 *           "blake2b":"<64 hex>"}; the packed frames (proto/pack.h) stand in tailgate_blob under
 *           the row's id. BYTES are those of all frames together; the hash is BLAKE2b-256 of the
 *           packed frames.
 *
 * A reply's type is "response", and "query_id":"m<id of the query>" comes behind it. A body has 1
 * to LIMIT_BODY_FRAMES frames: who reads messages from outside sees to that (proto/mdp.h). */
#ifndef TAILGATE_PROTO_BODY_H
#define TAILGATE_PROTO_BODY_H

#include "proto/buffer.h"
#include "proto/limits.h"

enum body_form { BODY_TEXT, BODY_BASE64, BODY_BLOB };

/* "text", "base64" or "blob", as metadata has it. */
const char *body_form_name(enum body_form form);
/* The form that NAME names; false when it names none (then *ret_form is untouched). */
bool body_form_read(struct span name, enum body_form *ret_form);

/* Appends the row text of a request with these frames and, of BODY_BLOB only, the packed frames. */
enum body_form body_compose_query(const struct span *frame, size_t count, struct buffer *ret_text,
                                  struct buffer *ret_blob);

struct reply_facts; /* proto/message.h */
/* Appends text and metadata of the reply row for a raw answer of these frames, and sets the number
 * of replacements. Text is redacted as by answer_keep(), JSON string by string; other bytes are
 * not. A text of more than LIMIT_REPLY_CHARS characters is cut on a character to that, and the
 * packed redacted whole goes to RET_BLOB. RET_BLOB also gets the packed frames of BODY_BLOB, and
 * stays as it is otherwise. Metadata:
 * {"in_reply_to","service","worker","attempt","response_time_sec","verified","body":"<form>"}, of a
 * cut text
 * "truncated":true and "full_length", the whole's characters; names are redacted. The query in
 * FACTS is not looked at. */
enum body_form body_compose_reply(const struct span *frame, size_t count,
                                  const struct reply_facts *facts, struct buffer *ret_text,
                                  struct buffer *ret_metadata, struct buffer *ret_blob,
                                  int *ret_redacted);
/* The form of the reply row with METADATA: that of its member "body". False when that is missing or
 * odd: it is no raw answer (then *ret_form is untouched). */
bool body_reply_form(struct span metadata, enum body_form *ret_form);

/* Reads back the frames of a row, query or reply, of which TEXT is the text and BLOB what stands in
 * tailgate_blob (size 0: nothing). They are borrowed from TEXT, BLOB and STORAGE (which is emptied
 * first). BODY_TEXT is one frame: TEXT, or the whole in BLOB that TEXT is the start of. Returns 0,
 * or -1 when the row is not what body_compose_…() makes (then *ret_count is untouched). */
int body_read(enum body_form form, struct span text, struct span blob, struct buffer *storage,
              struct span ret_frame[LIMIT_BODY_FRAMES], size_t *ret_count);

/* Appends what a worker that wants a JSON query gets in place of the row text: of one frame of
 * UTF-8 without NUL that frame, as the text of a question (*ret_plain true); of anything else the
 * base64 object, a JSON query, at any size. Returns 0, or -1 when that is larger than
 * LIMIT_FRAME_SIZE (then nothing was appended). */
int body_query_text(const struct span *frame, size_t count, struct buffer *ret_text,
                    bool *ret_plain);

/* BLAKE2b-256 of the packed frames PACKED, in hexadecimal digits. */
#define BODY_HASH_SIZE 65 /* with its NUL */
void body_hash(struct span packed, char ret_hash[BODY_HASH_SIZE]);

#endif
