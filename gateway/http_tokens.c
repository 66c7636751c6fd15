#include "gateway/http_tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/http.h"
#include "proto/buffer.h"

#define FILE_MAX 65536
#define TOKEN_MIN 24
#define TOKEN_MAX 200
#define HASH 32

/* By which a file is known to be another one than before. */
struct state {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    int error;
};

struct http_tokens {
    char *path;
    struct state state;
    unsigned char key[crypto_generichash_KEYBYTES];
    size_t count;
    struct {
        unsigned roles;
        unsigned char hash[HASH];
    } token[HTTP_TOKENS_MAX];
};

static bool same(const struct state *a, const struct state *b)
{
    return a->error == b->error && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static struct state look(const char *path)
{
    struct stat status = {.st_size = 0};
    int error = stat(path, &status) < 0 ? errno : 0;

    return (struct state){.device = status.st_dev,
                          .inode = status.st_ino,
                          .size = status.st_size,
                          .changed = status.st_ctim,
                          .error = error};
}

static void hash(const struct http_tokens *self, struct span token, unsigned char ret_hash[HASH])
{
    crypto_generichash(ret_hash, HASH, (const unsigned char *)token.data, token.size, self->key,
                       sizeof self->key);
}

/* --- reading --- */

static const char *check_mode(const struct stat *status)
{
    if (!S_ISREG(status->st_mode))
        return "is not a file";
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return "belongs to somebody else";
    if (status->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP))
        return "can be read or written by others (chmod 600)";
    if ((status->st_mode & S_IRGRP) && status->st_uid != 0)
        return "can be read by its group (chmod 600)";
    return status->st_size > FILE_MAX ? "is too large" : NULL;
}

/* Appends the file's bytes. NULL, or what is wrong. */
static const char *read_file(const char *path, struct buffer *ret_text)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    const char *why;
    char block[4096];
    ssize_t size = 0;

    if (descriptor < 0)
        return strerror(errno);
    why = fstat(descriptor, &status) < 0 ? strerror(errno) : check_mode(&status);
    while (!why && ret_text->size <= FILE_MAX && (size = read(descriptor, block, sizeof block)) > 0)
        buffer_add(ret_text, span_of(block, (size_t)size));
    if (!why && size < 0)
        why = strerror(errno);
    sodium_memzero(block, sizeof block);
    close(descriptor);
    return why;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The next word of *LINE, which loses it; "" at its end or a comment. */
static struct span take_word(struct span *line)
{
    size_t start = 0, end;

    while (start < line->size && is_blank(line->data[start]))
        start++;
    end = start;
    while (end < line->size && !is_blank(line->data[end]))
        end++;
    struct span word = span_of(line->data + start, end - start);
    *line = span_of(line->data + end, line->size - end);
    return span_starts(word, "#") ? span_of("", 0) : word;
}

static unsigned roles_of(struct span word)
{
    if (span_is(word, "observer"))
        return HTTP_OBSERVER;
    if (span_is(word, "client"))
        return HTTP_CLIENT;
    return span_is(word, "operator") ? HTTP_OPERATOR | HTTP_OBSERVER : 0;
}

static bool is_token(struct span word)
{
    for (size_t i = 0; i < word.size; i++)
        if (word.data[i] < '!' || word.data[i] > '~')
            return false;
    return word.size >= TOKEN_MIN && word.size <= TOKEN_MAX;
}

/* NULL, or what is wrong with LINE. */
static const char *read_line(struct http_tokens *self, struct span line)
{
    struct span role = take_word(&line), token = take_word(&line);

    if (role.size == 0)
        return NULL;
    if (!roles_of(role))
        return "a line is ROLE TOKEN, with the role observer, client or operator";
    if (!is_token(token) || take_word(&line).size > 0)
        return "a token has 24 to 200 visible characters (openssl rand -hex 24)";
    if (self->count == HTTP_TOKENS_MAX)
        return "more than 64 tokens";
    self->token[self->count].roles = roles_of(role);
    hash(self, token, self->token[self->count++].hash);
    return NULL;
}

static const char *read_lines(struct http_tokens *self, struct span text, size_t *ret_line)
{
    const char *why = NULL;

    for (*ret_line = 0; text.size > 0 && !why; (*ret_line)++) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        why = read_line(self, span_of(text.data, size));
        size += end != NULL;
        text = span_of(text.data + size, text.size - size);
    }
    return why;
}

static int read_tokens(struct http_tokens *self, char ret_why[HTTP_TOKENS_WHY_SIZE])
{
    struct buffer text;
    size_t line = 0;
    const char *why;

    buffer_init(&text);
    self->count = 0;
    self->state = look(self->path); /* before: a change meanwhile is seen next time */
    why = read_file(self->path, &text);
    if (!why)
        why = read_lines(self, buffer_span(&text), &line);
    if (text.data)
        sodium_memzero(text.data, text.size);
    buffer_done(&text);
    if (why && line > 0)
        snprintf(ret_why, HTTP_TOKENS_WHY_SIZE, "%.100s, line %zu: %s", self->path, line, why);
    else if (why)
        snprintf(ret_why, HTTP_TOKENS_WHY_SIZE, "%.100s: %s", self->path, why);
    return why ? -1 : 0;
}

int http_tokens_new(const char *path, struct http_tokens **ret_tokens,
                    char ret_why[HTTP_TOKENS_WHY_SIZE])
{
    struct http_tokens *self = memory_zero(1, sizeof *self);

    self->path = memory_text(span_str(path));
    randombytes_buf(self->key, sizeof self->key);
    if (read_tokens(self, ret_why) < 0) {
        http_tokens_destroy(&self);
        return -1;
    }
    *ret_tokens = self;
    return 0;
}

void http_tokens_destroy(struct http_tokens **self)
{
    if (*self) {
        free((*self)->path);
        sodium_memzero(*self, sizeof **self);
    }
    free(*self);
    *self = NULL;
}

int http_tokens_refresh(struct http_tokens *self, bool forced, char ret_why[HTTP_TOKENS_WHY_SIZE])
{
    struct state now = look(self->path);
    struct http_tokens fresh = *self;
    int code;

    if (!forced && same(&now, &self->state))
        return 0;
    code = read_tokens(&fresh, ret_why);
    if (code == 0)
        *self = fresh;
    self->state = fresh.state;
    sodium_memzero(&fresh, sizeof fresh);
    return code < 0 ? -1 : 1;
}

/* --- asking --- */

unsigned http_tokens_roles(const struct http_tokens *self, struct span token)
{
    unsigned char said[HASH];
    unsigned roles = 0;

    hash(self, token, said);
    for (size_t i = 0; i < self->count; i++) { /* all of them, whatever is found */
        unsigned found = sodium_memcmp(said, self->token[i].hash, HASH) == 0;
        roles |= self->token[i].roles & (0U - found);
    }
    return token.size ? roles : 0;
}

size_t http_tokens_count(const struct http_tokens *self)
{
    return self->count;
}
