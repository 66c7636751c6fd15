/* The command line of `tailgate serve`, and the settings that it and the configuration file say. */
#ifndef TAILGATE_GATEWAY_SETTINGS_H
#define TAILGATE_GATEWAY_SETTINGS_H

#include "gateway/cli.h"
#include "gateway/config.h"
#include "gateway/door_word.h"

struct serve_options {
    const char *db;
    const char *config_file;
    const char *try_config; /* another one before it, that need not be there */
    const char *backlog;
    const char *log_format;
    const char *log_level;
    const char *curve;                          /* the folder of --curve; NULL: none */
    const char *http, *http_tokens, *http_rate; /* NULL: not said */
    struct cli_list gates, events, reps, works;
    struct cli_list settings;
    bool insecure;
    bool standby;
    bool no_wait;
    bool print_config;
};

/* Reads the command line into OPTIONS, which borrows from ARGV. Returns -1 to go on, or an exit
 * code (enum cli_exit) after one line on stderr. */
int settings_parse(int argc, char **argv, struct serve_options *options);
/* Sets CONFIG to what OPTIONS, the configuration file included, say. Returns 0, or -1 and a
 * sentence in RET_ERROR; CONFIG is config_done()'s in both cases. */
int settings_read(const struct serve_options *options, struct config *config,
                  char ret_error[CONFIG_ERROR_SIZE]);
/* Sets what of OPTIONS is in the configuration, too, to what CONFIG says, in which the command line
 * has won already. OPTIONS borrow from it. */
void settings_merge(struct serve_options *options, const struct config *config);
/* As settings_read() for a CONFIG that was read long ago: when the file is not good (any more) that
 * is logged, and CONFIG stays as it is. */
void settings_read_again(const struct serve_options *options, struct config *config);
/* Checks what is not in the configuration, and sets up the log. Returns as settings_parse(). */
int settings_check(const struct serve_options *options);

#endif
