#include "gateway/log_line.h"

#include <ctype.h>

#include "adapters/host/clock.h"
#include "adapters/host/journal.h"
#include "proto/escape.h"
#include "proto/limits.h"
#include "proto/stamp.h"

const char *const log_level_names[LOG_LEVELS] = {"error", "warn", "info", "debug"};

static const char *const level_colours[] = {"\033[31m", "\033[33m", "\033[32m", "\033[2m"};
static const char colour_off[] = "\033[0m";
static const int priorities[] = {3, 4, 6, 7}; /* of syslog(3) */

#define USUAL_SIZE 400    /* of a line: room for it is made at once */
#define JOURNAL_OWN 4     /* fields of every entry */
#define JOURNAL_FIELDS 32 /* more of one line are in its message alone */

/* Milliseconds with the digits that matter; from ten seconds on, seconds. */
static void add_duration(struct buffer *line, int64_t us)
{
    if (us >= 10000000)
        buffer_decimal(line, (us + 50000) / 100000, 1);
    else if (us >= 10000)
        buffer_decimal(line, (us + 50) / 100, 1);
    else
        buffer_decimal(line, us, 3);
    buffer_text(line, us >= 10000000 ? "s" : "ms");
}

/* True when VALUE can be shown without quotes: not empty, nothing that ends it or is escaped. */
static bool is_plain(struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '=' || byte == '"' || byte == '\\')
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
    buffer_byte(line, ' ');
    buffer_text(line, field->key);
    buffer_byte(line, '=');
    if (field->type == LOG_TYPE_TEXT)
        add_text(line, field->text);
    else if (field->type == LOG_TYPE_NUMBER)
        buffer_number(line, field->number);
    else
        add_duration(line, field->number);
}

bool log_is_sentence(const struct log_field *field)
{
    return field->type == LOG_TYPE_TEXT && strcmp(field->key, "say") == 0;
}

/* What a line says to people, without time and level. */
static void add_message(struct buffer *line, const char *event, const struct log_field *field,
                        size_t count)
{
    buffer_text(line, event);
    for (size_t i = 0; i < count; i++) {
        if (!log_is_sentence(&field[i]))
            add_human_field(line, &field[i]);
    }
    /* Sentences come last, where nothing they hold can be taken for a field. */
    for (size_t i = 0; i < count; i++) {
        if (!log_is_sentence(&field[i]))
            continue;
        buffer_text(line, " -- ");
        escape_text(line, escape_cut(field[i].text, LIMIT_REASON), ESCAPE_CELL);
    }
}

static void add_program(struct buffer *line, const struct log_style *style)
{
    if (!*style->program)
        return;
    buffer_text(line, style->program);
    buffer_text(line, ": ");
}

static void add_human_head(struct buffer *line, const struct log_style *style, const char *stamp,
                           enum log_level level)
{
    /* "2026-11-21T01:02:03.123456": a person at the terminal knows the day. */
    buffer_add(line, span_of(stamp + 11, 12));
    buffer_byte(line, ' ');
    buffer_text(line, style->colours ? level_colours[level] : "");
    buffer_text(line, log_level_names[level]);
    buffer_text(line, style->colours ? colour_off : "");
    buffer_byte(line, ' ');
    add_program(line, style);
}

static void add_json(struct buffer *line, const struct log_style *style, const char *stamp,
                     enum log_level level, const char *event, const struct log_field *field,
                     size_t count)
{
    buffer_text(line, "{\"time\":\"");
    buffer_text(line, stamp);
    buffer_text(line, "Z\",\"level\":\"");
    buffer_text(line, log_level_names[level]);
    buffer_text(line, "\",");
    if (*style->program) {
        buffer_text(line, "\"program\":");
        escape_json(line, span_str(style->program));
        buffer_byte(line, ',');
    }
    buffer_text(line, "\"event\":");
    escape_json(line, span_str(event));
    for (size_t i = 0; i < count; i++) {
        buffer_text(line, ",\"");
        buffer_text(line, field[i].key);
        buffer_text(line, field[i].type == LOG_TYPE_MICROS ? "_us\":" : "\":");
        if (field[i].type == LOG_TYPE_TEXT)
            escape_json(line, escape_cut(field[i].text, LIMIT_REASON));
        else
            buffer_number(line, field[i].number);
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
        buffer_number(entry, field->number);
}

/* All fields stand in one buffer, which may move while it grows. */
int log_line_send(const struct log_style *style, enum log_level level, const char *event,
                  const struct log_field *field, size_t count)
{
    struct iovec vector[JOURNAL_OWN + JOURNAL_FIELDS];
    size_t end[JOURNAL_OWN + JOURNAL_FIELDS], fields = 0, start = 0;
    struct buffer entry;
    int error;

    buffer_init(&entry);
    buffer_reserve(&entry, USUAL_SIZE);
    buffer_text(&entry, "MESSAGE=");
    add_message(&entry, event, field, count);
    end[fields++] = entry.size;
    buffer_text(&entry, "PRIORITY=");
    buffer_number(&entry, priorities[level]);
    end[fields++] = entry.size;
    buffer_text(&entry,
                *style->program ? "SYSLOG_IDENTIFIER=tailgate-" : "SYSLOG_IDENTIFIER=tailgate");
    buffer_text(&entry, style->program);
    end[fields++] = entry.size;
    buffer_text(&entry, "TAILGATE_EVENT=");
    buffer_text(&entry, event);
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

void log_line_add(struct buffer *line, const struct log_style *style, enum log_level level,
                  const char *event, const struct log_field *field, size_t count)
{
    char stamp[STAMP_SIZE];

    buffer_reserve(line, USUAL_SIZE);
    stamp_format(clock_utc_us(), stamp);
    if (!strchr(stamp, '.'))
        strcat(stamp,
               ".000000"); /* columns stay aligned; STAMP_SIZE already has room for these 7 */
    if (style->format == LOG_JSON) {
        add_json(line, style, stamp, level, event, field, count);
    } else if (style->format == LOG_JOURNAL) {
        buffer_byte(line, '<');
        buffer_number(line, priorities[level]);
        buffer_byte(line, '>');
        add_program(line, style);
        add_message(line, event, field, count);
    } else {
        add_human_head(line, style, stamp, level);
        add_message(line, event, field, count);
    }
    buffer_byte(line, '\n');
}
