/* What the command lines of `tailgate jetstream setup`, `publish` and `serve` have in common. */
#ifndef TAILGATE_GATEWAY_JETSTREAM_OPTIONS_H
#define TAILGATE_GATEWAY_JETSTREAM_OPTIONS_H

#include "adapters/jetstream/conn.h"
#include "gateway/cli.h"

#define OPTIONS_CONNECTION 6 /* rows of options_connection() */
#define OPTIONS_LOG 2        /* rows of options_log() */

struct nats_options {
    struct cli_list urls;
    const char *ca, *cert, *key, *creds, *prefix;
};

struct log_options {
    const char *format, *level;
};

/* Write rows of a command's table. */
void options_connection(struct nats_options *target, struct cli_option *ret_row);
void options_log(struct log_options *target, struct cli_option *ret_row);
/* Checks them for COMMAND. Return -1 to go on, or the exit code after one line on stderr.
 * RET_SETUP borrows from OPTIONS and its words. */
int options_check_nats(const char *command, const struct nats_options *options,
                       struct conn_setup *ret_setup);
int options_set_log(const char *command, const struct log_options *options);
/* 1 to LIMIT_SERVICE bytes of text that is not `*`, which has no stream. */
int options_check_service(const char *command, const char *service);

#endif
