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

#define CONFIG_ERROR_SIZE 300
#define CONFIG_OWN 1000 /* settings of single services, at most */
#define CONFIG_FILE_MAX (1 << 20)

enum config_claim { CLAIM_REPLY, CLAIM_DISPATCH };
enum config_agents { AGENTS_LEAVE, AGENTS_SERVE };
enum config_presence { PRESENCE_OFF, PRESENCE_ON };
enum config_partials { PARTIALS_OFF, PARTIALS_ON };
enum config_bodies { BODIES_OFF, BODIES_ON };

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
    struct config_own *own; /* the services' own settings, in the order in which they were said */
    size_t own_count;
};

/* The defaults. */
void config_init(struct config *self);
void config_done(struct config *self);
/* Sets one key from the text "key=value". Returns 0, or -1 and one sentence in RET_ERROR. */
int config_set_word(struct config *self, const char *word, char ret_error[CONFIG_ERROR_SIZE]);
/* Reads a ZPL file: `commit.duty = 50` or nested sections. Stops at the first error. Only a regular
 * file of at most CONFIG_FILE_MAX bytes is read: nothing here waits for a writer. */
int config_load(struct config *self, const char *path, char ret_error[CONFIG_ERROR_SIZE]);
/* Prints all keys with their values, as a file that config_load() reads, with a line of reason
 * each. */
void config_print(const struct config *self);
/* The rules that SELF says; the caller frees ret_rulebook->entry. */
void config_rulebook(const struct config *self, struct rulebook *ret_rulebook);
/* Calls SEE for every key whose value is not the same in A and B; LIVE: a running gateway can take
 * it over. The services' own settings count as one key. */
typedef void config_see_fn(void *context, const char *key, bool live);
void config_compare(const struct config *a, const struct config *b, config_see_fn *see,
                    void *context);
/* Takes the keys that can change live over from FROM. */
void config_take_live(struct config *self, const struct config *from);

#endif
