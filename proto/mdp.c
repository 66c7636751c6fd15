#include "proto/mdp.h"

#include <assert.h>

#include "proto/pack.h"

static_assert(MDP_FRAMES_MAX + 2 <= LIMIT_FRAMES,
              "what is written, with its envelope, can be read");

/* The byte of each command of a worker; 0: the version has none. */
static const char command_byte[][MDP_BATCH + 1] = {[MDP_01] = {[MDP_READY] = 1,
                                                               [MDP_REQUEST] = 2,
                                                               [MDP_FINAL] = 3,
                                                               [MDP_HEARTBEAT] = 4,
                                                               [MDP_DISCONNECT] = 5},
                                                   [MDP_02] = {[MDP_READY] = 1,
                                                               [MDP_REQUEST] = 2,
                                                               [MDP_PARTIAL] = 3,
                                                               [MDP_FINAL] = 4,
                                                               [MDP_HEARTBEAT] = 5,
                                                               [MDP_DISCONNECT] = 6,
                                                               [MDP_BATCH] = 7}};

/* The command that FRAME holds; 0 when it is none. */
static unsigned read_command(enum mdp_version version, struct span frame)
{
    if (frame.size != 1 || frame.data[0] == 0)
        return 0;
    for (unsigned command = MDP_READY; command <= MDP_BATCH; command++)
        if (command_byte[version][command] == frame.data[0])
            return command;
    return 0;
}

static bool fits(size_t body_count)
{
    return body_count >= 1 && body_count <= MDP_BODY;
}

static bool client_fits(size_t body_count)
{
    return body_count >= 1 && body_count <= MDP_CLIENT_BODY;
}

/* The address frame, an empty frame, then the body. */
static int read_addressed(const struct span *frame, size_t count, struct mdp_message *ret_message)
{
    if (count < 4 || frame[2].size != 0 || !fits(count - 3))
        return -1;
    ret_message->address = frame[1];
    ret_message->body = frame + 3;
    ret_message->body_count = count - 3;
    return 0;
}

static int read_ready(const struct span *frame, size_t count, struct mdp_message *ret_message)
{
    if (count < 2 || count > 3)
        return -1;
    ret_message->service = frame[1];
    if (count == 3)
        ret_message->options = frame[2];
    return 0;
}

int mdp_read(enum mdp_version version, const struct span *frame, size_t count,
             struct mdp_message *ret_message)
{
    struct mdp_message message = {.command = MDP_READY};
    unsigned command = count > 0 ? read_command(version, frame[0]) : 0;
    int result = -1;

    switch (command) {
    case MDP_READY:
        result = read_ready(frame, count, &message);
        break;
    case MDP_REQUEST:
    case MDP_PARTIAL:
    case MDP_FINAL:
        result = read_addressed(frame, count, &message);
        break;
    case MDP_HEARTBEAT:
        result = count <= 2 ? 0 : -1;
        if (count == 2)
            message.options = frame[1];
        break;
    case MDP_DISCONNECT:
        result = count == 1 ? 0 : -1;
        break;
    case MDP_BATCH:
        result = count == 2 && frame[1].size > 0 ? 0 : -1;
        message.body = frame + 1;
        message.body_count = 1;
        break;
    default:
        break;
    }
    if (result < 0)
        return -1;
    message.command = (enum mdp_command)command;
    *ret_message = message;
    return 0;
}

/* Appends a body to the COUNT frames there are. Returns how many there are then. */
static size_t put_body(const struct span *body, size_t body_count, struct span *frame, size_t count)
{
    assert(client_fits(body_count));
    for (size_t i = 0; i < body_count; i++)
        frame[count++] = body[i];
    return count;
}

size_t mdp_write(enum mdp_version version, const struct mdp_message *message,
                 struct span frame[MDP_FRAMES_MAX])
{
    size_t count = 0;

    assert(command_byte[version][message->command]);
    frame[count++] = span_str(version == MDP_01 ? MDP_WORKER_01 : MDP_WORKER_02);
    frame[count++] = span_of(&command_byte[version][message->command], 1);
    switch (message->command) {
    case MDP_READY:
        frame[count++] = message->service;
        if (message->options.size)
            frame[count++] = message->options;
        break;
    case MDP_REQUEST:
    case MDP_PARTIAL:
    case MDP_FINAL:
        frame[count++] = message->address;
        frame[count++] = span_of("", 0);
        count = put_body(message->body, message->body_count, frame, count);
        break;
    case MDP_HEARTBEAT:
        if (message->options.size)
            frame[count++] = message->options;
        break;
    case MDP_DISCONNECT:
        break;
    case MDP_BATCH:
        frame[count++] = message->body[0];
        break;
    }
    return count;
}

/* --- batches --- */

static bool is_batched(enum mdp_command command)
{
    return command == MDP_REQUEST || command == MDP_PARTIAL || command == MDP_FINAL;
}

bool mdp_batch_suits(const struct mdp_message *message)
{
    return pack_bytes(message->body, message->body_count) < MDP_BATCH_SIZE;
}

void mdp_batch_add(const struct mdp_message *message, struct buffer *ret_body)
{
    struct span frame[MDP_FRAMES_MAX];
    size_t count = mdp_write(MDP_02, message, frame);

    assert(is_batched(message->command));
    pack_write(frame + 1, count - 1, ret_body); /* without the header */
}

int mdp_batch_take(struct span *rest, struct span frame[MDP_FRAMES_MAX],
                   struct mdp_message *ret_message)
{
    struct span after = *rest;
    struct mdp_message message;
    size_t count;

    if (rest->size == 0)
        return 0;
    if (pack_take(&after, frame, MDP_FRAMES_MAX, &count) < 0 ||
        mdp_read(MDP_02, frame, count, &message) < 0 || !is_batched(message.command))
        return -1;
    *rest = after;
    *ret_message = message;
    return 1;
}

/* --- clients --- */

int mdp_client_read(enum mdp_version version, const struct span *frame, size_t count,
                    struct mdp_client_message *ret_message)
{
    enum mdp_client_command command = MDP_CLIENT_REQUEST;
    size_t at = 0;

    if (version == MDP_02) {
        if (count == 0 || frame[0].size != 1)
            return -1;
        if (frame[0].data[0] < MDP_CLIENT_REQUEST || frame[0].data[0] > MDP_CLIENT_FINAL)
            return -1;
        command = (enum mdp_client_command)frame[0].data[0];
        at = 1;
    }
    if (count <= at || frame[at].size == 0 || !client_fits(count - at - 1))
        return -1;
    ret_message->command = command;
    ret_message->service = frame[at];
    ret_message->body = frame + at + 1;
    ret_message->body_count = count - at - 1;
    return 0;
}

size_t mdp_client_write(enum mdp_version version, const struct mdp_client_message *message,
                        struct span frame[MDP_FRAMES_MAX])
{
    static const char command[] = {0, MDP_CLIENT_REQUEST, MDP_CLIENT_PARTIAL, MDP_CLIENT_FINAL};
    size_t count = 0;

    assert(version == MDP_02 || message->command != MDP_CLIENT_PARTIAL);
    frame[count++] = span_str(version == MDP_01 ? MDP_CLIENT_01 : MDP_CLIENT_02);
    if (version == MDP_02)
        frame[count++] = span_of(&command[message->command], 1);
    frame[count++] = message->service;
    return put_body(message->body, message->body_count, frame, count);
}
