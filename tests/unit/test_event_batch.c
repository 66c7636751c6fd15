#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/event_batch.h"
#include "proto/pack.h"

static void events_that_are_batched_are_read_in_order(void **state)
{
    (void)state;
    const struct span event[][EVENT_BATCH_FRAMES] = {
        {span_str("query/c"), span_str("1"), span_str("{}")},
        {span_of("", 0), span_of("", 0), span_of("", 0)},
        {span_str("gateway/mark"), span_str("18446744073709551615"), span_of("\0\xff\n", 3)}};
    struct span rest, frame[EVENT_BATCH_FRAMES];
    struct buffer batch;
    size_t size = 0;
    buffer_init(&batch);
    for (size_t i = 0; i < 3; i++) {
        size += event_batch_size(event[i]);
        event_batch_add(event[i], &batch);
        assert_int_equal(batch.size, size);
    }
    rest = buffer_span(&batch);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(event_batch_take(&rest, frame), 0);
        for (size_t j = 0; j < EVENT_BATCH_FRAMES; j++)
            assert_true(span_equal(frame[j], event[i][j]));
    }
    assert_int_equal(rest.size, 0);
    assert_int_equal(event_batch_take(&rest, frame), -1);
    buffer_done(&batch);
}

static void what_is_cut_ends_the_batch_and_what_stood_before_counts(void **state)
{
    (void)state;
    const struct span event[] = {span_str("query/c"), span_str("1"), span_str("{}")};
    size_t one = event_batch_size(event);
    struct buffer batch;
    buffer_init(&batch);
    event_batch_add(event, &batch);
    event_batch_add(event, &batch);
    for (size_t size = 0; size < batch.size; size++) {
        struct span rest = span_of(batch.data, size), before, frame[EVENT_BATCH_FRAMES];
        size_t read = 0;
        while (event_batch_take(&rest, frame) == 0)
            read++;
        assert_int_equal(read, size / one);
        before = rest; /* nothing was taken off */
        assert_int_equal(event_batch_take(&rest, frame), -1);
        assert_true(rest.data == before.data && rest.size == before.size);
        assert_int_equal(rest.size, size % one);
    }
    buffer_done(&batch);
}

static void what_has_more_or_fewer_frames_is_no_event(void **state)
{
    (void)state;
    const struct span list[] = {span_str("a"), span_str("1"), span_str("{}"), span_str("b")};
    for (size_t count = 0; count <= 4; count++) {
        struct span rest, frame[EVENT_BATCH_FRAMES];
        struct buffer packed;
        buffer_init(&packed);
        pack_write(list, count, &packed);
        rest = buffer_span(&packed);
        assert_int_equal(event_batch_take(&rest, frame), count == EVENT_BATCH_FRAMES ? 0 : -1);
        buffer_done(&packed);
    }
}

static void batch_has_its_topic_and_two_frames(void **state)
{
    (void)state;
    const struct span frame[] = {span_str("batch/"), span_str(""), span_str("")};
    const struct span other[] = {span_str("batch/c"), span_str("")};
    assert_true(event_batch_is(frame, 2));
    assert_false(event_batch_is(frame, 1));
    assert_false(event_batch_is(frame, 3));
    assert_false(event_batch_is(frame, 0));
    assert_false(event_batch_is(other, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_that_are_batched_are_read_in_order),
        cmocka_unit_test(what_is_cut_ends_the_batch_and_what_stood_before_counts),
        cmocka_unit_test(what_has_more_or_fewer_frames_is_no_event),
        cmocka_unit_test(batch_has_its_topic_and_two_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
