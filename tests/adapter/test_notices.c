/* What the library's thread tells, and what it drops (adapters/c/notices.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/c/notices.h"

static int set_up(void **state)
{
    static struct notices notices;
    notices_init(&notices, 2);
    *state = &notices;
    return 0;
}

static int tear_down(void **state)
{
    notices_done(*state);
    return 0;
}

static void notices_come_in_order_round_the_ring(void **state)
{
    struct tailgate_event event;
    for (uint64_t i = 0; i < 3 * NOTICES_ROOM; i++) {
        event = notice_of(TAILGATE_EVENT_ODD, span_str("x"));
        event.count = i;
        notices_put(*state, &event);
        assert_true(notices_take(*state, &event));
        assert_int_equal(event.count, i);
    }
    assert_false(notices_take(*state, &event));
}

static void full_ring_drops_the_newest_and_has_room_for_what_must_be_told(void **state)
{
    struct tailgate_event event = notice_of(TAILGATE_EVENT_ODD, span_str("x"));
    for (int i = 0; i < NOTICES_ROOM + 10; i++)
        notices_put(*state, &event);
    event.kind = TAILGATE_EVENT_GIVEN_UP;
    notices_force(*state, &event);
    notices_force(*state, &event);
    int odd = 0, given_up = 0;
    while (notices_take(*state, &event)) {
        odd += event.kind == TAILGATE_EVENT_ODD;
        given_up += event.kind == TAILGATE_EVENT_GIVEN_UP;
    }
    assert_int_equal(odd, NOTICES_ROOM);
    assert_int_equal(given_up, 2);
}

static void long_text_is_cut_and_ends_in_a_nul(void **state)
{
    char text[1000];
    (void)state;
    memset(text, 'x', sizeof text);
    struct tailgate_event event = notice_of(TAILGATE_EVENT_LOST, span_of(text, sizeof text));
    assert_int_equal(strlen(event.text), sizeof event.text - 1);
    event = notice_of(TAILGATE_EVENT_LOST, span_of(NULL, 0));
    assert_string_equal(event.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(notices_come_in_order_round_the_ring, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            full_ring_drops_the_newest_and_has_room_for_what_must_be_told, set_up, tear_down),
        cmocka_unit_test(long_text_is_cut_and_ends_in_a_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
