/* What `tailgate doctor` finds out: doctor_scan.c looks at the rows, doctor_report.c at the file as
 * a whole and shows it. Nothing here writes. */
#ifndef TAILGATE_GATEWAY_DOCTOR_H
#define TAILGATE_GATEWAY_DOCTOR_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/buffer.h"

#define DOCTOR_BUSY_MS 10000 /* as the bridge's own programs wait */
#define DOCTOR_IDS 20        /* ids that are shown */

struct doctor_scan {
    int64_t unread;   /* queries to the session in live conversations */
    int64_t *unknown; /* ids of those at or below the low-water mark that are not parked */
    size_t unknown_count;
};

/* Reads every message of PLACE once, in pages. MARK: the low-water mark, 0: none. With PROGRESS a
 * line on stderr says how far it is. Returns BRIDGE_OK and what doctor_scan_done() frees. */
int doctor_scan_run(const struct place *place, sqlite3 *db, const char *session, int64_t mark,
                    bool progress, struct doctor_scan *ret_scan);
void doctor_scan_done(struct doctor_scan *self);

struct doctor_report {
    const struct place *place;
    const char *session;
    const struct doctor_scan *scan;
    int64_t schema_version; /* of our tables; 0: they are not there */
    int64_t mark;           /* low-water mark; 0: none */
    int64_t parked, dead, kept;
    int64_t wal_bytes;
    long gateway; /* pid; 0: none runs */
    char journal[16];
    bool checked, sound;
    struct buffer complaints; /* of integrity_check, a line each */
    /* of --rescan, set by the caller: */
    bool rescanned, told;
    size_t found; /* of scan->unknown, the first FOUND are parked now */
};

/* The low-water mark of DB, 0 when there is none. */
int doctor_mark(sqlite3 *db, int64_t *ret_mark);
/* Fills what can be read in DB (CHECK: integrity_check, too, which takes its time). Release it with
 * doctor_report_done(). */
int doctor_report_read(sqlite3 *db, bool check, struct doctor_report *report);
void doctor_report_done(struct doctor_report *self);
/* Appends it as a JSON object, or as text for a person. */
void doctor_report_json(const struct doctor_report *self, struct buffer *ret_json);
void doctor_report_text(const struct doctor_report *self, struct buffer *ret_text);

#endif
