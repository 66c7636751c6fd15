/* The orders in which a service's queries are given out, and what happens when they change: P1 and
 * P2 of pending.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/waiting.h"

static void fifo_is_one_queue_for_all_conversations(void **state)
{
    struct service *service = service_called(*state, "default");
    struct waiting query;
    change_rules(*state, ORDER_FIFO, 100);
    append(*state, service, 1, "a");
    append(*state, service, 2, "a");
    append(*state, service, 3, "b");
    append(*state, service, 4, "a");
    take_in_order(*state, service, 1, 2);
    bring_back(*state, service, 1, "a");
    take_in_order(*state, service, 1);
    assert_true(pending_take(*state, service, &query));
    assert_true(query.conversation == pending_conversation(*state, span_str("b")));
    assert_false(query.single);
    take_in_order(*state, service, 4);
}

static void a_conversation_waits_while_one_of_it_is_in_flight(void **state)
{
    struct service *service = service_called(*state, "default");
    struct waiting query;
    change_rules(*state, ORDER_CONVERSATION, 100);
    append(*state, service, 1, "a");
    append(*state, service, 2, "a");
    append(*state, service, 3, "b");
    assert_true(pending_take(*state, service, &query));
    assert_int_equal(query.id, 1);
    assert_true(query.single);
    take_in_order(*state, service, 3);
    assert_false(pending_take(*state, service, &query));
    assert_false(pending_gives(service));
    assert_null(pending_turn(*state));
    assert_int_equal(pending_oldest(*state, service), 20);
    append(*state, service, 4, "b"); /* was empty, and is busy */
    assert_false(pending_gives(service));
    end(*state, service, "b");
    assert_ptr_equal(pending_turn(*state), service);
    take_in_order(*state, service, 4);
    assert_false(pending_gives(service));
    end(*state, service, "a");
    take_in_order(*state, service, 2);
}

static void a_query_that_comes_back_frees_its_conversation(void **state)
{
    struct service *service = service_called(*state, "default");
    change_rules(*state, ORDER_CONVERSATION, 100);
    append(*state, service, 1, "a");
    append(*state, service, 2, "a");
    take_in_order(*state, service, 1);
    assert_false(pending_gives(service));
    bring_back(*state, service, 1, "a");
    take_in_order(*state, service, 1);
    assert_false(pending_gives(service));
    end(*state, service, "a");
    take_in_order(*state, service, 2);
}

static void one_that_was_given_out_under_another_order_frees_nothing(void **state)
{
    struct service *service = service_called(*state, "default");
    for (int64_t id = 1; id <= 3; id++)
        append(*state, service, id, "a");
    take_in_order(*state, service, 1);
    change_rules(*state, ORDER_CONVERSATION, 100);
    take_in_order(*state, service, 2);
    bring_back(*state, service, 1, "a");
    assert_false(pending_gives(service)); /* 2 is still in flight */
    end(*state, service, "a");
    take_in_order(*state, service, 1);
}

static void freeing_what_is_not_busy_changes_nothing(void **state)
{
    struct service *service = service_called(*state, "default");
    end(*state, service, "a");
    append(*state, service, 1, "a");
    end(*state, service, "a");
    take_in_order(*state, service, 1);
    assert_int_equal(pending_backlog(*state), 0);
}

static void a_service_stays_until_its_busy_conversations_are_free(void **state)
{
    struct service *service = service_called(*state, "default");
    change_rules(*state, ORDER_CONVERSATION, 100);
    append(*state, service, 1, "a");
    take_in_order(*state, service, 1);
    pending_release(*state, service);
    assert_ptr_equal(pending_walk(*state, NULL), service);
    end(*state, service, "a");
    assert_null(pending_walk(*state, NULL));
}

static void a_new_order_holds_for_what_waits_already(void **state)
{
    struct service *service = service_called(*state, "default");
    append(*state, service, 1, "a");
    append(*state, service, 3, "a");
    append(*state, service, 2, "b");
    append(*state, service, 4, "b");
    change_rules(*state, ORDER_FIFO, 100);
    append(*state, service, 5, "a");
    take_in_order(*state, service, 1, 2, 3);
    append(*state, service, 6, "b");
    change_rules(*state, ORDER_FAIR, 100); /* a: 5, b: 4 6 */
    take_in_order(*state, service, 4, 5, 6);
    assert_int_equal(pending_backlog(*state), 0);
}

static void a_busy_conversation_is_freed_whatever_the_order_is_by_then(void **state)
{
    static const enum order orders[] = {ORDER_FAIR, ORDER_FIFO, ORDER_CONVERSATION};
    struct service *service = service_called(*state, "default");
    for (size_t i = 0; i < 9; i++) { /* freed under one, looked at again under another */
        change_rules(*state, ORDER_CONVERSATION, 100);
        append(*state, service, 1, "a");
        append(*state, service, 2, "a");
        take_in_order(*state, service, 1);
        change_rules(*state, orders[i % 3], 100);
        assert_int_equal(pending_gives(service), orders[i % 3] != ORDER_CONVERSATION);
        end(*state, service, "a");
        assert_true(pending_gives(service));
        change_rules(*state, orders[i / 3], 100);
        take_in_order(*state, service, 2);
        end(*state, service, "a");
        assert_int_equal(pending_backlog(*state), 0);
    }
}

#define order_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        order_test(fifo_is_one_queue_for_all_conversations),
        order_test(a_conversation_waits_while_one_of_it_is_in_flight),
        order_test(a_query_that_comes_back_frees_its_conversation),
        order_test(one_that_was_given_out_under_another_order_frees_nothing),
        order_test(freeing_what_is_not_busy_changes_nothing),
        order_test(a_service_stays_until_its_busy_conversations_are_free),
        order_test(a_new_order_holds_for_what_waits_already),
        order_test(a_busy_conversation_is_freed_whatever_the_order_is_by_then),
    };
    return cmocka_run_group_tests_name("pending_order", tests, NULL, NULL);
}
