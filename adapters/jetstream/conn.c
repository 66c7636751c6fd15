#include "adapters/jetstream/conn.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "adapters/jetstream/conn_inside.h"
#include "proto/buffer.h"

#define OUT_MAX 65536        /* messages that wait to be sent */
#define IN_MAX 8192          /* messages that wait to be read; then libnats' thread waits */
#define PATIENCE_US 15000000 /* without a word; a pull is answered within API_PULL_S. Doubles */
#define PATIENCE_MAX_US 300000000

/* --- its life --- */

static bool start(struct conn *self, char ret_why[CONN_TEXT])
{
    natsInbox *inbox = NULL;
    pthread_condattr_t attributes;
    for (size_t i = 0; self->setup->url[i]; i++) {
        natsOptions *options = conn_options(self->setup, i, ret_why);
        if (!options)
            return false;
        natsOptions_Destroy(options);
    }
    natsStatus status = natsInbox_Create(&inbox);
    if (status != NATS_OK) {
        conn_explain(status, ret_why);
        return false;
    }
    snprintf(self->inbox, sizeof self->inbox, "%s", inbox);
    natsInbox_Destroy(inbox);
    self->subject[0] = memory_new(sizeof self->inbox + 2);
    snprintf(self->subject[0], sizeof self->inbox + 2, "%s.>", self->inbox);
    self->subjects = 1;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->news, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&self->lock, NULL);
    queue_init(&self->out, OUT_MAX);
    queue_init(&self->in, IN_MAX);
    self->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = self->bell < 0 ? errno : pthread_create(&self->thread, NULL, conn_thread, self);
    snprintf(ret_why, CONN_TEXT, "%s", strerror(error));
    return error == 0;
}

static void release(struct conn *self)
{
    if (self->out.item)
        queue_done(&self->out);
    if (self->in.item)
        queue_done(&self->in);
    for (size_t i = 0; i < self->subjects; i++)
        free(self->subject[i]);
    if (self->bell >= 0)
        close(self->bell);
    free(self);
}

struct conn *conn_new(const struct conn_setup *setup, char ret_why[CONN_TEXT])
{
    struct conn *self = memory_zero(1, sizeof *self);
    self->setup = setup;
    self->bell = -1;
    self->patience_us = PATIENCE_US;
    /* The servers of a cluster share the load. */
    self->server = randombytes_uniform(CONN_URLS);
    if (start(self, ret_why))
        return self;
    release(self);
    return NULL;
}

void conn_destroy(struct conn **self)
{
    struct conn *conn = *self;
    *self = NULL;
    if (!conn)
        return;
    pthread_mutex_lock(&conn->lock);
    conn->ending = true;
    pthread_cond_broadcast(&conn->news);
    pthread_mutex_unlock(&conn->lock);
    pthread_join(conn->thread, NULL);
    pthread_mutex_lock(&conn->lock); /* messages must be gone before the library is */
    queue_done(&conn->out);
    queue_done(&conn->in);
    pthread_mutex_unlock(&conn->lock);
    if (nats_CloseAndWait(CONN_CLOSE_MS) == NATS_OK) /* its threads call us no more */
        release(conn);
}

/* --- the loop's calls --- */

int conn_fd(const struct conn *self)
{
    return self->bell;
}

struct conn_news conn_next(struct conn *self)
{
    struct conn_news news = {.kind = CONN_NOTHING};
    uint64_t rung;
    pthread_mutex_lock(&self->lock);
    if (self->events > 0) {
        news = self->event[0];
        memmove(&self->event[0], &self->event[1], --self->events * sizeof self->event[0]);
    } else if ((news.message = queue_take(&self->in))) {
        news.kind = CONN_MESSAGE;
        if (!natsMsg_IsNoResponders(news.message)) {
            self->asked_us = 0;
            self->patience_us = PATIENCE_US;
        }
        pthread_cond_broadcast(&self->news);
    } else {
        (void)!read(self->bell, &rung, sizeof rung);
    }
    pthread_mutex_unlock(&self->lock);
    if (news.kind == CONN_UP)
        self->up = true;
    else if (news.kind == CONN_LOST || news.kind == CONN_WAITING || news.kind == CONN_REFUSED)
        self->up = false;
    if (!self->up)
        self->asked_us = 0;
    return news;
}

bool conn_is_up(const struct conn *self)
{
    return self->up;
}

void conn_expect(struct conn *self, int64_t now_us)
{
    if (self->asked_us == 0)
        self->asked_us = now_us;
    bool others = self->setup->url[0] && self->setup->url[1];
    if (!self->up || !others || now_us - self->asked_us < self->patience_us)
        return;
    self->asked_us = 0;
    self->patience_us =
        self->patience_us < PATIENCE_MAX_US / 2 ? 2 * self->patience_us : PATIENCE_MAX_US;
    pthread_mutex_lock(&self->lock);
    self->leaving = self->connected;
    pthread_cond_broadcast(&self->news);
    pthread_mutex_unlock(&self->lock);
}

int64_t conn_max_payload(const struct conn *self)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&self->lock;
    pthread_mutex_lock(lock);
    int64_t size = self->max_payload;
    pthread_mutex_unlock(lock);
    return size;
}

const char *conn_inbox(const struct conn *self)
{
    return self->inbox;
}

void conn_subscribe(struct conn *self, const char *subject)
{
    pthread_mutex_lock(&self->lock);
    if (self->subjects < CONN_SUBSCRIPTIONS_MAX)
        self->subject[self->subjects++] = memory_text(span_str(subject));
    pthread_cond_broadcast(&self->news);
    pthread_mutex_unlock(&self->lock);
}

bool conn_send(struct conn *self, natsMsg *message_take)
{
    pthread_mutex_lock(&self->lock);
    bool taken = queue_put(&self->out, message_take);
    if (self->out.count == 1)
        pthread_cond_broadcast(&self->news);
    pthread_mutex_unlock(&self->lock);
    if (!taken)
        natsMsg_Destroy(message_take);
    return taken;
}

bool conn_send_text(struct conn *self, const char *subject, const char *reply, const char *text)
{
    return conn_send(self, conn_message(subject, reply, span_str(text)));
}
