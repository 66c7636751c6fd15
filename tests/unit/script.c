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

#define START_US (1000 * SECOND)
#define NEVER_US (1000000000 * SECOND)

static struct {
    struct dispatch *core;
    struct dispatch_config config;
    struct rulebook *book;
    int64_t now_us;
    uint64_t events;
} script;

/* Starting and ending. */

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

static struct rules rules_of(const struct settings *settings)
{
    return (struct rules){
        .lease_us = or_else(settings->lease_us, 600 * SECOND),
        .attempt_max_us = or_else(settings->attempt_max_us, 1800 * SECOND),
        .attempt_hard_max_us = or_else(settings->attempt_hard_max_us, 7200 * SECOND),
        .backoff_first_us = or_else(settings->backoff_first_us, SECOND),
        .backoff_max_us = or_else(settings->backoff_max_us, 60 * SECOND),
        .attempts = settings->attempts ? settings->attempts : 5,
        .window = settings->window ? settings->window : 100000,
        .order = settings->order,
    };
}

static void book_free(struct rulebook *book)
{
    if (book)
        rulebook_done(book);
    free(book);
}

void script_settings(struct settings settings)
{
    dispatch_destroy(&script.core);
    book_free(script.book);
    script.book = memory_zero(1, sizeof *script.book);
    script.book->general = rules_of(&settings);
    script.config.seed = settings.seed ? settings.seed : 7;
    script.config.rulebook = script.book;
    script.config.beat_us = or_else(settings.beat_us, 2500 * MS);
    script.config.grace_us = or_else(settings.grace_us, 2 * SECOND);
    script.config.record_after_us = or_else(settings.record_after_us, NEVER_US);
    script.config.record_at_once = settings.record_at_once;
    script.config.claim = settings.claim;
    script.config.queue = settings.queue ? settings.queue : 10000;
    script.core = dispatch_new(&script.config);
}

/* The old book is freed at once: the core must not look at it any more. */
void script_rules(const char *service, struct settings settings)
{
    struct rulebook *book = memory_zero(1, sizeof *book);
    size_t count = script.book->count;

    book->general = script.book->general;
    book->entry = memory_zero(count + 1, sizeof *book->entry);
    for (size_t i = 0; i < count; i++)
        if (!service || strcmp(script.book->entry[i].service, service) != 0)
            book->entry[book->count++] = script.book->entry[i];
    if (service) {
        struct rules_entry *entry = &book->entry[book->count++];
        snprintf(entry->service, sizeof entry->service, "%s", service);
        entry->rules = rules_of(&settings);
    } else {
        book->general = rules_of(&settings);
    }
    script_expect_nothing(__FILE__, __LINE__);
    dispatch_rules(script.core, book);
    book_free(script.book);
    script.book = book;
    script_feed(&(struct event){.kind = EVENT_TICK, .tick.heard_until_us = script.now_us});
}

int script_begin(void **state)
{
    (void)state;
    memset(&script, 0, sizeof script);
    if (token_init() < 0)
        return -1;
    memset(script.config.key.bytes, 0x5a, sizeof script.config.key.bytes);
    script.now_us = START_US;
    script_settings((struct settings){0});
    return 0;
}

int script_end(void **state)
{
    (void)state;
    script_expect_nothing(__FILE__, __LINE__);
    dispatch_destroy(&script.core);
    book_free(script.book);
    script_rows_forget();
    script_workers_forget();
    script_actions_forget();
    return 0;
}

const struct token_key *script_key(void)
{
    return &script.config.key;
}

int64_t script_beat_us(void)
{
    return script.config.beat_us;
}

struct dispatch *core(void)
{
    return script.core;
}

size_t flights(void)
{
    size_t count = 0;

    for (const struct flight *flight = NULL;
         (flight = inflight_walk(script.core->inflight, flight));)
        count++;
    return count;
}

int64_t now_us(void)
{
    return script.now_us;
}

/* The counters of the core, added up from below. */

static void check_workers(void)
{
    const struct workers *workers = dispatch_workers(script.core);
    const struct service *service = NULL;
    const struct worker *worker = NULL;
    size_t dedicated = 0, registered = 0;

    while ((worker = workers_walk(workers, worker))) {
        const struct lease *lease = worker->leases;
        uint32_t leases = 0;
        for (; lease; lease = lease->next, leases++)
            assert_ptr_equal(lease->worker, worker);
        assert_int_equal(worker->in_flight, leases);
        assert_false(worker->idle && leases >= worker->options.slots);
        dedicated += worker->service != NULL;
    }
    while ((service = pending_walk(dispatch_pending(script.core), service)))
        registered += service->workers;
    assert_int_equal(registered, dedicated);
}

static void check_sums(void)
{
    const struct pending *pending = dispatch_pending(script.core);
    const struct service *service = NULL;
    const struct flight *flight = NULL;
    size_t backlog = 0, in_flight = 0, backing_off = 0;

    while ((service = pending_walk(pending, service))) {
        backlog += service->backlog;
        in_flight += service->in_flight;
        backing_off += service->backing_off;
    }
    assert_int_equal(backlog, pending_backlog(pending));
    assert_int_equal(in_flight, dispatch_outstanding(script.core));
    assert_int_equal(backing_off, dispatch_backing_off(script.core));
    while ((flight = inflight_walk(script.core->inflight, flight))) {
        assert_int_equal(flight->state == FLIGHT_LEASED, flight->lease != NULL);
        assert_int_equal(flight->state == FLIGHT_QUEUED, pending_waits(pending, flight->id));
    }
    check_workers();
}

/* Events. */

void script_collect(void)
{
    const struct action *action;

    while ((action = dispatch_take(script.core))) {
        if (action->kind == ACTION_DELIVER && !script.config.claim) /* D5 */
            assert_true(dispatch_outstanding(script.core) <= script.config.queue);
        if (action->kind == ACTION_HEARTBEAT)
            script_heartbeat(action->worker);
        else if (action->kind != ACTION_PARTIAL)
            script_keep(action);
    }
}

/* Adding up costs as much as there are workers and services, so with many of them only some events
 * are followed by it. */
void script_feed(const struct event *event)
{
    script_carry_out();
    dispatch_feed(script.core, script.now_us, event);
    script_collect();
    if (script_hires() < 50 || script.events++ % 256 == 0)
        check_sums();
}

void script_happen(const struct event *event)
{
    script_expect_nothing(__FILE__, __LINE__);
    script_feed(event);
}

void drain(void)
{
    script_happen(&(struct event){.kind = EVENT_DRAIN});
}

void pauses(const char *service, bool on)
{
    script_happen(&(struct event){
        .kind = EVENT_PAUSE,
        .pause = {.service = service ? span_str(service) : span_of(NULL, 0), .on = on}});
}

void full(bool on)
{
    script_happen(&(struct event){.kind = EVENT_FULL, .full.on = on});
}

/* Time. */

void pass_us(int64_t us)
{
    int64_t end_us = script.now_us + us;

    script_expect_nothing(__FILE__, __LINE__);
    for (;;) {
        int64_t due_us = dispatch_next(script.core), beat_us = script_next_beat(end_us);
        if (beat_us <= due_us && beat_us <= end_us) {
            script.now_us = beat_us;
            script_beat(end_us);
            continue;
        }
        if (due_us > end_us)
            break;
        if (due_us > script.now_us)
            script.now_us = due_us;
        script_feed(&(struct event){.kind = EVENT_TICK, .tick.heard_until_us = script.now_us});
        assert_true(dispatch_next(script.core) > script.now_us); /* a tick leaves nothing due */
    }
    script.now_us = end_us;
}
