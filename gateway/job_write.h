/* What each kind of job does in the committer's transaction. */
#ifndef TAILGATE_GATEWAY_JOB_WRITE_H
#define TAILGATE_GATEWAY_JOB_WRITE_H

#include "gateway/job.h"

/* Runs JOB's statements inside STORE's open group and sets what they find out (outcome, count, what
 * became of JOB_ASK, and for JOB_GONE error). Returns BRIDGE_OK, or an error after which the group
 * is to be rolled back; JOB may be written again then. For what no query waits for (KEEP, and MARK
 * to RETIRE) that is BRIDGE_REFUSED instead of BRIDGE_OTHER. */
int job_write(struct job *job, struct store *store);

#endif
