/* The reply row of an answer: what it is made of is noted on the loop's thread, the row itself is
 * made on the committer's, which has the time for it while it leaves the write lock alone. */
#ifndef TAILGATE_GATEWAY_JOB_COMPOSE_H
#define TAILGATE_GATEWAY_JOB_COMPOSE_H

#include "adapters/text/redact.h"
#include "gateway/job.h"
#include "proto/message.h"

/* What JOB says of its reply to QUERY (borrowed); no histories, no redactor. */
struct reply_facts job_facts(const struct job *job, const struct message *query);
/* Notes in JOB what its reply row is made of: copies all of ANSWER and FACTS that job_facts() would
 * not tell, or that others own. */
void job_draft(struct job *job, const struct answer *answer, const struct reply_facts *facts);
/* Makes the texts of JOB's reply row where it has a draft, which ends with that. */
void job_compose(struct job *job, struct redact *redact);

#endif
