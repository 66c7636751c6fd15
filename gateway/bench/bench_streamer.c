#include "gateway/bench/bench_streamer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_role.h"
#include "proto/buffer.h"

#define QUERY_US 60000 /* ms that the next query may take to come */
#define TOKEN_SIZE 256

enum { REQUEST = 2, PARTIAL = 3, FINAL = 4 };

struct token {
    size_t size;
    char text[TOKEN_SIZE];
};

static void *connect_to(int type, const char *endpoint)
{
    void *socket = zmq_socket(zmq_ctx_new(), type);
    int all = 0;

    zmq_setsockopt(socket, ZMQ_SNDHWM, &all, sizeof all);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &all, sizeof all);
    if (zmq_connect(socket, endpoint) == 0)
        return socket;
    bench_fail("%s: %s", endpoint, zmq_strerror(errno));
    return NULL;
}

static void say(void *socket, char command, const struct token *token, const char *text)
{
    zmq_send(socket, "MDPW02", 6, ZMQ_SNDMORE);
    zmq_send(socket, &command, 1, ZMQ_SNDMORE);
    zmq_send(socket, token->text, token->size, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    zmq_send(socket, text, strlen(text), 0);
}

/* Reads a message. Returns whether it is a REQUEST, whose token goes to *RET_TOKEN. */
static bool hear(void *socket, int flags, struct token *ret_token)
{
    char frame[TOKEN_SIZE];
    bool request = false, more = true;

    for (size_t i = 0; more; i++) {
        size_t room = sizeof more;
        int size = zmq_recv(socket, frame, sizeof frame, flags), rest;
        if (size < 0)
            return false;
        room = sizeof rest;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &rest, &room);
        more = rest;
        if (i == 1)
            request = size == 1 && frame[0] == REQUEST;
        if (i == 2 && request && size <= TOKEN_SIZE) {
            ret_token->size = (size_t)size;
            memcpy(ret_token->text, frame, (size_t)size);
        }
    }
    return request;
}

static int take_all(const struct bench_streamer *self, void *socket, struct token *token)
{
    int64_t until_us = clock_mono_us() + QUERY_US * INT64_C(1000);
    char options[64];
    size_t taken = 0;
    int patience_ms = 1000;

    snprintf(options, sizeof options, "{\"name\":\"streamer\",\"slots\":%zu}", self->streams);
    zmq_send(socket, "MDPW02", 6, ZMQ_SNDMORE);
    zmq_send(socket, "\1", 1, ZMQ_SNDMORE);
    zmq_send(socket, "*", 1, ZMQ_SNDMORE);
    zmq_send(socket, options, strlen(options), 0);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    while (taken < self->streams) {
        if (hear(socket, 0, &token[taken]))
            taken++;
        else if (clock_mono_us() > until_us)
            return bench_fail("%zu of %zu queries came", taken, self->streams);
    }
    return 0;
}

static void say_all(const struct bench_streamer *self, void *socket, const struct token *token)
{
    int64_t due_us = clock_mono_us();
    struct token unused;
    char text[32];

    for (uint64_t i = 0; i < self->parts; i++) {
        snprintf(text, sizeof text, "%" PRIu64 " ", i);
        atomic_store(&self->board->trip[i].committed_us, clock_mono_us());
        say(socket, PARTIAL, &token[i % self->streams], text);
        due_us += self->pause_us; /* what is late is made up for: the rate is what counts */
        if (due_us > clock_mono_us())
            bench_sleep(due_us - clock_mono_us());
        hear(socket, ZMQ_DONTWAIT, &unused); /* a heartbeat */
    }
    for (size_t i = 0; i < self->streams; i++)
        say(socket, FINAL, &token[i], "{\"answer\":\"that was it\"}");
}

int bench_streamer_run(const void *work)
{
    const struct bench_streamer *self = work;
    void *socket = connect_to(ZMQ_DEALER, self->site->gate);
    struct token *token = memory_zero(self->streams, sizeof *token), unused;
    int code = socket ? take_all(self, socket, token) : -1;

    if (code == 0) {
        say_all(self, socket, token);
        atomic_fetch_add(&self->board->extra[BENCH_EXTRA_SAID], 1);
        for (;;) /* closing the connection would lose what the gateway has not read */
            hear(socket, 0, &unused);
    }
    free(token);
    return code;
}

/* The number that is the text of an event; UINT64_MAX: it has none. */
static uint64_t part_of(const char *event, size_t size)
{
    static const char key[] = "\"text\":\"";
    const char *at = memmem(event, size, key, sizeof key - 1);

    return at ? strtoull(at + sizeof key - 1, NULL, 10) : UINT64_MAX;
}

int bench_reader_run(const void *work)
{
    const struct bench_streamer *self = work;
    void *socket = connect_to(ZMQ_SUB, self->site->events);
    char event[4096];

    if (!socket)
        return -1;
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "partial/", 8);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "gateway/welcome", 15);
    for (;;) {
        int size = zmq_recv(socket, event, sizeof event - 1, 0);
        uint64_t part;
        if (size < 0)
            return bench_fail("an observer: %s", zmq_strerror(errno));
        if (size > 15 && memcmp(event, "gateway/welcome", 15) == 0)
            atomic_fetch_add(&self->board->ready, 1);
        if (size == 0 || event[0] != '{')
            continue; /* topic, seq */
        event[size < (int)sizeof event ? size : (int)sizeof event - 1] = '\0';
        part = part_of(event, strlen(event));
        if (part < self->board->room)
            atomic_store(&self->board->trip[part].received_us, clock_mono_us());
    }
}
