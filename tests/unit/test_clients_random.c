/* Thousands of random steps against clients, from fixed seeds, beside a model that keeps everything
 * in arrays and searches it: C1 to C8 of clients.h. At last everything is made, answered and sent,
 * and nothing is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/clients_model.h"

#define SEEDS 30
#define STEPS 2500
#define TICKET_ID 7777777 /* of the query that a ticket is for */

static char large[LARGE];

static const struct envelope no_envelope;

static struct client_request request_of(unsigned peer, struct peer *id,
                                        enum client_protocol protocol)
{
    *id = model_peer(peer);
    return (struct client_request){
        .peer = id, .protocol = protocol, .envelope = &no_envelope, .service = span_str("echo")};
}

/* A new ask of PEER, in its line. */
static int add(unsigned peer, unsigned question, enum client_protocol protocol, uint64_t number)
{
    struct connection *connection = &model.connection[peer];
    int ask = (int)model.asks++;

    model.ask[ask] = (struct ask){.peer = peer,
                                  .question = question,
                                  .number = number,
                                  .protocol = protocol,
                                  .stage = TOLD,
                                  .row = -1};
    connection->line[connection->count++] = ask;
    return ask;
}

/* Steps. */

/* What clients_take() must have said. */
static void expect_taken(int ask, enum clients_verdict verdict, bool look)
{
    struct ask *taken = &model.ask[ask];
    bool room = model_running(taken->peer) <= WINDOW && model_first(taken->peer, WAITS) < 0;
    int orphan = model_orphan(taken->question);
    bool twin = model_twin(taken->peer, taken->question);

    if (room && orphan >= 0) {
        assert_int_equal(verdict, CLIENTS_ATTACHED);
        model_join(ask, orphan);
        model.attached++;
    } else if (room && !twin) {
        assert_int_equal(verdict, CLIENTS_MAKE);
        model_check_look(taken->question, look);
        model_make(ask);
    } else {
        assert_int_equal(verdict, CLIENTS_LATER);
        taken->stage = WAITS;
        taken->not_before_us = room ? model.now_us + TWIN_WAIT_US : 0;
    }
}

static void step_take(unsigned peer, unsigned question)
{
    enum client_protocol protocol = (enum client_protocol)model_below(3);
    unsigned char digest[CLIENT_DIGEST_SIZE] = {(unsigned char)question};
    struct peer id;
    const struct client_request request = request_of(peer, &id, protocol);
    enum clients_verdict verdict;
    uint64_t number = 0;
    bool look = false;
    int *cargo = malloc(sizeof *cargo);

    *cargo = (int)model.asks;
    verdict = clients_take(model.clients, model.now_us, &request, digest, model_ticket(question),
                           cargo, sizeof *cargo, &number, &look);
    if (verdict != CLIENTS_LATER)
        free(cargo);
    if (model.connection[peer].cut) {
        assert_int_equal(verdict, CLIENTS_IGNORED);
        return;
    }
    expect_taken(add(peer, question, protocol, number), verdict, look);
}

static void step_hear(unsigned peer)
{
    struct peer id;
    const struct client_request request = request_of(peer, &id, CLIENT_MDP_01);
    uint64_t number = clients_hear(model.clients, &request);

    assert_int_equal(number == 0, model.connection[peer].cut);
    if (number)
        add(peer, 0, CLIENT_MDP_01, number);
}

static void step_tell(void)
{
    int ask = model_pick(model.asks, model_told);

    if (ask < 0)
        return;
    clients_reply(model.clients, model.ask[ask].number, 0, span_str("told"));
    model_done(ask, "told", 4);
}

/* The row that ROW's is found to be, in the file; -1: none. */
static int same_row(int row)
{
    int same = model_pick(model.rows, model_can_end);

    if (same < 0 || model.row[same].question != model.row[row].question || model_below(3) == 0 ||
        !clients_know(model.clients, model.row[same].id))
        return -1;
    return same;
}

static void step_made(void)
{
    int number = model_pick(model.rows, model_making), same, maker;
    struct row *row;

    if (number < 0)
        return;
    row = &model.row[number];
    maker = row->maker;
    row->making = false;
    if (model_ticket(row->question)) {
        clients_reply(model.clients, model.ask[maker].number, TICKET_ID, span_str("ticket"));
        if (model.ask[maker].stage != MAKING)
            return;
        model.ask[maker].id = TICKET_ID;
        model_done(maker, "ticket", 6); /* and it keeps its row, until that is sent */
        return;
    }
    same = same_row(number);
    if (same < 0)
        row->id = ++model.ids;
    row->made_us = model.now_us;
    clients_made(model.clients, model.ask[maker].number, same < 0 ? row->id : model.row[same].id);
    for (size_t i = 0; i < model.asks; i++)
        if (model.ask[i].row == number && model.ask[i].stage == MAKING)
            model.ask[i].stage = ASKED;
    if (same >= 0)
        model_merge(number, same);
}

/* No row is made: that is refused, or (ID) it is answered already. */
static void step_unmade(int64_t id)
{
    int number = model_pick(model.rows, model_making), maker;
    struct row *row;

    if (number < 0)
        return;
    row = &model.row[number];
    maker = row->maker;
    row->making = false;
    id = model_ticket(row->question) ? 0 : id;
    clients_reply(model.clients, model.ask[maker].number, id, span_str("no"));
    if (!model_ticket(row->question))
        model_answer(number, "no", 2, id);
    else if (model.ask[maker].stage == MAKING)
        model_done(maker, "no", 2);
}

static void step_end(void)
{
    int number = model_pick(model.rows, model_can_end);
    struct row *row;
    size_t size, askers;
    char text[24];

    if (number < 0)
        return;
    row = &model.row[number];
    askers = row->askers;
    size = (size_t)snprintf(text, sizeof text, "r%lld", (long long)row->id);
    memcpy(large, text, size);
    if (askers == 1 && model_below(8) == 0)
        size = LARGE;
    assert_int_equal(clients_end(model.clients, row->id, span_of(large, size)), askers);
    model_answer(number, text, size, row->id);
}

static void step_close(unsigned peer)
{
    const struct peer id = model_peer(peer);

    clients_closed(model.clients, &id);
    model_drop(peer, false);
}

/* Makes the rows of what may have them. */
static void step_next(void)
{
    uint64_t number;
    void *cargo;
    bool look;

    model.in_next = true;
    while (clients_next(model.clients, model.now_us, &number, &cargo, &look)) {
        int ask = *(int *)cargo;
        free(cargo);
        assert_int_equal(model.ask[ask].number, number);
        assert_int_equal(model_first(model.ask[ask].peer, WAITS), ask);
        assert_int_equal(model.ask[ask].not_before_us, 0);
        assert_in_range(model_running(model.ask[ask].peer), 0, WINDOW - 1);
        assert_true(model_orphan(model.ask[ask].question) < 0);
        model_check_look(model.ask[ask].question, look);
        model_make(ask);
    }
    model.in_next = false;
    for (unsigned peer = 0; peer < PEERS; peer++) {
        int first = model_first(peer, WAITS);
        assert_true(first < 0 || model_running(peer) >= WINDOW ||
                    model.ask[first].not_before_us > 0);
    }
}

static void expect_parcel(const struct client_parcel *parcel)
{
    const struct connection *connection = &model.connection[parcel->peer->id[0] - 'a'];
    const struct ask *ask = &model.ask[connection->line[0]];

    assert_in_range(connection->count, 1, ASKS);
    assert_false(connection->cut || connection->stalled);
    assert_int_equal(ask->stage, DONE);
    assert_int_equal(parcel->protocol, ask->protocol);
    assert_int_equal(parcel->id, ask->id);
    assert_int_equal(parcel->packed.size, ask->size);
    assert_memory_equal(parcel->packed.data, ask->reply, strlen(ask->reply));
}

/* Sends what can be sent. To FULL percent nothing can be sent, GONE percent are not there. */
static void step_send(unsigned full, unsigned gone)
{
    struct client_parcel parcel;

    while (clients_parcel(model.clients, &parcel)) {
        unsigned peer = parcel.peer->id[0] - 'a', dice = model_below(100);
        struct connection *connection = &model.connection[peer];
        expect_parcel(&parcel);
        if (dice < full) {
            clients_sent(model.clients, model.now_us, CLIENT_FULL);
            connection->stalled = true;
            connection->stalled_until_us = model.now_us + connection->pause_us;
            connection->pause_us =
                connection->pause_us * 2 < SECOND ? connection->pause_us * 2 : SECOND;
        } else if (dice < full + gone) {
            clients_sent(model.clients, model.now_us, CLIENT_GONE);
            model_drop(peer, false);
        } else {
            clients_sent(model.clients, model.now_us, CLIENT_SENT);
            model_over(connection->line[0]);
        }
    }
    for (unsigned peer = 0; peer < PEERS; peer++) {
        const struct connection *connection = &model.connection[peer];
        assert_true(connection->count == 0 || connection->stalled ||
                    model.ask[connection->line[0]].stage != DONE);
    }
}

static void expect_overdue(void)
{
    const char *service;
    int64_t id;

    while (clients_overdue(model.clients, &id, &service)) {
        size_t i = 0;
        while (i < model.rows && (model.row[i].id != id || model.row[i].over))
            i++;
        assert_in_range(i, 0, model.rows - 1);
        assert_string_equal(service, "echo");
        assert_true(model.now_us - model.row[i].since_us >= model_limits.expire_us);
        assert_true(model.now_us - model.row[i].overdue_us >= model_limits.expire_us);
        model.row[i].overdue_us = model.now_us;
    }
    for (size_t i = 0; i < model.rows; i++) {
        const struct row *row = &model.row[i];
        int64_t last_us = row->overdue_us ? row->overdue_us : row->made_us;
        if (model_can_end(i) && row->askers)
            assert_true(model.now_us - last_us < 2 * model_limits.expire_us);
    }
}

static void step_tick(int64_t later_us)
{
    while (later_us > 0) { /* as the loop does, which never sleeps beyond what is due */
        int64_t due_us = clients_due(model.clients), to_us = model.now_us + later_us;
        assert_true(due_us > model.now_us);
        to_us = due_us < to_us ? due_us : to_us;
        later_us -= to_us - model.now_us;
        model.now_us = to_us;
        clients_tick(model.clients, model.now_us);
        expect_overdue();
        for (unsigned peer = 0; peer < PEERS; peer++) {
            struct connection *connection = &model.connection[peer];
            int first = model_first(peer, WAITS);
            connection->stalled &= connection->stalled_until_us > model.now_us;
            if (first >= 0 && model.ask[first].not_before_us <= model.now_us)
                model.ask[first].not_before_us = 0;
        }
    }
}

/* What it is like for a while: in percent of the steps, or of what is sent. */
struct mood {
    unsigned take, close, full;
};

static struct mood some_mood(void)
{
    static const struct mood moods[] = {{12, 3, 10}, {40, 1, 95}, {35, 10, 30}, {25, 1, 60}};

    return moods[model_below(sizeof moods / sizeof moods[0])];
}

static void step(const struct mood *mood)
{
    unsigned dice = model_below(100);

    if (dice < mood->take)
        step_take(model_below(PEERS), model_below(2 * QUESTIONS));
    else if (dice < mood->take + mood->close)
        step_close(model_below(PEERS));
    else if (dice < 54)
        step_hear(model_below(PEERS));
    else if (dice < 58)
        step_tell();
    else if (dice < 72)
        step_made();
    else if (dice < 74)
        step_unmade(model_below(2) ? ++model.ids : 0);
    else if (dice < 84)
        step_end();
    else if (dice < 91)
        step_send(mood->full, 1);
    else if (dice < 92)
        step_tick((int64_t)model_below(900) * SECOND);
    else if (dice < 96)
        step_tick(model_below(300000));
    else
        step_next();
}

/* Everything comes to its end. */
static void finish(void)
{
    struct clients_view view;

    do {
        while (model_pick(model.asks, model_told) >= 0)
            step_tell();
        while (model_pick(model.rows, model_making) >= 0)
            step_made();
        while (model_pick(model.rows, model_can_end) >= 0)
            step_end();
        step_tick(SECOND);
        step_next();
        step_send(0, 0);
        model_check();
        clients_look(model.clients, &view);
    } while (view.requests > 0);
    step_tick(1300 * (int64_t)SECOND);
    assert_int_equal(clients_due(model.clients), INT64_MAX);
    for (unsigned peer = 0; peer < PEERS; peer++)
        step_close(peer);
    model_check();
}

static void replies_leave_once_in_order_and_nothing_is_left(void **state)
{
    uint64_t sent = 0, attached = 0, cut = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct mood mood = {0, 0, 0};
        model_begin(seed);
        for (int i = 0; i < STEPS; i++) {
            if (i % 200 == 0)
                mood = some_mood();
            step(&mood);
            model_check();
        }
        if (seed % 2)
            finish();
        sent += model.sent;
        attached += model.attached;
        cut += model.cut;
        clients_destroy(&model.clients);
    }
    assert_true(sent > SEEDS * 100 && attached > SEEDS * 5 && cut > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_leave_once_in_order_and_nothing_is_left),
    };
    return cmocka_run_group_tests_name("clients_random", tests, NULL, NULL);
}
