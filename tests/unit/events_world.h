/* Events with an ipc endpoint and observers: what the tests of the events' sockets share. Include
 * it after cmocka.h. */
#ifndef TAILGATE_TESTS_EVENTS_WORLD_H
#define TAILGATE_TESTS_EVENTS_WORLD_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "adapters/zmq/events.h"

#define HANG_MS 60000 /* only a hang misses it */

static char folder[] = "/tmp/tgevXXXXXX";
static char ipc[sizeof folder + 16];
static void *context;
static struct events *events;
static void *observer[8];
static size_t observers;

static inline int set_up(void **state)
{
    (void)state;
    memset(folder + sizeof folder - 7, 'X', 6);
    if (!mkdtemp(folder))
        return -1;
    snprintf(ipc, sizeof ipc, "ipc://%s/e", folder);
    context = zmq_ctx_new();
    events = events_new(context);
    observers = 0;
    return context && events ? 0 : -1;
}

static inline void close_observer(void *socket)
{
    int linger = 0;

    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_close(socket), 0);
    for (size_t i = 0; i < observers; i++)
        if (observer[i] == socket)
            observer[i] = observer[--observers];
}

/* Waits until an endpoint or its monitor has something to say, and hears it. */
static inline void wait_news(void)
{
    zmq_pollitem_t item[2 * EVENTS_DOORS];
    int items = 0;

    for (size_t i = 0; i < events_doors(events); i++) {
        item[items++] = (zmq_pollitem_t){events_socket(events, i), 0, ZMQ_POLLIN, 0};
        item[items++] = (zmq_pollitem_t){events_monitor(events, i), 0, ZMQ_POLLIN, 0};
    }
    assert_true(zmq_poll(item, items, HANG_MS) > 0);
    events_drain(events);
}

/* Waits until the events have heard so many subscriptions, or know so many observers. */
static inline void wait_subscriptions(size_t count)
{
    while (events_subscriptions(events) != count)
        wait_news();
}

static inline void wait_observers(size_t count)
{
    while (events_observers(events) != count)
        wait_news();
}

static inline int tear_down(void **state)
{
    (void)state;
    while (observers > 0)
        close_observer(observer[0]);
    /* libzmq may abort when both ends close at once and an event is half read (clean_pipes()). */
    wait_observers(0);
    events_destroy(&events, 0);
    assert_null(events);
    events_destroy(&events, 0);
    zmq_ctx_term(context);
    unlink(ipc + 6);
    return rmdir(folder);
}

static inline void given_door(void)
{
    int door = (int)events_doors(events);

    assert_int_equal(events_bind(events, ipc, false), door);
}

static inline void *connect_to(const char *endpoint, int type)
{
    void *socket = zmq_socket(context, type);
    int ms = HANG_MS, all = 0;

    observer[observers++] = socket;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &ms, sizeof ms);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &all, sizeof all); /* what it subscribes to, too */
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static inline void *connect_as(int type)
{
    return connect_to(ipc, type);
}

static inline void subscribe(void *socket, const char *topic)
{
    assert_int_equal(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, strlen(topic)), 0);
}

static inline void unsubscribe(void *socket, const char *topic)
{
    assert_int_equal(zmq_setsockopt(socket, ZMQ_UNSUBSCRIBE, topic, strlen(topic)), 0);
}

static inline void *given_observer(const char *topic)
{
    size_t before = events_subscriptions(events);
    void *socket = connect_as(ZMQ_SUB);

    subscribe(socket, topic);
    wait_subscriptions(before + 1);
    return socket;
}

static inline void publish(const char *topic, uint64_t seq, const char *json)
{
    assert_int_equal(events_publish(events, span_str(topic), seq, span_str(json)), 0);
}

static inline void expect_frame(void *socket, const char *text, bool more)
{
    char frame[1000];
    int is_more, size = zmq_recv(socket, frame, sizeof frame, 0);
    size_t room = sizeof is_more;

    assert_int_equal(size, strlen(text));
    assert_memory_equal(frame, text, strlen(text));
    assert_int_equal(zmq_getsockopt(socket, ZMQ_RCVMORE, &is_more, &room), 0);
    assert_int_equal(is_more, more);
}

static inline void expect_event(void *socket, const char *topic, const char *seq, const char *json)
{
    expect_frame(socket, topic, true);
    expect_frame(socket, seq, true);
    expect_frame(socket, json, false);
}

#define WITH_EVENTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
