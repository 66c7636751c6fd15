#include "tests/adapter/support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 16
#define PYTHON "/usr/bin/python3"

extern char **environ;

void support_mkdir(char ret_folder[PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    snprintf(ret_folder, PATH_MAX, "%s/tailgate-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(ret_folder));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

void support_rmdir(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct place support_place(const char *folder, const char *name)
{
    char path[PATH_MAX];
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    struct place place;
    assert_int_equal(place_find(path, &place), 0);
    return place;
}

struct place support_bridge(const char *folder)
{
    struct place place = support_place(folder, "bridge.db");
    peer_run("make", place.db, CONVERSATION, NULL);
    return place;
}

static void collect(const char **argv, const char *command, va_list rest)
{
    size_t count = 0;
    argv[count++] = PYTHON;
    argv[count++] = TEST_FOLDER "/peer.py";
    argv[count++] = command;
    const char *argument;
    while ((argument = va_arg(rest, const char *)) != NULL) {
        assert_true(count < ARGUMENTS_MAX);
        argv[count++] = argument;
    }
    argv[count] = NULL;
}

static struct peer_process spawn(const char **argv)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    struct peer_process peer = {.in = in[1], .out = out[0]};
    int error = posix_spawn(&peer.pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    assert_int_equal(error, 0);
    return peer;
}

struct peer_process peer_start(const char *command, ...)
{
    const char *argv[ARGUMENTS_MAX + 1];
    va_list rest;
    va_start(rest, command);
    collect(argv, command, rest);
    va_end(rest);
    return spawn(argv);
}

void peer_run(const char *command, ...)
{
    const char *argv[ARGUMENTS_MAX + 1];
    va_list rest;
    va_start(rest, command);
    collect(argv, command, rest);
    va_end(rest);
    struct peer_process peer = spawn(argv);
    peer_release(&peer);
    assert_int_equal(peer_wait(&peer), 0);
}

bool peer_line(struct peer_process *peer, char *ret_line, size_t room)
{
    size_t size = 0;
    char byte;
    while (read(peer->out, &byte, 1) == 1) {
        if (byte == '\n') {
            ret_line[size] = '\0';
            return true;
        }
        assert_true(size + 1 < room);
        ret_line[size++] = byte;
    }
    return false;
}

void peer_release(struct peer_process *peer)
{
    if (peer->in >= 0)
        close(peer->in);
    peer->in = -1;
}

bool peer_ended(struct peer_process *peer, int wait_ms)
{
    struct pollfd item = {.fd = peer->out, .events = POLLIN};
    if (poll(&item, 1, wait_ms) <= 0)
        return false;
    char sink[256];
    return read(peer->out, sink, sizeof sink) == 0;
}

int peer_wait(struct peer_process *peer)
{
    peer_release(peer);
    int status = 0;
    while (waitpid(peer->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    close(peer->out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static sqlite3 *open_file(const struct place *place)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(place->db, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 20000);
    return db;
}

void file_run(const struct place *place, const char *sql)
{
    sqlite3 *db = open_file(place);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

char *file_text(const struct place *place, const char *sql)
{
    sqlite3 *db = open_file(place);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    char *copy = NULL;
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
        copy = strdup((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return copy;
}

int64_t file_number(const struct place *place, const char *sql)
{
    char *text = file_text(place, sql);
    int64_t number = text ? strtoll(text, NULL, 10) : -1;
    free(text);
    return number;
}

uint64_t file_hash(const char *path)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (int byte = getc(file); byte != EOF; byte = getc(file))
        hash = (hash ^ (uint64_t)byte) * 1099511628211u;
    fclose(file);
    return hash;
}
