/* Bodies of REST: one JSON object with members that a table lists, and no others. Pure. */
#ifndef TAILGATE_GATEWAY_HTTP_REST_BODY_H
#define TAILGATE_GATEWAY_HTTP_REST_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buffer.h"

#define REST_MEMBERS_MAX 8

struct rest_member {
    const char *name; /* NULL ends a table */
    enum {
        REST_PROSE,  /* a string without U+0000, in characters */
        REST_NAME,   /* the same, without control characters, and in bytes of UTF-8 */
        REST_INTEGER /* a whole number */
    } type;
    bool required;
    int64_t least, most; /* of the number, or of the string's length */
};

/* Which answer a body gets that is not as it should be. */
enum rest_fault {
    REST_FINE = 0,
    REST_NOT_JSON,  /* not JSON, not UTF-8, nested too deeply */
    REST_NOT_VALID, /* JSON with something else than the table's members */
    REST_TOO_LONG   /* a REST_PROSE longer than its most */
};

/* Reads BODY; size 0 counts as {} where the table requires nothing. Appends to RET_JSON, which ends
 * in '{' or a member, the members that are there, in the table's order, decoded and written anew:
 * bodies that mean the same give the same bytes. Otherwise RET_WHY gets a sentence that names the
 * member, and RET_JSON is untouched. A member that comes twice is a fault. */
enum rest_fault rest_body_read(struct span body, const struct rest_member *table,
                               struct buffer *ret_json, struct buffer *ret_why);

#endif
