/* The folder of a pair of named pipes, `queries` and `answers`: proto/WIRE.md, "Named pipes". */
#ifndef TAILGATE_ADAPTERS_WORKER_PIPES_H
#define TAILGATE_ADAPTERS_WORKER_PIPES_H

#include <stdbool.h>
#include <stddef.h>

#define PIPES_WHY 280 /* bytes of a sentence that says what is wrong, with its NUL */

/* Non-blocking and close-on-exec; -1: not open. */
struct pipes {
    int folder;  /* holds the lock that keeps other workers away */
    int answers; /* open for writing, too, so that it never ends: the other side may come and go */
    int queries; /* open only while somebody reads it */
    int watch;   /* an inotify that sees who closes `queries` */
};

void pipes_init(struct pipes *self);
/* Closes what is open; may be called twice. */
void pipes_close(struct pipes *self);
/* Makes FOLDER and the pipes where they are missing, for our user alone, and says whether they are
 * safe to use: what they should be, no symbolic link, owned by us or root, and closed to the
 * writing of others. Returns 0, or -1 and why. */
int pipes_check(const char *folder, char ret_why[PIPES_WHY]);
/* Opens what is not open yet, or has been replaced, and looks for a reader of `queries`. Returns 0
 * when everything is open, or -1 and why; to be called again then. */
int pipes_open(struct pipes *self, const char *folder, char ret_why[PIPES_WHY]);
/* True when a reader of `queries` has closed it since it was opened, even if another one has come
 * meanwhile. */
bool pipes_left(const struct pipes *self);

#endif
