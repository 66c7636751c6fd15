/* What conn.c (the loop's side) and conn_thread.c (our thread's and libnats') share. */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_CONN_INSIDE_H
#define TAILGATE_ADAPTERS_JETSTREAM_CONN_INSIDE_H

#include <pthread.h>

#include "adapters/jetstream/conn.h"
#include "adapters/jetstream/queue.h"

#define CONN_NEWS_MAX 16         /* news of the connection that wait to be read */
#define CONN_SUBSCRIPTIONS_MAX 4 /* the inbox is the first */
#define CONN_CLOSE_MS 5000       /* for libnats to call us a last time */

struct conn {
    const struct conn_setup *setup;
    size_t server;        /* of the thread: the URL that was tried last */
    natsConnection *link; /* of the thread; NULL while it is not connected */
    natsSubscription *subscription[CONN_SUBSCRIPTIONS_MAX]; /* on it */
    int bell;
    bool up;          /* as the loop was told */
    int64_t asked_us; /* since when the loop waits for a message; 0: it does not */
    int64_t patience_us;
    pthread_t thread;
    char inbox[64];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t news;  /* for our thread, and for those of libnats that wait for room */
    struct queue out, in;
    struct conn_news event[CONN_NEWS_MAX];
    size_t events;
    char *subject[CONN_SUBSCRIPTIONS_MAX];
    size_t subjects;
    bool connected; /* libnats has a connection */
    bool closed;    /* it has given it up: a new one is to be made */
    bool leaving;   /* another server is to be tried */
    bool ending;
    int64_t max_payload;
    char trouble[CONN_TEXT]; /* told last, on this connection */
};

/* Our thread, until `ending`. */
void *conn_thread(void *closure);

#endif
