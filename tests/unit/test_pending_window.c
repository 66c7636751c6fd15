/* What waits in memory and what in the file: P5 of pending.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/waiting.h"

static bool refill(struct pending *pending, struct service *service, int64_t id,
                   const char *conversation)
{
    const struct waiting query = query_of(pending, id, conversation);
    return pending_refill(pending, service, &query);
}

/* A service with that window, in which the ids 1 to WINDOW of conversation "a" wait. */
static struct service *full_service(struct pending *pending, enum order order, int64_t window)
{
    struct service *service = service_called(pending, "default");

    change_rules(pending, order, (size_t)window);
    for (int64_t id = 1; id <= window; id++)
        assert_int_equal(append(pending, service, id, "a"), PENDING_WAITS);
    return service;
}

/* What is more waits in the file, from FIRST to LAST, all of conversation "a". */
static void append_beyond(struct pending *pending, struct service *service, int64_t first,
                          int64_t last)
{
    for (int64_t id = first; id <= last; id++)
        assert_int_equal(append(pending, service, id, "a"), PENDING_BEYOND);
}

static void a_service_keeps_its_window_and_a_quarter_for_newcomers(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 8);
    assert_int_equal(service->more_from, 0);
    assert_int_equal(append(*state, service, 9, "b"), PENDING_WAITS);
    assert_int_equal(append(*state, service, 10, "b"), PENDING_BEYOND); /* no newcomer any more */
    assert_int_equal(append(*state, service, 11, "c"), PENDING_WAITS);
    assert_int_equal(append(*state, service, 12, "d"), PENDING_BEYOND); /* the quarter is full */
    assert_int_equal(append(*state, service, 13, "a"), PENDING_BEYOND);
    assert_int_equal(service->backlog, 10);
    assert_int_equal(pending_backlog(*state), 10);
    assert_int_equal(service->beyond, 3);
    assert_int_equal(service->more_from, 10);
    assert_false(pending_waits(*state, 10));
}

static void what_was_turned_away_is_told_from_its_smallest_id(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    assert_int_equal(append(*state, service, 30, "a"), PENDING_BEYOND);
    assert_int_equal(service->more_from, 30);
    assert_int_equal(append(*state, service, 40, "a"), PENDING_BEYOND);
    assert_int_equal(service->more_from, 30);
    assert_int_equal(append(*state, service, 20, "a"), PENDING_BEYOND); /* it was seen late */
    assert_int_equal(service->more_from, 20);
}

static void what_waits_here_is_known_however_full_it_is(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    append_beyond(*state, service, 5, 6);
    for (int64_t id = 1; id <= 4; id++)
        assert_int_equal(append(*state, service, id, "a"), PENDING_KNOWN);
    assert_int_equal(service->more_from, 5);
    assert_int_equal(service->beyond, 2);
}

static void nobody_overtakes_its_own_conversation_in_the_file(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 8);
    append_beyond(*state, service, 9, 9);
    take_in_order(*state, service, 1, 2, 3);
    assert_int_equal(append(*state, service, 10, "a"), PENDING_BEYOND); /* though there is room */
    assert_int_equal(append(*state, service, 11, "b"), PENDING_WAITS);
    assert_int_equal(append(*state, service, 12, "b"), PENDING_WAITS);
    assert_int_equal(append(*state, service, 13, "b"), PENDING_BEYOND);
    take_in_order(*state, service, 4, 11, 5, 12);
    assert_int_equal(append(*state, service, 14, "b"), PENDING_BEYOND); /* 13 is before it */
}

static void what_is_below_the_mark_comes_in_where_there_is_room(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    append_beyond(*state, service, 20, 20);
    take_in_order(*state, service, 1);
    assert_int_equal(append(*state, service, 10, "a"), PENDING_WAITS); /* before 20 all the same */
    assert_int_equal(append(*state, service, 11, "a"), PENDING_BEYOND);
    assert_int_equal(service->more_from, 11);
}

static void fifo_lets_nobody_overtake(void **state)
{
    struct service *service = full_service(*state, ORDER_FIFO, 8);
    assert_int_equal(append(*state, service, 9, "b"), PENDING_BEYOND);
    take_in_order(*state, service, 1, 2, 3, 4, 5, 6, 7, 8);
    assert_int_equal(append(*state, service, 10, "c"), PENDING_BEYOND);
    assert_true(refill(*state, service, 9, "b"));
    assert_true(refill(*state, service, 10, "c"));
    pending_refilled(*state, service, 0);
    assert_int_equal(append(*state, service, 11, "d"), PENDING_WAITS);
    take_in_order(*state, service, 9, 10, 11);
}

static void newcomers_do_not_keep_the_file_from_being_read(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 8);
    char conversation[32];
    struct waiting query;
    append_beyond(*state, service, 9, 9);
    for (int64_t id = 10; !pending_want(*state); id++) { /* always more of them than are served */
        assert_true(id < 100);
        snprintf(conversation, sizeof conversation, "n%d", (int)id);
        append(*state, service, id, conversation);
        assert_true(pending_take(*state, service, &query));
    }
    assert_ptr_equal(pending_want(*state), service);
    assert_int_equal(service->more_from, 9);
}

static void a_service_is_read_again_at_half_its_window(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 8);
    assert_null(pending_want(*state));
    take_in_order(*state, service, 1, 2, 3, 4, 5);
    assert_null(pending_want(*state)); /* there is nothing in the file */
    for (int64_t id = 9; id <= 13; id++)
        append(*state, service, id, "a");
    append_beyond(*state, service, 14, 20);
    assert_null(pending_want(*state));
    take_in_order(*state, service, 6, 7, 8);
    assert_null(pending_want(*state));
    take_in_order(*state, service, 9);
    assert_ptr_equal(pending_want(*state), service);
    bring_back(*state, service, 9, "a");
    assert_null(pending_want(*state));
    assert_true(pending_remove(*state, 10, NULL, NULL));
    assert_ptr_equal(pending_want(*state), service);
}

static void a_refill_passes_over_what_waits_and_stops_when_it_is_full(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    append_beyond(*state, service, 5, 9);
    take_in_order(*state, service, 1, 2, 3);
    assert_int_equal(append(*state, service, 10, "b"), PENDING_WAITS); /* ahead of the file */
    assert_int_equal(service->beyond, 5);
    assert_true(refill(*state, service, 4, "a"));
    assert_true(refill(*state, service, 5, "a"));
    assert_true(refill(*state, service, 6, "a"));
    assert_false(refill(*state, service, 7, "a"));
    assert_false(pending_waits(*state, 7));
    assert_true(refill(*state, service, 10, "b")); /* it waits: that needs no room */
    pending_refilled(*state, service, 7);
    assert_int_equal(service->backlog, 4);
    assert_int_equal(service->beyond, 3);
    assert_int_equal(service->more_from, 7);
    assert_int_equal(append(*state, service, 11, "a"), PENDING_BEYOND);
    take_in_order(*state, service, 4, 10, 5, 6);
    for (int64_t id = 7; id <= 10; id++)
        assert_true(refill(*state, service, id, "a"));
    assert_false(refill(*state, service, 11, "a"));
}

static void everything_read_means_that_everybody_may_come_in(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    append_beyond(*state, service, 5, 6);
    take_in_order(*state, service, 1, 2, 3, 4);
    assert_true(refill(*state, service, 5, "a")); /* 6 has been answered elsewhere meanwhile */
    pending_refilled(*state, service, 0);
    assert_int_equal(service->more_from, 0);
    assert_int_equal(service->beyond, 0);
    assert_null(pending_want(*state));
    assert_int_equal(append(*state, service, 7, "a"), PENDING_WAITS);
    take_in_order(*state, service, 5, 7);
}

static void a_refill_leaves_the_quarter_to_newcomers(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    append_beyond(*state, service, 5, 6);
    take_in_order(*state, service, 1, 2);
    assert_true(refill(*state, service, 5, "a"));
    assert_true(refill(*state, service, 6, "a"));
    assert_false(refill(*state, service, 7, "b"));
    pending_refilled(*state, service, 7);
    assert_int_equal(append(*state, service, 8, "c"), PENDING_WAITS);
}

static void services_take_turns_at_being_read_again(void **state)
{
    struct service *service[3];
    char name[32];
    change_rules(*state, ORDER_FAIR, 1);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "s%d", i);
        service[i] = service_called(*state, name);
        append(*state, service[i], 10 * i + 1, "a");
        append_beyond(*state, service[i], 10 * i + 2, 10 * i + 3);
        assert_null(pending_want(*state));
    }
    for (int i = 0; i < 3; i++)
        take_in_order(*state, service[i], 10 * i + 1);
    for (int round = 0; round < 6; round++) { /* a few rows at a time, none of them theirs */
        assert_ptr_equal(pending_want(*state), service[round % 3]);
        pending_refilled(*state, service[round % 3], 100 + round);
    }
    pending_refilled(*state, service[0], 0);
    assert_ptr_equal(pending_want(*state), service[1]);
    pending_refilled(*state, service[1], 0);
    assert_ptr_equal(pending_want(*state), service[2]);
    pending_refilled(*state, service[2], 0);
    assert_null(pending_want(*state));
}

static void what_comes_back_always_fits(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    take_in_order(*state, service, 1, 2, 3);
    for (int64_t id = 5; id <= 7; id++)
        assert_int_equal(append(*state, service, id, "a"), PENDING_WAITS);
    append_beyond(*state, service, 8, 8);
    for (int64_t id = 1; id <= 3; id++)
        bring_back(*state, service, id, "a");
    assert_int_equal(service->backlog, 7);
    take_in_order(*state, service, 1, 2, 3, 4, 5, 6, 7);
}

static void a_row_that_is_fed_late_takes_the_place_of_the_last_one(void **state)
{
    struct service *service = service_called(*state, "default");
    change_rules(*state, ORDER_FAIR, 4);
    for (int64_t id = 11; id <= 14; id++)
        append(*state, service, id, "a");
    assert_int_equal(append(*state, service, 5, "a"), PENDING_WAITS);
    assert_int_equal(service->backlog, 4);
    assert_false(pending_waits(*state, 14));
    assert_int_equal(service->more_from, 14);
    assert_int_equal(service->beyond, 1);
    assert_int_equal(append(*state, service, 15, "a"), PENDING_BEYOND);
    take_in_order(*state, service, 5, 11, 12, 13);
    assert_true(refill(*state, service, 14, "a"));
    assert_true(refill(*state, service, 15, "a"));
    pending_refilled(*state, service, 0);
    take_in_order(*state, service, 14, 15);
}

static void what_has_come_back_never_gives_way(void **state)
{
    struct service *service = service_called(*state, "default");
    change_rules(*state, ORDER_FAIR, 2);
    append(*state, service, 10, "a");
    append(*state, service, 11, "a");
    take_in_order(*state, service, 10, 11);
    append(*state, service, 7, "a");
    bring_back(*state, service, 10, "a");
    bring_back(*state, service, 11, "a");
    assert_int_equal(append(*state, service, 5, "a"), PENDING_WAITS); /* in the place of 7 */
    assert_true(pending_waits(*state, 10) && pending_waits(*state, 11));
    assert_false(pending_waits(*state, 7));
    assert_int_equal(append(*state, service, 8, "a"), PENDING_BEYOND); /* not before 7, as 11 is */
    assert_int_equal(service->more_from, 7);
    take_in_order(*state, service, 5, 10, 11);
}

static void a_service_with_more_in_the_file_is_not_forgotten(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 2);
    append_beyond(*state, service, 3, 3);
    pending_release(*state, service);
    take_in_order(*state, service, 1, 2);
    assert_ptr_equal(pending_walk(*state, NULL), service);
    pending_refilled(*state, service, 0);
    assert_null(pending_walk(*state, NULL));
    assert_null(pending_want(*state));
}

static void what_is_counted_beyond_never_underflows(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    append_beyond(*state, service, 5, 5);
    take_in_order(*state, service, 1, 2, 3, 4);
    for (int64_t id = 5; id <= 7; id++)
        assert_true(refill(*state, service, id, "a"));
    assert_int_equal(service->beyond, 0);
    pending_refilled(*state, service, 8);
    assert_int_equal(service->beyond, 1); /* at least, where there is more */
}

static void a_window_of_one_serves_everything_in_turn(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 1);
    append_beyond(*state, service, 2, 20);
    assert_int_equal(append(*state, service, 21, "b"), PENDING_BEYOND);
    for (int64_t id = 1; id <= 20; id++) {
        take(*state, service, &id, 1);
        assert_ptr_equal(pending_want(*state), service);
        assert_true(refill(*state, service, id + 1, id < 20 ? "a" : "b"));
        pending_refilled(*state, service, id < 20 ? id + 2 : 0);
    }
    take_in_order(*state, service, 21);
    assert_null(pending_want(*state));
}

static void a_window_that_changes_applies_to_what_comes(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 8);
    change_rules(*state, ORDER_FAIR, 2);
    assert_int_equal(service->backlog, 8);
    append_beyond(*state, service, 9, 9);
    take_in_order(*state, service, 1, 2, 3, 4, 5, 6);
    assert_null(pending_want(*state));
    change_rules(*state, ORDER_FAIR, 4);
    assert_ptr_equal(pending_want(*state), service);
    change_rules(*state, ORDER_FAIR, 2);
    assert_null(pending_want(*state));
}

static void a_new_order_sends_back_what_came_in_ahead(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 4);
    append_beyond(*state, service, 5, 5);
    take_in_order(*state, service, 1, 2);
    assert_int_equal(append(*state, service, 6, "b"), PENDING_WAITS);
    change_rules(*state, ORDER_FIFO, 4);
    assert_false(pending_waits(*state, 6)); /* 5 is before it now */
    assert_int_equal(service->more_from, 5);
    assert_int_equal(append(*state, service, 7, "c"), PENDING_BEYOND);
    take_in_order(*state, service, 3, 4);
    change_rules(*state, ORDER_FAIR, 4); /* whose rows are beyond is not known any more */
    assert_int_equal(append(*state, service, 8, "c"), PENDING_BEYOND);
    for (int64_t id = 5; id <= 8; id++)
        assert_true(refill(*state, service, id, id == 5 ? "a" : id == 6 ? "b" : "c"));
    pending_refilled(*state, service, 0);
    take_in_order(*state, service, 5, 6, 7, 8);
}

static void a_new_order_keeps_what_has_come_back(void **state)
{
    struct service *service = full_service(*state, ORDER_FAIR, 2);
    append_beyond(*state, service, 3, 3);
    take_in_order(*state, service, 1);
    assert_int_equal(append(*state, service, 4, "b"), PENDING_WAITS);
    take_in_order(*state, service, 2, 4);
    bring_back(*state, service, 4, "b");
    change_rules(*state, ORDER_FIFO, 2);
    assert_true(pending_waits(*state, 4));
    take_in_order(*state, service, 4);
}

#define window_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        window_test(a_service_keeps_its_window_and_a_quarter_for_newcomers),
        window_test(what_was_turned_away_is_told_from_its_smallest_id),
        window_test(what_waits_here_is_known_however_full_it_is),
        window_test(nobody_overtakes_its_own_conversation_in_the_file),
        window_test(what_is_below_the_mark_comes_in_where_there_is_room),
        window_test(fifo_lets_nobody_overtake),
        window_test(newcomers_do_not_keep_the_file_from_being_read),
        window_test(a_service_is_read_again_at_half_its_window),
        window_test(a_refill_passes_over_what_waits_and_stops_when_it_is_full),
        window_test(everything_read_means_that_everybody_may_come_in),
        window_test(a_refill_leaves_the_quarter_to_newcomers),
        window_test(services_take_turns_at_being_read_again),
        window_test(what_comes_back_always_fits),
        window_test(a_row_that_is_fed_late_takes_the_place_of_the_last_one),
        window_test(what_has_come_back_never_gives_way),
        window_test(a_service_with_more_in_the_file_is_not_forgotten),
        window_test(what_is_counted_beyond_never_underflows),
        window_test(a_window_of_one_serves_everything_in_turn),
        window_test(a_window_that_changes_applies_to_what_comes),
        window_test(a_new_order_sends_back_what_came_in_ahead),
        window_test(a_new_order_keeps_what_has_come_back),
    };
    return cmocka_run_group_tests_name("pending_window", tests, NULL, NULL);
}
