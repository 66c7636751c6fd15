/* Titanic (RFC 9): a request that is asked now and whose answer is fetched later, by a ticket. The
 * request is a row as any other, in the bridge before its ticket is told; so is its reply. */
#include "adapters/host/clock.h"
#include "gateway/builtin.h"
#include "gateway/fetched.h"
#include "proto/jtext.h"
#include "proto/pack.h"
#include "proto/ticket.h"

static enum builtin give(const char *status, const char *words, struct buffer *ret_packed)
{
    const struct span frame[] = {span_str(status), span_str(words)};

    pack_write(frame, words ? 2 : 1, ret_packed);
    return BUILTIN_ANSWERED;
}

/* titanic.request: the service, then the request's body. */
static enum builtin on_request(struct server *self, int64_t now_us, const struct asking *asking,
                               struct buffer *ret_packed)
{
    struct asking request = *asking;
    char ticket[TICKET_SIZE];

    if (asking->body_count < 2 || !message_service_ok(asking->body[0]) ||
        span_is(asking->body[0], SERVICE_ALL) || builtin_is_name(asking->body[0]))
        return give("400", NULL, ret_packed);
    ticket_new(ticket);
    request.target = asking->body[0];
    request.body = asking->body + 1;
    request.body_count = asking->body_count - 1;
    requests_ask(self, now_us, &request, span_str(ticket));
    return BUILTIN_LATER;
}

/* Looks up the ticket that ASKING names. BRIDGE_ABSENT: it is none, or its time is over. */
static int look_up(struct server *self, const struct asking *asking, char ret_ticket[TICKET_SIZE],
                   struct fetched *ret_found)
{
    fetched_init(ret_found);
    if (asking->body_count != 1 || ticket_read(asking->body[0], ret_ticket) < 0)
        return BRIDGE_ABSENT;
    return tickets_one(tail_connection(self->tail), span_str(ret_ticket), clock_utc_us(),
                       fetched_take, ret_found);
}

/* Why a dead request has no answer: what its error reply says. */
static enum builtin give_reason(const struct fetched *found, struct buffer *ret_packed)
{
    struct span literal;
    struct buffer reason;

    buffer_init(&reason);
    if (jtext_check(buffer_span(&found->text)) == JTEXT_OBJECT &&
        jtext_find(buffer_span(&found->text), "error", &literal) &&
        jtext_type(literal) == JTEXT_STRING)
        jtext_decode(&reason, literal);
    else
        buffer_text(&reason, "it has ended without an answer");
    give("500", reason.data, ret_packed);
    buffer_done(&reason);
    return BUILTIN_ANSWERED;
}

/* titanic.reply: a ticket. */
static enum builtin on_reply(struct server *self, int64_t now_us, const struct asking *asking,
                             struct buffer *ret_packed)
{
    char ticket[TICKET_SIZE];
    struct fetched found;
    enum builtin result = BUILTIN_ANSWERED;
    int error = look_up(self, asking, ticket, &found);

    (void)now_us;
    if (!intake_could_read(self, error))
        result = BUILTIN_BUSY;
    else if (error == BRIDGE_ABSENT)
        give("400", NULL, ret_packed);
    else if (found.state == TICKET_PENDING)
        give("300", NULL, ret_packed);
    else if (found.state == TICKET_ANSWERED)
        result = intake_could_read(self, fetched_pack(self, &found, "200", ret_packed))
                     ? BUILTIN_ANSWERED
                     : BUILTIN_BUSY;
    else
        give_reason(&found, ret_packed);
    fetched_done(&found);
    return result;
}

/* titanic.close: a ticket. What nobody works on yet is not worked on any more. */
static enum builtin on_close(struct server *self, int64_t now_us, const struct asking *asking,
                             struct buffer *ret_packed)
{
    struct event event = {.kind = EVENT_WITHDRAW};
    char ticket[TICKET_SIZE];
    struct fetched found;
    struct job *job;
    int error = look_up(self, asking, ticket, &found);

    fetched_done(&found);
    if (asking->body_count != 1 || !ticket_ok(asking->body[0]))
        return give("400", NULL, ret_packed);
    if (!intake_could_read(self, error))
        return BUILTIN_BUSY;
    if (error == BRIDGE_ABSENT)
        return give("200", NULL, ret_packed); /* closing is idempotent */
    if (committer_queued(self->committer) >= (size_t)self->config.commit_queue)
        return give("500", "the database takes nothing just now: try again later", ret_packed);
    job = job_new(JOB_UNTICK, found.message_id, span_str(""), span_str(""), span_str(""));
    buffer_text(&job->text, ticket);
    job->request = requests_expect(self, asking);
    committer_submit(self->committer, job);
    if (found.state == TICKET_PENDING && found.only) {
        event.withdraw.id = found.message_id;
        event.withdraw.reason = "its client has closed it";
        carry_event(self, now_us, &event);
    }
    return BUILTIN_LATER;
}

const struct builtin_service builtin_of_titanic[] = {
    {"titanic.request", RIGHT_ASK, false, on_request},
    {"titanic.reply", RIGHT_ASK, false, on_reply},
    {"titanic.close", RIGHT_ASK, false, on_close},
    {0},
};
