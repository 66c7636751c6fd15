#include "adapters/zmq/cert.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/zmq/zpl.h"
#include "proto/buffer.h"
#include "proto/message.h"
#include "proto/stamp.h"
#include "proto/utf8.h"

void cert_fingerprint(const unsigned char public_key[CERT_KEY_SIZE],
                      char ret_text[CERT_FINGERPRINT_SIZE])
{
    unsigned char hash[(CERT_FINGERPRINT_SIZE - 1) / 2];

    crypto_generichash(hash, sizeof hash, public_key, CERT_KEY_SIZE, NULL, 0);
    sodium_bin2hex(ret_text, CERT_FINGERPRINT_SIZE, hash, sizeof hash);
}

void cert_wipe(struct cert *cert)
{
    sodium_memzero(cert->secret_key, sizeof cert->secret_key);
}

/* The whole of PATH, or -errno. SECRET: others must not be able to read it. */
static int read_file(const char *path, bool secret, struct buffer *ret_text,
                     char ret_why[CERT_WHY_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error = errno;
    struct stat status;
    char part[4096];
    ssize_t got;

    if (fd < 0) {
        snprintf(ret_why, CERT_WHY_SIZE, "cannot read the certificate %.200s: %s", path,
                 strerror(error));
        return -error;
    }
    error = EINVAL;
    const char *why = NULL;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        why = "it is not a file";
    else if (status.st_size > CERT_FILE_MAX)
        why = "it is too large for one";
    else if (secret && (status.st_mode & (status.st_uid == 0 ? 037 : 077)))
        why = "others than its owner can read the secret key: chmod 600";
    while (!why && (got = read(fd, part, sizeof part)) != 0) {
        if (got < 0)
            why = strerror(error = errno);
        else if (ret_text->size + (size_t)got > CERT_FILE_MAX)
            why = "it is too large for one";
        else
            buffer_add(ret_text, span_of(part, (size_t)got));
    }
    sodium_memzero(part, sizeof part);
    close(fd);
    if (why)
        snprintf(ret_why, CERT_WHY_SIZE, "the certificate %.180s is not used: %s", path, why);
    return why ? -error : 0;
}

/* Text alone: czmq prints a line that it cannot read as it stands. */
static bool is_text(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == 127 || (byte < ' ' && byte != '\n' && byte != '\r' && byte != '\t'))
            return false;
    }
    return utf8_valid(text);
}

/* KEY of ZPL ROOT as the 40 characters of a key. */
static int take_key(zconfig_t *root, const char *key, char ret_text[CERT_TEXT_SIZE],
                    unsigned char ret_key[CERT_KEY_SIZE])
{
    const char *text = zconfig_get(root, key, "");

    if (strlen(text) != CERT_TEXT_SIZE - 1 || !zmq_z85_decode(ret_key, text))
        return -1;
    memcpy(ret_text, text, CERT_TEXT_SIZE);
    return 0;
}

/* Words with blanks between them; -1 when one is no service's name, or there are too many. */
static int take_services(const char *words, struct cert *cert)
{
    while (*(words += strspn(words, " ,"))) {
        size_t size = strcspn(words, " ,");
        if (cert->services == CERT_SERVICES || !message_service_ok(span_of(words, size)))
            return -1;
        memcpy(cert->service[cert->services++], words, size);
        words += size;
    }
    return 0;
}

static const char *take(zconfig_t *root, bool secret, struct cert *cert)
{
    unsigned char key[CERT_KEY_SIZE], hidden[CERT_KEY_SIZE];
    const char *name = zconfig_get(root, "metadata/name", "");
    const char *role = zconfig_get(root, "metadata/role", "");
    const char *expires = zconfig_get(root, "metadata/expires", "");
    const char *why = NULL;

    if (take_key(root, "curve/public-key", cert->public_key, key) < 0)
        return "it has no public-key of 40 characters in a section curve";
    if (strlen(name) >= sizeof cert->name || !utf8_valid(span_str(name)) ||
        utf8_has_control(span_str(name)))
        return "its name is too long, or not UTF-8 without control characters";
    if (strlen(role) >= sizeof cert->role)
        return "its role is none";
    if (take_services(zconfig_get(root, "metadata/services", ""), cert) < 0)
        return "its services are not names with blanks between them";
    if (*expires &&
        (stamp_parse(span_str(expires), &cert->expires_us) < 0 || cert->expires_us <= 0))
        return "the time when it expires is none";
    if (secret && take_key(root, "curve/secret-key", cert->secret_key, hidden) < 0)
        why = "it has no secret-key of 40 characters in a section curve";
    sodium_memzero(hidden, sizeof hidden);
    memcpy(cert->name, name, strlen(name));
    memcpy(cert->role, role, strlen(role));
    cert_fingerprint(key, cert->fingerprint);
    return why;
}

int cert_load(const char *path, bool secret, struct cert *ret_cert, char ret_why[CERT_WHY_SIZE])
{
    struct cert cert = {.name = ""};
    struct buffer name, text;
    const char *why = NULL;
    int result;

    buffer_init(&name);
    buffer_init(&text);
    buffer_format(&name, "%s%s", path, secret ? "_secret" : "");
    buffer_byte(&name, '\0');
    result = read_file(name.data, secret, &text, ret_why);
    if (result == 0) {
        bool sound = is_text(buffer_span(&text)) && zpl_is_sound(buffer_span(&text));
        buffer_byte(&text, '\0');
        zconfig_t *root = sound ? zconfig_str_load(text.data) : NULL;
        why = root ? take(root, secret, &cert) : "it is not ZPL";
        zconfig_destroy(&root);
        result = why ? -EINVAL : 0;
        sodium_memzero(text.data, text.size);
    }
    if (why)
        snprintf(ret_why, CERT_WHY_SIZE, "the certificate %.180s is not used: %s", name.data, why);
    if (result == 0)
        *ret_cert = cert;
    cert_wipe(&cert);
    buffer_done(&name);
    buffer_done(&text);
    return result;
}

int cert_make(struct cert *cert)
{
    unsigned char key[CERT_KEY_SIZE];

    if (zmq_curve_keypair(cert->public_key, cert->secret_key) < 0 ||
        !zmq_z85_decode(key, cert->public_key))
        return -1;
    cert_fingerprint(key, cert->fingerprint);
    return 0;
}

/* Writes what zcert would: only that no file is replaced, and the secret is nobody else's from its
 * first instant on. */
static int write_file(const char *path, const struct cert *cert, bool secret,
                      char ret_why[CERT_WHY_SIZE])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0644);
    char expires[STAMP_SIZE];
    struct buffer text;
    int error;

    if (fd < 0) {
        snprintf(ret_why, CERT_WHY_SIZE, "cannot write %.200s: %s", path,
                 errno == EEXIST ? "it is there already, and keys are never overwritten"
                                 : strerror(errno));
        return -1;
    }
    buffer_init(&text);
    buffer_text(&text,
                secret ? "#   ZeroMQ CURVE **Secret** Certificate\n"
                         "#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n"
                       : "#   ZeroMQ CURVE Public Certificate\n"
                         "#   Hand it on by a way that nobody can change it on.\n");
    buffer_format(&text, "\nmetadata\n    name = \"%s\"\n    role = \"%s\"\n", cert->name,
                  cert->role);
    if (cert->services > 0) {
        buffer_text(&text, "    services = \"");
        for (size_t i = 0; i < cert->services; i++)
            buffer_format(&text, "%s%s", i ? " " : "", cert->service[i]);
        buffer_text(&text, "\"\n");
    }
    if (cert->expires_us) {
        stamp_format(cert->expires_us, expires);
        buffer_format(&text, "    expires = \"%s\"\n", expires);
    }
    buffer_format(&text, "curve\n    public-key = \"%s\"\n", cert->public_key);
    if (secret)
        buffer_format(&text, "    secret-key = \"%s\"\n", cert->secret_key);
    error = write(fd, text.data, text.size) == (ssize_t)text.size && fsync(fd) == 0 ? 0 : errno;
    sodium_memzero(text.data, text.size);
    buffer_done(&text);
    if (close(fd) < 0 && !error)
        error = errno;
    if (error) {
        snprintf(ret_why, CERT_WHY_SIZE, "cannot write %.200s: %s", path, strerror(error));
        unlink(path);
        return -1;
    }
    return 0;
}

int cert_save_public(const struct cert *cert, const char *path, char ret_why[CERT_WHY_SIZE])
{
    return write_file(path, cert, false, ret_why);
}

int cert_save(const struct cert *cert, const char *path, char ret_why[CERT_WHY_SIZE])
{
    struct buffer secret;
    int result;

    buffer_init(&secret);
    buffer_format(&secret, "%s_secret", path);
    buffer_byte(&secret, '\0');
    result = write_file(secret.data, cert, true, ret_why);
    if (result == 0 && (result = write_file(path, cert, false, ret_why)) < 0)
        unlink(secret.data);
    buffer_done(&secret);
    return result;
}
