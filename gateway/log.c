/* Log lines. The set-up is written once, before the first thread starts, and only read after that;
 * a line is built in memory of its own and leaves in one write(2), so lines of two threads or of
 * two processes on one terminal do not mix (on a pipe: up to PIPE_BUF bytes). */
#include "gateway/log.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/terminal.h"
#include "proto/escape.h"
#include "proto/limits.h"
#include "proto/stamp.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const level_colours[] = {"\033[31m", "\033[33m", "\033[32m", "\033[2m"};
static const char colour_off[] = "\033[0m";

static struct {
    enum log_level level;
    enum log_format format;
    const char *program;
    bool colours;
} setup = {LOG_INFO, LOG_HUMAN, "", false};

void log_setup(enum log_level level, enum log_format format, const char *program)
{
    setup.level = level;
    setup.format = format;
    setup.program = program ? program : "";
    setup.colours = format == LOG_HUMAN && terminal_colours(STDERR_FILENO);
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
    if (strcmp(word, "human") == 0)
        *ret_format = LOG_HUMAN;
    else if (strcmp(word, "json") == 0)
        *ret_format = LOG_JSON;
    else
        return -1;
    return 0;
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

static void write_human(struct buffer *line, const char *stamp, enum log_level level,
                        const char *event, const struct log_field *field, size_t count)
{
    /* "2026-11-21T01:02:03.123456": a person at the terminal knows the day. */
    buffer_format(line, "%.12s ", stamp + 11);
    buffer_format(line, "%s%s%s ", setup.colours ? level_colours[level] : "", level_names[level],
                  setup.colours ? colour_off : "");
    if (*setup.program)
        buffer_format(line, "%s: ", setup.program);
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

void log_write(enum log_level level, const char *event, const struct log_field *field, size_t count)
{
    if (level > setup.level)
        return;
    int saved = errno; /* logging an error must not change what the caller is about to look at */
    char stamp[STAMP_SIZE];
    stamp_format(clock_utc_us(), stamp);
    if (!strchr(stamp, '.'))
        strcat(stamp,
               ".000000"); /* columns stay aligned; STAMP_SIZE already has room for these 7 */
    struct buffer line;
    buffer_init(&line);
    if (setup.format == LOG_JSON)
        write_json(&line, stamp, level, event, field, count);
    else
        write_human(&line, stamp, level, event, field, count);
    buffer_byte(&line, '\n');
    ssize_t written;
    do
        written = write(STDERR_FILENO, line.data, line.size);
    while (written < 0 && errno == EINTR);
    buffer_done(&line);
    errno = saved;
}
