/* What the built-in services for conversations, queries and dead letters have in common: one JSON
 * object comes in, one goes out, now or after its COMMIT. */
#ifndef TAILGATE_GATEWAY_BUILTIN_CALL_H
#define TAILGATE_GATEWAY_BUILTIN_CALL_H

#include "adapters/bridge/session.h"
#include "gateway/builtin.h"

/* Why a request comes to nothing: a word of WIRE.md and a sentence, both static. `error` NULL: it
 * does not. */
struct fault {
    const char *code, *error;
};
#define FAULT_NONE ((struct fault){NULL, NULL})

/* The object that ASKING says. */
struct fault call_object(const struct asking *asking, struct span *ret_object);
/* The same without VALUE where that is null: as if it had been left out. */
struct span call_given(struct span value);
/* Reads a text of 1 to ROOM - 1 bytes without control characters. */
bool call_text(struct span value, char *ret_text, size_t room);
/* What names a row, `message_id`. */
struct fault call_message(struct span object, int64_t *ret_id);

/* A conversation, and the token of who asks in it. */
struct call_session {
    char conversation_id[LIMIT_CONVERSATION_ID + 1];
    char token[LIMIT_SESSION_TOKEN + 1];
};
struct fault call_session(struct span object, struct call_session *ret_session);
/* Looks whose token it is. Returns a bridge_error. *ret_fault: it is nobody's, or there is no such
 * conversation; one whose time is over is no fault here. */
int call_check(struct server *self, const struct call_session *who, struct session *ret_session,
               struct fault *ret_fault);

/* Each answers with what it is given, and returns BUILTIN_ANSWERED. */
enum builtin call_refuse(struct fault fault, struct buffer *ret_packed);
enum builtin call_give(const struct buffer *json, struct buffer *ret_packed);

/* Has JOB, a JOB_CALL, written for ASKING, who hears of it when it is committed: BUILTIN_LATER; or
 * refuses it, because too much is on its way. */
enum builtin call_write(struct server *self, const struct asking *asking, struct job *job_take,
                        struct buffer *ret_packed);

/* What a JOB_CALL of each kind has come to: append the reply, or return why there is none. */
struct fault talk_converse_done(const struct job *job, struct buffer *ret_json);
struct fault talk_submit_done(struct server *self, const struct job *job, struct buffer *ret_json);
struct fault dead_redrive_done(const struct job *job, struct buffer *ret_json);
struct fault dead_drop_done(const struct job *job, struct buffer *ret_json);

#endif
