/* The rows of a bridge as events, read from the file itself: what `tailgate watch` does while no
 * gateway runs. By the same wake design as the gateway (adapters/bridge/wake.h): hint, proof,
 * re-check, safety net. Nothing is written, and no lock is held between two looks. */
#ifndef TAILGATE_GATEWAY_WATCH_FILE_H
#define TAILGATE_GATEWAY_WATCH_FILE_H

#include "adapters/bridge/tail.h"
#include "adapters/text/redact.h"
#include "gateway/watch_since.h"

struct watch_file;

/* Opens PLACE's database for reading. REDACT stays borrowed. Returns BRIDGE_OK or an error;
 * BRIDGE_BUSY: try again. */
int watch_file_new(const struct place *place, struct redact *redact, struct watch_file **ret_file);
void watch_file_destroy(struct watch_file **self);
/* The row behind which SINCE begins. BRIDGE_BUSY: try again. */
int watch_file_find(struct watch_file *self, const struct watch_since *since, int64_t *ret_after);
/* The highest row of the file. */
int watch_file_last(struct watch_file *self, int64_t *ret_id);
/* Rows up to AFTER are passed over. Forward only. */
void watch_file_start(struct watch_file *self, int64_t after);
/* The row up to which everything was given. */
int64_t watch_file_position(const struct watch_file *self);
/* A descriptor to poll for reading, -1: there is none; and when to call watch_file_look() at the
 * latest (monotonic). */
int watch_file_fd(const struct watch_file *self);
int64_t watch_file_due(const struct watch_file *self);
/* Looks, when that is due at NOW_US: appends a few of the rows that came, each as a line of JSON
 * (WIRE.md, "tailgate.replay"). Returns BRIDGE_OK, also when the database is locked just now, or an
 * error. */
int watch_file_look(struct watch_file *self, int64_t now_us, struct buffer *ret_lines);
struct place_identity watch_file_identity(const struct watch_file *self);
/* True when the name means another file by now, or none. */
bool watch_file_is_replaced(const struct watch_file *self);

#endif
