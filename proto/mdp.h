/* Majordomo Protocol 0.2, worker side (ZeroMQ RFC 18/MDP). Reading borrows, writing fills an array
 * of spans; nothing is allocated. The routing id in front is ZeroMQ's business and not part of
 * this. */
#ifndef TAILGATE_PROTO_MDP_H
#define TAILGATE_PROTO_MDP_H

#include "proto/span.h"

#define MDP_WORKER_02 "MDPW02"
#define MDP_WORKER_01 "MDPW01"
#define MDP_CLIENT_02 "MDPC02"
#define MDP_CLIENT_01 "MDPC01"

enum mdp_command {
    MDP_READY = 1,
    MDP_REQUEST = 2,
    MDP_PARTIAL = 3,
    MDP_FINAL = 4,
    MDP_HEARTBEAT = 5,
    MDP_DISCONNECT = 6
};

struct mdp_message {
    enum mdp_command command;
    struct span service;     /* READY */
    struct span options;     /* READY: our extra JSON frame; size 0 when absent */
    struct span address;     /* REQUEST, PARTIAL, FINAL: the client address, which is the token */
    const struct span *body; /* REQUEST, PARTIAL, FINAL: its frames (borrowed), at least one */
    size_t body_count;
};

/* Reads the COUNT frames that follow the MDPW02 header. Returns 0, or -1 when they are not a
 * command of RFC 18 (then *ret_message is untouched). A READY may have an extra frame (WIRE.md). */
int mdp_read(const struct span *frame, size_t count, struct mdp_message *ret_message);

#define MDP_FRAMES_MAX 5 /* frames that mdp_write() makes at most */

/* Writes MESSAGE, header first, into FRAME (MDP_FRAMES_MAX of them; a body of exactly one frame).
 * Returns the number of frames. */
size_t mdp_write(const struct mdp_message *message, struct span frame[MDP_FRAMES_MAX]);

#endif
