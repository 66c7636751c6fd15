/* A second bridge: each query is put into another database as any of its writers does it, and the
 * reply that appears there is the answer. Whoever answers there, a poller of before Tailgate or
 * another gateway, needs no change.
 *
 * Invariants
 *   1. A query has one row there, however often it is tried and by whomever (forward.h). To let go
 * of a query takes nothing back: its next attempt finds the row, and its reply where there is one.
 *   2. A lock of somebody's costs time and never a query.
 *   3. While nothing is out the other database is not looked at. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/host/clock.h"
#include "adapters/worker/adapter.h"
#include "adapters/worker/bridge_flights.h"
#include "proto/jtext.h"

#define ABSENT_US 500000    /* between two looks for a bridge that is not there yet */
#define BUSY_FIRST_US 10000 /* before a lock is tried again; doubles */
#define BUSY_MAX_US 200000
#define LOCKED_US 10000000  /* that a lock has been in the way for when that is told */
#define EXPIRED_US 10000000 /* between two looks at the rows when nobody commits */
#define LOST_US 500000      /* between two looks at what has become of the rows */

enum phase { STOPPED, OPENING, RUNNING, BROKEN };

struct bridge {
    const char *name; /* of the database, as given */
    struct place place;
    struct redact *redact;
    enum phase phase;
    struct forward *forward; /* RUNNING */
    struct bridge_flights flights;
    struct bridge_flight *given; /* what the last report was about */
    struct buffer text;          /* of the last report */
    bool ready;                  /* READY was reported */
    bool absence_told;
    int64_t try_us;     /* OPENING: the next try; RUNNING: when something may be written next */
    int64_t pause_us;   /* after the next BUSY */
    int64_t blocked_us; /* BUSY since then; 0: not */
    bool block_told;
    bool changed;      /* somebody has committed since the rows were looked at */
    int64_t lost_us;   /* when they are looked at next */
    int64_t looked_us; /* and were last */
    char why[PATH_MAX + 200];
};

/* --- its life --- */

static int bridge_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    struct place place, own;
    int error = place_find(setup->target, &place);
    const char *why = error == -ENOENT   ? "its folder is not there"
                      : error == -EISDIR ? "it is a folder; name the database in it"
                      : error == -EMLINK ? "it has several hard links; a bridge must have one"
                      : error == -EREMOTE
                          ? "it is on a network file system, where locks do not hold"
                      : error ? strerror(-error)
                              : NULL;
    if (!why && setup->db && place_find(setup->db, &own) == 0 && strcmp(own.db, place.db) == 0)
        why = "that is the bridge itself; name another one";
    if (!why)
        return 0;
    snprintf(ret_why, ADAPTER_WHY, "--bridge %.150s: %s", setup->target, why);
    return -1;
}

static void *bridge_make(const struct adapter_setup *setup)
{
    struct bridge *self = memory_zero(1, sizeof *self);
    self->name = setup->target;
    bridge_flights_init(&self->flights);
    buffer_init(&self->text);
    return self;
}

static void let_go(struct bridge *self)
{
    forward_close(&self->forward);
    bridge_flights_done(&self->flights);
}

static void bridge_destroy(void **state)
{
    struct bridge *self = *state;
    *state = NULL;
    if (!self)
        return;
    let_go(self);
    bridge_flight_destroy(&self->given);
    redact_destroy(&self->redact);
    buffer_done(&self->text);
    free(self);
}

/* Why the other bridge cannot be used, for people. */
static void explain(struct bridge *self, int error)
{
    const char *why = error == BRIDGE_FOREIGN      ? "is an SQLite database, but not a bridge"
                      : error == BRIDGE_NOT_SQLITE ? "is not an SQLite database"
                      : error == BRIDGE_NEWER      ? "was used by a newer Tailgate"
                      : error == BRIDGE_READ_ONLY  ? "cannot be written"
                                                   : NULL;
    if (why)
        snprintf(self->why, sizeof self->why, "%s %s", self->name, why);
    else
        snprintf(self->why, sizeof self->why, "%s: %s", self->name, db_error_text(error));
}

/* Somebody holds the lock. */
static void back_off(struct bridge *self, int64_t now_us)
{
    if (self->blocked_us == 0)
        self->blocked_us = now_us;
    self->try_us = now_us + self->pause_us;
    self->pause_us = self->pause_us < BUSY_MAX_US / 2 ? 2 * self->pause_us : BUSY_MAX_US;
}

static void unblocked(struct bridge *self)
{
    self->blocked_us = 0;
    self->block_told = false;
    self->pause_us = BUSY_FIRST_US;
}

/* Tries to open it: BRIDGE_OK when that was done or is worth another try, which is then due. */
static int try_open(struct bridge *self, int64_t now_us)
{
    int error = forward_open(&self->place, &self->forward);
    if (error == BRIDGE_ABSENT) {
        self->try_us = now_us + ABSENT_US;
        return BRIDGE_OK;
    }
    if (error == BRIDGE_BUSY) {
        back_off(self, now_us);
        return BRIDGE_OK;
    }
    if (error != BRIDGE_OK) {
        explain(self, error);
        return error;
    }
    self->phase = RUNNING;
    self->try_us = now_us;
    unblocked(self);
    return BRIDGE_OK;
}

static int bridge_start(void *state)
{
    struct bridge *self = state;
    int error = place_find(self->name, &self->place);
    if (error) {
        snprintf(self->why, sizeof self->why, "%s: %s", self->name, strerror(-error));
        return error;
    }
    if (!self->redact)
        self->redact = redact_new(true);
    if (!self->redact) {
        snprintf(self->why, sizeof self->why, "PCRE2 was built without Unicode");
        return -ENOTSUP;
    }
    self->phase = OPENING;
    self->ready = self->absence_told = false;
    unblocked(self);
    if (try_open(self, clock_mono_us()) == BRIDGE_OK)
        return 0;
    self->phase = STOPPED;
    return -EINVAL;
}

static const char *bridge_why(const void *state)
{
    return ((const struct bridge *)state)->why;
}

static void bridge_offer(void *state, struct span token, struct span query)
{
    struct bridge *self = state;
    bool final;
    if (self->phase != RUNNING)
        return;
    if (self->flights.count == 0)
        forward_wake(self->forward, clock_mono_us());
    struct bridge_flight *flight = bridge_flights_add(&self->flights, token);
    const char *why = bridge_query_read(&flight->query, query, self->redact, &final);
    if (why)
        bridge_flight_fail(flight, why, final);
}

static bool bridge_drop(void *state, struct span token, int64_t now_us)
{
    struct bridge *self = state;
    (void)now_us;
    struct bridge_flight *flight = bridge_flights_find(&self->flights, token);
    if (flight)
        bridge_flights_remove(&self->flights, flight);
    bridge_flight_destroy(&flight);
    return true;
}

static void bridge_stop(void *state, int64_t now_us, bool at_once)
{
    struct bridge *self = state;
    (void)now_us, (void)at_once;
    if (self->phase == STOPPED || self->phase == BROKEN)
        return;
    let_go(self);
    snprintf(self->why, sizeof self->why, "the other bridge was let go");
    self->phase = BROKEN;
}

/* --- asking --- */

static void see(void *context, const struct tail_row *row)
{
    bridge_flights_see(context, row);
}

/* The reply may be there already. One that is an error is worth asking again, unless it is that of
 * a dead letter. */
static void take_attached(struct bridge *self, struct bridge_flight *flight, int64_t now_us)
{
    int error = forward_reread(self->forward, flight->row.id, see, &self->flights);
    bool passes =
        flight->state == FLIGHT_REPLIED && flight->reply.is_error && !flight->reply.is_dead;
    if (passes)
        flight->not_row = flight->row.id;
    if (passes || (error != BRIDGE_OK && flight->state == FLIGHT_OUT))
        flight->state = FLIGHT_WAITING;
    if (error != BRIDGE_OK)
        back_off(self, now_us);
}

static void take_outcome(struct bridge *self, struct bridge_flight *flight,
                         enum forward_outcome outcome, int64_t now_us)
{
    switch (outcome) {
    case FORWARD_LOOP:
        bridge_flight_fail(flight, "loop: this query has been in the other bridge already", true);
        break;
    case FORWARD_ASKED:
        flight->state = FLIGHT_OUT;
        buffer_done(&flight->query.text);
        buffer_done(&flight->query.metadata);
        break;
    case FORWARD_ATTACHED:
        flight->state = FLIGHT_OUT;
        take_attached(self, flight, now_us);
        break;
    case FORWARD_BEHIND:
        break;
    }
}

/* ERROR means that the file as a whole is no good any more. */
static bool is_fatal(int error)
{
    return error == BRIDGE_IO || error == BRIDGE_CORRUPT || error == BRIDGE_NOT_SQLITE;
}

/* Writes the row of the oldest query that waits. After that the lock is left to others for as long
 * as we had it. Returns a bridge_error that is fatal, or BRIDGE_OK. */
static int ask_next(struct bridge *self, struct bridge_flight *flight, int64_t now_us)
{
    enum forward_outcome outcome;
    struct forward_query query = bridge_query_forward(&flight->query);
    query.not_row = flight->not_row;
    int error = forward_put(self->forward, &query, clock_utc_us(), see, &self->flights, &outcome,
                            &flight->row);
    if (error == BRIDGE_BUSY) {
        back_off(self, now_us);
        return BRIDGE_OK;
    }
    unblocked(self);
    int64_t end_us = clock_mono_us();
    self->try_us = end_us + (end_us - now_us);
    if (error == BRIDGE_OK)
        take_outcome(self, flight, outcome, end_us);
    else if (error == BRIDGE_REFUSED)
        bridge_flight_fail(flight, "the other bridge refuses the question", true);
    else if (error == BRIDGE_FULL)
        bridge_flight_fail(flight, "the disk of the other bridge is full", false);
    else if (!is_fatal(error))
        bridge_flight_fail(flight, "the question could not be written into the other bridge",
                           false);
    return is_fatal(error) ? error : BRIDGE_OK;
}

/* --- what is reported --- */

static bool report_broken(struct bridge *self, struct adapter_report *ret_report)
{
    let_go(self);
    self->phase = BROKEN;
    *ret_report = (struct adapter_report){.kind = ADAPTER_BROKEN, .text = span_str(self->why)};
    return true;
}

static bool report_error(struct bridge *self, int error, struct adapter_report *ret_report)
{
    explain(self, error);
    return report_broken(self, ret_report);
}

/* What would be written now would be gone. */
static bool report_replaced(struct bridge *self, struct adapter_report *ret_report)
{
    snprintf(self->why, sizeof self->why, "%s was replaced or removed", self->name);
    return report_broken(self, ret_report);
}

/* FLIGHT comes off with a report about it, whose text is self->text. */
static bool report_flight(struct bridge *self, struct bridge_flight *flight,
                          enum adapter_report_kind kind, bool final,
                          struct adapter_report *ret_report)
{
    bridge_flights_remove(&self->flights, flight);
    self->given = flight;
    *ret_report = (struct adapter_report){.kind = kind,
                                          .token = span_str(flight->token),
                                          .text = buffer_span(&self->text),
                                          .final = final};
    return true;
}

static bool report_failed(struct bridge *self, struct bridge_flight *flight,
                          struct adapter_report *ret_report)
{
    buffer_reset(&self->text);
    buffer_text(&self->text, flight->why);
    return report_flight(self, flight, ADAPTER_FAILED, flight->final, ret_report);
}

static bool report_reply(struct bridge *self, struct bridge_flight *flight,
                         struct adapter_report *ret_report)
{
    const struct reply *reply = &flight->reply;
    buffer_reset(&self->text);
    if (reply->is_error) {
        buffer_text(&self->text, "the other bridge says: ");
        reply_words(reply, &self->text);
        return report_flight(self, flight, ADAPTER_FAILED, reply->is_dead, ret_report);
    }
    if (!reply->is_object && reply->sources.size > 0) {
        buffer_byte(&self->text, '{');
        jtext_member(&self->text, "answer", buffer_span(&reply->text));
        jtext_member_raw(&self->text, "sources", buffer_span(&reply->sources));
        buffer_byte(&self->text, '}');
    } else {
        buffer_add(&self->text, buffer_span(&reply->text));
    }
    return report_flight(self, flight, ADAPTER_ANSWER, false, ret_report);
}

/* Marks the oldest reply as fetched and hands it over: in this order, so that a reply is fetched
 * whatever becomes of us. An error of the marking costs no answer; a lock is waited for. */
static bool take_reply(struct bridge *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct bridge_flight *flight = bridge_flights_first(&self->flights, FLIGHT_REPLIED);
    if (!flight || now_us < self->try_us)
        return false;
    int error = forward_fetch(self->forward, flight->reply.id, clock_utc_us());
    if (error == BRIDGE_BUSY) {
        back_off(self, now_us);
        return false;
    }
    unblocked(self);
    return report_reply(self, flight, ret_report);
}

/* Looks what has become of the rows that are out: at most twice a second, and only when somebody
 * has committed. */
static bool find_lost(struct bridge *self, int64_t now_us, struct adapter_report *ret_report)
{
    int error = BRIDGE_OK;
    if (now_us < self->lost_us)
        return false;
    self->lost_us = now_us + LOST_US;
    if (forward_is_replaced(self->forward))
        return report_replaced(self, ret_report);
    if (!self->changed && now_us < self->looked_us + EXPIRED_US)
        return false;
    self->looked_us = now_us;
    for (size_t i = 0; error == BRIDGE_OK && i < self->flights.count; i++) {
        struct bridge_flight *flight = self->flights.flight[i];
        if (flight->state != FLIGHT_OUT)
            continue;
        const char *why = forward_lost(self->forward, flight->row.id, clock_utc_us(), &error);
        if (why)
            bridge_flight_fail(flight, why, false);
    }
    self->changed = error != BRIDGE_OK;
    return is_fatal(error) && report_error(self, error, ret_report);
}

/* Says once who is in the way for so long. */
static bool tell_block(struct bridge *self, int64_t now_us, struct adapter_report *ret_report)
{
    if (self->blocked_us == 0 || self->block_told || now_us < self->blocked_us + LOCKED_US)
        return false;
    long holder = db_lock_holder(&self->place);
    self->block_told = true;
    buffer_reset(&self->text);
    buffer_format(&self->text, "%s has been locked for %d s", self->name,
                  (int)((now_us - self->blocked_us) / 1000000));
    if (holder > 0)
        buffer_format(&self->text, ", by process %ld", holder);
    buffer_format(&self->text, "; waiting, %zu queries with it", self->flights.count);
    *ret_report = (struct adapter_report){.kind = ADAPTER_NOTE, .text = buffer_span(&self->text)};
    return true;
}

static bool take_opening(struct bridge *self, int64_t now_us, struct adapter_report *ret_report)
{
    if (now_us >= self->try_us && try_open(self, now_us) != BRIDGE_OK)
        return report_broken(self, ret_report);
    if (self->phase == RUNNING || self->blocked_us != 0)
        return tell_block(self, now_us, ret_report);
    if (self->absence_told)
        return false;
    self->absence_told = true;
    buffer_reset(&self->text);
    buffer_format(&self->text, "waiting for %s: it is not there, or not a bridge yet", self->name);
    *ret_report = (struct adapter_report){.kind = ADAPTER_NOTE, .text = buffer_span(&self->text)};
    return true;
}

static bool take_running(struct bridge *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct bridge_flight *flight;
    bool changed = false;
    if (self->flights.count == 0)
        return false;
    int error = forward_look(self->forward, now_us, see, &self->flights, &changed);
    self->changed = self->changed || changed;
    flight = bridge_flights_first(&self->flights, FLIGHT_WAITING);
    if (error == BRIDGE_OK && flight && now_us >= self->try_us && !forward_is_behind(self->forward))
        error = ask_next(self, flight, now_us);
    if (error != BRIDGE_OK)
        return report_error(self, error, ret_report);
    flight = bridge_flights_first(&self->flights, FLIGHT_FAILED);
    if (flight)
        return report_failed(self, flight, ret_report);
    return take_reply(self, now_us, ret_report) || find_lost(self, now_us, ret_report) ||
           tell_block(self, now_us, ret_report);
}

static bool bridge_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct bridge *self = state;
    bridge_flight_destroy(&self->given);
    if (self->phase == OPENING && take_opening(self, now_us, ret_report))
        return true;
    if (self->phase == RUNNING && !self->ready) {
        self->ready = true;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    if (self->phase == RUNNING)
        return take_running(self, now_us, ret_report);
    if (self->phase != BROKEN)
        return false;
    self->phase = STOPPED;
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE, .text = span_str(self->why)};
    return true;
}

static size_t bridge_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct bridge *self = state;
    if (self->phase != RUNNING || self->flights.count == 0 || forward_fd(self->forward) < 0)
        return 0;
    ret_poll[0] = (struct pollfd){forward_fd(self->forward), POLLIN, 0};
    return 1;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t bridge_due(const void *state)
{
    const struct bridge *self = state;
    if (self->phase == OPENING)
        return self->try_us;
    if (self->phase != RUNNING || self->flights.count == 0)
        return INT64_MAX;
    int64_t due = forward_due(self->forward); /* its safety net looks at the rows, too */
    if (self->changed)
        due = sooner(due, self->lost_us);
    if (bridge_flights_first(&self->flights, FLIGHT_FAILED))
        return 0;
    if (bridge_flights_first(&self->flights, FLIGHT_WAITING) ||
        bridge_flights_first(&self->flights, FLIGHT_REPLIED))
        due = sooner(due, self->try_us);
    return due;
}

const struct adapter adapter_bridge = {
    .name = "bridge",
    .value = "OTHER.db",
    .about = "another bridge: whoever answers there need not know of it",
    .check = bridge_check,
    .make = bridge_make,
    .destroy = bridge_destroy,
    .start = bridge_start,
    .why = bridge_why,
    .offer = bridge_offer,
    .drop = bridge_drop,
    .descriptors = bridge_descriptors,
    .take = bridge_take,
    .due = bridge_due,
    .stop = bridge_stop,
};
