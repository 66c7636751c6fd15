/* What wakes another thread: a descriptor that is readable from bell_ring() to bell_hush(). Calls
 * from several threads are the caller's to serialise, except that anyone may ring. */
#ifndef TAILGATE_ADAPTERS_C_BELL_H
#define TAILGATE_ADAPTERS_C_BELL_H

#include <stdbool.h>

/* Returns a descriptor to poll for POLLIN, or -errno. Close it with close(). */
int bell_new(void);
/* Makes it readable. Never blocks. */
void bell_ring(int bell);
/* Makes it unreadable. Never blocks. */
void bell_hush(int bell);

#endif
