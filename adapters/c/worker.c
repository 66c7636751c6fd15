#include "adapters/c/worker_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/c/bell.h"
#include "adapters/c/check.h"
#include "adapters/c/patience.h"
#include "adapters/host/clock.h"
#include "proto/buffer.h"
#include "proto/jtext.h"

#define INTERVAL_MIN_MS 100
#define INTERVAL_MS 2500
#define INTERVAL_MAX_MS 60000
#define TURN 100 /* news of the link handled in one turn at most */

/* --- under the lock --- */

void worker_announce(struct tailgate_worker *self)
{
    bool some = self->notices.count > 0 || self->stopped ||
                (self->joined && !self->held && flights_waiting(&self->flights, self->slots));
    if (some && !self->ringing)
        bell_ring(self->bell);
    if (!some && self->ringing)
        bell_hush(self->bell);
    self->ringing = some;
    pthread_cond_broadcast(&self->news);
}

uint64_t worker_ask(struct tailgate_worker *self)
{
    self->asked++;
    self->unrung |= !self->busy;
    self->busy = true;
    worker_ring(self);
    return self->asked;
}

void worker_ring(struct tailgate_worker *self)
{
    if (self->unrung && !self->gathering)
        loop_wake(self->loop);
    self->unrung &= self->gathering;
}

void worker_compose_error(struct buffer *ret_body, const char *reason, bool retry)
{
    buffer_byte(ret_body, '{');
    jtext_member(ret_body, "type", span_str("error"));
    jtext_member(ret_body, "error", span_str(reason));
    jtext_member_raw(ret_body, "retry", span_str(retry ? "true" : "false"));
    buffer_byte(ret_body, '}');
}

void worker_compose_return(struct buffer *ret_body, const char *reason)
{
    buffer_byte(ret_body, '{');
    jtext_member(ret_body, "type", span_str("return"));
    jtext_member(ret_body, "error", span_str(reason));
    buffer_byte(ret_body, '}');
}

static int send_final(struct tailgate_worker *self, struct span token, struct span body)
{
    int code = self->link ? link_final(self->link, token, body) : 1;
    if (code < 0) {
        struct tailgate_event event = notice_of(
            TAILGATE_EVENT_DROPPED, span_str("too many answers are kept; the oldest was dropped"));
        event.count = 1;
        notices_put(&self->notices, &event);
    }
    (void)worker_ask(self);
    return code == 0 ? 0 : 1;
}

int worker_end(struct tailgate_worker *self, struct flight *flight, struct span body)
{
    int code = send_final(self, flight->query.token, body);
    flights_remove(&self->flights, flight);
    flight->ended = true;
    return code;
}

/* The library ends a query that no caller has. */
static void send_refusal(struct tailgate_worker *self, struct span token, int64_t id, bool failed,
                         const char *reason)
{
    struct buffer body;
    struct tailgate_event event =
        notice_of(failed ? TAILGATE_EVENT_FAILED : TAILGATE_EVENT_RETURNED, span_str(reason));
    event.message_id = id;
    buffer_init(&body);
    if (failed)
        worker_compose_error(&body, reason, true);
    else
        worker_compose_return(&body, reason);
    send_final(self, token, buffer_span(&body));
    notices_put(&self->notices, &event);
    buffer_done(&body);
}

void worker_refuse(struct tailgate_worker *self, struct flight *flight, bool failed,
                   const char *reason)
{
    send_refusal(self, flight->query.token, flight->id, failed, reason);
    flights_remove(&self->flights, flight);
    flight_free(&flight);
}

/* --- the thread's part --- */

static void tell(struct tailgate_worker *self, enum tailgate_event_kind kind,
                 const struct link_news *news)
{
    struct tailgate_event event = notice_of(kind, news->text);
    event.count = news->count;
    if (kind != TAILGATE_EVENT_ODD)
        snprintf(self->problem, sizeof self->problem, "%s",
                 kind == TAILGATE_EVENT_READY ? "" : event.text);
    notices_put(&self->notices, &event);
}

static void take_query(struct tailgate_worker *self, const struct link_news *news, int64_t now_us)
{
    struct flight *flight =
        flights_add(&self->flights, news->token, news->text, now_us, clock_utc_us());
    if (!flight) {
        send_refusal(self, news->token, 0, false, "the worker has no free slot");
        return;
    }
    if (!self->held && self->flights.count <= self->slots)
        return; /* it is given out at once */
    struct tailgate_event event = notice_of(TAILGATE_EVENT_WAITING, span_of("", 0));
    event.message_id = flight->id;
    flight->waited = true;
    notices_put(&self->notices, &event);
}

static void give_up(struct tailgate_worker *self, struct flight *flight, const char *by)
{
    struct tailgate_event event = notice_of(TAILGATE_EVENT_GIVEN_UP, span_str(by));
    event.message_id = flight->id;
    memcpy(event.token, flight->query.token.data, flight->query.token.size);
    flight->told = true;
    notices_force(&self->notices, &event);
}

/* The gateway said DISCONNECT. It does that to a worker whose time for a query is over; but also
 * when it stops, or was started anew and does not know us: then the work goes on, and READY names
 * it. */
static void hear_dismissal(struct tailgate_worker *self, int64_t now_us)
{
    struct flight *flight;
    while ((flight = flights_given_up(&self->flights, now_us)))
        give_up(self, flight, "the gateway gave the query up");
}

static void end_late(struct tailgate_worker *self, int64_t now_us)
{
    struct flight *late;
    while ((late = flights_late(&self->flights, now_us))) {
        if (late->offered)
            give_up(self, late, "the query ran out of time");
        else
            worker_refuse(self, late, true,
                          "the query ran out of time while it waited for a free slot");
    }
}

/* Returns false when there was nothing to hear. */
static bool hear(struct tailgate_worker *self, int64_t now_us)
{
    struct link_news news = link_next(self->link, now_us);
    switch (news.kind) {
    case LINK_NOTHING:
        return false;
    case LINK_READY:
        tell(self, TAILGATE_EVENT_READY, &news);
        break;
    case LINK_QUERY:
        take_query(self, &news, now_us);
        break;
    case LINK_ODD:
        tell(self, TAILGATE_EVENT_ODD, &news);
        break;
    case LINK_LOST:
        tell(self, TAILGATE_EVENT_LOST, &news);
        break;
    case LINK_DISMISSED:
        tell(self, TAILGATE_EVENT_DISMISSED, &news);
        hear_dismissal(self, now_us);
        break;
    case LINK_WAITING:
        tell(self, TAILGATE_EVENT_ABSENT, &news);
        break;
    case LINK_REFUSED:
        tell(self, TAILGATE_EVENT_REFUSED, &news);
        break;
    }
    return true;
}

/* Gives the notices to the caller's function, one at a time and without the lock. */
static void deliver(struct tailgate_worker *self)
{
    struct tailgate_event event;
    bool some = true;
    while (self->notice && some) {
        pthread_mutex_lock(&self->lock);
        some = notices_take(&self->notices, &event);
        pthread_mutex_unlock(&self->lock);
        if (some)
            self->notice(self->context, &event);
    }
}

static void run(void *member, int64_t now_us)
{
    struct tailgate_worker *self = member;
    pthread_mutex_lock(&self->lock);
    uint64_t turn = self->asked;
    self->busy = self->unrung = false;
    int heard = 0;
    while (heard < TURN && hear(self, now_us))
        heard++;
    if (heard == TURN || self->asked != turn)
        self->busy = true;
    end_late(self, now_us);
    self->done = turn;
    if (self->told_of_sending && link_kept(self->link) == 0) {
        struct tailgate_event event = notice_of(TAILGATE_EVENT_SENT, span_of("", 0));
        self->told_of_sending = false;
        notices_put(&self->notices, &event);
    }
    pthread_mutex_unlock(&self->lock);
    deliver(self);
    pthread_mutex_lock(&self->lock);
    worker_announce(self);
    pthread_mutex_unlock(&self->lock);
}

static size_t items(void *member, zmq_pollitem_t ret_item[LOOP_ITEMS])
{
    struct tailgate_worker *self = member;
    pthread_mutex_lock(&self->lock);
    size_t count = link_items(self->link, ret_item);
    pthread_mutex_unlock(&self->lock);
    return count;
}

static int64_t due(void *member)
{
    struct tailgate_worker *self = member;
    pthread_mutex_lock(&self->lock);
    int64_t link_us = link_due(self->link), flights_us = flights_due(&self->flights);
    int64_t due_us = self->busy ? 0 : link_us < flights_us ? link_us : flights_us;
    pthread_mutex_unlock(&self->lock);
    return due_us;
}

static void close_link(void *member)
{
    struct tailgate_worker *self = member;
    pthread_mutex_lock(&self->lock);
    link_destroy(&self->link);
    pthread_mutex_unlock(&self->lock);
}

static const struct loop_calls calls = {
    .items = items, .due = due, .run = run, .close = close_link};

/* --- its life --- */

static size_t holding(const void *flights, struct span *ret_token, size_t room)
{
    return flights_tokens(flights, ret_token, room);
}

static void make_link(struct tailgate_worker *self, const struct tailgate_worker_options *options)
{
    struct link_setup setup = {.context = loop_context(self->loop),
                               .endpoint = self->endpoint,
                               .curve = &self->curve,
                               .service = self->service,
                               .options = {.slots = (uint32_t)self->slots,
                                           .heartbeats = true,
                                           .wants_query = true,
                                           .batches = self->slots > 1,
                                           .interval_ms = options->interval_ms},
                               .keep = 4 * self->slots,
                               .holding = holding,
                               .holder = &self->flights};
    if (setup.options.interval_ms == 0)
        setup.options.interval_ms = INTERVAL_MS;
    snprintf(setup.options.name, sizeof setup.options.name, "%s",
             options->name ? options->name : "");
    snprintf(setup.options.adapter, sizeof setup.options.adapter, "%s",
             options->adapter ? options->adapter : "");
    self->link = link_new(&setup);
}

static bool check(const struct tailgate_worker_options *options)
{
    return check_endpoint(options->endpoint) &&
           (!options->service || check_text(options->service, LIMIT_SERVICE)) &&
           (!options->name || check_text(options->name, LIMIT_WORKER_NAME)) &&
           (!options->adapter || check_word(options->adapter, LIMIT_ADAPTER)) &&
           options->slots <= LIMIT_SLOTS &&
           (options->interval_ms == 0 ||
            (options->interval_ms >= INTERVAL_MIN_MS && options->interval_ms <= INTERVAL_MAX_MS));
}

int tailgate_worker_new(const struct tailgate_worker_options *options,
                        struct tailgate_worker **ret_worker)
{
    struct tailgate_loop *loop = options->loop;
    struct curve_client curve;
    int code = check(options) ? TAILGATE_OK : TAILGATE_INVALID;
    if (code == TAILGATE_OK && !check_certs(options->cert, options->server_cert, &curve))
        code = TAILGATE_INVALID;
    if (code == TAILGATE_OK && !loop)
        code = tailgate_loop_new(&loop);
    if (code != TAILGATE_OK)
        return code;
    struct tailgate_worker *self = memory_zero(1, sizeof *self);
    self->bell = bell_new();
    if (self->bell < 0) {
        if (!options->loop)
            tailgate_loop_destroy(&loop);
        free(self);
        return TAILGATE_NO_RESOURCES;
    }
    self->curve = curve;
    explicit_bzero(&curve, sizeof curve);
    self->loop = loop;
    self->own_loop = !options->loop;
    pthread_mutex_init(&self->lock, NULL);
    patience_init(&self->news);
    self->holders = 1;
    self->endpoint = memory_text(span_str(options->endpoint));
    self->service = memory_text(span_str(options->service ? options->service : "*"));
    self->slots = options->slots ? options->slots : 1;
    self->notice = options->notice;
    self->context = options->context;
    flights_init(&self->flights, 2 * self->slots);
    notices_init(&self->notices, 2 * self->slots);
    make_link(self, options);
    self->joined = !options->later;
    if (self->joined)
        link_join(self->link);
    self->seat = (struct loop_seat){.calls = &calls, .member = self};
    loop_add(self->loop, &self->seat);
    *ret_worker = self;
    return TAILGATE_OK;
}

void worker_release(struct tailgate_worker *self)
{
    pthread_mutex_lock(&self->lock);
    bool last = --self->holders == 0;
    pthread_mutex_unlock(&self->lock);
    if (!last)
        return;
    flights_done(&self->flights);
    notices_done(&self->notices);
    close(self->bell);
    pthread_cond_destroy(&self->news);
    pthread_mutex_destroy(&self->lock);
    explicit_bzero(&self->curve, sizeof self->curve);
    free(self->endpoint);
    free(self->service);
    free(self);
}

void tailgate_worker_destroy(struct tailgate_worker **self)
{
    struct tailgate_worker *worker = *self;
    *self = NULL;
    if (!worker)
        return;
    (void)tailgate_worker_stop(worker, 0);
    loop_remove(worker->loop, &worker->seat);
    if (worker->own_loop)
        tailgate_loop_destroy(&worker->loop);
    worker_release(worker);
}
