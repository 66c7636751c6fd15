/* Thousands of random steps against pending, from fixed seeds, beside a model that keeps rows in an
 * array and searches it. After each step: P1 to P5 of pending.h, and the sums. Then everything is
 * served, with a simulated file for what waits there: each row that wants an answer is given out
 * until it has ended, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/waiting_model.h"

#define SEEDS 60

/* Steps. */

/* The row that gave way to ID, which was fed late: the last of its queue that has not come back. */
static void give_way(int64_t id)
{
    int64_t last = model.last_id;
    while (last > id && !(model.row[last].place == HERE && !model.row[last].returned &&
                          model_same_queue(&model.row[last], &model.row[id])))
        last--;
    assert_true(last > id);
    assert_false(pending_waits(model.pending, last));
    model.row[last].place = BEYOND;
    model.given_way++;
}

static void feed(int64_t id)
{
    struct row *row = &model.row[id];
    struct service *service = model.service[row->service];
    const struct waiting query = model_waiting(id);
    size_t backlog = service->backlog, window = model_window(row->service);
    size_t quarter = window < 8 ? 1 : window / 4;
    bool newcomer = !model_first_here(row->service, model_queue(row)),
         marked = service->more_from != 0;

    switch (pending_append(model.pending, service, &query)) {
    case PENDING_KNOWN:
        assert_int_equal(row->place, HERE);
        return;
    case PENDING_WAITS:
        assert_true(row->place == UNSEEN || row->place == BEYOND);
        row->place = HERE;
        if (service->backlog == backlog)
            give_way(id);
        else
            assert_true(backlog < window + (newcomer ? quarter : 0));
        break;
    case PENDING_BEYOND:
        assert_int_not_equal(row->place, HERE);
        assert_true(marked || backlog >= window + (newcomer ? quarter : 0));
        row->place = BEYOND;
    }
    model_update(row->service);
}

static void step_feed(void)
{
    int64_t id = ++model.last_id;

    model.row[id] = (struct row){.service = model_below(SERVICES),
                                 .conversation = model_below(2) ? 0 : model_below(CONVERSATIONS)};
    if (model_below(10)) /* or it will be fed late */
        feed(id);
}

static void step_feed_again(void)
{
    int64_t id = 1 + model_below((unsigned)model.last_id + 1);
    if (id <= model.last_id && model.row[id].place <= BEYOND)
        feed(id);
}

static bool take_from(unsigned i)
{
    struct line *line = &model.conversations[i];
    struct waiting query = {.id = -1};
    struct row *row;
    unsigned queue;

    if (!pending_take(model.pending, model.service[i], &query)) {
        assert_int_equal(line->count, 0);
        assert_int_equal(query.id, -1);
        return false;
    }
    assert_in_range(query.id, 1, model.last_id);
    row = &model.row[query.id];
    queue = line->member[0];
    assert_int_equal(query.id, model_first_here(i, queue));
    assert_int_equal(query.seen_us, query.id * 10);
    assert_true(query.conversation == model.key[row->conversation]);
    assert_int_equal(query.single, model_order(i) == ORDER_CONVERSATION);
    assert_false(query.single && model_busy(i, row->conversation));
    model_check_first(query.id);
    model_leave(line, queue);
    row->place = OUT;
    row->single = query.single;
    row->out++;
    model_update(i);
    return true;
}

static void step_turn(void)
{
    const struct service *service = pending_turn(model.pending);
    unsigned i;

    if (!service) {
        assert_int_equal(model.services.count, 0);
        return;
    }
    i = model.services.member[0];
    assert_ptr_equal(service, model.service[i]);
    model_leave(&model.services, i);
    model_put(&model.services, i, true);
    assert_true(take_from(i));
}

/* A row that is out, or 0. */
static int64_t some_out(void)
{
    int64_t id = 1 + model_below((unsigned)model.last_id + 1);
    for (int64_t i = 0; i < model.last_id; i++, id++) {
        if (id > model.last_id)
            id = 1;
        if (model.row[id].place == OUT)
            return id;
    }
    return 0;
}

static void step_return(void)
{
    int64_t id = some_out();
    struct waiting query;
    struct row *row = &model.row[id];

    if (!id)
        return;
    query = model_waiting(id);
    pending_return(model.pending, model.service[row->service], &query);
    row->place = HERE;
    row->returned = true;
    row->single = false;
    row->out--;
    model_update(row->service);
}

static void step_end(void)
{
    int64_t id = some_out();
    struct row *row = &model.row[id];

    if (!id)
        return;
    if (row->single)
        pending_free(model.pending, model.service[row->service], model.key[row->conversation]);
    row->place = ENDED;
    row->single = false;
    model_update(row->service);
}

/* Somebody else ends a row, wherever it is. */
static void step_withdraw(void)
{
    int64_t id = 1 + model_below((unsigned)model.last_id + 1);
    struct row *row = &model.row[id];
    struct service *service = NULL;
    struct waiting query = {.id = -1};
    bool waited = row->place == HERE;

    if (id > model.last_id || row->place == OUT || row->place == ENDED)
        return;
    assert_int_equal(pending_remove(model.pending, id, &query, &service), waited);
    assert_int_equal(query.id, waited ? id : -1);
    if (service) {
        assert_ptr_equal(service, model.service[row->service]);
        pending_release(model.pending, service);
    }
    row->place = ENDED;
    row->withdrawn = true;
    model_update(row->service);
}

static void step_pause(void)
{
    unsigned i = model_below(SERVICES);
    pending_pause(model.pending, model.service[i], !model.service[i]->paused);
    model_update(i);
}

static void set_rules(unsigned i, enum order order, size_t window)
{
    struct line *line = &model.conversations[i];
    bool changed = order != model_order(i);

    model.entry[i].rules = (struct rules){.order = order, .window = window};
    pending_rules(model.pending, &model.book);
    if (!changed)
        return;
    line->count = 0; /* the queues are laid out anew */
    for (int64_t id = 1; id <= model.last_id; id++) {
        struct row *row = &model.row[id];
        if (row->service != i || row->place != HERE)
            continue;
        if (!pending_waits(model.pending, id)) {
            assert_true(!row->returned && id >= model.service[i]->more_from);
            row->place = BEYOND;
        }
    }
    for (int64_t id = 1; id <= model.last_id; id++)
        if (model.row[id].service == i && model.row[id].place == HERE &&
            model_gives(i, model_queue(&model.row[id])))
            model_put(line, model_queue(&model.row[id]), true);
    model_update(i);
}

static void step_rules(void)
{
    set_rules(model_below(SERVICES), (enum order)model_below(3),
              1 + model_below(model_below(2) ? 3 : 16));
}

static unsigned number_of(const struct service *service)
{
    unsigned i = 0;
    while (model.service[i] != service)
        i++;
    return i;
}

/* Reads a few ROWS of the file for who wants it. */
static void refill(unsigned rows)
{
    struct service *service = pending_want(model.pending);
    size_t backlog = service ? service->backlog : 0;
    unsigned i;
    int64_t id;

    if (!service)
        return;
    i = number_of(service);
    for (id = service->more_from; id <= model.last_id && rows > 0; id++, rows--) {
        struct row *row = &model.row[id];
        const struct waiting query = model_waiting(id);
        if (row->service != i || (row->place != HERE && row->place != BEYOND))
            continue;
        if (!pending_refill(model.pending, service, &query)) {
            assert_int_equal(row->place, BEYOND);
            assert_true(service->backlog >= model_window(i) && service->backlog > backlog);
            break;
        }
        if (row->place == HERE)
            continue;
        row->place = HERE;
        model_update(i);
        model.refills++;
        assert_true(service->backlog <= model_window(i));
    }
    pending_refilled(model.pending, service, id > model.last_id ? 0 : id);
}

static void step(unsigned mood)
{
    unsigned dice = model_below(100);

    if (dice < mood)
        step_feed();
    else if (dice < mood + 8)
        step_feed_again();
    else if (dice < mood + 11)
        step_withdraw();
    else if (dice < mood + 13)
        step_pause();
    else if (model_below(60) == 0)
        step_rules();
    else if (dice < mood + 20)
        refill(1 + model_below(60));
    else if (model_below(4) == 0)
        step_return();
    else if (model_below(2))
        step_end();
    else if (model_below(2))
        step_turn();
    else
        take_from(model_below(SERVICES));
}

/* Serves what there is. What is still unseen is seen now, and nothing is paused. */
static void serve_all(void)
{
    size_t left;

    for (int64_t id = 1; id <= model.last_id; id++)
        if (model.row[id].place == UNSEEN)
            feed(id);
    for (unsigned i = 0; i < SERVICES; i++)
        if (model.service[i]->paused) {
            pending_pause(model.pending, model.service[i], false);
            model_update(i);
        }
    for (unsigned rounds = 0; rounds < 20 * ROWS; rounds++) {
        refill(100);
        step_turn();
        step_end();
        left = 0;
        for (unsigned i = 0; i < SERVICES; i++)
            left += model_count(i, HERE) + model_count(i, BEYOND) + model_count(i, OUT);
        if (left == 0 && !pending_want(model.pending))
            break;
    }
    model_check();
    for (int64_t id = 1; id <= model.last_id; id++) {
        assert_int_equal(model.row[id].place, ENDED);
        assert_int_equal(model.row[id].out, model.row[id].withdrawn ? 0 : 1);
    }
}

static void every_row_is_served_once_and_in_order(void **state)
{
    unsigned refills = 0, given_way = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        unsigned mood = 30;
        model_begin(seed);
        for (int i = 0; i < STEPS; i++) {
            if (i % 200 == 0) /* busy times and quiet ones */
                mood = model_below(2) ? 15 : 45;
            step(mood);
            model_check();
        }
        serve_all();
        for (unsigned i = 0; i < SERVICES; i++) {
            assert_int_equal(model.service[i]->more_from, 0);
            pending_release(model.pending, model.service[i]);
        }
        assert_null(pending_walk(model.pending, NULL));
        pending_destroy(&model.pending);
        refills += model.refills;
        given_way += model.given_way;
    }
    assert_true(refills > SEEDS * 10 && given_way > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_served_once_and_in_order),
    };
    return token_init() || cmocka_run_group_tests_name("pending_random", tests, NULL, NULL);
}
