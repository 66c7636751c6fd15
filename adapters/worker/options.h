/* The command line of `tailgate work`. */
#ifndef TAILGATE_ADAPTERS_WORKER_OPTIONS_H
#define TAILGATE_ADAPTERS_WORKER_OPTIONS_H

#include "adapters/worker/adapter.h"

#define OPTIONS_COMMAND "work"
#define OPTIONS_COUNT_MAX 64  /* workers in one process: about ten descriptors each */
#define OPTIONS_SUFFIX_MAX 12 /* bytes of "-4194304" or "-64" behind a name */

/* Borrowed from the command line. */
struct options {
    const char *db, *gate;          /* one of them is NULL */
    const char *cert, *server_cert; /* NULL: not said */
    const char *service, *name;     /* name NULL: not said */
    const char *log_format, *log_level;
    int64_t slots, count, time_limit_us, heartbeat_us;
    bool list, json;
    const struct adapter *adapter; /* NULL with list */
    struct adapter_setup program;
};

/* Reads argv[1..]. Returns -1 to go on, or the exit code to leave with, after --help or one line on
 * stderr. */
int options_parse(struct options *ret_options, int argc, char **argv);
/* Prints the adapters and their options. */
void options_list(bool json);

#endif
