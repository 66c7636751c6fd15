/* What came out of the core: kept, put into words, expected, carried out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "gateway/core.h"
#include "proto/buffer.h"
#include "tests/unit/script_inside.h"

#define TEXT_SIZE 1600

static struct {
    struct action *waiting; /* not yet expected: first to count */
    size_t first, count, room;
    struct action last;
    bool carried;       /* last was carried out, or needs nothing */
    bool holds_records; /* recorded() does it */
} kept = {.carried = true};

void script_actions_forget(void)
{
    free(kept.waiting);
    memset(&kept, 0, sizeof kept);
    kept.carried = true;
}

void script_keep(const struct action *action)
{
    if (kept.first == kept.count)
        kept.first = kept.count = 0;
    if (kept.count == kept.room) {
        kept.room = kept.room ? kept.room * 2 : 64;
        kept.waiting = memory_grow(kept.waiting, kept.room * sizeof *kept.waiting);
    }
    kept.waiting[kept.count++] = *action;
}

/* In words. */

static void describe_query(const struct action *action, char text[TEXT_SIZE])
{
    const char *const worker = action->worker;
    long long id = action->id;
    unsigned attempt = action->attempt;

    if (action->kind == ACTION_DELIVER)
        snprintf(text, TEXT_SIZE, "deliver %lld #%u to %s", id, attempt, worker);
    else if (action->kind == ACTION_CLAIM)
        snprintf(text, TEXT_SIZE, "claim %lld #%u for %s", id, attempt, worker);
    else if (action->kind == ACTION_RECORD)
        snprintf(text, TEXT_SIZE, "record %lld #%u at %s", id, attempt, worker);
    else if (action->kind == ACTION_ADOPTED)
        snprintf(text, TEXT_SIZE, "adopted %lld #%u by %s", id, attempt, worker);
    else if (action->kind == ACTION_ANSWER)
        snprintf(text, TEXT_SIZE, "answer %lld #%u", id, attempt);
    else if (action->kind == ACTION_DEAD)
        snprintf(text, TEXT_SIZE, "dead %lld after %u: %s", id, action->failed, action->reason);
    else if (action->kind == ACTION_DROP)
        snprintf(text, TEXT_SIZE, "drop %lld", id);
    else if (action->kind == ACTION_GONE)
        snprintf(text, TEXT_SIZE, "gone %lld", id);
    else if (action->kind == ACTION_RETRY)
        snprintf(text, TEXT_SIZE, "retry %lld after #%u: %s", id, attempt, action->reason);
    else if (action->kind == ACTION_RETURNED)
        snprintf(text, TEXT_SIZE, "returned %lld after #%u: %s", id, attempt, action->reason);
    else
        snprintf(text, TEXT_SIZE, "an action of no known kind");
}

static void describe(const struct action *action, char text[TEXT_SIZE])
{
    const char *const worker = action->worker;

    if (action->kind == ACTION_DISCONNECT)
        snprintf(text, TEXT_SIZE, "disconnect %s", worker);
    else if (action->kind == ACTION_JOINED)
        snprintf(text, TEXT_SIZE, "joined %s", worker);
    else if (action->kind == ACTION_LEFT)
        snprintf(text, TEXT_SIZE, "left %s: %s", worker, action->reason);
    else if (action->kind == ACTION_REFUSED)
        snprintf(text, TEXT_SIZE, "refused %s %lld #%u", refusal_name(action->refusal),
                 (long long)action->id, (unsigned)action->attempt);
    else
        describe_query(action, text);
}

/* Carrying out: a DELIVER gets through, unless undeliverable() says otherwise; a failure is on disk
 * at once, unless hold_records() was said. */

static void feed_recorded(int64_t id)
{
    dispatch_feed(core(), now_us(), &(struct event){.kind = EVENT_RECORDED, .recorded.id = id});
    script_collect();
}

void script_carry_out(void)
{
    struct event event = {.kind = EVENT_DELIVERED};

    if (kept.carried)
        return;
    kept.carried = true;
    if (kept.last.kind != ACTION_DELIVER) {
        feed_recorded(kept.last.id);
        return;
    }
    event.delivered.id = kept.last.id;
    event.delivered.attempt = kept.last.attempt;
    event.delivered.peer = &kept.last.peer;
    dispatch_feed(core(), now_us(), &event);
    script_collect();
}

void script_not_sent(int64_t id, struct peer *ret_peer)
{
    const struct flight *flight = inflight_find(core()->inflight, id);

    if (kept.last.id == id)
        kept.carried = true;
    *ret_peer = kept.last.peer;
    if (kept.last.id != id && flight && flight->lease)
        *ret_peer = flight->lease->worker->peer;
}

void hold_records(void)
{
    script_carry_out();
    kept.holds_records = true;
}

void recorded(int64_t id)
{
    script_expect_nothing(__FILE__, __LINE__);
    feed_recorded(id);
}

static bool is_carried_out(const struct action *action)
{
    bool writes =
        action->kind == ACTION_RETRY || (action->kind == ACTION_RETURNED && action->recorded);

    return action->kind == ACTION_DELIVER || (writes && !kept.holds_records);
}

const struct action *any_action(void)
{
    script_carry_out();
    if (kept.first == kept.count)
        return NULL;
    kept.last = kept.waiting[kept.first++];
    kept.carried = !is_carried_out(&kept.last);
    return &kept.last;
}

const struct action *last_action(void)
{
    return &kept.last;
}

/* Expecting. */

void script_expect(const char *file, int line, const char *format, ...)
{
    char expected[TEXT_SIZE], got[TEXT_SIZE] = "nothing";
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(expected, sizeof expected, format, arguments);
    va_end(arguments);
    if (any_action())
        describe(&kept.last, got);
    if (strcmp(expected, got) == 0)
        return;
    print_error("expected: %s\n     got: %s\n", expected, got);
    _fail(file, line);
}

void script_expect_nothing(const char *file, int line)
{
    char got[TEXT_SIZE];

    if (!any_action())
        return;
    describe(&kept.last, got);
    print_error("expected: nothing\n     got: %s\n", got);
    _fail(file, line);
}
