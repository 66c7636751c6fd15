/* Clients of the gate: C1 to C5 of gateway/clients.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/clients.h"

#define SECOND 1000000
#define WINDOW 2

struct world {
    struct clients *clients;
    int64_t now_us;
};

static size_t discarded;

static void discard(void *cargo)
{
    free(cargo);
    discarded++;
}

static const struct clients_limits limits = {
    .window = WINDOW, .coalesce_us = 600 * SECOND, .expire_us = 60 * SECOND};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->now_us = 1000 * (int64_t)SECOND;
    world->clients = clients_new(1, 0, &limits, discard);
    discarded = 0;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    clients_destroy(&world->clients);
    free(world);
    return 0;
}

static struct peer peer_of(char name)
{
    struct peer peer = {.size = 1};

    peer.id[0] = (unsigned char)name;
    return peer;
}

/* What take() did. */
struct taken {
    enum clients_verdict verdict;
    uint64_t number;
    bool look;
};

static struct taken take_as(struct world *world, char name, const char *question, bool ticket,
                            enum client_protocol protocol)
{
    static const struct envelope none = {0};
    const struct peer peer = peer_of(name);
    const struct client_request request = {
        .peer = &peer, .protocol = protocol, .envelope = &none, .service = span_str("echo")};
    unsigned char digest[CLIENT_DIGEST_SIZE] = {0};
    struct taken taken = {.number = 0};
    char *cargo = strdup(question);

    strncpy((char *)digest, question, sizeof digest - 1);
    taken.verdict = clients_take(world->clients, world->now_us, &request, digest, ticket, cargo,
                                 strlen(question), &taken.number, &taken.look);
    if (taken.verdict != CLIENTS_LATER)
        free(cargo);
    return taken;
}

static struct taken take(struct world *world, char name, const char *question)
{
    return take_as(world, name, question, false, CLIENT_MDP_02);
}

/* Takes a request whose row becomes ID. */
static void ask(struct world *world, char name, const char *question, int64_t id)
{
    struct taken taken = take(world, name, question);

    assert_int_equal(taken.verdict, CLIENTS_MAKE);
    clients_made(world->clients, taken.number, id);
}

/* All that can be sent now: "a:text b:text …", in order. */
static const char *heard(struct world *world)
{
    static char text[1000];
    struct client_parcel parcel;

    text[0] = '\0';
    while (clients_parcel(world->clients, &parcel)) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%c:%.*s", text[0] ? " " : "",
                 parcel.peer->id[0], (int)parcel.packed.size, parcel.packed.data);
        clients_sent(world->clients, world->now_us, CLIENT_SENT);
    }
    return text;
}

static struct clients_view view(struct world *world)
{
    struct clients_view view;

    clients_look(world->clients, &view);
    return view;
}

static void replies_leave_in_the_order_of_asking(void **state)
{
    struct world *world = *state;

    ask(world, 'a', "one", 1);
    ask(world, 'a', "two", 2);
    ask(world, 'b', "three", 3);
    assert_int_equal(clients_end(world->clients, 2, span_str("2")), 1);
    assert_string_equal(heard(world), "");
    assert_int_equal(clients_end(world->clients, 3, span_str("3")), 1);
    assert_string_equal(heard(world), "b:3");
    assert_int_equal(clients_end(world->clients, 1, span_str("1")), 1);
    assert_string_equal(heard(world), "a:1 a:2");
    assert_int_equal(view(world).clients, 0);
    assert_int_equal(view(world).requests, 0);
}

static void a_reply_known_at_once_waits_for_earlier_ones(void **state)
{
    struct world *world = *state;
    static const struct envelope none = {0};
    const struct peer peer = peer_of('a');
    const struct client_request request = {
        .peer = &peer, .protocol = CLIENT_MDP_01, .envelope = &none, .service = span_str("mmi.x")};
    uint64_t number;

    ask(world, 'a', "one", 1);
    number = clients_hear(world->clients, &request);
    clients_reply(world->clients, number, 0, span_str("501"));
    assert_string_equal(heard(world), "");
    clients_end(world->clients, 1, span_str("1"));
    assert_string_equal(heard(world), "a:1 a:501");
}

static void what_is_beyond_the_window_waits_and_is_made_in_order(void **state)
{
    struct world *world = *state;
    uint64_t number;
    void *cargo;
    bool look;

    ask(world, 'a', "one", 1);
    ask(world, 'a', "two", 2);
    assert_int_equal(take(world, 'a', "three").verdict, CLIENTS_LATER);
    assert_int_equal(take(world, 'a', "four").verdict, CLIENTS_LATER);
    assert_int_equal(view(world).waiting, 2);
    assert_false(clients_next(world->clients, world->now_us, &number, &cargo, &look));
    clients_end(world->clients, 2, span_str("2")); /* its reply waits, its place is free */
    assert_true(clients_next(world->clients, world->now_us, &number, &cargo, &look));
    assert_string_equal(cargo, "three");
    free(cargo);
    clients_made(world->clients, number, 3);
    assert_false(clients_next(world->clients, world->now_us, &number, &cargo, &look));
    clients_end(world->clients, 1, span_str("1"));
    clients_end(world->clients, 3, span_str("3"));
    assert_string_equal(heard(world), "a:1 a:2 a:3");
    assert_true(clients_next(world->clients, world->now_us, &number, &cargo, &look));
    assert_string_equal(cargo, "four");
    free(cargo);
}

static void too_many_that_wait_are_refused_and_too_many_refused_cut(void **state)
{
    struct world *world = *state;
    size_t full = 0, ignored = 0;

    for (size_t i = 0; i < WINDOW + 3 * LIMIT_CLIENT_WAITING; i++) {
        char question[16];
        struct taken taken;
        snprintf(question, sizeof question, "q%zu", i);
        taken = take(world, 'a', question);
        full += taken.verdict == CLIENTS_FULL;
        ignored += taken.verdict == CLIENTS_IGNORED;
        if (taken.verdict == CLIENTS_FULL)
            clients_reply(world->clients, taken.number, 0, span_str("full"));
    }
    assert_int_equal(full, LIMIT_CLIENT_WAITING);
    assert_int_equal(ignored, LIMIT_CLIENT_WAITING);
    assert_int_equal(view(world).cut, 1);
    assert_int_equal(discarded, LIMIT_CLIENT_WAITING);
    assert_string_equal(heard(world), "");
}

static void the_same_question_attaches_once_its_asker_is_gone(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');

    ask(world, 'a', "one", 1);
    assert_int_equal(take(world, 'b', "one").verdict, CLIENTS_MAKE); /* a is there: b pays too */
    clients_closed(world->clients, &gone);
    assert_int_equal(take(world, 'c', "one").verdict, CLIENTS_ATTACHED);
    assert_int_equal(view(world).attached, 1);
    assert_int_equal(clients_end(world->clients, 1, span_str("1")), 1);
    assert_string_equal(heard(world), "c:1");
}

static void a_retry_that_is_heard_before_its_connections_end_waits_for_that(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');
    uint64_t number;
    void *cargo;
    bool look;

    ask(world, 'a', "one", 1);
    world->now_us += TWIN_OLD_US;
    assert_int_equal(take(world, 'b', "one").verdict, CLIENTS_LATER);
    assert_false(clients_next(world->clients, world->now_us, &number, &cargo, &look));
    clients_closed(world->clients, &gone);
    world->now_us += TWIN_WAIT_US;
    assert_true(clients_due(world->clients) <= world->now_us);
    clients_tick(world->clients, world->now_us);
    assert_false(clients_next(world->clients, world->now_us, &number, &cargo, &look));
    assert_int_equal(discarded, 1);
    assert_int_equal(view(world).attached, 1);
    assert_int_equal(clients_end(world->clients, 1, span_str("1")), 1);
    assert_string_equal(heard(world), "b:1");
}

static void one_whose_twin_stays_gets_a_row_of_its_own(void **state)
{
    struct world *world = *state;
    uint64_t number;
    void *cargo;
    bool look;

    ask(world, 'a', "one", 1);
    world->now_us += TWIN_OLD_US;
    assert_int_equal(take(world, 'b', "one").verdict, CLIENTS_LATER);
    world->now_us += TWIN_WAIT_US;
    clients_tick(world->clients, world->now_us);
    assert_true(clients_next(world->clients, world->now_us, &number, &cargo, &look));
    free(cargo);
    clients_made(world->clients, number, 2);
    clients_end(world->clients, 1, span_str("1"));
    clients_end(world->clients, 2, span_str("2"));
    assert_string_equal(heard(world), "a:1 b:2");
}

static void it_attaches_while_the_row_is_being_made_too(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');
    struct taken first = take(world, 'a', "one");

    clients_closed(world->clients, &gone);
    assert_int_equal(take(world, 'b', "one").verdict, CLIENTS_ATTACHED);
    clients_made(world->clients, first.number, 7);
    assert_true(clients_know(world->clients, 7));
    assert_int_equal(clients_end(world->clients, 7, span_str("7")), 1);
    assert_string_equal(heard(world), "b:7");
    assert_int_equal(view(world).requests, 0);
}

static void a_row_that_cannot_be_made_is_told_to_all_who_wait_for_it(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');
    struct taken first = take(world, 'a', "one");

    clients_closed(world->clients, &gone);
    assert_int_equal(take(world, 'b', "one").verdict, CLIENTS_ATTACHED);
    clients_reply(world->clients, first.number, 0, span_str("no"));
    assert_string_equal(heard(world), "b:no");
    assert_int_equal(take(world, 'c', "one").verdict, CLIENTS_MAKE);
}

static void an_answer_that_nobody_waits_for_is_counted_as_such(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');

    ask(world, 'a', "one", 1);
    clients_closed(world->clients, &gone);
    assert_true(clients_know(world->clients, 1));
    assert_int_equal(clients_end(world->clients, 1, span_str("1")), 0);
    assert_false(clients_know(world->clients, 1));
}

static void an_answer_that_nobody_had_is_looked_for_when_it_is_asked_again(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');
    struct taken again;

    ask(world, 'a', "one", 1);
    clients_closed(world->clients, &gone);
    clients_end(world->clients, 1, span_str("1"));
    again = take(world, 'b', "one");
    assert_int_equal(again.verdict, CLIENTS_MAKE);
    assert_true(again.look);
    clients_reply(world->clients, again.number, 1, span_str("1"));
    assert_string_equal(heard(world), "b:1");
}

static void a_reply_that_its_connection_takes_with_it_is_looked_for(void **state)
{
    struct world *world = *state;
    struct client_parcel parcel;

    ask(world, 'a', "one", 1);
    clients_end(world->clients, 1, span_str("1"));
    assert_true(clients_parcel(world->clients, &parcel));
    clients_sent(world->clients, world->now_us, CLIENT_GONE);
    assert_true(take(world, 'b', "one").look);
}

static void a_delivered_answer_is_not_looked_for(void **state)
{
    struct world *world = *state;

    ask(world, 'a', "one", 1);
    clients_end(world->clients, 1, span_str("1"));
    assert_string_equal(heard(world), "a:1");
    assert_false(take(world, 'a', "one").look);
}

static void what_nobody_asks_again_is_forgotten(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');

    ask(world, 'a', "one", 1);
    clients_closed(world->clients, &gone);
    for (int i = 0; i < 10; i++) {
        world->now_us += 60 * SECOND;
        clients_tick(world->clients, world->now_us);
    }
    assert_false(clients_know(world->clients, 1));
    assert_int_equal(clients_due(world->clients), INT64_MAX);
}

static void what_waits_long_is_looked_at_again_and_again(void **state)
{
    struct world *world = *state;
    const char *service;
    int64_t id;

    ask(world, 'a', "one", 1);
    world->now_us += 59 * SECOND;
    clients_tick(world->clients, world->now_us);
    assert_false(clients_overdue(world->clients, &id, &service));
    for (int i = 0; i < 3; i++) {
        world->now_us += 60 * SECOND;
        assert_true(clients_due(world->clients) <= world->now_us);
        clients_tick(world->clients, world->now_us);
        assert_true(clients_overdue(world->clients, &id, &service));
        assert_int_equal(id, 1);
        assert_string_equal(service, "echo");
        assert_false(clients_overdue(world->clients, &id, &service));
    }
}

static void a_young_run_looks_into_the_file_for_what_it_does_not_know(void **state)
{
    struct world *world = *state;

    world->now_us = 599 * (int64_t)SECOND;
    assert_true(take(world, 'a', "one").look);
    assert_false(take(world, 'b', "one").look); /* a's is known, and a is there */
    world->now_us += 2 * SECOND;
    assert_false(take(world, 'a', "two").look);
}

static void a_receipt_that_was_not_delivered_has_its_row_looked_for(void **state)
{
    struct world *world = *state;
    const struct peer gone = peer_of('a');
    struct taken first = take_as(world, 'a', "one", true, CLIENT_MDP_01);
    struct taken second;

    assert_int_equal(first.verdict, CLIENTS_MAKE);
    clients_closed(world->clients, &gone);
    clients_reply(world->clients, first.number, 0, span_str("200"));
    second = take_as(world, 'b', "one", true, CLIENT_MDP_01);
    assert_int_equal(second.verdict, CLIENTS_MAKE);
    assert_true(second.look);
    clients_reply(world->clients, second.number, 0, span_str("200"));
    assert_string_equal(heard(world), "b:200");
    assert_int_equal(view(world).requests, 0);
}

static void a_delivered_receipt_is_not_given_twice(void **state)
{
    struct world *world = *state;
    struct taken taken = take_as(world, 'a', "one", true, CLIENT_MDP_02);

    clients_reply(world->clients, taken.number, 0, span_str("200"));
    assert_string_equal(heard(world), "a:200");
    taken = take_as(world, 'a', "one", true, CLIENT_MDP_02);
    assert_int_equal(taken.verdict, CLIENTS_MAKE);
    assert_false(taken.look);
}

static void only_the_oldest_request_of_an_mdp_02_client_hears_partials(void **state)
{
    struct world *world = *state;
    struct client_parcel parcel;
    struct taken old;
    void *at = NULL;

    ask(world, 'a', "one", 1);
    ask(world, 'a', "two", 2);
    assert_true(clients_listener(world->clients, 1, &at, &parcel));
    assert_int_equal(parcel.peer->id[0], 'a');
    assert_false(clients_listener(world->clients, 1, &at, &parcel));
    at = NULL;
    assert_false(clients_listener(world->clients, 2, &at, &parcel));
    old = take_as(world, 'b', "three", false, CLIENT_MDP_01);
    clients_made(world->clients, old.number, 3);
    at = NULL;
    assert_false(clients_listener(world->clients, 3, &at, &parcel));
}

static void a_connection_that_takes_nothing_is_tried_again(void **state)
{
    struct world *world = *state;
    struct client_parcel parcel;

    ask(world, 'a', "one", 1);
    clients_end(world->clients, 1, span_str("1"));
    assert_true(clients_parcel(world->clients, &parcel));
    clients_sent(world->clients, world->now_us, CLIENT_FULL);
    assert_false(clients_parcel(world->clients, &parcel));
    world->now_us = clients_due(world->clients);
    clients_tick(world->clients, world->now_us);
    assert_string_equal(heard(world), "a:1");
}

static void a_connection_that_takes_nothing_for_long_is_cut(void **state)
{
    struct world *world = *state;
    struct client_parcel parcel;
    const struct peer peer = peer_of('a');
    const size_t size = LIMIT_CLIENT_BYTES / 2 + 1;
    char *large = calloc(1, size);

    ask(world, 'a', "one", 1);
    ask(world, 'a', "two", 2);
    clients_end(world->clients, 1, span_of(large, size));
    assert_true(clients_parcel(world->clients, &parcel));
    clients_sent(world->clients, world->now_us, CLIENT_FULL);
    clients_end(world->clients, 2, span_of(large, size));
    assert_int_equal(view(world).cut, 1);
    assert_int_equal(take(world, 'a', "three").verdict, CLIENTS_IGNORED);
    clients_closed(world->clients, &peer);
    assert_int_equal(take(world, 'a', "three").verdict, CLIENTS_MAKE);
    free(large);
}

static void a_connection_that_is_gone_loses_its_reply_which_is_named(void **state)
{
    struct world *world = *state;
    struct client_parcel parcel;

    ask(world, 'a', "one", 1);
    clients_end(world->clients, 1, span_str("1"));
    assert_true(clients_parcel(world->clients, &parcel));
    assert_int_equal(parcel.id, 1);
    clients_sent(world->clients, world->now_us, CLIENT_GONE);
    assert_int_equal(view(world).clients, 0);
}

static void two_connections_take_turns(void **state)
{
    struct world *world = *state;

    ask(world, 'a', "one", 1);
    ask(world, 'a', "two", 2);
    ask(world, 'b', "three", 3);
    for (int64_t id = 1; id <= 3; id++)
        clients_end(world->clients, id, span_str("x"));
    assert_string_equal(heard(world), "a:x b:x a:x");
}

static void request_has_its_turn_when_the_earlier_ones_have_their_replies(void **state)
{
    static const struct envelope none = {0};
    struct world *world = *state;
    const struct peer peer = peer_of('a');
    const struct client_request request = {.peer = &peer,
                                           .protocol = CLIENT_MDP_02,
                                           .envelope = &none,
                                           .service = span_str("tailgate.replay")};
    struct client_parcel parcel;
    uint64_t number;

    ask(world, 'a', "one", 1);
    number = clients_hear(world->clients, &request);
    assert_int_equal(clients_turn(world->clients, number, &parcel), CLIENTS_WAITS);
    clients_end(world->clients, 1, span_str("1"));
    assert_string_equal(heard(world), "a:1");
    assert_int_equal(clients_turn(world->clients, number, &parcel), CLIENTS_TURN);
    assert_int_equal(parcel.peer->id[0], 'a');
    assert_true(span_is(parcel.service, "tailgate.replay"));
    clients_reply(world->clients, number, 0, span_str("end"));
    assert_int_equal(clients_turn(world->clients, number, &parcel), CLIENTS_GONE);
    number = clients_hear(world->clients, &request);
    clients_closed(world->clients, &peer);
    assert_int_equal(clients_turn(world->clients, number, &parcel), CLIENTS_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(replies_leave_in_the_order_of_asking),
        T(a_reply_known_at_once_waits_for_earlier_ones),
        T(what_is_beyond_the_window_waits_and_is_made_in_order),
        T(too_many_that_wait_are_refused_and_too_many_refused_cut),
        T(the_same_question_attaches_once_its_asker_is_gone),
        T(a_retry_that_is_heard_before_its_connections_end_waits_for_that),
        T(one_whose_twin_stays_gets_a_row_of_its_own),
        T(it_attaches_while_the_row_is_being_made_too),
        T(a_row_that_cannot_be_made_is_told_to_all_who_wait_for_it),
        T(an_answer_that_nobody_waits_for_is_counted_as_such),
        T(an_answer_that_nobody_had_is_looked_for_when_it_is_asked_again),
        T(a_reply_that_its_connection_takes_with_it_is_looked_for),
        T(a_delivered_answer_is_not_looked_for),
        T(what_nobody_asks_again_is_forgotten),
        T(what_waits_long_is_looked_at_again_and_again),
        T(a_young_run_looks_into_the_file_for_what_it_does_not_know),
        T(a_receipt_that_was_not_delivered_has_its_row_looked_for),
        T(a_delivered_receipt_is_not_given_twice),
        T(only_the_oldest_request_of_an_mdp_02_client_hears_partials),
        T(a_connection_that_takes_nothing_is_tried_again),
        T(a_connection_that_takes_nothing_for_long_is_cut),
        T(a_connection_that_is_gone_loses_its_reply_which_is_named),
        T(two_connections_take_turns),
        T(request_has_its_turn_when_the_earlier_ones_have_their_replies),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
