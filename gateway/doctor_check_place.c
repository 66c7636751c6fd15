/* Where the database stands: its file system and the room there, and what dead gateways left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/bridge/records.h"
#include "gateway/doctor.h"

#define MIB (INT64_C(1) << 20)
#define ROOM_LEAST (32 * MIB)   /* below this, commits are about to fail */
#define ROOM_WANTED (512 * MIB) /* below this, somebody should look */

void doctor_check_medium(struct doctor *self)
{
    if (self->place.medium != MEDIUM_DOUBTFUL) {
        doctor_say(self, DOCTOR_OK, "a disk of this host");
        return;
    }
    doctor_say(self, DOCTOR_WARNING,
               "FUSE, 9p or a shared folder: SQLite's locks hold there only while every program "
               "that opens the database runs on this host");
    doctor_advise(self, "move the database to a disk of this host");
}

void doctor_check_disk(struct doctor *self)
{
    struct statvfs status;
    struct stat db = {.st_size = 0};
    if (statvfs(self->home, &status) != 0) {
        doctor_say(self, DOCTOR_WARNING, "cannot tell how much room is left: %s", strerror(errno));
        return;
    }
    stat(self->place.db, &db);
    int64_t room = (int64_t)(status.f_bavail * status.f_frsize);
    int64_t needed = self->wal_bytes; /* a checkpoint may add as much to the database */
    enum doctor_result result = room < ROOM_LEAST || room < needed   ? DOCTOR_PROBLEM
                                : room < ROOM_WANTED                 ? DOCTOR_WARNING
                                : status.f_files && !status.f_favail ? DOCTOR_PROBLEM
                                                                     : DOCTOR_OK;
    doctor_say(self, result, "%.1f MiB are free for a database of %.1f MiB%s",
               (double)room / (double)MIB, (double)db.st_size / (double)MIB,
               status.f_files && !status.f_favail ? ", and no inode" : "");
    if (result != DOCTOR_OK)
        doctor_advise(self, "make room: replies that find none wait in memory");
}

/* A look at the socket PATH. 1: somebody listens there; 0: nobody; -1: it is no socket, or cannot
 * be told. */
static int listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode) ||
        strlen(path) >= sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int error = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    close(fd);
    return error == ECONNREFUSED ? 0 : error == 0 || error == EAGAIN ? 1 : -1;
}

/* With the lock, so that no gateway can be about to listen there. */
static int remove_socket(const struct place *place, const char *path)
{
    struct place_holder holder;
    int lock = place_lock(place, &holder);
    if (lock < 0)
        return lock;
    int error = listens(path) == 0 && unlink(path) != 0 ? -errno : 0;
    close(lock);
    return error;
}

static void leftover(struct doctor *self, const char *path)
{
    int error = self->options->fix ? remove_socket(&self->place, path) : 0;
    if (error) {
        doctor_say(self, DOCTOR_WARNING,
                   "%s is the socket of a gateway that has ended, and stays: %s", path,
                   strerror(-error));
        return;
    }
    doctor_say(self, DOCTOR_OK, "%s %s the socket of a gateway that has ended%s", path,
               self->options->fix ? "is removed now; it was" : "is",
               self->options->fix ? "" : "; the next one takes its place");
    doctor_fix(self, self->options->fix ? DOCTOR_FIX_DONE : DOCTOR_FIX_CAN);
}

void doctor_check_leftovers(struct doctor *self)
{
    const char *const path[] = {self->place.gate + strlen("ipc://"),
                                self->place.events + strlen("ipc://")};
    size_t before = self->count;
    char word[8];
    if (!self->gateway && records_note(self->db, "running", word, sizeof word) == BRIDGE_OK) {
        doctor_say(self, DOCTOR_NOTE,
                   "the last gateway did not end as it should: it was killed, "
                   "or the host went down");
        doctor_advise(self, "nothing: the next one takes up what it left; its log may say why");
    }
    for (size_t i = 0; i < 2 && !self->gateway; i++) {
        int state = listens(path[i]);
        if (state == 0)
            leftover(self, path[i]);
        if (state != 1)
            continue;
        doctor_say(self, DOCTOR_PROBLEM, "somebody listens at %s without having the lock %s",
                   path[i], self->place.lock);
        doctor_advise(self, "find who: ss -xlp; a gateway whose lock file was removed has to be "
                            "stopped before another one starts");
    }
    if (self->count == before)
        doctor_say(self, DOCTOR_OK, "none of a gateway that has ended");
}
