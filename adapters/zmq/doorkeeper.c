#include "adapters/zmq/doorkeeper.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "adapters/zmq/events.h"
#include "proto/buffer.h"

#define LOOK_MS 250 /* between looks while somebody is connected */
#define LOOK_IDLE_MS 1000
#define SURE_MS 50 /* in which an idle loop would have begun to read what has come just now */

struct doorkeeper {
    pthread_t thread;
    pthread_mutex_t mutex; /* over the next four */
    pthread_cond_t changed;
    const char *endpoint[EVENTS_DOORS];
    size_t endpoints;
    bool ending;
    atomic_uint beats;
    atomic_bool guests;
    atomic_uint_fast64_t cuts;
};

/* DESCRIPTOR may have been closed since it was heard of, and stand for something else by now, which
 * must not be touched. (To hold it by a copy would be no better: closing a copy of the database's
 * descriptor would end SQLite's locks.) */
static bool belongs_to(int descriptor, const char *endpoint)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } name;
    socklen_t size = sizeof name, room = sizeof(int);
    const char *colon = strrchr(endpoint, ':');
    int listens = 1;
    unsigned port;

    memset(&name, 0, sizeof name);
    if (getsockname(descriptor, &name.any, &size) < 0 ||
        getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &room) < 0 || listens)
        return false;
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return name.any.sa_family == AF_UNIX &&
               strncmp(name.local.sun_path, endpoint + 6, sizeof name.local.sun_path) == 0;
    if (name.any.sa_family != AF_INET && name.any.sa_family != AF_INET6)
        return false;
    port = ntohs(name.any.sa_family == AF_INET ? name.in.sin_port : name.in6.sin6_port);
    return colon && port == strtoul(colon + 1, NULL, 10);
}

bool doorkeeper_cut(int descriptor, const char *endpoint)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    char unread[16384];

    if (!belongs_to(descriptor, endpoint))
        return false;
    /* A tcp peer that goes on sending would be read for ever after shutdown() alone: the kernel
     * hands over what comes, and says the end only when nothing is there. This resets it. */
    if (strncmp(endpoint, "tcp://", 6) == 0)
        connect(descriptor, &nobody, sizeof nobody);
    shutdown(descriptor, SHUT_RDWR);
    while (recv(descriptor, unread, sizeof unread, MSG_DONTWAIT) > 0)
        continue; /* what is there already is not read either */
    return true;
}

/* True when DESCRIPTOR is a connection of ours that has something unread. */
static bool look_at(struct doorkeeper *self, int descriptor, bool cut)
{
    int unread = 0;

    for (size_t i = 0; i < self->endpoints; i++) {
        if (!belongs_to(descriptor, self->endpoint[i]))
            continue;
        if (ioctl(descriptor, FIONREAD, &unread) < 0 || unread <= 0)
            return false;
        if (cut && doorkeeper_cut(descriptor, self->endpoint[i]))
            atomic_fetch_add(&self->cuts, 1);
        return true;
    }
    return false;
}

/* True when a connection of ours has something unread; those are cut, when CUT. */
static bool look(struct doorkeeper *self, bool cut)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    bool found = false;

    if (!folder)
        return false;
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.' && look_at(self, atoi(entry->d_name), cut))
            found = true;
    closedir(folder);
    return found;
}

/* Sleeps until the next look, or the end. */
static void sleep_on(struct doorkeeper *self, long ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!self->ending && pthread_cond_timedwait(&self->changed, &self->mutex, &until) == 0)
        continue;
}

static void *run(void *data)
{
    struct doorkeeper *self = data;
    unsigned seen = 0;

    pthread_mutex_lock(&self->mutex);
    while (!self->ending) {
        unsigned beats;

        sleep_on(self, atomic_load(&self->guests) ? LOOK_MS : LOOK_IDLE_MS);
        beats = atomic_load(&self->beats);
        if (beats == seen && !self->ending && look(self, false)) {
            sleep_on(self, SURE_MS); /* an idle loop does not beat either, but leaves nothing */
            if (atomic_load(&self->beats) == seen && !self->ending)
                look(self, true);
        }
        seen = beats;
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

struct doorkeeper *doorkeeper_new(void)
{
    struct doorkeeper *self = memory_zero(1, sizeof *self);
    pthread_condattr_t monotonic;
    sigset_t all, before;
    int error;

    pthread_mutex_init(&self->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    error = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return self;
    free(self);
    errno = error;
    return NULL;
}

void doorkeeper_destroy(struct doorkeeper **self)
{
    if (!*self)
        return;
    pthread_mutex_lock(&(*self)->mutex);
    (*self)->ending = true;
    pthread_cond_signal(&(*self)->changed);
    pthread_mutex_unlock(&(*self)->mutex);
    pthread_join((*self)->thread, NULL);
    pthread_cond_destroy(&(*self)->changed);
    pthread_mutex_destroy(&(*self)->mutex);
    free(*self);
    *self = NULL;
}

void doorkeeper_keep(struct doorkeeper *self, const char *endpoint)
{
    pthread_mutex_lock(&self->mutex);
    if (self->endpoints < EVENTS_DOORS)
        self->endpoint[self->endpoints++] = endpoint;
    pthread_mutex_unlock(&self->mutex);
}

void doorkeeper_beat(struct doorkeeper *self, bool guests)
{
    atomic_fetch_add(&self->beats, 1);
    atomic_store(&self->guests, guests);
}

uint64_t doorkeeper_cuts(const struct doorkeeper *self)
{
    return atomic_load(&self->cuts);
}
