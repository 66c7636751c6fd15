/* Replays: rows told once more, to the client that asks (tailgate.replay, WIRE.md).
 *
 *  R1. One slice of one replay in a turn of the loop: at most REPLAY_ROWS rows are read, or
 *      REPLAY_SLICE events made, in one short read. Nothing is held from one to the next but how
 * far it has come: rows may go meanwhile, and are not told then.
 *
 *  R2. What a client does not take is kept, one slice of it, and tried again after a growing pause;
 *      the others go on.
 *
 *  R3. A replay is nothing but a read: it is forgotten with its client or the gateway, and asked
 * for again. */
#ifndef TAILGATE_GATEWAY_REPLAYS_H
#define TAILGATE_GATEWAY_REPLAYS_H

#include <stddef.h>
#include <stdint.h>

struct asking;
struct replays;
struct server;

struct replays *replays_new(void);
void replays_destroy(struct replays **self);
/* How many are under way. */
size_t replays_count(const struct replays *self);
/* Why rows are not told through the door that ASKING came by; NULL: they are. */
const char *replays_closed_to(struct server *server, const struct asking *asking);
/* Works on the next one. */
void replays_run(struct server *server, int64_t now_us);
/* When replays_run() has something to do; INT64_MAX: nothing. */
int64_t replays_due(const struct replays *self);

#endif
