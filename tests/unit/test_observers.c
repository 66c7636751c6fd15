/* The connections of observers: how many there are, what they want, and which of them are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "events_world.h"

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

/* A SUB of ZMTP 3.0, by hand: what it says from then on is not looked at by its own side. */
static int given_bare_observer(void)
{
    static const char ready[] = "\4\x19\5READY\13Socket-Type\0\0\0\3SUB";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL", answer[64];
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, ipc + 6, strlen(ipc + 6) + 1);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(descriptor, greeting, sizeof greeting, 0), sizeof greeting);
    assert_int_equal(recv(descriptor, answer, sizeof answer, MSG_WAITALL), sizeof answer);
    assert_int_equal(send(descriptor, ready, sizeof ready - 1, 0), sizeof ready - 1);
    return descriptor;
}

/* The loop may be held inside libzmq by what they say, and then it does not drain. */
static void who_floods_a_loop_that_stands_still_is_cut_and_no_other(void **state)
{
    static const char frame[] = "\0\2\1a";
    char flood[3 * sizeof frame];
    ssize_t sent;

    (void)state;
    given_door();
    given_observer("quiet");
    int flooder = given_bare_observer();
    for (size_t i = 0; i < sizeof flood; i++)
        flood[i] = frame[i % (sizeof frame - 1)];
    do
        sent = send(flooder, flood, sizeof flood - sizeof flood % (sizeof frame - 1), MSG_NOSIGNAL);
    while (sent > 0); /* it blocks until somebody reads or ends it */
    assert_true(errno == EPIPE || errno == ECONNRESET);
    close(flooder);
    wait_observers(1);
    while (events_cut(events) == 0)
        sched_yield(); /* it is counted when it is done, by another thread */
    assert_int_equal(events_cut(events), 1);
    publish("quiet", 1, "{}");
    expect_event(observer[0], "quiet", "1", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_EVENTS(observers_are_counted_with_and_without_subscriptions),
        WITH_EVENTS(each_connections_subscription_counts),
        WITH_EVENTS(inproc_is_counted_in_one_heap),
        WITH_EVENTS(odd_subscriptions_are_passed_over),
        WITH_EVENTS(frames_behind_the_first_are_subscriptions_too),
        WITH_EVENTS(kind_is_wanted_when_a_subscription_can_match_it),
        WITH_EVENTS(subscription_longer_than_any_topic_wants_nothing),
        WITH_EVENTS(kind_stays_wanted_while_one_wants_it),
        WITH_EVENTS(who_floods_a_loop_that_stands_still_is_cut_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
