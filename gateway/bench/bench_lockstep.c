/* The shortest worker there is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "gateway/bench/bench_worker.h"
#include "proto/buffer.h"

static int work(const struct bench_worker *worker, void *socket, const char *answer, size_t size)
{
    zmq_msg_t query;

    zmq_msg_init(&query);
    zmq_send(socket, "READY", 5, 0);
    atomic_fetch_add(&worker->board->ready, 1);
    while (zmq_msg_recv(&query, socket, 0) >= 0) {
        bench_board_received(worker->board,
                             bench_query_number(zmq_msg_data(&query), zmq_msg_size(&query)));
        zmq_send(socket, answer, size, 0);
    }
    zmq_msg_close(&query);
    return bench_fail("a worker cannot receive: %s", zmq_strerror(errno));
}

int bench_lockstep_run(const struct bench_worker *worker, void *context)
{
    char *answer = memory_new(worker->size + BENCH_TEXT_LEAST);
    size_t size = bench_answer_text(worker->size, answer);
    void *socket = zmq_socket(context, ZMQ_REQ);
    int code = zmq_connect(socket, worker->gate);

    code = code == 0 ? work(worker, socket, answer, size)
                     : bench_fail("%s: %s", worker->gate, zmq_strerror(errno));
    zmq_close(socket);
    free(answer);
    return code;
}
