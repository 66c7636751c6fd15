/* Telling a message's frames apart (WIRE.md, "How frames are told apart"), in this order:
 *   1. a first frame MDPC01, MDPW01, MDPC02 or MDPW02: no envelope; nor with one that the codec
 *      of libmajordomo makes, which packs that header and what follows it into one frame;
 *   2. else up to two frames ending in an empty one are an opaque envelope, echoed verbatim
 *      (REQ, REQ_CORRELATE, stock workers that lead with an empty frame); then 1 again;
 *   3. else the peer is bare. It opens with READY, ASK or a query object. */
#ifndef TAILGATE_PROTO_FRAMES_H
#define TAILGATE_PROTO_FRAMES_H

#include "proto/span.h"

enum frames_form {
    FRAMES_WORKER_02, /* MDPW02 */
    FRAMES_WORKER_01, /* MDPW01 */
    FRAMES_CLIENT_02, /* MDPC02 */
    FRAMES_CLIENT_01, /* MDPC01 */
    FRAMES_ZPROTO,    /* zproto's framing of Majordomo, which is not that of the RFCs */
    FRAMES_BARE
};

struct frames {
    enum frames_form form;
    size_t envelope; /* number of leading envelope frames, 0 to 2 */
    size_t body;     /* index of the first frame after envelope and MDP header; may equal the count.
                      * There is no such header in ZPROTO and BARE. */
};

/* Reads the form of COUNT frames. Returns 0, or -1 when nothing follows the envelope or the
 * envelope is larger than LIMIT_ENVELOPE_SIZE. */
int frames_read(const struct span *frame, size_t count, struct frames *ret_frames);

enum opening_kind {
    OPENING_READY, /* ["READY"] [service] [options JSON], or one frame "READY service" */
    OPENING_ASK,   /* ["ASK"] [service] [body], or one frame "ASK service" */
    OPENING_QUERY, /* one frame: a JSON object that has "question" and no "answer" */
    OPENING_OTHER  /* from a bare worker that has a query: its answer; from anyone else: an error */
};

struct opening {
    enum opening_kind kind;
    struct span service; /* READY, ASK; size 0 when not given */
    struct span options; /* READY; size 0 when not given */
    struct span body;    /* ASK: its body; QUERY, OTHER: the first frame */
};

/* Reads what a bare peer said in the COUNT frames after its envelope (COUNT >= 1). Never fails. */
void opening_read(const struct span *frame, size_t count, struct opening *ret_opening);

#endif
