/* Who may do what with the database's files: too much, or too little.
 *
 * Files of the database are looked at and changed by name alone: a descriptor of them, closed,
 * would drop the locks that this process holds on them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/host/user.h"
#include "gateway/doctor.h"

enum kind { DATABASE, BESIDE, FOLDER, SOCKET };

struct thing {
    char path[PATH_MAX + 16];
    enum kind kind;
    struct stat status; /* of the file itself, were it a link */
};

/* True when users other than owner and group get to PATH: every folder above lets them through. */
static bool is_reachable(const char *path)
{
    char folder[PATH_MAX + 16];
    struct stat status;
    snprintf(folder, sizeof folder, "%s", path);
    for (char *end = strrchr(folder, '/'); end; end = strrchr(folder, '/')) {
        *end = '\0';
        if (stat(*folder ? folder : "/", &status) != 0 || !(status.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

/* Takes the rights of others away; says what was and what is. */
static void tighten(struct doctor *self, const struct thing *thing, enum doctor_result result,
                    const char *could)
{
    unsigned mode = thing->status.st_mode & 07777, better = mode & ~7u;
    int error = self->options->fix ? doctor_chmod(thing->path, &thing->status, better) : -EPERM;
    if (!error) {
        doctor_say(self, DOCTOR_NOTE,
                   "%s had mode %04o, with which every user could %s; it has "
                   "%04o now",
                   thing->path, mode, could, better);
        doctor_fix(self, DOCTOR_FIX_DONE);
        return;
    }
    doctor_say(self, result, "%s has mode %04o, with which every user can %s%s%s", thing->path,
               mode, could, self->options->fix ? ", and keeps it: " : "",
               self->options->fix ? strerror(-error) : "");
    doctor_advise(self, "chmod %04o %s", better, thing->path);
    doctor_fix(self, DOCTOR_FIX_CAN);
}

static void check_open(struct doctor *self, const struct thing *thing)
{
    mode_t mode = thing->status.st_mode;
    if (!(mode & 7) || !is_reachable(thing->path))
        return;
    if (thing->kind == SOCKET && (mode & S_IWOTH))
        tighten(self, thing, DOCTOR_PROBLEM, "work, ask and control through it");
    else if (thing->kind == FOLDER && (mode & S_IWOTH))
        tighten(self, thing, DOCTOR_PROBLEM, "put sockets of their own in it");
    else if ((thing->kind == DATABASE || thing->kind == BESIDE) && (mode & S_IWOTH))
        tighten(self, thing, DOCTOR_PROBLEM, "write it, questions, answers and tokens");
    else if ((thing->kind == DATABASE || thing->kind == BESIDE) && (mode & S_IROTH))
        tighten(self, thing, DOCTOR_WARNING, "read messages and session tokens");
}

/* Of no use to who runs this, and so perhaps to the programs of that user. */
static void check_usable(struct doctor *self, const struct thing *thing)
{
    int wanted = thing->kind == FOLDER ? X_OK : R_OK | W_OK;
    if (faccessat(AT_FDCWD, thing->path, wanted, AT_EACCESS) == 0)
        return;
    doctor_say(self, thing->kind < FOLDER ? DOCTOR_PROBLEM : DOCTOR_WARNING,
               "%s cannot be %s by who runs this (uid %ld): %s", thing->path,
               thing->kind == FOLDER ? "entered" : "written", (long)geteuid(), strerror(errno));
    doctor_advise(self, "run it as the owner, or have the owner give your group the right");
}

static void check_owner(struct doctor *self, const struct thing *thing, const struct stat *db)
{
    char owner[USER_NAME_MAX + 1], theirs[USER_NAME_MAX + 1];
    if (thing->status.st_uid == db->st_uid ||
        (thing->kind != BESIDE && thing->status.st_uid == geteuid()))
        return;
    user_name(thing->status.st_uid, owner);
    user_name(db->st_uid, theirs);
    doctor_say(self, thing->kind == BESIDE ? DOCTOR_PROBLEM : DOCTOR_WARNING,
               "%s is %s's, the database is %s's: programs of %s may not be able to use it",
               thing->path, owner, theirs, theirs);
    doctor_advise(self, "chown %s %s; let one user own the bridge", theirs, thing->path);
}

/* A folder in which everybody may rename files: the database could be replaced by another one. */
static void check_folder(struct doctor *self)
{
    const char *folder = self->home;
    struct stat status;
    if (stat(folder, &status) != 0)
        return;
    if ((status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX) && is_reachable(folder)) {
        doctor_say(self, DOCTOR_PROBLEM, "in %s every user can replace the database", folder);
        doctor_advise(self, "chmod o-w %s, or move the database into a folder of its own", folder);
    }
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
        return;
    doctor_say(self, DOCTOR_PROBLEM,
               "%s cannot be written by who runs this (uid %ld): SQLite "
               "keeps -wal and -shm there",
               folder, (long)geteuid());
    doctor_advise(self, "run it as the owner, or have the owner give your group the right");
}

static void check_thing(struct doctor *self, struct thing *thing, const struct stat *db)
{
    if (lstat(thing->path, &thing->status) != 0 || S_ISLNK(thing->status.st_mode))
        return;
    check_owner(self, thing, db);
    check_usable(self, thing);
    check_open(self, thing);
}

/* Sockets that the gateway was told to open elsewhere. */
static void check_doors(struct doctor *self, const struct stat *db)
{
    static const char ipc[] = "ipc://";
    const json_t *gateway = json_object_get(self->status, "gateway");
    const json_t *doors = json_object_get(gateway, "doors");
    struct thing thing = {.kind = SOCKET};
    for (size_t i = 0; i < json_array_size(doors); i++) {
        const char *door = json_string_value(json_object_get(json_array_get(doors, i), "endpoint"));
        if (!door || strncmp(door, ipc, strlen(ipc)) != 0 || strcmp(door, self->place.gate) == 0 ||
            strcmp(door, self->place.events) == 0 || strcmp(door, self->place.batches) == 0)
            continue;
        snprintf(thing.path, sizeof thing.path, "%s", door + strlen(ipc));
        check_thing(self, &thing, db);
    }
}

void doctor_check_permissions(struct doctor *self)
{
    static const struct {
        const char *suffix;
        enum kind kind;
    } part[] = {{"", DATABASE},           {"-wal", BESIDE},       {"-shm", BESIDE},
                {"-gate", FOLDER},        {"-gate/gate", SOCKET}, {"-gate/events", SOCKET},
                {"-gate/batches", SOCKET}};
    size_t before = self->count;
    struct stat db = {.st_size = 0};
    struct thing thing;
    check_folder(self);
    if (stat(self->place.db, &db) != 0)
        return;
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        thing.kind = part[i].kind;
        snprintf(thing.path, sizeof thing.path, "%s%s", self->place.db, part[i].suffix);
        check_thing(self, &thing, &db);
    }
    check_doors(self, &db);
    if (self->count == before)
        doctor_say(self, DOCTOR_OK, "only its owner%s can read and write it",
                   db.st_mode & 060 ? " and its group" : "");
}
