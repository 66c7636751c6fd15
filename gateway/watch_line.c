#include "gateway/watch_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/watch_text.h"
#include "gateway/watch_words.h"
#include "proto/stamp.h"

#define TAIL_CHARS 8       /* of a conversation's id that are shown */
#define SERVICE_COLUMNS 12 /* a longer name is cut (on a small terminal to 8), as is … */
#define SERVICE_NARROW 8
#define KIND_COLUMNS 12 /* … a kind that is not known here */
#define DAY INT64_C(86400)
#define UNLIMITED 1000000 /* columns of a line that goes to no terminal */
/* Below these widths the least telling columns go, so that some words are left. */
#define WIDTH_FOR_LONG_SERVICE 100
#define WIDTH_FOR_MILLIS 80
#define WIDTH_FOR_CONVERSATION 64
#define WIDTH_FOR_SERVICE 48

/* A line being made. */
struct line {
    struct buffer *text;
    size_t left; /* columns */
    bool colours;
};

static const char *colour_of(enum topic_kind kind)
{
    static const char *const colour[TOPIC_KINDS] = {
        [TOPIC_QUERY] = "36",   [TOPIC_RESPONSE] = "32",   [TOPIC_MESSAGE] = "39",
        [TOPIC_PARTIAL] = "2",  [TOPIC_RETRY] = "33",      [TOPIC_DEAD] = "1;31",
        [TOPIC_EXPIRED] = "35", [TOPIC_SUPERSEDED] = "35", [TOPIC_DELETED] = "35",
        [TOPIC_DROPPED] = "35", [TOPIC_WORKER] = "34",     [TOPIC_GATEWAY] = "33",
    };
    return kind < TOPIC_KINDS ? colour[kind] : "39";
}

/* Puts at most COLUMNS columns of WORDS in COLOUR (NULL: as it is); returns how many it took. */
static size_t put(struct line *line, struct span words, size_t columns, const char *colour)
{
    if (columns > line->left)
        columns = line->left;
    if (words.size == 0 || columns == 0)
        return 0;
    if (line->colours && colour)
        buffer_format(line->text, "\033[%sm", colour);
    size_t used = watch_text_line(line->text, words, columns);
    if (line->colours && colour)
        buffer_text(line->text, "\033[0m");
    line->left -= used;
    return used;
}

static void put_blanks(struct line *line, size_t count)
{
    for (; count > 0 && line->left > 0; count--, line->left--)
        buffer_byte(line->text, ' ');
}

/* A column that is *WIDTH wide, and grows up to MAX; and a blank. */
static void put_cell(struct line *line, struct span words, size_t *width, size_t max,
                     const char *colour)
{
    size_t used = put(line, words, max, colour);
    if (used > *width)
        *width = used;
    put_blanks(line, *width - used + 1);
}

static bool is_wide(const struct watch_style *style, size_t width)
{
    return style->width == 0 || style->full || style->width >= width;
}

/* Of today the time, of the last days with the weekday, else the date. */
static void time_text(int64_t utc_us, int64_t now_us, bool millis, char *ret_text, size_t room)
{
    const time_t then = (time_t)(utc_us / 1000000), now = (time_t)(now_us / 1000000);
    const int64_t age = now - then;
    struct tm local, today;
    if (!localtime_r(&then, &local) || !localtime_r(&now, &today)) {
        snprintf(ret_text, room, "?");
        return;
    }
    bool is_today = local.tm_year == today.tm_year && local.tm_yday == today.tm_yday;
    size_t size;
    if (is_today)
        size = strftime(ret_text, room, "%H:%M:%S", &local);
    else if (age > 0 && age < 6 * DAY)
        size = strftime(ret_text, room, "%a %H:%M:%S", &local);
    else if (age > -300 * DAY && age < 300 * DAY)
        size = strftime(ret_text, room, "%m-%d %H:%M", &local);
    else
        size = strftime(ret_text, room, "%Y-%m-%d", &local);
    if (is_today && millis && size > 0)
        snprintf(ret_text + size, room - size, ".%03d", (int)(utc_us / 1000 % 1000));
}

static void put_time(struct line *line, const struct watch_event *event, int64_t now_us,
                     struct watch_style *style)
{
    char text[40];
    int64_t utc_us;
    struct buffer stamp;
    buffer_init(&stamp);
    watch_event_text(event->time.size ? event->time : event->timestamp, &stamp);
    if (stamp_parse(buffer_span(&stamp), &utc_us) == 0) {
        time_text(utc_us, now_us, is_wide(style, WIDTH_FOR_MILLIS), text, sizeof text);
        put_cell(line, span_str(text), &style->column.time, UNLIMITED, "2");
    } else { /* who wrote the row wrote what he liked */
        put_cell(line, buffer_span(&stamp), &style->column.time, style->column.time, "2");
    }
    buffer_done(&stamp);
}

static void put_kind(struct line *line, const struct watch_event *event, struct watch_style *style,
                     bool is_bad)
{
    enum topic_kind kind = watch_event_kind(event);
    struct buffer name;
    buffer_init(&name);
    if (kind < TOPIC_KINDS)
        buffer_text(&name, topic_name(kind));
    else
        watch_event_text(event->event, &name);
    put_cell(line, buffer_span(&name), &style->column.kind, KIND_COLUMNS,
             is_bad && kind == TOPIC_RESPONSE ? "31" : colour_of(kind));
    buffer_done(&name);
}

static void put_conversation(struct line *line, const struct watch_event *event,
                             struct watch_style *style)
{
    struct buffer id;
    buffer_init(&id);
    watch_event_text(event->conversation_id, &id);
    if (style->full)
        put_cell(line, buffer_span(&id), &style->column.conversation, UNLIMITED, NULL);
    else if (is_wide(style, WIDTH_FOR_CONVERSATION))
        put_cell(line, watch_text_tail(buffer_span(&id), TAIL_CHARS), &style->column.conversation,
                 TAIL_CHARS, NULL);
    buffer_done(&id);
}

static void put_service(struct line *line, const struct watch_event *event,
                        struct watch_style *style)
{
    struct buffer name;
    if (!is_wide(style, WIDTH_FOR_SERVICE))
        return;
    buffer_init(&name);
    watch_event_text(event->service, &name);
    put_cell(line, buffer_span(&name), &style->column.service,
             style->full                              ? UNLIMITED
             : is_wide(style, WIDTH_FOR_LONG_SERVICE) ? SERVICE_COLUMNS
                                                      : SERVICE_NARROW,
             NULL);
    buffer_done(&name);
}

/* "#17"; of an answer "#18 ← #17". */
static void put_row(struct line *line, const struct watch_event *event, struct watch_style *style)
{
    char text[64] = "";
    int64_t id = watch_event_number(event->id), about = watch_event_number(event->message_id);
    if (event->id.size && event->in_reply_to.size)
        snprintf(text, sizeof text, "#%" PRId64 " \xe2\x86\x90 #%" PRId64, id,
                 watch_event_number(event->in_reply_to));
    else if (event->id.size || event->message_id.size)
        snprintf(text, sizeof text, "#%" PRId64, event->id.size ? id : about);
    put_cell(line, span_str(text), &style->column.row, UNLIMITED, NULL);
}

static void put_words(struct line *line, const struct watch_words *words,
                      const struct watch_style *style)
{
    size_t columns =
        style->width || (style->full && !words->is_body) ? UNLIMITED : WATCH_TEXT_COLUMNS;
    if (words->before.size > 0) {
        size_t used = put(line, buffer_span(&words->before), columns, "2");
        columns -= used;
        if (words->words.size > 0 && used > 0 && columns > 0)
            put_blanks(line, 1);
    }
    if (style->full && words->is_body)
        return; /* they stand below */
    if (words->is_doubtful) {
        columns -= put(line, span_str("[]"), columns, "2");
        put_blanks(line, 1);
    }
    put(line, buffer_span(&words->words), columns, words->is_bad ? "31" : NULL);
}

static void put_body(struct buffer *text, const struct watch_event *event,
                     const struct watch_words *words)
{
    watch_text_block(text, buffer_span(&words->words));
    if (span_is(event->truncated, "true"))
        buffer_format(text, "    \xe2\x80\xa6 (%" PRId64 " bytes in all)\n",
                      watch_event_number(event->size));
}

void watch_line(const struct watch_event *event, struct watch_style *style, int64_t now_us,
                struct buffer *ret_text)
{
    struct line line = {.text = ret_text, .colours = style->colours};
    struct watch_words words;
    line.left = style->width && !style->full ? style->width : UNLIMITED;
    if (style->column.time == 0) {
        style->column.time = is_wide(style, WIDTH_FOR_MILLIS) ? 12 : 8;
        style->column.kind = 8;
        style->column.conversation = style->full ? 0 : TAIL_CHARS;
        style->column.service = 7;
        style->column.row = 9;
    }
    watch_words_init(&words);
    watch_words_of(&words, event);
    put_time(&line, event, now_us, style);
    put_kind(&line, event, style, words.is_bad);
    put_conversation(&line, event, style);
    put_service(&line, event, style);
    put_row(&line, event, style);
    put_words(&line, &words, style);
    while (ret_text->size > 0 && ret_text->data[ret_text->size - 1] == ' ')
        ret_text->size--;
    buffer_byte(ret_text, '\n');
    if (style->full && words.is_body)
        put_body(ret_text, event, &words);
    watch_words_done(&words);
}
