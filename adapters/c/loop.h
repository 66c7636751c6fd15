/* The library's thread: it owns every socket of the workers and clients that were put on it.
 *
 * A member is a worker or a client. It has a lock of its own, which its calls here take; callers of
 * the library take the same lock, leave word in the member, and wake the thread. So the sockets
 * stay in one thread, and what goes between threads is guarded by a mutex that a sanitizer sees. */
#ifndef TAILGATE_ADAPTERS_C_LOOP_H
#define TAILGATE_ADAPTERS_C_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "adapters/c/tailgate.h"

#define LOOP_ITEMS 3 /* items to poll of one member at most */

/* What a member can do; each is called in the loop's thread and never blocks. */
struct loop_calls {
    /* Fills in what to poll; returns how many. */
    size_t (*items)(void *member, zmq_pollitem_t ret_item[LOOP_ITEMS]);
    /* When run() is to be called although nothing is ready; INT64_MAX: never. */
    int64_t (*due)(void *member);
    void (*run)(void *member, int64_t now_us);
    /* Closes its sockets; it is no member any more after that. (The loop's list is locked.) */
    void (*close)(void *member);
};

struct loop_seat {
    const struct loop_calls *calls;
    void *member;
    struct loop_seat *next; /* the loop's, as what follows */
    bool leaving;
    size_t first, count; /* its items */
};

/* ZeroMQ's context, for the sockets of the members. */
void *loop_context(const struct tailgate_loop *self);
/* Puts a member on the loop. SEAT is borrowed until loop_remove(). */
void loop_add(struct tailgate_loop *self, struct loop_seat *seat);
/* Waits until the member's sockets are closed. Not to be called in the loop's thread. */
void loop_remove(struct tailgate_loop *self, struct loop_seat *seat);
/* Has due() of every member asked again. Any thread may call it. */
void loop_wake(struct tailgate_loop *self);

#endif
