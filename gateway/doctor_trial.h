/* Whether a reply can be committed to a bridge, tried without touching it: its schema is made once
 * more in memory, and a question and its replies are written there. Triggers, constraints and
 * columns that somebody has added then refuse what they would refuse in the file. */
#ifndef TAILGATE_GATEWAY_DOCTOR_TRIAL_H
#define TAILGATE_GATEWAY_DOCTOR_TRIAL_H

#include "adapters/bridge/db.h"

#define DOCTOR_WHY_SIZE 300

/* BRIDGE_OK: it can. BRIDGE_REFUSED: RET_WHY has SQLite's words. Another error: it cannot be said.
 * What stands in the schema of DB is hostile: it runs for a bounded time and reaches nothing. */
int doctor_trial_reply(sqlite3 *db, char ret_why[DOCTOR_WHY_SIZE]);

#endif
