/* One connection of the adapter tcp, from the wish to have it to its end: lines in, bytes out. */
#ifndef TAILGATE_ADAPTERS_WORKER_CALL_H
#define TAILGATE_ADAPTERS_WORKER_CALL_H

#include "adapters/worker/lines.h"
#include "adapters/worker/outlet.h"
#include "adapters/worker/reach.h"

enum call_state {
    CALL_NONE,   /* no connection, and none wanted */
    CALL_WANTED, /* not begun yet */
    CALL_MAKING,
    CALL_UP
};

struct call {
    enum call_state state;
    struct reach reach; /* its descriptor is the connection's */
    uint32_t watched;   /* the events that an epoll watches it for */
    struct outlet out;  /* sent as soon as it is up */
    struct lines in;
    char *token; /* of the query that the connection is for, owned; NULL: for any */
};

void call_init(struct call *self);
/* Closes the connection and frees what belongs to it: as after call_init(). */
void call_end(struct call *self);
/* Makes the connection, to the first address of LIST (as for reach_begin()) that accepts: 1 when it
 * is up, 0 when that takes longer, or -errno. */
int call_make(struct call *self, const struct addrinfo *list, int64_t now_us);
/* Of one that is up: writes what can be written, and takes the next line, as lines_take() does. */
int call_line(struct call *self, int *reads, struct span *ret_line);
/* Writes how the connection with TARGET ended, as a sentence: CODE is call_line()'s, LACKING is put
 * behind it (" without an answer"), REST is what came and was no line. ROOM includes the NUL. */
void call_explain(const char *target, int code, const char *lacking, struct span rest,
                  char *ret_text, size_t room);
/* Has EPOLL watch for what it waits for; its events carry NUMBER. */
void call_watch(struct call *self, int epoll, uint32_t number);
/* When it is to be made or given up although nothing is ready; INT64_MAX: never. */
int64_t call_due(const struct call *self);

#endif
