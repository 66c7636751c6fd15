#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"
#include "gateway/core.h"
#include "tests/unit/script_inside.h"

#define START_US (1000 * SECOND)
#define TEXT_SIZE 1600

/* A worker as it sees itself. */
struct hired {
    char name[32];
    struct hire hire;
    bool silent;
    int64_t beat_us; /* its next heartbeat */
    unsigned heard;  /* heartbeats from the gateway */
};

static struct {
    struct dispatch *core;
    struct token_key key;
    int64_t beat_us;
    size_t queue;
    int64_t now_us;
    struct hired *hired;
    size_t hires;
    struct action *waiting; /* not yet expected: first to count */
    size_t first, count, room;
    struct action last;
    uint64_t events;
    unsigned partials;
    bool sending; /* last is a DELIVER that is being carried out */
} script;

/* Starting and ending. */

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

void script_settings(struct settings settings)
{
    struct dispatch_config config = {
        .seed = settings.seed ? settings.seed : 7,
        .lease_us = or_else(settings.lease_us, 600 * SECOND),
        .attempt_max_us = or_else(settings.attempt_max_us, 1800 * SECOND),
        .beat_us = or_else(settings.beat_us, 2500 * MS),
        .backoff_first_us = or_else(settings.backoff_first_us, SECOND),
        .backoff_max_us = or_else(settings.backoff_max_us, 60 * SECOND),
        .attempts = settings.attempts ? settings.attempts : 5,
        .queue = settings.queue ? settings.queue : 10000,
    };

    config.key = script.key;
    script.beat_us = config.beat_us;
    script.queue = config.queue;
    dispatch_destroy(&script.core);
    script.core = dispatch_new(&config);
}

int script_begin(void **state)
{
    (void)state;
    memset(&script, 0, sizeof script);
    if (token_init() < 0)
        return -1;
    memset(script.key.bytes, 0x5a, sizeof script.key.bytes);
    script.now_us = START_US;
    script_settings((struct settings){0});
    return 0;
}

int script_end(void **state)
{
    (void)state;
    script_expect_nothing(__FILE__, __LINE__);
    dispatch_destroy(&script.core);
    script_rows_forget();
    free(script.hired);
    free(script.waiting);
    return 0;
}

const struct token_key *script_key(void)
{
    return &script.key;
}

struct dispatch *core(void)
{
    return script.core;
}

int64_t now_us(void)
{
    return script.now_us;
}

/* Actions as text. */

static void describe(const struct action *action, char text[TEXT_SIZE])
{
    const char *const worker = action->worker;
    long long id = action->id;
    unsigned attempt = action->attempt;

    switch (action->kind) {
    case ACTION_DELIVER:
        snprintf(text, TEXT_SIZE, "deliver %lld #%u to %s", id, attempt, worker);
        return;
    case ACTION_ANSWER:
        snprintf(text, TEXT_SIZE, "answer %lld #%u", id, attempt);
        return;
    case ACTION_DEAD:
        snprintf(text, TEXT_SIZE, "dead %lld after %u: %s", id, attempt, action->reason);
        return;
    case ACTION_GONE:
        snprintf(text, TEXT_SIZE, "gone %lld", id);
        return;
    case ACTION_RETRY:
        snprintf(text, TEXT_SIZE, "retry %lld after #%u: %s", id, attempt, action->reason);
        return;
    case ACTION_HEARTBEAT:
        snprintf(text, TEXT_SIZE, "heartbeat %s", worker);
        return;
    case ACTION_DISCONNECT:
        snprintf(text, TEXT_SIZE, "disconnect %s", worker);
        return;
    case ACTION_JOINED:
        snprintf(text, TEXT_SIZE, "joined %s", worker);
        return;
    case ACTION_LEFT:
        snprintf(text, TEXT_SIZE, "left %s: %s", worker, action->reason);
        return;
    case ACTION_PARTIAL:
        snprintf(text, TEXT_SIZE, "partial %lld #%u", id, attempt);
        return;
    case ACTION_REFUSED:
        snprintf(text, TEXT_SIZE, "refused %s %lld #%u", refusal_name(action->refusal), id,
                 attempt);
        return;
    }
    snprintf(text, TEXT_SIZE, "an action of no known kind");
}

/* A DELIVER that was taken is carried out before anything else is, unless undeliverable() says otherwise. */
static void script_sent(void)
{
    struct event event = {.kind = EVENT_DELIVERED};

    if (!script.sending)
        return;
    script.sending = false;
    event.delivered.id = script.last.id;
    event.delivered.attempt = script.last.attempt;
    event.delivered.peer = &script.last.peer;
    dispatch_feed(script.core, script.now_us, &event);
}

void script_not_sent(int64_t id, struct peer *ret_peer)
{
    const struct flight *flight = inflight_find(script.core->inflight, id);

    script.sending = script.sending && script.last.id != id;
    *ret_peer = script.last.peer;
    if (script.last.id != id && flight && flight->lease)
        *ret_peer = flight->lease->worker->peer;
}

const struct action *any_action(void)
{
    script_sent();
    if (script.first == script.count)
        return NULL;
    script.last = script.waiting[script.first++];
    script.sending = script.last.kind == ACTION_DELIVER;
    return &script.last;
}

const struct action *last_action(void)
{
    return &script.last;
}

void script_expect(const char *file, int line, const char *format, ...)
{
    char expected[TEXT_SIZE], got[TEXT_SIZE] = "nothing";
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(expected, sizeof expected, format, arguments);
    va_end(arguments);
    if (any_action())
        describe(&script.last, got);
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
    describe(&script.last, got);
    print_error("expected: nothing\n     got: %s\n", got);
    _fail(file, line);
}

/* The counters of the core, added up from below. */

static void check_sums(void)
{
    const struct workers *workers = dispatch_workers(script.core);
    const struct pending *pending = dispatch_pending(script.core);
    const struct service *service = NULL;
    const struct worker *worker = NULL;
    size_t backlog = 0, in_flight = 0, dedicated = 0, registered = 0;

    while ((service = pending_walk(pending, service))) {
        backlog += service->backlog;
        in_flight += service->in_flight;
        registered += service->workers;
    }
    while ((worker = workers_walk(workers, worker))) {
        const struct lease *lease = worker->leases;
        uint32_t leases = 0;
        for (; lease; lease = lease->next, leases++)
            assert_ptr_equal(lease->worker, worker);
        assert_int_equal(worker->in_flight, leases);
        assert_true(leases <= worker->options.slots);
        dedicated += worker->service != NULL;
    }
    assert_int_equal(backlog, pending_backlog(pending));
    assert_int_equal(in_flight, dispatch_outstanding(script.core));
    assert_int_equal(registered, dedicated);
}

/* Events. */

static void keep(const struct action *action)
{
    if (script.count == script.room) {
        script.room = script.room ? script.room * 2 : 64;
        script.waiting = memory_grow(script.waiting, script.room * sizeof *script.waiting);
    }
    script.waiting[script.count++] = *action;
}

static struct hired *find_hired(const char *name)
{
    for (size_t i = 0; i < script.hires; i++)
        if (strcmp(script.hired[i].name, name) == 0)
            return &script.hired[i];
    return NULL;
}

/* Feeds EVENT and keeps what comes out. Adding up costs as much as there are workers and services,
 * so with many of them only some events are followed by it. */
void script_feed(const struct event *event)
{
    const struct action *action;

    script_sent();
    dispatch_feed(script.core, script.now_us, event);
    if (script.first == script.count)
        script.first = script.count = 0;
    while ((action = dispatch_take(script.core))) {
        if (action->kind == ACTION_DELIVER) /* D5 */
            assert_true(dispatch_outstanding(script.core) <= script.queue);
        if (action->kind == ACTION_PARTIAL)
            script.partials++;
        else if (action->kind != ACTION_HEARTBEAT)
            keep(action);
        else if (find_hired(action->worker))
            find_hired(action->worker)->heard++;
    }
    if (script.hires < 50 || script.events++ % 256 == 0)
        check_sums();
}

/* The same after making sure that everything so far was expected. */
void script_happen(const struct event *event)
{
    script_expect_nothing(__FILE__, __LINE__);
    script_feed(event);
}

struct peer script_peer(const char *name)
{
    struct peer peer = {.size = (uint8_t)strlen(name)};
    memcpy(peer.id, name, peer.size);
    return peer;
}

const struct worker *worker_called(const char *name)
{
    const struct peer peer = script_peer(name);
    return dispatch_worker(script.core, &peer);
}

void script_ready(const char *name, struct hire hire)
{
    static const struct envelope envelope;
    const struct peer peer = script_peer(name);
    const char *service = hire.service ? hire.service : "default";
    struct worker_options options = {.slots = hire.slots ? hire.slots : 1,
                                     .heartbeats = hire.heartbeats,
                                     .interval_ms = hire.interval_ms};
    struct event event = {.kind = EVENT_READY};
    struct hired *hired = find_hired(name);

    if (!hired) {
        script.hired = memory_grow(script.hired, (script.hires + 1) * sizeof *script.hired);
        hired = &script.hired[script.hires++];
    }
    memset(hired, 0, sizeof *hired);
    snprintf(hired->name, sizeof hired->name, "%s", name);
    hired->hire = hire;
    hired->beat_us = script.now_us + or_else(hire.interval_ms * MS, script.beat_us);
    snprintf(options.name, sizeof options.name, "%s", name);
    event.ready.peer = &peer;
    event.ready.protocol = hire.protocol;
    event.ready.envelope = &envelope;
    event.ready.service = span_str(service);
    event.ready.options = &options;
    script_happen(&event);
}

void script_hire(const char *name, struct hire hire)
{
    script_ready(name, hire);
    expect_joined(name);
}

void falls_silent(const char *name)
{
    find_hired(name)->silent = true;
}

static void feed_heartbeat(const char *name)
{
    const struct peer peer = script_peer(name);
    script_feed(&(struct event){.kind = EVENT_HEARTBEAT, .heartbeat.peer = &peer});
}

void beats(const char *name)
{
    script_expect_nothing(__FILE__, __LINE__);
    feed_heartbeat(name);
}

void says_disconnect(const char *name)
{
    const struct peer peer = script_peer(name);
    script_happen(&(struct event){.kind = EVENT_DISCONNECT,
                                  .disconnect = {&peer, "it said DISCONNECT"}});
}

unsigned heartbeats_sent(const char *name)
{
    struct hired *hired = find_hired(name);
    unsigned heard = hired->heard;
    hired->heard = 0;
    return heard;
}

/* Time. */

/* The next worker to beat, if it does so by END_US. */
static struct hired *next_to_beat(int64_t end_us)
{
    struct hired *next = NULL;

    for (size_t i = 0; i < script.hires; i++) {
        struct hired *hired = &script.hired[i];
        if (!hired->silent && hired->hire.protocol != WORKER_REQ && hired->beat_us <= end_us) {
            next = hired;
            end_us = hired->beat_us;
        }
    }
    return next;
}

/* HIRED beats, unless it is busy and cannot then, or is no longer registered. */
static void beat(struct hired *hired)
{
    const struct worker *worker = worker_called(hired->name);

    hired->beat_us += or_else(hired->hire.interval_ms * MS, script.beat_us);
    if (worker && (worker->in_flight == 0 || hired->hire.heartbeats))
        feed_heartbeat(hired->name);
}

void pass_us(int64_t us)
{
    int64_t end_us = script.now_us + us;

    script_expect_nothing(__FILE__, __LINE__);
    for (;;) {
        int64_t due_us = dispatch_next(script.core);
        struct hired *hired = next_to_beat(end_us);
        if (hired && hired->beat_us <= due_us) {
            script.now_us = hired->beat_us;
            beat(hired);
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
