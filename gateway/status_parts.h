/* Parts of the status that have files of their own. The caller owns what they return. */
#ifndef TAILGATE_GATEWAY_STATUS_PARTS_H
#define TAILGATE_GATEWAY_STATUS_PARTS_H

#include <jansson.h>

#include "gateway/server.h"

/* A duration as it is shown: in seconds with three decimals. */
json_t *status_seconds(int64_t us);
/* "committer". */
json_t *status_committer(const struct server *server, const struct committer_measures *measures,
                         int64_t now_us);
/* "histograms": where the time goes, and how large the groups are. */
json_t *status_histograms(const struct server *server, const struct committer_measures *measures);

#endif
