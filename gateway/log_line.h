/* What a log line looks like, in each of the formats of log.h. Nothing here is shared between
 * threads. */
#ifndef TAILGATE_GATEWAY_LOG_LINE_H
#define TAILGATE_GATEWAY_LOG_LINE_H

#include "gateway/log.h"

#define LOG_LEVELS (LOG_DEBUG + 1)
extern const char *const log_level_names[LOG_LEVELS];

struct log_style {
    enum log_format format; /* not LOG_AUTO */
    const char *program;    /* that stands in every line; "": none */
    bool colours;
};

/* True for a sentence to a person, which ends its line. */
bool log_is_sentence(const struct log_field *field);
/* Appends one line as it stands on stderr, with the present time and its line end. */
void log_line_add(struct buffer *line, const struct log_style *style, enum log_level level,
                  const char *event, const struct log_field *field, size_t count);
/* The same as one entry of the journal. Returns as journal_send(). */
int log_line_send(const struct log_style *style, enum log_level level, const char *event,
                  const struct log_field *field, size_t count);

#endif
