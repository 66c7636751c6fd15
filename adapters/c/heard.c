#include "adapters/c/heard.h"

#include "proto/jtext.h"
#include "proto/limits.h"

#define SEQ_DIGITS 20 /* of 2^64 - 1 */

static const char welcome_word[] = "gateway/welcome ";

/* The number of decimal digits in FRAME that say one above 0, or 0. */
static uint64_t read_seq(struct span frame)
{
    uint64_t seq = 0;
    if (frame.size > SEQ_DIGITS)
        return 0;
    for (size_t i = 0; i < frame.size; i++) {
        unsigned digit = (unsigned)((unsigned char)frame.data[i] - '0');
        if (digit > 9 || seq > (UINT64_MAX - digit) / 10)
            return 0;
        seq = seq * 10 + digit;
    }
    return seq;
}

/* The kind whose name stands in front of the slash; TOPIC_KINDS: one that we do not know; -1: that
 * is no topic. */
static int read_topic(struct span topic)
{
    const char *slash = topic.size > 0 ? memchr(topic.data, '/', topic.size) : NULL;
    if (!slash || slash == topic.data || topic.size > LIMIT_TOPIC)
        return -1;
    for (size_t i = 0; i < topic.size; i++) {
        if ((unsigned char)topic.data[i] < 0x20 || topic.data[i] == 0x7f)
            return -1;
    }
    struct span name = span_of(topic.data, (size_t)(slash - topic.data));
    int kind = 0;
    while (kind < TOPIC_KINDS && !span_is(name, topic_name((enum topic_kind)kind)))
        kind++;
    return kind;
}

/* One line with an object. */
static bool is_event(struct span json)
{
    if (json.size > LIMIT_FRAME_SIZE || jtext_check(json) != JTEXT_OBJECT)
        return false;
    return !memchr(json.data, '\n', json.size) && !memchr(json.data, '\r', json.size);
}

/* A number of 0 or more; RET_NUMBER is untouched when VALUE is none. */
static bool read_number(struct span value, int64_t *ret_number)
{
    int64_t number;
    if (value.size == 0 || jtext_integer(value, &number) != 0 || number < 0)
        return false;
    *ret_number = number;
    return true;
}

static bool read_mark(struct span json, struct heard *heard)
{
    const struct span none = {NULL, 0};
    struct span epoch = none, since = none, id = none, highest = none, last = none, seq = none;
    const struct jtext_wanted wanted[] = {{"epoch", &epoch},     {"since", &since}, {"id", &id},
                                          {"highest", &highest}, {"last", &last},   {"seq", &seq}};
    int64_t number = 0;
    jtext_pick(json, wanted, sizeof wanted / sizeof *wanted);
    if (epoch.size == 0 || jtext_type(epoch) != JTEXT_STRING ||
        jtext_copy(epoch, heard->epoch, sizeof heard->epoch) < 1)
        return false;
    if (!read_number(since, &heard->since) || !read_number(id, &heard->id) ||
        !read_number(seq, &number) || last.size == 0 || jtext_type(last) != JTEXT_OBJECT)
        return false;
    if (!read_number(highest, &heard->highest) || heard->highest < heard->id)
        heard->highest = heard->id;
    if (heard->kind == HEARD_WELCOME)
        heard->seq = (uint64_t)number;
    for (int kind = 0; kind < HEARD_DURABLE; kind++) {
        struct span value = none;
        if (jtext_find(last, topic_name((enum topic_kind)kind), &value) &&
            !read_number(value, &heard->last[kind]))
            return false;
    }
    return true;
}

static bool read_row(struct span json, bool live, struct heard *heard)
{
    const struct span none = {NULL, 0};
    struct span id = none, prev = none;
    const struct jtext_wanted wanted[] = {{"id", &id}, {"prev", &prev}};
    jtext_pick(json, wanted, sizeof wanted / sizeof *wanted);
    if (!read_number(id, &heard->id) || heard->id == 0)
        return false;
    return !live || (read_number(prev, &heard->prev) && heard->prev < heard->id);
}

static void read_filters(struct heard *heard)
{
    const struct jtext_wanted wanted[] = {{"conversation_id", &heard->conversation},
                                          {"service", &heard->service}};
    jtext_pick(heard->json, wanted, sizeof wanted / sizeof *wanted);
}

static struct heard read_welcome(const struct span *message)
{
    struct span frame = *message;
    size_t size = sizeof welcome_word - 1;
    struct heard heard = {
        .kind = HEARD_WELCOME, .frame = message, .count = 1, .about = TOPIC_GATEWAY};
    if (frame.size <= size || memcmp(frame.data, welcome_word, size) != 0)
        return (struct heard){.kind = HEARD_NOTHING};
    heard.topic = span_of(frame.data, size - 1);
    heard.json = span_of(frame.data + size, frame.size - size);
    if (!is_event(heard.json) || !read_mark(heard.json, &heard))
        return (struct heard){.kind = HEARD_NOTHING};
    return heard;
}

struct heard heard_read(const struct span *frame, size_t count)
{
    const struct heard nothing = {.kind = HEARD_NOTHING};
    if (count == 1)
        return read_welcome(frame);
    if (count != 3)
        return nothing;
    struct heard heard = {
        .kind = HEARD_OTHER, .frame = frame, .count = count, .topic = frame[0], .json = frame[2]};
    heard.about = read_topic(frame[0]);
    heard.seq = read_seq(frame[1]);
    if (heard.about < 0 || heard.seq == 0 || !is_event(heard.json))
        return nothing;
    if (heard.about < HEARD_DURABLE)
        heard.kind = HEARD_ROW;
    else if (span_is(heard.topic, "gateway/mark"))
        heard.kind = HEARD_MARK;
    if (heard.kind == HEARD_ROW && !read_row(heard.json, true, &heard))
        return nothing;
    if (heard.kind == HEARD_MARK && !read_mark(heard.json, &heard))
        return nothing;
    read_filters(&heard);
    return heard;
}

struct heard heard_replayed(struct span json)
{
    const struct heard nothing = {.kind = HEARD_NOTHING};
    struct heard heard = {.kind = HEARD_ROW, .json = json};
    struct span event = {NULL, 0};
    if (!is_event(json) || !jtext_find(json, "event", &event) || jtext_type(event) != JTEXT_STRING)
        return nothing;
    while (heard.about < HEARD_DURABLE &&
           !jtext_is(event, topic_name((enum topic_kind)heard.about)))
        heard.about++;
    if (heard.about == HEARD_DURABLE || !read_row(json, false, &heard))
        return nothing;
    read_filters(&heard);
    return heard;
}
