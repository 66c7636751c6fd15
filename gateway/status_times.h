/* Where the time goes, of the status, for a person. */
#ifndef TAILGATE_GATEWAY_STATUS_TIMES_H
#define TAILGATE_GATEWAY_STATUS_TIMES_H

#include <jansson.h>

/* The value that SHARE (0 to 1) of HISTOGRAM's values do not exceed (WIRE.md, Status), about:
 * values are taken to lie evenly within their bucket. -1 when there are none, or it is no
 * histogram. */
double status_quantile(const json_t *histogram, double share);
/* Prints what STATUS has of it on stdout; nothing while nothing was answered. */
void status_times_print(const json_t *status);

#endif
