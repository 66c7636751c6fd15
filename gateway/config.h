/* The gateway's settings: a table of keys with defaults, units and reasons; a ZPL file (czmq
 * zconfig, RFC 4) and KEY=VALUE words change them, the later one wins. An unknown key is an error.
 */
#ifndef TAILGATE_GATEWAY_CONFIG_H
#define TAILGATE_GATEWAY_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#define CONFIG_ERROR_SIZE 300

struct config {
    int64_t commit_duty;  /* percent */
    int64_t commit_group; /* replies in one transaction */
    int64_t commit_queue; /* queries leased or waiting for their commit */
    int64_t lease_us;
    int64_t attempt_max_us;
    int64_t attempts;
    int64_t backoff_first_us;
    int64_t backoff_max_us;
    int64_t heartbeat_interval_us;
    int64_t drain_timeout_us;
    char serve_session[33]; /* the session whose queries are served */
};

/* The defaults. */
void config_init(struct config *self);
/* Sets one key from the text "key=value". Returns 0, or -1 and one sentence in RET_ERROR. */
int config_set_word(struct config *self, const char *word, char ret_error[CONFIG_ERROR_SIZE]);
/* Reads a ZPL file: `commit.duty = 50` or nested sections. Stops at the first error. */
int config_load(struct config *self, const char *path, char ret_error[CONFIG_ERROR_SIZE]);
/* Prints all keys with their values, as a file that config_load() reads, with a line of reason
 * each. */
void config_print(const struct config *self);

#endif
