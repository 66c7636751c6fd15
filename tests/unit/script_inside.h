/* What script.c and script_rows.c share; scripts themselves need script.h only. */
#ifndef TAILGATE_TESTS_UNIT_SCRIPT_INSIDE_H
#define TAILGATE_TESTS_UNIT_SCRIPT_INSIDE_H

#include "tests/unit/script.h"

/* Feeds EVENT and keeps what comes out; script_happen() first makes sure that everything so far was
 * expected. */
void script_feed(const struct event *event);
void script_happen(const struct event *event);
/* The DELIVER of ID that was taken could not be carried out; its peer. */
void script_not_sent(int64_t id, struct peer *ret_peer);
/* The peer called NAME. */
struct peer script_peer(const char *name);
/* The key of the tokens; the same for every core of a test. */
const struct token_key *script_key(void);
/* Forgets all rows. */
void script_rows_forget(void);

#endif
