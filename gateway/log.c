/* Log lines. The set-up is written once, before the first thread starts, and only read after that;
 * a line is built in memory of its own and leaves in one write(2), so lines of two threads or of
 * two processes on one terminal do not mix (on a pipe: up to PIPE_BUF bytes). The lock is held only
 * to look at what is folded, never while something is written. */
#include "gateway/log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/host/journal.h"
#include "gateway/log_fold.h"
#include "gateway/terminal.h"
#include "proto/escape.h"
#include "proto/limits.h"
#include "proto/stamp.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const level_colours[] = {"\033[31m", "\033[33m", "\033[32m", "\033[2m"};
static const char colour_off[] = "\033[0m";
static const int priorities[] = {3, 4, 6, 7}; /* of syslog(3) */

#define JOURNAL_OWN 4     /* fields of every entry */
#define JOURNAL_FIELDS 32 /* more of one line are in its message alone */

static struct {
    enum log_level level;
    enum log_format format;
    const char *program;
    bool colours;
} setup = {LOG_INFO, LOG_HUMAN, "", false};

static struct {
    pthread_mutex_t mutex; /* guards what follows */
    struct log_fold fold;
    int64_t due_us; /* log_fold_due() */
} folded = {.mutex = PTHREAD_MUTEX_INITIALIZER, .due_us = INT64_MAX};

static void tell_all(void)
{
    log_run(INT64_MAX);
}

void log_setup(enum log_level level, enum log_format format, const char *program)
{
    static bool first = true;

    if (format == LOG_AUTO)
        format = journal_is_stderr() ? LOG_JOURNAL : LOG_HUMAN;
    setup.level = level;
    setup.format = format;
    setup.program = program ? program : "";
    setup.colours = format == LOG_HUMAN && terminal_colours(STDERR_FILENO);
    if (first)
        atexit(tell_all);
    first = false;
}

int log_level_parse(const char *word, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

int log_format_parse(const char *word, enum log_format *ret_format)
{
    static const char *const name[] = {"human", "json", "journal", "auto"};

    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        if (strcmp(word, name[i]) == 0) {
            *ret_format = (enum log_format)i;
            return 0;
        }
    }
    return -1;
}

/* Milliseconds with the digits that matter; from ten seconds on, seconds. */
static void add_duration(struct buffer *line, int64_t us)
{
    double ms = (double)us / 1000.0;
    if (ms >= 10000.0)
        buffer_format(line, "%.1fs", ms / 1000.0);
    else
        buffer_format(line, ms < 10.0 ? "%.3fms" : "%.1fms", ms);
}

/* True when VALUE can be shown without quotes: not empty, nothing that ends it or is escaped. */
static bool is_plain(struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (byte <= ' ' || byte >= 0x7f || strchr("=\"\\", byte))
            return false;
    }
    return value.size > 0;
}

static void add_text(struct buffer *line, struct span text)
{
    struct span value = escape_cut(text, LIMIT_REASON);
    bool cut = value.size < text.size;
    if (!cut && is_plain(value)) {
        buffer_add(line, value);
        return;
    }
    buffer_byte(line, '"');
    escape_text(line, value, ESCAPE_VALUE);
    buffer_text(line, cut ? "...\"" : "\"");
}

static void add_human_field(struct buffer *line, const struct log_field *field)
{
    buffer_format(line, " %s=", field->key);
    if (field->type == LOG_TYPE_TEXT)
        add_text(line, field->text);
    else if (field->type == LOG_TYPE_NUMBER)
        buffer_format(line, "%" PRId64, field->number);
    else
        add_duration(line, field->number);
}

static bool is_sentence(const struct log_field *field)
{
    return field->type == LOG_TYPE_TEXT && strcmp(field->key, "say") == 0;
}

/* What a line says to people, without time and level. */
static void add_message(struct buffer *line, const char *event, const struct log_field *field,
                        size_t count)
{
    buffer_text(line, event);
    for (size_t i = 0; i < count; i++) {
        if (!is_sentence(&field[i]))
            add_human_field(line, &field[i]);
    }
    /* Sentences come last, where nothing they hold can be taken for a field. */
    for (size_t i = 0; i < count; i++) {
        if (!is_sentence(&field[i]))
            continue;
        buffer_text(line, " -- ");
        escape_text(line, escape_cut(field[i].text, LIMIT_REASON), ESCAPE_CELL);
    }
}

static void add_program(struct buffer *line)
{
    if (*setup.program)
        buffer_format(line, "%s: ", setup.program);
}

static void write_human(struct buffer *line, const char *stamp, enum log_level level)
{
    /* "2026-11-21T01:02:03.123456": a person at the terminal knows the day. */
    buffer_format(line, "%.12s ", stamp + 11);
    buffer_format(line, "%s%s%s ", setup.colours ? level_colours[level] : "", level_names[level],
                  setup.colours ? colour_off : "");
    add_program(line);
}

static void write_json(struct buffer *line, const char *stamp, enum log_level level,
                       const char *event, const struct log_field *field, size_t count)
{
    buffer_format(line, "{\"time\":\"%sZ\",\"level\":\"%s\",", stamp, level_names[level]);
    if (*setup.program) {
        buffer_text(line, "\"program\":");
        escape_json(line, span_str(setup.program));
        buffer_byte(line, ',');
    }
    buffer_text(line, "\"event\":");
    escape_json(line, span_str(event));
    for (size_t i = 0; i < count; i++) {
        const char *unit = field[i].type == LOG_TYPE_MICROS ? "_us" : "";
        buffer_format(line, ",\"%s%s\":", field[i].key, unit);
        if (field[i].type == LOG_TYPE_TEXT)
            escape_json(line, escape_cut(field[i].text, LIMIT_REASON));
        else
            buffer_format(line, "%" PRId64, field[i].number);
    }
    buffer_byte(line, '}');
}

/* The journal's name for a field of ours. */
static void add_journal_name(struct buffer *entry, const struct log_field *field)
{
    buffer_text(entry, "TAILGATE_");
    for (const char *at = field->key; *at; at++)
        buffer_byte(entry, isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_');
    buffer_text(entry, field->type == LOG_TYPE_MICROS ? "_US=" : "=");
}

static void add_journal_field(struct buffer *entry, const struct log_field *field)
{
    add_journal_name(entry, field);
    if (field->type == LOG_TYPE_TEXT)
        escape_text(entry, escape_cut(field->text, LIMIT_REASON), ESCAPE_CELL);
    else
        buffer_format(entry, "%" PRId64, field->number);
}

/* Returns as journal_send(). All fields stand in one buffer, which may move while it grows. */
static int write_journal(enum log_level level, const char *event, const struct log_field *field,
                         size_t count)
{
    struct iovec vector[JOURNAL_OWN + JOURNAL_FIELDS];
    size_t end[JOURNAL_OWN + JOURNAL_FIELDS], fields = 0, start = 0;
    struct buffer entry;
    int error;

    buffer_init(&entry);
    buffer_text(&entry, "MESSAGE=");
    add_message(&entry, event, field, count);
    end[fields++] = entry.size;
    buffer_format(&entry, "PRIORITY=%d", priorities[level]);
    end[fields++] = entry.size;
    buffer_format(&entry, "SYSLOG_IDENTIFIER=tailgate%s%s", *setup.program ? "-" : "",
                  setup.program);
    end[fields++] = entry.size;
    buffer_format(&entry, "TAILGATE_EVENT=%s", event);
    end[fields++] = entry.size;
    for (size_t i = 0; i < count && i < JOURNAL_FIELDS; i++) {
        add_journal_field(&entry, &field[i]);
        end[fields++] = entry.size;
    }
    for (size_t i = 0; i < fields; start = end[i++])
        vector[i] = (struct iovec){entry.data + start, end[i] - start};
    error = journal_send(vector, fields);
    buffer_done(&entry);
    return error;
}

static void write_stderr(enum log_level level, const char *event, const struct log_field *field,
                         size_t count)
{
    char stamp[STAMP_SIZE];
    struct buffer line;
    ssize_t written;

    stamp_format(clock_utc_us(), stamp);
    if (!strchr(stamp, '.'))
        strcat(stamp,
               ".000000"); /* columns stay aligned; STAMP_SIZE already has room for these 7 */
    buffer_init(&line);
    if (setup.format == LOG_JSON) {
        write_json(&line, stamp, level, event, field, count);
    } else if (setup.format == LOG_JOURNAL) {
        buffer_format(&line, "<%d>", priorities[level]);
        add_program(&line);
        add_message(&line, event, field, count);
    } else {
        write_human(&line, stamp, level);
        add_message(&line, event, field, count);
    }
    buffer_byte(&line, '\n');
    do
        written = write(STDERR_FILENO, line.data, line.size);
    while (written < 0 && errno == EINTR);
    buffer_done(&line);
}

static void write_line(enum log_level level, const char *event, const struct log_field *field,
                       size_t count)
{
    int saved = errno; /* logging an error must not change what the caller is about to look at */

    if (setup.format != LOG_JOURNAL || write_journal(level, event, field, count) < 0)
        write_stderr(level, event, field, count);
    errno = saved;
}

/* Folding. */

int64_t log_due(void)
{
    int64_t due_us;

    pthread_mutex_lock(&folded.mutex);
    due_us = folded.due_us;
    pthread_mutex_unlock(&folded.mutex);
    return due_us;
}

void log_run(int64_t now_us)
{
    struct log_fold_slot slot;
    bool found;

    do {
        pthread_mutex_lock(&folded.mutex);
        found = now_us >= folded.due_us && log_fold_take(&folded.fold, now_us, &slot);
        if (found)
            folded.due_us = log_fold_due(&folded.fold);
        pthread_mutex_unlock(&folded.mutex);
        if (found) {
            int64_t until_us = slot.since_us + LOG_FOLD_WINDOW_US, at_us = clock_mono_us();
            const struct log_field field[] = {
                LOG_STR("of", slot.event), LOG_STR("why", slot.why), LOG_INT("count", slot.held),
                LOG_US("over", (at_us < until_us ? at_us : until_us) - slot.since_us)};
            write_line((enum log_level)slot.level, "repeated", field, 4);
        }
    } while (found);
}

/* What tells a line from others of its kind: its reasons; a sentence, where it has none. */
static void find_why(struct buffer *why, const struct log_field *field, size_t count)
{
    static const char *const key[] = {"why", "reason", "state", "job"};

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof key / sizeof key[0]; j++)
            if (field[i].type == LOG_TYPE_TEXT && strcmp(field[i].key, key[j]) == 0) {
                buffer_text(why, why->size ? ", " : "");
                buffer_add(why, field[i].text);
            }
    for (size_t i = 0; i < count && why->size == 0; i++)
        if (is_sentence(&field[i]))
            buffer_add(why, field[i].text);
}

/* True when the line is to be written. */
static bool admit(int64_t now_us, enum log_level level, const char *event,
                  const struct log_field *field, size_t count)
{
    struct buffer why;
    bool admitted;

    buffer_init(&why);
    find_why(&why, field, count);
    pthread_mutex_lock(&folded.mutex);
    admitted = log_fold_admit(&folded.fold, now_us, (int)level, event, buffer_span(&why));
    if (!admitted)
        folded.due_us = log_fold_due(&folded.fold);
    pthread_mutex_unlock(&folded.mutex);
    buffer_done(&why);
    return admitted;
}

void log_write_each(enum log_level level, const char *event, const struct log_field *field,
                    size_t count)
{
    if (level > setup.level)
        return;
    log_run(clock_mono_us());
    write_line(level, event, field, count);
}

void log_write(enum log_level level, const char *event, const struct log_field *field, size_t count)
{
    int64_t now_us;

    if (level > setup.level)
        return;
    now_us = clock_mono_us();
    log_run(now_us);
    if (level > LOG_WARN || admit(now_us, level, event, field, count))
        write_line(level, event, field, count);
}
