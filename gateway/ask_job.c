#include "gateway/ask_job.h"

#include <stdio.h>

#include "adapters/host/user.h"
#include "gateway/sender.h"
#include "proto/jtext.h"
#include "proto/pack.h"
#include "proto/utf8.h"

#define LIVE_S 10800 /* a conversation of ours lives at least so long after a question in it */
#define TURN_S 3600  /* and takes questions for so long: then retention can begin on it */

/* Who asks: the holder of a key, or the user behind a unix socket, as the kernel names it. False:
 * it may be anyone. */
static bool identify(const struct server *self, const struct asking *asking, struct ask_job *ask)
{
    struct gate_sender sender;
    struct identity who;
    struct span role;

    gate_sender(self->gate, asking->peer->door, &self->set, &sender);
    sender_name(self, &sender, &who);
    memcpy(ask->name, who.name, sizeof ask->name);
    if (sender.local) {
        user_name(sender.uid, ask->role);
    } else {
        role = utf8_cut(span_str(who.name[0]    ? who.name
                                 : sender.curve ? "key"
                                                : "tcp"),
                        sizeof ask->role - 1);
        memcpy(ask->role, role.data, role.size);
        ask->role[role.size] = '\0';
    }
    snprintf(ask->principal, sizeof ask->principal, "%s", who.principal[0] ? who.principal : "tcp");
    return who.principal[0] != '\0';
}

/* What a JSON query object says to the gate, and not to its worker. */
struct envelope_members {
    struct span conversation_id, session_token, type;
};

/* Takes the conversation that the object TEXT names out of it: into ASK. Appends what is left to
 * RET_TEXT. Returns NULL, or what is wrong. */
static const char *take_conversation(struct span text, struct ask_job *ask, struct buffer *ret_text)
{
    static const char *const ours[] = {"conversation_id", "session_token", NULL};
    struct envelope_members members = {.type = {NULL, 0}};
    const struct jtext_wanted wanted[] = {{"conversation_id", &members.conversation_id},
                                          {"session_token", &members.session_token},
                                          {"type", &members.type}};

    jtext_pick(text, wanted, sizeof wanted / sizeof wanted[0]);
    if (members.conversation_id.size &&
        jtext_copy(members.conversation_id, ask->conversation_id, sizeof ask->conversation_id) <= 0)
        return "conversation_id is the text that names a conversation";
    if (members.session_token.size &&
        jtext_copy(members.session_token, ask->session_token, sizeof ask->session_token) < 0)
        return "session_token is the text that init printed";
    if (members.type.size && !members.conversation_id.size && !members.session_token.size) {
        buffer_add(ret_text, text);
        return NULL;
    }
    buffer_byte(ret_text, '{');
    if (!members.type.size)
        jtext_member(ret_text, "type", span_str("query"));
    jtext_members_except(ret_text, text, ours);
    buffer_byte(ret_text, '}');
    return NULL;
}

/* True for one frame that is a JSON object with "type":"query", or, from a bare peer, with a
 * question. */
static bool is_query_object(const struct asking *asking)
{
    struct span type, question;

    if (asking->body_count != 1 || asking->body[0].size == 0 ||
        jtext_check(asking->body[0]) != JTEXT_OBJECT)
        return false;
    if (jtext_find(asking->body[0], "type", &type))
        return jtext_type(type) == JTEXT_STRING && jtext_is(type, "query");
    return asking->protocol == CLIENT_REQ && jtext_find(asking->body[0], "question", &question);
}

/* What makes two requests the same: who asks, whom, in which conversation and form, and every byte
 * of it. */
static void put_digest(const struct asking *asking, struct ask_job *ask, bool ticket)
{
    struct token_digest digest;
    struct buffer who, what;

    buffer_init(&who);
    buffer_init(&what);
    buffer_format(&who, "%s %d %d %s ", ask->principal, asking->protocol == CLIENT_REQ, ticket,
                  ask->conversation_id);
    buffer_add(&who, asking->target);
    pack_write(asking->body, asking->body_count, &what);
    token_digest(buffer_span(&who), buffer_span(&what), &digest);
    memcpy(ask->digest, digest.bytes, sizeof ask->digest);
    buffer_done(&who);
    buffer_done(&what);
}

const char *ask_job_new(const struct server *self, const struct asking *asking, struct span ticket,
                        struct job **ret_job)
{
    struct job *job = job_new(JOB_ASK, 0, span_str(""), span_str(""), span_str(""));
    struct ask_job *ask = job->ask;
    struct buffer object;
    struct span query;
    const char *error = NULL;
    enum body_form form = BODY_TEXT;
    bool known;

    memcpy(job->service, asking->target.data, asking->target.size);
    known = ask->verified = identify(self, asking, ask);
    buffer_init(&object);
    if (is_query_object(asking)) {
        error = take_conversation(asking->body[0], ask, &object);
        query = buffer_span(&object);
        form = body_compose_query(&query, 1, &ask->text, &ask->blob);
    } else {
        form = body_compose_query(asking->body, asking->body_count, &ask->text, &ask->blob);
    }
    buffer_done(&object);
    if (!error && !known && ask->conversation_id[0] && !ask->session_token[0])
        error = ASK_NO_CONVERSATION;
    if (error) {
        job_destroy(&job);
        return error;
    }
    message_compose_gate(asking->target, client_protocol_name(asking->protocol), form,
                         span_str(ask->principal), span_str(ask->name), ticket.size > 0,
                         &ask->metadata);
    put_digest(asking, ask, ticket.size > 0);
    if (ticket.size)
        memcpy(ask->ticket, ticket.data, ticket.size);
    ask->coalesce_s = self->config.client_coalesce_us / 1000000;
    ask->live_s = LIVE_S;
    ask->turn_s = TURN_S;
    ask->ticket_s = self->config.titanic_ttl_us / 1000000;
    snprintf(ask->session, sizeof ask->session, "%s", self->config.serve_session);
    *ret_job = job;
    return NULL;
}

size_t ask_job_bytes(const struct job *job)
{
    return sizeof *job + sizeof *job->ask + job_bytes(job);
}
