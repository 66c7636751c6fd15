#include "gateway/reps.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/jtext.h"

#define MESSAGES_AT_ONCE 200 /* from one of them in one turn of the loop */

static_assert(GATE_DOORS <= DIAL_DOOR_FIRST && DIAL_DOOR_FIRST + REPS_MAX <= UINT8_MAX + 1,
              "a peer's door says whether it came or was dialled");

struct rep {
    struct dial *dial;
    struct peer peer;
    struct worker_options options; /* its name, and one slot */
    char *endpoint;
    char *service;
    bool told; /* that it does not speak with us; said once until it was up again */
};

struct reps {
    void *context;
    struct rep rep[REPS_MAX];
    size_t count;
    size_t first;        /* whose turn it is to be read first */
    struct frameset set; /* the message being looked at */
    bool held;           /* set waits until its row can be read: */
    size_t held_rep;     /*   it is this one's */
};

int rep_word_read(const char *word, struct rep_word *ret_word)
{
    static const char mark[] = ",service=";
    const char *at = NULL, *next = word;
    size_t size;

    while ((next = strstr(next, mark))) /* the last one: a path may have commas in it */
        at = next++;
    size = at ? (size_t)(at - word) : strlen(word);
    ret_word->service = span_str(at ? at + strlen(mark) : SERVICE_ALL);
    if (size >= sizeof ret_word->endpoint || !message_service_ok(ret_word->service))
        return -1;
    memcpy(ret_word->endpoint, word, size);
    ret_word->endpoint[size] = '\0';
    return 0;
}

struct reps *reps_new(void *context)
{
    struct reps *self = memory_zero(1, sizeof *self);

    self->context = context;
    frameset_init(&self->set);
    return self;
}

void reps_destroy(struct reps **self)
{
    if (!*self)
        return;
    frameset_done(&(*self)->set);
    for (size_t i = 0; i < (*self)->count; i++) {
        dial_destroy(&(*self)->rep[i].dial);
        free((*self)->rep[i].endpoint);
        free((*self)->rep[i].service);
    }
    free(*self);
    *self = NULL;
}

/* What a worker named so would say in READY: names are cleaned and cut there. */
static void name_it(struct rep *rep)
{
    const char *scheme = strstr(rep->endpoint, "://");
    struct buffer json;
    int bad;

    buffer_init(&json);
    buffer_text(&json, "{");
    jtext_member(&json, "name", span_str(scheme ? scheme + 3 : rep->endpoint));
    buffer_text(&json, "}");
    bad = options_read(buffer_span(&json), &rep->options);
    assert(bad == 0);
    (void)bad;
    buffer_done(&json);
}

int reps_add(struct reps *self, const struct rep_word *word, uint64_t seed)
{
    struct rep *rep = &self->rep[self->count];
    int code;

    if (self->count == REPS_MAX)
        return -E2BIG;
    code = dial_new(self->context, word->endpoint, seed, &rep->dial);
    if (code)
        return code;
    rep->endpoint = memory_text(span_str(word->endpoint));
    rep->service = memory_text(word->service);
    rep->peer.door = (uint8_t)(DIAL_DOOR_FIRST + self->count);
    rep->peer.size = 1;
    name_it(rep);
    self->count++;
    return 0;
}

static struct rep *rep_of(struct reps *self, const struct peer *peer)
{
    return &self->rep[peer->door - DIAL_DOOR_FIRST];
}

/* Coming and going. */

static void leave(struct server *server, int64_t now_us, const struct rep *rep, const char *reason)
{
    struct event event = {.kind = EVENT_DISCONNECT};

    event.disconnect.peer = &rep->peer;
    event.disconnect.reason = reason;
    carry_event(server, now_us, &event);
}

static void join(struct server *server, int64_t now_us, struct rep *rep)
{
    static const struct envelope none;
    struct event event = {.kind = EVENT_READY};

    rep->told = false;
    event.ready.peer = &rep->peer;
    event.ready.protocol = WORKER_REP;
    event.ready.envelope = &none;
    event.ready.service = span_str(rep->service);
    event.ready.options = &rep->options;
    event.ready.pid = getpid(); /* R4 */
    carry_event(server, now_us, &event);
    if (dispatch_worker(server->dispatch, &rep->peer))
        return;
    log_event(LOG_WARN, "rep-refused", LOG_STR("endpoint", rep->endpoint),
              LOG_STR("say", "no room for another worker or service: dialled again later"));
    dial_hang_up(rep->dial, now_us, false);
}

/* It broke the protocol. */
static void expel(struct server *server, int64_t now_us, const struct rep *rep, const char *reason)
{
    server->stats.count[STAT_BAD_FRAMES]++;
    log_event(LOG_WARN, "rep-expelled", LOG_STR("endpoint", rep->endpoint), LOG_STR("why", reason),
              LOG_STR("say", "dialled again after a pause"));
    dial_hang_up(rep->dial, now_us, false);
    leave(server, now_us, rep, reason);
}

static void tell_trouble(struct rep *rep, const char *why)
{
    if (rep->told)
        return;
    rep->told = true;
    log_event(LOG_WARN, "rep-refused", LOG_STR("endpoint", rep->endpoint), LOG_STR("why", why),
              LOG_STR("say", "dialled again, with longer and longer pauses, until it works"));
}

void reps_give_up(struct reps *self, int64_t now_us, const struct peer *peer)
{
    struct rep *rep = rep_of(self, peer);

    if (dial_state(rep->dial) == DIAL_UP)
        dial_hang_up(rep->dial, now_us, true);
}

/* Messages. */

/* Why what SET holds is not a reply (R2), or NULL and the token of one. */
static const char *misread(const struct frameset *set, struct token *ret_token)
{
    if (set->count > LIMIT_FRAMES)
        return "its reply has too many frames";
    if (set->count < 3 || set->frame[1].size > 0 || token_parse(set->frame[0], ret_token) < 0)
        return "its reply does not begin with a token and an empty frame";
    return NULL;
}

/* The reply that is held (R2). Returns false when it must wait for its row. */
static bool on_reply(struct server *server, int64_t now_us, struct rep *rep)
{
    const struct frameset *set = &server->reps->set;
    struct token token;
    const char *why = misread(set, &token);

    if (!why && !hear_fits(&set->frame[2], set->count - 2))
        why = "its answer is too large";
    if (why) {
        expel(server, now_us, rep, why);
        return true;
    }
    if (!hear_rep(server, now_us, &rep->peer, &token, &set->frame[2], set->count - 2))
        return false;
    dial_answered(rep->dial, now_us);
    return true;
}

static void on_news(struct server *server, int64_t now_us, struct rep *rep, enum dial_news news)
{
    switch (news) {
    case DIAL_NOTHING:
        break;
    case DIAL_CAME:
        join(server, now_us, rep);
        break;
    case DIAL_WENT:
        leave(server, now_us, rep, "its connection is closed");
        break;
    case DIAL_ABSENT:
        log_event(LOG_INFO, "rep-absent", LOG_STR("endpoint", rep->endpoint),
                  LOG_STR("service", rep->service),
                  LOG_STR("say", "nobody listens there: tried until somebody does"));
        break;
    case DIAL_REFUSED:
        tell_trouble(rep, "what listens there does not speak ZeroMQ as a REP socket does");
        break;
    case DIAL_FAILED:
        tell_trouble(rep, zmq_strerror(errno));
        break;
    case DIAL_MESSAGE:
        server->reps->held_rep = (size_t)(rep - server->reps->rep);
        server->reps->held = !on_reply(server, now_us, rep);
        break;
    case DIAL_BAD:
        expel(server, now_us, rep, "its reply has too many frames");
        break;
    case DIAL_STRANGE:
        expel(server, now_us, rep, "it is not a REP socket");
        break;
    }
}

/* Returns true when nothing waits at REP any more. */
static bool run_one(struct server *server, int64_t now_us, struct rep *rep)
{
    struct reps *self = server->reps;

    for (int i = 0; i < MESSAGES_AT_ONCE && !self->held && !server->finished; i++) {
        enum dial_news news = dial_next(rep->dial, now_us, &self->set);

        if (news == DIAL_NOTHING)
            return true;
        on_news(server, now_us, rep, news);
    }
    return false;
}

bool reps_run(struct server *server, int64_t now_us)
{
    struct reps *self = server->reps;
    bool empty = true;

    if (self->held)
        self->held = !on_reply(server, now_us, &self->rep[self->held_rep]);
    for (size_t i = 0; i < self->count; i++)
        empty = run_one(server, now_us, &self->rep[(self->first + i) % self->count]) && empty;
    self->first = self->count ? (self->first + 1) % self->count : 0;
    return empty;
}

bool reps_held(const struct reps *self)
{
    return self->held;
}

int64_t reps_due(const struct reps *self)
{
    int64_t due_us = INT64_MAX;

    for (size_t i = 0; i < self->count && !self->held; i++)
        if (dial_due(self->rep[i].dial) < due_us)
            due_us = dial_due(self->rep[i].dial);
    return due_us;
}

size_t reps_items(const struct reps *self, zmq_pollitem_t ret_item[REPS_ITEMS])
{
    size_t items = 0;

    for (size_t i = 0; i < self->count && !self->held; i++)
        items += dial_items(self->rep[i].dial, ret_item + items);
    return items;
}

int reps_send(struct reps *self, const struct peer *peer, const struct span *frame, size_t count)
{
    return dial_send(rep_of(self, peer)->dial, frame, count);
}

/* Status. */

size_t reps_count(const struct reps *self)
{
    return self->count;
}

struct rep_view reps_look(const struct reps *self, size_t at)
{
    static const char *const state[] = {
        [DIAL_DOWN] = "down", [DIAL_UP] = "up", [DIAL_WAITING] = "waiting"};
    const struct rep *rep = &self->rep[at];

    return (struct rep_view){rep->endpoint, rep->service, state[dial_state(rep->dial)]};
}
