#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/waiting_model.h"

struct model model;

static const char *const names[SERVICES] = {"chess", "default", "poems"};

unsigned model_below(unsigned bound)
{
    model.random ^= model.random << 13;
    model.random ^= model.random >> 7;
    model.random ^= model.random << 17;
    return (unsigned)((model.random >> 32) % bound);
}

enum order model_order(unsigned service)
{
    return model.entry[service].rules.order;
}

size_t model_window(unsigned service)
{
    return model.entry[service].rules.window;
}

struct waiting model_waiting(int64_t id)
{
    return (struct waiting){
        .id = id, .seen_us = id * 10, .conversation = model.key[model.row[id].conversation]};
}

unsigned model_queue(const struct row *row)
{
    return model_order(row->service) == ORDER_FIFO ? 0 : row->conversation;
}

bool model_same_queue(const struct row *a, const struct row *b)
{
    return a->service == b->service && model_queue(a) == model_queue(b);
}

size_t model_count(unsigned service, enum place place)
{
    size_t count = 0;
    for (int64_t id = 1; id <= model.last_id; id++)
        count += model.row[id].service == service && model.row[id].place == place;
    return count;
}

int64_t model_first_here(unsigned service, unsigned queue)
{
    for (int64_t id = 1; id <= model.last_id; id++)
        if (model.row[id].place == HERE && model.row[id].service == service &&
            model_queue(&model.row[id]) == queue)
            return id;
    return 0;
}

bool model_busy(unsigned service, unsigned conversation)
{
    for (int64_t id = 1; id <= model.last_id; id++)
        if (model.row[id].place == OUT && model.row[id].single &&
            model.row[id].service == service && model.row[id].conversation == conversation)
            return true;
    return false;
}

bool model_gives(unsigned service, unsigned queue)
{
    return model_first_here(service, queue) &&
           !(model_order(service) == ORDER_CONVERSATION && model_busy(service, queue));
}

/* Lines. */

static size_t line_find(const struct line *line, unsigned member)
{
    size_t i = 0;
    while (i < line->count && line->member[i] != member)
        i++;
    return i;
}

void model_leave(struct line *line, unsigned member)
{
    size_t at = line_find(line, member);
    if (at == line->count)
        return;
    line->count--;
    for (; at < line->count; at++)
        line->member[at] = line->member[at + 1];
}

void model_put(struct line *line, unsigned member, bool belongs)
{
    if (!belongs)
        model_leave(line, member);
    else if (line_find(line, member) == line->count)
        line->member[line->count++] = member;
}

void model_update(unsigned service)
{
    struct line *line = &model.conversations[service];
    for (unsigned queue = 0; queue < CONVERSATIONS; queue++)
        model_put(line, queue, model_gives(service, queue));
    model_put(&model.services, service, line->count > 0 && !model.service[service]->paused);
}

/* Checks. */

static void check_service(unsigned i)
{
    const struct service *service = model.service[i];
    size_t beyond = 0, here = 0;

    for (int64_t id = 1; id <= model.last_id; id++) {
        const struct row *row = &model.row[id];
        if (row->service != i)
            continue;
        here += row->place == HERE;
        if (row->place != BEYOND)
            continue;
        beyond++;
        assert_true(service->more_from > 0 && id >= service->more_from);
    }
    assert_int_equal(service->backlog, here);
    assert_true(beyond <= service->beyond && service->beyond < ROWS * 2);
    assert_int_equal(service->beyond > 0, service->more_from != 0);
    assert_int_equal(pending_gives(service), model.conversations[i].count > 0 && !service->paused);
    assert_true(service->ahead <= service->backlog);
}

void model_check(void)
{
    const struct service *want = pending_want(model.pending);
    size_t backlog = 0;
    bool wanted = false;

    for (unsigned i = 0; i < SERVICES; i++) {
        const struct service *service = model.service[i];
        check_service(i);
        backlog += service->backlog;
        wanted |= service->more_from && service->backlog <= model_window(i) / 2;
    }
    assert_int_equal(pending_backlog(model.pending), backlog);
    assert_int_equal(want != NULL, wanted);
    assert_true(!want || (want->more_from && want->backlog <= want->rules->window / 2));
    for (int64_t id = 1; id <= model.last_id; id++)
        assert_int_equal(pending_waits(model.pending, id), model.row[id].place == HERE);
}

void model_check_first(int64_t id)
{
    const struct row *row = &model.row[id];
    for (int64_t other = 1; other < id; other++)
        if (model_same_queue(&model.row[other], row)) {
            assert_true(model.row[other].place != HERE);
            assert_true(row->returned || model.row[other].place != BEYOND);
        }
}

void model_begin(uint64_t seed)
{
    char name[32];

    memset(&model, 0, sizeof model);
    model.random = seed * 0x9e3779b97f4a7c15u;
    model.book = (struct rulebook){.entry = model.entry, .count = SERVICES};
    for (unsigned i = 0; i < SERVICES; i++) {
        snprintf(model.entry[i].service, sizeof model.entry[i].service, "%s", names[i]);
        model.entry[i].rules = (struct rules){.order = (enum order)i, .window = 8};
    }
    model.pending = pending_new(seed, &model.book);
    for (unsigned i = 0; i < SERVICES; i++)
        model.service[i] = service_called(model.pending, names[i]);
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        snprintf(name, sizeof name, "c%u", i);
        model.key[i] = pending_conversation(model.pending, span_str(name));
    }
}
