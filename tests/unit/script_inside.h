/* What the files of the script driver share; scripts themselves need script.h only. */
#ifndef TAILGATE_TESTS_UNIT_SCRIPT_INSIDE_H
#define TAILGATE_TESTS_UNIT_SCRIPT_INSIDE_H

#include "tests/unit/script.h"

/* script.c */

/* Feeds EVENT and keeps what comes out; script_happen() first makes sure that everything so far was
 * expected. */
void script_feed(const struct event *event);
void script_happen(const struct event *event);
/* Keeps what has come out of the core. */
void script_collect(void);
/* The key of the tokens; the same for every core of a test. */
const struct token_key *script_key(void);
/* Our heartbeat interval. */
int64_t script_beat_us(void);

/* script_actions.c */

/* Carries out the action that was taken last, unless that is done. */
void script_carry_out(void);
void script_keep(const struct action *action);
void script_actions_forget(void);
/* The DELIVER of ID that was taken could not be carried out; its peer. */
void script_not_sent(int64_t id, struct peer *ret_peer);

/* script_workers.c */

/* The peer called NAME. */
struct peer script_peer(const char *name);
/* How many names have said READY. */
size_t script_hires(void);
/* The worker called NAME was sent a heartbeat. */
void script_heartbeat(const char *name);
/* When the next worker beats, if that is by END_US; else INT64_MAX. script_beat() has it beat. */
int64_t script_next_beat(int64_t end_us);
void script_beat(int64_t end_us);
void script_workers_forget(void);

/* script_rows.c */

/* A valid token of row ID with the MAC of row OF's, and what the file says of row ID. */
void script_token(int64_t id, int64_t of, uint32_t attempt, struct token *ret_token,
                  struct answered_row *ret_row);
void script_rows_forget(void);

#endif
