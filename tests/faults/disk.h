/* A disk that loses its power. It is told every change of the files beside one another, in order,
 * and knows which of them were synced; what was not may be there after a cut or not, in any mixture
 * that its seed says. The -shm file is never there: no system keeps it.
 *
 * What it takes to be safe: the bytes of a file after its sync, and the names in the folder after
 * the folder's. A file's sync says nothing about its name. */
#ifndef TAILGATE_TESTS_FAULTS_DISK_H
#define TAILGATE_TESTS_FAULTS_DISK_H

#include "tests/faults/script.h"
#include "tests/faults/shim_vfs.h"
#include "tests/faults/site.h"

struct disk;

/* A disk on which IMAGE is safe. LIES: its syncs do nothing. */
struct disk *disk_new(const struct site_image *image, bool lies);
void disk_destroy(struct disk **self);
/* Keeps a call in mind that changed something (a shim_watch_fn; CONTEXT is the disk). */
void disk_record(void *context, const struct shim_call *call);
/* Keeps in mind that from here on LEDGER holds. */
void disk_promise(struct disk *self, const struct ledger *ledger);
/* Changes that were recorded. */
long disk_changes(const struct disk *self);
/* From here on: the state after no change at all, then after each one in its turn. */
void disk_rewind(struct disk *self);
void disk_advance(struct disk *self);
/* What holds in this state. */
const struct ledger *disk_ledger(const struct disk *self);
/* Writes into FOLDER, which is empty, what the power leaves of this state, as SEED says. */
void disk_cut(const struct disk *self, unsigned long seed, const char *folder);
/* What disk_cut() does with SEED, in a word. */
const char *disk_style_name(unsigned long seed);

#endif
