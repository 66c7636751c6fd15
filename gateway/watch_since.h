/* `tailgate watch --since`: where to begin. */
#ifndef TAILGATE_GATEWAY_WATCH_SINCE_H
#define TAILGATE_GATEWAY_WATCH_SINCE_H

#include <stdint.h>

#include "proto/stamp.h"

enum watch_since_kind {
    WATCH_SINCE_NOW, /* with what comes from now on */
    WATCH_SINCE_ID,  /* behind row `after` */
    WATCH_SINCE_TIME /* with the first row that is not earlier than `stamp` */
};

struct watch_since {
    enum watch_since_kind kind;
    int64_t after;
    char stamp[STAMP_SIZE]; /* UTC */
};

/* Reads WORD: a row's id ("17": that row is the first); an age ("10m"); a UTC time as the bridge
 * writes it, of which the time, its seconds and a "Z" may be left out ("2026-11-21"); or a time of
 * the local clock ("14:05"), which is the last one that was not after NOW_US (UTC). Returns 0, or
 * -1 when it is none of these. */
int watch_since_read(const char *word, int64_t now_us, struct watch_since *ret_since);

#endif
