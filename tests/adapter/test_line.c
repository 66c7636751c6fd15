/* The order of a client's requests, and what becomes of them (adapters/c/client_inside.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/c/client_inside.h"
#include "proto/buffer.h"

#define NEVER INT64_MAX

static int set_up(void **state)
{
    struct tailgate_client *client = memory_zero(1, sizeof *client);
    client->soonest_us = NEVER;
    client->inbox_end = &client->inbox;
    *state = client;
    return 0;
}

static int tear_down(void **state)
{
    struct tailgate_client *client = *state;
    assert_null(client->line);
    assert_null(client->inbox);
    assert_int_equal(client->requests, 0);
    free(client);
    return 0;
}

static struct tailgate_request *join(struct tailgate_client *client, bool sent, int64_t end_us)
{
    struct tailgate_request *request = memory_zero(1, sizeof *request);
    request->service = memory_text(span_str("law"));
    request->owned = true;
    request->end_us = end_us;
    line_join(client, request);
    request->sent = sent;
    return request;
}

/* Its caller lets go of it. */
static void let_go(struct tailgate_client *client, struct tailgate_request *request)
{
    request->owned = false;
    if (!request->in_line)
        request_free(request);
    else
        line_leave(client, request);
}

static void drop(struct tailgate_reply *reply)
{
    assert_non_null(reply);
    tailgate_reply_destroy(&reply);
}

static void oldest_is_the_first_that_was_sent(void **state)
{
    struct tailgate_client *client = *state;
    assert_null(line_oldest(client));
    struct tailgate_request *first = join(client, false, NEVER);
    struct tailgate_request *second = join(client, false, NEVER);
    assert_null(line_oldest(client));
    assert_ptr_equal(line_waiting(client), first);
    first->sent = true;
    assert_ptr_equal(line_oldest(client), first);
    assert_ptr_equal(line_waiting(client), second);
    let_go(client, first);
    let_go(client, second);
}

static void end_of_the_connection_keeps_what_is_waited_for_in_order(void **state)
{
    struct tailgate_client *client = *state;
    struct tailgate_request *first = join(client, true, NEVER);
    struct tailgate_request *gone = join(client, true, NEVER);
    struct tailgate_request *third = join(client, false, NEVER);
    gone->owned = false;
    line_reset(client);
    assert_int_equal(client->requests, 2);
    assert_ptr_equal(line_waiting(client), first);
    first->sent = true;
    assert_ptr_equal(line_waiting(client), third);
    let_go(client, first);
    let_go(client, third);
}

static void line_is_abandoned_when_nobody_waits_for_what_was_sent(void **state)
{
    struct tailgate_client *client = *state;
    assert_false(line_is_abandoned(client));
    struct tailgate_request *first = join(client, true, NEVER);
    struct tailgate_request *second = join(client, true, NEVER);
    struct tailgate_request *third = join(client, false, NEVER);
    assert_false(line_is_abandoned(client));
    first->over = true; /* expired, and still its caller's */
    assert_false(line_is_abandoned(client));
    second->owned = false;
    assert_true(line_is_abandoned(client));
    third->sent = true;
    assert_false(line_is_abandoned(client));
    line_leave(client, second);
    let_go(client, first);
    let_go(client, third);
}

static void request_expires_once_and_keeps_its_place_if_it_was_sent(void **state)
{
    struct tailgate_client *client = *state;
    struct tailgate_request *sent = join(client, true, 100);
    struct tailgate_request *unsent = join(client, false, 200);
    struct tailgate_request *patient = join(client, false, 300);
    assert_int_equal(client->soonest_us, 100);
    line_expire(client, 99);
    assert_null(inbox_take(client, NULL));
    line_expire(client, 250);
    assert_int_equal(client->soonest_us, 300);
    line_expire(client, 250);
    struct tailgate_reply *reply = inbox_take(client, NULL);
    assert_ptr_equal(reply->request, sent);
    assert_int_equal(reply->kind, TAILGATE_EVENT_EXPIRED);
    drop(reply);
    drop(inbox_take(client, NULL));
    assert_null(inbox_take(client, NULL));
    assert_true(sent->in_line && sent->over);
    assert_true(!unsent->in_line && unsent->over);
    let_go(client, sent);
    let_go(client, unsent);
    let_go(client, patient);
}

static void call_and_loop_each_take_their_own(void **state)
{
    struct tailgate_client *client = *state;
    struct tailgate_request *called = join(client, true, NEVER);
    struct tailgate_request *looped = join(client, true, NEVER);
    const struct span frame = span_str("x");
    called->waited_in_call = true;
    inbox_put(client, called, TAILGATE_EVENT_REPLY, &frame, 1);
    inbox_put(client, looped, TAILGATE_EVENT_REPLY, &frame, 1);
    assert_int_equal(client->for_next, 1);
    struct tailgate_reply *reply = inbox_take(client, NULL);
    assert_ptr_equal(reply->request, looped);
    drop(reply);
    assert_null(inbox_take(client, NULL));
    drop(inbox_take(client, called));
    inbox_put(client, looped, TAILGATE_EVENT_REPLY, &frame, 1); /* the end is still found */
    drop(inbox_take(client, NULL));
    let_go(client, called);
    let_go(client, looped);
}

static void parts_that_nobody_takes_are_bounded_and_answers_are_not_lost(void **state)
{
    struct tailgate_client *client = *state;
    struct tailgate_request *request = join(client, true, NEVER);
    const struct span frame = span_str("x");
    for (int i = 0; i < CLIENT_PARTS + 10; i++)
        inbox_put(client, request, TAILGATE_EVENT_PARTIAL, &frame, 1);
    inbox_put(client, request, TAILGATE_EVENT_REPLY, &frame, 1);
    int parts = 0;
    struct tailgate_reply *reply;
    while ((reply = inbox_take(client, NULL))->kind == TAILGATE_EVENT_PARTIAL) {
        drop(reply);
        parts++;
    }
    drop(reply);
    assert_int_equal(parts, CLIENT_PARTS);
    assert_int_equal(client->parts, 0);
    assert_int_equal(client->parts_size, 0);
    let_go(client, request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(oldest_is_the_first_that_was_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(end_of_the_connection_keeps_what_is_waited_for_in_order,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(line_is_abandoned_when_nobody_waits_for_what_was_sent,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(request_expires_once_and_keeps_its_place_if_it_was_sent,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(call_and_loop_each_take_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            parts_that_nobody_takes_are_bounded_and_answers_are_not_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
