/* What callers do with a client and its requests. */
#include <stdio.h>
#include <stdlib.h>

#include "adapters/c/check.h"
#include "adapters/c/client_inside.h"
#include "adapters/c/patience.h"
#include "proto/buffer.h"
#include "proto/limits.h"

static bool check_body(const struct tailgate_frame *frame, size_t count)
{
    size_t size = 0;
    if (count < 1 || count > LIMIT_BODY_FRAMES)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (frame[i].size > LIMIT_FRAME_SIZE || size + frame[i].size > LIMIT_FRAME_SIZE)
            return false;
        size += frame[i].size;
    }
    return true;
}

static struct tailgate_request *request_new(struct tailgate_client *client, const char *service,
                                            const struct tailgate_frame *frame, size_t count)
{
    struct tailgate_request *self = memory_zero(1, sizeof *self);
    struct span body[LIMIT_BODY_FRAMES];
    for (size_t i = 0; i < count; i++)
        body[i] = span_of(frame[i].data, frame[i].size);
    self->client = client;
    self->service = memory_text(span_str(service));
    self->body = parcel_of(body, count);
    self->owned = true;
    return self;
}

static int request(struct tailgate_client *self, const char *service,
                   const struct tailgate_frame *frame, size_t count, int timeout_ms, bool in_call,
                   struct tailgate_request **ret_request)
{
    if (!check_text(service, LIMIT_SERVICE) || !check_body(frame, count))
        return TAILGATE_INVALID;
    struct tailgate_request *made = request_new(self, service, frame, count);
    made->waited_in_call = in_call;
    made->end_us = patience_end(timeout_ms);
    pthread_mutex_lock(&self->lock);
    bool full = self->requests == CLIENT_REQUESTS;
    if (!full) {
        line_join(self, made);
        client_ask(self);
    }
    pthread_mutex_unlock(&self->lock);
    if (full) {
        request_free(made);
        return TAILGATE_FULL;
    }
    *ret_request = made;
    return TAILGATE_OK;
}

int tailgate_client_send(struct tailgate_client *self, const char *service,
                         const struct tailgate_frame *frame, size_t count, int timeout_ms,
                         struct tailgate_request **ret_request)
{
    return request(self, service, frame, count, timeout_ms, false, ret_request);
}

/* Waits for what comes next for REQUEST: its end is told in any case. */
static struct tailgate_reply *await(struct tailgate_client *self, struct tailgate_request *request,
                                    int *ret_trouble)
{
    struct tailgate_reply *reply;
    pthread_mutex_lock(&self->lock);
    while (!(reply = inbox_take(self, request)))
        pthread_cond_wait(&self->news, &self->lock);
    *ret_trouble = self->trouble ? self->trouble : TAILGATE_TIMED_OUT;
    pthread_mutex_unlock(&self->lock);
    return reply;
}

int tailgate_client_ask(struct tailgate_client *self, const char *service,
                        const struct tailgate_frame *frame, size_t count, int timeout_ms,
                        void (*partial)(void *context, const struct tailgate_reply *part),
                        void *context, struct tailgate_reply **ret_reply)
{
    struct tailgate_request *made = NULL;
    struct tailgate_reply *reply = NULL;
    int code = request(self, service, frame, count, timeout_ms, true, &made);
    if (code != TAILGATE_OK)
        return code;
    int trouble = 0;
    while ((reply = await(self, made, &trouble))->kind == TAILGATE_EVENT_PARTIAL) {
        if (partial)
            partial(context, reply);
        tailgate_reply_destroy(&reply);
    }
    if (reply->kind == TAILGATE_EVENT_REPLY) {
        *ret_reply = reply;
        reply = NULL;
        trouble = TAILGATE_OK;
    }
    tailgate_reply_destroy(&reply);
    tailgate_request_destroy(&made);
    return trouble;
}

/* Under the lock. */
static bool take(struct tailgate_client *self, struct tailgate_event *ret_event)
{
    if (!self->notice && notices_take(&self->notices, ret_event))
        return true;
    struct tailgate_reply *reply = inbox_take(self, NULL);
    if (!reply)
        return false;
    *ret_event = notice_of(reply->kind, span_of("", 0));
    ret_event->request = reply->request;
    if (reply->kind == TAILGATE_EVENT_EXPIRED)
        tailgate_reply_destroy(&reply);
    ret_event->reply = reply;
    return true;
}

int tailgate_client_next(struct tailgate_client *self, int timeout_ms,
                         struct tailgate_event *ret_event)
{
    int64_t end_us = patience_end(timeout_ms);
    bool got = false, on = true;
    pthread_mutex_lock(&self->lock);
    while (on && !(got = take(self, ret_event)))
        on = patience_wait(&self->news, &self->lock, end_us);
    client_announce(self);
    pthread_mutex_unlock(&self->lock);
    return got ? TAILGATE_OK : TAILGATE_TIMED_OUT;
}

int tailgate_client_fd(const struct tailgate_client *self)
{
    return self->bell;
}

size_t tailgate_client_problem(const struct tailgate_client *self, char *ret_text, size_t room)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&self->lock;
    pthread_mutex_lock(lock);
    int size = snprintf(ret_text, room, "%s", self->problem);
    pthread_mutex_unlock(lock);
    return size < 0 ? 0 : (size_t)size;
}

void tailgate_request_destroy(struct tailgate_request **self)
{
    struct tailgate_request *request = *self;
    struct tailgate_reply *reply;
    *self = NULL;
    if (!request)
        return;
    struct tailgate_client *client = request->client;
    pthread_mutex_lock(&client->lock);
    while ((reply = inbox_take(client, request)))
        tailgate_reply_destroy(&reply);
    request->owned = false;
    if (!request->in_line)
        request_free(request);
    else if (!request->sent)
        line_leave(client, request);
    else
        client_ask(client); /* to see whether anybody still waits */
    client_announce(client);
    pthread_mutex_unlock(&client->lock);
}
