#include "gateway/doctor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/bridge/schema.h"
#include "adapters/host/process.h"
#include "proto/escape.h"

static struct doctor_finding *last(struct doctor *self)
{
    assert(self->count > 0);
    return &self->finding[self->count - 1];
}

/* Any length, and nothing in it can move a cursor or forge a line: names of files and tables are
 * anybody's. */
__attribute__((format(printf, 2, 0))) static void write_words(struct buffer *ret_text,
                                                              const char *format, va_list words)
{
    char *text = NULL;
    int size = vasprintf(&text, format, words);
    if (size >= 0)
        escape_text(ret_text, span_of(text, (size_t)size), ESCAPE_CELL);
    free(size >= 0 ? text : NULL);
}

void doctor_say(struct doctor *self, enum doctor_result result, const char *format, ...)
{
    va_list words;
    self->finding = memory_grow(self->finding, (self->count + 1) * sizeof self->finding[0]);
    self->finding[self->count++] = (struct doctor_finding){.check = self->check, .result = result};
    va_start(words, format);
    write_words(&last(self)->what, format, words);
    va_end(words);
}

void doctor_advise(struct doctor *self, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    write_words(&last(self)->todo, format, words);
    va_end(words);
}

void doctor_quotes(struct doctor *self)
{
    last(self)->quotes = true;
}

void doctor_quotes_session(struct doctor *self)
{
    if (strcmp(self->session, "a") != 0 && strcmp(self->session, "b") != 0)
        doctor_quotes(self);
}

void doctor_fix(struct doctor *self, enum doctor_fix fix)
{
    assert(self->check->fixes);
    last(self)->fix = fix;
}

struct buffer *doctor_more(struct doctor *self)
{
    return &last(self)->more;
}

void doctor_cannot(struct doctor *self, int error)
{
    doctor_say(self, DOCTOR_WARNING, "cannot look: %s (%s)", db_error_text(error),
               db_explain(self->db));
    doctor_quotes(self);
    doctor_advise(self, "try again when nobody holds the lock");
}

enum doctor_result doctor_worst(const struct doctor *self)
{
    enum doctor_result worst = DOCTOR_OK;
    for (size_t i = 0; i < self->count; i++)
        if (self->finding[i].result > worst)
            worst = self->finding[i].result;
    return worst;
}

const char *doctor_result_name(enum doctor_result result)
{
    static const char *const name[DOCTOR_RESULTS] = {"ok", "note", "warning", "problem"};
    return name[result];
}

void doctor_process(struct buffer *ret_text, long pid)
{
    struct process process;
    buffer_format(ret_text, "process %ld", pid);
    if (process_look(pid, &process) == 0)
        buffer_format(ret_text, " (%s)", process.command);
}

int doctor_lines(sqlite3 *db, const char *sql, struct buffer *ret_lines)
{
    sqlite3_stmt *row = NULL;
    int error = db_prepare(db, sql, &row);
    if (error)
        return error;
    int code;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        const void *text = sqlite3_column_text(row, 0);
        buffer_add(ret_lines, span_of(text, text ? (size_t)sqlite3_column_bytes(row, 0) : 0));
        buffer_byte(ret_lines, '\n');
    }
    sqlite3_finalize(row);
    return code == SQLITE_DONE ? BRIDGE_OK : db_error(code);
}

int doctor_number(sqlite3 *db, const char *sql, int64_t number, int64_t *ret_number)
{
    sqlite3_stmt *row = NULL;
    int error = db_prepare(db, sql, &row);
    if (error)
        return error;
    if (sqlite3_bind_parameter_count(row) > 0)
        sqlite3_bind_int64(row, 1, number);
    int code = sqlite3_step(row);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_finalize(row);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return db_error(code);
    *ret_number = value;
    return BRIDGE_OK;
}

int doctor_chmod(const char *path, const struct stat *status, unsigned mode)
{
    char name[40];
    struct stat now;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC); /* closing it drops no lock */
    if (fd < 0)
        return -errno;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int error = 0;
    if (fstat(fd, &now) != 0 || now.st_dev != status->st_dev || now.st_ino != status->st_ino)
        error = -ESTALE;
    else if (chmod(name, mode) != 0)
        error = -errno;
    close(fd);
    return error;
}

int doctor_open(const struct place *place, enum db_role role, int busy_ms, sqlite3 **ret_db)
{
    int error = db_open(place, role, busy_ms, ret_db);
    if (!error)
        error = schema_require_bridge(*ret_db);
    if (!error)
        error = schema_check_ours(*ret_db);
    return error;
}

static void finding_done(struct doctor_finding *finding)
{
    buffer_done(&finding->what);
    buffer_done(&finding->todo);
    buffer_done(&finding->more);
}

void doctor_done(struct doctor *self)
{
    for (size_t i = 0; i < self->count; i++)
        finding_done(&self->finding[i]);
    free(self->finding);
    free(self->group);
    free(self->unknown);
    json_decref(self->status);
    buffer_done(&self->said);
    buffer_done(&self->silence);
    buffer_done(&self->complaints);
    db_close(&self->db);
}
