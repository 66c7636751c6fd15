/* The shared-memory segment of `--shm NAME`, from the worker's side (proto/shm.h): the memory, the
 * two semaphores NAME.request and NAME.response, and the locks that say who is there.
 *
 *   1. One worker has a segment, and holds a lock on its first byte until it leaves. The kernel
 *      lets go of it when the worker dies.
 *   2. A segment that is there belongs to us, is closed to everybody else, and has our size and
 *      magic or nothing in it yet; another one is not touched.
 *   3. Who leaves removes the names. Who dies leaves them, and the next worker goes on with the
 *      same memory and semaphores, so that a program need not notice. */
#ifndef TAILGATE_ADAPTERS_WORKER_SEGMENT_H
#define TAILGATE_ADAPTERS_WORKER_SEGMENT_H

#include <semaphore.h>
#include <stdbool.h>
#include <sys/types.h>

#include "proto/shm.h"

#define SEGMENT_NAME_MAX                                                                           \
    200                      /* bytes of a name, which files in /dev/shm get with more around it   \
                              */
#define SEGMENT_UNKNOWN (-1) /* a holder whose process id cannot be seen */

struct segment {
    char name[SEGMENT_NAME_MAX + 2]; /* "/NAME" */
    int descriptor;                  /* -1: not open */
    struct shm_header *header;       /* SHM_SIZE bytes, hostile */
    sem_t *asked, *answered;
};

/* Whether TEXT can be a name; a slash in front is allowed. */
bool segment_name_valid(const char *text);
/* Looks whether segment_open() could have the segment TEXT, and changes nothing: 0, or -errno and a
 * sentence. */
int segment_inspect(const char *text, char *ret_why, size_t room);
/* A closed segment. */
void segment_init(struct segment *self, const char *text);
/* Makes or takes over the segment and locks it. Returns 0 or -errno, -EBUSY for another worker's;
 * it is closed then. The table is not written yet. */
int segment_open(struct segment *self);
/* Writes the table, the magic last: from then on programs may use the segment, whose last request
 * was SEQ and is dropped. Returns 0 or -errno, when the segment was cut and there is no memory any
 * more. */
int segment_publish(struct segment *self, uint64_t seq);
/* Whether it still has its name; who removed that meant another segment to come. */
bool segment_named(const struct segment *self);
/* False when somebody wrote over the table, or cut or removed the segment. */
bool segment_intact(const struct segment *self);
/* The program that is there, by its lock: its process id, SEGMENT_UNKNOWN, or 0 for none. */
pid_t segment_holder(const struct segment *self);
/* Tells the program, removes the names, and closes; may be called twice. */
void segment_leave(struct segment *self);

#endif
