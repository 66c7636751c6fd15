/* Where a scripted run happens: a folder with a bridge in it, written from memory, so that each run
 * begins with the same bytes. */
#ifndef TAILGATE_TESTS_FAULTS_SITE_H
#define TAILGATE_TESTS_FAULTS_SITE_H

#include <limits.h>

#include "adapters/bridge/place.h"
#include "proto/buffer.h"

enum site_mode { SITE_WAL, SITE_DELETE, SITE_MODES };

/* A database file and, in WAL mode, a -wal that a writer who was killed has left: FRAMES long, so
 * that the first commit of a run makes the committer checkpoint. */
struct site_image {
    struct buffer db, wal;
};

/* Makes an empty folder, in memory where the system has one for that. Ends the process when it
 * cannot, as all here do: there is nothing to test then. */
void site_make_folder(char ret_folder[PATH_MAX]);
void site_remove_folder(const char *folder);
void site_draw(enum site_mode mode, struct site_image *ret_image);
void site_image_done(struct site_image *self);
/* Puts the image into FOLDER. */
void site_write(const struct site_image *self, const char *folder);
/* Where the bridge in FOLDER is. */
struct place site_place(const char *folder);
/* Copies database, -wal and -journal from FOLDER to another. No process may have them open whose
 * locks count: closing a descriptor drops them. */
void site_copy(const char *folder, const char *to);
/* SIZE bytes as the file NAME of FOLDER; 0 is an empty file. */
void site_write_file(const char *folder, const char *name, struct span bytes);
const char *site_mode_name(enum site_mode mode);

#endif
