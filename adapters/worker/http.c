/* An HTTP server: a query is posted to it, plainly as JSON, or as a chat to what speaks as OpenAI's
 * server does. A query is a transfer; all transfers of an instance are in one curl multi handle.
 *
 *   STOPPED ──start──▶ LOOKING ──a connection was made──▶ SERVING ──stop──▶ STOPPING
 *      ▲                  └────────────────────────────────┘  │ nobody there     │
 *      └──────────────────────────────────────────────────────┴──── GONE ◀───────┘
 *
 * Invariants
 *   1. A query of which nothing was sent, because the server could not be reached, is RETURNED.
 *      Then the server is lost: nothing more is sent, what runs may end, and GONE follows, so that
 *      the worker leaves until start() has found the server again.
 *   2. The key is in the head of requests to the URL's host, and in no text that is reported. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/worker/http_compose.h"
#include "adapters/worker/http_loop.h"
#include "adapters/worker/http_setup.h"
#include "adapters/worker/http_transfer.h"

#define LOOK_FIRST_US 200000 /* between two looks for the server; doubles */
#define LOOK_MAX_US 5000000
#define LOST_REST_US 60000000 /* no new query while the last ones end; GONE ends the rest, too */
#define KEEP_ROOM (1u << 20)  /* storage above this is given back */

enum phase { STOPPED, LOOKING, SERVING, STOPPING };

struct http {
    struct adapter_setup setup;
    enum phase phase;
    struct http_terms terms;
    struct http_loop loop;
    struct transfer **transfer; /* setup.slots of them */
    size_t count;
    size_t turn; /* whose report is next: one that streams cannot silence the others */
    bool lost;   /* the server could not be reached */
    CURL *look;  /* LOOKING: the connection that is being tried */
    char look_error[CURL_ERROR_SIZE];
    CURLcode look_told;        /* what was last said about it */
    int64_t look_us;           /* LOOKING, without a try: when to try again */
    int64_t look_pause_us;     /* before the one after that */
    struct buffer text, token; /* of the last report */
    char reason[ADAPTER_WHY];  /* text of GONE */
};

static void *http_make(const struct adapter_setup *setup)
{
    struct http *self = memory_zero(1, sizeof *self);
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted */
    self->setup = *setup;
    self->transfer = memory_zero(setup->slots, sizeof *self->transfer);
    http_terms_init(&self->terms);
    http_loop_init(&self->loop);
    buffer_init(&self->text);
    buffer_init(&self->token);
    return self;
}

static void end_look(struct http *self)
{
    if (self->look)
        http_loop_remove(&self->loop, self->look);
    curl_easy_cleanup(self->look);
    self->look = NULL;
}

/* Lets go of everything. */
static void clear(struct http *self)
{
    while (self->count > 0)
        transfer_destroy(&self->transfer[--self->count]);
    end_look(self);
    http_loop_close(&self->loop);
    http_terms_close(&self->terms);
    self->lost = false;
    self->phase = STOPPED;
}

static void http_destroy(void **state)
{
    struct http *self = *state;
    *state = NULL;
    if (!self)
        return;
    clear(self);
    buffer_done(&self->text);
    buffer_done(&self->token);
    free(self->transfer);
    free(self);
    curl_global_cleanup();
}

static int http_start(void *state)
{
    struct http *self = state;
    char why[ADAPTER_WHY];
    if (http_terms_open(&self->terms, &self->setup, why) != 0)
        return -EINVAL; /* http_check() has seen it otherwise */
    int code = http_loop_open(&self->loop, self->setup.slots);
    if (code != 0) {
        http_terms_close(&self->terms);
        return code;
    }
    self->phase = LOOKING;
    self->look_us = 0;
    self->look_pause_us = LOOK_FIRST_US;
    self->look_told = CURLE_OK;
    return 0;
}

/* --- queries --- */

static void remove_transfer(struct http *self, size_t at)
{
    transfer_destroy(&self->transfer[at]);
    self->count--;
    memmove(&self->transfer[at], &self->transfer[at + 1],
            (self->count - at) * sizeof *self->transfer);
}

/* It is sent off in take(), which knows the time. */
static void http_offer(void *state, struct span token, struct span query)
{
    struct http *self = state;
    if (self->phase != SERVING || self->count >= self->setup.slots)
        return;
    struct transfer *transfer = transfer_new(&self->terms, token);
    self->transfer[self->count++] = transfer;
    http_compose(&self->terms, query, &transfer->request, &transfer->refusal);
}

static bool http_drop(void *state, struct span token, int64_t now_us)
{
    struct http *self = state;
    self->loop.now_us = now_us;
    for (size_t i = 0; i < self->count; i++) {
        if (span_is(token, self->transfer[i]->token)) {
            remove_transfer(self, i);
            break;
        }
    }
    return true;
}

/* --- looking for the server --- */

static bool say_waiting(struct http *self, CURLcode result, struct adapter_report *ret_report)
{
    const char *words = self->look_error[0] != '\0' ? self->look_error : curl_easy_strerror(result);
    if (result == self->look_told)
        return false;
    self->look_told = result;
    buffer_reset(&self->text);
    buffer_format(&self->text, "waiting for %s: %s", self->terms.url.place, words);
    *ret_report = (struct adapter_report){.kind = ADAPTER_NOTE, .text = buffer_span(&self->text)};
    return true;
}

/* Tries to connect, and, over https, to agree on the encryption, without a request. */
static void look(struct http *self, int64_t now_us)
{
    self->look_error[0] = '\0';
    self->look = curl_easy_init();
    if (self->look) {
        transfer_prepare(self->look, &self->terms.url, self->look_error);
        curl_easy_setopt(self->look, CURLOPT_CONNECT_ONLY, 1L);
        if (http_loop_add(&self->loop, self->look, now_us))
            return;
    }
    curl_easy_cleanup(self->look);
    self->look = NULL;
    self->look_us = now_us + LOOK_MAX_US;
}

static bool take_look(struct http *self, int64_t now_us, struct adapter_report *ret_report)
{
    CURLcode result;
    if (!self->look && now_us >= self->look_us)
        look(self, now_us);
    http_loop_run(&self->loop, now_us);
    if (!self->look || !http_loop_ended(&self->loop, &result))
        return false;
    end_look(self);
    if (result == CURLE_OK) {
        self->phase = SERVING;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    self->look_us = now_us + self->look_pause_us;
    self->look_pause_us *= 2;
    if (self->look_pause_us > LOOK_MAX_US)
        self->look_pause_us = LOOK_MAX_US;
    return say_waiting(self, result, ret_report);
}

/* --- serving --- */

static void begin_new(struct http *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        struct transfer *transfer = self->transfer[i];
        if (transfer->loop || transfer->ended || transfer->refusal.size > 0)
            continue;
        if (self->lost)
            transfer_ended(transfer, CURLE_COULDNT_CONNECT);
        else
            transfer_begin(transfer, &self->loop, now_us);
    }
}

static void run(struct http *self, int64_t now_us)
{
    CURL *easy;
    CURLcode result;
    begin_new(self, now_us);
    http_loop_run(&self->loop, now_us);
    while ((easy = http_loop_ended(&self->loop, &result))) {
        char *transfer = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
        transfer_ended((struct transfer *)(void *)transfer, result);
    }
}

/* The next report on a transfer, which is over with it unless it was a part. */
static bool take_report(struct http *self, int64_t now_us, struct adapter_report *ret_report)
{
    for (size_t i = 0; i < self->count; i++) {
        size_t at = (self->turn + i) % self->count;
        struct transfer *transfer = self->transfer[at];
        if (!transfer_take(transfer, now_us, &self->text, ret_report))
            continue;
        buffer_reset(&self->token);
        buffer_text(&self->token, transfer->token);
        ret_report->token = buffer_span(&self->token);
        self->turn = at + 1;
        if (ret_report->kind != ADAPTER_PARTIAL)
            remove_transfer(self, at);
        if (ret_report->kind == ADAPTER_RETURNED) {
            self->lost = true;
            if (self->count > 0)
                ret_report->rest_us = now_us + LOST_REST_US;
        }
        return true;
    }
    return false;
}

static bool take_end(struct http *self, const char *how, struct adapter_report *ret_report)
{
    snprintf(self->reason, sizeof self->reason, "%s %s", how, self->terms.url.place);
    clear(self);
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE, .text = span_str(self->reason)};
    return true;
}

static bool take_served(struct http *self, int64_t now_us, struct adapter_report *ret_report)
{
    if (take_report(self, now_us, ret_report)) /* what is there already, before more is read */
        return true;
    run(self, now_us);
    if (take_report(self, now_us, ret_report))
        return true;
    return self->lost && self->count == 0 && take_end(self, "lost", ret_report);
}

static bool http_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct http *self = state;
    if (self->text.room > KEEP_ROOM)
        buffer_done(&self->text);
    switch (self->phase) {
    case STOPPED:
        return false;
    case LOOKING:
        return take_look(self, now_us, ret_report);
    case SERVING:
        return take_served(self, now_us, ret_report);
    case STOPPING:
        break;
    }
    return take_end(self, "stopped talking to", ret_report);
}

static size_t http_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct http *self = state;
    if (self->loop.epoll < 0)
        return 0;
    ret_poll[0] = (struct pollfd){.fd = self->loop.epoll, .events = POLLIN};
    return 1;
}

static int64_t http_due(const void *state)
{
    const struct http *self = state;
    if (self->phase == STOPPED)
        return INT64_MAX;
    int64_t due_us = self->loop.timer_us;
    if (self->phase == LOOKING && !self->look && self->look_us < due_us)
        due_us = self->look_us;
    return due_us;
}

static void http_stop(void *state, int64_t now_us, bool at_once)
{
    struct http *self = state;
    (void)at_once;
    self->loop.now_us = now_us;
    if (self->phase != STOPPED)
        self->phase = STOPPING;
}

static const struct adapter_option options[] = {
    {.name = "model",
     .kind = ADAPTER_TEXT,
     .offset = offsetof(struct adapter_setup, model),
     .value = "NAME",
     .help = "chat with this model of an OpenAI-compatible server"},
    {.name = "system",
     .kind = ADAPTER_TEXT,
     .offset = offsetof(struct adapter_setup, system),
     .value = "FILE",
     .help = "with --model: begin every chat with this system prompt"},
    {.name = "contexts",
     .kind = ADAPTER_TEXT,
     .offset = offsetof(struct adapter_setup, contexts),
     .value = "DIR",
     .help = "with --model: add the file of DIR that a query's context_file names"},
    {.name = "whole",
     .kind = ADAPTER_FLAG,
     .offset = offsetof(struct adapter_setup, whole),
     .help = "with --model: do not ask for the answer in pieces"},
    {.name = "key-file",
     .kind = ADAPTER_TEXT,
     .offset = offsetof(struct adapter_setup, key_file),
     .value = "FILE",
     .help = "send the key in the first line of FILE, which only you may read"},
    {.name = "key-env",
     .kind = ADAPTER_TEXT,
     .offset = offsetof(struct adapter_setup, key_env),
     .value = "NAME",
     .help = "send the key in this environment variable"},
    {.name = "send-key-in-clear",
     .kind = ADAPTER_FLAG,
     .offset = offsetof(struct adapter_setup, send_key_in_clear),
     .help = "over http:// to another machine, too, where anybody on the way can read it"},
    {.name = NULL},
};

const struct adapter adapter_http = {
    .name = "http",
    .value = "URL",
    .about = "an HTTP server: JSON is posted to it, or, with --model, a chat",
    .options = options,
    .check = http_check,
    .make = http_make,
    .destroy = http_destroy,
    .start = http_start,
    .offer = http_offer,
    .drop = http_drop,
    .descriptors = http_descriptors,
    .take = http_take,
    .due = http_due,
    .stop = http_stop,
};
