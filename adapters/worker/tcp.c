/* A program that listens at HOST:PORT: one JSON object and a line feed out, one JSON object back.
 *
 *            connected                       refused, or the kept one ended
 *   LOOKING ───────────▶ RUNNING ──────────────────────────────────────────▶ GONE
 *    │  ▲ refused: again after a pause
 *    └──┘
 *
 * A connection for each query, by default. Whoever accepts the first one is there; that connection
 * is closed at once, since one that nothing is said on would keep a program that serves its callers
 * one by one from serving the next.
 *
 * Invariants
 *   1. A query is sent over at most one connection, once. When that cannot be made, the query was
 *      not begun and is returned; nothing more is offered then (the report asks for a rest), what
 *      is in flight on other connections ends first, and GONE leads to LOOKING: a program that is
 *      down costs no attempts.
 *   2. A query's connection is closed with its answer, its failure or its drop: what comes later
 *      cannot be taken for another query's answer.
 *   3. With --keep one connection serves all queries, and its end is the end of the program. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/call.h"
#include "adapters/worker/excerpt.h"
#include "adapters/worker/jsonl.h"
#include "adapters/worker/search.h"
#include "proto/jtext.h"

#define REST_US 30000000 /* asked for at most while other queries are in flight; GONE ends it */
#define TURN_READS 2     /* reads at most of one connection in one call of take() */
#define TURN_CALLS 16    /* connections that are looked at in one */

enum phase {
    STOPPED,
    LOOKING,
    RUNNING,
    ENDED /* GONE is to be reported */
};

struct tcp {
    const char *target; /* as written */
    struct reach_place place;
    bool keep;
    size_t room;           /* calls */
    struct call *call;     /* the first one is also the one that looks, and the one that is kept */
    size_t active;         /* calls that a query has */
    struct call *over;     /* its query has ended; the last report borrows from it */
    int epoll;             /* watches the calls; -1 before the first start */
    struct addrinfo *list; /* of the last look */
    struct buffer part;    /* what a report's text is made of */
    enum phase phase;
    struct search search; /* LOOKING */
    bool refused;         /* RUNNING: the last connection could not be made */
    char reason[REACH_HOST + EXCERPT_SIZE + 100];
};

static int tcp_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    struct reach_place place;
    if (reach_read(setup->target, &place) == 0)
        return 0;
    snprintf(ret_why, ADAPTER_WHY, "--tcp %.100s: use HOST:PORT or [IPV6]:PORT, port 1 to 65535",
             setup->target);
    return -1;
}

static void *tcp_make(const struct adapter_setup *setup)
{
    struct tcp *self = memory_zero(1, sizeof *self);
    int code = reach_read(setup->target, &self->place);
    assert(code == 0); /* tcp_check() has seen it */
    self->target = setup->target;
    self->keep = setup->keep;
    self->room = setup->keep ? 1 : setup->slots;
    self->call = memory_zero(self->room, sizeof *self->call);
    for (size_t i = 0; i < self->room; i++)
        call_init(&self->call[i]);
    buffer_init(&self->part);
    self->epoll = -1;
    return self;
}

/* The query of CALL, if it has one, is in flight no more. */
static void end_call(struct tcp *self, struct call *call)
{
    if (call->token)
        self->active--;
    call_end(call);
}

/* To be called first in each call on the instance: nobody borrows from the last report any more. */
static void settle(struct tcp *self)
{
    if (self->over)
        end_call(self, self->over);
    self->over = NULL;
}

/* Ends all connections; SELF->reason says why. */
static void hang_up(struct tcp *self, enum phase phase)
{
    for (size_t i = 0; i < self->room; i++)
        end_call(self, &self->call[i]);
    self->over = NULL;
    self->refused = false;
    self->phase = phase;
}

static void tcp_destroy(void **state)
{
    struct tcp *self = *state;
    *state = NULL;
    if (!self)
        return;
    hang_up(self, STOPPED);
    if (self->epoll >= 0)
        close(self->epoll);
    if (self->list)
        freeaddrinfo(self->list);
    buffer_done(&self->part);
    free(self->call);
    free(self);
}

static int tcp_start(void *state)
{
    struct tcp *self = state;
    if (self->epoll < 0)
        self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0)
        return -errno;
    self->phase = LOOKING;
    search_begin(&self->search);
    return 0;
}

static void watch(struct tcp *self, struct call *call)
{
    call_watch(call, self->epoll, (uint32_t)(call - self->call));
}

static void offer_own(struct tcp *self, struct span token, struct span query)
{
    struct call *call = self->call;
    while (call < self->call + self->room && call->state != CALL_NONE)
        call++;
    assert(call < self->call + self->room); /* at most `slots` are offered */
    call->state = CALL_WANTED;
    call->token = memory_text(token);
    jsonl_add_query(&call->out.bytes, query);
    self->active++;
}

static void tcp_offer(void *state, struct span token, struct span query)
{
    struct tcp *self = state;
    settle(self);
    if (self->phase != RUNNING)
        return;
    if (!self->keep) {
        offer_own(self, token, query);
        return;
    }
    if (outlet_waiting(&self->call->out) > OUTLET_MAX) {
        snprintf(self->reason, sizeof self->reason, "%s does not read its queries", self->target);
        hang_up(self, ENDED);
        return;
    }
    jsonl_add_query(&self->call->out.bytes, query); /* it has its token within */
    watch(self, self->call);
}

static bool tcp_drop(void *state, struct span token, int64_t now_us)
{
    struct tcp *self = state;
    (void)now_us;
    settle(self);
    for (size_t i = 0; i < self->room; i++) {
        if (self->call[i].token && span_is(token, self->call[i].token))
            end_call(self, &self->call[i]);
    }
    return !self->keep;
}

static size_t tcp_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct tcp *self = state;
    if (self->phase != LOOKING && self->phase != RUNNING)
        return 0;
    ret_poll[0] = (struct pollfd){self->epoll, POLLIN, 0};
    return 1;
}

static bool report_gone(struct tcp *self, struct adapter_report *ret_report)
{
    hang_up(self, STOPPED);
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE, .text = span_str(self->reason)};
    return true;
}

/* --- looking for it --- */

static bool absent(struct tcp *self, const char *why, int64_t now_us,
                   struct adapter_report *ret_report)
{
    call_end(self->call);
    if (!search_failed(&self->search, now_us))
        return false;
    snprintf(self->reason, sizeof self->reason, "waiting for %s: %s", self->target, why);
    *ret_report = (struct adapter_report){.kind = ADAPTER_NOTE, .text = span_str(self->reason)};
    return true;
}

/* A name is looked up anew each time, since it may have moved. That may block (reach.h), while
 * nothing is in flight here and the worker is not registered. */
static bool look(struct tcp *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct call *call = self->call;
    if (call->state == CALL_NONE) {
        if (now_us < self->search.again_us)
            return false;
        if (self->list)
            freeaddrinfo(self->list);
        self->list = NULL;
        int unknown = reach_resolve(&self->place, &self->list);
        if (unknown != 0)
            return absent(self, gai_strerror(unknown), now_us, ret_report);
        call->state = CALL_WANTED;
    }
    int code = call_make(call, self->list, now_us);
    if (code < 0)
        return absent(self, strerror(-code), now_us, ret_report);
    if (code > 0 && !self->keep)
        call_end(call);
    else
        watch(self, call);
    if (code == 0)
        return false;
    self->phase = RUNNING;
    *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
    return true;
}

/* --- what it sends --- */

static bool report_end(struct tcp *self, struct call *call, enum adapter_report_kind kind,
                       struct adapter_report *ret_report)
{
    self->over = call;
    *ret_report = (struct adapter_report){
        .kind = kind, .token = span_str(call->token), .text = span_str(self->reason)};
    return true;
}

/* On a query's own connection only that query can be answered. */
static bool report_line(struct tcp *self, struct call *call, struct span line,
                        struct adapter_report *ret_report)
{
    jsonl_report(line, JSONL_OBJECTS, &self->part, ret_report);
    if (self->keep)
        return true;
    if (ret_report->token.size > 0 && !span_is(ret_report->token, call->token)) {
        char shown[EXCERPT_SIZE];
        excerpt_write(line, shown);
        snprintf(self->reason, sizeof self->reason,
                 "the program's answer has another query's token: %s", shown);
        return report_end(self, call, ADAPTER_FAILED, ret_report);
    }
    ret_report->token = span_str(call->token);
    if (ret_report->kind != ADAPTER_PARTIAL)
        self->over = call;
    return true;
}

/* An object counts although its line was not finished: its end shows that it is whole. */
static bool report_last(struct tcp *self, struct call *call, int code,
                        struct adapter_report *ret_report)
{
    struct span rest = span_of(NULL, 0);
    if (code != -EMSGSIZE && lines_rest(&call->in, &rest) && jtext_check(rest) == JTEXT_OBJECT)
        return report_line(self, call, rest,
                           ret_report); /* and the end once more, if that was not it */
    call_explain(self->target, code, self->keep ? "" : " without an answer", rest, self->reason,
                 sizeof self->reason);
    if (self->keep)
        return report_gone(self, ret_report);
    return report_end(self, call, ADAPTER_FAILED, ret_report);
}

/* Nothing of the query was sent. The rest is for what the worker would offer before GONE. */
static bool report_refused(struct tcp *self, struct call *call, int code, int64_t now_us,
                           struct adapter_report *ret_report)
{
    self->refused = true;
    snprintf(self->reason, sizeof self->reason, "%s: %s", self->target, strerror(-code));
    report_end(self, call, ADAPTER_RETURNED, ret_report);
    ret_report->rest_us = now_us + REST_US;
    return true;
}

static bool step(struct tcp *self, struct call *call, int64_t now_us,
                 struct adapter_report *ret_report)
{
    int reads = TURN_READS;
    struct span line;
    if (call->state != CALL_UP) {
        int code = call_make(call, self->list, now_us);
        if (code < 0)
            return report_refused(self, call, code, now_us, ret_report);
        watch(self, call);
        if (code == 0)
            return false;
        self->refused = false;
    }
    int found = call_line(call, &reads, &line);
    watch(self, call);
    if (found > 0)
        return report_line(self, call, line, ret_report);
    return found < 0 && report_last(self, call, found, ret_report);
}

static bool run(struct tcp *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct epoll_event event;
    for (size_t i = 0; i < self->room; i++) {
        if (call_due(&self->call[i]) <= now_us && step(self, &self->call[i], now_us, ret_report))
            return true;
    }
    /* One at a time: those that stay ready go to the end of the queue. */
    for (int i = 0; i < TURN_CALLS && epoll_wait(self->epoll, &event, 1, 0) == 1; i++) {
        if (step(self, &self->call[event.data.u32], now_us, ret_report))
            return true;
    }
    return self->refused && self->active == 0 && report_gone(self, ret_report);
}

static bool tcp_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct tcp *self = state;
    settle(self);
    switch (self->phase) {
    case LOOKING:
        return look(self, now_us, ret_report);
    case RUNNING:
        return run(self, now_us, ret_report);
    case ENDED:
        return report_gone(self, ret_report);
    case STOPPED:
        break;
    }
    return false;
}

static int64_t tcp_due(const void *state)
{
    const struct tcp *self = state;
    int64_t due_us = INT64_MAX;
    if (self->phase == ENDED)
        return 0;
    if (self->phase == LOOKING && self->call->state == CALL_NONE)
        return self->search.again_us;
    for (size_t i = 0; i < self->room && self->phase != STOPPED; i++) {
        int64_t its_us = call_due(&self->call[i]);
        due_us = its_us < due_us ? its_us : due_us;
    }
    return due_us;
}

static void tcp_stop(void *state, int64_t now_us, bool at_once)
{
    struct tcp *self = state;
    (void)now_us;
    (void)at_once;
    settle(self);
    if (self->phase == STOPPED || self->phase == ENDED)
        return;
    snprintf(self->reason, sizeof self->reason, "the connection to %s was closed", self->target);
    hang_up(self, ENDED);
}

static const struct adapter_option own_options[] = {
    {"keep", ADAPTER_FLAG, offsetof(struct adapter_setup, keep), NULL,
     "keep one connection for all queries, JSON lines both ways", 0, 0},
    {.name = NULL},
};

const struct adapter adapter_tcp = {
    .name = "tcp",
    .value = "HOST:PORT",
    .about =
        "a program that listens on TCP: one JSON object to it, one back, a connection for each",
    .options = own_options,
    .check = tcp_check,
    .make = tcp_make,
    .destroy = tcp_destroy,
    .start = tcp_start,
    .offer = tcp_offer,
    .drop = tcp_drop,
    .descriptors = tcp_descriptors,
    .take = tcp_take,
    .due = tcp_due,
    .stop = tcp_stop,
};
