#include "adapters/worker/http_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/space.h"

static int refuse(char ret_why[ADAPTER_WHY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(char ret_why[ADAPTER_WHY], const char *format, ...)
{
    va_list words;
    va_start(words, format);
    vsnprintf(ret_why, ADAPTER_WHY, format, words);
    va_end(words);
    return -1;
}

/* Takes TEXT as the key; WHERE it is from. */
static int take(struct http_key *self, struct span text, const char *where,
                char ret_why[ADAPTER_WHY])
{
    text = space_trim(text);
    if (text.size == 0 || text.size > HTTP_KEY_MAX)
        return refuse(ret_why, "%s: a key has 1 to %d characters", where, HTTP_KEY_MAX);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7f)
            return refuse(ret_why, "%s: the key has a character that is no printable ASCII", where);
    }
    memcpy(self->text, text.data, text.size);
    self->text[text.size] = '\0';
    self->size = text.size;
    return 0;
}

/* What is said about FILE in the way of its being a key's: 0, or -1 and why. */
static int check_file(int file, const char *name, char ret_why[ADAPTER_WHY])
{
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        return refuse(ret_why, "--key-file %s: is no regular file", name);
    if (status.st_mode & 0077)
        return refuse(ret_why, "--key-file %s: others can read it (mode %04o): chmod 600 it", name,
                      (unsigned)status.st_mode & 07777);
    return 0;
}

static int read_file(const char *name, struct http_key *ret_key, char ret_why[ADAPTER_WHY])
{
    char bytes[HTTP_KEY_MAX + 3]; /* room to see that it is too long */
    int code = -1;
    int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return refuse(ret_why, "--key-file %s: %s", name, strerror(errno));
    if (check_file(file, name, ret_why) == 0) {
        ssize_t size = read(file, bytes, sizeof bytes);
        struct span line = span_of(bytes, size > 0 ? (size_t)size : 0);
        const char *end = line.size > 0 ? memchr(line.data, '\n', line.size) : NULL;
        if (end)
            line.size = (size_t)(end - line.data);
        code = take(ret_key, line, "--key-file", ret_why);
        explicit_bzero(bytes, sizeof bytes);
    }
    close(file);
    return code;
}

int http_key_read(const struct adapter_setup *setup, struct http_key *ret_key,
                  char ret_why[ADAPTER_WHY])
{
    http_key_clear(ret_key);
    if (setup->key_file && setup->key_env)
        return refuse(ret_why, "--key-file and --key-env: give one of them");
    if (setup->key_file)
        return read_file(setup->key_file, ret_key, ret_why);
    if (!setup->key_env)
        return 0;
    const char *text = getenv(setup->key_env);
    if (!text)
        return refuse(ret_why, "--key-env %s: there is no such environment variable",
                      setup->key_env);
    return take(ret_key, span_str(text), "--key-env", ret_why);
}

void http_key_clear(struct http_key *self)
{
    explicit_bzero(self, sizeof *self);
}

/* How far TEXT is the key, which may be written with a backslash before '"', '\' and '/'. Sets the
 * number of its bytes that are so, and returns whether that is the whole key. */
static bool match(const struct http_key *self, struct span text, size_t *ret_size)
{
    size_t at = 0, had = 0;
    for (; had < self->size && at < text.size; had++, at++) {
        char byte = self->text[had];
        bool escaped = text.data[at] == '\\' && (byte == '"' || byte == '\\' || byte == '/');
        if (escaped && at + 1 == text.size && byte != '\\')
            return *ret_size = text.size, false; /* what it escapes has not come */
        if (escaped && at + 1 < text.size && text.data[at + 1] == byte)
            at++;
        if (text.data[at] != byte)
            break;
    }
    *ret_size = at;
    return had == self->size;
}

size_t http_key_mask(const struct http_key *self, struct span text, bool follows,
                     struct buffer *ret_text)
{
    size_t from = 0, at = self->size < HTTP_KEY_SECRET ? text.size : 0;
    if (text.size == 0)
        return 0;
    while (at < text.size) {
        size_t size;
        while (at < text.size && text.data[at] != self->text[0] && text.data[at] != '\\')
            at++;
        bool whole = match(self, span_of(text.data + at, text.size - at), &size);
        if (!whole && follows && at + size == text.size)
            break;
        if (whole) {
            buffer_add(ret_text, span_of(text.data + from, at - from));
            buffer_text(ret_text, "[key]");
            from = at + size;
        }
        at += whole ? size : at < text.size;
    }
    buffer_add(ret_text, span_of(text.data + from, at - from));
    return at;
}
