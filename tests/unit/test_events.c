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
#include "proto/event_batch.h"
#include "proto/limits.h"

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

/* Batches. */

/* Binds one more endpoint, for batches. Returns it. */
static const char *given_batches(void)
{
    int door = events_bind(events, "tcp://127.0.0.1:*", false);

    assert_true(door >= 0);
    events_batch(events, (size_t)door);
    assert_true(events_is_batch(events, (size_t)door));
    return events_endpoint(events, (size_t)door);
}

static void *given_taker(const char *endpoint, const char *topic)
{
    size_t before = events_subscriptions(events);
    void *socket = connect_to(endpoint, ZMQ_SUB);

    subscribe(socket, topic);
    wait_subscriptions(before + 1);
    return socket;
}

static struct span next_batch(void *socket, char *storage, size_t room)
{
    int size;

    expect_frame(socket, EVENT_BATCH_TOPIC, true);
    size = zmq_recv(socket, storage, room, 0);
    assert_true(size >= 0 && (size_t)size <= room);
    return span_of(storage, (size_t)size);
}

static void expect_batched(struct span *rest, const char *topic, const char *seq, const char *json)
{
    struct span frame[EVENT_BATCH_FRAMES];

    assert_int_equal(event_batch_take(rest, frame), 0);
    assert_true(span_is(frame[0], topic) && span_is(frame[1], seq) && span_is(frame[2], json));
}

static void batch_has_what_others_get_one_by_one(void **state)
{
    char storage[1000];
    struct span rest;

    (void)state;
    given_door();
    void *taker = given_taker(given_batches(), "");
    void *plain = given_observer("");
    publish("partial/c", 1, "{}");
    publish("dead/c", 2, "{\"a\":1}");
    assert_int_equal(events_waiting(events), 2);
    assert_int_equal(events_flush(events), 0);
    assert_int_equal(events_waiting(events), 0);
    publish("gateway/mark", 3, "{}");
    assert_int_equal(events_flush(events), 0);
    assert_int_equal(events_flush(events), 0); /* nothing waits: nothing is sent */
    expect_event(plain, "partial/c", "1", "{}");
    expect_event(plain, "dead/c", "2", "{\"a\":1}");
    expect_event(plain, "gateway/mark", "3", "{}");
    rest = next_batch(taker, storage, sizeof storage);
    expect_batched(&rest, "partial/c", "1", "{}");
    expect_batched(&rest, "dead/c", "2", "{\"a\":1}");
    assert_int_equal(rest.size, 0);
    rest = next_batch(taker, storage, sizeof storage);
    expect_batched(&rest, "gateway/mark", "3", "{}");
    assert_int_equal(rest.size, 0);
    assert_int_equal(zmq_recv(taker, storage, sizeof storage, ZMQ_DONTWAIT), -1);
    assert_int_equal(zmq_recv(plain, storage, sizeof storage, ZMQ_DONTWAIT), -1);
}

static void batch_is_made_for_those_that_take_it_only(void **state)
{
    (void)state;
    given_door();
    const char *endpoint = given_batches();
    given_observer("");
    given_taker(endpoint, "query/"); /* no batch begins so */
    assert_true(events_wanted(events, TOPIC_QUERY));
    publish("query/c", 1, "{}");
    assert_int_equal(events_waiting(events), 0);
    given_taker(endpoint, EVENT_BATCH_TOPIC);
    publish("query/c", 2, "{}");
    assert_int_equal(events_waiting(events), 1);
}

static void who_takes_batches_wants_every_kind(void **state)
{
    (void)state;
    const char *endpoint = given_batches();
    given_taker(endpoint, "gateway/");
    assert_false(events_wanted(events, TOPIC_GATEWAY));
    given_taker(endpoint, "bat");
    for (enum topic_kind kind = 0; kind < TOPIC_KINDS; kind++)
        assert_true(events_wanted(events, kind));
}

static void batch_is_bounded_in_events_and_bytes(void **state)
{
    static char large[2 * LIMIT_BATCH_SIZE + 1], storage[3 * LIMIT_BATCH_SIZE];
    struct span rest;
    size_t read = 0;

    (void)state;
    void *taker = given_taker(given_batches(), "");
    for (uint64_t i = 0; i <= LIMIT_BATCH_EVENTS; i++)
        publish("q/", i, "{}");
    assert_int_equal(events_waiting(events), 1);
    rest = next_batch(taker, storage, sizeof storage);
    for (struct span frame[EVENT_BATCH_FRAMES]; event_batch_take(&rest, frame) == 0; read++)
        ;
    assert_int_equal(read, LIMIT_BATCH_EVENTS);
    memset(large, 'x', sizeof large - 1);
    publish("q/", 1, large); /* by itself */
    assert_int_equal(next_batch(taker, storage, sizeof storage).size, 3 * 4 + 4 + 2 + 4 + 2);
    publish("q/", 2, "{}");
    rest = next_batch(taker, storage, sizeof storage);
    expect_batched(&rest, "q/", "1", large);
    assert_int_equal(rest.size, 0);
    assert_int_equal(events_waiting(events), 1);
}

static void welcome_of_batches_speaks_of_nothing_that_still_waits(void **state)
{
    (void)state;
    given_door();
    const char *endpoint = given_batches();
    given_taker(endpoint, EVENT_BATCH_TOPIC);
    welcome("gateway/welcome 1");
    publish("query/c", 2, "{}");
    welcome("gateway/welcome 2");
    expect_frame(given_newcomer(ipc), "gateway/welcome 2", false);
    expect_frame(given_newcomer(endpoint), "gateway/welcome 1", false);
    assert_int_equal(events_flush(events), 0);
    expect_frame(given_newcomer(endpoint), "gateway/welcome 2", false);
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
        WITH_EVENTS(batch_has_what_others_get_one_by_one),
        WITH_EVENTS(batch_is_made_for_those_that_take_it_only),
        WITH_EVENTS(who_takes_batches_wants_every_kind),
        WITH_EVENTS(batch_is_bounded_in_events_and_bytes),
        WITH_EVENTS(welcome_of_batches_speaks_of_nothing_that_still_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
