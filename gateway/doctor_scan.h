/* Which unread rows nobody answers, and why. */
#ifndef TAILGATE_GATEWAY_DOCTOR_SCAN_H
#define TAILGATE_GATEWAY_DOCTOR_SCAN_H

#include "gateway/doctor.h"

enum doctor_reason {
    REASON_SERVED, /* a worker has it, or is there for it */
    REASON_NO_GATEWAY,
    REASON_SILENT_GATEWAY, /* it does not say what it serves */
    REASON_NO_WORKER,
    REASON_PAUSED,
    REASON_BACK_OFF,
    REASON_AGENT,
    REASON_EXPIRED,
    REASON_NO_CONVERSATION,
    REASON_OTHER_SESSION,
    REASON_NOT_A_QUERY,
    REASON_BELOW_MARK,
    REASONS
};

/* Looks at the rows above the low-water mark and at what is parked, with PROGRESS saying on stderr
 * how far it is; at all rows where the file is small, or --rescan or --check asks for it. Returns
 * BRIDGE_OK or an error. */
int doctor_scan_run(struct doctor *self, bool progress);
/* "no-worker". */
const char *doctor_reason_name(int reason);

#endif
