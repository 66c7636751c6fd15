/* An endpoint of our own as the command line names it. */
#ifndef TAILGATE_GATEWAY_DOOR_WORD_H
#define TAILGATE_GATEWAY_DOOR_WORD_H

#include "adapters/zmq/bind.h"

/* What --gate and --events name: ENDPOINT, ENDPOINT,plain for tcp without CURVE, and
 * ENDPOINT,batches for events in batches; both words in any order. */
struct door_word {
    char endpoint[BIND_ENDPOINT_SIZE]; /* cut when it is longer: the caller refuses that */
    bool curve;
    bool batches;
};
/* CURVE: --curve is given. */
void door_word_read(const char *word, bool curve, struct door_word *ret_door);

#endif
