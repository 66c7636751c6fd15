/* The gateway's two doors, through libtailgate: a client for what is asked, an observer for what
 * happens, all on one thread of the library.
 *
 *  D1. Replies of one connection come in the order of the requests (MDP). So what only reads
 * memory, what reads the database, what reads much of it and what waits for a commit have a lane, a
 * connection, each: a lock that somebody holds on the database does not make /readyz silent.
 *
 *  D2. While a lane's connection is known to be gone, nothing waits for it: who asks is told at
 *      once, and so is who has asked. The library may still deliver what was asked before that. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/http_inside.h"
#include "gateway/log.h"
#include "proto/buffer.h"

#define ASKS_MAX 256
#define PATIENCE_MS 5000
#define AT_ONCE 200 /* events of the observer in one turn */
#define WHY_SIZE 256
#define REPLAY "tailgate.replay"

enum lane { LANE_MEMORY, LANE_READ, LANE_REPLAY, LANE_COMMIT, LANES };
_Static_assert(LANES + 1 <= HTTP_DOORS_FDS, "each, and the observer, has a descriptor");

struct ask {
    uint64_t number;
    enum lane lane;
    struct tailgate_request *request; /* NULL: not sent, or lost: WHY says why */
    char *why;
    bool sent;
    void (*row)(void *context, struct span json); /* NULL: nobody wants the parts of the reply */
    void (*done)(void *context, enum http_asked how, struct span reply); /* NULL: cancelled */
    void *context;
    struct ask *next;
};

struct http_doors {
    struct http *http;
    struct tailgate_loop *loop;
    struct tailgate_client *client[LANES];
    struct tailgate_observer *observer;
    bool observing;
    char why_away[WHY_SIZE]; /* of the gate, as last said in the log; "" while it is there */
    char why_blind[WHY_SIZE];
    uint64_t number;
    size_t count;
    struct ask *asks, **end; /* oldest first */
};

/* --- asking --- */

static enum lane lane_of(const char *service)
{
    static const char *const reading[] = {"tailgate.query", "tailgate.session", "tailgate.story",
                                          "tailgate.dead"};

    if (strcmp(service, "tailgate.status") == 0)
        return LANE_MEMORY;
    if (strcmp(service, REPLAY) == 0)
        return LANE_REPLAY;
    for (size_t i = 0; i < sizeof reading / sizeof *reading; i++)
        if (strcmp(service, reading[i]) == 0)
            return LANE_READ;
    return LANE_COMMIT;
}

/* Sends it; NULL, or why it was not (to be freed). */
static char *send_ask(struct http_doors *self, struct ask *ask, const char *service,
                      struct span body)
{
    const struct tailgate_frame frame = {body.data ? body.data : "", body.size};
    struct tailgate_client *client = self->client[ask->lane];
    char why[WHY_SIZE];
    int code;

    if (self->count > ASKS_MAX)
        return memory_text(span_str("too many requests wait for the gateway"));
    if (tailgate_client_problem(client, why, sizeof why) > 0)
        return memory_text(span_str(why));
    code = tailgate_client_send(client, service, &frame, 1, PATIENCE_MS, &ask->request);
    return code == TAILGATE_OK ? NULL : memory_text(span_str(tailgate_error_text(code)));
}

/* Its callbacks are the caller's to set. */
static struct ask *ask_new(struct http *http, const char *service, struct span body, void *context)
{
    struct http_doors *self = http->doors;
    struct ask *ask = memory_zero(1, sizeof *ask);

    ask->number = ++self->number;
    ask->lane = lane_of(service);
    ask->context = context;
    *self->end = ask;
    self->end = &ask->next;
    self->count++;
    http->own.asks++;
    ask->why = send_ask(self, ask, service, body);
    ask->sent = ask->request != NULL;
    return ask;
}

uint64_t http_ask(struct http *http, const char *service, struct span body,
                  void (*done)(void *context, enum http_asked how, struct span reply),
                  void *context)
{
    struct ask *ask = ask_new(http, service, body, context);

    ask->done = done;
    return ask->number;
}

uint64_t http_replay(struct http *http, struct span body,
                     void (*row)(void *context, struct span json),
                     void (*done)(void *context, enum http_asked how, struct span reply),
                     void *context)
{
    struct ask *ask = ask_new(http, REPLAY, body, context);

    ask->row = row;
    ask->done = done;
    return ask->number;
}

/* What was sent is not taken back: that would cost the connection. */
void http_ask_cancel(struct http *http, uint64_t number)
{
    for (struct ask *ask = http->doors->asks; ask; ask = ask->next)
        if (ask->number == number) {
            ask->row = NULL;
            ask->done = NULL;
        }
}

static void take_out(struct http_doors *self, struct ask *ask)
{
    struct ask **place = &self->asks;

    while (*place != ask)
        place = &(*place)->next;
    *place = ask->next;
    if (!ask->next)
        self->end = place;
    self->count--;
}

static void free_ask(struct ask *ask)
{
    tailgate_request_destroy(&ask->request);
    free(ask->why);
    free(ask);
}

/* ASK is over. What is called may ask again. */
static void finish(struct http_doors *self, struct ask *ask, enum http_asked how, struct span reply)
{
    take_out(self, ask);
    if (how != HTTP_ANSWERED)
        self->http->own.asks_failed++;
    if (ask->done)
        ask->done(ask->context, how, reply);
    free_ask(ask);
}

/* D2. Those that came meanwhile are for the next turn. */
static void fail_unsent(struct http_doors *self)
{
    uint64_t last = self->number;
    struct ask *ask = self->asks, *next;

    for (; ask && ask->number <= last; ask = next) {
        next = ask->next;
        if (!ask->request)
            finish(self, ask, ask->sent ? HTTP_NO_ANSWER : HTTP_NOT_ASKED, span_str(ask->why));
    }
}

/* --- what the gate's connections tell --- */

static void fail_lane(struct http_doors *self, enum lane lane, const char *why)
{
    for (struct ask *ask = self->asks; ask; ask = ask->next) {
        if (ask->lane != lane || !ask->request)
            continue;
        tailgate_request_destroy(&ask->request);
        ask->why = memory_text(span_str(why)); /* told by fail_unsent() */
    }
}

/* Logs that a door is away, or back when WHY is "". That nobody is there AGAIN is no news. */
static void say(const char *door, char told[WHY_SIZE], const char *why, bool again)
{
    if (strcmp(told, why) == 0 || (again && *told))
        return;
    if (*why)
        log_event(LOG_WARN, "away", LOG_STR("door", door), LOG_STR("why", why));
    else
        log_event(LOG_INFO, "back", LOG_STR("door", door));
    snprintf(told, WHY_SIZE, "%s", why);
}

/* A part of a replay: its frames are rows. */
static void take_part(const struct ask *ask, const struct tailgate_reply *part)
{
    size_t count = ask->row ? tailgate_reply_frames(part) : 0;

    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        const char *frame = tailgate_reply_frame(part, i, &size);
        ask->row(ask->context, span_of(frame, size));
    }
}

static void take_of_ask(struct http_doors *self, struct tailgate_event *event)
{
    struct ask *ask = self->asks;
    size_t size = 0;
    const char *frame;

    while (ask && ask->request != event->request)
        ask = ask->next;
    if (ask && event->kind == TAILGATE_EVENT_REPLY) {
        frame = tailgate_reply_frame(event->reply, 0, &size);
        finish(self, ask, HTTP_ANSWERED, span_of(frame, size));
    } else if (ask && event->kind == TAILGATE_EVENT_EXPIRED) {
        finish(self, ask, HTTP_NO_ANSWER, span_str("the gateway did not answer within 5 s"));
    } else if (ask && event->kind == TAILGATE_EVENT_PARTIAL) {
        take_part(ask, event->reply);
    }
}

static void take_event(struct http_doors *self, enum lane lane, struct tailgate_event *event)
{
    const char *text = *event->text ? event->text : "the connection is gone";

    switch (event->kind) {
    case TAILGATE_EVENT_READY:
        if (lane == LANE_MEMORY) /* which speaks for all */
            say("gate", self->why_away, "", false);
        break;
    case TAILGATE_EVENT_LOST:
    case TAILGATE_EVENT_ABSENT:
    case TAILGATE_EVENT_REFUSED:
        fail_lane(self, lane, text);
        if (lane == LANE_MEMORY)
            say("gate", self->why_away, text, event->kind == TAILGATE_EVENT_ABSENT);
        break;
    default: /* of a request, or odd, which LOST follows */
        take_of_ask(self, event);
    }
    tailgate_reply_destroy(&event->reply);
}

/* --- what is observed --- */

static void take_observed(struct http_doors *self, const struct tailgate_observed *observed)
{
    struct http *http = self->http;

    if (observed->kind == TAILGATE_OBSERVED_UP) {
        self->observing = true;
        say("events", self->why_blind, "", false);
    } else if (observed->kind == TAILGATE_OBSERVED_AWAY) {
        self->observing = false;
        say("events", self->why_blind, *observed->text ? observed->text : "the connection is gone",
            strncmp(observed->text, "no gateway", 10) == 0);
    } else if (observed->kind == TAILGATE_OBSERVED_EVENT) {
        http->own.events++;
    }
    for (const struct http_part *const *part = http->parts; *part; part++)
        if ((*part)->on_event)
            (*part)->on_event(http, observed);
}

void http_doors_run(struct http_doors *self)
{
    struct tailgate_event event;
    struct tailgate_observed observed;
    int taken = 0;

    fail_unsent(self);
    for (int lane = 0; lane < LANES; lane++)
        while (tailgate_client_next(self->client[lane], 0, &event) == TAILGATE_OK)
            take_event(self, (enum lane)lane, &event);
    while (taken++ < AT_ONCE && tailgate_observer_next(self->observer, 0, &observed) == TAILGATE_OK)
        take_observed(self, &observed);
}

int64_t http_doors_due(const struct http_doors *self)
{
    for (const struct ask *ask = self->asks; ask; ask = ask->next)
        if (!ask->request)
            return 0;
    return INT64_MAX;
}

bool http_is_observing(const struct http *http)
{
    return http->doors->observing;
}

int64_t http_position(const struct http *http)
{
    return tailgate_observer_position(http->doors->observer);
}

/* --- from start to end --- */

static int connect_doors(struct http_doors *self, const struct http_door_setup *setup)
{
    struct tailgate_client_options client = {
        .endpoint = setup->gate, .cert = setup->cert, .server_cert = setup->server_cert};
    struct tailgate_observer_options observer = {.endpoint = setup->events,
                                                 .gate = setup->gate,
                                                 .cert = setup->cert,
                                                 .server_cert = setup->server_cert,
                                                 .after = TAILGATE_FROM_NOW};
    int code = tailgate_loop_new(&self->loop);

    client.loop = observer.loop = self->loop;
    for (int i = 0; i < LANES && code == TAILGATE_OK; i++)
        code = tailgate_client_new(&client, &self->client[i]);
    if (code == TAILGATE_OK)
        code = tailgate_observer_new(&observer, &self->observer);
    return code;
}

struct http_doors *http_doors_new(struct http *http, const struct http_door_setup *setup)
{
    struct http_doors *self = memory_zero(1, sizeof *self);
    int code;

    self->http = http;
    self->end = &self->asks;
    code = connect_doors(self, setup);
    if (code != TAILGATE_OK) {
        log_event(LOG_ERROR, "failed", LOG_STR("gate", setup->gate),
                  LOG_STR("say", tailgate_error_text(code)));
        http_doors_destroy(&self);
    }
    return self;
}

void http_doors_destroy(struct http_doors **self)
{
    struct http_doors *doors = *self;
    struct ask *next;

    *self = NULL;
    if (!doors)
        return;
    for (struct ask *ask = doors->asks; ask; ask = next) {
        next = ask->next;
        free_ask(ask);
    }
    tailgate_observer_destroy(&doors->observer);
    for (int i = 0; i < LANES; i++)
        tailgate_client_destroy(&doors->client[i]);
    tailgate_loop_destroy(&doors->loop);
    free(doors);
}

size_t http_doors_fds(const struct http_doors *self, int ret_fd[HTTP_DOORS_FDS])
{
    size_t count = 0;

    for (int i = 0; i < LANES; i++)
        ret_fd[count++] = tailgate_client_fd(self->client[i]);
    ret_fd[count++] = tailgate_observer_fd(self->observer);
    return count;
}
