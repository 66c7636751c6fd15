#include "gateway/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/zmq/zap.h"
#include "gateway/log.h"
#include "proto/buffer.h"

#define TURN_US 1000000       /* between looks at the files without a hint, and … */
#define FILE_US 10000         /* … so much more for each: reading one takes 5 µs */
#define LOOK_MOST_US 20000000 /* … up to this */
#define SAY_AGAIN_US 10000000 /* between lines about refused keys */
#define HINTS                                                                                      \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_MOVE_SELF |         \
     IN_DELETE_SELF)

struct keys {
    struct allow *allow;
    struct zap *zap;
    const char *dir;
    int hint_fd;
    bool hinted;     /* all folders that are there are watched */
    int64_t turn_us; /* when there is something to do again */
    int64_t look_us; /* when the files are looked at again */
    char secret_key[CERT_TEXT_SIZE];
    uint64_t refused;      /* so far */
    uint64_t told;         /* of these, in the log */
    int64_t told_us;       /* when */
    int64_t now_us;        /* of this turn */
    struct cert own;       /* without its secret */
    struct buffer changed; /* fingerprints of the last look's changed entries, each with its NUL */
};

static void tell(void *context, enum allow_news news, const struct allow_entry *entry,
                 const char *why)
{
    static const char *const word[] = {"added", "changed", "revoked"};

    struct keys *self = context;

    if (news == ALLOW_CHANGED)
        buffer_add(&self->changed, span_of(entry->fingerprint, sizeof entry->fingerprint));
    if (news == ALLOW_SKIPPED)
        log_event(LOG_WARN, "key-skipped", LOG_STR("say", why));
    else
        log_event(LOG_INFO, "key", LOG_STR("what", word[news]), LOG_STR("name", entry->name),
                  LOG_STR("fingerprint", entry->fingerprint));
}

/* Watches the folders that are there now, and the one where others may take their places. Hints are
 * a help, not a need: without them, more looks find everything. */
static void watch(struct keys *self)
{
    struct buffer path;

    self->hinted =
        self->hint_fd >= 0 && inotify_add_watch(self->hint_fd, self->dir, HINTS | IN_ONLYDIR) >= 0;
    buffer_init(&path);
    for (unsigned i = 0; self->hinted && i < ALLOW_ROLES; i++) {
        buffer_reset(&path);
        buffer_format(&path, "%s/%s", self->dir, allow_role_name(i));
        if (inotify_add_watch(self->hint_fd, path.data, HINTS | IN_ONLYDIR) < 0 && errno != ENOENT)
            self->hinted = false;
    }
    buffer_done(&path);
}

/* True when the list has changed. */
static bool look(struct keys *self)
{
    int64_t wait_us;
    bool changed;

    buffer_reset(&self->changed);
    watch(self); /* before the look: what changes behind it gives a hint */
    changed = allow_look(self->allow, clock_utc_us(), tell, self);
    wait_us = TURN_US + FILE_US * (int64_t)allow_files(self->allow);
    if (!self->hinted)
        wait_us = TURN_US;
    self->look_us = self->now_us + (wait_us < LOOK_MOST_US ? wait_us : LOOK_MOST_US);
    return changed;
}

/* Our own key: as a credential of systemd (systemd.exec(5), CREDENTIALS) when there is one, which
 * then need not be readable where it lies; else from DIR. */
static int load_own(struct cert *ret_cert, const char *dir, char ret_why[CERT_WHY_SIZE])
{
    const char *folder[] = {getenv("CREDENTIALS_DIRECTORY"), dir};
    struct buffer path;
    int error = -ENOENT;

    buffer_init(&path);
    for (size_t i = 0; i < 2 && error; i++) {
        if (!folder[i])
            continue;
        buffer_reset(&path);
        buffer_format(&path, "%s/gateway.cert", folder[i]);
        error = cert_load(path.data, true, ret_cert, ret_why);
    }
    buffer_done(&path);
    return error;
}

struct keys *keys_new(const char *dir, void *context, char ret_why[CERT_WHY_SIZE])
{
    struct keys *self = memory_zero(1, sizeof *self);
    int error;

    self->dir = dir;
    self->hint_fd = -1;
    buffer_init(&self->changed);
    error = load_own(&self->own, dir, ret_why);
    if (!error && !(self->zap = zap_new(context))) {
        snprintf(ret_why, CERT_WHY_SIZE, "cannot start the ZAP handler: %s", zmq_strerror(errno));
        error = -1;
    }
    if (error) {
        keys_destroy(&self);
        return NULL;
    }
    memcpy(self->secret_key, self->own.secret_key, sizeof self->secret_key);
    cert_wipe(&self->own);
    self->allow = allow_new(dir);
    self->hint_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    look(self);
    self->look_us = 0; /* by a clock that is not known here */
    return self;
}

void keys_destroy(struct keys **self)
{
    if (!*self)
        return;
    zap_destroy(&(*self)->zap);
    allow_destroy(&(*self)->allow);
    buffer_done(&(*self)->changed);
    cert_wipe(&(*self)->own);
    explicit_bzero((*self)->secret_key, sizeof(*self)->secret_key);
    if ((*self)->hint_fd >= 0)
        close((*self)->hint_fd);
    free(*self);
    *self = NULL;
}

struct allow *keys_allow(struct keys *self)
{
    return self->allow;
}

const char *keys_secret(const struct keys *self)
{
    return self->secret_key;
}

uint64_t keys_refused(const struct keys *self)
{
    return self->refused;
}

void *keys_socket(const struct keys *self)
{
    return zap_socket(self->zap);
}

int keys_hint(const struct keys *self)
{
    return self->hint_fd;
}

static bool may_gate(void *context, const char *fingerprint)
{
    const struct keys *self = context;

    return allow_find(self->allow, fingerprint) != NULL;
}

static bool may_listen(void *context, const char *fingerprint)
{
    const struct keys *self = context;
    const struct allow_entry *entry = allow_find(self->allow, fingerprint);

    return entry && (entry->roles & (ALLOW_OBSERVER | ALLOW_OPERATOR));
}

/* A connection goes by what its key could do when it began: who can do more, or less, begins anew.
 */
static bool is_changed(const struct keys *self, const char *fingerprint)
{
    for (size_t at = 0; at < self->changed.size; at += CERT_FINGERPRINT_SIZE)
        if (strcmp(self->changed.data + at, fingerprint) == 0)
            return true;
    return false;
}

static bool stays_at_gate(void *context, const char *fingerprint)
{
    return may_gate(context, fingerprint) && !is_changed(context, fingerprint);
}

static bool stays_at_events(void *context, const char *fingerprint)
{
    return may_listen(context, fingerprint) && !is_changed(context, fingerprint);
}

/* Who comes again and again to be refused fills no log. */
static void tell_refused(struct keys *self, const struct zap_request *request)
{
    self->refused++;
    if (self->told_us && self->now_us - self->told_us < SAY_AGAIN_US)
        return;
    log_event(LOG_WARN, "key-refused", LOG_STR("fingerprint", request->fingerprint),
              LOG_SPAN("address", request->address), LOG_SPAN("door", request->domain),
              LOG_INT("times", self->refused - self->told),
              LOG_STR("say", "this key is not in the allow-list for that door"));
    self->told = self->refused;
    self->told_us = self->now_us;
}

static bool decide(void *context, const struct zap_request *request)
{
    struct keys *self = context;
    bool allowed = false;

    if (span_is(request->domain, CURVE_DOMAIN_GATE))
        allowed = may_gate(self, request->fingerprint);
    else if (span_is(request->domain, CURVE_DOMAIN_EVENTS))
        allowed = may_listen(self, request->fingerprint);
    if (!allowed)
        tell_refused(self, request);
    return allowed;
}

static bool take_hints(const struct keys *self)
{
    char events[4096];
    bool hint = false;

    while (self->hint_fd >= 0 && read(self->hint_fd, events, sizeof events) > 0)
        hint = true;
    return hint;
}

void keys_run(struct keys *self, int64_t now_us, struct gate *gate, struct events *events)
{
    bool hint;

    if (!self)
        return;
    self->now_us = now_us;
    hint = take_hints(self);
    if ((hint || now_us >= self->look_us) && look(self)) {
        gate_cut_keys(gate, stays_at_gate, self);
        events_cut_keys(events, stays_at_events, self);
    }
    if (now_us >= self->turn_us) {
        self->turn_us = now_us + TURN_US;
        gate_free_names(gate);
    }
    self->refused += zap_run(self->zap, decide, self);
}

int64_t keys_due(const struct keys *self)
{
    return self ? self->turn_us : INT64_MAX; /* looks are not more often */
}
