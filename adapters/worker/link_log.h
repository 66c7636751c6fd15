/* What became of a worker's connection, in the log. */
#ifndef TAILGATE_ADAPTERS_WORKER_LINK_LOG_H
#define TAILGATE_ADAPTERS_WORKER_LINK_LOG_H

#include "adapters/worker/worker.h"

/* Logs EVENT (READY, LOST, ABSENT …) of the worker that was made by SETUP; others are passed over.
 */
void link_log(const struct worker_setup *setup, const struct tailgate_event *event);

#endif
