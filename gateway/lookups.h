/* Questions about one query (tailgate.query, tailgate.story). Most are answered at once; where this
 * run does not know the reply's row, it is looked for in the file:
 *
 *  K1. One slice of one search in a turn of the loop: LOOKUP_ROWS rows, and no further row once it
 *      has taken LOOKUP_US, in one short read. Nothing is held from one to the next but how far it
 *      has come.
 *
 *  K2. After LOOKUP_MOST rows a search ends, and its answer says how far it looked.
 *
 *  K3. It is nothing but a read: it is forgotten with its client or the gateway. */
#ifndef TAILGATE_GATEWAY_LOOKUPS_H
#define TAILGATE_GATEWAY_LOOKUPS_H

#include "gateway/builtin.h"
#include "gateway/fate.h"

struct lookups;

/* Appends the answer about FATE, whose state is settled. Returns a bridge_error. */
typedef int lookup_compose_fn(struct server *self, const struct fate *fate,
                              struct buffer *ret_json);

struct lookups *lookups_new(void);
void lookups_destroy(struct lookups **self);
/* Answers ASKING about FATE, which fate_read() has read, with what COMPOSE makes of it, now or
 * later. */
enum builtin lookups_answer(struct server *server, int64_t now_us, const struct asking *asking,
                            struct fate *fate, lookup_compose_fn *compose,
                            struct buffer *ret_packed);
/* Works on the next search. */
void lookups_run(struct server *server, int64_t now_us);
/* When lookups_run() has something to do; INT64_MAX: nothing. */
int64_t lookups_due(const struct lookups *self);

#endif
