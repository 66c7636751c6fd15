/* One query and the child process that is started for it: its question on the child's stdin, which
 * is then closed, and who asks in its environment (environment.h); what it writes on stdout until
 * it ends with status 0 is the answer.
 *
 * The answer is complete when the child has ended, not when its stdout is closed: a process that it
 * has left behind may hold that open for ever. What is left of its group is killed then. */
#ifndef TAILGATE_ADAPTERS_WORKER_ERRAND_H
#define TAILGATE_ADAPTERS_WORKER_ERRAND_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/resource.h>

#include "adapters/worker/child.h"
#include "adapters/worker/excerpt.h"
#include "adapters/worker/lines.h"

/* What can be ready. */
enum errand_source { ERRAND_INPUT, ERRAND_OUTPUT, ERRAND_ERRORS, ERRAND_END, ERRAND_SOURCES };

/* What the epoll says: ERRAND has SOURCE ready. */
struct errand_watched {
    struct errand *errand;
    enum errand_source source;
};

struct errand {
    TAILQ_ENTRY(errand) link; /* its owner's */
    struct child child;
    int end; /* pidfd; -1: none */
    struct errand_watched watched[ERRAND_SOURCES];
    struct buffer token;
    char **environment;  /* for it, until it is started */
    struct buffer input; /* for its stdin */
    size_t sent;         /* bytes of INPUT that are written */
    struct buffer output;
    struct lines said;       /* its stderr */
    char last[EXCERPT_SIZE]; /* the last line of that; "": it said nothing */
    bool dropped;            /* nothing is reported of it any more */
    bool too_long;           /* it wrote more than an answer can have */
    int error;               /* why it could not be started: -errno; 0: it was */
    siginfo_t how;           /* it ended */
};

TAILQ_HEAD(errands, errand);

struct errand_limits {
    int64_t memory_mib;  /* of address space; 0: no limit */
    struct rlimit files; /* RLIMIT_NOFILE */
};

/* One that is not started yet; TOKEN and QUERY are copied. */
struct errand *errand_new(struct span token, struct span query);
/* Ends the child if it runs, as errand_kill(), and sets *self to NULL. NULL is fine. */
void errand_destroy(struct errand **self);
/* Starts COMMAND, gives it as much of the question as it takes, and has EPOLL tell what can be
 * taken: the data is a struct errand_watched. Returns 0, or -errno and there is no child. */
int errand_start(struct errand *self, char *const *command, const struct errand_limits *limits,
                 int epoll);
/* Ends the child's group at once and waits for it. */
void errand_kill(struct errand *self);
/* Takes what is ready at SOURCE, without blocking. True when the child has ended and was reaped. */
bool errand_take(struct errand *self, enum errand_source source);
/* Ends the child's group at once, and nothing more is told. Its end is still to be taken. */
void errand_drop(struct errand *self);
/* The next line that it wrote on stderr, borrowed until the next call on SELF; false: none. */
bool errand_said(struct errand *self, struct span *ret_line);
/* It has ended: its answer, borrowed. */
struct span errand_answer(const struct errand *self);
/* It has ended, or could not be started: appends what is wrong with that; false: nothing. PROGRAM
 * is what the command is called. */
bool errand_fault(const struct errand *self, const char *program, struct buffer *ret_reason);

#endif
