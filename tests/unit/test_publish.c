/* What of partial answers is published: in order, numbered, redacted across pieces; and what is not
 * because its beginning was not seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <zmq.h>

#include "gateway/publish.h"
#include "proto/event_batch.h"
#include "proto/jtext.h"
#include "proto/limits.h"

#define HANG_MS 60000 /* only a hang misses it */
#define START_US 1000000
#define ENDPOINT "inproc://events"

static void *context, *observer;
static struct events *events;
static struct redact *redact;
static struct stats stats;
static struct publish publish;
static int64_t now_us;

static int set_up(void **state)
{
    (void)state;
    context = zmq_ctx_new();
    events = events_new(context);
    redact = redact_new(true);
    observer = NULL;
    now_us = START_US;
    memset(&stats, 0, sizeof stats);
    if (!context || !redact || events_bind(events, ENDPOINT, false) < 0)
        return -1;
    publish_init(&publish, events, redact, &stats, 1, now_us);
    return 0;
}

static int tear_down(void **state)
{
    int linger = 0;

    (void)state;
    publish_done(&publish);
    redact_destroy(&redact);
    if (observer) {
        zmq_setsockopt(observer, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(observer);
    }
    events_destroy(&events, 0);
    zmq_ctx_term(context);
    return 0;
}

static void given_observer(void)
{
    int none = 0, ms = HANG_MS;
    zmq_pollitem_t item = {.socket = events_socket(events, 0), .events = ZMQ_POLLIN};

    observer = zmq_socket(context, ZMQ_SUB);
    zmq_setsockopt(observer, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(observer, ZMQ_RCVTIMEO, &ms, sizeof ms);
    zmq_setsockopt(observer, ZMQ_SUBSCRIBE, "", 0);
    assert_int_equal(zmq_connect(observer, ENDPOINT), 0);
    assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
    events_drain(events);
    assert_int_equal(events_subscriptions(events), 1);
}

/* A partial of query ID's attempt, which began at LEASED_US. */
static void partial_of(int64_t id, uint32_t attempt, int64_t leased_us, struct span text)
{
    const struct publish_partial partial = {
        .id = id,
        .attempt = attempt,
        .leased_us = leased_us,
        .conversation_id = span_str("conv"),
        .service = span_str("law"),
        .worker = span_str("w1"),
        .frame = &text,
        .frames = 1,
    };
    now_us += 10;
    publish_partial(&publish, now_us, now_us, &partial);
}

static void partial(int64_t id, const char *text)
{
    partial_of(id, 1, START_US, span_str(text));
}

/* The event that came last. */
static struct {
    int64_t seq, id, attempt, index;
    char text[LIMIT_EVENT_TEXT + 1];
} event;

static char frame[200000];

static size_t next_frame(void)
{
    int size;

    publish_flush(&publish);
    size = zmq_recv(observer, frame, sizeof frame - 1, 0);
    assert_true(size >= 0);
    frame[size] = '\0';
    return (size_t)size;
}

static int64_t number(struct span json, const char *name)
{
    struct span value;
    int64_t number;

    assert_true(jtext_find(json, name, &value));
    assert_int_equal(jtext_integer(value, &number), 0);
    return number;
}

static void next_event(void)
{
    struct span json, value;

    next_frame();
    assert_string_equal(frame, "partial/conv");
    next_frame();
    event.seq = strtoll(frame, NULL, 10);
    json = span_of(frame, next_frame());
    assert_int_equal(jtext_check(json), JTEXT_OBJECT);
    assert_int_equal(number(json, "seq"), event.seq);
    event.id = number(json, "message_id");
    event.attempt = number(json, "attempt");
    event.index = number(json, "index");
    assert_true(jtext_find(json, "text", &value));
    assert_true(jtext_copy(value, event.text, sizeof event.text) >= 0);
}

static void expect(int64_t seq, int64_t id, int64_t attempt, int64_t index, const char *text)
{
    next_event();
    assert_int_equal(event.seq, seq);
    assert_int_equal(event.id, id);
    assert_int_equal(event.attempt, attempt);
    assert_int_equal(event.index, index);
    assert_string_equal(event.text, text);
}

static void partials_come_in_order_and_numbered(void **state)
{
    (void)state;
    given_observer();
    partial(1, "One. ");
    partial(2, "Other. ");
    partial(1, "Two.");
    expect(1, 1, 1, 1, "One. ");
    expect(2, 2, 1, 1, "Other. ");
    expect(3, 1, 1, 2, "Two.");
}

static void events_leave_at_the_turn_s_end_or_when_many_wait_in_order(void **state)
{
    (void)state;
    given_observer();
    partial(1, "x");
    assert_int_equal(zmq_recv(observer, frame, sizeof frame, ZMQ_DONTWAIT), -1);
    publish_run(&publish, now_us, now_us);
    expect(1, 1, 1, 1, "x");
    for (int i = 0; i < 3 * PUBLISH_OUT; i++) {
        partial(1, "x");
        assert_true(publish.out.count <= PUBLISH_OUT);
    }
    for (int i = 2; i <= 3 * PUBLISH_OUT + 1; i++)
        expect(i, 1, 1, i, "x");
}

static void turn_makes_so_many_copies_and_the_next_one_is_due_at_once(void **state)
{
    size_t waiting = 2 * PUBLISH_COPIES + 1;

    (void)state;
    given_observer();
    for (size_t i = 0; i < waiting; i++)
        partial(1, "x");
    while (waiting > 0) {
        assert_int_equal(publish.out.count, waiting);
        assert_true(publish_due(&publish) <= now_us);
        publish_run(&publish, now_us, now_us);
        waiting -= waiting < PUBLISH_COPIES ? waiting : PUBLISH_COPIES;
    }
    assert_int_equal(publish.out.count, 0);
    assert_true(publish_due(&publish) > now_us);
}

/* The seq of the welcome that one gets who comes now; -1: it gets none. */
static int64_t welcomed(void)
{
    int ms = HANG_MS, size;
    zmq_pollitem_t item = {.socket = events_socket(events, 0), .events = ZMQ_POLLIN};
    void *late = zmq_socket(context, ZMQ_SUB);

    zmq_setsockopt(late, ZMQ_RCVTIMEO, &ms, sizeof ms);
    zmq_setsockopt(late, ZMQ_SUBSCRIBE, "gateway/welcome", 15);
    assert_int_equal(zmq_connect(late, ENDPOINT), 0);
    assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
    events_drain(events);
    size = zmq_recv(late, frame, sizeof frame - 1, ZMQ_DONTWAIT);
    zmq_close(late);
    return size > 16 ? number(span_of(frame + 16, (size_t)size - 16), "seq") : -1;
}

static void welcome_speaks_of_nothing_that_still_waits(void **state)
{
    (void)state;
    given_observer();
    for (int i = 0; i <= PUBLISH_COPIES; i++)
        partial(1, "x");
    publish_run(&publish, now_us, now_us);
    assert_int_equal(publish.out.count, 1);
    assert_int_equal(welcomed(), -1);
    publish_run(&publish, now_us, now_us);
    assert_int_equal(welcomed(), PUBLISH_COPIES + 1);
}

static void secret_over_two_partials_does_not_pass(void **state)
{
    (void)state;
    given_observer();
    partial(1, "It is AKIAIOSF");
    partial(2, "ODNN7EXAMPLE"); /* of another query */
    partial(1, "ODNN7EXAMPLE, ");
    partial(1, "and pass");
    partial(1, "word: hunter");
    partial(1, "2");
    partial(1, " is it.");
    expect(1, 1, 1, 1, "It is ");
    expect(2, 2, 1, 1, "ODNN7EXAMPLE");
    expect(3, 1, 1, 2, "AWS_KEY_REDACTED, ");
    expect(4, 1, 1, 3, "and ");
    expect(5, 1, 1, 4, "PASSWORD_REDACTED is it.");
}

static void body_of_several_frames_is_one_text(void **state)
{
    const struct span frames[] = {span_str("pass"), span_str("word: x\xc3"), span_str("\xbc !")};
    const struct publish_partial said = {
        .id = 1,
        .attempt = 1,
        .leased_us = START_US,
        .conversation_id = span_str("conv"),
        .service = span_str("law"),
        .worker = span_str("w1"),
        .frame = frames,
        .frames = 3,
    };

    (void)state;
    given_observer();
    publish_partial(&publish, now_us, now_us, &said);
    expect(1, 1, 1, 1, "PASSWORD_REDACTED !");
}

static void each_attempt_is_a_stream_of_its_own(void **state)
{
    (void)state;
    given_observer();
    partial(1, "a password: ");
    publish_forget(&publish, 1);
    assert_int_equal(publish.held, 0);
    partial_of(1, 2, now_us, span_str("anew."));
    expect(1, 1, 1, 1, "a ");
    expect(2, 1, 2, 1, "anew.");
}

static void long_text_is_several_events(void **state)
{
    static char text[3 * LIMIT_EVENT_TEXT + 10];
    size_t size = 0;

    (void)state;
    given_observer();
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? '.' : '!';
    memcpy(text + LIMIT_EVENT_TEXT - 1, "\xc3\xa9", 2); /* is not cut in two */
    partial_of(1, 1, START_US, span_of(text, sizeof text));
    for (int64_t i = 1; size < sizeof text; i++) {
        next_event();
        assert_int_equal(event.index, i);
        assert_memory_equal(event.text, text + size, strlen(event.text));
        size += strlen(event.text);
    }
    assert_int_equal(publish.feed.seq, 4);
}

static void answer_is_followed_while_nobody_listens(void **state)
{
    (void)state;
    partial(1, "Nobody hears this. pass");
    assert_int_equal(publish.feed.seq, 0);
    given_observer();
    partial(1, "word: x !");
    expect(1, 1, 1, 2, "PASSWORD_REDACTED !");
}

static void answer_whose_beginning_was_not_seen_is_not_followed(void **state)
{
    int64_t at_us = START_US + 1000;

    (void)state;
    given_observer();
    partial_of(1, 1, START_US - 1, span_str("began before this run"));
    partial_of(4, 1, at_us, span_str("began after, and "));
    publish_interrupted(&publish, at_us + 1, 4, 1, at_us);
    partial_of(4, 1, at_us, span_str("was interrupted"));
    publish_interrupted(&publish, at_us + 1, 5, 1, at_us);
    partial_of(5, 1, at_us, span_str("was interrupted at once"));
    publish_forget(&publish, 4);
    partial_of(4, 2, at_us + 2, span_str("began anew"));
    expect(1, 4, 1, 1, "began after, and ");
    expect(2, 4, 2, 1, "began anew");
    assert_int_equal(stats.count[STAT_UNFOLLOWED], 3);
}

static void silent_partials_are_followed_and_not_published(void **state)
{
    const struct span piece = span_str("pass");
    struct publish_partial silent = {.id = 1,
                                     .attempt = 1,
                                     .leased_us = START_US,
                                     .conversation_id = span_str("conv"),
                                     .service = span_str("law"),
                                     .worker = span_str("w1"),
                                     .frame = &piece,
                                     .frames = 1,
                                     .silent = true};

    (void)state;
    given_observer();
    now_us += 10;
    assert_int_equal(publish_partial(&publish, now_us, now_us, &silent).size, 0);
    assert_int_equal(publish.feed.seq, 0);
    partial(1, "word: x !");
    expect(1, 1, 1, 1, "PASSWORD_REDACTED !");
}

static void streams_are_bounded_in_number(void **state)
{
    (void)state;
    given_observer();
    for (int64_t id = 1; id <= PUBLISH_STREAMS; id++)
        partial(id, "");
    partial(PUBLISH_STREAMS + 1, "too many");
    partial(1, "is still followed");
    publish_forget(&publish, 2);
    partial(PUBLISH_STREAMS + 1, "there would be room, but it has begun");
    partial(PUBLISH_STREAMS + 2, "so may this one");
    partial_of(PUBLISH_STREAMS + 3, 1, now_us, span_str("began after"));
    expect(1, 1, 1, 1, "is still followed");
    expect(2, PUBLISH_STREAMS + 3, 1, 1, "began after");
    assert_int_equal(stats.count[STAT_UNFOLLOWED], 3);
}

static void streams_are_bounded_in_bytes(void **state)
{
    static char value[60000];
    int64_t id = 0;

    (void)state;
    given_observer();
    memset(value, 'v', sizeof value);
    for (; publish.held + sizeof value + 100 < PUBLISH_HELD; id++) {
        partial(id, "secret:");
        partial_of(id, 1, START_US, span_of(value, sizeof value));
    }
    assert_int_equal(publish.feed.seq, 0);
    partial(id, "secret:");
    partial_of(id, 1, START_US, span_of(value, sizeof value));
    expect(1, id, 1, 1, REDACT_FAILED);
    assert_true(publish.held <= PUBLISH_HELD);
    assert_int_equal(redact_failures(redact), 1);
    for (int64_t other = 0; other <= id; other++)
        publish_forget(&publish, other);
    assert_int_equal(publish.held, 0);
}

static void names_are_redacted_too(void **state)
{
    const struct span text = span_str("x");
    const struct publish_partial said = {
        .id = 1,
        .attempt = 1,
        .leased_us = START_US,
        .conversation_id = span_str("conv"),
        .service = span_str("AKIAIOSFODNN7EXAMPLE"),
        .worker = span_str("secret:w"),
        .frame = &text,
        .frames = 1,
    };

    (void)state;
    given_observer();
    publish_partial(&publish, now_us, now_us, &said);
    next_frame();
    next_frame();
    next_frame();
    assert_non_null(
        strstr(frame, "\"service\":\"AWS_KEY_REDACTED\",\"worker\":\"SECRET_REDACTED\""));
}

static void what_else_happens_is_counted_and_told(void **state)
{
    const struct event_member why = {"why", EVENT_TEXT, span_str("secret: gone"), 0};

    (void)state;
    publish_other(&publish, now_us, now_us, TOPIC_GATEWAY, span_str("cut"), "gateway/cut", &why, 1);
    given_observer();
    publish_other(&publish, now_us, now_us, TOPIC_GATEWAY, span_str("cut"), "gateway/cut", &why, 1);
    next_frame();
    assert_string_equal(frame, "gateway/cut");
    next_frame();
    assert_string_equal(frame, "1");
    next_frame();
    assert_non_null(strstr(frame, "\"why\":\"SECRET_REDACTED\",\"count\":2}"));
}

static void row(int64_t id, const char *text)
{
    const struct tail_row row = {.id = id,
                                 .columns = {span_str(text), true, {NULL, 0}, true},
                                 .conversation_id = span_str("conv"),
                                 .from_session = span_str("a"),
                                 .to_session = span_str("b"),
                                 .timestamp = span_str("2026-11-21T01:00:00"),
                                 .has_conversation = true,
                                 .role = span_str("law")};
    now_us += 10;
    publish_row(&publish, now_us, now_us, &row);
}

#define QUERY "{\"type\":\"query\",\"question\":\"?\"}"
#define RESPONSE "{\"type\":\"response\",\"answer\":\"!\"}"

static void expect_row(const char *topic, int64_t id, int64_t prev)
{
    struct span json;

    next_frame();
    assert_string_equal(frame, topic);
    next_frame();
    json = span_of(frame, next_frame());
    assert_int_equal(jtext_check(json), JTEXT_OBJECT);
    assert_int_equal(number(json, "id"), id);
    assert_int_equal(number(json, "prev"), prev);
}

/* So many subscriptions that one event may leave at a time, and events as large as they come. */
static void large_events_wait_in_bounded_memory(void **state)
{
    static char text[600001];
    size_t most = 0;

    (void)state;
    given_observer();
    for (int i = 0; i < 2 * PUBLISH_COPIES; i++)
        zmq_setsockopt(observer, ZMQ_SUBSCRIBE, &i, sizeof i);
    while (events_subscriptions(events) <= PUBLISH_COPIES)
        events_drain(events);
    memset(text, 'x', sizeof text - 1);
    for (int64_t id = 1; id <= 100; id++) {
        row(id, text);
        if (publish.out.frames.size > most)
            most = publish.out.frames.size;
    }
    assert_true(most > PUBLISH_OUT_BYTES && most < 4 * PUBLISH_OUT_BYTES);
}

static void rows_name_the_one_before_of_their_kind(void **state)
{
    (void)state;
    publish_start(&publish, 10, 10);
    given_observer();
    row(11, QUERY);
    row(12, RESPONSE);
    row(15, QUERY);
    row(16, "hello");
    row(17, RESPONSE);
    expect_row("query/conv", 11, 10);
    expect_row("response/conv", 12, 10);
    expect_row("query/conv", 15, 11);
    expect_row("message/conv", 16, 10);
    expect_row("response/conv", 17, 12);
}

static void rows_that_nobody_heard_lie_before_what_the_next_one_names(void **state)
{
    (void)state;
    publish_start(&publish, 10, 10);
    row(11, QUERY);
    row(12, "hello");
    given_observer();
    row(13, QUERY);
    expect_row("query/conv", 13, 12);
}

static void mark_follows_the_last_event_and_is_repeated(void **state)
{
    int64_t due_us;

    (void)state;
    given_observer();
    row(1, QUERY);
    expect_row("query/conv", 1, 0);
    for (int i = 0; i < 3; i++) {
        due_us = publish_due(&publish);
        assert_true(due_us <= now_us + (FEED_MARK_US << i));
        now_us = due_us;
        publish_run(&publish, now_us, now_us);
        next_frame();
        assert_string_equal(frame, "gateway/mark");
        next_frame();
        next_frame();
        assert_non_null(strstr(
            frame, "\"id\":1,\"highest\":1,\"last\":{\"query\":1,\"response\":0,\"message\":0}"));
    }
}

static void mark_says_no_less_than_the_file_had_when_the_run_began(void **state)
{
    struct event_mark mark;

    (void)state;
    publish_start(&publish, 10, 20);
    row(11, QUERY);
    mark = feed_mark(&publish.feed);
    assert_int_equal(mark.id, 11);
    assert_int_equal(mark.highest, 20);
    assert_int_equal(mark.since, 10);
    row(21, QUERY);
    mark = feed_mark(&publish.feed);
    assert_int_equal(mark.highest, 21);
}

static void who_joins_as_another_one_leaves_has_a_mark_soon(void **state)
{
    void *late = zmq_socket(context, ZMQ_SUB);
    int linger = 0;

    (void)state;
    given_observer();
    for (int i = 0; i < 5; i++) { /* the next mark is far off */
        now_us = publish_due(&publish) < INT64_MAX ? publish_due(&publish) : now_us;
        publish_run(&publish, now_us, now_us);
    }
    assert_true(publish_due(&publish) > now_us + FEED_MARK_US);
    zmq_setsockopt(late, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(late, ZMQ_SUBSCRIBE, "", 0);
    assert_int_equal(zmq_connect(late, ENDPOINT), 0);
    zmq_close(observer);
    observer = late;
    for (uint64_t begun = events_begun(events);
         events_begun(events) == begun || events_subscriptions(events) != 1;) {
        zmq_pollitem_t item = {.socket = events_socket(events, 0), .events = ZMQ_POLLIN};
        assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
        events_drain(events);
    }
    publish_run(&publish, now_us, now_us);
    assert_int_equal(publish_due(&publish), now_us + FEED_MARK_US);
}

/* Takes what is there, event by event: so many. */
static int taken(void)
{
    struct span rest, part[EVENT_BATCH_FRAMES];
    int count = 0;

    assert_true(zmq_recv(observer, frame, sizeof frame, 0) == sizeof EVENT_BATCH_TOPIC - 1);
    rest = span_of(frame, (size_t)zmq_recv(observer, frame, sizeof frame, 0));
    while (event_batch_take(&rest, part) == 0)
        count++;
    return count;
}

static void lone_event_leaves_at_once_and_what_follows_together(void **state)
{
    (void)state;
    events_batch(events, 0);
    given_observer();
    partial(1, "x");
    publish_run(&publish, now_us, now_us);
    assert_int_equal(taken(), 1);
    assert_true(publish_due(&publish) > now_us + PUBLISH_BATCH_US);
    int64_t left_us = now_us;
    for (int i = 0; i < 3; i++) {
        partial(1, "x");
        publish_run(&publish, now_us, now_us);
        assert_int_equal(publish_due(&publish), left_us + PUBLISH_BATCH_US);
    }
    assert_int_equal(zmq_recv(observer, frame, sizeof frame, ZMQ_DONTWAIT), -1);
    now_us = left_us + PUBLISH_BATCH_US;
    publish_run(&publish, now_us, now_us);
    assert_int_equal(taken(), 3);
    assert_true(publish_due(&publish) > now_us + PUBLISH_BATCH_US); /* nothing waits */
    partial(1, "x");
    publish_run(&publish, now_us, now_us);
    publish_flush(&publish);
    assert_int_equal(taken(), 1);
}

static void nobody_there_is_no_mark(void **state)
{
    (void)state;
    row(1, QUERY);
    assert_int_equal(publish_due(&publish), INT64_MAX);
}

int main(void)
{
#define WITH_OBSERVERS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_OBSERVERS(partials_come_in_order_and_numbered),
        WITH_OBSERVERS(events_leave_at_the_turn_s_end_or_when_many_wait_in_order),
        WITH_OBSERVERS(turn_makes_so_many_copies_and_the_next_one_is_due_at_once),
        WITH_OBSERVERS(large_events_wait_in_bounded_memory),
        WITH_OBSERVERS(welcome_speaks_of_nothing_that_still_waits),
        WITH_OBSERVERS(secret_over_two_partials_does_not_pass),
        WITH_OBSERVERS(body_of_several_frames_is_one_text),
        WITH_OBSERVERS(each_attempt_is_a_stream_of_its_own),
        WITH_OBSERVERS(long_text_is_several_events),
        WITH_OBSERVERS(answer_is_followed_while_nobody_listens),
        WITH_OBSERVERS(answer_whose_beginning_was_not_seen_is_not_followed),
        WITH_OBSERVERS(silent_partials_are_followed_and_not_published),
        WITH_OBSERVERS(streams_are_bounded_in_number),
        WITH_OBSERVERS(streams_are_bounded_in_bytes),
        WITH_OBSERVERS(names_are_redacted_too),
        WITH_OBSERVERS(what_else_happens_is_counted_and_told),
        WITH_OBSERVERS(rows_name_the_one_before_of_their_kind),
        WITH_OBSERVERS(rows_that_nobody_heard_lie_before_what_the_next_one_names),
        WITH_OBSERVERS(mark_follows_the_last_event_and_is_repeated),
        WITH_OBSERVERS(mark_says_no_less_than_the_file_had_when_the_run_began),
        WITH_OBSERVERS(who_joins_as_another_one_leaves_has_a_mark_soon),
        WITH_OBSERVERS(nobody_there_is_no_mark),
        WITH_OBSERVERS(lone_event_leaves_at_once_and_what_follows_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
