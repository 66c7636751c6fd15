/* How often an adapter looks for a program that is not there: soon, then more rarely. */
#ifndef TAILGATE_ADAPTERS_WORKER_SEARCH_H
#define TAILGATE_ADAPTERS_WORKER_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

struct search {
    int64_t again_us; /* when to look; 0: at once */
    int64_t pause_us; /* after the next failure */
    bool told;        /* that the program is waited for */
};

/* Begins to look. */
void search_begin(struct search *self);
/* Nobody was there at NOW_US. Returns true the first time: people are told once. */
bool search_failed(struct search *self, int64_t now_us);

#endif
