/* Workers as they see themselves: they say READY, beat as they promise, fall silent, leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"
#include "tests/unit/script_inside.h"

struct hired {
    char name[32];
    bool beats, when_busy;        /* it beats at all; also while it works */
    int64_t interval_us, beat_us; /* between its heartbeats; its next one */
    unsigned heard;               /* heartbeats from the gateway */
};

static struct {
    struct hired *hired;
    size_t count, room;
} staff;

void script_workers_forget(void)
{
    free(staff.hired);
    memset(&staff, 0, sizeof staff);
}

size_t script_hires(void)
{
    return staff.count;
}

static struct hired *find_hired(const char *name)
{
    for (size_t i = 0; i < staff.count; i++)
        if (strcmp(staff.hired[i].name, name) == 0)
            return &staff.hired[i];
    return NULL;
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
    return dispatch_worker(core(), &peer);
}

static void note(const char *name, const struct hire *hire)
{
    struct hired *hired = find_hired(name);

    if (!hired && staff.count == staff.room) {
        staff.room = staff.room ? staff.room * 2 : 16;
        staff.hired = memory_grow(staff.hired, staff.room * sizeof *staff.hired);
    }
    if (!hired)
        hired = &staff.hired[staff.count++];
    memset(hired, 0, sizeof *hired);
    snprintf(hired->name, sizeof hired->name, "%s", name);
    hired->beats = worker_beats(hire->protocol);
    hired->when_busy = hire->heartbeats;
    hired->interval_us = hire->interval_ms ? hire->interval_ms * MS : script_beat_us();
    hired->beat_us = now_us() + hired->interval_us;
}

void script_ready(const char *name, struct hire hire)
{
    static const struct envelope envelope;
    const struct peer peer = script_peer(name);
    struct worker_options options = {.slots = hire.slots ? hire.slots : 1,
                                     .heartbeats = hire.heartbeats,
                                     .interval_ms = hire.interval_ms};
    struct holding holding[HOLDS_MAX] = {0};
    struct event event = {.kind = EVENT_READY};

    note(name, &hire);
    snprintf(options.name, sizeof options.name, "%s", hire.called ? hire.called : name);
    event.ready.peer = &peer;
    event.ready.protocol = hire.protocol;
    event.ready.envelope = &envelope;
    event.ready.service = span_str(hire.service ? hire.service : "default");
    event.ready.options = &options;
    event.ready.pid = hire.pid;
    event.ready.holding = holding;
    for (size_t i = 0; i < HOLDS_MAX && hire.holds[i].id; i++) {
        const struct held *held = &hire.holds[i];
        script_token(held->id, held->of ? held->of : held->id, held->attempt, &holding[i].token,
                     &holding[i].row);
        holding[i].token.mac[0] ^= held->forged;
        event.ready.holding_count++;
    }
    script_happen(&event);
}

void script_hire(const char *name, struct hire hire)
{
    script_ready(name, hire);
    expect_joined(name);
}

void falls_silent(const char *name)
{
    find_hired(name)->beats = false;
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

void beats_with(const char *name, uint32_t slots)
{
    const struct peer peer = script_peer(name);
    script_happen(&(struct event){.kind = EVENT_HEARTBEAT,
                                  .heartbeat = {.peer = &peer, .resized = true, .slots = slots}});
}

void says_disconnect(const char *name)
{
    const struct peer peer = script_peer(name);
    script_happen(
        &(struct event){.kind = EVENT_DISCONNECT, .disconnect = {&peer, "it said DISCONNECT"}});
}

void script_heartbeat(const char *name)
{
    if (find_hired(name))
        find_hired(name)->heard++;
}

unsigned heartbeats_sent(const char *name)
{
    struct hired *hired = find_hired(name);
    unsigned heard = hired->heard;
    hired->heard = 0;
    return heard;
}

static struct hired *next_to_beat(int64_t end_us)
{
    struct hired *next = NULL;

    for (size_t i = 0; i < staff.count; i++) {
        struct hired *hired = &staff.hired[i];
        if (hired->beats && hired->beat_us <= end_us) {
            next = hired;
            end_us = hired->beat_us;
        }
    }
    return next;
}

int64_t script_next_beat(int64_t end_us)
{
    const struct hired *hired = next_to_beat(end_us);
    return hired ? hired->beat_us : INT64_MAX;
}

/* It beats, unless it is busy and cannot then, or is no longer registered. */
void script_beat(int64_t end_us)
{
    struct hired *hired = next_to_beat(end_us);
    const struct worker *worker = worker_called(hired->name);

    hired->beat_us += hired->interval_us;
    if (worker && (worker->in_flight == 0 || hired->when_busy))
        feed_heartbeat(hired->name);
}
