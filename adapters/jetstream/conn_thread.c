#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adapters/jetstream/conn_inside.h"

#define PAUSE_FIRST_MS 250
#define PAUSE_MAX_MS 10000
#define PING_MS 2000
#define FLUSH_MS 1000

/* --- under the lock --- */

static void ring(struct conn *self)
{
    uint64_t one = 1;
    (void)!write(self->bell, &one, sizeof one);
}

/* The newest say how things are: where there is no room, an older one makes it. */
static void tell(struct conn *self, enum conn_news_kind kind, const char *text)
{
    if (self->events == CONN_NEWS_MAX) {
        memmove(&self->event[0], &self->event[1], (CONN_NEWS_MAX - 1) * sizeof self->event[0]);
        self->events--;
    }
    struct conn_news *news = &self->event[self->events++];
    *news = (struct conn_news){.kind = kind};
    snprintf(news->text, sizeof news->text, "%s", text);
    ring(self);
}

/* --- called by libnats --- */

static void take_message(natsConnection *link, natsSubscription *subscription, natsMsg *message,
                         void *closure)
{
    struct conn *self = closure;
    (void)link;
    (void)subscription;
    pthread_mutex_lock(&self->lock);
    while (self->in.count == self->in.room && !self->ending)
        pthread_cond_wait(&self->news, &self->lock);
    if (self->ending || !queue_put(&self->in, message))
        natsMsg_Destroy(message);
    ring(self);
    pthread_mutex_unlock(&self->lock);
}

/* What may be lost gives way to what may not. */
static void take_loose(natsConnection *link, natsSubscription *subscription, natsMsg *message,
                       void *closure)
{
    struct conn *self = closure;
    (void)link;
    (void)subscription;
    pthread_mutex_lock(&self->lock);
    if (self->ending || self->in.count > self->in.room / 2 || !queue_put(&self->in, message))
        natsMsg_Destroy(message);
    ring(self);
    pthread_mutex_unlock(&self->lock);
}

/* What libnats finds out later: mostly that we may not do what we asked for. */
static void hear_trouble(natsConnection *link, natsSubscription *subscription, natsStatus status,
                         void *closure)
{
    struct conn *self = closure;
    const char *error = NULL;
    (void)subscription;
    (void)natsConnection_GetLastError(link, &error);
    pthread_mutex_lock(&self->lock);
    const char *text = error && *error ? error : natsStatus_GetText(status);
    if (!self->ending && strncmp(self->trouble, text, CONN_TEXT - 1) != 0)
        tell(self, CONN_TROUBLE, text);
    snprintf(self->trouble, sizeof self->trouble, "%s", text);
    pthread_mutex_unlock(&self->lock);
}

static void hear_lost(natsConnection *link, void *closure)
{
    struct conn *self = closure;
    const char *error = NULL;
    (void)natsConnection_GetLastError(link, &error);
    pthread_mutex_lock(&self->lock);
    if (self->connected && !self->ending)
        tell(self, CONN_LOST, error && *error ? error : "the server closed the connection");
    self->connected = false;
    pthread_mutex_unlock(&self->lock);
}

static void hear_closed(natsConnection *link, void *closure)
{
    struct conn *self = closure;
    hear_lost(link, closure);
    pthread_mutex_lock(&self->lock);
    self->closed = true;
    pthread_cond_broadcast(&self->news);
    pthread_mutex_unlock(&self->lock);
}

static void hear_up(natsConnection *link, void *closure)
{
    struct conn *self = closure;
    char url[CONN_TEXT] = "", text[CONN_TEXT];
    (void)natsConnection_GetConnectedUrl(link, url, sizeof url);
    conn_mask(url, text);
    int64_t max_payload = natsConnection_GetMaxPayload(link);
    pthread_mutex_lock(&self->lock);
    if (!self->closed) { /* it may have ended already */
        self->connected = true;
        self->max_payload = max_payload;
        tell(self, CONN_UP, text);
    }
    pthread_mutex_unlock(&self->lock);
}

/* --- our thread --- */

static natsStatus set_calls(struct conn *self, natsOptions *options)
{
    /* A server that stands still is as good as gone. */
    natsStatus status = natsOptions_SetPingInterval(options, PING_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPingsOut(options, 2);
    if (status == NATS_OK)
        status = natsOptions_SetDisconnectedCB(options, hear_lost, self);
    if (status == NATS_OK)
        status = natsOptions_SetClosedCB(options, hear_closed, self);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(options, hear_trouble, self);
    return status;
}

/* Sleeps under the lock until something is new, or for MS. */
static void rest(struct conn *self, int ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (long)(ms % 1000) * 1000000;
    end.tv_sec += ms / 1000 + end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&self->news, &self->lock, &end);
}

static natsStatus subscribe(struct conn *self, size_t index, const char *subject)
{
    natsSubscription *subscription = NULL;
    natsStatus status = natsConnection_Subscribe(&subscription, self->link, subject,
                                                 index == 0 ? take_message : take_loose, self);
    if (status == NATS_OK && index == 0) /* only so many are asked for; none may be dropped */
        status = natsSubscription_SetPendingLimits(subscription, -1, -1);
    self->subscription[index] = subscription;
    return status;
}

static bool connect_to(struct conn *self, size_t index, char ret_why[CONN_TEXT], bool *ret_refused)
{
    natsOptions *options = conn_options(self->setup, index, ret_why);
    if (!options)
        return false;
    natsStatus status = set_calls(self, options);
    if (status == NATS_OK)
        status = natsConnection_Connect(&self->link, options);
    natsOptions_Destroy(options);
    if (status == NATS_OK)
        return true;
    self->link = NULL;
    if (!*ret_refused ||
        conn_refused(status)) /* to be refused says more than that nobody is there */
        conn_explain(status, ret_why);
    *ret_refused = *ret_refused || conn_refused(status);
    return false;
}

/* Tries each server once, beginning behind the one that was connected last. */
static bool connect_round(struct conn *self, char ret_why[CONN_TEXT], bool *ret_refused)
{
    size_t count = 0;
    while (self->setup->url[count])
        count++;
    for (size_t i = 0; i < count; i++) {
        self->server = (self->server + 1) % count;
        if (connect_to(self, self->server, ret_why, ret_refused))
            return true;
    }
    return false;
}

/* Makes a connection; false when we are ending. Called and left with the lock held. */
static bool make_link(struct conn *self)
{
    char said[CONN_TEXT] = "", why[CONN_TEXT] = "";
    for (int pause = PAUSE_FIRST_MS; !self->ending; pause *= 2) {
        bool refused = false;
        self->closed = false; /* before there is one that could */
        self->trouble[0] = '\0';
        pthread_mutex_unlock(&self->lock);
        bool done = connect_round(self, why, &refused);
        pthread_mutex_lock(&self->lock);
        if (done)
            return true;
        if (strcmp(said, why) != 0)
            tell(self, refused ? CONN_REFUSED : CONN_WAITING, why);
        snprintf(said, sizeof said, "%s", why);
        pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
        if (!self->ending)
            rest(self, pause);
    }
    return false;
}

/* One thing for libnats to do, which is done without the lock. */
static void do_next(struct conn *self, size_t *subscribed)
{
    natsMsg *message = NULL;
    const char *subject = NULL;
    if (*subscribed < self->subjects)
        subject = self->subject[*subscribed];
    else
        message = queue_take(&self->out);
    pthread_mutex_unlock(&self->lock);
    if (subject && subscribe(self, *subscribed, subject) == NATS_OK)
        ++*subscribed;
    if (message)
        (void)natsConnection_PublishMsg(self->link, message); /* who cares waits for an answer */
    natsMsg_Destroy(message);
    pthread_mutex_lock(&self->lock);
}

/* Until the connection is closed for good, or to be left. The lock is held. */
static void serve(struct conn *self)
{
    size_t subscribed = 0;
    while (subscribed == 0 && !self->closed)
        do_next(self, &subscribed);
    pthread_mutex_unlock(&self->lock);
    hear_up(self->link, self);
    pthread_mutex_lock(&self->lock);
    while (!self->closed && !self->leaving) {
        bool work = self->out.count > 0 || subscribed < self->subjects;
        if (work && self->connected)
            do_next(self, &subscribed);
        else if (self->ending)
            break;
        else
            rest(self, 60000);
    }
}

/* Called and left with the lock held. */
static void leave(struct conn *self)
{
    if (self->connected)
        tell(self, CONN_LOST, "JetStream does not answer there; another server is tried");
    self->connected = self->leaving = false;
    pthread_mutex_unlock(&self->lock);
    natsConnection_Close(self->link);
    pthread_mutex_lock(&self->lock);
    while (!self->closed && !self->ending) /* that it is must not be taken for the next one's end */
        rest(self, CONN_CLOSE_MS);
}

static void end_link(struct conn *self)
{
    natsConnection_Close(self->link);
    for (size_t i = 0; i < CONN_SUBSCRIPTIONS_MAX; i++) {
        natsSubscription_Destroy(self->subscription[i]);
        self->subscription[i] = NULL;
    }
    natsConnection_Destroy(self->link);
    self->link = NULL;
}

void *conn_thread(void *closure)
{
    struct conn *self = closure;
    pthread_mutex_lock(&self->lock);
    while (!self->ending && make_link(self)) {
        serve(self);
        if (self->leaving)
            leave(self);
        bool ending = self->ending;
        pthread_mutex_unlock(&self->lock);
        if (ending)
            (void)natsConnection_FlushTimeout(self->link, FLUSH_MS);
        end_link(self);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    nats_ReleaseThreadMemory();
    return NULL;
}
