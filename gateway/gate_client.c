#include "gateway/gate_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "adapters/c/tailgate.h"
#include "adapters/zmq/endpoint.h"
#include "proto/limits.h"

#define PATIENCE_MS 2000
#define FAR_MS 10000 /* for a handshake with another host, and its answer */

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

/* The JSON in TEXT when it is an answer; else NULL, and in RET_WHY what WHO said instead. */
static json_t *judge(const struct buffer *text, const char *who, struct buffer *ret_why)
{
    json_t *answer = json_loadb(text->data, text->size, 0, NULL);
    const char *type = json_string_value(json_object_get(answer, "type"));
    if (type && (strcmp(type, "status") == 0 || strcmp(type, "done") == 0))
        return answer;
    const char *said = json_string_value(json_object_get(answer, "error"));
    if (said)
        buffer_format(ret_why, "The gateway (%s) refuses: %s.", who, said);
    else
        buffer_format(ret_why, "What answered (%s) is not a gateway.", who);
    json_decref(answer);
    return NULL;
}

static json_t *ask_place(const struct place *place, const char *service, const char *body,
                         struct buffer *ret_text, struct buffer *ret_why, bool *ret_running)
{
    struct place_holder holder;
    char who[32];
    int error = place_holder(place, &holder);
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
    snprintf(who, sizeof who, "pid %ld", holder.pid);
    return judge(ret_text, who, ret_why);
}

/* Waits for the answer to what was sent: false, and why in RET_WHY, when there is none. */
static bool await(struct tailgate_client *client, const char *gate, struct buffer *ret_text,
                  struct buffer *ret_why, bool *ret_running)
{
    struct tailgate_event event;
    size_t size = 0;
    for (;;) {
        if (tailgate_client_next(client, -1, &event) != TAILGATE_OK)
            continue;
        if (event.kind == TAILGATE_EVENT_REPLY || event.kind == TAILGATE_EVENT_EXPIRED)
            break;
        tailgate_reply_destroy(&event.reply);
        if (event.kind == TAILGATE_EVENT_ABSENT)
            *ret_running = false;
        if (event.kind == TAILGATE_EVENT_ABSENT)
            buffer_format(ret_why, "No gateway listens at %s, or there is no way to it.", gate);
        else if (event.kind == TAILGATE_EVENT_REFUSED)
            buffer_format(ret_why, "%s: %s.", gate, event.text);
        if (ret_why->size > 0)
            return false;
    }
    if (event.kind == TAILGATE_EVENT_EXPIRED) {
        buffer_format(ret_why, "The gateway at %s gave no answer within %d s.", gate,
                      FAR_MS / 1000);
        return false;
    }
    const char *frame = tailgate_reply_frame(event.reply, 0, &size);
    buffer_add(ret_text, span_of(frame, size));
    tailgate_reply_destroy(&event.reply);
    return true;
}

static json_t *ask_far(const struct gate_way *way, const char *service, const char *body,
                       struct buffer *ret_text, struct buffer *ret_why, bool *ret_running)
{
    const struct tailgate_client_options options = {
        .endpoint = way->gate, .cert = way->cert, .server_cert = way->server_cert};
    const struct tailgate_frame frame = {body, strlen(body)};
    struct tailgate_client *client = NULL;
    struct tailgate_request *request = NULL;
    bool answered = false;
    *ret_running = true;
    int code = tailgate_client_new(&options, &client);
    if (code == TAILGATE_OK)
        code = tailgate_client_send(client, service, &frame, 1, FAR_MS, &request);
    if (code != TAILGATE_OK)
        buffer_format(ret_why, "%s: %s.", way->gate, tailgate_error_text(code));
    else
        answered = await(client, way->gate, ret_text, ret_why, ret_running);
    tailgate_request_destroy(&request);
    tailgate_client_destroy(&client);
    return answered ? judge(ret_text, way->gate, ret_why) : NULL;
}

json_t *gate_client_ask(const struct gate_way *way, const char *service, const char *body,
                        struct buffer *ret_text, struct buffer *ret_why, bool *ret_running)
{
    bool running = false;
    json_t *answer = way->gate ? ask_far(way, service, body, ret_text, ret_why, &running)
                               : ask_place(way->place, service, body, ret_text, ret_why, &running);
    if (ret_running)
        *ret_running = running;
    return answer;
}
