#include "gateway/bench/bench_worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/buffer.h"
#include "proto/mdp.h"

#define FRAMES 8
#define BEAT_MS 1000

/* Majordomo's commands: 0.2, and 0.1 where it differs. */
enum { READY = 1, REQUEST = 2, FINAL_01 = 3, FINAL_02 = 4, BEAT_01 = 4, BEAT_02 = 5 };
enum { DISCONNECT_01 = 5, DISCONNECT_02 = 6 };

struct desk {
    const struct bench_worker *worker;
    bool old; /* 0.1: an empty frame leads */
    void *socket;
    char *answer;
    size_t answer_size;
};

size_t bench_answer_text(size_t size, char *ret_text)
{
    static const char head[] = "{\"answer\":\"";
    size_t used = sizeof head - 1, whole = size < used + 3 ? used + 3 : size;

    memcpy(ret_text, head, used);
    memset(ret_text + used, 'x', whole - used - 2);
    memcpy(ret_text + whole - 2, "\"}", 3);
    return whole;
}

static void say(const struct desk *desk, char command, bool more)
{
    if (desk->old)
        zmq_send(desk->socket, "", 0, ZMQ_SNDMORE);
    zmq_send(desk->socket, desk->old ? "MDPW01" : "MDPW02", 6, ZMQ_SNDMORE);
    zmq_send(desk->socket, &command, 1, more ? ZMQ_SNDMORE : 0);
}

static void register_there(const struct desk *desk)
{
    const struct bench_worker *worker = desk->worker;
    bool plain = worker->peer != BENCH_SLOTS;
    char options[128];

    say(desk, READY, true);
    zmq_send(desk->socket, worker->service, strlen(worker->service), plain ? 0 : ZMQ_SNDMORE);
    if (plain)
        return;
    snprintf(options, sizeof options,
             "{\"name\":\"bench-%d\",\"slots\":%u,\"heartbeats\":true,\"interval\":2500,"
             "\"batches\":true}",
             (int)getpid(), worker->slots);
    zmq_send(desk->socket, options, strlen(options), 0);
}

/* The frames of a message; those from *ret_count on are not initialized. 0, or -1: none came. */
static int hear(const struct desk *desk, zmq_msg_t frame[FRAMES], size_t *ret_count)
{
    size_t count = 0;
    bool more = true;

    while (more && count < FRAMES) {
        zmq_msg_init(&frame[count]);
        if (zmq_msg_recv(&frame[count], desk->socket, 0) < 0) {
            zmq_msg_close(&frame[count]);
            break;
        }
        more = zmq_msg_more(&frame[count++]);
    }
    *ret_count = count;
    return count > 0 ? 0 : -1;
}

/* ADDRESS is given back as it came. */
static void answer(const struct desk *desk, zmq_msg_t *address, zmq_msg_t *body)
{
    uint64_t number = bench_query_number(zmq_msg_data(body), zmq_msg_size(body));

    bench_board_received(desk->worker->board, number);
    say(desk, desk->old ? FINAL_01 : FINAL_02, true);
    zmq_msg_send(address, desk->socket, ZMQ_SNDMORE);
    zmq_send(desk->socket, "", 0, ZMQ_SNDMORE);
    zmq_send(desk->socket, desk->answer, desk->answer_size, 0);
}

/* Answers all of a batch with one. */
static void answer_all(const struct desk *desk, zmq_msg_t *batch)
{
    struct span rest = span_of(zmq_msg_data(batch), zmq_msg_size(batch)), frame[MDP_FRAMES_MAX];
    const struct span text = span_of(desk->answer, desk->answer_size);
    struct mdp_message message;
    struct buffer body;

    buffer_init(&body);
    while (mdp_batch_take(&rest, frame, &message) == 1) {
        struct span query = message.body[0];
        const struct mdp_message final = {
            .command = MDP_FINAL, .address = message.address, .body = &text, .body_count = 1};
        bench_board_received(desk->worker->board, bench_query_number(query.data, query.size));
        mdp_batch_add(&final, &body);
    }
    say(desk, MDP_BATCH, true);
    zmq_send(desk->socket, body.data, body.size, 0);
    buffer_done(&body);
}

static void take(const struct desk *desk, zmq_msg_t *frame, size_t count)
{
    size_t first = desk->old ? 2 : 1; /* behind the header */
    char command;

    if (count <= first || zmq_msg_size(&frame[first]) != 1)
        return;
    command = *(const char *)zmq_msg_data(&frame[first]);
    if (command == REQUEST && count == first + 4)
        answer(desk, &frame[first + 1], &frame[first + 3]);
    else if (!desk->old && command == MDP_BATCH && count == 3)
        answer_all(desk, &frame[2]);
    else if (command == (desk->old ? DISCONNECT_01 : DISCONNECT_02))
        register_there(desk);
}

static int work(const struct desk *desk)
{
    zmq_msg_t frame[FRAMES];
    size_t count;

    register_there(desk);
    atomic_fetch_add(&desk->worker->board->ready, 1);
    for (;;) {
        if (hear(desk, frame, &count) == 0)
            take(desk, frame, count);
        else if (errno == EAGAIN)
            say(desk, desk->old ? BEAT_01 : BEAT_02, false);
        else
            return bench_fail("a worker cannot receive: %s", zmq_strerror(errno));
        for (size_t i = 0; i < count; i++)
            zmq_msg_close(&frame[i]);
    }
}

int bench_worker_run(const void *with)
{
    const struct bench_worker *worker = with;
    void *context = zmq_ctx_new();
    struct desk desk = {.worker = worker, .old = worker->peer == BENCH_STOCK_01};
    int beat = BEAT_MS, none = 0, code;

    if (worker->peer == BENCH_REQ)
        return bench_lockstep_run(worker, context);
    desk.answer = memory_new(worker->size + BENCH_TEXT_LEAST);
    desk.answer_size = bench_answer_text(worker->size, desk.answer);
    desk.socket = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(desk.socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(desk.socket, ZMQ_RCVTIMEO, &beat, sizeof beat);
    if (zmq_connect(desk.socket, worker->gate) != 0)
        code = bench_fail("%s: %s", worker->gate, zmq_strerror(errno));
    else
        code = work(&desk);
    zmq_close(desk.socket);
    free(desk.answer);
    return code;
}

int bench_workers_start(const struct bench_worker *worker, size_t count,
                        struct bench_role *ret_role)
{
    memset(ret_role, 0, count * sizeof *ret_role);
    for (size_t i = 0; i < count; i++) {
        if (bench_role_start("a worker", bench_worker_run, worker, &ret_role[i]) < 0) {
            bench_roles_end(ret_role, count);
            return -1;
        }
    }
    return 0;
}
