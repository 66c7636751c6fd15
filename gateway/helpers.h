/* The programs that `tailgate serve` starts beside itself and keeps running, as --work and
 * --http ask for: they come through the doors like anyone else.
 *
 *          start             its end               the pause is over
 *   (added) ────▶ RUNNING ──────────▶ PAUSED ──────────────────────▶ RUNNING
 *                    └─ status 2: its words are wrong ─▶ FAILED, for good
 *
 *  H1. One that ends is started again after a pause that doubles from 0.5 s to 30 s, and is 0.5 s
 *      again when it ran for a minute.
 *
 *  H2. None outlives this process for long: it learns our process id (CHILD_PARENT), has the
 *      kernel send it SIGTERM when we end, however that comes, and ends at once when we have ended
 *      before it could ask for that.
 *
 *  H3. Each leads a process group of its own: a Ctrl-C at our terminal is for us, and the answers
 *      to what is in flight are still wanted then.
 *
 * Nothing here blocks but helpers_destroy(), for a bounded time. */
#ifndef TAILGATE_GATEWAY_HELPERS_H
#define TAILGATE_GATEWAY_HELPERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HELPERS_MAX 65

struct helpers; /* NULL: there are none, which every function takes */

enum helper_state { HELPER_PAUSED, HELPER_RUNNING, HELPER_FAILED };

struct helper_view {
    const char *command; /* borrowed */
    pid_t pid;           /* 0: it does not run */
    uint64_t restarts;
    enum helper_state state;
};

/* Returns 0 or -errno. */
int helpers_new(struct helpers **ret_helpers);
/* Adds one, to be started by helpers_start(). KIND, a constant ("work", "http"), names the events
 * of the log, COMMAND it in them; PATH is the program, ARGUMENTS its NULL-terminated arguments from
 * the program's name on. All but KIND are copied. At most HELPERS_MAX. */
void helpers_add(struct helpers *self, const char *kind, const char *command, const char *path,
                 const char *const *arguments);
/* Starts all. */
void helpers_start(struct helpers *self, int64_t now_us);
/* A descriptor to poll for reading; -1: none. */
int helpers_fd(const struct helpers *self);
/* When helpers_run() is to be called although nothing is ready; INT64_MAX: never. */
int64_t helpers_due(const struct helpers *self);
/* Takes the ends of those that have ended, and starts what is due. */
void helpers_run(struct helpers *self, int64_t now_us);
/* Asks all to end; none is started any more. */
void helpers_stop(struct helpers *self, int64_t now_us);
/* Asks again after a second, kills what is left after three, and sets *self to NULL. */
void helpers_destroy(struct helpers **self);

size_t helpers_count(const struct helpers *self);
struct helper_view helpers_look(const struct helpers *self, size_t index);
/* "running", "paused", "failed". */
const char *helper_state_name(enum helper_state state);

#endif
