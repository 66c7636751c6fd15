/* The services that the gate answers itself, whatever the client speaks: mmi.* (RFC 8), titanic.*
 * (RFC 9) and tailgate.*. Each is a row of a table; no worker may register in these names. */
#ifndef TAILGATE_GATEWAY_BUILTIN_H
#define TAILGATE_GATEWAY_BUILTIN_H

#include "gateway/builtin_name.h"
#include "gateway/server.h"

enum builtin {
    BUILTIN_ANSWERED, /* the reply is there */
    BUILTIN_LATER,    /* it comes when something was committed: the service has seen to that */
    BUILTIN_BUSY      /* the database cannot be read just now: nothing was done, ask again */
};

struct builtin_service {
    const char *name;
    enum right right; /* that a key must have */
    bool changes;     /* something in the gateway: for the database's owner only */
    /* Appends the reply's packed frames (BUILTIN_ANSWERED). */
    enum builtin (*ask)(struct server *self, int64_t now_us, const struct asking *asking,
                        struct buffer *ret_packed);
};

/* Each file's services, ended by one without a name. */
extern const struct builtin_service builtin_of_control[], builtin_of_titanic[], builtin_of_replay[],
    builtin_of_talk[], builtin_of_query[], builtin_of_dead[], builtin_of_story[];

/* Answers ASKING, whose service is such a name. */
enum builtin builtin_ask(struct server *self, int64_t now_us, const struct asking *asking,
                         struct buffer *ret_packed);
/* The right that a key must have to ask the tailgate.* service NAME. */
enum right builtin_right(struct span name);
/* JOB, a JOB_CALL, has ended: whoever asked hears of it. */
void builtin_settled(struct server *self, const struct job *job);
/* The one word that ASKING says: its first body frame, or nothing. */
struct span builtin_word(const struct asking *asking);
/* Appends the packed {"type":"error","error":ERROR,"code":CODE}. */
void builtin_error(const char *code, const char *error, struct buffer *ret_packed);

#endif
