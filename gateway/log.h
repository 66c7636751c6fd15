/* One line per event on stderr: for people "12:01:02.123 info answered id=42 worker=w1
 * took=12.3ms", for machines one JSON object. Values are escaped (C0, C1, U+2028/9, bidi controls)
 * and capped at LIMIT_REASON, so that nothing a row or a frame holds can forge a line; bodies are
 * never logged. */
#ifndef TAILGATE_GATEWAY_LOG_H
#define TAILGATE_GATEWAY_LOG_H

#include <stdint.h>

#include "proto/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_HUMAN, LOG_JSON };

enum log_type { LOG_TYPE_TEXT, LOG_TYPE_NUMBER, LOG_TYPE_MICROS };

struct log_field {
    const char *key;
    enum log_type type;
    struct span text; /* LOG_TYPE_TEXT */
    int64_t number; /* LOG_TYPE_NUMBER; LOG_TYPE_MICROS: <key>_us in JSON; for people ms, from 10 s
                       on s */
};

/* Sets what is written from now on (start: LOG_INFO, LOG_HUMAN) and the program's name, which
 * stands in every line of a program that is not the gateway ("" for none; borrowed for good). */
void log_setup(enum log_level level, enum log_format format, const char *program);
/* Parse "error|warn|info|debug" and "human|json". Return 0, or -1 for another word. */
int log_level_parse(const char *word, enum log_level *ret_level);
int log_format_parse(const char *word, enum log_format *ret_format);

/* Writes one line. EVENT is one lower-case word or two joined by '-', the same for all lines of its
 * kind; "say" is the key for a sentence to a person, which then ends the line after " -- ". One
 * write(2) per line; never blocks on a lock; errno stays what it was. */
void log_write(enum log_level level, const char *event, const struct log_field *field,
               size_t count);

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

#endif
