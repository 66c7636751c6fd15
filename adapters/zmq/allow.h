/* The allow-list: whose keys get in, and what each may do. It is a folder with a folder for each
 * role in it, DIR/worker/, DIR/client/, DIR/observer/ and DIR/operator/, and in these the public
 * certificates (cert.h) of those who have that role. What a peer says of itself counts for nothing:
 * name and services are those of the copy here.
 *
 *  A1. A key has the role of every folder that it is in. Where one of its copies names services, it
 *      has those that its copies name, and no others.
 *
 *  A2. What is not read is not allowed: a file that is no certificate is skipped, and that is told;
 *      so is what is beyond ALLOW_FILES. A folder that is not there has nobody in it. Only when
 *      there are no descriptors or no memory to look with, the list stays as it is.
 *
 *  A3. A change is a change of content. Times and sizes of files prove nothing.
 *
 *  A4. Names that begin with a dot or end in ~ are passed over: what is half written, or put aside
 *      by an editor.
 *
 *  A5. A certificate that has expired is as good as one that is not there. */
#ifndef TAILGATE_ADAPTERS_ZMQ_ALLOW_H
#define TAILGATE_ADAPTERS_ZMQ_ALLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/zmq/cert.h"

#define ALLOW_FILES 1000 /* of one role that are read */
#define ALLOW_ROLES 4

enum {
    ALLOW_WORKER = 1,
    ALLOW_CLIENT = 2,
    ALLOW_OBSERVER = 4,
    ALLOW_OPERATOR = 8,
};

struct allow_entry {
    char fingerprint[CERT_FINGERPRINT_SIZE];
    char name[LIMIT_WORKER_NAME + 1]; /* "" when the certificate gives none */
    unsigned roles;                   /* ALLOW_WORKER | … */
    char service[CERT_SERVICES][LIMIT_SERVICE + 1];
    size_t services; /* 0: all */
};

enum allow_news {
    ALLOW_ADDED,   /* ENTRY is new */
    ALLOW_CHANGED, /* ENTRY has other roles, services or another name than before */
    ALLOW_REVOKED, /* ENTRY is as it was; its key does not get in any more */
    ALLOW_SKIPPED  /* ENTRY is NULL; WHY: a sentence without full stop that names the file */
};
typedef void allow_tell_fn(void *context, enum allow_news news, const struct allow_entry *entry,
                           const char *why);

struct allow;

/* The list of folder DIR (copied); empty until allow_look(). */
struct allow *allow_new(const char *dir);
/* NULL-safe. */
void allow_destroy(struct allow **self);
/* Reads all files and, when their contents are not what they were or one of them has expired by
 * UTC_US, the list anew; TELL hears of each difference. True when the list has changed; entries
 * found before are invalid then. */
bool allow_look(struct allow *self, int64_t utc_us, allow_tell_fn *tell, void *context);
/* The entry of the key with that fingerprint. NULL: it is not, or not any longer, allowed. Borrowed
 * until the next allow_look(). */
const struct allow_entry *allow_find(const struct allow *self, const char *fingerprint);
/* Keys that are allowed. */
size_t allow_count(const struct allow *self);
/* Files that the last look has read; 0 when it could not. */
size_t allow_files(const struct allow *self);
/* True when ENTRY's key may have SERVICE. */
bool allow_serves(const struct allow_entry *entry, const char *service);
/* The name of role number 0 to ALLOW_ROLES - 1, whose bit is 1 << number; it is its folder's. */
const char *allow_role_name(unsigned number);
/* The bit of the role NAME; 0: there is none of that name. */
unsigned allow_role(const char *name);

#endif
