/* What waits, and in which order it is given out: P1 to P4 of pending.h. P5 is
 * test_pending_window.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/waiting.h"

static int teardown_twice(void **state)
{
    struct pending *pending = *state;
    pending_destroy(&pending);
    assert_null(pending);
    pending_destroy(&pending);
    return 0;
}

static size_t count_services(const struct pending *pending)
{
    const struct service *service = NULL;
    size_t count = 0;
    while ((service = pending_walk(pending, service)))
        count++;
    return count;
}

static void nothing_waits_at_first(void **state)
{
    struct service *service = service_called(*state, "default");
    struct waiting query = {.id = 5};
    assert_false(pending_take(*state, service, &query));
    assert_int_equal(query.id, 5);
    assert_null(pending_turn(*state));
    assert_int_equal(pending_backlog(*state), 0);
    assert_true(pending_oldest(*state, service) == INT64_MAX);
}

static void a_conversation_is_first_in_first_out(void **state)
{
    struct service *service = service_called(*state, "default");
    for (int64_t id = 1; id <= 100; id++)
        append(*state, service, id, "a");
    for (int64_t id = 1; id <= 100; id++)
        take(*state, service, &id, 1);
    assert_int_equal(pending_backlog(*state), 0);
}

static void conversations_take_turns(void **state)
{
    struct service *service = service_called(*state, "default");
    for (int64_t id = 1; id <= 4; id++)
        append(*state, service, id, "a");
    append(*state, service, 11, "b");
    append(*state, service, 12, "b");
    append(*state, service, 21, "c");
    take_in_order(*state, service, 1, 11, 21, 2, 12);
    append(*state, service, 31, "d"); /* a newcomer waits for one round */
    take_in_order(*state, service, 3, 31, 4);
}

static void what_comes_back_stands_in_front_of_its_conversation(void **state)
{
    struct service *service = service_called(*state, "default");
    for (int64_t id = 1; id <= 4; id++)
        append(*state, service, id, "a");
    take_in_order(*state, service, 1, 2);
    bring_back(*state, service, 2, "a");
    take_in_order(*state, service, 2);
    bring_back(*state, service, 1, "a");
    take_in_order(*state, service, 1, 3, 4);
}

static void several_that_come_back_stand_there_by_id(void **state)
{
    struct service *service = service_called(*state, "default");
    for (int64_t id = 1; id <= 6; id++)
        append(*state, service, id, "a");
    take_in_order(*state, service, 1, 2, 3, 4);
    bring_back(*state, service, 2, "a");
    bring_back(*state, service, 4, "a");
    bring_back(*state, service, 1, "a");
    bring_back(*state, service, 3, "a");
    take_in_order(*state, service, 1, 2, 3, 4, 5, 6);
    bring_back(*state, service, 6, "a"); /* the conversation was empty */
    append(*state, service, 7, "a");
    bring_back(*state, service, 5, "a");
    take_in_order(*state, service, 5, 6, 7);
}

static void what_comes_back_last_of_all_leaves_the_end_in_order(void **state)
{
    struct service *service = service_called(*state, "default");
    append(*state, service, 1, "a");
    append(*state, service, 2, "a");
    take_in_order(*state, service, 1, 2);
    bring_back(*state, service, 1, "a");
    bring_back(*state, service, 2, "a"); /* behind 1, which is the last */
    append(*state, service, 3, "a");
    take_in_order(*state, service, 1, 2, 3);
}

static void services_with_a_backlog_take_turns(void **state)
{
    struct service *chess = service_called(*state, "chess");
    struct service *poems = service_called(*state, "poems");
    struct service *idle = service_called(*state, "idle");
    append(*state, chess, 1, "a");
    append(*state, poems, 2, "a");
    append(*state, poems, 3, "a");
    assert_ptr_equal(pending_turn(*state), chess);
    assert_ptr_equal(pending_turn(*state), poems);
    assert_ptr_equal(pending_turn(*state), chess);
    take_in_order(*state, chess, 1);
    assert_ptr_equal(pending_turn(*state), poems);
    assert_ptr_equal(pending_turn(*state), poems);
    append(*state, idle, 4, "a");
    assert_ptr_equal(pending_turn(*state), poems);
    assert_ptr_equal(pending_turn(*state), idle);
}

static void the_oldest_is_found_among_all_conversations(void **state)
{
    struct service *service = service_called(*state, "default");
    append(*state, service, 5, "a");
    append(*state, service, 6, "a");
    append(*state, service, 3, "b");
    append(*state, service, 9, "c");
    assert_int_equal(pending_oldest(*state, service), 30);
    assert_int_equal(pending_backlog(*state), 4);
}

static void one_conversation_may_wait_in_two_services(void **state)
{
    struct service *chess = service_called(*state, "chess");
    struct service *poems = service_called(*state, "poems");
    append(*state, chess, 1, "a");
    append(*state, poems, 2, "a");
    append(*state, chess, 3, "a");
    take_in_order(*state, poems, 2);
    take_in_order(*state, chess, 1, 3);
}

static void a_service_is_one_for_each_name_and_lives_while_it_is_needed(void **state)
{
    struct service *service = service_called(*state, "chess");
    assert_ptr_equal(service_called(*state, "chess"), service);
    assert_ptr_not_equal(service_called(*state, "ches"), service);
    assert_int_equal(count_services(*state), 2);
    append(*state, service, 1, "a");
    pending_release(*state, service);
    pending_release(*state, service);
    assert_int_equal(count_services(*state), 2); /* its backlog keeps it */
    take_in_order(*state, service, 1);
    assert_int_equal(count_services(*state), 1);
}

static void a_service_name_may_hold_any_byte_up_to_the_limit(void **state)
{
    char name[LIMIT_SERVICE];
    struct service *service;
    memset(name, 0xff, sizeof name);
    service = pending_hold(*state, span_of(name, sizeof name));
    assert_int_equal(strlen(service->name), LIMIT_SERVICE);
    assert_ptr_equal(pending_hold(*state, span_of(name, sizeof name)), service);
}

static void there_is_a_limit_on_services(void **state)
{
    char name[32];
    struct service *service = NULL;
    for (int i = 0; i < LIMIT_SERVICES; i++) {
        snprintf(name, sizeof name, "s%d", i);
        service = service_called(*state, name);
        assert_non_null(service);
    }
    assert_null(service_called(*state, "one more"));
    assert_non_null(service_called(*state, "s0"));
    pending_release(*state, service);
    assert_non_null(service_called(*state, "one more"));
}

static void what_was_given_out_is_used_again(void **state)
{
    struct service *service = service_called(*state, "default");
    char conversation[32];
    for (int64_t round = 0; round < 50; round++) {
        for (int64_t id = 0; id < 1000; id++) {
            snprintf(conversation, sizeof conversation, "c%d", (int)((id + round) % 300));
            append(*state, service, id, conversation);
        }
        assert_int_equal(pending_backlog(*state), 1000);
        for (struct waiting query; pending_take(*state, service, &query);)
            assert_in_range(query.id, 0, 999);
        assert_int_equal(pending_backlog(*state), 0);
    }
}

static void an_id_waits_at_most_once(void **state)
{
    struct service *chess = service_called(*state, "chess");
    struct service *poems = service_called(*state, "poems");
    assert_int_equal(append(*state, chess, 1, "a"), PENDING_WAITS);
    assert_int_equal(append(*state, chess, 1, "a"), PENDING_KNOWN);
    assert_int_equal(append(*state, chess, 1, "b"), PENDING_KNOWN);
    assert_int_equal(append(*state, poems, 1, "a"), PENDING_KNOWN);
    assert_int_equal(pending_backlog(*state), 1);
    take_in_order(*state, chess, 1);
    assert_false(pending_waits(*state, 1));
    assert_int_equal(append(*state, chess, 1, "a"), PENDING_WAITS);
    assert_true(pending_waits(*state, 1));
}

static void what_is_seen_late_stands_at_its_place(void **state)
{
    struct service *service = service_called(*state, "default");
    static const int64_t ids[] = {5, 9, 1, 7, 6, 3, 8, 2, 4};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        append(*state, service, ids[i], "a");
    take_in_order(*state, service, 1, 2, 3, 4, 5, 6, 7, 8, 9);
}

static void what_is_taken_out_waits_no_more(void **state)
{
    struct service *service = service_called(*state, "default"), *found = NULL;
    struct waiting query;
    for (int64_t id = 1; id <= 5; id++)
        append(*state, service, id, "a");
    append(*state, service, 11, "b");
    assert_true(pending_remove(*state, 3, &query, &found));
    assert_ptr_equal(found, service);
    pending_release(*state, found);
    assert_int_equal(query.id, 3);
    assert_int_equal(query.seen_us, 30);
    assert_true(query.conversation == pending_conversation(*state, span_str("a")));
    assert_false(query.single);
    assert_true(pending_remove(*state, 1, NULL, NULL));
    assert_true(pending_remove(*state, 5, NULL, NULL));
    assert_true(pending_remove(*state, 11, NULL, NULL)); /* the only one of its conversation */
    assert_int_equal(pending_backlog(*state), 2);
    append(*state, service, 6, "a");
    take_in_order(*state, service, 2, 4, 6);
}

static void what_does_not_wait_is_not_taken_out(void **state)
{
    struct service *service = service_called(*state, "default"), *found = NULL;
    struct waiting query = {.id = 77};
    assert_false(pending_remove(*state, 1, &query, &found));
    append(*state, service, 1, "a");
    take_in_order(*state, service, 1);
    assert_false(pending_remove(*state, 1, &query, &found));
    assert_int_equal(query.id, 77);
    assert_null(found);
}

static void a_service_taken_out_of_stays_for_whom_it_was_told(void **state)
{
    struct service *service = service_called(*state, "chess"), *found;
    append(*state, service, 1, "a");
    pending_release(*state, service);
    assert_true(pending_remove(*state, 1, NULL, &found));
    assert_ptr_equal(found, service);
    assert_int_equal(count_services(*state), 1);
    pending_release(*state, found);
    assert_int_equal(count_services(*state), 0);
}

static void a_paused_service_is_passed_over(void **state)
{
    struct service *chess = service_called(*state, "chess");
    struct service *poems = service_called(*state, "poems");
    append(*state, chess, 1, "a");
    append(*state, poems, 2, "a");
    pending_pause(*state, chess, true);
    assert_true(chess->paused);
    assert_false(pending_gives(chess));
    assert_ptr_equal(pending_turn(*state), poems);
    assert_ptr_equal(pending_turn(*state), poems);
    append(*state, chess, 3, "b");
    pending_pause(*state, poems, true);
    assert_null(pending_turn(*state));
    pending_pause(*state, chess, false);
    assert_ptr_equal(pending_turn(*state), chess);
    take_in_order(*state, poems, 2); /* who asks for it gets it, paused or not */
    take_in_order(*state, chess, 1, 3);
}

static void rules_are_those_of_the_service_by_name(void **state)
{
    struct rulebook next = {.general = {.window = 8}, .count = 1};
    struct rules_entry entry = {.service = "chess", .rules = {.window = 9, .order = ORDER_FIFO}};
    struct service *chess = service_called(*state, "chess");
    struct service *poems = service_called(*state, "poems");
    assert_ptr_equal(chess->rules, &book.general);
    next.entry = &entry;
    pending_rules(*state, &next);
    assert_ptr_equal(chess->rules, &entry.rules);
    assert_ptr_equal(poems->rules, &next.general);
    pending_release(*state, chess);
    assert_ptr_equal(service_called(*state, "chess")->rules, &entry.rules);
}

#define pending_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown_twice)

int main(void)
{
    const struct CMUnitTest tests[] = {
        pending_test(nothing_waits_at_first),
        pending_test(a_conversation_is_first_in_first_out),
        pending_test(conversations_take_turns),
        pending_test(what_comes_back_stands_in_front_of_its_conversation),
        pending_test(several_that_come_back_stand_there_by_id),
        pending_test(what_comes_back_last_of_all_leaves_the_end_in_order),
        pending_test(services_with_a_backlog_take_turns),
        pending_test(the_oldest_is_found_among_all_conversations),
        pending_test(one_conversation_may_wait_in_two_services),
        pending_test(a_service_is_one_for_each_name_and_lives_while_it_is_needed),
        pending_test(a_service_name_may_hold_any_byte_up_to_the_limit),
        pending_test(there_is_a_limit_on_services),
        pending_test(what_was_given_out_is_used_again),
        pending_test(an_id_waits_at_most_once),
        pending_test(what_is_seen_late_stands_at_its_place),
        pending_test(what_is_taken_out_waits_no_more),
        pending_test(what_does_not_wait_is_not_taken_out),
        pending_test(a_service_taken_out_of_stays_for_whom_it_was_told),
        pending_test(a_paused_service_is_passed_over),
        pending_test(rules_are_those_of_the_service_by_name),
    };
    return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
