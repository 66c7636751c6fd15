/* A reply row as the asker sees it: is it ours, and what does it say. */
#ifndef TAILGATE_PROTO_REPLY_H
#define TAILGATE_PROTO_REPLY_H

#include <stdint.h>

#include "proto/message.h"

/* What we asked, to tell our reply from other rows of the conversation. */
struct reply_key {
    int64_t message_id;   /* of the query's row */
    const char *query_id; /* of the query; "m<id>" when the question went as plain text */
};

struct reply {
    struct buffer text;    /* the row's text, repaired to UTF-8 */
    struct buffer sources; /* raw JSON value; empty when the reply names none */
    bool is_object;        /* the text is a JSON object */
    bool is_error;         /* it says that there is no answer */
    bool is_dead;          /* … and that none will come: its query is a dead letter */
    int64_t id;            /* of the row; 0 while there is none */
};

void reply_init(struct reply *self);
void reply_done(struct reply *self);
/* What a row answers: its metadata names the query's row in in_reply_to, or (a responder of before
 * Tailgate) its metadata names no row and its JSON has a query_id. */
struct reply_target {
    int64_t message_id;
    struct span query_id; /* raw JSON value, borrowed; size 0: the row is named */
};

/* False when a row with COLUMNS names no query in either way. */
bool reply_find_target(const struct message_row *columns, struct reply_target *ret_target);
bool reply_is_for(const struct reply_target *target, const struct reply_key *key);
/* Both at once: true when a row with COLUMNS answers KEY. */
bool reply_answers(const struct message_row *columns, const struct reply_key *key);
/* Copies the reply row ID out of its columns. */
void reply_take(struct reply *self, int64_t id, const struct message_row *columns);
/* Appends what a person reads: the answer or the error, as it is, without a final line break. */
void reply_words(const struct reply *self, struct buffer *ret_text);
/* Appends the response object: the row's own JSON object, or one made of its text. */
void reply_json(const struct reply *self, const char *query_id, struct buffer *ret_json);

#endif
