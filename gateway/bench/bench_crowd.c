#include "gateway/bench/bench_crowd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_worker.h"
#include "proto/buffer.h"
#include "proto/event_batch.h"

#define FRAMES 8
#define EVENTS 64
#define AWAIT_US 120000000

struct member {
    void *socket;
    bool there; /* has heard from the gateway */
};

struct hall {
    const struct bench_crowd *crowd;
    struct member *member;
    void *context;
    int epoll;
    char *answer;
    size_t answer_size;
};

void bench_crowd_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Its heartbeats are so far apart that none is due while something is measured. */
static int join_worker(void *socket, size_t index, const struct bench_crowd *crowd)
{
    char options[128];

    snprintf(options, sizeof options,
             "{\"name\":\"crowd-%zu\",\"slots\":%u,\"heartbeats\":true,\"interval\":60000}", index,
             crowd->slots);
    if (zmq_connect(socket, crowd->site->gate) != 0)
        return -1;
    zmq_send(socket, "MDPW02", 6, ZMQ_SNDMORE);
    zmq_send(socket, "\1", 1, ZMQ_SNDMORE);
    zmq_send(socket, "*", 1, ZMQ_SNDMORE);
    return zmq_send(socket, options, strlen(options), 0) < 0 ? -1 : 0;
}

static int join_observer(void *socket, size_t index, const struct bench_crowd *crowd)
{
    static const char *const kind[] = {"query", "response"};
    char topic[64], conversation[BENCH_CONVERSATION_SIZE] = "";
    int all = 0;

    if (crowd->kind == BENCH_CROWD_OF_ONE)
        bench_conversation(index % crowd->site->conversations, conversation);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &all, sizeof all);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "gateway/welcome", 15);
    for (size_t i = 0; i < 2; i++) {
        snprintf(topic, sizeof topic, "%s/%s", kind[i], conversation);
        if (crowd->kind == BENCH_CROWD_OF_ONE)
            zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, strlen(topic));
    }
    if (crowd->kind != BENCH_CROWD_OF_ONE)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    return zmq_connect(socket, crowd->kind == BENCH_CROWD_BATCHED ? crowd->site->batches
                                                                  : crowd->site->events);
}

static int join(struct hall *hall, size_t index)
{
    const struct bench_crowd *crowd = hall->crowd;
    bool works = crowd->kind == BENCH_CROWD_WORKERS;
    void *socket = zmq_socket(hall->context, works ? ZMQ_DEALER : ZMQ_SUB);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    int none = 0, handle;
    size_t size = sizeof handle;

    if (!socket)
        return bench_fail("connection %zu of %zu: %s", index + 1, crowd->count,
                          zmq_strerror(errno));
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    hall->member[index].socket = socket;
    if ((works ? join_worker(socket, index, crowd) : join_observer(socket, index, crowd)) != 0 ||
        zmq_getsockopt(socket, ZMQ_FD, &handle, &size) != 0 ||
        epoll_ctl(hall->epoll, EPOLL_CTL_ADD, handle, &event) != 0)
        return bench_fail("connection %zu of %zu: %s", index + 1, crowd->count,
                          zmq_strerror(errno));
    return 0;
}

/* A REQUEST: header, command, client address, nothing, body. */
static void answer(struct hall *hall, void *socket, zmq_msg_t *frame, size_t count)
{
    if (count != 5 || zmq_msg_size(&frame[1]) != 1 || *(char *)zmq_msg_data(&frame[1]) != 2)
        return;
    bench_board_received(hall->crowd->board,
                         bench_query_number(zmq_msg_data(&frame[4]), zmq_msg_size(&frame[4])));
    zmq_send(socket, "MDPW02", 6, ZMQ_SNDMORE);
    zmq_send(socket, "\4", 1, ZMQ_SNDMORE);
    zmq_msg_send(&frame[2], socket, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    zmq_send(socket, hall->answer, hall->answer_size, 0);
}

static struct span span_of_message(zmq_msg_t *frame)
{
    return span_of(zmq_msg_data(frame), zmq_msg_size(frame));
}

static void count_row(struct hall *hall, struct span topic)
{
    _Atomic uint64_t *extra = hall->crowd->board->extra;
    bool response = span_starts(topic, "response/");

    if (response || span_starts(topic, "query/"))
        atomic_fetch_add_explicit(&extra[BENCH_EXTRA_ROWS], 1, memory_order_relaxed);
    if (response)
        atomic_fetch_add_explicit(&extra[BENCH_EXTRA_RESPONSES], 1, memory_order_relaxed);
}

/* An event, or a batch of them; or neither. */
static void count_rows(struct hall *hall, zmq_msg_t *frame, size_t count)
{
    struct span event[EVENT_BATCH_FRAMES], rest = span_of(NULL, 0);

    if (count == EVENT_BATCH_FRAMES)
        count_row(hall, span_of_message(&frame[0]));
    else if (count == 2)
        rest = span_of_message(&frame[1]);
    while (event_batch_take(&rest, event) == 0)
        count_row(hall, event[0]);
}

/* The frames of a message, at most FRAMES of them; 0: none is there. */
static size_t hear(void *socket, zmq_msg_t frame[FRAMES])
{
    size_t count = 0;
    bool more = true;

    while (more && count < FRAMES) {
        zmq_msg_init(&frame[count]);
        if (zmq_msg_recv(&frame[count], socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame[count]);
            break;
        }
        more = zmq_msg_more(&frame[count++]);
    }
    return count;
}

/* Until there is nothing more, for only then does its descriptor tell of what comes next. */
static void drain(struct hall *hall, struct member *member)
{
    zmq_msg_t frame[FRAMES];
    size_t count;

    while ((count = hear(member->socket, frame)) > 0) {
        if (!member->there)
            atomic_fetch_add(&hall->crowd->board->extra[BENCH_EXTRA_THERE], 1);
        member->there = true;
        if (hall->crowd->kind == BENCH_CROWD_WORKERS)
            answer(hall, member->socket, frame, count);
        else
            count_rows(hall, frame, count);
        for (size_t i = 0; i < count; i++)
            zmq_msg_close(&frame[i]);
    }
}

static int serve(struct hall *hall)
{
    struct epoll_event event[EVENTS];

    for (size_t i = 0; i < hall->crowd->count; i++)
        drain(hall, &hall->member[i]);
    for (;;) {
        int count = epoll_wait(hall->epoll, event, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            return bench_fail("a crowd: %s", strerror(errno));
        for (int i = 0; i < count; i++)
            drain(hall, &hall->member[event[i].data.u64]);
    }
}

/* Ends with its process only, which is what closes its sockets. */
static int run(const void *work)
{
    const struct bench_crowd *crowd = work;
    struct hall hall = {.crowd = crowd, .context = zmq_ctx_new(), .epoll = epoll_create1(0)};
    int code = 0;

    zmq_ctx_set(hall.context, ZMQ_MAX_SOCKETS, (int)crowd->count + 16);
    hall.member = memory_zero(crowd->count, sizeof *hall.member);
    hall.answer = memory_new(crowd->site->bench->size + BENCH_TEXT_LEAST);
    hall.answer_size = bench_answer_text(crowd->site->bench->size, hall.answer);
    for (size_t i = 0; i < crowd->count && code == 0; i++)
        code = join(&hall, i);
    return code == 0 ? serve(&hall) : code;
}

int bench_crowd_start(const struct bench_crowd *crowd, struct bench_role *ret_role)
{
    return bench_role_start(crowd->kind == BENCH_CROWD_WORKERS ? "a crowd of workers"
                                                               : "a crowd of observers",
                            run, crowd, ret_role);
}

int bench_crowd_await(struct bench_board *board, size_t count)
{
    int64_t until_us = clock_mono_us() + AWAIT_US;

    while (atomic_load(&board->extra[BENCH_EXTRA_THERE]) < count) {
        if (clock_mono_us() > until_us)
            return bench_fail("%d of %zu connections came about",
                              (int)atomic_load(&board->extra[BENCH_EXTRA_THERE]), count);
        bench_sleep(10000);
    }
    return 0;
}
