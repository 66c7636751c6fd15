/* The command line of tailgate-http. */
#ifndef TAILGATE_GATEWAY_HTTP_OPTIONS_H
#define TAILGATE_GATEWAY_HTTP_OPTIONS_H

#include <limits.h>

#include "adapters/http/listen.h"
#include "gateway/http.h"

#define HTTP_COMMAND "http"

struct http_options {
    const char *db, *cert, *server_cert, *listen, *tokens, *rate;
    const char *log_format, *log_level;
    const char *gate, *events; /* as said, or of the database */
    int64_t body_max;
    struct listen_address address;
    struct http_limits limits;
    char gate_of_db[PATH_MAX + 8], events_of_db[PATH_MAX + 8];
};

/* Reads the command line, which SELF borrows from, checks it, finds the doors and sets up the log.
 * Returns -1 to go on, or an exit code after one line on stderr. */
int http_options_read(struct http_options *self, int argc, char **argv);

#endif
