#include "gateway/watch_show.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/terminal.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/stamp.h"

#define NARROWEST 20 /* a terminal that says less does not know its width */
#define USUAL 80

void watch_show_init(struct watch_show *self, const struct watch_wish *wish, struct watch_out *out)
{
    memset(self, 0, sizeof *self);
    self->wish = wish;
    self->out = out;
    self->style.full = wish->full;
    self->style.colours = terminal_colours(STDOUT_FILENO);
    buffer_init(&self->text);
}

void watch_show_done(struct watch_show *self)
{
    buffer_done(&self->text);
}

/* Windows change their size. */
static size_t width_of_terminal(void)
{
    struct winsize size;
    if (!terminal_is(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= NARROWEST)
        return size.ws_col;
    return USUAL;
}

static bool is_among(const struct watch_wish *wish, enum topic_kind kind)
{
    for (size_t i = 0; i < wish->kinds; i++) {
        if (kind < TOPIC_KINDS && strcmp(wish->kind[i], topic_name(kind)) == 0)
            return true;
    }
    return wish->kinds == 0;
}

static bool is_wanted(const struct watch_show *self, const struct watch_event *event,
                      enum topic_kind kind)
{
    const struct watch_wish *wish = self->wish;
    return is_among(wish, kind) &&
           (!wish->conversation || watch_event_is(event->conversation_id, wish->conversation)) &&
           (!wish->service || watch_event_is(event->service, wish->service));
}

/* True when the row was told before: by the gateway, and now by the file, or the other way. */
static bool was_told(struct watch_show *self, const struct watch_event *event, enum topic_kind kind)
{
    int64_t id = watch_event_number(event->id);
    if (kind >= EVENT_DURABLE || id == 0)
        return false;
    if (id <= self->told[kind])
        return true;
    self->told[kind] = id;
    return false;
}

int watch_show_event(struct watch_show *self, struct span json)
{
    struct watch_event event;
    if (!watch_event_read(json, &event))
        return -1;
    enum topic_kind kind = watch_event_kind(&event);
    if (was_told(self, &event, kind) || !is_wanted(self, &event, kind))
        return -1;
    buffer_reset(&self->text);
    if (self->wish->json) {
        buffer_add(&self->text, json);
        buffer_byte(&self->text, '\n');
    } else {
        self->style.width = width_of_terminal();
        watch_line(&event, &self->style, clock_utc_us(), &self->text);
    }
    return watch_out_put(self->out, buffer_span(&self->text));
}

void watch_show_reset(struct watch_show *self, int64_t id)
{
    for (size_t kind = 0; kind < EVENT_DURABLE; kind++)
        self->told[kind] = id;
}

static int put_object(struct watch_show *self, const char *name, int64_t count, struct span words)
{
    char stamp[STAMP_SIZE];
    stamp_format(clock_utc_us(), stamp);
    buffer_reset(&self->text);
    buffer_byte(&self->text, '{');
    jtext_member(&self->text, "event", span_str(name));
    jtext_member(&self->text, "time", span_str(stamp));
    if (count >= 0)
        jtext_member_integer(&self->text, "count", count);
    buffer_text(&self->text, ",\"say\":");
    escape_json(&self->text, words);
    buffer_text(&self->text, "}\n");
    return watch_out_put(self->out, buffer_span(&self->text));
}

int watch_show_notice(struct watch_show *self, const char *name, int64_t count, bool quiet,
                      const char *format, ...)
{
    va_list arguments;
    char *words = NULL;
    va_start(arguments, format);
    int length = vasprintf(&words, format, arguments);
    va_end(arguments);
    if (length < 0)
        return -1;
    if (!quiet) {
        bool dim = terminal_colours(STDERR_FILENO);
        buffer_reset(&self->text);
        buffer_text(&self->text, dim ? "\033[2mtailgate watch: " : "tailgate watch: ");
        escape_text(&self->text, span_str(words), ESCAPE_CELL);
        buffer_text(&self->text, dim ? "\033[0m\n" : "\n");
        fwrite(self->text.data, 1, self->text.size, stderr);
        fflush(stderr);
    }
    int code = self->wish->json ? put_object(self, name, count, span_str(words)) : -1;
    free(words);
    return code;
}
