#include "tests/faults/site.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/bridge/schema_sql.h"
#include "tests/faults/script.h"

#define DB "bridge.db"
#define FRAMES                                                                                     \
    398 /* of the -wal that was left behind: nearly what makes the committer checkpoint */

static _Noreturn void give_up(const char *what, const char *why)
{
    fprintf(stderr, "faults: %s: %s\n", what, why);
    exit(2);
}

void site_make_folder(char ret_folder[PATH_MAX])
{
    const char *wish = getenv("TMPDIR");
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    snprintf(ret_folder, PATH_MAX, "%s/tailgate-faults-XXXXXX", wish && *wish ? wish : base);
    if (!mkdtemp(ret_folder))
        give_up(ret_folder, strerror(errno));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

void site_remove_folder(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void path_in(const char *folder, const char *name, char ret_path[PATH_MAX])
{
    if (snprintf(ret_path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        give_up(folder, "too long");
}

void site_write_file(const char *folder, const char *name, struct span bytes)
{
    char path[PATH_MAX];
    FILE *file;

    path_in(folder, name, path);
    file = fopen(path, "we");
    if (!file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file) != 0)
        give_up(path, strerror(errno));
}

/* Appends the file's bytes; none when there is no file. */
static void read_file(const char *folder, const char *name, struct buffer *ret_bytes)
{
    char path[PATH_MAX], part[65536];
    FILE *file;
    size_t size;

    path_in(folder, name, path);
    file = fopen(path, "re");
    if (!file)
        return;
    while ((size = fread(part, 1, sizeof part, file)) > 0)
        buffer_add(ret_bytes, span_of(part, size));
    fclose(file);
}

static void copy_file(const char *folder, const char *name, const char *to)
{
    char path[PATH_MAX], copy[PATH_MAX];
    struct stat status;
    int in, out;

    path_in(folder, name, path);
    path_in(to, name, copy);
    in = open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return; /* it is not there */
    out = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0 || fstat(in, &status) != 0)
        give_up(copy, strerror(errno));
    for (off_t done = 0; done < status.st_size;) {
        ssize_t size = sendfile(out, in, NULL, (size_t)(status.st_size - done));
        if (size <= 0)
            give_up(copy, strerror(errno));
        done += size;
    }
    close(in);
    close(out);
}

void site_copy(const char *folder, const char *to)
{
    copy_file(folder, DB, to);
    copy_file(folder, DB "-wal", to);
    copy_file(folder, DB "-journal", to);
}

static void run_sql(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        give_up(sql, sqlite3_errmsg(db));
}

static void fill(sqlite3 *db)
{
    run_sql(db, "INSERT INTO conversations VALUES"
                "('conv_live', 'asker', 'default', 'a', 'b', '', '9999-01-01T00:00:00'),"
                "('conv_over', 'asker', 'default', 'a', 'b', '', '2001-01-01T00:00:00')");
    for (int k = 1; k <= QUESTIONS; k++) {
        char sql[300];
        if (script_is_late(k))
            continue;
        snprintf(sql, sizeof sql,
                 "INSERT INTO messages(conversation_id, from_session, to_session, message, "
                 "timestamp) VALUES('%s', 'a', 'b', 'question %d', '')",
                 script_fate(k) == FATE_EXPIRED ? "conv_over" : "conv_live", k);
        run_sql(db, sql);
    }
}

/* Each heartbeat is a transaction of one page. */
static void leave_wal(sqlite3 *db)
{
    run_sql(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    run_sql(db, "INSERT INTO session_status VALUES('conv_live', 'a', 'alive', 'x')");
    sqlite3_wal_autocheckpoint(db, 0);
    for (int i = 0; i < FRAMES; i++)
        run_sql(db, "UPDATE session_status SET last_heartbeat = last_heartbeat || 'x'");
}

void site_draw(enum site_mode mode, struct site_image *ret_image)
{
    char folder[PATH_MAX], path[PATH_MAX];
    sqlite3 *db = NULL;

    site_make_folder(folder);
    path_in(folder, DB, path);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix"))
        give_up(path, sqlite3_errmsg(db));
    run_sql(db, "PRAGMA synchronous = OFF");
    if (mode == SITE_WAL)
        run_sql(db, "PRAGMA journal_mode = WAL");
    run_sql(db, schema_sql_bridge);
    fill(db);
    if (mode == SITE_WAL)
        leave_wal(db);
    buffer_init(&ret_image->db);
    buffer_init(&ret_image->wal);
    read_file(folder, DB, &ret_image->db); /* as it is when the writer is killed here */
    read_file(folder, DB "-wal", &ret_image->wal);
    sqlite3_close(db);
    site_remove_folder(folder);
}

void site_image_done(struct site_image *self)
{
    buffer_done(&self->db);
    buffer_done(&self->wal);
}

void site_write(const struct site_image *self, const char *folder)
{
    site_write_file(folder, DB, buffer_span(&self->db));
    if (self->wal.size)
        site_write_file(folder, DB "-wal", buffer_span(&self->wal));
}

struct place site_place(const char *folder)
{
    char path[PATH_MAX];
    struct place place;
    int error;

    path_in(folder, DB, path);
    error = place_find(path, &place);
    if (error)
        give_up(path, strerror(-error));
    return place;
}

const char *site_mode_name(enum site_mode mode)
{
    return mode == SITE_WAL ? "wal" : "delete";
}
