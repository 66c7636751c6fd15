#include "gateway/bench/bench_bare_router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "adapters/host/clock.h"
#include "proto/buffer.h"

#define PATIENCE_US 120000000
#define WORKERS_MAX 64

struct router {
    const struct bench_bare_router *work;
    void *socket;
    char *text;    /* of a query */
    uint64_t sent; /* queries */
};

/* What stands before a query: an empty frame for a REQ socket, else Majordomo's header and address.
 */
static void send_query(struct router *self, const void *peer, size_t peer_size)
{
    size_t size = bench_query_text(self->sent, self->work->size, self->text);

    if (self->work->pause_us) {
        bench_sleep(self->work->pause_us);
        atomic_store(&self->work->worker->board->trip[self->sent].asked_us, clock_mono_us());
    }
    self->sent++;
    zmq_send(self->socket, peer, peer_size, ZMQ_SNDMORE);
    if (self->work->worker->peer != BENCH_REQ) {
        zmq_send(self->socket, "MDPW02", 6, ZMQ_SNDMORE);
        zmq_send(self->socket, "\x02", 1, ZMQ_SNDMORE);
        zmq_send(self->socket, "1", 1, ZMQ_SNDMORE);
    }
    zmq_send(self->socket, "", 0, ZMQ_SNDMORE);
    zmq_send(self->socket, self->text, size, 0);
}

/* Receives a whole message and keeps its first frame, the peer. Returns whether it was an answer;
 * what a READY ends with is no answer of ours. -1: nothing can be received. */
static int hear(struct router *self, zmq_msg_t *peer)
{
    zmq_msg_t frame;
    bool is_answer = false;
    int more = 1;

    if (zmq_msg_recv(peer, self->socket, 0) < 0)
        return -1;
    zmq_msg_init(&frame);
    while (more && zmq_msg_recv(&frame, self->socket, 0) >= 0) {
        more = zmq_msg_more(&frame);
        is_answer = zmq_msg_size(&frame) > 9 && memcmp(zmq_msg_data(&frame), "{\"answer\"", 9) == 0;
    }
    zmq_msg_close(&frame);
    return is_answer;
}

static int route(struct router *self)
{
    const struct bench_bare_router *work = self->work;
    uint64_t answers = 0;
    zmq_msg_t peer;

    zmq_msg_init(&peer);
    while (answers < work->count) {
        int is_answer = hear(self, &peer);
        unsigned room = is_answer || work->worker->peer == BENCH_REQ ? 1 : work->worker->slots;
        if (is_answer < 0)
            return bench_fail("the bare router cannot receive: %s", zmq_strerror(errno));
        if (is_answer && work->pause_us)
            atomic_store(&work->worker->board->trip[answers].visible_us, clock_mono_us());
        answers += (uint64_t)is_answer;
        while (room-- && self->sent < work->count)
            send_query(self, zmq_msg_data(&peer), zmq_msg_size(&peer));
    }
    atomic_store(work->ended_us, clock_mono_us());
    zmq_msg_close(&peer);
    return 0;
}

int bench_bare_router_run(const void *with)
{
    struct router self = {.work = with};
    void *context = zmq_ctx_new();
    int none = 0, code;

    self.socket = zmq_socket(context, ZMQ_ROUTER);
    self.text = memory_new(self.work->size + BENCH_TEXT_LEAST);
    zmq_setsockopt(self.socket, ZMQ_LINGER, &none, sizeof none);
    if (zmq_bind(self.socket, self.work->worker->gate) != 0)
        code = bench_fail("%s: %s", self.work->worker->gate, zmq_strerror(errno));
    else {
        atomic_fetch_add(&self.work->worker->board->ready, 1);
        code = route(&self);
    }
    zmq_close(self.socket);
    zmq_ctx_term(context);
    free(self.text);
    return code;
}

static int run(const struct bench_bare_router *router, size_t workers)
{
    const struct bench_worker *worker = router->worker;
    struct bench_role role[WORKERS_MAX], bare;
    uint64_t ready = atomic_load(&worker->board->ready); /* in an earlier run on this board */
    int code;

    if (workers > WORKERS_MAX ||
        bench_role_start("the bare router", bench_bare_router_run, router, &bare) < 0)
        return -1;
    memset(role, 0, sizeof role);
    code = bench_board_await_ready(worker->board, ready + 1); /* before a worker looks for it */
    if (code == 0)
        code = bench_workers_start(worker, workers, role);
    if (code == 0)
        code = bench_role_wait(&bare, PATIENCE_US);
    if (bench_roles_end(role, workers) < 0)
        code = -1;
    return code;
}

int bench_bare_route(const struct bench_worker *worker, size_t workers, size_t size, uint64_t count,
                     double *ret_per_s)
{
    const struct bench_bare_router router = {
        .worker = worker,
        .size = size,
        .count = count,
        .ended_us = &worker->board->ended_us,
    };
    int code = run(&router, workers);
    int64_t lasted_us = worker->board->ended_us - worker->board->first_us;

    *ret_per_s = lasted_us > 0 ? (double)count * 1e6 / (double)lasted_us : 0;
    return code;
}

int bench_bare_hop(const struct bench_worker *worker, size_t size, uint64_t count, int64_t pause_us)
{
    const struct bench_bare_router router = {
        .worker = worker,
        .size = size,
        .count = count,
        .pause_us = pause_us,
        .ended_us = &worker->board->ended_us,
    };

    return run(&router, 1);
}
