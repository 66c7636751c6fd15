/* The certificates of `serve --curve DIR`: the gateway's own, and the allow-list (allow.h). */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/zmq/allow.h"
#include "gateway/doctor.h"
#include "proto/stamp.h"

#define DAY_US INT64_C(86400000000)
#define SOON_US (30 * DAY_US)
#define SAID_MOST 20 /* findings about single files */

/* What one look at the list has seen. */
struct look {
    struct {
        char fingerprint[CERT_FINGERPRINT_SIZE];
        char name[LIMIT_WORKER_NAME + 1];
        unsigned role;
    } * key;
    size_t count, room;
    size_t said, unsaid; /* findings, and those beyond SAID_MOST */
};

static bool may_say(struct look *look)
{
    if (look->said == SAID_MOST) {
        look->unsaid++;
        return false;
    }
    look->said++;
    return true;
}

static void check_expiry(struct doctor *self, struct look *look, const struct cert *cert,
                         const char *path)
{
    char stamp[STAMP_SIZE];
    int64_t left_us = cert->expires_us - self->utc_us;
    if (cert->expires_us == 0 || left_us > SOON_US || !may_say(look))
        return;
    stamp_format(cert->expires_us, stamp);
    if (left_us <= 0)
        doctor_say(self, DOCTOR_PROBLEM, "%s has expired, on %s UTC: its key is not let in", path,
                   stamp);
    else
        doctor_say(self, DOCTOR_WARNING, "%s expires in %" PRId64 " days, on %s UTC", path,
                   left_us / DAY_US, stamp);
    doctor_advise(self, "make a new one: tailgate keygen FILE --role ROLE --name NAME --days N; "
                        "or take it out of the list");
}

/* The same key twice in one role, or one name for two keys there. */
static void check_twice(struct doctor *self, struct look *look, const struct cert *cert,
                        unsigned role, const char *path)
{
    for (size_t i = 0; i < look->count; i++) {
        bool same = strcmp(look->key[i].fingerprint, cert->fingerprint) == 0;
        bool named = cert->name[0] && strcmp(look->key[i].name, cert->name) == 0;
        if ((!same && !named) || look->key[i].role != role || !may_say(look))
            continue;
        doctor_say(self, DOCTOR_WARNING,
                   same ? "%s has a key that is in this list twice"
                        : "%s has the name of another key in the list: who is who cannot be told",
                   path);
        doctor_advise(self, same ? "remove one of them, or taking out the other revokes nothing"
                                 : "make a certificate with a name of its own");
        break;
    }
    if (look->count == look->room) {
        look->room = look->room ? 2 * look->room : 64;
        look->key = memory_grow(look->key, look->room * sizeof look->key[0]);
    }
    memcpy(look->key[look->count].fingerprint, cert->fingerprint, sizeof cert->fingerprint);
    memcpy(look->key[look->count].name, cert->name, sizeof cert->name);
    look->key[look->count++].role = role;
}

static void check_file(struct doctor *self, struct look *look, unsigned role, const char *path)
{
    static const char secret[] = "_secret";
    size_t size = strlen(path), end = strlen(secret);
    char why[CERT_WHY_SIZE];
    struct cert cert;
    if (size > end && strcmp(path + size - end, secret) == 0) {
        if (!may_say(look))
            return;
        doctor_say(self, DOCTOR_WARNING, "%s is a secret key, which nobody needs there", path);
        doctor_advise(self, "move it to the peer whose it is: the list is made of public ones");
    } else if (cert_load(path, false, &cert, why) < 0) {
        if (!may_say(look))
            return;
        doctor_say(self, DOCTOR_WARNING, "%s", why);
        doctor_advise(self, "put a whole public certificate there (tailgate keygen)");
    } else {
        check_expiry(self, look, &cert, path);
        check_twice(self, look, &cert, role, path);
    }
}

static void check_role(struct doctor *self, struct look *look, unsigned role)
{
    char path[PATH_MAX + 16];
    size_t files = 0;
    snprintf(path, sizeof path, "%s/%s", self->curve, allow_role_name(role));
    DIR *folder = opendir(path);
    if (!folder && errno != ENOENT) {
        doctor_say(self, DOCTOR_PROBLEM, "%s cannot be read: %s", path, strerror(errno));
        doctor_advise(self, "have it readable by the gateway's user");
    }
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        size_t size = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || entry->d_name[size - 1] == '~' || files++ >= ALLOW_FILES)
            continue;
        if (snprintf(path, sizeof path, "%s/%s/%s", self->curve, allow_role_name(role),
                     entry->d_name) < (int)sizeof path)
            check_file(self, look, role, path);
    }
    if (folder)
        closedir(folder);
    if (files <= ALLOW_FILES)
        return;
    doctor_say(self, DOCTOR_WARNING, "%s/%s has more than %d files: the rest is not read",
               self->curve, allow_role_name(role), ALLOW_FILES);
    doctor_advise(self, "take out those that are not needed");
}

/* A secret that others can read is not used, and known to them already. */
static bool close_secret(struct doctor *self, const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0 || S_ISLNK(status.st_mode) || !(status.st_mode & 077))
        return false;
    unsigned mode = status.st_mode & 07777;
    if (self->options->fix && doctor_chmod(path, &status, 0600) == 0) {
        doctor_say(self, DOCTOR_NOTE,
                   "%s had mode %04o and could be read by others; it has 0600 "
                   "now",
                   path, mode);
        doctor_advise(self, "make a new key if others may have read it");
        doctor_fix(self, DOCTOR_FIX_DONE);
        return false;
    }
    doctor_say(self, DOCTOR_PROBLEM, "%s has mode %04o and can be read by others: it is not used",
               path, mode);
    doctor_advise(self, "chmod 600 %s; make a new key if others may have read it", path);
    doctor_fix(self, DOCTOR_FIX_CAN);
    return true;
}

static void check_own(struct doctor *self, struct look *look)
{
    char path[PATH_MAX + 32], why[CERT_WHY_SIZE];
    struct cert cert;
    snprintf(path, sizeof path, "%s/gateway.cert_secret", self->curve);
    if (close_secret(self, path))
        return;
    snprintf(path, sizeof path, "%s/gateway.cert", self->curve);
    if (cert_load(path, true, &cert, why) < 0) {
        doctor_say(self, DOCTOR_PROBLEM, "%s", why);
        doctor_advise(self,
                      "tailgate keygen --gateway %s makes it; the gateway does not start "
                      "without",
                      self->curve);
        return;
    }
    cert_wipe(&cert);
    check_expiry(self, look, &cert, path);
}

static void check_folder(struct doctor *self)
{
    struct stat status;
    if (stat(self->curve, &status) != 0 || !(status.st_mode & S_IWOTH))
        return;
    doctor_say(self, DOCTOR_PROBLEM, "every user can put keys into %s", self->curve);
    doctor_advise(self, "chmod o-w %s", self->curve);
}

void doctor_check_certificates(struct doctor *self)
{
    struct look look = {.key = NULL};
    size_t before = self->count;
    if (!*self->curve)
        return;
    check_folder(self);
    check_own(self, &look);
    for (unsigned role = 0; role < ALLOW_ROLES; role++)
        check_role(self, &look, role);
    if (look.unsaid) {
        doctor_say(self, DOCTOR_NOTE, "%zu more findings about certificates", look.unsaid);
        doctor_advise(self, "run this again when the first ones are put right");
    }
    if (self->count == before && look.count == 0) {
        doctor_say(self, DOCTOR_WARNING, "nobody is in the list: no key is let in");
        doctor_advise(self, "tailgate keygen FILE --role ROLE --name NAME --allow %s", self->curve);
    } else if (self->count == before) {
        doctor_say(self, DOCTOR_OK, "the gateway's own, and %zu that may come in", look.count);
    }
    free(look.key);
}
