/* `tailgate status`: asks the running gateway; without one, shows what the file alone tells. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <zmq.h>

#include "adapters/host/clock.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/command.h"
#include "gateway/escape.h"
#include "gateway/problem.h"
#include "gateway/status_file.h"
#include "gateway/status_view.h"
#include "gateway/terminal.h"
#include "proto/jtext.h"

#define PATIENCE_MS 2000

static struct {
    const char *db;
    bool json;
} option;

static const struct cli_option options[] = {
    {"db", 'd', CLI_TEXT, &option.db, "FILE", "the bridge database", 0, 0},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print one JSON object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static int set_int(void *socket, int name, int value)
{
    return zmq_setsockopt(socket, name, &value, sizeof value);
}

/* Asks over SOCKET; appends the answer to RET_ANSWER. 0 or -errno (-EAGAIN: none in time). */
static int exchange(void *socket, const char *endpoint, struct buffer *ret_answer)
{
    const int64_t largest = LIMIT_FRAME_SIZE;
    if (set_int(socket, ZMQ_RCVTIMEO, PATIENCE_MS) || set_int(socket, ZMQ_SNDTIMEO, PATIENCE_MS) ||
        set_int(socket, ZMQ_LINGER, 0) || set_int(socket, ZMQ_IPV6, 1) ||
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) ||
        zmq_connect(socket, endpoint) || zmq_send(socket, "ASK", 3, ZMQ_SNDMORE) < 0 ||
        zmq_send(socket, "tailgate.status", 15, 0) < 0)
        return -errno;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    int error = zmq_msg_recv(&frame, socket, 0) < 0 ? -errno : 0;
    if (!error)
        buffer_add(ret_answer, span_of(zmq_msg_data(&frame), zmq_msg_size(&frame)));
    zmq_msg_close(&frame);
    return error;
}

static int ask_gateway(const char *endpoint, struct buffer *ret_answer)
{
    void *context = zmq_ctx_new();
    void *socket = context ? zmq_socket(context, ZMQ_REQ) : NULL;
    int error = socket ? exchange(socket, endpoint, ret_answer) : -errno;
    if (socket)
        zmq_close(socket);
    if (context)
        zmq_ctx_term(context);
    return error;
}

/* The gateway's answer as JSON, or NULL: then *ret_why says in a few words why there is none. */
static json_t *gateway_status(const struct place *place, struct buffer *answer,
                              struct buffer *ret_why)
{
    struct place_holder holder;
    int error = place_holder(place, &holder);
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
    error = ask_gateway(endpoint, answer);
    if (error) {
        buffer_format(ret_why, "The gateway (pid %ld) gave no answer at %s: %s.", holder.pid,
                      endpoint, error == -EAGAIN ? "none within 2 s" : zmq_strerror(-error));
        return NULL;
    }
    json_t *status = json_loadb(answer->data, answer->size, 0, NULL);
    if (json_is_object(json_object_get(status, "gateway")))
        return status;
    json_decref(status);
    buffer_format(ret_why, "What answered at %s is not a gateway.", endpoint);
    return NULL;
}

static int show_file(const struct place *place, struct span why)
{
    struct status_file view;
    int error = status_file_read(place, clock_utc_us(), &view);
    if (error)
        return problem_bridge("status", place, error, NULL);
    struct buffer out;
    buffer_init(&out);
    if (option.json) {
        buffer_text(&out, "{\"gateway\":null");
        jtext_member(&out, "why", why);
        buffer_text(&out, ",\"file\":");
        status_file_json(&view, place, &out);
        buffer_byte(&out, '}');
        terminal_put(buffer_span(&out));
    } else {
        escape_text(&out, why, ESCAPE_CELL);
        buffer_text(&out, " What the file shows:\n\nDatabase       ");
        escape_text(&out, span_str(place->db), ESCAPE_CELL);
        printf("%s\n", out.data);
        status_file_print(&view);
    }
    buffer_done(&out);
    status_file_done(&view);
    return CLI_OK;
}

static int show(const struct place *place)
{
    int code = CLI_OK;
    struct buffer answer, why;
    buffer_init(&answer);
    buffer_init(&why);
    json_t *status = gateway_status(place, &answer, &why);
    if (!status)
        code = show_file(place, buffer_span(&why));
    else if (option.json)
        terminal_put(buffer_span(&answer));
    else
        status_view_print(status);
    json_decref(status);
    buffer_done(&answer);
    buffer_done(&why);
    return code;
}

static int run_status(int argc, char **argv)
{
    int first, code = cli_parse(&cmd_status, options, argc, argv, &first);
    if (code >= 0)
        return code;
    if (!option.db)
        return cli_fail("status", CLI_USAGE, "name the bridge database: --db FILE");
    if (first < argc)
        return cli_fail("status", CLI_USAGE, "%s is one word too many", argv[first]);
    struct place place;
    int error = place_find(option.db, &place);
    if (error)
        return problem_place("status", option.db, error);
    code = show(&place);
    if (fflush(stdout))
        return cli_fail("status", CLI_FAILED, "stdout: %s", strerror(errno));
    return code;
}

const struct cli_command cmd_status = {
    .name = "status",
    .usage = "status --db FILE [--json]",
    .about = "show what waits, what is being answered, and by whom",
    .details =
        "Asks the gateway that serves the database: what waits for each service, the workers, what "
        "was answered and retried, and how the gateway noticed new rows. When none runs it says so "
        "and shows what the file alone tells. Exit status 0 in both cases.\n",
    .run = run_status,
};
