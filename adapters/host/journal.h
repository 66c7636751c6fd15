/* The systemd journal (sd-journal(3)). */
#ifndef TAILGATE_ADAPTERS_HOST_JOURNAL_H
#define TAILGATE_ADAPTERS_HOST_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* True when stderr goes to the journal, as for a service of systemd: $JOURNAL_STREAM names the
 * device and the inode of its stream. */
bool journal_is_stderr(void);
/* Sends one entry; each FIELD is "NAME=value", whose value may hold any byte: none can end a field.
 * Returns 0, or -errno when the journal does not take it (-ENOENT: there is none). Waits only while
 * journald has 8 MiB of ours unread. */
int journal_send(const struct iovec *field, size_t count);

#endif
