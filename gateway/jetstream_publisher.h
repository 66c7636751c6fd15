/* `tailgate jetstream publish`, without its command line. */
#ifndef TAILGATE_GATEWAY_JETSTREAM_PUBLISHER_H
#define TAILGATE_GATEWAY_JETSTREAM_PUBLISHER_H

#include "adapters/jetstream/conn.h"
#include "adapters/source/upstream.h"

/* Borrowed while it runs. */
struct publisher_setup {
    const struct conn_setup *nats;
    const struct upstream_setup *gate;
    const char *command, *prefix, *service;
    int64_t slots; /* queries that are out at once */
    int signals;   /* a signalfd: the first one lets it end, the second one at once */
};

/* Runs until a signal; returns an exit code. */
int publisher_run(const struct publisher_setup *setup);

#endif
