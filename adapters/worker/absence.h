/* Why a worker that was given a database finds no gateway there. */
#ifndef TAILGATE_ADAPTERS_WORKER_ABSENCE_H
#define TAILGATE_ADAPTERS_WORKER_ABSENCE_H

#include <stddef.h>

/* Writes what the database DB and its gateway's lock tell, as words for a person: that the file is
 * not there yet, that no gateway has the lock, or who has it. ROOM includes the NUL; what does not
 * fit is cut. Does not block. */
void absence_explain(const char *db, char *ret_text, size_t room);

#endif
