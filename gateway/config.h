/* The gateway's settings: a table of keys with defaults, units and reasons; a ZPL file (czmq
 * zconfig, RFC 4) and KEY=VALUE words change them, the later one wins. An unknown key is an error.
 *
 * What says how a service is served (rules.h) can be set for all services, and for one of them as
 * "service.NAME.KEY": `service.render.attempts = 2`. */
#ifndef TAILGATE_GATEWAY_CONFIG_H
#define TAILGATE_GATEWAY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/rules.h"

#define CONFIG_ERROR_SIZE 360
#define CONFIG_OWN 1000 /* settings of single services, at most */
#define CONFIG_FILE_MAX (1 << 20)
#define CONFIG_LIST 64 /* times that a key may stand there which may stand there several times */
#define CONFIG_WORD_SIZE 16
#define CONFIG_PATH_SIZE 1024
#define CONFIG_RATE_SIZE 64

enum config_claim { CLAIM_REPLY, CLAIM_DISPATCH };
enum config_agents { AGENTS_LEAVE, AGENTS_SERVE };
enum config_presence { PRESENCE_OFF, PRESENCE_ON };
enum config_partials { PARTIALS_OFF, PARTIALS_ON };
enum config_bodies { BODIES_OFF, BODIES_ON };

struct config_list {
    char *item[CONFIG_LIST];
    size_t count;
};

struct config {
    int64_t commit_duty;  /* percent */
    int64_t commit_group; /* replies in one transaction */
    int64_t commit_queue; /* queries leased or waiting for their commit */
    /* of all services; struct rules is made of these */
    int64_t lease_us, attempt_max_us, attempt_hard_max_us, backoff_first_us, backoff_max_us;
    int64_t attempts, window, order;
    int64_t heartbeat_interval_us;
    int64_t record_after_us, grace_us;
    int64_t drain_timeout_us;
    int64_t claim;    /* enum config_claim */
    int64_t agents;   /* enum config_agents */
    int64_t presence; /* enum config_presence */
    int64_t partials; /* enum config_partials: as events */
    int64_t bodies;   /* enum config_bodies: of rows, in events */
    int64_t park_after_us;
    int64_t keep_us, dead_us, audit_us;                                           /* retention */
    int64_t client_window, client_coalesce_us, service_expire_us, titanic_ttl_us; /* clients */
    char serve_session[33]; /* the session whose queries are served */
    /* what are options of `tailgate serve`, too (settings.c) */
    struct config_list gates, events, reps, works;
    char curve[CONFIG_PATH_SIZE]; /* "": none; and so below */
    char http[CONFIG_PATH_SIZE], http_tokens[CONFIG_PATH_SIZE], http_rate[CONFIG_RATE_SIZE];
    char backlog[CONFIG_WORD_SIZE], log_format[CONFIG_WORD_SIZE], log_level[CONFIG_WORD_SIZE];
    int64_t insecure, standby; /* 0 or 1 */
    struct config_own *own; /* the services' own settings, in the order in which they were said */
    size_t own_count;
};

/* The defaults. */
void config_init(struct config *self);
void config_done(struct config *self);
/* Sets one key from the text "key=value". Returns 0, or -1 and one sentence in RET_ERROR. */
int config_set_word(struct config *self, const char *word, char ret_error[CONFIG_ERROR_SIZE]);
/* The same for the key NAME; a key that may be given several times gets one more value. */
int config_set(struct config *self, const char *name, const char *value,
               char ret_error[CONFIG_ERROR_SIZE]);
/* Forgets the values that the key NAME, which may have several, has been given so far. */
void config_unset(struct config *self, const char *name);
/* Swaps what are options of `tailgate serve`, too. */
void config_swap_options(struct config *a, struct config *b);
/* Reads a ZPL file: `commit.duty = 50` or nested sections. Stops at the first error. Only a regular
 * file of at most CONFIG_FILE_MAX bytes is read: nothing here waits for a writer. */
int config_load(struct config *self, const char *path, char ret_error[CONFIG_ERROR_SIZE]);
/* Prints all keys with their values, as a file that config_load() reads, with a line of reason
 * each. */
void config_print(const struct config *self);
/* The rules that SELF says; the caller frees ret_rulebook->entry. */
void config_rulebook(const struct config *self, struct rulebook *ret_rulebook);
/* Calls SEE for every key whose value is not the same in A and B. A service's own setting that is
 * gone has the value of all services from then on, as it had before it came. */
struct config_change {
    const char *key; /* "attempts", "service.render.attempts" */
    bool live;       /* a running gateway can take it over */
    const char *was, *now;
};
typedef void config_see_fn(void *context, const struct config_change *change);
void config_compare(const struct config *a, const struct config *b, config_see_fn *see,
                    void *context);
/* Takes the keys that can change live over from FROM. */
void config_take_live(struct config *self, const struct config *from);

#endif
