/* TCP connections to HOST:PORT that are made without waiting. */
#ifndef TAILGATE_ADAPTERS_WORKER_REACH_H
#define TAILGATE_ADAPTERS_WORKER_REACH_H

#include <netdb.h>
#include <stdint.h>

#define REACH_HOST 256 /* bytes of a name or address, with its NUL */

struct reach_place {
    char host[REACH_HOST];
    char port[6];
};

/* Reads HOST:PORT, [ADDRESS]:PORT for IPv6, with a port of 1 to 65535. Returns 0, or -1 when TEXT
 * is something else. */
int reach_read(const char *text, struct reach_place *ret_place);
/* Finds the addresses of PLACE, in the order in which they are to be tried; the caller gives them
 * to freeaddrinfo(). Numeric ones and "localhost" are known without asking anybody; looking up
 * another name may block for as long as the system's resolver takes. Returns 0, or getaddrinfo()'s
 * code. */
int reach_resolve(const struct reach_place *place, struct addrinfo **ret_list);

/* A connection that is being made: to one address after the other, until one of them accepts. */
struct reach {
    const struct addrinfo *next; /* to be tried after this one; borrowed */
    int descriptor;              /* non-blocking, close-on-exec; -1: none */
    int64_t end_us;              /* when this address is given up */
    int error;                   /* of the last address that was given up */
};

/* Begins. LIST must live until the connection is made, or closed. */
void reach_begin(struct reach *self, const struct addrinfo *list, int64_t now_us);
/* Goes on, when the descriptor is writable or end_us has come. Returns 1 when the connection stands
 * (the descriptor is the caller's), 0 when it is still being made, or -errno when no address of the
 * list accepts. */
int reach_go(struct reach *self, int64_t now_us);

#endif
