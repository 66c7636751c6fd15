/* Beside a gateway. To it, it is a relay's link for one service
 * (adapters/source/upstream.h): a worker that says what it still has, and whose answers count by
 * their tokens. What it is given goes into the stream of the service; the answers come from the
 * stream of replies to the gateway's bridge.
 *
 * Invariants
 *   1. A query is here, in the stream, or given back: one that the stream did not confirm is given
 *      back, or sent again with the same id.
 *   2. Nothing is asked of the gateway while it could not be passed on.
 *   3. An answer is judged by its token, by the gateway alone: also one to a run before this. */
#include "gateway/jetstream_publisher.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/jetstream/incoming.h"
#include "adapters/jetstream/outgoing.h"
#include "adapters/jetstream/replies.h"
#include "adapters/source/out.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "proto/jtext.h"

#define REST_US 1000000 /* nothing is taken for so long after the stream took nothing; doubles */
#define REST_MAX_US 30000000
#define TICK_US 500000 /* between looks at what is out */
#define TURN 500       /* news taken in one turn */
#define STOP_US 10000000
#define OPEN_MAX 256 /* answers that wait for the gateway, beyond which no more are asked for */

struct publish {
    const struct publisher_setup *setup;
    struct source *source;
    struct conn *conn;
    struct outgoing outgoing;
    struct replies replies;
    bool gateway_up;
    uint32_t offered;
    int64_t rest_us;  /* until then nothing more is taken */
    int64_t pause_us; /* the next rest */
    bool trouble;     /* the stream took nothing, and that was said */
    int64_t stop_us;  /* 0: go on */
    bool hurry;
};

/* --- from the gateway --- */

static void give_back(struct publish *self, struct span token, const char *why)
{
    self->source->class->give_back(self->source, token, span_str(why));
}

static bool fits(const struct publish *self, struct span json)
{
    int64_t most = conn_max_payload(self->conn);
    return most == 0 || (int64_t)json.size + API_HEADERS <= most;
}

static void take_query(struct publish *self, const struct source_news *news, int64_t now_us)
{
    char bridge_text[32], deadline_text[32];
    struct span delivery = span_str("{}"), bridge, deadline;
    if (jtext_check(news->json) == JTEXT_OBJECT)
        (void)jtext_find(news->json, "delivery", &delivery);
    if (jtext_type(delivery) != JTEXT_OBJECT)
        delivery = span_str("{}");
    bridge = incoming_member(delivery, "bridge", bridge_text, sizeof bridge_text);
    deadline = incoming_member(delivery, "deadline", deadline_text, sizeof deadline_text);
    if (!names_bridge_ok(bridge) || !names_token_ok(news->token)) {
        self->source->class->fail(self->source, news->token,
                                  span_str("a query without a bridge cannot go to JetStream"),
                                  false);
        return;
    }
    replies_of(&self->replies, bridge);
    if (!fits(self, news->json)) {
        self->source->class->fail(
            self->source, news->token,
            span_str("the query is larger than the NATS server takes (max_payload)"), false);
        return;
    }
    if (outgoing_find(&self->outgoing, news->token))
        return; /* handed over once more: it is on its way */
    struct outgoing_query *query =
        outgoing_add(&self->outgoing, news->token, bridge, deadline, news->json);
    if (!query) {
        give_back(self, news->token, "more queries than were asked for");
        return;
    }
    query->over_us = out_deadline(news->json, now_us, clock_utc_us());
    log_event(LOG_DEBUG, "query", LOG_SPAN("token", news->token));
}

static void end_query(struct publish *self, struct span token)
{
    struct outgoing_query *query = outgoing_find(&self->outgoing, token);
    if (query)
        outgoing_drop(&self->outgoing, query);
}

static bool hear_gateway(struct publish *self, int64_t now_us)
{
    struct source_news news = self->source->class->next(self->source, now_us);
    switch (news.kind) {
    case SOURCE_NOTHING:
        return false;
    case SOURCE_QUERY:
        take_query(self, &news, now_us);
        break;
    case SOURCE_END:
        end_query(self, news.token);
        break;
    case SOURCE_UP:
        self->gateway_up = true;
        log_event(LOG_INFO, "ready", LOG_STR("service", self->setup->service),
                  LOG_INT("slots", self->offered), LOG_SPAN("gate", news.text));
        break;
    case SOURCE_LOST:
    case SOURCE_WAITING:
    case SOURCE_REFUSED:
        self->gateway_up = false;
        replies_forget(&self->replies);
        log_event(news.kind == SOURCE_WAITING ? LOG_INFO : LOG_WARN,
                  news.kind == SOURCE_WAITING ? "waiting"
                  : news.kind == SOURCE_LOST  ? "disconnected"
                                              : "refused",
                  LOG_STR("from", "gateway"), LOG_SPAN("say", news.text));
        break;
    case SOURCE_DROPPED:
        replies_forget(&self->replies);
        log_event(LOG_WARN, "dropped", LOG_INT("answers", news.count),
                  LOG_STR("say", "too many were kept; they come again from their stream"));
        break;
    }
    return true;
}

/* --- from JetStream --- */

static void take_stored(struct publish *self, natsMsg *message, uint64_t number, int64_t now_us)
{
    struct outgoing_query *query = outgoing_number(&self->outgoing, number);
    struct api_stored stored;
    if (!query || query->stored)
        return;
    api_read_stored(message, &stored);
    if (stored.done) {
        query->stored = true;
        query->seq = stored.seq;
        buffer_done(&query->text);
        if (self->trouble)
            log_event(LOG_INFO, "stored", LOG_STR("stream", self->outgoing.stream),
                      LOG_STR("say", "the stream takes queries again"));
        self->trouble = false;
        self->pause_us = REST_US;
        return;
    }
    if (stored.staged) {
        query->doubts++; /* it is sent again when that is due */
        return;
    }
    if (!self->trouble)
        log_event(
            LOG_ERROR, "not-stored", LOG_STR("stream", self->outgoing.stream),
            LOG_STR("error", stored.why),
            LOG_STR("say", "queries are given back to the gateway; see tailgate jetstream setup"));
    self->trouble = true;
    if (now_us >= self->rest_us) {
        self->rest_us = now_us + self->pause_us;
        self->pause_us = 2 * self->pause_us < REST_MAX_US ? 2 * self->pause_us : REST_MAX_US;
    }
    give_back(self, span_str(query->token), stored.why);
    outgoing_remove(&self->outgoing, query);
}

static void pass_failure(struct publish *self, struct span token, struct span json, bool returned)
{
    struct incoming_failure failure;
    incoming_read_failure(json, &failure);
    if (returned)
        self->source->class->give_back(self->source, token, span_str(failure.why));
    else
        self->source->class->fail(self->source, token, span_str(failure.why), failure.retry);
}

static void take_reply(struct publish *self, natsMsg *message)
{
    struct span frame[LIMIT_BODY_FRAMES];
    struct source_answer answer;
    struct span kind = conn_header(message, HEADER_KIND);
    bool is_final = span_is(kind, "final");
    if (!self->gateway_up)
        return; /* asked for before it was lost; it comes again */
    if (!incoming_read_answer(message, frame, &answer) ||
        api_delivered(natsMsg_GetReply(message)) > API_MAX_DELIVER) {
        api_term(self->conn, natsMsg_GetReply(message));
        log_event(LOG_WARN, "odd-reply",
                  LOG_STR("say", "a reply that the gateway does not take was thrown away"));
        return;
    }
    struct outgoing_query *query = outgoing_find(&self->outgoing, answer.token);
    if (is_final)
        self->source->class->final(self->source, &answer);
    else
        pass_failure(self, answer.token, frame[0], span_is(kind, "return"));
    if (query)
        outgoing_remove(&self->outgoing, query);
    replies_handed(&self->replies, message, is_final);
}

static void take_part(struct publish *self, natsMsg *message)
{
    struct span frame[LIMIT_BODY_FRAMES];
    struct source_answer answer;
    struct outgoing_query *query = NULL;
    if (incoming_read_answer(message, frame, &answer))
        query = outgoing_find(&self->outgoing, answer.token);
    if (!query)
        return;
    query->over_us = INT64_MAX; /* parts may put the end off: only the gateway knows now */
    self->source->class->partial(self->source, &answer);
}

static void take_message(struct publish *self, natsMsg *message, int64_t now_us)
{
    char why[CONN_TEXT];
    uint64_t number;
    const char *subject = natsMsg_GetSubject(message);
    if (api_inbox(self->conn, subject, 'a', &number)) {
        take_stored(self, message, number, now_us);
    } else if (strncmp(subject, conn_inbox(self->conn), strlen(conn_inbox(self->conn))) == 0) {
        replies_take_status(&self->replies, message, now_us, why);
        if (why[0])
            log_event(LOG_ERROR, "no-replies", LOG_STR("stream", self->replies.stream),
                      LOG_STR("error", why), LOG_STR("say", "see tailgate jetstream setup"));
    } else if (replies_is_ours(&self->replies, message)) {
        take_reply(self, message);
    } else {
        take_part(self, message);
    }
}

static bool hear_nats(struct publish *self, int64_t now_us)
{
    struct conn_news news = conn_next(self->conn);
    switch (news.kind) {
    case CONN_NOTHING:
        return false;
    case CONN_UP:
        log_event(LOG_INFO, "connected", LOG_STR("nats", news.text));
        self->rest_us = 0;
        self->pause_us = REST_US;
        outgoing_recall(&self->outgoing);
        replies_again(&self->replies);
        break;
    case CONN_LOST:
    case CONN_WAITING:
    case CONN_REFUSED:
    case CONN_TROUBLE:
        log_event(news.kind == CONN_WAITING ? LOG_INFO : LOG_WARN,
                  news.kind == CONN_WAITING ? "waiting"
                  : news.kind == CONN_LOST  ? "disconnected"
                                            : "refused",
                  LOG_STR("from", "nats"), LOG_STR("say", news.text));
        break;
    case CONN_MESSAGE:
        take_message(self, news.message, now_us);
        natsMsg_Destroy(news.message);
        break;
    }
    return true;
}

/* --- the loop --- */

/* In trouble one query more than what is out tries for all. */
static void offer(struct publish *self, int64_t now_us)
{
    bool taking = conn_is_up(self->conn) && now_us >= self->rest_us && self->stop_us == 0;
    size_t most = (size_t)self->setup->slots;
    size_t slots = self->trouble && self->outgoing.count < most ? self->outgoing.count + 1 : most;
    if (!taking)
        slots = 0;
    if (slots != self->offered)
        self->source->class->offer(self->source, span_str(self->setup->service), (uint32_t)slots);
    self->offered = (uint32_t)slots;
}

static void keep_up(struct publish *self, int64_t now_us)
{
    struct outgoing_query *late;
    offer(self, now_us);
    while ((late = outgoing_late(&self->outgoing, now_us)))
        outgoing_drop(&self->outgoing, late);
    outgoing_send(&self->outgoing, now_us);
    size_t waiting = self->source->class->kept(self->source);
    replies_run(&self->replies, self->gateway_up && waiting < OPEN_MAX, waiting, now_us);
}

static int wait_ms(const struct publish *self, int64_t now_us)
{
    int64_t due_us = self->source->class->due(self->source);
    if (due_us > now_us + TICK_US)
        due_us = now_us + TICK_US;
    return due_us <= now_us ? 0 : (int)((due_us - now_us - 1) / 1000 + 1);
}

static void read_signals(struct publish *self, int64_t now_us)
{
    struct signalfd_siginfo info;
    while (read(self->setup->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        log_event(LOG_INFO, "stopping", LOG_INT("signal", info.ssi_signo));
        self->hurry = self->stop_us != 0;
        self->stop_us = now_us + STOP_US;
    }
}

static bool is_done(const struct publish *self, int64_t now_us)
{
    return self->stop_us != 0 &&
           (self->hurry || self->outgoing.count == 0 || now_us >= self->stop_us) &&
           (self->hurry || self->source->class->kept(self->source) == 0 || now_us >= self->stop_us);
}

static int loop(struct publish *self)
{
    zmq_pollitem_t item[SOURCE_ITEMS + 2];
    int64_t now_us = clock_mono_us();
    while (!is_done(self, now_us)) {
        size_t count = self->source->class->items(self->source, item);
        item[count++] = (zmq_pollitem_t){.fd = conn_fd(self->conn), .events = ZMQ_POLLIN};
        item[count++] = (zmq_pollitem_t){.fd = self->setup->signals, .events = ZMQ_POLLIN};
        if (zmq_poll(item, (int)count, wait_ms(self, now_us)) < 0 && errno != EINTR)
            return cli_fail(self->setup->command, CLI_FAILED, "the loop ended: %s",
                            zmq_strerror(errno));
        now_us = clock_mono_us();
        read_signals(self, now_us);
        for (int i = 0; i < TURN && hear_nats(self, now_us); i++)
            ;
        for (int i = 0; i < TURN && hear_gateway(self, now_us); i++)
            ;
        keep_up(self, now_us);
        log_run(now_us);
    }
    return CLI_OK;
}

/* What is still out goes back to the gateway, and out of the stream unless somebody has it. */
static void give_back_all(struct publish *self)
{
    while (self->outgoing.count > 0) {
        struct outgoing_query *query = &self->outgoing.query[0];
        give_back(self, span_str(query->token), "the publisher is stopping");
        outgoing_drop(&self->outgoing, query);
    }
}

int publisher_run(const struct publisher_setup *setup)
{
    struct publish self = {.setup = setup, .pause_us = REST_US};
    char why[CONN_TEXT];
    self.conn = conn_new(setup->nats, why);
    if (!self.conn)
        return cli_fail(setup->command, CLI_FAILED, "%s", why);
    self.source = upstream_new(setup->gate);
    outgoing_init(&self.outgoing, self.conn, setup->prefix, span_str(setup->service),
                  2 * (size_t)setup->slots);
    replies_init(&self.replies, self.conn, setup->prefix, span_str(setup->service));
    int code = loop(&self);
    give_back_all(&self);
    self.source->class->destroy(&self.source);
    replies_done(&self.replies);
    outgoing_done(&self.outgoing);
    conn_destroy(&self.conn);
    return code;
}
