/* Descriptors: every connection is one. */
#ifndef TAILGATE_GATEWAY_DESCRIPTORS_H
#define TAILGATE_GATEWAY_DESCRIPTORS_H

#include <stdint.h>

/* What the log has said of connections for which there was none to spare (accept.h). */
struct descriptors {
    uint64_t told;   /* of these */
    int64_t told_us; /* when; 0: never */
};

/* Takes as many as the system lets us have. */
void descriptors_raise(void);
/* Says in the log, now and again, that connections were turned away. Returns how many, so far. */
uint64_t descriptors_run(struct descriptors *self, int64_t now_us);

#endif
