/* The ticket of a request that its client comes back for (ZeroMQ RFC 9/TSP): 16 random bytes as 32
 * upper-case hexadecimal digits. Whoever knows it may have the answer. */
#ifndef TAILGATE_PROTO_TICKET_H
#define TAILGATE_PROTO_TICKET_H

#include "proto/span.h"

#define TICKET_SIZE 33 /* with its NUL */

/* Makes one that nobody can guess. token_init() comes first. */
void ticket_new(char ret_ticket[TICKET_SIZE]);
/* True when TEXT is a ticket by its form, in either case. */
bool ticket_ok(struct span text);
/* Reads one in either case and writes it as ticket_new() would have. Returns 0, or -1 when TEXT is
 * none (then RET_TICKET is untouched). */
int ticket_read(struct span text, char ret_ticket[TICKET_SIZE]);

#endif
