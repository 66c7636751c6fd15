/* The queries of a gateway that are on their way into JetStream, or in it.
 *
 *   add ──▶ sent ──stored──▶ in the stream ──▶ answered (remove) | given up (drop)
 *            │ no answer in time, or the connection was cut: sent again with the same id
 *            │ staged (api.h): sent again, in the end with another id
 *            └─ refused: the caller gives it back to its gateway
 *
 * Invariants
 *   1. A query is counted as stored only when the stream has said so.
 *   2. What is sent again has the same Nats-Msg-Id, so the stream has it once; but for what is
 *      staged again and again.
 *   3. Bounded by the slots that the gateway was offered; the text is let go of once it is stored.
 */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_OUTGOING_H
#define TAILGATE_ADAPTERS_JETSTREAM_OUTGOING_H

#include "adapters/jetstream/api.h"
#include "proto/buffer.h"

struct outgoing_query {
    char token[NAMES_TOKEN_MAX + 1], bridge[NAMES_BRIDGE + 1], deadline[32];
    uint64_t number;    /* by which its acknowledgement is known */
    struct buffer text; /* until it is stored */
    uint32_t doubts;    /* how often it was found to be staged (api.h) */
    bool stored;
    uint64_t seq;    /* stored: its place */
    int64_t sent_us; /* 0: to be sent */
    int64_t over_us; /* when its attempt ends */
};

struct outgoing {
    struct conn *conn;
    char stream[NAMES_SIZE], subject[NAMES_SIZE];
    struct outgoing_query *query;
    size_t count, room;
    uint64_t number;
};

void outgoing_init(struct outgoing *self, struct conn *conn, const char *prefix,
                   struct span service, size_t room);
void outgoing_done(struct outgoing *self);
/* Takes a copy of a query on. TOKEN and BRIDGE must be what names.h calls ok, DEADLINE a stamp or
 * empty. NULL when there is no room. */
struct outgoing_query *outgoing_add(struct outgoing *self, struct span token, struct span bridge,
                                    struct span deadline, struct span text);
struct outgoing_query *outgoing_find(const struct outgoing *self, struct span token);
struct outgoing_query *outgoing_number(const struct outgoing *self, uint64_t number);
void outgoing_remove(struct outgoing *self, struct outgoing_query *query);
/* The same for one whose attempt is over: nobody need work on it any more. */
void outgoing_drop(struct outgoing *self, struct outgoing_query *query);
/* Sends what is to be sent, or sent again. */
void outgoing_send(struct outgoing *self, int64_t now_us);
/* The connection was cut: what is not stored is to be sent again. */
void outgoing_recall(struct outgoing *self);
/* One whose attempt has ended at NOW_US, or NULL. */
struct outgoing_query *outgoing_late(const struct outgoing *self, int64_t now_us);

#endif
