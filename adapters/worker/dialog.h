/* A child process that one talks to in lines: what it is told goes to its stdin, what it says comes
 * line by line from its stdout, words for people from its stderr. It is embedded in an adapter.
 *
 *              it closed a pipe, and stays: BROKEN
 *            ┌─────────▶ CLOSED ──────────┐
 *   STOPPED ─┴▶ RUNNING ──stop───────▶ ENDING ──▶ KILLED ──its end──▶ ENDED ──GONE──▶ STOPPED
 *                 └──leave──▶ LEAVING ────┘
 *
 * Invariants
 *   1. Every pipe is non-blocking: a child that reads nothing, or writes without end, costs memory
 *      up to a limit and never the loop's time.
 *   2. The child leads a process group. When it has ended, what is left of the group is killed
 *      before the child is reaped, so that the group's number cannot have become somebody else's.
 *   3. What the child wrote before it ended is reported before GONE. */
#ifndef TAILGATE_ADAPTERS_WORKER_DIALOG_H
#define TAILGATE_ADAPTERS_WORKER_DIALOG_H

#include <poll.h>
#include <stdint.h>

#include "adapters/worker/child.h"
#include "adapters/worker/lines.h"
#include "adapters/worker/outlet.h"

#define DIALOG_DESCRIPTORS 3

enum dialog_phase {
    DIALOG_STOPPED, /* no child */
    DIALOG_RUNNING,
    DIALOG_CLOSED,  /* it closed stdin or stdout; it has until END_US to end by itself */
    DIALOG_LEAVING, /* so too, because we have closed its stdin */
    DIALOG_ENDING,  /* SIGTERM sent; SIGKILL follows at END_US */
    DIALOG_KILLED,  /* SIGKILL sent */
    DIALOG_ENDED    /* reaped; what it left in its pipes is being read */
};

struct dialog {
    enum dialog_phase phase;
    struct child child;
    struct outlet input; /* lines for its stdin */
    bool last;           /* its stdin is closed when all of INPUT is written */
    struct lines answer; /* its stdout */
    struct lines said;   /* its stderr */
    bool said_first;     /* whose turn it is: neither stream can silence the other */
    int reads;           /* that may still be made in this call or, when ENDED, at all */
    bool exited, well;   /* ENDED: by itself, not by a signal; with exit status 0 */
    int64_t end_us;
    char reason[200]; /* text of BROKEN and GONE */
};

enum dialog_report {
    DIALOG_NOTHING,
    DIALOG_LINE,   /* of its stdout, not blank */
    DIALOG_SAID,   /* a line of its stderr, not blank */
    DIALOG_BROKEN, /* it cannot go on, and is being ended */
    DIALOG_GONE    /* it has ended, TEXT says how, and nothing is left of it but EXITED and WELL */
};

void dialog_init(struct dialog *self);
/* Ends a child that still runs, at once, and waits for it. May be called twice. */
void dialog_done(struct dialog *self);
/* Starts COMMAND; returns 0, or -errno and is stopped. */
int dialog_start(struct dialog *self, char *const *command);
/* Fills in what to poll; returns how many. */
size_t dialog_descriptors(const struct dialog *self, struct pollfd ret_poll[DIALOG_DESCRIPTORS]);
/* Takes the next thing that happened, reading and writing what can be without blocking. TEXT is
 * borrowed until the next call on SELF. What is to be written is appended to SELF->input.bytes
 * before. */
enum dialog_report dialog_take(struct dialog *self, int64_t now_us, struct span *ret_text);
/* When dialog_take() is to be called although nothing is ready; INT64_MAX: never. */
int64_t dialog_due(const struct dialog *self);
/* Closes its stdin; a child that does not end by itself then is stopped. */
void dialog_leave(struct dialog *self, int64_t now_us);
/* Ends it by SIGTERM, later SIGKILL, or at once. */
void dialog_stop(struct dialog *self, int64_t now_us, bool at_once);

#endif
