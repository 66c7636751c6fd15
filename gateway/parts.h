/* What is known of the queries whose answers come in parts: each PARTIAL names the row that it is
 * about, and a thousand streams would have it read again twenty times a second each.
 *
 *  T1. What is known was read less than PARTS_FRESH_US ago: a row that is gone, or another one by
 *      now, is noticed then. Only parts are judged by it. An answer is for the row as it stands.
 *
 *  T2. Bounded, and nothing has to be forgotten: an id has one place, which it shares with every
 *      PARTS-th one, and the last that came has it. */
#ifndef TAILGATE_GATEWAY_PARTS_H
#define TAILGATE_GATEWAY_PARTS_H

#include <stdbool.h>

#include "proto/limits.h"
#include "proto/token.h"

#define PARTS 4096
#define PARTS_FRESH_US 1000000

/* A query's row, as far as its parts ask. */
struct part_row {
    int64_t id;      /* 0: none */
    int64_t read_us; /* when (monotonic) */
    struct token_digest digest;
    bool raw; /* it is a client's own frames, which a Majordomo worker is handed as they are */
    size_t size;
    char conversation_id[LIMIT_CONVERSATION_ID];
};

struct parts {
    struct part_row *row; /* by id; NULL before the first */
};

/* All zeros is one that knows nothing. */
void parts_done(struct parts *self);
/* Row ID as it is known at NOW_US, or NULL. Borrowed until the next parts_keep(). */
const struct part_row *parts_find(const struct parts *self, int64_t now_us, int64_t id);
/* Remembers row ID, which was read at NOW_US. */
void parts_keep(struct parts *self, int64_t now_us, int64_t id, struct span conversation_id,
                const struct token_digest *digest, bool raw);

#endif
