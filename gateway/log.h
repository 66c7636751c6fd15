/* One line per event on stderr: for people "12:01:02.123 info answered id=42 worker=w1
 * took=12.3ms", for machines one JSON object; or one entry of the systemd journal, whose message is
 * the line for people and whose fields are TAILGATE_EVENT=answered, TAILGATE_ID=42 and so on.
 * Values are escaped (C0, C1, U+2028/9, bidi controls) and capped at LIMIT_REASON, so that nothing
 * a row or a frame holds can forge a line; bodies are never logged.
 *
 * Warnings and errors that say the same again and again are folded (log_fold.h): the line
 * "repeated" tells how many were left out. */
#ifndef TAILGATE_GATEWAY_LOG_H
#define TAILGATE_GATEWAY_LOG_H

#include <stdint.h>

#include "proto/buffer.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format {
    LOG_HUMAN,
    LOG_JSON,
    LOG_JOURNAL, /* where the journal does not take it: human, "<4>" (sd-daemon(3)) in front */
    LOG_AUTO     /* LOG_JOURNAL when stderr is the journal's, else LOG_HUMAN */
};

enum log_type { LOG_TYPE_TEXT, LOG_TYPE_NUMBER, LOG_TYPE_MICROS };

struct log_field {
    const char *key;
    enum log_type type;
    struct span text; /* LOG_TYPE_TEXT */
    int64_t number; /* LOG_TYPE_NUMBER; LOG_TYPE_MICROS: <key>_us in JSON; for people ms, from 10 s
                       on s */
};

/* Sets what is written from now on (start: LOG_INFO, LOG_HUMAN) and the program's name, which
 * stands in every line of a program that is not the gateway ("" for none; borrowed for good). What
 * is folded then is told at exit(3) at the latest. Before there is a second thread. */
void log_setup(enum log_level level, enum log_format format, const char *program);
/* The same by the words of --log-level and --log-format (NULL: not given), for COMMAND. Returns -1
 * to go on, or CLI_USAGE after one line on stderr. */
int log_options(const char *command, const char *program, const char *level, const char *format);
/* The value of --log-format, for --help, and what it does. */
#define LOG_FORMATS "human|json|journal|auto"
#define LOG_FORMATS_HELP "how log lines look (default: auto, the journal under systemd, else human)"
/* Parse "error|warn|info|debug" and LOG_FORMATS. Return 0, or -1 for another word. */
int log_level_parse(const char *word, enum log_level *ret_level);
int log_format_parse(const char *word, enum log_format *ret_format);

/* Writes one line. EVENT is one lower-case word or two joined by '-', the same for all lines of its
 * kind; "say" is the key for a sentence to a person, which then ends the line after " -- ". One
 * write(2) per line, but for log_gather(); any thread; errno stays what it was. */
void log_write(enum log_level level, const char *event, const struct log_field *field,
               size_t count);
/* The same for a line that is never folded: what became of one query. */
void log_write_each(enum log_level level, const char *event, const struct log_field *field,
                    size_t count);
/* Between these two, the lines of this thread wait in LINES, which is empty and the caller's, and
 * leave together: for many lines in a row, with nothing between that waits. Warnings and errors
 * leave at once, and take along what is before them; so does exit(3). A crash loses what waits. */
void log_gather(struct buffer *lines);
void log_gathered(void);
/* Writes what waits. */
void log_flush(void);
/* When log_run() has something to write; INT64_MAX: nothing is held back. */
int64_t log_due(void);
/* Tells of the lines that were held back in windows that are over. Every log_write() does it, too.
 */
void log_run(int64_t now_us);

#define LOG_STR(k, v)                                                                              \
    {                                                                                              \
        (k), LOG_TYPE_TEXT, span_str(v), 0                                                         \
    }
#define LOG_SPAN(k, v)                                                                             \
    {                                                                                              \
        (k), LOG_TYPE_TEXT, (v), 0                                                                 \
    }
#define LOG_INT(k, v)                                                                              \
    {                                                                                              \
        (k), LOG_TYPE_NUMBER, {NULL, 0}, (int64_t)(v)                                              \
    }
#define LOG_US(k, v)                                                                               \
    {                                                                                              \
        (k), LOG_TYPE_MICROS, {NULL, 0}, (int64_t)(v)                                              \
    }
/* log_event (LOG_INFO, "answered", LOG_INT ("id", 42), LOG_STR ("worker", name)); */
#define log_event(level, event, ...)                                                               \
    do {                                                                                           \
        const struct log_field log_fields_[] = {__VA_ARGS__};                                      \
        log_write((level), (event), log_fields_, sizeof log_fields_ / sizeof log_fields_[0]);      \
    } while (0)
#define log_each(level, event, ...)                                                                \
    do {                                                                                           \
        const struct log_field log_fields_[] = {__VA_ARGS__};                                      \
        log_write_each((level), (event), log_fields_, sizeof log_fields_ / sizeof log_fields_[0]); \
    } while (0)

#endif
