/* The Majordomo Protocol, 0.1 and 0.2 (ZeroMQ RFCs 7/MDP and 18/MDP), worker and client side.
 * Reading borrows, writing fills an array of spans; nothing is allocated but a batch's buffer. The
 * routing id in front is ZeroMQ's business and not part of this, nor is the empty frame that leads
 * a message of 0.1: that is an envelope (proto/frames.h). */
#ifndef TAILGATE_PROTO_MDP_H
#define TAILGATE_PROTO_MDP_H

#include "proto/buffer.h"
#include "proto/limits.h"
#include "proto/span.h"

#define MDP_WORKER_02 "MDPW02"
#define MDP_WORKER_01 "MDPW01"
#define MDP_CLIENT_02 "MDPC02"
#define MDP_CLIENT_01 "MDPC01"

enum mdp_version { MDP_01, MDP_02 };

/* What a worker's command means. The byte on the wire depends on the version: these numbers are
 * those of 0.2; in 0.1 REPLY, which is FINAL here, is 3, HEARTBEAT 4 and DISCONNECT 5, and there is
 * no PARTIAL. BATCH is ours, in 0.2 only: several of REQUEST, PARTIAL and FINAL (WIRE.md). */
enum mdp_command {
    MDP_READY = 1,
    MDP_REQUEST = 2,
    MDP_PARTIAL = 3,
    MDP_FINAL = 4,
    MDP_HEARTBEAT = 5,
    MDP_DISCONNECT = 6,
    MDP_BATCH = 7
};

/* The frames of a body at most: what relays add stands in front of a request's or answer's own. */
#define MDP_BODY (LIMIT_BODY_FRAMES + 1)

struct mdp_message {
    enum mdp_command command;
    struct span service;     /* READY */
    struct span options;     /* READY, HEARTBEAT: our extra JSON frame; size 0 when absent */
    struct span address;     /* REQUEST, PARTIAL, FINAL: the client address, which is the token */
    const struct span *body; /* REQUEST, PARTIAL, FINAL: 1 to MDP_BODY (borrowed); BATCH: 1 */
    size_t body_count;
};

/* Reads the COUNT frames that follow the MDPW01 or MDPW02 header. Returns 0, or -1 when they are
 * not a command of VERSION or have too large a body (then *ret_message is untouched). A READY or
 * HEARTBEAT of either version may have an extra frame (WIRE.md). */
int mdp_read(enum mdp_version version, const struct span *frame, size_t count,
             struct mdp_message *ret_message);

/* Frames that mdp_write() and mdp_client_write() make at most: header, command, address, an empty
 * frame and a body, and one to spare. */
#define MDP_FRAMES_MAX (LIMIT_BODY_FRAMES + 5)

/* Writes MESSAGE, header first, into FRAME (MDP_FRAMES_MAX of them). Returns the number of frames.
 * The body has 1 to MDP_BODY; no PARTIAL and no BATCH is written in 0.1. */
size_t mdp_write(enum mdp_version version, const struct mdp_message *message,
                 struct span frame[MDP_FRAMES_MAX]);

/* Bytes about, after which a sender ends a batch: a longer one would keep its first waiting. What
 * is as large by itself goes by itself. */
#define MDP_BATCH_SIZE 16384

/* True when MESSAGE, a REQUEST, PARTIAL or FINAL, is small enough to go with others. */
bool mdp_batch_suits(const struct mdp_message *message);
/* Appends such a MESSAGE of 0.2 to the body of a batch. */
void mdp_batch_add(const struct mdp_message *message, struct buffer *ret_body);
/* Takes the first message off *REST, which is a batch's body and then what is left of it. Its
 * frames are in FRAME and borrowed from *REST. Returns 1, 0 when there is none any more, or -1 when
 * *REST does not begin with a REQUEST, PARTIAL or FINAL (then nothing has changed). */
int mdp_batch_take(struct span *rest, struct span frame[MDP_FRAMES_MAX],
                   struct mdp_message *ret_message);

/* The frames that a client's body has at most: Titanic's status or service in front of what is the
 * body of a request or answer. */
#define MDP_CLIENT_BODY (LIMIT_BODY_FRAMES + 1)

/* As on the wire of 0.2. 0.1 has no command there: what a client sends is a REQUEST, what it gets
 * is the reply. */
enum mdp_client_command { MDP_CLIENT_REQUEST = 1, MDP_CLIENT_PARTIAL = 2, MDP_CLIENT_FINAL = 3 };

struct mdp_client_message {
    enum mdp_client_command command;
    struct span service;
    const struct span *body; /* 1 to MDP_CLIENT_BODY (borrowed) */
    size_t body_count;
};

/* Reads the COUNT frames that follow the MDPC01 or MDPC02 header. Returns 0, or -1 when they are
 * not a command of VERSION, have no service, or have no body or too large a one (then *ret_message
 * is untouched). Of 0.1 the command is always MDP_CLIENT_REQUEST: a client that reads its reply
 * knows better. */
int mdp_client_read(enum mdp_version version, const struct span *frame, size_t count,
                    struct mdp_client_message *ret_message);

/* Writes MESSAGE, header first, as mdp_write() does. In 0.1 REQUEST and FINAL look the same. */
size_t mdp_client_write(enum mdp_version version, const struct mdp_client_message *message,
                        struct span frame[MDP_FRAMES_MAX]);

#endif
