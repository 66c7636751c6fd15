/* Where the helper executables of Tailgate are, which the user never names. */
#ifndef TAILGATE_GATEWAY_HELPER_PATH_H
#define TAILGATE_GATEWAY_HELPER_PATH_H

#include <limits.h>

#define HELPER_PATH_SIZE (2 * PATH_MAX + 64)
#define HELPER_WORK "tailgate-work"
#define HELPER_RELAY "tailgate-relay"
#define HELPER_HTTP "tailgate-http"
#define HELPER_JETSTREAM "tailgate-jetstream"
#define HELPER_BENCH "tailgate-bench"

/* Finds the helper NAME: beside the running program, in its build tree, or where it was installed.
 * Returns 0, or -1 when it is nowhere; it may still be no program. */
int helper_path(const char *name, char ret_path[HELPER_PATH_SIZE]);
/* Says on stderr that NAME is nowhere, for COMMAND; returns CLI_FAILED. */
int helper_is_missing(const char *command, const char *name);

#endif
