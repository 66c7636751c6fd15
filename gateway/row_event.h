/* A row of the bridge as observers see it: what kind of event it is, and its parts, redacted. The
 * same for the live event, for a replay, and for `tailgate watch` on the file itself: nothing goes
 * in but the row. */
#ifndef TAILGATE_GATEWAY_ROW_EVENT_H
#define TAILGATE_GATEWAY_ROW_EVENT_H

#include "adapters/bridge/tail.h"
#include "adapters/text/redact.h"
#include "proto/event.h"

struct row_event {
    struct event_row event; /* good until the row or this changes */
    struct message message;
    char worker_read[LIMIT_WORKER_NAME + 1];
    struct buffer repaired, text, metadata, names[5]; /* what EVENT borrows */
};

void row_event_init(struct row_event *self);
void row_event_done(struct row_event *self);
/* Says of which kind ROW is; sets what needs no redaction. ROW stays borrowed. */
enum topic_kind row_event_read(struct row_event *self, const struct tail_row *row);
/* Completes `event` for ROW, which row_event_read() was given last. BODIES: with text and metadata.
 */
void row_event_make(struct row_event *self, struct redact *redact, const struct tail_row *row,
                    bool bodies);

#endif
