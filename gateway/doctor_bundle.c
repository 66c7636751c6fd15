/* --bundle: what somebody who is to help needs to know, and nothing that anybody wrote to anybody.
 *
 *  B1. What goes in is chosen part by part; nothing is copied whole that others fill: of messages
 *      ids and counts, of settings known keys and numbers, of status no command lines, of the
 *      schema names and columns.
 *
 *  B2. The file is new, ours alone (0600), and lists what is in it. */
#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gateway/cli.h"
#include "gateway/config_keys.h"
#include "gateway/doctor.h"
#include "gateway/tar.h"
#include "proto/escape.h"
#include "proto/stamp.h"

typedef void part_fn(const struct doctor *self, struct buffer *ret_text);

static void put_doctor(const struct doctor *self, struct buffer *ret_text)
{
    doctor_report_json(self, true, ret_text);
    buffer_byte(ret_text, '\n');
}

/* A copy without the members that hold words from command lines. */
static void put_status(const struct doctor *self, struct buffer *ret_text)
{
    json_t *status = json_deep_copy(self->status);
    json_t *helpers = json_object_get(status, "helpers");
    for (size_t i = 0; i < json_array_size(helpers); i++)
        json_object_del(json_array_get(helpers, i), "command");
    char *text = status ? json_dumps(status, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    if (text)
        buffer_text(ret_text, text);
    else
        buffer_format(ret_text, "{\"type\":\"none\"}");
    buffer_byte(ret_text, '\n');
    free(text);
    json_decref(status);
}

/* Names alone: what stands in a default, a constraint or a trigger may be anything. */
static void put_schema(const struct doctor *self, struct buffer *ret_text)
{
    static const char objects_sql[] =
        "SELECT type || ' ' || name || ' on ' || tbl_name FROM sqlite_schema ORDER BY type, name"
        " LIMIT 1000";
    static const char columns_sql[] =
        "SELECT s.name || '.' || p.name || ' ' || p.type ||"
        " CASE WHEN p.\"notnull\" THEN ' NOT NULL' ELSE '' END ||"
        " CASE WHEN p.dflt_value IS NULL THEN '' ELSE ' DEFAULT' END ||"
        " CASE WHEN p.pk THEN ' PRIMARY KEY' ELSE '' END"
        " FROM sqlite_schema s, pragma_table_info(s.name) p WHERE s.type = 'table'"
        " AND (lower(s.name) IN ('conversations', 'messages', 'session_status', 'audit_log')"
        " OR s.name LIKE 'tailgate\\_%' ESCAPE '\\') LIMIT 1000";
    struct buffer lines;
    buffer_init(&lines);
    if (self->db) {
        (void)doctor_lines(self->db, objects_sql, &lines);
        (void)doctor_lines(self->db, columns_sql, &lines);
    }
    escape_text(ret_text, buffer_span(&lines), ESCAPE_PROSE);
    buffer_done(&lines);
}

/* A value that anybody chose the words of. */
static bool is_free_text(const struct key *key)
{
    return key->type == LIST || (key->type == TEXT && !key->words);
}

/* Bytes of the text, or of all texts of the list, at AT. */
static size_t text_size(const struct key *key, const void *at)
{
    const struct config_list *list = at;
    size_t size = 0;
    if (key->type != LIST)
        return strlen(at);
    for (size_t i = 0; i < list->count; i++)
        size += strlen(list->item[i]);
    return size;
}

/* Keys that are not as they would be without the file; of words that anybody chose, their length.
 */
static void put_setting(const struct key *key, const struct config *config,
                        const struct config *usual, struct buffer *ret_text)
{
    char now[CONFIG_VALUE_SIZE], then[CONFIG_VALUE_SIZE];
    config_value(config, key, now);
    config_value(usual, key, then);
    if (strcmp(now, then) == 0)
        return;
    if (is_free_text(key))
        buffer_format(ret_text, "%s = (%zu bytes)\n", key->name,
                      text_size(key, (const char *)config + key->offset));
    else
        buffer_format(ret_text, "%s = %s\n", key->name, now);
}

static void put_config(const struct doctor *self, struct buffer *ret_text)
{
    char why[CONFIG_ERROR_SIZE];
    struct config config, usual;
    config_init(&config);
    config_init(&usual);
    if (!self->options->config)
        buffer_text(ret_text, "# no file was named (-c FILE)\n");
    else if (config_load(&config, self->options->config, why) < 0)
        buffer_text(ret_text, "# the file is not usable; doctor -c FILE says why\n");
    for (size_t i = 0; i < config_key_count; i++)
        put_setting(&config_keys[i], &config, &usual, ret_text);
    buffer_format(ret_text, "# %zu settings of single services\n", config.own_count);
    config_done(&config);
    config_done(&usual);
}

static void put_versions(const struct doctor *self, struct buffer *ret_text)
{
    struct utsname host = {.sysname = ""};
    char stamp[STAMP_SIZE];
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    uname(&host);
    stamp_format(self->utc_us, stamp);
    buffer_format(ret_text,
                  "at %s UTC\ntailgate %s\nsqlite %s (%s)\nlibzmq %d.%d.%d\nczmq %d.%d.%d\n"
                  "libsodium %s\njansson %s\n%s %s %s\n",
                  stamp, TAILGATE_VERSION, db_sqlite_version(),
                  db_sqlite_is_linked_in() ? "linked in" : "the system's", major, minor, patch,
                  CZMQ_VERSION_MAJOR, CZMQ_VERSION_MINOR, CZMQ_VERSION_PATCH,
                  sodium_version_string(), JANSSON_VERSION, host.sysname, host.release,
                  host.machine);
}

static void put_limits(const struct doctor *self, struct buffer *ret_text)
{
    char path[64], piece[4096];
    size_t size;
    snprintf(path, sizeof path, "/proc/%ld/limits", self->gateway ? self->gateway : (long)getpid());
    buffer_format(ret_text, "%s (%s)\n", path, self->gateway ? "the gateway" : "doctor itself");
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while ((size = fread(piece, 1, sizeof piece, file)) > 0)
        buffer_add(ret_text, span_of(piece, size));
    fclose(file);
}

static const struct part {
    const char *name, *about;
    part_fn *put;
} parts[] = {
    {"doctor.json", "what tailgate doctor --json found; what repeats a file's words is left out",
     put_doctor},
    {"status.json", "what the gateway says of itself, without its helpers' command lines",
     put_status},
    {"schema.txt", "names of tables, indexes, triggers and views; columns of the bridge's tables",
     put_schema},
    {"settings.txt", "settings of -c FILE that are not as usual", put_config},
    {"versions.txt", "of Tailgate, its libraries and the kernel", put_versions},
    {"limits.txt", "of the gateway's process", put_limits},
};

static void put_contents(struct buffer *ret_text)
{
    buffer_text(ret_text, "A support archive of tailgate doctor. In it are no messages, no "
                          "metadata, no tokens and no keys; of\nsessions and conversations ids at "
                          "most. Look before you pass it on: names of services, workers and\nfiles "
                          "are in it.\n\n");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        buffer_format(ret_text, "%-14s %s\n", parts[i].name, parts[i].about);
}

static int write_archive(const char *path, struct span tar)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cli_fail("doctor", CLI_FAILED, "cannot write %s: %s", path,
                        errno == EEXIST ? "it is there already" : strerror(errno));
    int error = 0;
    for (size_t at = 0; at < tar.size && !error;) {
        ssize_t size = write(fd, tar.data + at, tar.size - at);
        error = size < 0 && errno != EINTR ? errno : 0;
        at += size > 0 ? (size_t)size : 0;
    }
    if (close(fd) != 0 && !error)
        error = errno;
    if (!error)
        return -1;
    unlink(path);
    return cli_fail("doctor", CLI_FAILED, "cannot write %s: %s", path, strerror(error));
}

int doctor_bundle(const struct doctor *self)
{
    struct buffer tar, text;
    buffer_init(&tar);
    buffer_init(&text);
    put_contents(&text);
    tar_add(&tar, "CONTENTS.txt", buffer_span(&text), self->utc_us / 1000000);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buffer_reset(&text);
        parts[i].put(self, &text);
        tar_add(&tar, parts[i].name, buffer_span(&text), self->utc_us / 1000000);
    }
    tar_end(&tar);
    int code = write_archive(self->options->bundle, buffer_span(&tar));
    if (code < 0)
        fprintf(stderr, "wrote %s: %zu bytes; its CONTENTS.txt says what is in it\n",
                self->options->bundle, tar.size);
    buffer_done(&tar);
    buffer_done(&text);
    return code;
}
