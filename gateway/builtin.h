/* The services that the gate answers itself, whatever the client speaks: mmi.* (RFC 8), titanic.*
 * (RFC 9) and tailgate.*. Each is a row of a table; no worker may register in these names. */
#ifndef TAILGATE_GATEWAY_BUILTIN_H
#define TAILGATE_GATEWAY_BUILTIN_H

#include "gateway/server.h"

enum builtin {
    BUILTIN_ANSWERED, /* the reply is there */
    BUILTIN_LATER,    /* it comes when something was committed: the service has seen to that */
    BUILTIN_BUSY      /* the database cannot be read just now: nothing was done, ask again */
};

struct builtin_service {
    const char *name;
    bool changes; /* something in the gateway: for the database's owner only */
    /* Appends the reply's packed frames (BUILTIN_ANSWERED). */
    enum builtin (*ask)(struct server *self, int64_t now_us, const struct asking *asking,
                        struct buffer *ret_packed);
};

/* Each file's services, ended by one without a name. */
extern const struct builtin_service builtin_of_control[], builtin_of_titanic[], builtin_of_replay[];

/* True when NAME is one of those that only the gate itself may serve. */
bool builtin_is_name(struct span name);
/* Answers ASKING, whose service is such a name. */
enum builtin builtin_ask(struct server *self, int64_t now_us, const struct asking *asking,
                         struct buffer *ret_packed);
/* The one word that ASKING says: its first body frame, or nothing. */
struct span builtin_word(const struct asking *asking);

#endif
