#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/limits.h"
#include "proto/pack.h"

#define ROOM 4

static void frames_that_are_packed_are_read(void **state)
{
    (void)state;
    const struct span frame[ROOM] = {span_str("one"), span_of("", 0), span_of("\0\xff", 2),
                                     span_str("four")};
    for (size_t count = 0; count <= ROOM; count++) {
        struct span read[ROOM];
        struct buffer packed;
        size_t read_count = 42;
        buffer_init(&packed);
        pack_write(frame, count, &packed);
        assert_int_equal(packed.size, pack_size(frame, count));
        assert_int_equal(pack_read(buffer_span(&packed), read, ROOM, &read_count), 0);
        assert_int_equal(read_count, count);
        for (size_t i = 0; i < count; i++)
            assert_true(span_equal(read[i], frame[i]));
        buffer_done(&packed);
    }
}

static void every_start_and_every_longer_one_is_refused(void **state)
{
    (void)state;
    const struct span frame[] = {span_str("one"), span_str("two")};
    struct span read[ROOM];
    struct buffer packed;
    size_t count = 42;
    buffer_init(&packed);
    pack_write(frame, 2, &packed);
    for (size_t size = 0; size < packed.size; size++)
        assert_int_equal(pack_read(span_of(packed.data, size), read, ROOM, &count), -1);
    buffer_byte(&packed, 'x');
    assert_int_equal(pack_read(buffer_span(&packed), read, ROOM, &count), -1);
    assert_int_equal(count, 42);
    buffer_done(&packed);
}

static void more_frames_than_fit_are_refused(void **state)
{
    (void)state;
    const struct span frame[2] = {{"", 0}, {"", 0}};
    struct span read[2];
    struct buffer packed;
    size_t count;
    buffer_init(&packed);
    pack_write(frame, 2, &packed);
    assert_int_equal(pack_read(buffer_span(&packed), read, 1, &count), -1);
    assert_int_equal(pack_read(buffer_span(&packed), read, 2, &count), 0);
    buffer_done(&packed);
}

static void sizes_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\xff\xff\xff\xff", 4},
        {"\1\0\0\0\xff\xff\xff\xff", 8},
        {"\1\0\0\0\1\0\0\1x", 9},
        {"\2\0\0\0\2\0\0\0\xff\xff\xff\xffx", 13},
        {"\2\0\0\0\1\0\0\0\1\0\0\0x", 13},
        {"\0\0\0\0x", 5},
        {"\0\0\0\1", 4},
    };
    struct span read[ROOM];
    size_t count;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(pack_read(span_of(bad[i].bytes, bad[i].size), read, ROOM, &count), -1);
    assert_int_equal(pack_read(span_of(NULL, 0), read, ROOM, &count), -1);
}

static void frame_beyond_its_limit_is_refused(void **state)
{
    (void)state;
    struct span frame = {NULL, 0}, read;
    struct buffer packed, zeros;
    size_t count;
    buffer_init(&packed);
    buffer_init(&zeros);
    zeros.size = LIMIT_FRAME_SIZE;
    zeros.data = memory_zero(zeros.size + 1, 1);
    frame = buffer_span(&zeros);
    pack_write(&frame, 1, &packed);
    assert_int_equal(pack_read(buffer_span(&packed), &read, 1, &count), 0);
    packed.data[4]++; /* the size's lowest byte */
    buffer_byte(&packed, 0);
    assert_int_equal(pack_read(buffer_span(&packed), &read, 1, &count), -1);
    buffer_done(&packed);
    buffer_done(&zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_are_packed_are_read),
        cmocka_unit_test(every_start_and_every_longer_one_is_refused),
        cmocka_unit_test(more_frames_than_fit_are_refused),
        cmocka_unit_test(sizes_that_lie_are_refused),
        cmocka_unit_test(frame_beyond_its_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
