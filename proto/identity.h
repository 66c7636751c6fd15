/* Who sent something, as the gate has verified it (WIRE.md, "Who sent it"): the user behind a unix
 * socket, as the kernel names it, or the key of a CURVE connection. */
#ifndef TAILGATE_PROTO_IDENTITY_H
#define TAILGATE_PROTO_IDENTITY_H

#include "proto/buffer.h"
#include "proto/limits.h"

/* "key:" and 32 hex digits, "uid:" and a number; NUL included */
#define IDENTITY_PRINCIPAL_SIZE 40

struct identity {
    char principal[IDENTITY_PRINCIPAL_SIZE]; /* "": nobody is verified, and there is no name */
    char name[LIMIT_WORKER_NAME + 1];        /* that the gateway's list has for a key; "": none */
};

/* Appends {"principal":…,"name":…}, without "name" where that is empty. */
void identity_object(struct buffer *ret_json, struct span principal, struct span name);
/* Appends `"MEMBER":{"principal":…,"name":…}` as a member of the object under way, and
 * nothing where PRINCIPAL is empty. */
void identity_member(struct buffer *ret_json, const char *member, struct span principal,
                     struct span name);

#endif
