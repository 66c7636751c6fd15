#include "gateway/config_keys.h"

#include <czmq.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/cli.h"
#include "proto/buffer.h"
#include "proto/message.h"

#define SECOND 1000000LL

#define OWN "service." /* in front of a service's own setting */

static int read_choice(const struct key *key, const char *value, int64_t *ret_number)
{
    const char *word = key->choices;

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

static int put(struct config *self, const struct key *key, const char *value)
{
    char *at = (char *)self + key->offset;
    int64_t number;

    if (key->type == TEXT) {
        if (strlen(value) < (size_t)key->min || strlen(value) > (size_t)key->max)
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
        int bad = put(self, &config_keys[i], config_keys[i].initial);
        assert(!bad);
        (void)bad;
    }
}

void config_done(struct config *self)
{
    free(self->own);
    self->own = NULL;
    self->own_count = 0;
}

/* The range of a key as a person writes it. */
static void print_range(const struct key *key, char *text, size_t size)
{
    if (key->type == CHOICE)
        snprintf(text, size, "%s", key->choices);
    else if (key->type == DURATION)
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
    for (size_t i = 0; i < config_key_count; i++)
        if (cli_is_near(word, config_keys[i].name))
            return config_keys[i].name;
    return NULL;
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
    const char *rest = name + strlen(OWN);
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

/* Sets one key from text. Returns 0, or -1 and one sentence in RET_ERROR. */
static int set(struct config *self, const char *name, const char *value,
               char ret_error[CONFIG_ERROR_SIZE])
{
    bool own = strncmp(name, OWN, strlen(OWN)) == 0 && !find(name);
    struct span service = {NULL, 0};
    const struct key *key = own ? find_own(name, &service) : find(name);
    const char *near = nearest(name);
    char range[100];
    int error;

    if (!key) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "there is no key \"%.60s\"%s%s%s", name,
                 near ? "; did you mean " : " (serve --print-config lists them)", near ? near : "",
                 near ? "?" : "");
        return -1;
    }
    error = own ? put_own(self, service, key, value) : put(self, key, value);
    if (error == -E2BIG) {
        snprintf(ret_error, CONFIG_ERROR_SIZE, "more than %d settings of single services",
                 CONFIG_OWN);
    } else if (error) {
        print_range(key, range, sizeof range);
        snprintf(ret_error, CONFIG_ERROR_SIZE, "%.120s is %s, not \"%.60s\"", name, range, value);
    }
    return error ? -1 : 0;
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
        if ((*value || !zconfig_child(child)) && set(self, path, value, ret_error) < 0)
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

static void print_number(const struct key *key, int64_t number)
{
    const char *word = key->choices;

    if (key->type == CHOICE) {
        for (int64_t i = 0; i < number; i++)
            word += strcspn(word, "|") + 1;
        printf("%.*s\n", (int)strcspn(word, "|"), word);
    } else if (key->type == NUMBER) {
        printf("%lld\n", (long long)number);
    } else if (number % SECOND == 0) {
        printf("%llds\n", (long long)(number / SECOND));
    } else {
        printf("%lldms\n", (long long)(number / 1000));
    }
}

static int64_t number_of(const struct config *self, const struct key *key)
{
    int64_t number;

    memcpy(&number, (const char *)self + key->offset, sizeof number);
    return number;
}

/* A text as ZPL reads it back. */
static void print_text(const char *text)
{
    char quote = strchr(text, '"') ? '\'' : '"';

    printf("%c%s%c\n", quote, text, quote);
}

/* True when NAME can be part of a key in a ZPL file. */
static bool is_zpl_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "$-_@.&+/";

    return name[strspn(name, allowed)] == '\0';
}

void config_print(const struct config *self)
{
    for (size_t i = 0; i < config_key_count; i++) {
        printf("# %s (default %s)%s\n", config_keys[i].reason, config_keys[i].initial,
               config_keys[i].change == RULE   ? "; also service.NAME.KEY; SIGHUP reloads it"
               : config_keys[i].change == LIVE ? "; SIGHUP reloads it"
                                               : "");
        printf("%s = ", config_keys[i].name);
        if (config_keys[i].type == TEXT)
            print_text((const char *)self + config_keys[i].offset);
        else
            print_number(&config_keys[i], number_of(self, &config_keys[i]));
    }
    for (size_t i = 0; i < self->own_count; i++) {
        printf("%s" OWN "%s.%s = ", is_zpl_name(self->own[i].service) ? "" : "# with --set only: ",
               self->own[i].service, self->own[i].key->name);
        print_number(self->own[i].key, self->own[i].value);
    }
}
