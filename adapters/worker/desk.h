/* What a worker has taken on, and how it comes off its desk again: as exactly one FINAL. */
#ifndef TAILGATE_ADAPTERS_WORKER_DESK_H
#define TAILGATE_ADAPTERS_WORKER_DESK_H

#include "adapters/worker/flights.h"
#include "adapters/worker/link.h"

struct desk {
    const char *name;  /* the worker's, for the log */
    struct link *link; /* borrowed */
    struct flights flights;
};

/* What becomes of a query without an answer. */
enum desk_outcome {
    DESK_FAILED,  /* it costs an attempt, and the gateway tries again */
    DESK_RETURNED /* it is given back, which costs nothing */
};

/* FLIGHT is answered with TEXT. */
void desk_answer(struct desk *self, struct flight *flight, struct span text, int64_t now_us);
/* FLIGHT ends without an answer, for REASON. */
void desk_end(struct desk *self, struct flight *flight, enum desk_outcome outcome,
              const char *reason, int64_t now_us);
/* All end. OUTCOME is that of those that the program had; what it had not is given back. */
void desk_clear(struct desk *self, enum desk_outcome outcome, const char *reason, int64_t now_us);
/* Gives back a query for which there is no room. */
void desk_refuse(struct desk *self, struct span token, int64_t now_us);

#endif
