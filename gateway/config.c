#include "gateway/config.h"

#include <czmq.h>
#include <stdlib.h>

#include "gateway/cli.h"

#define SECOND 1000000LL

enum type { NUMBER, DURATION, TEXT };

struct key {
    const char *name;
    enum type type;
    size_t offset; /* in struct config */
    const char *initial;
    int64_t min, max; /* NUMBER; DURATION in microseconds; TEXT: bytes */
    const char *reason;
};

#define AT(member) offsetof(struct config, member)

static const struct key keys[] = {
    {"commit.duty", NUMBER, AT(commit_duty), "50", 1, 100,
     "percent of the time that commits may hold the write lock: the rest is for the bridge's "
     "writers"},
    {"commit.group", NUMBER, AT(commit_group), "1000", 1, 100000,
     "replies in one transaction at most"},
    {"commit.queue", NUMBER, AT(commit_queue), "10000", 1, 1000000,
     "queries in flight or waiting for their commit; at this bound dispatch stops"},
    {"lease", DURATION, AT(lease_us), "10m", SECOND / 10, 86400 * SECOND,
     "how long a worker without heartbeats may keep a query"},
    {"attempt.max", DURATION, AT(attempt_max_us), "30m", SECOND / 10, 7 * 86400 * SECOND,
     "how long an attempt may last, heartbeats or not"},
    {"attempts", NUMBER, AT(attempts), "5", 1, 1000, "failed attempts after which a query is dead"},
    {"backoff.first", DURATION, AT(backoff_first_us), "1s", 1000, 3600 * SECOND,
     "pause after the first failed attempt; doubles with each"},
    {"backoff.max", DURATION, AT(backoff_max_us), "60s", 1000, 86400 * SECOND,
     "the longest pause between attempts"},
    {"heartbeat.interval", DURATION, AT(heartbeat_interval_us), "2500ms", SECOND / 10, 60 * SECOND,
     "between heartbeats to workers; three missed ones end a worker"},
    {"drain.timeout", DURATION, AT(drain_timeout_us), "30s", 0, 3600 * SECOND,
     "how long a stopping gateway waits for what is in flight"},
    {"serve.session", TEXT, AT(serve_session), "b", 1, 32, "the session whose queries are served"},
};

#define KEYS (sizeof keys / sizeof keys[0])

static int put(struct config *self, const struct key *key, const char *value)
{
    char *at = (char *)self + key->offset;
    int64_t number = 0;
    char *end;

    if (key->type == TEXT) {
        if (strlen(value) < (size_t)key->min || strlen(value) > (size_t)key->max)
            return -1;
        memcpy(at, value, strlen(value) + 1);
        return 0;
    }
    errno = 0;
    if (key->type == DURATION) {
        if (cli_duration(value, &number) < 0)
            return -1;
    } else {
        number = strtoll(value, &end, 10);
        if (errno || end == value || *end)
            return -1;
    }
    if (number < key->min || number > key->max)
        return -1;
    memcpy(at, &number, sizeof number);
    return 0;
}

void config_init(struct config *self)
{
    memset(self, 0, sizeof *self);
    for (size_t i = 0; i < KEYS; i++) {
        int bad = put(self, &keys[i], keys[i].initial);
        assert(!bad);
        (void)bad;
    }
}

/* The range of a key as a person writes it. */
static void print_range(const struct key *key, char *text, size_t size)
{
    if (key->type == DURATION)
        snprintf(text, size, "a duration from %lldms to %llds, such as 500ms, 10s, 5m or 2h",
                 (long long)(key->min / 1000), (long long)(key->max / SECOND));
    else if (key->type == NUMBER)
        snprintf(text, size, "a number from %lld to %lld", (long long)key->min,
                 (long long)key->max);
    else
        snprintf(text, size, "text of %lld to %lld bytes", (long long)key->min,
                 (long long)key->max);
}

static const char *nearest(const char *word)
{
    for (size_t i = 0; i < KEYS; i++)
        if (cli_is_near(word, keys[i].name))
            return keys[i].name;
    return NULL;
}

/* Sets one key from text. Returns 0, or -1 and one sentence in RET_ERROR. */
static int set(struct config *self, const char *key, const char *value,
               char ret_error[CONFIG_ERROR_SIZE])
{
    char range[100];
    const char *near;

    for (size_t i = 0; i < KEYS; i++) {
        if (strcmp(keys[i].name, key) != 0)
            continue;
        if (put(self, &keys[i], value) == 0)
            return 0;
        print_range(&keys[i], range, sizeof range);
        snprintf(ret_error, CONFIG_ERROR_SIZE, "%s is %s, not \"%.60s\"", key, range, value);
        return -1;
    }
    near = nearest(key);
    snprintf(ret_error, CONFIG_ERROR_SIZE, "there is no key \"%.60s\"%s%s%s", key,
             near ? "; did you mean " : " (serve --print-config lists them)", near ? near : "",
             near ? "?" : "");
    return -1;
}

int config_set_word(struct config *self, const char *word, char ret_error[CONFIG_ERROR_SIZE])
{
    const char *equals = strchr(word, '=');
    char key[100];

    if (!equals || (size_t)(equals - word) >= sizeof key) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "\"%.60s\" is not KEY=VALUE", word);
        return -1;
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - word), word);
    return set(self, key, equals + 1, ret_error);
}

/* Sets every leaf below NODE; PREFIX is the path to it. */
static int load_tree(struct config *self, zconfig_t *node, const char *prefix,
                     char ret_error[CONFIG_ERROR_SIZE])
{
    for (zconfig_t *child = zconfig_child(node); child; child = zconfig_next(child)) {
        char path[200];
        const char *value = zconfig_value(child);

        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", zconfig_name(child));
        if (value && *value && set(self, path, value, ret_error) < 0)
            return -1;
        if (load_tree(self, child, path, ret_error) < 0)
            return -1;
    }
    return 0;
}

int config_load(struct config *self, const char *path, char ret_error[CONFIG_ERROR_SIZE])
{
    zconfig_t *root = zconfig_load(path);
    int result;

    if (!root) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "cannot read %.200s as a ZPL file", path);
        return -1;
    }
    result = load_tree(self, root, "", ret_error);
    zconfig_destroy(&root);
    return result;
}

static void print_value(const struct config *self, const struct key *key)
{
    const char *at = (const char *)self + key->offset;
    int64_t number;

    memcpy(&number, at, sizeof number);
    if (key->type == TEXT)
        printf("%s = %s\n", key->name, at);
    else if (key->type == NUMBER)
        printf("%s = %lld\n", key->name, (long long)number);
    else if (number % SECOND == 0)
        printf("%s = %llds\n", key->name, (long long)(number / SECOND));
    else
        printf("%s = %lldms\n", key->name, (long long)(number / 1000));
}

void config_print(const struct config *self)
{
    for (size_t i = 0; i < KEYS; i++) {
        printf("# %s (default %s)\n", keys[i].reason, keys[i].initial);
        print_value(self, &keys[i]);
    }
}
