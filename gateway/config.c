#include "gateway/config_keys.h"

#include <czmq.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/cli.h"
#include "proto/buffer.h"
#include "proto/message.h"

static int read_choice(const struct key *key, const char *value, int64_t *ret_number)
{
    const char *word = key->words;

    for (int64_t place = 0; word; place++) {
        size_t size = strcspn(word, "|");
        if (strlen(value) == size && strncmp(word, value, size) == 0) {
            *ret_number = place;
            return 0;
        }
        word = word[size] ? word + size + 1 : NULL;
    }
    return -1;
}

/* Reads the value of a key that is not a TEXT. */
static int read_number(const struct key *key, const char *value, int64_t *ret_number)
{
    int64_t number = 0;
    char *end;

    if (key->type == CHOICE)
        return read_choice(key, value, ret_number);
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
    *ret_number = number;
    return 0;
}

static int append(struct config_list *list, const char *value)
{
    char *copy;

    if (list->count == CONFIG_LIST)
        return -E2BIG;
    copy = memory_new(strlen(value) + 1);
    memcpy(copy, value, strlen(value) + 1);
    list->item[list->count++] = copy;
    return 0;
}

/* Returns 0, -1 for a bad value, or -E2BIG. */
static int put(struct config *self, const struct key *key, const char *value)
{
    char *at = (char *)self + key->offset;
    bool sized = strlen(value) >= (size_t)key->min && strlen(value) <= (size_t)key->max;
    int64_t number;

    if (key->type == LIST)
        return sized ? append((struct config_list *)(void *)at, value) : -1;
    if (key->type == TEXT) {
        if (!sized || (key->words && read_choice(key, value, &number) < 0))
            return -1;
        memset(at, 0, (size_t)key->max + 1);
        memcpy(at, value, strlen(value));
        return 0;
    }
    if (read_number(key, value, &number) < 0)
        return -1;
    memcpy(at, &number, sizeof number);
    return 0;
}

/* The setting KEY of SERVICE, new or said before; NULL: there are too many. */
static struct config_own *find_or_add(struct config *self, struct span service,
                                      const struct key *key)
{
    struct config_own *own;

    for (size_t i = 0; i < self->own_count; i++)
        if (self->own[i].key == key && span_is(service, self->own[i].service))
            return &self->own[i];
    if (self->own_count == CONFIG_OWN)
        return NULL;
    self->own = memory_grow(self->own, (self->own_count + 1) * sizeof *self->own);
    own = &self->own[self->own_count++];
    memset(own, 0, sizeof *own);
    memcpy(own->service, service.data, service.size);
    own->key = key;
    return own;
}

/* Sets KEY for the service of that NAME alone. Returns 0, -1 for a bad value, or -E2BIG. */
static int put_own(struct config *self, struct span service, const struct key *key,
                   const char *value)
{
    struct config_own *own;
    int64_t number;

    if (read_number(key, value, &number) < 0)
        return -1;
    own = find_or_add(self, service, key);
    if (!own)
        return -E2BIG;
    own->value = number;
    return 0;
}

void config_init(struct config *self)
{
    memset(self, 0, sizeof *self);
    for (size_t i = 0; i < config_key_count; i++) {
        bool none = config_keys[i].type == LIST;
        int bad = none ? 0 : put(self, &config_keys[i], config_keys[i].initial);
        assert(!bad);
        (void)bad;
    }
}

static void clear(struct config *self, const struct key *key)
{
    struct config_list *list = (struct config_list *)(void *)((char *)self + key->offset);

    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    list->count = 0;
}

void config_done(struct config *self)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].type == LIST)
            clear(self, &config_keys[i]);
    free(self->own);
    self->own = NULL;
    self->own_count = 0;
}

/* Of WORD and the names of keys, the nearest that is nearer than *LEAST, which is then how near it
 * is; ONE_SERVICE: of those that a service can have. */
static const char *nearest(const char *word, bool one_service, size_t *least)
{
    const char *best = NULL;

    for (size_t i = 0; i < config_key_count; i++) {
        size_t distance = cli_distance(word, config_keys[i].name);
        if ((one_service && config_keys[i].change != RULE) || distance >= *least ||
            !cli_is_near(word, config_keys[i].name))
            continue;
        best = config_keys[i].name;
        *least = distance;
    }
    return best;
}

static const struct key *find(const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

/* Takes "service.NAME.KEY" apart; NAME may have dots in it. NULL: NAME is none, or KEY is not one
 * that a service can have. */
static const struct key *find_own(const char *name, struct span *ret_service)
{
    const char *rest = name + strlen(CONFIG_OWN_PREFIX);
    size_t size = strlen(rest);

    for (size_t i = 0; i < config_key_count; i++) {
        size_t tail = strlen(config_keys[i].name);
        if (config_keys[i].change != RULE || size < tail + 2 || rest[size - tail - 1] != '.' ||
            strcmp(rest + size - tail, config_keys[i].name) != 0)
            continue;
        *ret_service = span_of(rest, size - tail - 1);
        if (message_service_ok(*ret_service))
            return &config_keys[i];
    }
    return NULL;
}

/* Says that there is no key NAME, and which one is near. */
static void explain_unknown(const char *name, char ret_error[CONFIG_ERROR_SIZE])
{
    bool own = strncmp(name, CONFIG_OWN_PREFIX, strlen(CONFIG_OWN_PREFIX)) == 0;
    size_t least = SIZE_MAX;
    const char *near = nearest(name, false, &least), *tail = own ? strchr(name, '.') : NULL;
    const struct key *general = NULL;
    int kept = 0; /* bytes of NAME in front of what is near */

    /* a service's name may have dots in it, and so may a key's: what is near tells which one it is
     */
    while (tail && (tail = strchr(tail + 1, '.'))) {
        const char *nearer = nearest(tail + 1, true, &least);
        const struct key *key = find(tail + 1);
        if (key && key->change != RULE)
            general = key;
        if (nearer) {
            near = nearer;
            kept = (int)(tail + 1 - name);
        }
    }
    if (general)
        snprintf(ret_error, CONFIG_ERROR_SIZE,
                 "there is no key \"%.120s\": %s is the same for all services", name,
                 general->name);
    else if (near && kept < LIMIT_SERVICE)
        snprintf(ret_error, CONFIG_ERROR_SIZE, "there is no key \"%.60s\"; did you mean %.*s%s?",
                 name, kept, name, near);
    else
        snprintf(ret_error, CONFIG_ERROR_SIZE,
                 "there is no key \"%.60s\" (serve --print-config lists them)", name);
}

int config_set(struct config *self, const char *name, const char *value,
               char ret_error[CONFIG_ERROR_SIZE])
{
    bool own = strncmp(name, CONFIG_OWN_PREFIX, strlen(CONFIG_OWN_PREFIX)) == 0 && !find(name);
    struct span service = {NULL, 0};
    const struct key *key = own ? find_own(name, &service) : find(name);
    char range[CONFIG_RANGE_SIZE];
    int error;

    if (!key) {
        explain_unknown(name, ret_error);
        return -1;
    }
    error = own ? put_own(self, service, key, value) : put(self, key, value);
    if (error == -E2BIG && own) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "more than %d settings of single services",
                 CONFIG_OWN);
    } else if (error == -E2BIG) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "%s is given more than %d times", key->name,
                 CONFIG_LIST);
    } else if (error) {
        config_range(key, range);
        snprintf(ret_error, CONFIG_ERROR_SIZE, "%.120s is %s%s, not \"%.60s\"", name, range,
                 key->type == DURATION ? ", such as 500ms, 10s, 5m or 2h" : "", value);
    }
    return error ? -1 : 0;
}

void config_unset(struct config *self, const char *name)
{
    const struct key *key = find(name);

    if (key && key->type == LIST)
        clear(self, key);
}

int config_set_word(struct config *self, const char *word, char ret_error[CONFIG_ERROR_SIZE])
{
    const char *equals = strchr(word, '=');
    char key[200];

    if (!equals || (size_t)(equals - word) >= sizeof key) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "\"%.60s\" is not KEY=VALUE", word);
        return -1;
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - word), word);
    return config_set(self, key, equals + 1, ret_error);
}

/* Sets every leaf below NODE; PREFIX is the path to it. */
static int load_tree(struct config *self, zconfig_t *node, const char *prefix,
                     char ret_error[CONFIG_ERROR_SIZE])
{
    for (zconfig_t *child = zconfig_child(node); child; child = zconfig_next(child)) {
        char path[200];
        const char *value = zconfig_value(child);

        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", zconfig_name(child));
        if ((*value || !zconfig_child(child)) && config_set(self, path, value, ret_error) < 0)
            return -1;
        if (load_tree(self, child, path, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* Appends what is in the file at PATH to TEXT. 0, or -1 and a sentence in RET_ERROR. */
static int read_file(const char *path, struct buffer *text, char ret_error[CONFIG_ERROR_SIZE])
{
    /* a named pipe must not stop a running gateway */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char piece[4096];
    struct stat status;
    ssize_t size = -1;

    if (file < 0 || fstat(file, &status) != 0) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "cannot read %.200s: %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "cannot read %.200s: not a file", path);
    } else {
        while ((size = read(file, piece, sizeof piece)) > 0 && text->size <= CONFIG_FILE_MAX)
            buffer_add(text, span_of(piece, (size_t)size));
        if (size != 0)
            snprintf(ret_error, CONFIG_ERROR_SIZE, "cannot read %.200s: %s", path,
                     size < 0 ? strerror(errno) : "it is too large");
    }
    if (file >= 0)
        close(file);
    return size == 0 ? 0 : -1;
}

int config_load(struct config *self, const char *path, char ret_error[CONFIG_ERROR_SIZE])
{
    zconfig_t *root = NULL;
    struct buffer text;
    int result;

    buffer_init(&text);
    result = read_file(path, &text, ret_error);
    if (result == 0 && text.size > 0) { /* an empty one is all defaults */
        /* zconfig_load() takes what it cannot read for an empty file, and loses memory */
        root = memchr(text.data, 0, text.size) ? NULL : zconfig_str_load(text.data);
        result = root ? load_tree(self, root, "", ret_error) : -1;
        if (!root)
            snprintf(ret_error, CONFIG_ERROR_SIZE, "%.200s is not a ZPL file", path);
    }
    zconfig_destroy(&root);
    buffer_done(&text);
    return result;
}
