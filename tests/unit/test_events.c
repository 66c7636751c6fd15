/* The events' sockets: what observers subscribe to and get, and that none of them is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "events_world.h"

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
    (void)state;
    given_door();
    void *first = given_observer("a");
    void *second = given_observer("b");
    unsubscribe(first, "a");
    wait_subscriptions(1);
    close_observer(second);
    wait_subscriptions(0);
}

/* The welcome. */

static void welcome(const char *frame)
{
    assert_int_equal(events_welcome(events, span_str(frame)), 0);
}

static void *given_newcomer(const char *endpoint)
{
    void *socket = zmq_socket(context, ZMQ_SUB);
    int ms = HANG_MS;
    size_t before = events_subscriptions(events);

    observer[observers++] = socket;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &ms, sizeof ms);
    subscribe(socket, "gateway/");
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    wait_subscriptions(before + 1);
    return socket;
}

static void welcome_comes_first_and_once(void **state)
{
    (void)state;
    welcome("gateway/welcome {\"a\":1}"); /* before the endpoint is there */
    given_door();
    assert_int_equal(events_bind(events, "tcp://127.0.0.1:*", false), 1);
    for (size_t i = 0; i < 2; i++) {
        void *socket = given_newcomer(events_endpoint(events, i));
        publish("gateway/mark", 1, "{}");
        expect_frame(socket, "gateway/welcome {\"a\":1}", false);
        expect_event(socket, "gateway/mark", "1", "{}");
    }
}

static void welcome_is_the_newest_one(void **state)
{
    (void)state;
    given_door();
    void *early = given_newcomer(ipc);
    welcome("gateway/welcome 1");
    welcome("gateway/welcome 1");
    void *first = given_newcomer(ipc);
    welcome("gateway/welcome 2");
    void *second = given_newcomer(ipc);
    welcome("");
    void *third = given_newcomer(ipc);
    publish("gateway/mark", 1, "{}");
    expect_event(early, "gateway/mark", "1", "{}");
    expect_frame(first, "gateway/welcome 1", false);
    expect_event(first, "gateway/mark", "1", "{}");
    expect_frame(second, "gateway/welcome 2", false);
    expect_event(second, "gateway/mark", "1", "{}");
    expect_event(third, "gateway/mark", "1", "{}");
}

static void welcome_is_nothing_to_who_did_not_ask_for_it(void **state)
{
    (void)state;
    welcome("gateway/welcome 1");
    given_door();
    void *socket = given_observer("dead/");
    publish("dead/c", 1, "{}");
    expect_event(socket, "dead/c", "1", "{}");
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
    const struct CMUnitTest tests[] = {
        WITH_EVENTS(event_is_topic_number_and_json),
        WITH_EVENTS(observer_gets_what_it_subscribed_to),
        WITH_EVENTS(subscription_that_ends_is_noticed),
        WITH_EVENTS(welcome_comes_first_and_once),
        WITH_EVENTS(welcome_is_the_newest_one),
        WITH_EVENTS(welcome_is_nothing_to_who_did_not_ask_for_it),
        WITH_EVENTS(nobody_there_costs_nothing_and_is_no_error),
        WITH_EVENTS(observer_that_does_not_read_is_not_waited_for),
        WITH_EVENTS(ipc_socket_is_as_open_as_it_is_told),
        WITH_EVENTS(endpoints_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
