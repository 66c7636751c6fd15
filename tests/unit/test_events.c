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

static char folder[] = "/tmp/tgevXXXXXX";
static char ipc[sizeof folder + 16];
static void *context;
static struct events *events;
static void *observer[8];
static size_t observers;

static int set_up(void **state)
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

static void close_observer(void *socket)
{
    int linger = 0;

    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_close(socket), 0);
    for (size_t i = 0; i < observers; i++)
        if (observer[i] == socket)
            observer[i] = observer[--observers];
}

static int tear_down(void **state)
{
    (void)state;
    while (observers > 0)
        close_observer(observer[0]);
    events_destroy(&events, 0);
    assert_null(events);
    events_destroy(&events, 0);
    zmq_ctx_term(context);
    unlink(ipc + 6);
    return rmdir(folder);
}

static void given_door(void)
{
    int door = (int)events_doors(events);

    assert_int_equal(events_bind(events, ipc, false), door);
}

/* Waits until an endpoint or its monitor has something to say, and hears it. */
static void wait_news(void)
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
static void wait_subscriptions(size_t count)
{
    while (events_subscriptions(events) != count)
        wait_news();
}

static void wait_observers(size_t count)
{
    while (events_observers(events) != count)
        wait_news();
}

static void *connect_to(const char *endpoint, int type)
{
    void *socket = zmq_socket(context, type);
    int ms = HANG_MS, all = 0;

    observer[observers++] = socket;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &ms, sizeof ms);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &all, sizeof all); /* what it subscribes to, too */
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static void *connect_as(int type)
{
    return connect_to(ipc, type);
}

static void subscribe(void *socket, const char *topic)
{
    assert_int_equal(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, strlen(topic)), 0);
}

static void unsubscribe(void *socket, const char *topic)
{
    assert_int_equal(zmq_setsockopt(socket, ZMQ_UNSUBSCRIBE, topic, strlen(topic)), 0);
}

static void *given_observer(const char *topic)
{
    size_t before = events_subscriptions(events);
    void *socket = connect_as(ZMQ_SUB);

    subscribe(socket, topic);
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
    (void)state;
    given_door();
    void *first = given_observer("a");
    void *second = given_observer("b");
    unsubscribe(first, "a");
    wait_subscriptions(1);
    close_observer(second);
    wait_subscriptions(0);
}

static void observers_are_counted_with_and_without_subscriptions(void **state)
{
    (void)state;
    given_door();
    assert_int_equal(events_observers(events), 0);
    void *first = given_observer("a");
    void *second = connect_as(ZMQ_SUB);
    wait_observers(2);
    assert_int_equal(events_subscriptions(events), 1);
    close_observer(first);
    wait_observers(1);
    assert_int_equal(events_subscriptions(events), 0);
    close_observer(second);
    wait_observers(0);
}

static void each_connections_subscription_counts(void **state)
{
    (void)state;
    assert_int_equal(events_bind(events, "tcp://127.0.0.1:*", false), 0);
    given_door();
    void *first = given_observer("a");
    void *second = given_observer("a");
    void *other = connect_to(events_endpoint(events, 0), ZMQ_SUB);
    subscribe(other, "a");
    wait_subscriptions(3);
    close_observer(first);
    wait_subscriptions(2);
    publish("a", 1, "{}"); /* whose end it was is known to XPUB, too */
    expect_event(second, "a", "1", "{}");
    expect_event(other, "a", "1", "{}");
    unsubscribe(second, "a");
    wait_subscriptions(1);
    close_observer(other);
    wait_observers(1);
    assert_int_equal(events_subscriptions(events), 0);
}

/* What comes over inproc has no connection that could be told. */
static void inproc_is_counted_in_one_heap(void **state)
{
    (void)state;
    assert_int_equal(events_bind(events, "inproc://events", false), 0);
    void *first = connect_to("inproc://events", ZMQ_SUB);
    void *second = connect_to("inproc://events", ZMQ_SUB);
    subscribe(first, "dead/");
    subscribe(second, "dead/");
    wait_subscriptions(2);
    close_observer(second);
    wait_subscriptions(1);
    assert_true(events_wanted(events, TOPIC_DEAD));
    unsubscribe(first, "dead/");
    wait_subscriptions(0);
    assert_false(events_wanted(events, TOPIC_DEAD));
    assert_int_equal(events_observers(events), 0);
    assert_int_equal(events_cut(events), 0);
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
    assert_int_equal(zmq_send(socket, "\1a", 2, 0), 2); /* once more is once */
    assert_int_equal(zmq_send(socket, "\0nothing", 8, 0), 8);
    longest[0] = 0;
    assert_int_equal(zmq_send(socket, longest, sizeof longest, 0), sizeof longest);
    assert_int_equal(zmq_send(socket, "\1b", 2, 0), 2);
    wait_subscriptions(2);
    assert_int_equal(events_cut(events), 0);
}

/* XPUB does not look where a frame stands: what is counted is what it does. */
static void frames_behind_the_first_are_subscriptions_too(void **state)
{
    (void)state;
    given_door();
    void *socket = connect_as(ZMQ_XSUB);
    assert_int_equal(zmq_send(socket, "\1a", 2, 0), 2);
    assert_int_equal(zmq_send(socket, "two", 3, ZMQ_SNDMORE), 3);
    assert_int_equal(zmq_send(socket, "\1b", 2, ZMQ_SNDMORE), 2);
    assert_int_equal(zmq_send(socket, "\1c", 2, 0), 2);
    wait_subscriptions(3);
    publish("b", 1, "{}");
    publish("c", 2, "{}");
    expect_event(socket, "b", "1", "{}");
    expect_event(socket, "c", "2", "{}");
    assert_int_equal(zmq_send(socket, "two", 3, ZMQ_SNDMORE), 3);
    assert_int_equal(zmq_send(socket, "\0a", 2, 0), 2);
    wait_subscriptions(2);
    publish("a", 3, "{}");
    publish("b", 4, "{}");
    expect_event(socket, "b", "4", "{}");
}

/* What is wanted, by kind. */

static void expect_wanted(const char *kinds)
{
    for (enum topic_kind kind = 0; kind < TOPIC_KINDS; kind++) {
        bool expected = strstr(kinds, topic_name(kind)) != NULL;
        if (events_wanted(events, kind) != expected)
            fail_msg("%s is%s wanted", topic_name(kind), expected ? " not" : "");
    }
}

static void kind_is_wanted_when_a_subscription_can_match_it(void **state)
{
    static const struct {
        const char *topic, *kinds;
    } row[] = {
        {"partial/", "partial"},
        {"partial/c", "partial"},
        {"partial", "partial"},
        {"pa", "partial"},
        {"", "query response message partial retry dead expired superseded deleted dropped worker "
             "gateway"},
        {"d", "dead deleted dropped"},
        {"de", "dead deleted"},
        {"re", "response retry"},
        {"gateway/mark", "gateway"},
        {"partials", ""},
        {"partialx/", ""},
        {"x", ""},
        {"/", ""},
    };

    (void)state;
    given_door();
    expect_wanted("");
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        void *socket = given_observer(row[i].topic);
        expect_wanted(row[i].kinds);
        if (i % 2)
            unsubscribe(socket, row[i].topic);
        else
            close_observer(socket);
        wait_subscriptions(0);
        expect_wanted("");
        if (i % 2)
            close_observer(socket);
    }
}

static void subscription_longer_than_any_topic_wants_nothing(void **state)
{
    char longest[257] = "dead/";

    (void)state;
    given_door();
    memset(longest + 5, 'x', sizeof longest - 6);
    longest[sizeof longest - 1] = 0;
    void *socket = connect_as(ZMQ_SUB);
    subscribe(socket, longest);
    subscribe(socket, "query/");
    wait_subscriptions(1);
    expect_wanted("query");
}

static void kind_stays_wanted_while_one_wants_it(void **state)
{
    (void)state;
    given_door();
    void *all = given_observer("");
    void *dead = given_observer("dead/");
    void *one = given_observer("dead/c");
    close_observer(all);
    wait_subscriptions(2);
    expect_wanted("dead");
    close_observer(one);
    wait_subscriptions(1);
    expect_wanted("dead");
    unsubscribe(dead, "dead/");
    wait_subscriptions(0);
    expect_wanted("");
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
#define WITH_EVENTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_EVENTS(event_is_topic_number_and_json),
        WITH_EVENTS(observer_gets_what_it_subscribed_to),
        WITH_EVENTS(subscription_that_ends_is_noticed),
        WITH_EVENTS(observers_are_counted_with_and_without_subscriptions),
        WITH_EVENTS(each_connections_subscription_counts),
        WITH_EVENTS(inproc_is_counted_in_one_heap),
        WITH_EVENTS(odd_subscriptions_are_passed_over),
        WITH_EVENTS(frames_behind_the_first_are_subscriptions_too),
        WITH_EVENTS(kind_is_wanted_when_a_subscription_can_match_it),
        WITH_EVENTS(subscription_longer_than_any_topic_wants_nothing),
        WITH_EVENTS(kind_stays_wanted_while_one_wants_it),
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
