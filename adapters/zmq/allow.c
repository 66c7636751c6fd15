#include "adapters/zmq/allow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/buffer.h"

#define DIGEST_SIZE 32

/* All files of one role, sorted by name. */
struct listing {
    char *path[ALLOW_FILES];
    size_t count;
    bool more; /* there are others */
};

struct allow {
    char *dir;
    struct allow_entry **entry; /* sorted by fingerprint */
    size_t count, room;
    unsigned char digest[DIGEST_SIZE]; /* of what the entries were made of */
    size_t files;                      /* read for that */
    int64_t utc_us;                    /* of this look */
    int64_t expires_us;                /* when the first one of them expires; INT64_MAX: none */
    bool looked;
};

const char *allow_role_name(unsigned number)
{
    static const char *const name[ALLOW_ROLES] = {"worker", "client", "observer", "operator"};

    return name[number];
}

unsigned allow_role(const char *name)
{
    for (unsigned i = 0; i < ALLOW_ROLES; i++)
        if (strcmp(name, allow_role_name(i)) == 0)
            return 1u << i;
    return 0;
}

struct allow *allow_new(const char *dir)
{
    struct allow *self = memory_zero(1, sizeof *self);

    self->dir = memory_text(span_str(dir));
    return self;
}

static void forget(struct allow *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->entry[i]);
    free(self->entry);
}

void allow_destroy(struct allow **self)
{
    if (!*self)
        return;
    free((*self)->dir);
    forget(*self);
    free(*self);
    *self = NULL;
}

size_t allow_count(const struct allow *self)
{
    return self->count;
}

size_t allow_files(const struct allow *self)
{
    return self->files;
}

bool allow_serves(const struct allow_entry *entry, const char *service)
{
    for (size_t i = 0; i < entry->services; i++)
        if (strcmp(entry->service[i], service) == 0)
            return true;
    return entry->services == 0;
}

/* Where FINGERPRINT stands, or would. */
static size_t place(const struct allow *self, const char *fingerprint)
{
    size_t low = 0, high = self->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(fingerprint, self->entry[middle]->fingerprint) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct allow_entry *find(const struct allow *self, const char *fingerprint)
{
    size_t at = place(self, fingerprint);

    return at < self->count && strcmp(self->entry[at]->fingerprint, fingerprint) == 0
               ? self->entry[at]
               : NULL;
}

const struct allow_entry *allow_find(const struct allow *self, const char *fingerprint)
{
    return find(self, fingerprint);
}

/* The files. */

static bool is_passed_over(const char *name)
{
    return name[0] == '.' || name[strlen(name) - 1] == '~';
}

static int compare_paths(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->path[i]);
    listing->count = 0;
}

/* True when ERROR says nothing about the file (A2). */
static bool is_passing(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EINTR;
}

/* The files of role NUMBER. Returns 0, or -errno when that cannot be said just now. */
static int list(const struct allow *self, unsigned number, struct listing *ret_listing)
{
    struct buffer path;
    struct dirent *entry = NULL;
    DIR *folder;
    int error = 0;

    ret_listing->count = 0;
    ret_listing->more = false;
    buffer_init(&path);
    buffer_format(&path, "%s/%s", self->dir, allow_role_name(number));
    folder = opendir(path.data);
    if (!folder)
        error = is_passing(errno) ? -errno : 0;
    while (folder && (errno = 0, entry = readdir(folder))) {
        if (is_passed_over(entry->d_name))
            continue;
        if ((ret_listing->more = ret_listing->count == ALLOW_FILES))
            break;
        buffer_reset(&path);
        buffer_format(&path, "%s/%s/%s", self->dir, allow_role_name(number), entry->d_name);
        ret_listing->path[ret_listing->count++] = memory_text(buffer_span(&path));
    }
    if (folder && !entry && is_passing(errno))
        error = -errno;
    if (folder)
        closedir(folder);
    qsort(ret_listing->path, ret_listing->count, sizeof ret_listing->path[0], compare_paths);
    buffer_done(&path);
    return error;
}

/* Adds name and content of the file at PATH. Returns as list(). */
static int digest_file(crypto_generichash_state *state, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    unsigned char part[4096];
    uint64_t total = 0;
    ssize_t got = 0;
    int error = 0;

    if (fd < 0 && is_passing(errno))
        return -errno;
    crypto_generichash_update(state, (const unsigned char *)path, strlen(path) + 1);
    while (fd >= 0 && total <= CERT_FILE_MAX && (got = read(fd, part, sizeof part)) > 0) {
        crypto_generichash_update(state, part, (size_t)got);
        total += (uint64_t)got;
    }
    if (got < 0 && is_passing(errno))
        error = -errno;
    crypto_generichash_update(state, (const unsigned char *)&total, sizeof total);
    if (fd >= 0)
        close(fd);
    return error;
}

/* Of all files as they are. Returns as list(). */
static int digest(struct allow *self, unsigned char ret_digest[DIGEST_SIZE])
{
    crypto_generichash_state state;
    struct listing listing;
    int error = 0;

    self->files = 0;
    crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
    for (unsigned number = 0; number < ALLOW_ROLES && !error; number++) {
        error = list(self, number, &listing);
        for (size_t i = 0; i < listing.count && !error; i++)
            error = digest_file(&state, listing.path[i]);
        self->files += listing.count;
        listing_done(&listing);
    }
    crypto_generichash_final(&state, ret_digest, DIGEST_SIZE);
    if (error)
        self->files = 0;
    return error;
}

/* The list. */

static struct allow_entry *add(struct allow *self, const struct cert *cert)
{
    size_t at = place(self, cert->fingerprint);
    struct allow_entry *entry = find(self, cert->fingerprint);

    if (entry)
        return entry;
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->entry = memory_grow(self->entry, self->room * sizeof(struct allow_entry *));
    }
    memmove(self->entry + at + 1, self->entry + at,
            (self->count - at) * sizeof(struct allow_entry *));
    self->count++;
    self->entry[at] = entry = memory_zero(1, sizeof *entry);
    memcpy(entry->fingerprint, cert->fingerprint, sizeof entry->fingerprint);
    memcpy(entry->name, cert->name, sizeof entry->name);
    return entry;
}

/* A1. False: there is no room for all its services; those beyond are not had. */
static bool grant(struct allow_entry *entry, const struct cert *cert, unsigned role)
{
    entry->roles |= role;
    if (!entry->name[0])
        memcpy(entry->name, cert->name, sizeof entry->name);
    for (size_t i = 0; i < cert->services; i++) {
        if (entry->services > 0 && allow_serves(entry, cert->service[i]))
            continue;
        if (entry->services == CERT_SERVICES)
            return false;
        memcpy(entry->service[entry->services++], cert->service[i], sizeof cert->service[i]);
    }
    return true;
}

/* A5. Also notes when this has to be asked again. */
static bool is_over(struct allow *self, const struct cert *cert)
{
    if (cert->expires_us == 0)
        return false;
    if (cert->expires_us <= self->utc_us)
        return true;
    if (cert->expires_us < self->expires_us)
        self->expires_us = cert->expires_us;
    return false;
}

/* Returns as list(). */
static int take_file(struct allow *self, unsigned number, const char *path, allow_tell_fn *tell,
                     void *context)
{
    static const char secret[] = "_secret";
    size_t size = strlen(path), end = strlen(secret);
    char why[CERT_WHY_SIZE];
    struct cert cert;
    int error = 0;

    if (size > end && strcmp(path + size - end, secret) == 0)
        snprintf(why, sizeof why,
                 "%.200s is a secret key and is not used: only public ones belong here", path);
    else if ((error = cert_load(path, false, &cert, why)) == 0 && is_over(self, &cert))
        snprintf(why, sizeof why, "the key of %.200s has expired and is not let in any more", path);
    else if (error == 0) {
        if (grant(add(self, &cert), &cert, 1u << number))
            return 0;
        snprintf(why, sizeof why,
                 "the key of %.150s has more than %d services: the rest is left out", path,
                 CERT_SERVICES);
    }
    if (is_passing(-error))
        return error;
    tell(context, ALLOW_SKIPPED, NULL, why);
    return 0;
}

/* Returns as list(). */
static int take_role(struct allow *self, unsigned number, allow_tell_fn *tell, void *context)
{
    struct listing listing;
    char why[CERT_WHY_SIZE];
    int error = list(self, number, &listing);

    for (size_t i = 0; i < listing.count && !error; i++)
        error = take_file(self, number, listing.path[i], tell, context);
    listing_done(&listing);
    if (error || !listing.more)
        return error;
    snprintf(why, sizeof why, "%.180s/%s has more than %d files: the rest is not read", self->dir,
             allow_role_name(number), ALLOW_FILES);
    tell(context, ALLOW_SKIPPED, NULL, why);
    return 0;
}

static bool is_same(const struct allow_entry *one, const struct allow_entry *other)
{
    return memcmp(one, other, sizeof *one) == 0; /* the unused bytes are zero */
}

/* Says how SELF differs from what was BEFORE. */
static bool tell_changes(const struct allow *self, const struct allow *before, allow_tell_fn *tell,
                         void *context)
{
    bool changed = false;

    for (size_t i = 0; i < before->count; i++)
        if (!find(self, before->entry[i]->fingerprint)) {
            tell(context, ALLOW_REVOKED, before->entry[i], NULL);
            changed = true;
        }
    for (size_t i = 0; i < self->count; i++) {
        const struct allow_entry *old = find(before, self->entry[i]->fingerprint);
        if (old && is_same(old, self->entry[i]))
            continue;
        tell(context, old ? ALLOW_CHANGED : ALLOW_ADDED, self->entry[i], NULL);
        changed = true;
    }
    return changed;
}

bool allow_look(struct allow *self, int64_t utc_us, allow_tell_fn *tell, void *context)
{
    unsigned char now[DIGEST_SIZE];
    struct allow before;
    bool changed;
    int error = 0;

    if (digest(self, now) < 0 ||
        (self->looked && utc_us < self->expires_us && memcmp(now, self->digest, sizeof now) == 0))
        return false;
    before = *self;
    self->utc_us = utc_us;
    self->expires_us = INT64_MAX;
    self->entry = NULL;
    self->count = self->room = 0;
    for (unsigned number = 0; number < ALLOW_ROLES && !error; number++)
        error = take_role(self, number, tell, context);
    if (error) { /* A2; the digest stays too, so it is all read again */
        forget(self);
        *self = before;
        self->files = 0;
        return false;
    }
    memcpy(self->digest, now, sizeof now);
    self->looked = true;
    changed = tell_changes(self, &before, tell, context);
    forget(&before);
    return changed;
}
