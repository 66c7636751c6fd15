#include "gateway/gate_client.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "adapters/zmq/endpoint.h"
#include "proto/limits.h"

#define PATIENCE_MS 2000

static int set_int(void *socket, int name, int value)
{
    return zmq_setsockopt(socket, name, &value, sizeof value);
}

/* Asks over SOCKET; appends the answer to RET_ANSWER. 0 or -errno (-EAGAIN: none in time). */
static int exchange(void *socket, const char *endpoint, const char *service, const char *body,
                    struct buffer *ret_answer)
{
    const int64_t largest = LIMIT_FRAME_SIZE;
    if (set_int(socket, ZMQ_RCVTIMEO, PATIENCE_MS) || set_int(socket, ZMQ_SNDTIMEO, PATIENCE_MS) ||
        set_int(socket, ZMQ_LINGER, 0) || set_int(socket, ZMQ_IPV6, 1) ||
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) ||
        zmq_connect(socket, endpoint) || zmq_send(socket, "ASK", 3, ZMQ_SNDMORE) < 0 ||
        zmq_send(socket, service, strlen(service), *body ? ZMQ_SNDMORE : 0) < 0 ||
        (*body && zmq_send(socket, body, strlen(body), 0) < 0))
        return -errno;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    int error = zmq_msg_recv(&frame, socket, 0) < 0 ? -errno : 0;
    if (!error)
        buffer_add(ret_answer, span_of(zmq_msg_data(&frame), zmq_msg_size(&frame)));
    zmq_msg_close(&frame);
    return error;
}

static int ask_gateway(const char *endpoint, const char *service, const char *body,
                       struct buffer *ret_answer)
{
    void *context = zmq_ctx_new();
    void *socket = context ? zmq_socket(context, ZMQ_REQ) : NULL;
    int error = socket ? exchange(socket, endpoint, service, body, ret_answer) : -errno;
    if (socket)
        zmq_close(socket);
    if (context)
        zmq_ctx_term(context);
    return error;
}

json_t *gate_client_ask(const struct place *place, const char *service, const char *body,
                        struct buffer *ret_text, struct buffer *ret_why, bool *ret_running)
{
    struct place_holder holder;
    int error = place_holder(place, &holder);
    if (ret_running)
        *ret_running = error == 0;
    if (error == -ESRCH) {
        buffer_text(ret_why, "No gateway is running on this database.");
        return NULL;
    }
    if (error) {
        buffer_format(ret_why, "Whether a gateway runs cannot be told: %s: %s.", place->lock,
                      strerror(-error));
        return NULL;
    }
    const char *endpoint = *holder.gate ? holder.gate : place->gate;
    if (endpoint_read(endpoint) == ENDPOINT_BAD) {
        buffer_format(ret_why, "The gateway (pid %ld) names no usable endpoint.", holder.pid);
        return NULL;
    }
    error = ask_gateway(endpoint, service, body, ret_text);
    if (error) {
        buffer_format(ret_why, "The gateway (pid %ld) gave no answer at %s: %s.", holder.pid,
                      endpoint, error == -EAGAIN ? "none within 2 s" : zmq_strerror(-error));
        return NULL;
    }
    json_t *answer = json_loadb(ret_text->data, ret_text->size, 0, NULL);
    const char *type = json_string_value(json_object_get(answer, "type"));
    if (type && (strcmp(type, "status") == 0 || strcmp(type, "done") == 0))
        return answer;
    const char *said = json_string_value(json_object_get(answer, "error"));
    if (said)
        buffer_format(ret_why, "The gateway (pid %ld) refuses: %s.", holder.pid, said);
    else
        buffer_format(ret_why, "What answered at %s is not a gateway.", endpoint);
    json_decref(answer);
    return NULL;
}
