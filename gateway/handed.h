/* What is known of the queries that workers have, so that what they say need not have the row read
 * again: a thousand streams would have it read twenty times a second each, and answers by the ten
 * thousand.
 *
 *  T1. A PARTIAL is judged by what was read less than HANDED_FRESH_US ago: a row that is gone, or
 *      another one by now, is noticed then.
 *
 *  T2. An answer is for the row as it stands. What is known of it says how many commits of others
 *      the committer had seen before the row was read (committer_others()): where it has seen more
 *      when it commits the reply, it compares the row first (store_reply.as_read).
 *
 *  T3. Bounded, and nothing has to be forgotten: an id has one place, which it shares with every
 *      HANDED-th one, and the last that came has it. */
#ifndef TAILGATE_GATEWAY_HANDED_H
#define TAILGATE_GATEWAY_HANDED_H

#include <stdbool.h>

#include "adapters/bridge/tail.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/token.h"

#define HANDED 4096
#define HANDED_FRESH_US 1000000
#define HANDED_TEXT (LIMIT_CONVERSATION_ID + 120)

/* A query's row, as far as what its worker says asks. */
struct handed_row {
    int64_t id;      /* 0: none */
    int64_t read_us; /* when (monotonic) */
    uint64_t others; /* T2 */
    struct token_digest digest;
    enum message_kind kind;
    bool request, majordomo, ticket;         /* as in struct message */
    bool whole;                              /* there was room for all that an answer asks for */
    size_t conversation, to, from, query_id; /* where each ends in TEXT */
    char text[HANDED_TEXT];
};

struct handed {
    struct handed_row *row; /* by id; NULL before the first */
};

/* All zeros is one that knows nothing. */
void handed_done(struct handed *self);
/* Remembers ROW, its MESSAGE and DIGEST, which was read at NOW_US, after OTHERS was. One whose
 * conversation has no room is not kept. */
void handed_keep(struct handed *self, int64_t now_us, uint64_t others, const struct tail_row *row,
                 const struct message *message, const struct token_digest *digest);
/* Row ID as it is known at NOW_US for a PARTIAL of it; for an answer to it. NULL: it is not.
 * Borrowed until the next handed_keep(). */
const struct handed_row *handed_part(const struct handed *self, int64_t now_us, int64_t id);
const struct handed_row *handed_answer(const struct handed *self, int64_t id);
/* What is known: of RET_ROW ids and sessions, of RET_MESSAGE what an answer is made with. Borrows
 * from SELF. */
void handed_show(const struct handed_row *self, struct tail_row *ret_row,
                 struct message *ret_message);

#endif
