/* The events' sockets: what observers subscribe to and get, and that none of them is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "adapters/zmq/events.h"

#define HANG_MS 60000 /* only a hang misses it */
#define ENDPOINT "inproc://events"

static void *context;
static struct events *events;
static void *observer[4];
static size_t observers;

static int set_up(void **state)
{
    (void)state;
    context = zmq_ctx_new();
    events = events_new(context);
    observers = 0;
    return context && events ? 0 : -1;
}

static int tear_down(void **state)
{
    int linger = 0;

    (void)state;
    while (observers > 0) {
        void *socket = observer[--observers];
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(socket);
    }
    events_destroy(&events, 0);
    assert_null(events);
    events_destroy(&events, 0);
    zmq_ctx_term(context);
    return 0;
}

static void given_door(void)
{
    assert_int_equal(events_bind(events, ENDPOINT, false), 0);
}

/* Waits until the events have heard so many subscriptions. */
static void wait_subscriptions(size_t count)
{
    while (events_subscriptions(events) != count) {
        zmq_pollitem_t item = {.socket = events_socket(events, 0), .events = ZMQ_POLLIN};
        assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
        events_drain(events);
    }
}

static void *connect_as(int type)
{
    void *socket = zmq_socket(context, type);
    int ms = HANG_MS;

    observer[observers++] = socket;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &ms, sizeof ms);
    assert_int_equal(zmq_connect(socket, ENDPOINT), 0);
    return socket;
}

static void *given_observer(const char *topic)
{
    size_t before = events_subscriptions(events);
    void *socket = connect_as(ZMQ_SUB);

    assert_int_equal(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, strlen(topic)), 0);
    wait_subscriptions(before + 1);
    return socket;
}

static void publish(const char *topic, uint64_t seq, const char *json)
{
    assert_int_equal(events_publish(events, span_str(topic), seq, span_str(json)), 0);
}

static void expect_frame(void *socket, const char *text, bool more)
{
    char frame[1000];
    int is_more, size = zmq_recv(socket, frame, sizeof frame, 0);
    size_t room = sizeof is_more;

    assert_int_equal(size, strlen(text));
    assert_memory_equal(frame, text, strlen(text));
    assert_int_equal(zmq_getsockopt(socket, ZMQ_RCVMORE, &is_more, &room), 0);
    assert_int_equal(is_more, more);
}

static void expect_event(void *socket, const char *topic, const char *seq, const char *json)
{
    expect_frame(socket, topic, true);
    expect_frame(socket, seq, true);
    expect_frame(socket, json, false);
}

static void event_is_topic_number_and_json(void **state)
{
    (void)state;
    given_door();
    void *socket = given_observer("");
    publish("partial/c", 1, "{}");
    publish("gateway/mark", UINT64_MAX, "{\"a\":1}");
    expect_event(socket, "partial/c", "1", "{}");
    expect_event(socket, "gateway/mark", "18446744073709551615", "{\"a\":1}");
}

static void observer_gets_what_it_subscribed_to(void **state)
{
    (void)state;
    given_door();
    void *partials = given_observer("partial/");
    void *dead = given_observer("dead/c");
    publish("dead/other", 1, "{}");
    publish("partial/c", 2, "{}");
    publish("dead/c", 3, "{}");
    expect_event(partials, "partial/c", "2", "{}");
    expect_event(dead, "dead/c", "3", "{}");
    assert_int_equal(events_subscriptions(events), 2);
}

static void subscription_that_ends_is_noticed(void **state)
{
    int linger = 0;

    (void)state;
    given_door();
    void *first = given_observer("a");
    void *second = given_observer("b");
    assert_int_equal(zmq_setsockopt(first, ZMQ_UNSUBSCRIBE, "a", 1), 0);
    wait_subscriptions(1);
    zmq_setsockopt(second, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(second);
    observers--;
    wait_subscriptions(0);
}

static void odd_subscriptions_are_passed_over(void **state)
{
    char longest[300];

    (void)state;
    given_door();
    void *socket = connect_as(ZMQ_XSUB);
    memset(longest, 'x', sizeof longest);
    longest[0] = 1;
    assert_int_equal(zmq_send(socket, longest, sizeof longest, 0), sizeof longest);
    assert_int_equal(zmq_send(socket, "what?", 5, 0), 5);
    assert_int_equal(zmq_send(socket, "", 0, 0), 0);
    assert_int_equal(zmq_send(socket, "\1a", 2, 0), 2);
    wait_subscriptions(1);
    assert_int_equal(zmq_send(socket, "two", 3, ZMQ_SNDMORE), 3);
    assert_int_equal(zmq_send(socket, "\0a", 2, 0), 2); /* ends nothing */
    assert_int_equal(zmq_send(socket, "\0nothing", 8, 0), 8);
    longest[0] = 0;
    assert_int_equal(zmq_send(socket, longest, sizeof longest, 0), sizeof longest);
    assert_int_equal(zmq_send(socket, "\1b", 2, 0), 2);
    wait_subscriptions(2);
}

static void nobody_there_costs_nothing_and_is_no_error(void **state)
{
    (void)state;
    publish("partial/c", 1, "{}"); /* not even an endpoint */
    given_door();
    assert_int_equal(events_subscriptions(events), 0);
    for (int i = 0; i < 10000; i++)
        publish("partial/c", 1, "{}");
}

static void observer_that_does_not_read_is_not_waited_for(void **state)
{
    char seq[20];

    (void)state;
    given_door();
    void *slow = given_observer("");
    void *other = given_observer("x");
    for (uint64_t i = 1; i <= 100000; i++)
        publish("partial/c", i, "{}");
    publish("x", 1, "{}");
    expect_event(other, "x", "1", "{}");
    for (int i = 1; i <= 1000; i++) { /* what it has is whole, and from the beginning */
        snprintf(seq, sizeof seq, "%d", i);
        expect_event(slow, "partial/c", seq, "{}");
    }
}

static void ipc_socket_is_as_open_as_it_is_told(void **state)
{
    char own[] = "ipc:///tmp/tgevXXXXXX", group[sizeof own];
    struct stat status;
    int file = mkstemp(own + 6);

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(events_bind(events, own, false), -EEXIST); /* it is a file */
    close(file);
    unlink(own + 6);
    assert_int_equal(events_bind(events, own, false), 0);
    assert_int_equal(stat(own + 6, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(events_bind(events, own, false), -EADDRINUSE);
    memcpy(group, own, sizeof own);
    group[sizeof group - 2] = '_';
    assert_int_equal(events_bind(events, group, true), 1);
    assert_int_equal(stat(group + 6, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0770);
    assert_string_equal(events_endpoint(events, 1), group);
}

static void endpoints_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < EVENTS_DOORS; i++)
        assert_int_equal(events_bind(events, "tcp://127.0.0.1:*", false), i);
    assert_int_equal(events_bind(events, "tcp://127.0.0.1:*", false), -E2BIG);
    assert_int_equal(events_doors(events), EVENTS_DOORS);
}

int main(void)
{
#define WITH_EVENTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_EVENTS(event_is_topic_number_and_json),
        WITH_EVENTS(observer_gets_what_it_subscribed_to),
        WITH_EVENTS(subscription_that_ends_is_noticed),
        WITH_EVENTS(odd_subscriptions_are_passed_over),
        WITH_EVENTS(nobody_there_costs_nothing_and_is_no_error),
        WITH_EVENTS(observer_that_does_not_read_is_not_waited_for),
        WITH_EVENTS(ipc_socket_is_as_open_as_it_is_told),
        WITH_EVENTS(endpoints_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
