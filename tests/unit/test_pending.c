/* What waits, and in which order it is given out: P1 to P4 of pending.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/pending.h"
#include "proto/token.h"

static int setup(void **state)
{
    *state = pending_new(42);
    return token_init();
}

static int teardown(void **state)
{
    struct pending *pending = *state;
    pending_destroy(&pending);
    assert_null(pending);
    pending_destroy(&pending);
    return 0;
}

/* The service of that NAME, held once more. */
static struct service *service_called(struct pending *pending, const char *name)
{
    return pending_hold(pending, span_str(name));
}

static struct waiting query_of(struct pending *pending, int64_t id, const char *conversation)
{
    return (struct waiting){id, id * 10, pending_conversation(pending, span_str(conversation))};
}

static void append(struct pending *pending, struct service *service, int64_t id,
                   const char *conversation)
{
    const struct waiting query = query_of(pending, id, conversation);
    pending_append(pending, service, &query);
}

static void bring_back(struct pending *pending, struct service *service, int64_t id,
                       const char *conversation)
{
    const struct waiting query = query_of(pending, id, conversation);
    pending_return(pending, service, &query);
}

/* Takes COUNT queries, which must be those of EXPECTED. */
static void take(struct pending *pending, struct service *service, const int64_t *expected,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct waiting query;
        assert_true(pending_take(pending, service, &query));
        assert_int_equal(query.id, expected[i]);
        assert_int_equal(query.seen_us, expected[i] * 10);
    }
}

#define take_in_order(pending, service, ...)                                                       \
    take(pending, service, (const int64_t[]){__VA_ARGS__},                                         \
         sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

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

#define pending_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

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
    };
    return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
