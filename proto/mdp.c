#include "proto/mdp.h"

#include <assert.h>

/* RFC 18: the address frame, an empty frame, then the body. */
static int read_addressed(const struct span *frame, size_t count, struct mdp_message *ret_message)
{
    if (count < 4 || frame[2].size != 0)
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

int mdp_read(const struct span *frame, size_t count, struct mdp_message *ret_message)
{
    if (count == 0 || frame[0].size != 1)
        return -1;
    struct mdp_message message = {.command = MDP_READY};
    int result = -1;
    switch (frame[0].data[0]) {
    case MDP_READY:
        result = read_ready(frame, count, &message);
        break;
    case MDP_REQUEST:
    case MDP_PARTIAL:
    case MDP_FINAL:
        result = read_addressed(frame, count, &message);
        break;
    case MDP_HEARTBEAT:
    case MDP_DISCONNECT:
        result = count == 1 ? 0 : -1;
        break;
    default:
        break;
    }
    if (result < 0)
        return -1;
    message.command = (enum mdp_command)frame[0].data[0];
    *ret_message = message;
    return 0;
}

size_t mdp_write(const struct mdp_message *message, struct span frame[MDP_FRAMES_MAX])
{
    static const char command[] = {0, 1, 2, 3, 4, 5, 6};
    size_t count = 0;

    frame[count++] = span_str(MDP_WORKER_02);
    frame[count++] = span_of(&command[message->command], 1);
    switch (message->command) {
    case MDP_READY:
        frame[count++] = message->service;
        if (message->options.size)
            frame[count++] = message->options;
        break;
    case MDP_REQUEST:
    case MDP_PARTIAL:
    case MDP_FINAL:
        assert(message->body_count == 1);
        frame[count++] = message->address;
        frame[count++] = span_of("", 0);
        frame[count++] = message->body[0];
        break;
    case MDP_HEARTBEAT:
    case MDP_DISCONNECT:
        break;
    }
    return count;
}
