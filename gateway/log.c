/* Log lines. The set-up is written once, before the first thread starts, and only read after that;
 * a line is built in memory of its own and leaves in one write(2), alone or with the ones before
 * it, so lines of two threads or of two processes on one terminal do not mix (on a pipe: up to
 * PIPE_BUF bytes). The lock is held only
 * to look at what is folded, never while something is written. */
#include "gateway/log.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/host/journal.h"
#include "gateway/log_fold.h"
#include "gateway/log_line.h"
#include "gateway/terminal.h"

static struct {
    enum log_level level;
    struct log_style style;
} setup = {LOG_INFO, {LOG_HUMAN, "", false}};

/* log_gather(): where this thread's lines wait; NULL: each leaves at once. */
static _Thread_local struct buffer *gathered;

static struct {
    pthread_mutex_t mutex; /* guards what follows */
    struct log_fold fold;
    int64_t due_us; /* log_fold_due() */
} folded = {.mutex = PTHREAD_MUTEX_INITIALIZER, .due_us = INT64_MAX};

static void tell_all(void)
{
    log_run(INT64_MAX);
    log_flush();
}

void log_setup(enum log_level level, enum log_format format, const char *program)
{
    static bool first = true;

    if (format == LOG_AUTO)
        format = journal_is_stderr() ? LOG_JOURNAL : LOG_HUMAN;
    setup.level = level;
    setup.style.format = format;
    setup.style.program = program ? program : "";
    setup.style.colours = format == LOG_HUMAN && terminal_colours(STDERR_FILENO);
    if (first)
        atexit(tell_all);
    first = false;
}

int log_level_parse(const char *word, enum log_level *ret_level)
{
    for (size_t i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(word, log_level_names[i]) == 0) {
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

static void put_out(struct span lines)
{
    ssize_t written;

    while (lines.size > 0) {
        written = write(STDERR_FILENO, lines.data, lines.size);
        if (written < 0 && errno != EINTR)
            return;
        if (written > 0)
            lines = span_of(lines.data + written, lines.size - (size_t)written);
    }
}

/* One line, in a write of its own. */
static void write_alone(enum log_level level, const char *event, const struct log_field *field,
                        size_t count)
{
    struct buffer line;

    buffer_init(&line);
    log_line_add(&line, &setup.style, level, event, field, count);
    put_out(buffer_span(&line));
    buffer_done(&line);
}

/* The same behind the lines that wait. What does not fit into a write that stays in one piece
 * leaves before it; what tells of trouble takes all of them along. */
static void write_behind(struct buffer *lines, enum log_level level, const char *event,
                         const struct log_field *field, size_t count)
{
    size_t before = lines->size;

    log_line_add(lines, &setup.style, level, event, field, count);
    if (lines->size > PIPE_BUF && before > 0) {
        put_out(span_of(lines->data, before));
        lines->size -= before;
        memmove(lines->data, lines->data + before, lines->size + 1);
    }
    if (level <= LOG_WARN || lines->size > PIPE_BUF)
        log_flush();
}

void log_gather(struct buffer *lines)
{
    assert(!gathered && lines->size == 0);
    gathered = lines;
}

void log_flush(void)
{
    if (!gathered || gathered->size == 0)
        return;
    put_out(buffer_span(gathered));
    buffer_reset(gathered);
}

void log_gathered(void)
{
    int saved = errno;

    log_flush();
    gathered = NULL;
    errno = saved;
}

static void write_line(enum log_level level, const char *event, const struct log_field *field,
                       size_t count)
{
    int saved = errno; /* logging an error must not change what the caller is about to look at */
    bool taken = setup.style.format == LOG_JOURNAL &&
                 log_line_send(&setup.style, level, event, field, count) >= 0;

    if (!taken && gathered)
        write_behind(gathered, level, event, field, count);
    else if (!taken)
        write_alone(level, event, field, count);
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
        if (log_is_sentence(&field[i]))
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
