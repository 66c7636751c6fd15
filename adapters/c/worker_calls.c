/* What callers do with a worker. */
#include <stdio.h>

#include "adapters/c/patience.h"
#include "adapters/c/worker_inside.h"
#include "proto/buffer.h"

/* Under the lock: a query that may be given out, or NULL. */
static struct flight *next_flight(const struct tailgate_worker *self)
{
    return self->joined && !self->held ? flights_waiting(&self->flights, self->slots) : NULL;
}

static bool take(struct tailgate_worker *self, struct tailgate_event *ret_event)
{
    struct flight *flight = next_flight(self);
    if (!flight)
        return false;
    flights_offer(&self->flights, flight);
    self->holders++;
    *ret_event = notice_of(TAILGATE_EVENT_QUERY, span_of("", 0));
    ret_event->query = query_new(self, flight);
    ret_event->waited = flight->waited;
    ret_event->message_id = flight->id;
    return true;
}

/* Waits for an event, or for a query when QUERIES_ONLY: then the others are dropped. */
static int next(struct tailgate_worker *self, int timeout_ms, bool queries_only,
                struct tailgate_event *ret_event)
{
    int64_t end_us = patience_end(timeout_ms);
    int code = TAILGATE_TIMED_OUT;
    pthread_mutex_lock(&self->lock);
    for (bool on = true; on && code == TAILGATE_TIMED_OUT;) {
        bool got = false;
        while (!got && !self->notice && notices_take(&self->notices, ret_event))
            got = !queries_only;
        if (got || take(self, ret_event))
            code = TAILGATE_OK;
        else if (self->stopped)
            code = TAILGATE_CLOSED;
        else
            on = patience_wait(&self->news, &self->lock, end_us);
    }
    worker_announce(self);
    pthread_mutex_unlock(&self->lock);
    return code;
}

int tailgate_worker_next(struct tailgate_worker *self, int timeout_ms,
                         struct tailgate_event *ret_event)
{
    struct tailgate_event event;
    int code = next(self, timeout_ms, false, &event);
    if (code == TAILGATE_OK)
        *ret_event = event;
    return code;
}

int tailgate_worker_receive(struct tailgate_worker *self, int timeout_ms,
                            struct tailgate_query **ret_query)
{
    struct tailgate_event event;
    int code = next(self, timeout_ms, true, &event);
    if (code == TAILGATE_OK)
        *ret_query = event.query;
    return code;
}

int tailgate_worker_fd(const struct tailgate_worker *self)
{
    return self->bell;
}

size_t tailgate_worker_problem(const struct tailgate_worker *self, char *ret_text, size_t room)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&self->lock;
    pthread_mutex_lock(lock);
    int size = snprintf(ret_text, room, "%s", self->problem);
    pthread_mutex_unlock(lock);
    return size < 0 ? 0 : (size_t)size;
}

void tailgate_worker_join(struct tailgate_worker *self)
{
    pthread_mutex_lock(&self->lock);
    if (self->link && !self->stopped) {
        self->joined = true;
        link_join(self->link);
        (void)worker_ask(self);
    }
    pthread_mutex_unlock(&self->lock);
}

/* Under the lock. Returns the thread's turn in which it is done. */
static uint64_t leave(struct tailgate_worker *self, const char *reason)
{
    struct flight *flight;
    while ((flight = flights_unoffered(&self->flights)))
        worker_refuse(self, flight, false, reason);
    self->joined = false;
    link_leave(self->link);
    return worker_ask(self);
}

void tailgate_worker_leave(struct tailgate_worker *self, const char *reason)
{
    pthread_mutex_lock(&self->lock);
    if (self->link && self->joined)
        (void)leave(self, reason);
    worker_announce(self);
    pthread_mutex_unlock(&self->lock);
}

void tailgate_worker_hold(struct tailgate_worker *self, bool hold)
{
    pthread_mutex_lock(&self->lock);
    self->held = hold;
    worker_announce(self);
    pthread_mutex_unlock(&self->lock);
}

void tailgate_worker_gather(struct tailgate_worker *self, bool gather)
{
    pthread_mutex_lock(&self->lock);
    self->gathering = gather;
    worker_ring(self);
    pthread_mutex_unlock(&self->lock);
}

size_t tailgate_worker_unsent(struct tailgate_worker *self)
{
    pthread_mutex_lock(&self->lock);
    size_t count = self->link ? link_kept(self->link) : 0;
    self->told_of_sending = count > 0;
    pthread_mutex_unlock(&self->lock);
    return count;
}

static void give_back_the_rest(struct tailgate_worker *self)
{
    struct buffer body;
    buffer_init(&body);
    worker_compose_return(&body, "the worker is stopping");
    while (self->flights.count > 0) {
        struct flight *flight = self->flights.flight[0];
        if (flight->offered)
            (void)worker_end(self, flight, buffer_span(&body));
        else
            worker_refuse(self, flight, false, "the worker is stopping");
    }
    buffer_done(&body);
}

int tailgate_worker_stop(struct tailgate_worker *self, int timeout_ms)
{
    int64_t end_us = patience_end(timeout_ms);
    size_t unsent = 0;
    pthread_mutex_lock(&self->lock);
    self->held = self->stopped = true;
    self->gathering = false;
    worker_announce(self);
    worker_ring(self); /* for what was gathered */
    bool on = true;
    while (on && self->link && (flights_offered(&self->flights) > 0 || link_kept(self->link) > 0))
        on = patience_wait(&self->news, &self->lock, end_us);
    give_back_the_rest(self);
    if (self->link) {
        uint64_t turn = leave(self, "the worker is stopping");
        while (self->done < turn)
            pthread_cond_wait(&self->news, &self->lock);
        unsent = link_kept(self->link);
    }
    pthread_mutex_unlock(&self->lock);
    return (int)unsent;
}
