/* Clients of the gate that take much room, or time: C3, C4, C7 and C8 of gateway/clients.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/clients.h"

#define SECOND 1000000
#define WINDOW 3
#define LARGE (LIMIT_CLIENT_BYTES - 1000)

static const struct envelope none;
static struct clients *clients;
static int64_t now_us;
static char large[LARGE];

static void discard(void *cargo)
{
    free(cargo);
}

static struct clients_limits limits_with(int64_t coalesce_us)
{
    return (struct clients_limits){
        .window = WINDOW, .coalesce_us = coalesce_us, .expire_us = 60 * SECOND};
}

static int setup(void **state)
{
    const struct clients_limits limits = limits_with(600 * (int64_t)SECOND);

    (void)state;
    now_us = 1000 * (int64_t)SECOND;
    clients = clients_new(1, 0, &limits, discard);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clients_destroy(&clients);
    return 0;
}

static struct peer peer_of(char name)
{
    struct peer peer = {.size = 1};

    peer.id[0] = (unsigned char)name;
    return peer;
}

/* NAME asks QUESTION, whose row takes SIZE bytes. */
static enum clients_verdict take(char name, const char *question, size_t size, uint64_t *ret_number)
{
    const struct peer peer = peer_of(name);
    const struct client_request request = {
        .peer = &peer, .protocol = CLIENT_MDP_02, .envelope = &none, .service = span_str("echo")};
    unsigned char digest[CLIENT_DIGEST_SIZE] = {0};
    char *cargo = strdup(question);
    enum clients_verdict verdict;
    bool look = false;

    strncpy((char *)digest, question, sizeof digest - 1);
    verdict =
        clients_take(clients, now_us, &request, digest, false, cargo, size, ret_number, &look);
    if (verdict != CLIENTS_LATER)
        free(cargo);
    return verdict;
}

/* NAME asks QUESTION, and its row is ID. */
static void ask(char name, const char *question, int64_t id)
{
    uint64_t number = 0;

    assert_int_equal(take(name, question, 10, &number), CLIENTS_MAKE);
    clients_made(clients, number, id);
}

static uint64_t cut_so_far(void)
{
    struct clients_view view;

    clients_look(clients, &view);
    return view.cut;
}

/* Nobody who has a reply takes it. */
static void stall_all(void)
{
    struct client_parcel parcel;

    while (clients_parcel(clients, &parcel))
        clients_sent(clients, now_us, CLIENT_FULL);
}

static void time_passes_where_nothing_is_coalesced(void **state)
{
    const struct clients_limits never = limits_with(0);
    int64_t before_us = now_us;

    (void)state;
    clients_limit(clients, &never);
    ask('a', "one", 1);
    for (int i = 0; i < 3; i++) {
        now_us = clients_due(clients);
        assert_true(now_us > before_us);
        before_us = now_us;
        clients_tick(clients, now_us); /* it returns */
    }
    assert_true(clients_know(clients, 1));
}

static void a_connection_that_asks_the_same_again_and_again_does_not_wait_for_itself(void **state)
{
    uint64_t number;

    (void)state;
    ask('a', "one", 1);
    now_us += TWIN_OLD_US;
    assert_int_equal(take('a', "one", 10, &number), CLIENTS_MAKE);
    assert_int_equal(take('b', "one", 10, &number), CLIENTS_LATER);
}

static void whoever_keeps_most_is_cut_for_all_and_nobody_else(void **state)
{
    int64_t id = 0;

    (void)state;
    for (char name = 'a'; name < 'e'; name++) { /* four that do not read */
        ask(name, "large", ++id);
        clients_end(clients, id, span_of(large, LARGE));
    }
    stall_all();
    ask('e', "small", ++id);
    ask('e', "more", ++id);
    clients_end(clients, id, span_of(large, 5000));
    assert_int_equal(cut_so_far(), 1);
    clients_end(clients, id - 1, span_str("x"));
    {
        struct client_parcel parcel;
        assert_true(clients_parcel(clients, &parcel));
        assert_int_equal(parcel.peer->id[0], 'e');
        assert_int_equal(parcel.id, id - 1);
    }
}

static void what_it_asks_does_not_cut_a_connection_that_reads(void **state)
{
    struct client_parcel parcel;
    uint64_t number;

    (void)state;
    for (int64_t id = 1; id <= WINDOW; id++) {
        char question[8];
        snprintf(question, sizeof question, "q%d", (int)id);
        ask('a', question, id);
    }
    assert_int_equal(take('a', "large", LARGE, &number), CLIENTS_LATER);
    clients_end(clients, 1, span_of(large, 5000));
    assert_int_equal(cut_so_far(), 0);
    assert_true(clients_parcel(clients, &parcel));
}

static void what_is_being_written_counts_against_what_it_may_ask(void **state)
{
    uint64_t first = 0, number = 0;

    (void)state;
    assert_int_equal(take('a', "large", LARGE, &first), CLIENTS_MAKE);
    assert_int_equal(take('a', "more", 5000, &number), CLIENTS_FULL);
    clients_reply(clients, number, 0, span_str("full"));
    clients_made(clients, first, 1);
    assert_int_equal(take('a', "more", 5000, &number), CLIENTS_MAKE);
}

static void what_the_gone_have_asked_counts_until_it_is_written(void **state)
{
    uint64_t number[5] = {0};
    const struct peer gone = peer_of('a');

    (void)state;
    for (int i = 0; i < 4; i++) {
        char question[8];
        snprintf(question, sizeof question, "q%d", i);
        assert_int_equal(take('a', question, LARGE, &number[i]), CLIENTS_MAKE);
        clients_closed(clients, &gone);
    }
    assert_int_equal(take('b', "more", 5000, &number[4]), CLIENTS_FULL);
    clients_made(clients, number[2], 1);
    assert_int_equal(take('c', "more", 5000, &number[4]), CLIENTS_MAKE);
}

static void a_reply_that_was_never_sent_is_named(void **state)
{
    const struct peer gone = peer_of('a');
    bool cut = true;
    int64_t id = 0;

    (void)state;
    ask('a', "one", 1);
    ask('a', "two", 2);
    clients_end(clients, 2, span_str("2")); /* it waits for its turn */
    assert_false(clients_lost(clients, &id, &cut));
    clients_closed(clients, &gone);
    assert_true(clients_lost(clients, &id, &cut));
    assert_int_equal(id, 2);
    assert_false(cut);
    assert_false(clients_lost(clients, &id, &cut));
    assert_int_equal(clients_end(clients, 1, span_str("1")), 0);
}

static void thousands_who_ask_the_same_do_not_slow_each_other(void **state)
{
    const unsigned char digest[CLIENT_DIGEST_SIZE] = {7};
    const struct client_request request = {
        .protocol = CLIENT_REQ, .envelope = &none, .service = span_str("echo")};
    size_t taken = 0;

    (void)state;
    for (int i = 0; i < 3 * 9000; i++) { /* a walk over all that were before takes a minute */
        const struct peer peer = {
            .size = 3, .id = {1, (unsigned char)(i / 3 % 256), (unsigned char)(i / 3 / 256)}};
        struct client_request from = request;
        uint64_t number;
        bool look;
        from.peer = &peer;
        taken += clients_take(clients, now_us, &from, digest, false, NULL, 1, &number, &look) ==
                 CLIENTS_MAKE;
        clients_made(clients, number, i + 1);
    }
    assert_int_equal(taken, 3 * 9000);
    for (int i = 0; i < 3 * 9000; i++)
        assert_int_equal(clients_end(clients, i + 1, span_str("x")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(time_passes_where_nothing_is_coalesced),
        T(a_connection_that_asks_the_same_again_and_again_does_not_wait_for_itself),
        T(whoever_keeps_most_is_cut_for_all_and_nobody_else),
        T(what_it_asks_does_not_cut_a_connection_that_reads),
        T(what_is_being_written_counts_against_what_it_may_ask),
        T(what_the_gone_have_asked_counts_until_it_is_written),
        T(a_reply_that_was_never_sent_is_named),
        T(thousands_who_ask_the_same_do_not_slow_each_other),
#undef T
    };
    return cmocka_run_group_tests_name("clients_limits", tests, NULL, NULL);
}
